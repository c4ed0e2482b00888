package pinecone

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// The limits of requests that read.
const (
	pageIDs    = 100     // ids of a page of a listing
	fetchIDs   = 1000    // ids of a fetch
	fetchBytes = 1 << 20 // of an answer to a fetch, about
	pageSpaces = 100     // namespaces of a page
	queryTop   = 10000   // records of a query's answer
)

// Describe reads what the index is. Its counts are those of describe_index_stats,
// which lag, as Facts says: [Store.Count] has exact ones.
func (s *Store) Describe(ctx context.Context) (*vector.Description, error) {
	d := &vector.Description{
		Store: "pinecone", Name: s.o.Index, IDs: []vector.IDKind{vector.TextID},
		Facts: map[string]string{"counts": "of describe_index_stats, which lag behind writes", "numbers": "doubles"},
	}
	ix, err := s.describeIndex(ctx)
	switch {
	case err == nil:
		ix.facts(d.Facts)
		if s.conn.Load() == nil && ix.Host != "" {
			if err := s.connect(ix.Host); err != nil {
				return nil, err
			}
		}
	case s.o.Host != "" && denied(err):
		// A key of the data plane alone, or an emulator: the index says enough itself.
		d.Facts["control plane"] = err.Error()
		ix = &index{}
	default:
		return nil, err
	}
	var stats wire.StatsResponse
	if err := s.call(ctx, s.queries, "describe index stats", wire.DescribeIndexStats, &wire.StatsRequest{}, &stats); err != nil {
		return nil, err
	}
	if ix.Metric == "" {
		ix.Metric, ix.VectorType, ix.Dimension = stats.GetMetric(), stats.GetVectorType(), int(stats.GetDimension())
	}
	if d.Vectors, err = s.vectors(ix); err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for name, n := range stats.GetNamespaces() {
		counts[plainNamespace(name)] += int64(n.GetVectorCount())
	}
	// Stats that lag may not have a new namespace at all, which a copy would leave
	// out: those are listed too, where they can be.
	if ix.Spec.Pod == nil {
		if err := s.namespaces(ctx, counts); err != nil && !errors.Is(err, errUnsupported) {
			return nil, err
		}
	}
	for name, n := range counts {
		if s.o.Namespaces == nil || slices.Contains(s.o.Namespaces, name) {
			d.Namespaces = append(d.Namespaces, vector.Namespace{Name: name, Count: n})
		}
	}
	slices.SortFunc(d.Namespaces, func(a, b vector.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return d, nil
}

func (ix *index) facts(to map[string]string) {
	set := func(name, v string) {
		if v != "" && v != "0" {
			to[name] = v
		}
	}
	set("host", ix.Host)
	set("state", ix.Status.State)
	switch {
	case ix.Spec.Serverless != nil:
		set("spec", "serverless")
		set("cloud", ix.Spec.Serverless.Cloud)
		set("region", ix.Spec.Serverless.Region)
	case ix.Spec.Pod != nil:
		set("spec", "pod")
		set("environment", ix.Spec.Pod.Environment)
		set("pod type", ix.Spec.Pod.PodType)
		set("pods", strconv.Itoa(ix.Spec.Pod.Pods))
		set("replicas", strconv.Itoa(ix.Spec.Pod.Replicas))
		set("shards", strconv.Itoa(ix.Spec.Pod.Shards))
	case ix.Spec.BYOC != nil:
		set("spec", "byoc")
		set("environment", ix.Spec.BYOC.Environment)
	}
	if ix.Embed != nil {
		set("embedding model", ix.Embed.Model)
	}
}

// vectors are what records of an index have. A dense index with the dot product is
// hybrid: any of its records may have a sparse vector too.
func (s *Store) vectors(ix *index) ([]vector.Spec, error) {
	metric, ok := map[string]vector.Metric{"cosine": vector.Cosine, "dotproduct": vector.Dot, "euclidean": vector.Euclid}[ix.Metric]
	if !ok {
		return nil, &vector.Error{Trouble: vector.Invalid, Store: s.name, Doing: "describe index", Message: fmt.Sprintf("its metric is %q, which is none of cosine, dotproduct, euclidean", ix.Metric)}
	}
	sparse := vector.Spec{Name: SparseName, Form: vector.Sparse, Metric: vector.Dot, Element: "float32"}
	if ix.VectorType == "sparse" {
		return []vector.Spec{sparse}, nil
	}
	out := []vector.Spec{{Form: vector.Dense, Dim: ix.Dimension, Metric: metric, Element: "float32"}}
	if metric == vector.Dot {
		out = append(out, sparse)
	}
	return out, nil
}

// namespaces adds those that are listed, with the counts of the listing where those
// are higher. Pods, and what is older than the method, list none.
func (s *Store) namespaces(ctx context.Context, counts map[string]int64) error {
	limit, token := uint32(pageSpaces), ""
	for {
		in := &wire.ListNamespacesRequest{Limit: &limit}
		if token != "" {
			in.PaginationToken = &token
		}
		var out wire.ListNamespacesResponse
		err := s.call(ctx, s.lists, "list namespaces", wire.ListNamespaces, in, &out)
		if err != nil {
			return err
		}
		for _, ns := range out.GetNamespaces() {
			name := plainNamespace(ns.GetName())
			counts[name] = max(counts[name], int64(ns.GetRecordCount()))
		}
		if token = out.GetPagination().GetNext(); token == "" {
			return nil
		}
	}
}

// defaultNamespace is a name that Pinecone has for the default namespace.
const defaultNamespace = "__default__"

func plainNamespace(name string) string {
	if name == defaultNamespace {
		return ""
	}
	return name
}

// Where a listing goes on: behind a page, by its token; behind so many ids, where
// those are given; or not at all.
const (
	byToken = "token:"
	byCount = "count:"
	atEnd   = "end"
)

// Count lists all ids, or of those that are given looks which there are.
func (s *Store) Count(ctx context.Context, namespace string) (int64, error) {
	var n int64
	for u, err := range s.Units(ctx, namespace, "", fetchIDs) {
		if err != nil {
			return 0, err
		}
		if s.o.IDs == nil {
			n += int64(u.Count)
			continue
		}
		for records, err := range s.Read(ctx, u) {
			if err != nil {
				return 0, err
			}
			n += int64(len(records))
		}
	}
	return n, nil
}

// Units lists ids, page by page, and joins pages.
func (s *Store) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	if s.o.IDs != nil {
		return s.given(namespace, after, size)
	}
	return func(yield func(vector.Unit, error) bool) {
		token, ok := strings.CutPrefix(after, byToken)
		switch {
		case after == atEnd:
			return
		case after != "" && !ok:
			yield(vector.Unit{}, s.notOurs(after))
			return
		}
		u := vector.Unit{Namespace: namespace}
		for {
			page, err := s.list(ctx, namespace, token)
			if err != nil {
				yield(vector.Unit{}, err)
				return
			}
			u.IDs = append(u.IDs, page.ids...)
			token = page.next
			u.Next = byToken + token
			if token == "" {
				u.Next = atEnd
			}
			if u.Count = len(u.IDs); u.Count > 0 && (u.Count >= size || token == "") {
				if !yield(u, nil) {
					return
				}
				u = vector.Unit{Namespace: namespace}
			}
			if token == "" {
				return
			}
		}
	}
}

func (s *Store) notOurs(after string) error {
	return &vector.Error{Trouble: vector.Invalid, Store: s.name, Doing: "list", Message: fmt.Sprintf("the listing cannot go on at %q: it was begun in another way", after)}
}

// list reads one page.
func (s *Store) list(ctx context.Context, namespace, token string) (*listMessage, error) {
	limit := uint32(pageIDs)
	in := &wire.ListRequest{Namespace: namespace, Limit: &limit}
	if token != "" {
		in.PaginationToken = &token
	}
	var page listMessage
	err := s.call(ctx, s.lists, "list", wire.List, in, &page)
	if token == "" && is(err, vector.Invalid) {
		return nil, fmt.Errorf("%w (pod indexes cannot list their ids: give them with --ids FILE)", err)
	}
	if err != nil {
		return nil, err
	}
	if page.next != "" && page.next == token {
		return nil, &vector.Error{Trouble: vector.Unavailable, Store: s.name, Doing: "list", Message: "a page's token is that of the page before"}
	}
	return &page, nil
}

// Given implements [vector.Given].
func (s *Store) Given() iter.Seq2[string, error] { return s.o.IDs }

// given makes units of ids that are given, each once.
func (s *Store) given(namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		skip := 0
		if text, ok := strings.CutPrefix(after, byCount); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				yield(vector.Unit{}, s.notOurs(after))
				return
			}
			skip = n
		} else if after != "" {
			yield(vector.Unit{}, s.notOurs(after))
			return
		}
		u, n := vector.Unit{Namespace: namespace}, 0
		seed, seen := maphash.MakeSeed(), map[uint64]struct{}{}
		for id, err := range s.o.IDs {
			if err != nil {
				yield(vector.Unit{}, fmt.Errorf("ids of namespace %q, behind number %d: %w", namespace, n, err))
				return
			}
			n++
			hash := maphash.String(seed, id)
			if _, twice := seen[hash]; twice {
				continue
			}
			seen[hash] = struct{}{}
			if n <= skip {
				continue
			}
			u.IDs = append(u.IDs, id)
			if u.Count = len(u.IDs); u.Count >= size {
				u.Next = byCount + strconv.Itoa(n)
				if !yield(u, nil) {
					return
				}
				u = vector.Unit{Namespace: namespace}
			}
		}
		if u.Next = byCount + strconv.Itoa(n); u.Count > 0 {
			yield(u, nil)
		}
	}
}

