package upstream

import (
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Key is one API key of a provider. Printing or logging it shows its place in
// the ring, never its value.
type Key struct {
	secret *string // a pointer, because fmt shows a string within others' private fields
	index  int
}

// NewKey makes a key outside of a ring.
func NewKey(secret string) Key { return Key{secret: &secret} }

// value is the secret itself; empty for the zero Key.
func (k Key) value() string {
	if k.secret == nil {
		return ""
	}
	return *k.secret
}

// String is the key's place, counted from 1.
func (k Key) String() string { return "key " + strconv.Itoa(k.index+1) }

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the secret out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// KeyRing holds the keys of one provider. It stays with one key, because a
// provider's prompt cache and rate limits belong to it, until that key is told
// to cool down. It is safe for concurrent use.
type KeyRing struct {
	mu    sync.Mutex
	keys  []Key
	until []time.Time // end of each key's cool-down
	cur   int
}

// NewKeyRing makes a ring in the order of preference. An empty ring is that of
// a provider without keys.
func NewKeyRing(secrets ...string) *KeyRing {
	secrets = slices.Clone(secrets)
	r := &KeyRing{until: make([]time.Time, len(secrets))}
	for i := range secrets {
		r.keys = append(r.keys, Key{&secrets[i], i})
	}
	return r
}

// Len is the number of keys.
func (r *KeyRing) Len() int { return len(r.keys) }

// Pick returns the key to use now. If all are cooling down, ok is false and
// soonest says when the first one is ready. An empty ring gives the zero Key.
func (r *KeyRing) Pick(now time.Time) (k Key, soonest time.Time, ok bool) {
	if len(r.keys) == 0 {
		return Key{}, time.Time{}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.keys {
		at := (r.cur + i) % len(r.keys)
		if until := r.until[at]; !now.Before(until) {
			r.cur = at
			return r.keys[at], time.Time{}, true
		} else if soonest.IsZero() || until.Before(soonest) {
			soonest = until
		}
	}
	return Key{}, soonest, false
}

// Cool keeps the key from use until then. A shorter cool-down never ends a
// longer one.
func (r *KeyRing) Cool(k Key, until time.Time) {
	if k.index >= len(r.keys) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if until.After(r.until[k.index]) {
		r.until[k.index] = until
	}
}
