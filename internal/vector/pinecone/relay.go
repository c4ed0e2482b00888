package pinecone

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// SparseOf is a sparse vector of a message, with its indices in order.
func SparseOf(s *wire.Sparse) vector.Vector {
	v := vector.Vector{Name: SparseName, Indices: append([]uint32{}, s.GetIndices()...), Values: append([]float32{}, s.GetValues()...)}
	sortSparse(&v)
	return v
}

// Relay passes requests of the data plane on as they are, with the store's key. Its
// errors are those of gRPC, with Pinecone's own words.
type Relay struct{ Store *Store }

var _ wire.Server = Relay{}

func relay[Out any, POut interface {
	*Out
	proto.Message
}](ctx context.Context, s *Store, turn *bucket, doing, method string, in proto.Message) (POut, error) {
	out := POut(new(Out))
	err := s.call(ctx, turn, doing, method, in, out)
	if err == nil {
		return out, nil
	}
	return nil, statusOf(err)
}

// statusOf is an error as a client of Pinecone's reads it. That a key is refused is
// not the client's fault, who has another one.
func statusOf(err error) error {
	var e *vector.Error
	if !errors.As(err, &e) {
		return status.FromContextError(err).Err()
	}
	code := map[vector.Trouble]codes.Code{
		vector.Throttled: codes.ResourceExhausted, vector.Unavailable: codes.Unavailable, vector.Missing: codes.NotFound,
		vector.Denied: codes.Unavailable, vector.Invalid: codes.InvalidArgument,
	}[e.Trouble]
	if errors.Is(e, errUnsupported) {
		code = codes.Unimplemented
	}
	if e.Message != "" && e.Trouble != vector.Denied {
		return status.Error(code, e.Message)
	}
	return status.Error(code, e.Error())
}

// Upsert implements [wire.Server], as all that follow do.
func (r Relay) Upsert(ctx context.Context, in *wire.UpsertRequest) (*wire.UpsertResponse, error) {
	return relay[wire.UpsertResponse](ctx, r.Store, r.Store.upserts, "upsert", wire.Upsert, in)
}

// Delete takes records out.
func (r Relay) Delete(ctx context.Context, in *wire.DeleteRequest) (*wire.DeleteResponse, error) {
	return relay[wire.DeleteResponse](ctx, r.Store, r.Store.upserts, "delete", wire.Delete, in)
}

// Fetch gets records by their ids.
func (r Relay) Fetch(ctx context.Context, in *wire.FetchRequest) (*wire.FetchResponse, error) {
	return relay[wire.FetchResponse](ctx, r.Store, r.Store.fetches, "fetch", wire.Fetch, in)
}

// FetchByMetadata gets records by a filter.
func (r Relay) FetchByMetadata(ctx context.Context, in *wire.FetchByMetadataRequest) (*wire.FetchByMetadataResponse, error) {
	return relay[wire.FetchByMetadataResponse](ctx, r.Store, r.Store.fetches, "fetch by metadata", wire.FetchByMetadata, in)
}

// List lists ids.
func (r Relay) List(ctx context.Context, in *wire.ListRequest) (*wire.ListResponse, error) {
	return relay[wire.ListResponse](ctx, r.Store, r.Store.lists, "list", wire.List, in)
}

// Query finds neighbours.
func (r Relay) Query(ctx context.Context, in *wire.QueryRequest) (*wire.QueryResponse, error) {
	return relay[wire.QueryResponse](ctx, r.Store, r.Store.queries, "query", wire.Query, in)
}

// Update changes records.
func (r Relay) Update(ctx context.Context, in *wire.UpdateRequest) (*wire.UpdateResponse, error) {
	return relay[wire.UpdateResponse](ctx, r.Store, r.Store.upserts, "update", wire.Update, in)
}

// DescribeIndexStats counts.
func (r Relay) DescribeIndexStats(ctx context.Context, in *wire.StatsRequest) (*wire.StatsResponse, error) {
	return relay[wire.StatsResponse](ctx, r.Store, r.Store.queries, "describe index stats", wire.DescribeIndexStats, in)
}

// ListNamespaces lists namespaces.
func (r Relay) ListNamespaces(ctx context.Context, in *wire.ListNamespacesRequest) (*wire.ListNamespacesResponse, error) {
	return relay[wire.ListNamespacesResponse](ctx, r.Store, r.Store.lists, "list namespaces", wire.ListNamespaces, in)
}

// CreateNamespace makes a namespace.
func (r Relay) CreateNamespace(ctx context.Context, in *wire.CreateNamespaceRequest) (*wire.Namespace, error) {
	return relay[wire.Namespace](ctx, r.Store, r.Store.upserts, "create namespace", wire.CreateNamespace, in)
}

// DescribeNamespace describes one.
func (r Relay) DescribeNamespace(ctx context.Context, in *wire.DescribeNamespaceRequest) (*wire.Namespace, error) {
	return relay[wire.Namespace](ctx, r.Store, r.Store.lists, "describe namespace", wire.DescribeNamespace, in)
}

// DeleteNamespace takes a namespace away.
func (r Relay) DeleteNamespace(ctx context.Context, in *wire.DeleteNamespaceRequest) (*wire.DeleteResponse, error) {
	return relay[wire.DeleteResponse](ctx, r.Store, r.Store.upserts, "delete namespace", wire.DeleteNamespace, in)
}