// Read fetches a unit's records, as many at once as an answer should have bytes.
func (s *Store) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		for rest := u.IDs; len(rest) > 0; {
			n := min(len(rest), s.batch())
			records, err := s.fetchSome(ctx, u.Namespace, rest[:n])
			if err != nil {
				yield(nil, err)
				return
			}
			rest = rest[n:]
			if len(records) > 0 && !yield(records, nil) {
				return
			}
		}
	}
}

// batch is how many records are fetched at once: a few while their size is unknown.
func (s *Store) batch() int {
	size := s.size.Load()
	if size == 0 {
		return 100
	}
	return int(max(1, min(fetchIDs, fetchBytes/size)))
}

// fetchSome fetches records in one request, or in two where the answer is too large.
func (s *Store) fetchSome(ctx context.Context, namespace string, ids []string) ([]vector.Record, error) {
	out := &fetchMessage{namespace: namespace, records: make([]vector.Record, 0, len(ids))}
	err := s.call(ctx, s.fetches, "fetch", wire.Fetch, &wire.FetchRequest{Ids: ids, Namespace: namespace}, out)
	if err != nil {
		if len(ids) > 1 && errors.Is(err, errTooLarge) {
			half := len(ids) / 2
			a, err := s.fetchSome(ctx, namespace, ids[:half])
			if err != nil {
				return nil, err
			}
			b, err := s.fetchSome(ctx, namespace, ids[half:])
			return append(a, b...), err
		}
		return nil, err
	}
	if len(out.records) > 0 {
		total := 0
		for i := range out.records {
			total += out.records[i].Size()
		}
		mean := int64(total / len(out.records))
		if was := s.size.Load(); was > 0 {
			mean = (3*was + mean) / 4
		}
		s.size.Store(max(1, mean))
	}
	return out.records, nil
}

