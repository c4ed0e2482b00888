package front

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// Served answers Pinecone's data plane from another store. Its writes are in
// [Served.upsert], [Served.update] and [Served.delete].
type Served struct {
	Index    string
	Contract plane.Contract
	Target   vector.Target
	Mapping  vector.Mapping
	IDs      Directory
}

// timed is the store, with its time noted.
func (s *Served) timed() timed { return timed{s.Target} }

// DefaultNamespace is another name of the namespace without one.
const DefaultNamespace = "__default__"

// plain is a namespace as records have it.
func plain(namespace string) string {
	if namespace == DefaultNamespace {
		return ""
	}
	return namespace
}

// failed is a store's error as Pinecone's clients read it.
func failed(err error) error {
	var away *vector.Error
	if !errors.As(err, &away) {
		if errors.Is(err, context.DeadlineExceeded) {
			return status.Error(codes.DeadlineExceeded, err.Error())
		}
		if errors.Is(err, context.Canceled) {
			return status.Error(codes.Canceled, err.Error())
		}
		if _, ok := status.FromError(err); ok {
			return err
		}
		return status.Error(codes.Internal, err.Error())
	}
	code := codes.Internal
	switch away.Trouble {
	case vector.Throttled:
		code = codes.ResourceExhausted
	case vector.Unavailable:
		code = codes.Unavailable
	case vector.Missing:
		code = codes.NotFound
	case vector.Denied: // freehold's own key: not the client's fault
		code = codes.Unavailable
	case vector.Invalid:
		code = codes.InvalidArgument
	}
	return &told{status.New(code, awayOf(away)), away}
}

// free is what a read costs at a store that counts no units.
func free() *wire.Usage {
	units := uint32(0)
	return &wire.Usage{ReadUnits: &units}
}

// recordOf is a record of a message, before the mapping.
func recordOf(namespace string, v *wire.Vector) vector.Record {
	r := vector.Record{ID: vector.IDOf(v.GetId()), Namespace: namespace, Payload: pinecone.PayloadOf(v.GetMetadata())}
	if len(v.GetValues()) > 0 {
		r.Vectors = append(r.Vectors, vector.Vector{Dense: v.GetValues()})
	}
	if s := v.GetSparseValues(); len(s.GetIndices()) > 0 {
		r.Vectors = append(r.Vectors, pinecone.SparseOf(s))
	}
	return r
}

// vectorOf is a record as a message, after the mapping was taken back.
func vectorOf(r *vector.Record) (*wire.Vector, error) {
	v := &wire.Vector{Id: r.ID.String()}
	for i := range r.Vectors {
		switch x := &r.Vectors[i]; {
		case x.Indices != nil:
			v.SparseValues = &wire.Sparse{Indices: x.Indices, Values: x.Values}
		case x.Rows == 0 && x.Bits == nil:
			v.Values = x.Dense
		}
	}
	if len(r.Payload) > 0 {
		m, err := pinecone.StructOf(r.Payload)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", v.GetId(), err)
		}
		v.Metadata = m
	}
	return v, nil
}

// ids are ids as the store has them.
func (s *Served) ids(namespace string, ids []string) []vector.ID {
	out := make([]vector.ID, len(ids))
	for i, id := range ids {
		out[i] = s.Mapping.ID(namespace, vector.IDOf(id))
	}
	return out
}

// fetch gets records as they were before the mapping, by their ids.
func (s *Served) fetch(ctx context.Context, namespace string, ids []string) (map[string]*vector.Record, error) {
	got, err := s.timed().Fetch(ctx, s.Mapping.Namespace(namespace), s.ids(namespace, ids))
	if err != nil {
		return nil, err
	}
	out := make(map[string]*vector.Record, len(got))
	for i := range got {
		r := s.Mapping.Back(&got[i])
		r.Namespace = namespace
		out[r.ID.String()] = &r
	}
	return out, nil
}

