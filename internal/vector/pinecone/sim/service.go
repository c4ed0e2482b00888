package sim

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// service is the data plane, for REST and gRPC alike. The index is in the context.
type service struct{ s *Server }

func indexOf(ctx context.Context) *index { return ctx.Value(indexKey).(*index) }

func usage(n int) *wire.Usage {
	units := uint32(n)
	return &wire.Usage{ReadUnits: &units}
}

func (service) Upsert(ctx context.Context, r *wire.UpsertRequest) (*wire.UpsertResponse, error) {
	ix := indexOf(ctx)
	if err := ix.contract().Upsert(r); err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.put(plain(r.GetNamespace()), r.GetVectors())
	return &wire.UpsertResponse{UpsertedCount: uint32(len(r.GetVectors()))}, nil
}

func (service) Delete(ctx context.Context, r *wire.DeleteRequest) (*wire.DeleteResponse, error) {
	ix, ns := indexOf(ctx), plain(r.GetNamespace())
	f, err := plane.Delete(r)
	if err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	sp := ix.spaces[ns]
	switch {
	case sp == nil:
		return nil, status.Error(codes.NotFound, "Namespace not found")
	case r.GetDeleteAll():
		ix.remove(ns)
	case f != nil:
		var ids []string
		for id, v := range sp.records {
			if f.Match(pinecone.PayloadOf(v.GetMetadata())) {
				ids = append(ids, id)
			}
		}
		ix.drop(ns, ids)
	default:
		ix.drop(ns, r.GetIds())
	}
	return &wire.DeleteResponse{}, nil
}

func (service) Fetch(ctx context.Context, r *wire.FetchRequest) (*wire.FetchResponse, error) {
	ix := indexOf(ctx)
	if err := plane.Fetch(r); err != nil {
		return nil, err
	}
	out := &wire.FetchResponse{Namespace: r.GetNamespace(), Vectors: make(map[string]*wire.Vector, len(r.GetIds())), Usage: usage((len(r.GetIds()) + 9) / 10)}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if sp := ix.spaces[plain(r.GetNamespace())]; sp != nil {
		for _, id := range r.GetIds() {
			if v := sp.records[id]; v != nil {
				out.Vectors[id] = v
			}
		}
	}
	return out, nil
}

func (ix *index) serverless(what string) error {
	if ix.Pod {
		return status.Errorf(codes.Unimplemented, "%s is supported only for serverless indexes", what)
	}
	return nil
}

func (service) List(ctx context.Context, r *wire.ListRequest) (*wire.ListResponse, error) {
	ix := indexOf(ctx)
	if err := ix.serverless("list"); err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	var ids []string
	if sp := ix.spaces[plain(r.GetNamespace())]; sp != nil {
		ids = sp.ids()
	}
	page, next, err := plane.PageOf(ids, r.GetPrefix(), r.GetPaginationToken(), r.Limit)
	if err != nil {
		return nil, err
	}
	out := &wire.ListResponse{Namespace: r.GetNamespace(), Pagination: plane.Pagination(next), Usage: usage(1)}
	for _, id := range page {
		out.Vectors = append(out.Vectors, &wire.Listed{Id: id})
	}
	return out, nil
}

func (service) FetchByMetadata(ctx context.Context, r *wire.FetchByMetadataRequest) (*wire.FetchByMetadataResponse, error) {
	ix := indexOf(ctx)
	f, err := plane.Filter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, status.Errorf(codes.InvalidArgument, "a filter is required")
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	out := &wire.FetchByMetadataResponse{Namespace: r.GetNamespace(), Vectors: map[string]*wire.Vector{}, Usage: usage(1)}
	sp := ix.spaces[plain(r.GetNamespace())]
	if sp == nil {
		return out, nil
	}
	var ids []string
	for _, id := range sp.ids() {
		if f.Match(pinecone.PayloadOf(sp.records[id].GetMetadata())) {
			ids = append(ids, id)
		}
	}
	after, most, err := plane.PagingRecords(r.GetPaginationToken(), r.Limit)
	if err != nil {
		return nil, err
	}
	page, next := plane.PageBehind(ids, "", after, most)
	for _, id := range page {
		out.Vectors[id] = sp.records[id]
	}
	out.Pagination = plane.Pagination(next)
	return out, nil
}

func (service) Update(ctx context.Context, r *wire.UpdateRequest) (*wire.UpdateResponse, error) {
	ix, ns := indexOf(ctx), plain(r.GetNamespace())
	f, err := ix.contract().Update(r)
	if err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	sp := ix.spaces[ns]
	if f == nil {
		if sp == nil || sp.records[r.GetId()] == nil {
			return &wire.UpdateResponse{}, nil // what is not there is not made, and is no error
		}
		return &wire.UpdateResponse{}, sp.set(r.GetId(), r)
	}
	var n int32
	if sp != nil {
		for id, v := range sp.records {
			if !f.Match(pinecone.PayloadOf(v.GetMetadata())) {
				continue
			}
			if n++; !r.GetDryRun() {
				if err := sp.set(id, r); err != nil {
					return nil, err
				}
			}
		}
	}
	return &wire.UpdateResponse{MatchedRecords: &n}, nil
}

