package front

import (
	"context"

	"freehold/internal/vector/pinecone/wire"
)

// reader is who answers a read: the authority, but for the share that the follower
// gets once it has all there is.
func (ix *Index) reader() (by, other wire.Server) {
	m := ix.Move()
	by, other = ix.authority(m.Phase), ix.follower(m.Phase)
	if m.Phase == Relay || m.Phase == Own || m.Phase == Sync && m.Passed.IsZero() {
		return by, nil
	}
	if share := ix.Reads; share != nil && ix.Random() < share() {
		return other, by
	}
	return by, other
}

// Query implements [wire.Server].
func (ix *Index) Query(ctx context.Context, r *wire.QueryRequest) (*wire.QueryResponse, error) {
	by, other := ix.reader()
	if other == nil || ix.Shadow == nil || ix.Compared == nil || ix.Random() >= ix.Shadow() {
		return by.Query(ctx, r)
	}
	began := ix.Clock()
	out, err := by.Query(ctx, r)
	if err == nil {
		ix.shadow(ctx, by == wire.Server(ix.Served), other, r, out, ix.Clock().Sub(began))
	}
	return out, err
}

// Fetch implements [wire.Server].
func (ix *Index) Fetch(ctx context.Context, r *wire.FetchRequest) (*wire.FetchResponse, error) {
	by, _ := ix.reader()
	return by.Fetch(ctx, r)
}

// FetchByMetadata implements [wire.Server].
func (ix *Index) FetchByMetadata(ctx context.Context, r *wire.FetchByMetadataRequest) (*wire.FetchByMetadataResponse, error) {
	return ix.authority(ix.Move().Phase).FetchByMetadata(ctx, r)
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