// Fetch implements [wire.Server].
func (s *Served) Fetch(ctx context.Context, r *wire.FetchRequest) (*wire.FetchResponse, error) {
	if err := plane.Fetch(r); err != nil {
		return nil, err
	}
	got, err := s.fetch(ctx, plain(r.GetNamespace()), r.GetIds())
	if err != nil {
		return nil, failed(err)
	}
	out := &wire.FetchResponse{Namespace: r.GetNamespace(), Vectors: make(map[string]*wire.Vector, len(got)), Usage: free()}
	for id, rec := range got {
		if out.Vectors[id], err = vectorOf(rec); err != nil {
			return nil, failed(err)
		}
	}
	return out, nil
}

// Query implements [wire.Server].
func (s *Served) Query(ctx context.Context, r *wire.QueryRequest) (*wire.QueryResponse, error) {
	f, err := plane.Query(r)
	if err != nil {
		return nil, err
	}
	ns := plain(r.GetNamespace())
	out := &wire.QueryResponse{Namespace: r.GetNamespace(), Usage: free()}
	dense, sparse := r.GetVector(), r.GetSparseVector()
	if r.GetId() != "" {
		got, err := s.fetch(ctx, ns, []string{r.GetId()})
		if err != nil {
			return nil, failed(err)
		}
		rec := got[r.GetId()]
		if rec == nil {
			return out, nil
		}
		v, err := vectorOf(rec)
		if err != nil {
			return nil, failed(err)
		}
		dense, sparse = v.GetValues(), v.GetSparseValues()
	}
	if err := s.Contract.Asked(dense, sparse); err != nil {
		return nil, err
	}
	hits, err := s.search(ctx, ns, dense, sparse, f, int(r.GetTopK()), r.GetIncludeValues())
	if err != nil {
		return nil, failed(err)
	}
	for i := range hits {
		v, err := vectorOf(hits[i].Record)
		if err != nil {
			return nil, failed(err)
		}
		m := &wire.Match{Id: v.GetId(), Score: float32(hits[i].Score)}
		if r.GetIncludeValues() {
			m.Values, m.SparseValues = v.GetValues(), v.GetSparseValues()
		}
		if r.GetIncludeMetadata() {
			m.Metadata = v.GetMetadata()
		}
		out.Matches = append(out.Matches, m)
	}
	return out, nil
}

// fused is how many neighbours by either vector are looked at, beyond those that are
// asked for, when a query has two.
const fused = 100

