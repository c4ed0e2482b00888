package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// PollInterval is how often [Keyring.Watch] asks the store for changes that
// other processes made. A revocation by `freehold keys revoke` beside a running
// server takes effect within it and the time of one small query.
const PollInterval = 500 * time.Millisecond

// Options of a [Keyring]. All fields are required.
type Options struct {
	Clock  func() time.Time
	Random io.Reader // cryptographically secure: crypto/rand.Reader
	Logger *slog.Logger
}

// Keyring issues keys and authenticates requests.
type Keyring struct {
	store  Store
	clock  func() time.Time
	random io.Reader
	logger *slog.Logger

	current  atomic.Pointer[snapshot]
	writing  sync.Mutex // one replacement of current at a time
	refusals refusals
}

// NewKeyring reads all keys. It starts nothing: run [Keyring.Watch] where other
// processes may change keys.
func NewKeyring(ctx context.Context, store Store, o Options) (*Keyring, error) {
	k := &Keyring{store: store, clock: o.Clock, random: o.Random, logger: o.Logger}
	k.current.Store(&snapshot{byID: map[string]*Key{}})
	if err := k.Refresh(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// Authenticate returns the key of a request, or a [*Denied]. The key may still
// be out of scope for what is asked: see [Key.AllowWorkload].
func (k *Keyring) Authenticate(h http.Header) (*Key, error) {
	plaintext, err := KeyFromHeader(h)
	if err == nil {
		key, denied := k.current.Load().authenticate(plaintext, k.clock())
		if denied == nil {
			return key, nil
		}
		err = denied
	}
	if denied, ok := errors.AsType[*Denied](err); ok {
		k.refusals.note(denied, k.clock(), k.logger)
	}
	return nil, err
}

// Refusals counts the requests refused since start, by reason.
func (k *Keyring) Refusals() map[Code]int64 { return k.refusals.counts() }

// List returns all keys, oldest first, revoked ones too. They are read-only.
func (k *Keyring) List() []*Key { return k.current.Load().list() }

// Get returns the key of an id; the prefix fh_ may stand before it.
func (k *Keyring) Get(id string) (*Key, error) {
	if len(id) == len(tokenPrefix)+idLen {
		id = id[len(tokenPrefix):]
	}
	if key, ok := k.current.Load().byID[id]; ok {
		return key, nil
	}
	if len(id) > len(tokenPrefix)+idLen { // perhaps a whole key: do not repeat it
		return nil, fmt.Errorf("%w: give the id, the %d characters after %s", ErrNotFound, idLen, tokenPrefix)
	}
	return nil, fmt.Errorf("%w: %q; see `freehold keys list`", ErrNotFound, id)
}

// Request describes a key to create.
type Request struct {
	Name    string // what the key is for; not unique
	By      string // who asks: an OS user, a key
	Expires time.Time
	Grant
}

// Create issues a key and returns its plain text, which exists nowhere else and
// cannot be read again. Absent workloads mean all of them, but none for an
// administration key.
func (k *Keyring) Create(ctx context.Context, r Request) (Key, string, error) {
	now := k.now()
	if r.Name == "" || len(r.Name) > 200 || !utf8.ValidString(r.Name) || strings.ContainsFunc(r.Name, unicode.IsControl) {
		return Key{}, "", &RequestError{"create a key: give it a name of 1 to 200 bytes, in one line, that says what it is for"}
	}
	if !r.Expires.IsZero() && !r.Expires.After(now) {
		return Key{}, "", &RequestError{fmt.Sprintf("create the key %q: its expiry %s is not in the future", r.Name, r.Expires.Format(time.RFC3339))}
	}
	if err := r.Grant.check(); err != nil {
		return Key{}, "", &RequestError{fmt.Sprintf("create the key %q: %v", r.Name, err)}
	}
	if r.Workloads == nil && !r.Admin {
		r.Workloads = []string{"*"}
	}
	id, plaintext, err := newToken(k.random)
	if err != nil {
		return Key{}, "", err
	}
	stored, err := k.put(ctx, Key{
		ID: id, Name: r.Name, Hash: hashKey(plaintext), Family: id,
		Created: now, CreatedBy: r.By, Expires: r.Expires.UTC(), Grant: r.Grant,
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("create the key %q: %w", r.Name, err)
	}
	return stored[0], plaintext, nil
}

// Rotate issues a successor with the same name, grant and lifetime. The old key
// works until the overlap has passed (or it expires, if that is sooner); with an
// overlap of 0 it stops at once.
func (k *Keyring) Rotate(ctx context.Context, id string, overlap time.Duration, by string) (Key, string, error) {
	if overlap < 0 {
		return Key{}, "", &RequestError{fmt.Sprintf("rotate %s: the overlap %v is negative", id, overlap)}
	}
	newID, plaintext, err := newToken(k.random)
	if err != nil {
		return Key{}, "", err
	}
	stored, err := k.change(ctx, id, func(old Key, now time.Time) ([]Key, error) {
		if state := old.State(now); state != "active" {
			return nil, &RequestError{fmt.Sprintf("%s is %s: create a new key instead", &old, state)}
		}
		if next := k.current.Load().successor(old.ID); next != nil {
			return nil, &RequestError{fmt.Sprintf("%s was rotated already: rotate its successor %s", &old, next)}
		}
		successor := old
		successor.ID, successor.Hash, successor.Rev = newID, hashKey(plaintext), 0
		successor.Replaces, successor.Created, successor.CreatedBy = old.ID, now, by
		if !old.Expires.IsZero() {
			successor.Expires = now.Add(old.Expires.Sub(old.Created))
		}
		if end := now.Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
			old.Expires = end
		}
		return []Key{successor, old}, nil
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("rotate: %w", err)
	}
	return stored[0], plaintext, nil
}

// Revoke ends a key for good. It holds in this process before Revoke returns.
// Revoking a revoked key changes nothing.
func (k *Keyring) Revoke(ctx context.Context, id string) (Key, error) {
	stored, err := k.change(ctx, id, func(key Key, now time.Time) ([]Key, error) {
		if key.Revoked.IsZero() {
			key.Revoked = now
		}
		return []Key{key}, nil
	})
	if err != nil {
		return Key{}, fmt.Errorf("revoke: %w", err)
	}
	return stored[0], nil
}

// change reads the newest state of a key, asks edit what to store and stores
// it, again from the start if another process was faster.
func (k *Keyring) change(ctx context.Context, id string, edit func(Key, time.Time) ([]Key, error)) ([]Key, error) {
	const attempts = 10
	for attempt := 1; ; attempt++ {
		if err := k.Refresh(ctx); err != nil {
			return nil, err
		}
		key, err := k.Get(id)
		if err != nil {
			return nil, err
		}
		keys, err := edit(*key, k.now())
		if err != nil {
			return nil, err
		}
		stored, err := k.put(ctx, keys...)
		if err == nil || !errors.Is(err, ErrConflict) || attempt == attempts {
			return stored, err
		}
	}
}

// put stores keys and shows them to requests before it returns.
func (k *Keyring) put(ctx context.Context, keys ...Key) ([]Key, error) {
	stored, err := k.store.PutKeys(ctx, keys...)
	if err != nil {
		return nil, err
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	old := k.current.Load()
	next := old.with(stored)
	// Between the revision seen last and ours, another process may have
	// written: the next Refresh must still ask for that.
	next.rev = old.rev
	k.current.Store(next)
	return stored, nil
}

// Refresh takes over what changed in the store since the last time.
func (k *Keyring) Refresh(ctx context.Context) error {
	changed, err := k.store.KeysSince(ctx, k.current.Load().rev)
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	if len(changed) == 0 {
		return nil
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	k.current.Store(k.current.Load().with(changed))
	return nil
}

// Watch refreshes every [PollInterval] until ctx ends. While the store cannot be
// read the keys known last stay valid: our own store failing is no reason to
// turn callers away, and it is logged once when it begins and once when it ends.
func (k *Keyring) Watch(ctx context.Context) {
	ticker := time.NewTicker(PollInterval)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := k.Refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			k.logger.Error("keys cannot be refreshed: those known last stay valid, and revocations made by other processes do not take effect", "error", err)
		case err == nil && failing:
			k.logger.Info("keys are refreshed again")
		}
		failing = err != nil
	}
}

// now is the clock in the store's resolution, so that a key reads back equal.
func (k *Keyring) now() time.Time { return k.clock().UTC().Truncate(time.Microsecond) }