// Fetch returns those of the records that there are.
func (s *Store) Fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	u := vector.Unit{Namespace: namespace, IDs: make([]string, 0, len(ids))}
	for _, id := range ids {
		u.IDs = append(u.IDs, id.String())
	}
	var out []vector.Record
	for records, err := range s.Read(ctx, u) {
		if err != nil {
			return nil, err
		}
		out = append(out, records...)
	}
	return out, nil
}

// Search asks for the nearest records. Scores of euclidean indexes are squares of
// distances, as Pinecone has them.
func (s *Store) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	in := &wire.QueryRequest{Namespace: q.Namespace, TopK: uint32(max(1, min(q.K, queryTop))), Filter: filterStruct(q.Filter)}
	switch {
	case q.Query.Indices != nil:
		in.SparseVector = &wire.Sparse{Indices: q.Query.Indices, Values: q.Query.Values}
	default:
		in.Vector = q.Query.Dense
	}
	var out wire.QueryResponse
	if err := s.call(ctx, s.queries, "query", wire.Query, in, &out); err != nil {
		return nil, err
	}
	hits := make([]vector.Hit, len(out.GetMatches()))
	for i, m := range out.GetMatches() {
		hits[i] = vector.Hit{ID: vector.IDOf(m.GetId()), Score: float64(m.GetScore())}
	}
	return hits, nil
}