// search finds neighbours, with their records as they were before the mapping and
// scores as Pinecone has them: of euclidean indexes, squares. values: with their vectors.
func (s *Served) search(ctx context.Context, ns string, dense []float32, sparse *wire.Sparse, f *vector.Filter, k int, values bool) ([]vector.Hit, error) {
	var queries []vector.Vector
	if len(dense) > 0 {
		queries = append(queries, vector.Vector{Dense: dense})
	}
	if sparse != nil {
		queries = append(queries, pinecone.SparseOf(sparse))
	}
	if len(queries) == 1 {
		hits, err := s.nearest(ctx, ns, &queries[0], f, k, values)
		for i := range hits {
			if s.Contract.Metric == "euclidean" {
				hits[i].Score *= hits[i].Score
			}
		}
		return hits, err
	}
	// Both vectors count, by the sum of their products: the nearest by either are
	// candidates, and their sums are computed here.
	var all []vector.Hit
	seen := map[string]bool{}
	for i := range queries {
		hits, err := s.nearest(ctx, ns, &queries[i], f, k+fused, true)
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			if id := h.Record.ID.String(); !seen[id] {
				seen[id] = true
				h.Score = 0
				for j := range queries {
					if v := h.Record.Vector(queries[j].Name); v != nil {
						h.Score += vector.Dot.Score(&queries[j], v)
					}
				}
				all = append(all, h)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b vector.Hit) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return all[:min(k, len(all))], nil
}

func (s *Served) nearest(ctx context.Context, ns string, q *vector.Vector, f *vector.Filter, k int, values bool) ([]vector.Hit, error) {
	query := *q
	if name, ok := s.Mapping.Vectors[q.Name]; ok {
		query.Name = name
	}
	hits, err := s.timed().Search(ctx, vector.Search{Namespace: s.Mapping.Namespace(ns), Query: query, K: k, Filter: s.Mapping.Filter(ns, f), Records: true, Vectors: values})
	if err != nil {
		return nil, err
	}
	if err := s.complete(ctx, ns, hits); err != nil {
		return nil, err
	}
	hits = slices.DeleteFunc(hits, func(h vector.Hit) bool { return h.Record == nil }) // deleted meanwhile
	for i := range hits {
		r := s.Mapping.Back(hits[i].Record)
		r.Namespace = ns
		hits[i].Record = &r
	}
	return hits, nil
}

// complete fetches the records of hits that came without.
func (s *Served) complete(ctx context.Context, ns string, hits []vector.Hit) error {
	var ids []vector.ID
	for i := range hits {
		if hits[i].Record == nil {
			ids = append(ids, hits[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	got, err := s.timed().Fetch(ctx, s.Mapping.Namespace(ns), ids)
	if err != nil {
		return err
	}
	by := make(map[vector.ID]*vector.Record, len(got))
	for i := range got {
		by[got[i].ID] = &got[i]
	}
	for i := range hits {
		if hits[i].Record == nil {
			hits[i].Record = by[hits[i].ID]
		}
	}
	return nil
}

// scan yields the records of a namespace that match, before the mapping.
func (s *Served) scan(ctx context.Context, ns string, f *vector.Filter) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		for records, err := range s.raw(ctx, ns, f) {
			if err != nil {
				yield(nil, err)
				return
			}
			out := make([]vector.Record, 0, len(records))
			for i := range records {
				if r := s.Mapping.Back(&records[i]); f.Match(r.Payload) && (!s.Mapping.Flat || r.Namespace == ns) {
					r.Namespace = ns
					out = append(out, r)
				}
			}
			if len(out) > 0 && !yield(out, nil) {
				return
			}
		}
	}
}

// raw yields records of the store among which are all that match.
func (s *Served) raw(ctx context.Context, ns string, f *vector.Filter) iter.Seq2[[]vector.Record, error] {
	in := s.Mapping.Namespace(ns)
	if scanner, ok := s.Target.(vector.Scanner); ok {
		return between(ctx, scanner.Scan(ctx, in, s.Mapping.Filter(ns, f)))
	}
	return func(yield func([]vector.Record, error) bool) {
		for u, err := range s.timed().Units(ctx, in, "", 1000) {
			if err != nil {
				yield(nil, err)
				return
			}
			for records, err := range s.timed().Read(ctx, u) {
				if !yield(records, err) || err != nil {
					return
				}
			}
		}
	}
}

// List implements [wire.Server].
func (s *Served) List(ctx context.Context, r *wire.ListRequest) (*wire.ListResponse, error) {
	page, next, err := s.page(ctx, plain(r.GetNamespace()), r.GetPrefix(), r.GetPaginationToken(), r.Limit)
	if err != nil {
		return nil, err
	}
	out := &wire.ListResponse{Namespace: r.GetNamespace(), Pagination: next, Usage: free()}
	for _, id := range page {
		out.Vectors = append(out.Vectors, &wire.Listed{Id: id})
	}
	return out, nil
}

func (s *Served) page(ctx context.Context, ns, prefix, token string, limit *uint32) ([]string, *wire.Page, error) {
	after, most, err := plane.Paging(prefix, token, limit)
	if err != nil {
		return nil, nil, err
	}
	ids, err := s.IDs.IDs(ctx, s.Index, ns, prefix, after, most+1)
	if err != nil {
		return nil, nil, failed(err)
	}
	if len(ids) <= most {
		return ids, nil, nil
	}
	return ids[:most], plane.Pagination(plane.Token(ids[most-1], prefix)), nil
}

// FetchByMetadata implements [wire.Server].
func (s *Served) FetchByMetadata(ctx context.Context, r *wire.FetchByMetadataRequest) (*wire.FetchByMetadataResponse, error) {
	f, err := plane.Filter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, status.Error(codes.InvalidArgument, "a filter is required")
	}
	after, most, err := plane.PagingRecords(r.GetPaginationToken(), r.Limit)
	if err != nil {
		return nil, err
	}
	ns := plain(r.GetNamespace())
	found := map[string]*vector.Record{}
	var ids []string // of found, sorted: the first ones behind after
	for records, err := range s.scan(ctx, ns, f) {
		if err != nil {
			return nil, failed(err)
		}
		for i := range records {
			id := records[i].ID.String()
			if id <= after {
				continue
			}
			at, _ := slices.BinarySearch(ids, id)
			if at > most {
				continue
			}
			ids = slices.Insert(ids, at, id)
			found[id] = &records[i]
			for len(ids) > most+1 {
				delete(found, ids[len(ids)-1])
				ids = ids[:len(ids)-1]
			}
		}
	}
	out := &wire.FetchByMetadataResponse{Namespace: r.GetNamespace(), Vectors: map[string]*wire.Vector{}, Usage: free()}
	for _, id := range ids[:min(most, len(ids))] {
		if out.Vectors[id], err = vectorOf(found[id]); err != nil {
			return nil, failed(err)
		}
	}
	if len(ids) > most {
		out.Pagination = plane.Pagination(plane.Token(ids[most-1], ""))
	}
	return out, nil
}

// DescribeIndexStats implements [wire.Server].
func (s *Served) DescribeIndexStats(ctx context.Context, r *wire.StatsRequest) (*wire.StatsResponse, error) {
	f, err := plane.Filter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	counts, err := s.IDs.Counts(ctx, s.Index)
	if err != nil {
		return nil, failed(err)
	}
	metric, kind := s.Contract.Metric, s.Contract.VectorType
	out := &wire.StatsResponse{Namespaces: map[string]*wire.NamespaceSummary{}, Metric: &metric, VectorType: &kind}
	if s.Contract.Dimension > 0 {
		dim := uint32(s.Contract.Dimension)
		out.Dimension = &dim
	}
	for ns, n := range counts {
		if f != nil {
			n = 0
			for records, err := range s.scan(ctx, ns, f) {
				if err != nil {
					return nil, failed(err)
				}
				n += int64(len(records))
			}
		}
		out.Namespaces[ns] = &wire.NamespaceSummary{VectorCount: uint32(min(n, math.MaxUint32))}
		out.TotalVectorCount += uint32(min(n, math.MaxUint32))
	}
	return out, nil
}

// ListNamespaces implements [wire.Server].
func (s *Served) ListNamespaces(ctx context.Context, r *wire.ListNamespacesRequest) (*wire.ListNamespacesResponse, error) {
	counts, err := s.IDs.Counts(ctx, s.Index)
	if err != nil {
		return nil, failed(err)
	}
	names := make([]string, 0, len(counts)) // the total is of those with the prefix, too
	for ns := range counts {
		if name := shown(ns); strings.HasPrefix(name, r.GetPrefix()) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	page, next, err := plane.PageOf(names, r.GetPrefix(), r.GetPaginationToken(), r.Limit)
	if err != nil {
		return nil, err
	}
	out := &wire.ListNamespacesResponse{Pagination: plane.Pagination(next), TotalCount: int32(min(len(names), math.MaxInt32))}
	for _, name := range page {
		out.Namespaces = append(out.Namespaces, &wire.Namespace{Name: name, RecordCount: uint64(counts[plain(name)])})
	}
	return out, nil
}

func shown(namespace string) string {
	if namespace == "" {
		return DefaultNamespace
	}
	return namespace
}

// DescribeNamespace implements [wire.Server].
func (s *Served) DescribeNamespace(ctx context.Context, r *wire.DescribeNamespaceRequest) (*wire.Namespace, error) {
	counts, err := s.IDs.Counts(ctx, s.Index)
	if err != nil {
		return nil, failed(err)
	}
	n, ok := counts[plain(r.GetNamespace())]
	if !ok {
		return nil, status.Error(codes.NotFound, "Namespace not found")
	}
	return &wire.Namespace{Name: shown(plain(r.GetNamespace())), RecordCount: uint64(n)}, nil
}