// set updates a record. Records are never changed in place: a fetch may have them.
func (sp *space) set(id string, r *wire.UpdateRequest) error {
	old := sp.records[id]
	v := &wire.Vector{Id: id, Values: old.GetValues(), SparseValues: old.GetSparseValues(), Metadata: old.GetMetadata()}
	if len(r.GetValues()) > 0 {
		v.Values = r.GetValues()
	}
	if r.GetSparseValues() != nil {
		v.SparseValues = r.GetSparseValues()
	}
	if r.GetSetMetadata() != nil {
		v.Metadata = merged(old.GetMetadata(), r.GetSetMetadata())
		if err := plane.Metadata(v.Metadata); err != nil {
			return err
		}
	}
	sp.records[id] = v
	return nil
}

func (service) DescribeIndexStats(ctx context.Context, r *wire.StatsRequest) (*wire.StatsResponse, error) {
	ix := indexOf(ctx)
	if len(r.GetFilter().GetFields()) > 0 {
		if !ix.Pod {
			return nil, status.Errorf(codes.InvalidArgument, "Serverless and Starter indexes do not support describing index stats with metadata filtering")
		}
		return ix.statsOf(r.GetFilter())
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.stats(ix.counts()), nil
}

// statsOf are those of records that match, counted.
func (ix *index) statsOf(s *structpb.Struct) (*wire.StatsResponse, error) {
	f, err := plane.Filter(s)
	if err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	counts := map[string]int64{}
	for name, sp := range ix.spaces {
		for _, v := range sp.records {
			if f.Match(pinecone.PayloadOf(v.GetMetadata())) {
				counts[name]++
			}
		}
	}
	return ix.stats(counts), nil
}

func (ix *index) stats(counts map[string]int64) *wire.StatsResponse {
	metric, kind := ix.Metric, ix.VectorType
	out := &wire.StatsResponse{Namespaces: map[string]*wire.NamespaceSummary{}, Metric: &metric, VectorType: &kind}
	for name, n := range counts {
		out.Namespaces[name] = &wire.NamespaceSummary{VectorCount: uint32(n)}
		out.TotalVectorCount += uint32(n)
	}
	if ix.Dimension > 0 {
		dim := uint32(ix.Dimension)
		out.Dimension = &dim
	}
	return out
}

func shownName(namespace string) string {
	if namespace == "" {
		return defaultNamespace
	}
	return namespace
}

func (service) ListNamespaces(ctx context.Context, r *wire.ListNamespacesRequest) (*wire.ListNamespacesResponse, error) {
	ix := indexOf(ctx)
	if err := ix.serverless("list_namespaces"); err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	counts := ix.counts()
	var names []string
	total := 0
	for name := range ix.spaces {
		if name = shownName(name); strings.HasPrefix(name, r.GetPrefix()) {
			total++
		}
		names = append(names, name)
	}
	slices.Sort(names)
	page, next, err := plane.PageOf(names, r.GetPrefix(), r.GetPaginationToken(), r.Limit)
	if err != nil {
		return nil, err
	}
	out := &wire.ListNamespacesResponse{Pagination: plane.Pagination(next), TotalCount: int32(total)}
	for _, name := range page {
		out.Namespaces = append(out.Namespaces, &wire.Namespace{Name: name, RecordCount: uint64(counts[plain(name)])})
	}
	return out, nil
}

func (service) CreateNamespace(ctx context.Context, r *wire.CreateNamespaceRequest) (*wire.Namespace, error) {
	ix := indexOf(ctx)
	if err := ix.serverless("create_namespace"); err != nil {
		return nil, err
	}
	if r.GetName() == "" {
		return nil, status.Errorf(codes.InvalidArgument, "a name is required")
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	name := plain(r.GetName())
	if ix.spaces[name] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "namespace %s is there already", r.GetName())
	}
	ix.space(name)
	return &wire.Namespace{Name: r.GetName(), Schema: r.GetSchema()}, nil
}

func (service) DescribeNamespace(ctx context.Context, r *wire.DescribeNamespaceRequest) (*wire.Namespace, error) {
	ix := indexOf(ctx)
	if err := ix.serverless("describe_namespace"); err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	name := plain(r.GetNamespace())
	if ix.spaces[name] == nil {
		return nil, status.Error(codes.NotFound, "Namespace not found")
	}
	return &wire.Namespace{Name: shownName(name), RecordCount: uint64(ix.counts()[name])}, nil
}

func (service) DeleteNamespace(ctx context.Context, r *wire.DeleteNamespaceRequest) (*wire.DeleteResponse, error) {
	ix := indexOf(ctx)
	if err := ix.serverless("delete_namespace"); err != nil {
		return nil, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	name := plain(r.GetNamespace())
	if ix.spaces[name] == nil {
		return nil, status.Error(codes.NotFound, "Namespace not found")
	}
	ix.remove(name)
	return &wire.DeleteResponse{}, nil
}
