package moves

import (
	"context"
	"errors"
	"testing"
	"time"

	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone/wire"
)

// TestShadowsStay: what both stores found is still known when the process begins anew,
// and a new move begins without it.
func TestShadowsStay(t *testing.T) {
	w := newWorld(t)
	s := w.spec("docs")
	s.Shadow = 1
	w.use(s)
	w.must(w.upsert("a", "b"), w.sync(false))
	ask := func() {
		t.Helper()
		if _, err := w.index().Query(t.Context(), &wire.QueryRequest{TopK: 2, Vector: []float32{1, 2, 3, 4}}); err != nil {
			t.Fatal(err)
		}
	}
	queries := func(n int64) func(*Status) bool { return func(x *Status) bool { return x.Shadows.Queries == n } }
	ask()
	ask()
	before := w.until(queries(2)).Shadows
	if before.Mean() != 1 || before.Since == "" || before.Pinecone.Count() != 2 {
		t.Errorf("%+v", before)
	}
	w.stop()
	w.start()
	w.use(s)
	if after := w.status().Shadows; after.Queries != 2 || after.Overlap != before.Overlap || after.Since != before.Since ||
		after.Store.Quantile(0.5) != before.Store.Quantile(0.5) || after.Pinecone.Quantile(0.5) != before.Pinecone.Quantile(0.5) {
		t.Errorf("%+v was %+v", after, before)
	}
	ask()
	w.until(queries(3))
	w.must(w.keeper.Leave(t.Context(), "docs", tester, ""), w.sync(false))
	if x := w.status().Shadows; x.Queries != 0 || x.Since != "" {
		t.Errorf("of another move: %+v", x)
	}
}

// forgetful is a state that takes nothing at first.
type forgetful struct {
	front.Ledger
	full bool
	has  front.Shadows
}

// AddShadows implements [front.Ledger].
func (f *forgetful) AddShadows(_ context.Context, _ string, add *front.Shadows) error {
	if f.full {
		return errors.New("the disk is full")
	}
	f.has.Merge(add)
	return nil
}

// TestShadowsAreNotLost: what could not be kept is kept later, once.
func TestShadowsAreNotLost(t *testing.T) {
	var s seen
	f := &forgetful{full: true}
	c := front.Comparison{K: 2, Overlap: 0.5, Pinecone: time.Millisecond, Store: 2 * time.Millisecond}
	s.add(&c, "2026-01-02")
	if err := s.keep(t.Context(), f, "docs"); err == nil {
		t.Error("it is kept")
	}
	s.add(&front.Comparison{Failed: true}, "2026-01-03")
	f.full = false
	for range 2 {
		if err := s.keep(t.Context(), f, "docs"); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []front.Shadows{f.has, s.sum()} {
		if x.Queries != 2 || x.Failed != 1 || x.Mean() != 0.5 || x.Since != "2026-01-02" || x.Store.Count() != 1 {
			t.Errorf("%+v", x)
		}
	}
}
