// Package authtest holds the suite that every [auth.Store] passes, and a store
// in memory for tests of what builds on one.
package authtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/auth"
)

// Memory is an [auth.Store] for tests.
type Memory struct {
	mu   sync.Mutex
	keys []auth.Key // in order of Rev
	rev  int64
	fail error
}

var _ auth.Store = (*Memory)(nil)

// Fail makes every call return err, until it is called with nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// KeysSince implements [auth.Store].
func (m *Memory) KeysSince(_ context.Context, rev int64) ([]auth.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []auth.Key
	for _, key := range m.keys {
		if key.Rev > rev {
			keys = append(keys, key)
		}
	}
	return keys, m.fail
}

// PutKeys implements [auth.Store].
func (m *Memory) PutKeys(_ context.Context, keys ...auth.Key) ([]auth.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	next, rev, stored := slices.Clone(m.keys), m.rev, slices.Clone(keys)
	for i := range stored {
		key := &stored[i]
		at := slices.IndexFunc(next, func(k auth.Key) bool { return k.ID == key.ID })
		if at < 0 && key.Rev != 0 || at >= 0 && key.Rev != next[at].Rev {
			return nil, fmt.Errorf("key %s: %w", key.ID, auth.ErrConflict)
		}
		if at >= 0 {
			next = slices.Delete(next, at, at+1)
		}
		rev++
		key.Rev = rev
		next = append(next, *key)
	}
	m.keys, m.rev = next, rev
	return stored, nil
}

// Test runs the suite. open returns a fresh, empty store each time.
func Test(t *testing.T, open func(t *testing.T) auth.Store) {
	t.Run("RoundTrip", func(t *testing.T) { testRoundTrip(t, open(t)) })
	t.Run("Conflict", func(t *testing.T) { testConflict(t, open(t)) })
	t.Run("AllOrNone", func(t *testing.T) { testAllOrNone(t, open(t)) })
	t.Run("Concurrent", func(t *testing.T) { testConcurrent(t, open(t)) })
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func fullKey(id string) auth.Key {
	return auth.Key{
		ID: id, Name: "team «a»", Hash: [32]byte{1, 2, 255, id[0]}, Family: "family", Replaces: "older",
		Created: day, CreatedBy: "os:ada", Expires: day.Add(time.Hour), Revoked: day.Add(time.Minute),
		Grant: auth.Grant{
			Workloads: []string{"a", "b-*"}, Models: true, Admin: true,
			Limits: auth.Limits{RequestsPerMinute: 1, TokensPerMinute: 2, Concurrent: 3},
			Tags:   []string{"x=1", "y"}, DataClasses: []string{"eu-only"},
		},
	}
}

func testRoundTrip(t *testing.T, s auth.Store) {
	bare := auth.Key{ID: "bare", Name: "bare", Hash: [32]byte{9}, Created: day}
	stored, err := s.PutKeys(t.Context(), fullKey("full"), bare)
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) != 2 || stored[0].Rev <= 0 || stored[1].Rev <= stored[0].Rev {
		t.Fatalf("revisions do not rise: %+v", stored)
	}
	read, err := s.KeysSince(t.Context(), 0)
	if diff := cmp.Diff(stored, read); diff != "" || err != nil {
		t.Errorf("read back: %v\n%s", err, diff)
	}
	want := fullKey("full")
	want.Rev = stored[0].Rev
	if diff := cmp.Diff(want, read[0]); diff != "" {
		t.Errorf("full key:\n%s", diff)
	}
	// A change moves the row to the end of the order, alone.
	changed := read[0]
	changed.Revoked, changed.Tags = time.Time{}, nil
	stored, err = s.PutKeys(t.Context(), changed)
	if err != nil {
		t.Fatal(err)
	}
	read, err = s.KeysSince(t.Context(), read[1].Rev)
	if diff := cmp.Diff(stored, read); diff != "" || err != nil || len(read) != 1 {
		t.Errorf("what changed: %v\n%s", err, diff)
	}
	if read, err := s.KeysSince(t.Context(), stored[0].Rev); err != nil || len(read) != 0 {
		t.Errorf("nothing changed: %v, %v", read, err)
	}
}

func testConflict(t *testing.T, s auth.Store) {
	stored, err := s.PutKeys(t.Context(), fullKey("a"))
	if err != nil {
		t.Fatal(err)
	}
	old := stored[0]
	if _, err := s.PutKeys(t.Context(), fullKey("a")); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("inserting a key twice: %v", err)
	}
	if _, err := s.PutKeys(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutKeys(t.Context(), old); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("changing an old state: %v", err)
	}
	missing := fullKey("b")
	missing.Rev = 1
	if _, err := s.PutKeys(t.Context(), missing); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("changing a missing key: %v", err)
	}
}

func testAllOrNone(t *testing.T, s auth.Store) {
	missing := fullKey("b")
	missing.Rev = 7
	if _, err := s.PutKeys(t.Context(), fullKey("a"), missing); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("second key in conflict: %v", err)
	}
	if read, err := s.KeysSince(t.Context(), 0); err != nil || len(read) != 0 {
		t.Errorf("after a failed write: %v, %v", read, err)
	}
}

func testConcurrent(t *testing.T, s auth.Store) {
	stored, err := s.PutKeys(t.Context(), fullKey("a"))
	if err != nil {
		t.Fatal(err)
	}
	const writers = 8
	var wg sync.WaitGroup
	won := make(chan struct{}, writers)
	for range writers {
		wg.Go(func() {
			if _, err := s.PutKeys(context.Background(), stored[0]); err == nil {
				won <- struct{}{}
			} else if !errors.Is(err, auth.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d of %d writers of one state won, want 1", len(won), writers)
	}
}
