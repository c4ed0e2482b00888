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
// to cool down or is refused. It is safe for concurrent use.
type KeyRing struct {
	mu      sync.Mutex
	keys    []Key
	until   []time.Time // end of each key's cool-down
	refused []refusal
	cur     int
}

// refusal is since and until when a key is set aside, because the provider refused
// it; zero: it is not.
type refusal struct{ since, until time.Time }

// NewKeyRing makes a ring in the order of preference. An empty ring is that of
// a provider without keys.
func NewKeyRing(secrets ...string) *KeyRing {
	secrets = slices.Clone(secrets)
	r := &KeyRing{until: make([]time.Time, len(secrets)), refused: make([]refusal, len(secrets))}
	for i := range secrets {
		r.keys = append(r.keys, Key{&secrets[i], i})
	}
	return r
}

// Len is the number of keys.
func (r *KeyRing) Len() int { return len(r.keys) }

// Keys are all keys, in the order of preference.
func (r *KeyRing) Keys() []Key { return slices.Clone(r.keys) }

// Place says which of the ring's keys k is, for people: "key 1 of 3".
func (r *KeyRing) Place(k Key) string { return k.String() + " of " + strconv.Itoa(len(r.keys)) }

// Pick returns the key to use now. If all are cooling down, ok is false and
// soonest says when the first one is ready. A refused key is picked only where
// every key is refused: then the one that was refused first, so that they are
// tried in turn. An empty ring gives the zero Key.
func (r *KeyRing) Pick(now time.Time) (k Key, soonest time.Time, ok bool) {
	if len(r.keys) == 0 {
		return Key{}, time.Time{}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.usable(now) == 0
	best := -1
	for i := range r.keys {
		at := (r.cur + i) % len(r.keys)
		switch until := r.until[at]; {
		case !all && now.Before(r.refused[at].until):
		case now.Before(until):
			if soonest.IsZero() || until.Before(soonest) {
				soonest = until
			}
		case best < 0, all && r.refused[at].until.Before(r.refused[best].until):
			best = at
		}
	}
	if best < 0 {
		return Key{}, soonest, false
	}
	r.cur = best
	return r.keys[best], time.Time{}, true
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

// Refuse sets aside a key that the provider has refused. news is false where it
// was set aside already; left is how many keys are not.
func (r *KeyRing) Refuse(k Key, now, until time.Time) (news bool, left int) {
	if k.index >= len(r.keys) {
		return false, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	news = !now.Before(r.refused[k.index].until)
	r.refused[k.index] = refusal{now, until}
	return news, r.usable(now)
}

// Accept takes a key back that was set aside, after the provider has answered what
// was asked with it then. An answer to what was asked before the refusal says
// nothing. back reports whether the key was set aside until now.
func (r *KeyRing) Accept(k Key, asked, now time.Time) (back bool) {
	if k.index >= len(r.keys) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	was := &r.refused[k.index]
	if asked.Before(was.since) {
		return false
	}
	back = now.Before(was.until)
	*was = refusal{}
	return back
}

// Usable is the number of keys that are not refused.
func (r *KeyRing) Usable(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.usable(now)
}

// usable is Usable; mu is held.
func (r *KeyRing) usable(now time.Time) int {
	n := 0
	for i := range r.refused {
		if !now.Before(r.refused[i].until) {
			n++
		}
	}
	return n
}
