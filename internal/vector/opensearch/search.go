package opensearch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"freehold/internal/vector"
)

// Search asks for nearest neighbours by the index.
func (s *Store) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	if err := s.one("search", q.Namespace); err != nil {
		return nil, err
	}
	ix, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	f := ix.vector(q.Query.Name)
	switch {
	case f == nil:
		return nil, s.invalid("search", "there is no vector %q", q.Query.Name)
	case f.spec.Form == vector.Multi:
		return nil, s.invalid("search", "field %s has several vectors in a document, and its index takes one vector to search by", f.path)
	case f.space == "":
		return nil, s.invalid("search", "field %s is not indexed", f.path)
	case f.engine == "nmslib" && q.Filter != nil:
		return nil, s.invalid("search", "field %s is indexed by nmslib, which filters only what it has found", f.path)
	}
	query := any(q.Query.Dense)
	if f.spec.Form == vector.Binary {
		signed := make([]int8, len(q.Query.Bits))
		for i, b := range q.Query.Bits {
			signed[i] = int8(b)
		}
		query = signed
	}
	var filter any
	if q.Filter != nil {
		if filter, err = ix.filter(q.Filter); err != nil {
			return nil, s.invalid("search", "%v", err)
		}
	}
	k := max(q.K, 1)
	knn := map[string]any{"k": k}
	if filter != nil {
		knn["filter"] = filter
	}
	body := map[string]any{"size": k, "_source": false, "track_total_hits": false}
	if ix.elastic {
		knn["field"], knn["query_vector"], knn["num_candidates"] = f.path, query, min(max(100, 10*k), maxPage)
		body["knn"] = knn
	} else {
		knn["vector"] = query
		body["query"] = map[string]any{"knn": map[string]any{f.path: knn}}
	}
	got, err := s.search(ctx, "search", s.path("/_search"), body)
	if err != nil {
		return nil, err
	}
	out := make([]vector.Hit, 0, len(got.Hits.Hits))
	for _, h := range got.Hits.Hits {
		if h.Score != nil {
			out = append(out, vector.Hit{ID: vector.IDOf(h.ID), Score: f.score(*h.Score)})
		}
	}
	return out, nil
}

func (ix *index) vector(name string) *field {
	for _, f := range ix.vectors {
		if f.spec.Name == name {
			return f
		}
	}
	return nil
}

// score is a server's score, which is always positive and higher where it is nearer, as
// the metric's own; the formulas are those that both products publish.
func (f *field) score(of float64) float64 {
	switch f.space {
	case "cosine", "cosinesimil":
		return 2*of - 1
	case "dot_product":
		if f.spec.Element == "int8" {
			return (of - 0.5) * 32768 * float64(f.spec.Dim)
		}
		return 2*of - 1
	case "max_inner_product", "innerproduct":
		if of >= 1 {
			return of - 1
		}
		return 1 - 1/of
	case "l2_norm", "l2":
		return math.Sqrt(max(0, 1/of-1))
	case "hamming":
		if f.kind == "dense_vector" {
			return (1 - of) * float64(f.spec.Dim)
		}
	}
	return 1/of - 1
}

// filter translates a filter, where the mapping has the field so that whole values are
// compared.
func (ix *index) filter(f *vector.Filter) (any, error) {
	type object = map[string]any
	if f.Op == vector.And || f.Op == vector.Or {
		of := make([]any, len(f.Of))
		for i := range f.Of {
			var err error
			if of[i], err = ix.filter(&f.Of[i]); err != nil {
				return nil, err
			}
		}
		switch {
		case f.Op == vector.And:
			return object{"bool": object{"filter": of}}, nil
		case len(of) == 0:
			return object{"match_none": object{}}, nil
		}
		return object{"bool": object{"should": of, "minimum_should_match": 1}}, nil
	}
	not := func(q any) any { return object{"bool": object{"must_not": []any{q}}} }
	if f.Op == vector.Exists {
		q := object{"exists": object{"field": f.Field}}
		if !f.Value.Bool() {
			return not(q), nil
		}
		return q, nil
	}
	values := f.Values
	if f.Op != vector.In && f.Op != vector.Nin {
		values = []vector.Value{f.Value}
	}
	plain := make([]any, len(values))
	name := f.Field
	for i := range values {
		var err error
		if name, plain[i], err = ix.exact(f.Field, &values[i]); err != nil {
			return nil, err
		}
	}
	switch f.Op {
	case vector.Eq, vector.In:
		return object{"terms": object{name: plain}}, nil
	case vector.Ne, vector.Nin:
		return not(object{"terms": object{name: plain}}), nil
	}
	if k := values[0].Kind(); k != vector.Int && k != vector.Float {
		return nil, fmt.Errorf("%s compares numbers, and %s is none", f.Op, values[0].String())
	}
	return object{"range": object{name: object{string(f.Op[1:]): plain[0]}}}, nil
}

// exact is the field by which a whole value is compared, and the value in JSON's terms.
func (ix *index) exact(name string, v *vector.Value) (string, any, error) {
	f := ix.fields[name]
	if f == nil {
		return name, nil, fmt.Errorf("the mapping has no field %q to filter by", name)
	}
	switch v.Kind() {
	case vector.Text:
		if f.exact != "" && (f.longest == 0 || utf8.RuneCountInString(v.Text()) <= f.longest) {
			return f.exact, v.Text(), nil
		}
	case vector.Bool:
		if f.kind == "boolean" && !f.silent {
			return name, v.Bool(), nil
		}
	case vector.Int, vector.Float:
		if !f.silent && slices.Contains(slices.Concat(integers, doubles), f.kind) {
			if v.Kind() == vector.Int {
				return name, v.Int(), nil
			}
			return name, v.Float(), nil
		}
	}
	return name, nil, fmt.Errorf("field %s is of type %s, by which %s is not found as a whole value", name, f.kind, v.String())
}
