package front_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/wire"
)

func query() *wire.QueryRequest {
	return &wire.QueryRequest{TopK: 10, Vector: []float32{1, 2, 3, 4}}
}

// TestSharedReads: the store that follows answers its share of reads once it is filled,
// and where it is away the authority does.
func TestSharedReads(t *testing.T) {
	w := newWorld(t)
	w.upsert("", doc(t, "a", 1), doc(t, "b", 2))
	w.begin()
	w.reads = 1
	read := func(who string, vectors int) {
		t.Helper()
		got, err := w.index.Fetch(t.Context(), &wire.FetchRequest{Ids: []string{"a", "b"}})
		if err != nil || len(got.GetVectors()) != vectors {
			t.Errorf("%s: fetched %v: %v", who, got, err)
		}
		found, err := w.index.Query(t.Context(), query())
		if err != nil || len(found.GetMatches()) != vectors {
			t.Errorf("%s: found %v: %v", who, found, err)
		}
	}
	w.broken.Store(down(false, "upsert"))
	read("not filled yet: Pinecone", 2)
	w.broken.Store(nil)
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.broken.Store(down(false, "query", "fetch"))
	read("the store that follows", 2)
	lost := away
	w.lost.Store(&lost)
	if _, err := w.index.Query(t.Context(), query()); status.Code(err) != codes.Unavailable {
		t.Errorf("both are away: %v", err)
	}
	w.broken.Store(nil)
	read("the authority in its place", 2)
	w.lost.Store(nil)
}

// TestShadow: overlap is of the longer answer, whoever gave it; a store that is away is
// counted as such, and no client notices.
func TestShadow(t *testing.T) {
	w := newWorld(t)
	w.upsert("", doc(t, "a", 1), doc(t, "b", 2))
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.shadow = 1
	ask := func(failed bool, k int, overlap float64) {
		t.Helper()
		if _, err := w.index.Query(t.Context(), query()); err != nil {
			t.Fatal(err)
		}
		if c := <-w.compared; c.Failed != failed || c.K != k || !failed && c.Overlap != overlap {
			t.Errorf("%+v", c)
		}
	}
	ask(false, 2, 1)
	past := pinecone.Relay{Store: w.store}
	if _, err := past.Delete(t.Context(), &wire.DeleteRequest{Ids: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	ask(false, 1, 0.5)
	if _, err := past.Delete(t.Context(), &wire.DeleteRequest{Ids: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	ask(false, 0, 0)
	lost := away
	w.lost.Store(&lost)
	ask(true, 0, 0)
	w.lost.Store(nil)
}
