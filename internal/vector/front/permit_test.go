package front_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone/wire"
)

// TestBound: a request reaches no store that its rules do not admit. A write that one of
// two stores may not have is refused whole, and a read is asked of none that may not.
func TestBound(t *testing.T) {
	w := newWorld(t)
	except := func(no front.Side) context.Context {
		return front.Bind(t.Context(), func(s front.Side) error {
			if s == no {
				return errors.New("class c: store " + string(s))
			}
			return nil
		})
	}
	write := func(ctx context.Context) error {
		_, err := w.index.Upsert(ctx, &wire.UpsertRequest{Vectors: []*wire.Vector{doc(t, "x", 1)}})
		return err
	}
	read := func(ctx context.Context) error {
		_, err := w.index.Query(ctx, &wire.QueryRequest{TopK: 1, Vector: []float32{1, 2, 3, 4}})
		return err
	}
	denied := func(what string, err error) {
		t.Helper()
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", what, err)
		}
	}
	fine := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.upsert("", doc(t, "a", 1), doc(t, "b", 2))
	denied("a write of a relay", write(except(front.AtPinecone)))
	denied("a read of a relay", read(except(front.AtPinecone)))
	_, err := w.index.DescribeIndexStats(except(front.AtPinecone), &wire.StatsRequest{})
	denied("statistics", err)
	_, err = w.index.Delete(except(front.AtPinecone), &wire.DeleteRequest{Ids: []string{"a"}})
	denied("a deletion", err)
	fine("a write past the new store", write(except(front.AtStore)))
	_, err = w.index.Delete(t.Context(), &wire.DeleteRequest{Ids: []string{"x"}})
	fine("a deletion", err)

	w.begin()
	fine("a copy", w.fill("c1", ""))
	w.shadow, w.reads = 1, 1
	denied("a write that follows", write(except(front.AtStore)))
	denied("a write", write(except(front.AtPinecone)))
	fine("a read whose share and shadow are elsewhere", read(except(front.AtStore)))
	select {
	case c := <-w.compared:
		t.Errorf("a shadow: %+v", c)
	default:
	}
	w.reads, w.shadow = 0, 0
	w.settled()
	w.verify("")
	fine("a cutover", w.index.Cutover(t.Context()))
	denied("a write that Pinecone follows", write(except(front.AtPinecone)))
	denied("a read after the cutover", read(except(front.AtStore)))
	fine("a read after the cutover", read(except(front.AtPinecone)))
	fine("a write of all", write(t.Context()))
	w.settled()
}

// TestForbiddenSource: Pinecone gets nothing that the index's own classes keep from it,
// and what is on record waits.
func TestForbiddenSource(t *testing.T) {
	w := newWorld(t)
	w.upsert("", doc(t, "a", 1))
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.broken.Store(down(false, "upsert"))
	w.upsert("", doc(t, "b", 2))
	w.source.Store(true)
	w.broken.Store(nil)
	_, err := w.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{doc(t, "c", 3)}})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("%v", err)
	}
	for !strings.Contains(w.index.Trouble(), errSource.Error()) && t.Context().Err() == nil {
		_ = soon(t.Context(), 0) // it is tried in the background
	}
	got, err := w.store.Fetch(t.Context(), "", []vector.ID{vector.IDOf("b")})
	if err != nil || len(got) != 0 {
		t.Errorf("%v: %v", got, err)
	}
	if _, err := w.index.Query(t.Context(), &wire.QueryRequest{TopK: 1, Vector: []float32{1, 2, 3, 4}}); err != nil {
		t.Error(err)
	}
	w.source.Store(false)
	w.settled()
}
