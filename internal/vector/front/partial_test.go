package front_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector/pinecone/wire"
)

// TestAllOrNothing: of a write of which the new store refuses a part nothing is written,
// as at Pinecone, where the store can write all or nothing.
func TestAllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.upsert("", doc(t, "good", 1), doc(t, "bad", 2))
	w.memory.Bounds.Payload = 400
	long := &wire.Vector{Id: "bad", Values: []float32{1, 2, 3, 4}, Metadata: metadata(t, map[string]any{"text": strings.Repeat("x", 500)})}
	_, err := w.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{doc(t, "good", 3), long, doc(t, "new", 4)}})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "bad") || !strings.Contains(err.Error(), "nothing of the request is written") {
		t.Errorf("refused: %v", err)
	}
	w.settled()
	w.verify("")
	for _, v := range w.sim.Records(index, "") {
		if n := v.GetMetadata().GetFields()["n"].GetNumberValue(); v.GetId() == "new" || v.GetId() == "good" && n != 1 {
			t.Errorf("Pinecone has %v", v)
		}
	}
	if n, err := w.memory.Count(t.Context(), ""); n != 2 || err != nil {
		t.Errorf("%d records: %v", n, err)
	}
}

// TestPartOfAWrite: what the new store carries out of a write, of which it refuses a
// part, is not lost by a rollback. (Not each store can write all or nothing.)
func TestPartOfAWrite(t *testing.T) {
	w := newWorld(t)
	w.memory.Parts = true
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.memory.Bounds.Payload = 400
	text := func(n int) map[string]any { return map[string]any{"text": strings.Repeat("x", n), "kind": "k"} }
	vector := func(id string, n int) *wire.Vector {
		return &wire.Vector{Id: id, Values: []float32{1, 2, 3, 4}, Metadata: metadata(t, text(n))}
	}
	refused := func(err error, id string) {
		t.Helper()
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), id) {
			t.Errorf("refused: %v", err)
		}
	}
	_, err := w.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{vector("good", 5), vector("bad", 500), vector("near", 150)}})
	refused(err, "bad")
	if !strings.Contains(fmt.Sprint(err), "the other 2 of 3 records are written") {
		t.Errorf("%v", err)
	}
	_, err = w.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{vector("bad", 500)}})
	refused(err, "bad")
	_, err = w.index.Update(t.Context(), &wire.UpdateRequest{Filter: metadata(t, map[string]any{"kind": "k"}), SetMetadata: metadata(t, map[string]any{"more": strings.Repeat("y", 200)})})
	refused(err, "near")
	w.settled()
	if err := w.index.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, v := range w.sim.Records(index, "") {
		if ids = append(ids, v.GetId()); v.GetMetadata().GetFields()["more"].GetStringValue() == "" {
			t.Errorf("%s is not updated at Pinecone", v.GetId())
		}
	}
	if fmt.Sprint(ids) != "[good near]" {
		t.Errorf("Pinecone has %v", ids)
	}
}

// TestAsPinecone: what the new store answers after a cutover is in Pinecone's words.
func TestAsPinecone(t *testing.T) {
	w := newWorld(t)
	for i := range 130 {
		w.upsert("news", doc(t, fmt.Sprintf("d%03d", i), i))
	}
	w.upsert("other", doc(t, "a", 1))
	w.begin()
	if err := w.fill("c1", "news", "other"); err != nil {
		t.Fatal(err)
	}
	w.settled()
	check := func() {
		t.Helper()
		_, err := w.index.Delete(t.Context(), &wire.DeleteRequest{Namespace: "nobody", Ids: []string{"a"}})
		if status.Code(err) != codes.NotFound {
			t.Errorf("a namespace that is not there: %v", err)
		}
		prefix := "ne"
		if got, err := w.index.ListNamespaces(t.Context(), &wire.ListNamespacesRequest{Prefix: &prefix}); err != nil || got.GetTotalCount() != 1 || len(got.GetNamespaces()) != 1 {
			t.Errorf("namespaces %v: %v", got, err)
		}
		limit := uint32(200)
		got, err := w.index.FetchByMetadata(t.Context(), &wire.FetchByMetadataRequest{Namespace: "news", Filter: metadata(t, map[string]any{"n": map[string]any{"$lt": 120}}), Limit: &limit})
		if err != nil || len(got.GetVectors()) != 120 || got.GetPagination() != nil || got.Usage.ReadUnits == nil {
			t.Errorf("%d records: %v", len(got.GetVectors()), err)
		}
	}
	check()
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
}
