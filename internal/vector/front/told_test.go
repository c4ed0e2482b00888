package front_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// stubborn is a store that refuses every record, as PostgreSQL does a -0.
type stubborn struct{ vector.Target }

func (s stubborn) Put(_ context.Context, _ string, records []vector.Record) error {
	no := map[vector.ID]string{}
	for i := range records {
		no[records[i].ID] = "field a: is -0, which jsonb has not: let the plan say as: int"
	}
	return &vector.RefusedError{Records: no}
}

// TestWhatClientsRead: an application reads neither where a store is, nor words of Go's
// gRPC, nor what a plan should say, which it has not.
func TestWhatClientsRead(t *testing.T) {
	w := newWorld(t)
	w.upsert("", doc(t, "a", 1))
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost := func(doing string) error {
		return &vector.Error{Trouble: vector.Unavailable, Store: "qdrant at 127.0.0.1:26334/home", Doing: doing, Message: "dial tcp 127.0.0.1:26334: connection refused"}
	}
	w.lost.Store(&lost)
	write := func() error {
		_, err := w.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{doc(t, "b", 2)}})
		return err
	}
	_, queried := w.index.Query(t.Context(), &wire.QueryRequest{TopK: 1, Vector: []float32{1, 2, 3, 4}})
	for what, err := range map[string]error{"upsert": write(), "upsert again": write(), "query": queried} {
		st := status.Convert(err)
		if st.Code() != codes.Unavailable || strings.Contains(st.Message(), "127.0.0.1") || strings.Contains(st.Message(), "rpc error") || !strings.Contains(st.Message(), "freehold's log says why") {
			t.Errorf("%s: %v", what, st)
		}
		if what != "upsert again" && (!strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "rpc error")) {
			t.Errorf("for people, %s: %v", what, err)
		}
	}
	if err := w.index.Rollback(t.Context()); err == nil || strings.Contains(err.Error(), "rpc error") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a rollback: %v", err)
	}
	w.lost.Store(nil)
	if err := write(); err != nil {
		t.Error(err)
	}
	w.settled()
	w.index.Served.Target = stubborn{w.memory}
	if err := write(); status.Code(err) != codes.InvalidArgument || strings.Contains(err.Error(), "plan") || !strings.Contains(err.Error(), "which jsonb has not") {
		t.Error(err)
	}
}
