package front

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// Side is one of the two stores of an index.
type Side string

// The sides.
const (
	AtPinecone Side = "pinecone"
	AtStore    Side = "store"
)

// Asked is what became of a request, as far as only an index knows it.
type Asked struct {
	clock func() time.Time

	mu sync.Mutex
	f  Facts
}

// Facts are what is known of a request at its end.
type Facts struct {
	Phase Phase // in which the index was; empty: none answered
	Side  Side  // that answered, or was to; empty: no store was asked
	// Began is when a store was asked first, Waited how long the request has waited for
	// stores, and for a model that made its vectors: all else is freehold's own time.
	Began  time.Time
	Waited time.Duration
}

type askedKey struct{}

// Watch notes what becomes of the request of a context.
func Watch(ctx context.Context, clock func() time.Time) (context.Context, *Asked) {
	a := &Asked{clock: clock}
	return context.WithValue(ctx, askedKey{}, a), a
}

// aside is a context of work beside a request, which may outlast it.
func aside(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), askedKey{}, (*Asked)(nil))
}

// askedOf is the request that is watched; nil: none is.
func askedOf(ctx context.Context) *Asked {
	a, _ := ctx.Value(askedKey{}).(*Asked)
	return a
}

// Facts are those so far.
func (a *Asked) Facts() Facts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.f
}

// in notes in which phase the index is.
func (a *Asked) in(p Phase) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.f.Phase = p
}

func (a *Asked) at(side Side) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.f.Side = side
}

// wait is called when a store is asked, and what it returns when that has answered.
func (a *Asked) wait() (answered func()) {
	if a == nil {
		return func() {}
	}
	began := a.clock()
	return func() {
		took := a.clock().Sub(began)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.f.Waited += took
		if a.f.Began.IsZero() {
			a.f.Began = began
		}
	}
}

// Status is that of an answer as it is by HTTP: gRPC has its own in h, and 200 always.
func Status(code int, h http.Header) int {
	n, err := strconv.Atoi(h.Get("Grpc-Status"))
	if err != nil || n == int(codes.OK) {
		return code
	}
	return plane.HTTPStatus(codes.Code(n))
}

// sided is one of the stores of ix: whether it may be asked is looked at, and what is
// asked of it is noted. waits: all the time that it takes is the store's.
type sided struct {
	wire.Server
	ix    *Index
	side  Side
	waits bool
}

// ask asks a store.
func ask[In, Out any](ctx context.Context, s sided, op Op, r In, do func(context.Context, In) (Out, error)) (Out, error) {
	if err := s.ix.admits(ctx, s.side, op); err != nil {
		var none Out
		return none, err
	}
	a := askedOf(ctx)
	a.at(s.side)
	if s.waits {
		defer a.wait()()
	}
	out, err := do(ctx, r)
	err = tell(err)
	s.ix.log(ctx, s.side, err)
	return out, err
}

// Upsert implements [wire.Server].
func (s sided) Upsert(ctx context.Context, r *wire.UpsertRequest) (*wire.UpsertResponse, error) {
	return ask(ctx, s, Upsert, r, s.Server.Upsert)
}

// Delete implements [wire.Server].
func (s sided) Delete(ctx context.Context, r *wire.DeleteRequest) (*wire.DeleteResponse, error) {
	return ask(ctx, s, Delete, r, s.Server.Delete)
}

// Fetch implements [wire.Server].
func (s sided) Fetch(ctx context.Context, r *wire.FetchRequest) (*wire.FetchResponse, error) {
	return ask(ctx, s, "", r, s.Server.Fetch)
}

// FetchByMetadata implements [wire.Server].
func (s sided) FetchByMetadata(ctx context.Context, r *wire.FetchByMetadataRequest) (*wire.FetchByMetadataResponse, error) {
	return ask(ctx, s, "", r, s.Server.FetchByMetadata)
}

// List implements [wire.Server].
func (s sided) List(ctx context.Context, r *wire.ListRequest) (*wire.ListResponse, error) {
	return ask(ctx, s, "", r, s.Server.List)
}

// Query implements [wire.Server].
func (s sided) Query(ctx context.Context, r *wire.QueryRequest) (*wire.QueryResponse, error) {
	return ask(ctx, s, "", r, s.Server.Query)
}

// Update implements [wire.Server].
func (s sided) Update(ctx context.Context, r *wire.UpdateRequest) (*wire.UpdateResponse, error) {
	return ask(ctx, s, Update, r, s.Server.Update)
}

// DescribeIndexStats implements [wire.Server].
func (s sided) DescribeIndexStats(ctx context.Context, r *wire.StatsRequest) (*wire.StatsResponse, error) {
	return ask(ctx, s, "", r, s.Server.DescribeIndexStats)
}

// ListNamespaces implements [wire.Server].
func (s sided) ListNamespaces(ctx context.Context, r *wire.ListNamespacesRequest) (*wire.ListNamespacesResponse, error) {
	return ask(ctx, s, "", r, s.Server.ListNamespaces)
}

// CreateNamespace implements [wire.Server].
func (s sided) CreateNamespace(ctx context.Context, r *wire.CreateNamespaceRequest) (*wire.Namespace, error) {
	return ask(ctx, s, "", r, s.Server.CreateNamespace)
}

// DescribeNamespace implements [wire.Server].
func (s sided) DescribeNamespace(ctx context.Context, r *wire.DescribeNamespaceRequest) (*wire.Namespace, error) {
	return ask(ctx, s, "", r, s.Server.DescribeNamespace)
}

// DeleteNamespace implements [wire.Server].
func (s sided) DeleteNamespace(ctx context.Context, r *wire.DeleteNamespaceRequest) (*wire.DeleteResponse, error) {
	return ask(ctx, s, Delete, r, s.Server.DeleteNamespace)
}

// timed is a store whose time is noted: what it takes of a request is not freehold's.
type timed struct{ vector.Target }

// Fetch implements [vector.Source].
func (t timed) Fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	defer askedOf(ctx).wait()()
	return t.Target.Fetch(ctx, namespace, ids)
}

// Search implements [vector.Source].
func (t timed) Search(ctx context.Context, s vector.Search) ([]vector.Hit, error) {
	defer askedOf(ctx).wait()()
	return t.Target.Search(ctx, s)
}

// Put implements [vector.Target].
func (t timed) Put(ctx context.Context, namespace string, records []vector.Record) error {
	defer askedOf(ctx).wait()()
	return t.Target.Put(ctx, namespace, records)
}

// Delete implements [vector.Target].
func (t timed) Delete(ctx context.Context, namespace string, ids []vector.ID) error {
	defer askedOf(ctx).wait()()
	return t.Target.Delete(ctx, namespace, ids)
}

// Units implements [vector.Source].
func (t timed) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return between(ctx, t.Target.Units(ctx, namespace, after, size))
}

// Read implements [vector.Source].
func (t timed) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return between(ctx, t.Target.Read(ctx, u))
}

// between notes the time that a store takes between what it yields.
func between[T any](ctx context.Context, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	a := askedOf(ctx)
	if a == nil {
		return seq
	}
	return func(yield func(T, error) bool) {
		answered := a.wait()
		defer func() { answered() }()
		for x, err := range seq {
			answered()
			answered = func() {}
			if !yield(x, err) {
				return
			}
			answered = a.wait()
		}
	}
}
