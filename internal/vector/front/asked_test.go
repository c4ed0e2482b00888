package front_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/pinecone/wire"
)

// TestAsked: a request says which side has answered, and how long that took; what is
// asked beside it does not count.
func TestAsked(t *testing.T) {
	const atPinecone, atStore = 7 * time.Millisecond, 3 * time.Millisecond
	w := newWorld(t)
	var passed atomic.Int64 // a clock that goes on only while a store is asked
	clock := func() time.Time { return time.Unix(1_800_000_000, passed.Load()) }
	slow := func(string) *sim.Fault { passed.Add(int64(atPinecone)); return nil }
	w.broken.Store(&slow)
	calm := func(doing string) error { passed.Add(int64(atStore)); return nil }
	w.lost.Store(&calm)
	asked := func(what string, phase front.Phase, side front.Side, waited time.Duration, do func(ctx context.Context) error) {
		t.Helper()
		var set front.Set
		set.Open(w.index)
		ctx, a := front.Watch(t.Context(), clock)
		err := do(ctx)
		f := a.Facts()
		if f.Side != side || f.Waited != waited {
			t.Errorf("%s: %+v: %v", what, f, err)
		}
		if (waited > 0) == f.Began.IsZero() {
			t.Errorf("%s: began %s", what, f.Began)
		}
		r := httptest.NewRequest(http.MethodGet, "/pinecone/docs/namespaces", nil)
		ctx, a = front.Watch(t.Context(), clock)
		set.Serve(httptest.NewRecorder(), r.WithContext(ctx), func(string) bool { return true })
		if f := a.Facts(); f.Phase != phase || f.Side == "" {
			t.Errorf("%s: namespaces are listed by %+v", what, f)
		}
	}
	one := func(ctx context.Context) error {
		_, err := w.index.Query(ctx, query())
		return err
	}
	put := func(ctx context.Context) error {
		_, err := w.index.Upsert(ctx, &wire.UpsertRequest{Vectors: []*wire.Vector{doc(t, "a", 1)}})
		return err
	}
	asked("a relayed query", front.Relay, front.AtPinecone, atPinecone, one)
	asked("a relayed write", front.Relay, front.AtPinecone, atPinecone, put)
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	w.settled()
	asked("a query of the authority", front.Sync, front.AtPinecone, atPinecone, one)
	w.shadow = 1
	asked("a query that both are asked", front.Sync, front.AtPinecone, atPinecone, func(ctx context.Context) error {
		err := one(ctx)
		<-w.compared
		return err
	})
	w.shadow, w.reads = 0, 1
	asked("a query of the store that follows, which is asked for the records, too", front.Sync, front.AtStore, 2*atStore, one)
	lost := func(doing string) error { passed.Add(int64(atStore)); return away(doing) }
	w.lost.Store(&lost)
	asked("a query of the authority in its place", front.Sync, front.AtPinecone, atPinecone+atStore, one)
	w.lost.Store(&calm)
	asked("nobody is asked what is no write", front.Sync, "", 0, func(ctx context.Context) error {
		_, err := w.index.Upsert(ctx, &wire.UpsertRequest{})
		return err
	})
}

// TestOperation: a request's operation is the contract's, by REST and by gRPC; what is
// none has no name of the client's.
func TestOperation(t *testing.T) {
	w := newWorld(t)
	var set front.Set
	set.Open(w.index)
	for _, test := range []struct {
		method, path string
		grpc         bool
		want         string
	}{
		{"POST", "/pinecone/docs/query", false, "query"},
		{"GET", "/pinecone/docs/vectors/list", false, "list"},
		{"DELETE", "/pinecone/docs/namespaces/some", false, "delete_namespace"},
		{"GET", "/pinecone/docs/namespaces/some", false, "describe_namespace"},
		{"POST", "/pinecone/docs/nothing", false, ""},
		{"POST", "/pinecone/other/query", false, ""},
		{"GET", "/pinecone/indexes", false, "list_indexes"},
		{"GET", "/pinecone/indexes/docs", false, "describe_index"},
		{"POST", wire.FetchByMetadata, true, "fetch_by_metadata"},
		{"POST", wire.Upsert, true, "upsert"},
		{"POST", "/VectorService/Nothing", true, ""},
	} {
		r := httptest.NewRequest(test.method, test.path, nil)
		if test.grpc {
			r.Header.Set("Content-Type", "application/grpc")
		}
		if got := set.Operation(r); got != test.want {
			t.Errorf("%s %s is %q, not %q", test.method, test.path, got, test.want)
		}
	}
}
