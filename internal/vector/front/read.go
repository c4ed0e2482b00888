package front

import (
	"context"
	"time"

	"freehold/internal/vector/pinecone/wire"
)

// reader is who answers a read: the authority, but for the share that the follower
// gets once it has all there is. shared: it is the follower. other is the other one; nil:
// it cannot be asked, or may not.
func (ix *Index) reader(ctx context.Context) (by, other wire.Server, shared bool) {
	m := ix.Move()
	by, other = ix.authority(m.Phase), ix.follower(m.Phase)
	if m.Phase == Relay || m.Phase == Own || m.Phase == Sync && m.Passed.IsZero() ||
		ix.admits(ctx, AtPinecone, "") != nil || ix.admits(ctx, AtStore, "") != nil {
		return by, nil, false
	}
	if share := ix.Reads; share != nil && ix.Random() < share() {
		return other, by, true
	}
	return by, other, false
}

// shareTime is how long the store that follows may take for a read: the authority
// answers it then.
const shareTime = 5 * time.Second

// read has a read answered; by is who did, and the authority does where the store
// that follows cannot.
func read[In, Out any](ctx context.Context, ix *Index, r In, ask func(wire.Server) func(context.Context, In) (Out, error)) (out Out, by, other wire.Server, err error) {
	by, other, shared := ix.reader(ctx)
	if shared {
		within, cancel := context.WithTimeout(ctx, shareTime)
		defer cancel()
		if out, err = ask(by)(within, r); err == nil {
			return out, by, other, nil
		}
		ix.Log.Warn("vectors: a read is answered by the authority, since the store that follows does not", "index", ix.Name, "error", err)
		by, other = other, nil
	}
	out, err = ask(by)(ctx, r)
	return out, by, other, err
}

// Query implements [wire.Server].
func (ix *Index) Query(ctx context.Context, r *wire.QueryRequest) (*wire.QueryResponse, error) {
	if ix.Models != nil {
		return ix.query(ctx, r)
	}
	began := ix.Clock()
	out, by, other, err := read(ctx, ix, r, func(s wire.Server) func(context.Context, *wire.QueryRequest) (*wire.QueryResponse, error) {
		return s.Query
	})
	if err == nil && other != nil && ix.Shadow != nil && ix.Compared != nil && ix.Random() < ix.Shadow() {
		ix.shadow(ctx, by == wire.Server(ix.store) || by == wire.Server(ix.behind), other, r, out, ix.Clock().Sub(began))
	}
	return out, err
}

// Fetch implements [wire.Server].
func (ix *Index) Fetch(ctx context.Context, r *wire.FetchRequest) (*wire.FetchResponse, error) {
	if ix.Models != nil { // vectors of the other model would come back in queries
		newer := ix.Move().Phase.Newer()
		out, err := ix.side(newer).Fetch(ctx, r)
		for _, v := range out.GetVectors() {
			ix.given(newer, v.GetValues())
		}
		return out, err
	}
	out, _, _, err := read(ctx, ix, r, func(s wire.Server) func(context.Context, *wire.FetchRequest) (*wire.FetchResponse, error) {
		return s.Fetch
	})
	return out, err
}

// FetchByMetadata implements [wire.Server].
func (ix *Index) FetchByMetadata(ctx context.Context, r *wire.FetchByMetadataRequest) (*wire.FetchByMetadataResponse, error) {
	newer := ix.Move().Phase.Newer()
	out, err := ix.side(newer).FetchByMetadata(ctx, r)
	for _, v := range out.GetVectors() {
		ix.given(newer, v.GetValues())
	}
	return out, err
}

// List implements [wire.Server]. Pages hang together by tokens, and so all of them are
// the authority's.
func (ix *Index) List(ctx context.Context, r *wire.ListRequest) (*wire.ListResponse, error) {
	return ix.authority(ix.Move().Phase).List(ctx, r)
}

// DescribeIndexStats implements [wire.Server].
func (ix *Index) DescribeIndexStats(ctx context.Context, r *wire.StatsRequest) (*wire.StatsResponse, error) {
	return ix.authority(ix.Move().Phase).DescribeIndexStats(ctx, r)
}

// ListNamespaces implements [wire.Server].
func (ix *Index) ListNamespaces(ctx context.Context, r *wire.ListNamespacesRequest) (*wire.ListNamespacesResponse, error) {
	return ix.authority(ix.Move().Phase).ListNamespaces(ctx, r)
}

// DescribeNamespace implements [wire.Server].
func (ix *Index) DescribeNamespace(ctx context.Context, r *wire.DescribeNamespaceRequest) (*wire.Namespace, error) {
	return ix.authority(ix.Move().Phase).DescribeNamespace(ctx, r)
}
