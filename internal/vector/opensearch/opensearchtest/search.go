package opensearchtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strings"

	"freehold/internal/vector"
)

// scope is what a search looks at.
type scope struct {
	ix     *index
	within json.RawMessage
}

// asked is the body of a search.
type asked struct {
	Size   *int            `json:"size"`
	Source json.RawMessage `json:"_source"`
	Track  *bool           `json:"track_total_hits"`
	PIT    *struct {
		ID    string `json:"id"`
		Alive string `json:"keep_alive"`
	} `json:"pit"`
	Query json.RawMessage     `json:"query"`
	KNN   *knn                `json:"knn"`
	Sort  []map[string]string `json:"sort"`
}

type knn struct {
	Field      string          `json:"field"`
	Query      []float32       `json:"query_vector"`
	Vector     []float32       `json:"vector"`
	K          int             `json:"k"`
	Candidates int             `json:"num_candidates"`
	Filter     json.RawMessage `json:"filter"`
}

func (s *Server) search(r *http.Request, in *scope, body []byte) (any, error) {
	for name := range r.URL.Query() {
		if name != "allow_partial_search_results" {
			return nil, illegal("request [/_search] contains unrecognized parameter: [%s]", name)
		}
	}
	var q asked
	if err := strict(body, &q); err != nil {
		return nil, err
	}
	size := 10
	if q.Size != nil {
		size = *q.Size
	}
	if size > 10_000 {
		return nil, illegal("Result window is too large, from + size must be less than or equal to: [10000] but was [%d]", size)
	}
	docs, ix, err := s.scope(in, &q)
	if err != nil {
		return nil, err
	}
	if err := s.sorts(&q); err != nil {
		return nil, err
	}
	source, err := s.source(q.Source)
	if err != nil {
		return nil, err
	}
	if !s.Elastic && q.KNN != nil {
		return nil, refuse(http.StatusBadRequest, "parsing_exception", "Unknown key for a START_OBJECT in [knn].")
	}
	var found []scored
	if near, field := q.near(s.Elastic); near != nil {
		found, err = near.find(ix, docs, field, s.Elastic)
	} else {
		docs, err = matching(ix, docs, q.Query)
		for _, d := range docs {
			found = append(found, scored{d, 1})
		}
	}
	if err != nil {
		return nil, err
	}
	hits := []any{}
	for _, x := range found[:min(size, len(found))] {
		h := map[string]any{"_id": x.d.id, "_score": x.score}
		if len(q.Sort) > 0 {
			h["_score"], h["sort"] = nil, []any{x.d.seq}
			if s.Elastic { // the tie-breaker that a point in time has by itself
				h["sort"] = []any{x.d.seq, x.d.seq<<8 + int64(x.d.shard)}
			}
		}
		if x.d.routing != "" {
			h["_routing"] = x.d.routing
		}
		if source != none {
			h["_source"] = x.d.shownSource(ix, source == all)
		}
		hits = append(hits, h)
	}
	out := map[string]any{"timed_out": false, "_shards": map[string]int{"total": 1, "failed": 0}, "hits": map[string]any{"total": map[string]any{"value": len(found)}, "hits": hits}}
	if q.PIT != nil {
		out["pit_id"] = q.PIT.ID
	}
	return out, nil
}

// scope finds what is looked at: an index, or a point in time of one.
func (s *Server) scope(in *scope, q *asked) ([]*document, *index, error) {
	if in != nil {
		docs, err := matching(in.ix, in.ix.shown, in.within)
		return docs, in.ix, err
	}
	if q.PIT == nil {
		return nil, nil, illegal("a search without an index needs a point in time")
	}
	docs, ok := s.pits[q.PIT.ID]
	if !ok {
		return nil, nil, refuse(http.StatusNotFound, "search_context_missing_exception", "No search context found for id [%s]", q.PIT.ID)
	}
	return docs, nil, nil
}

func (s *Server) sorts(q *asked) error {
	for _, by := range q.Sort {
		for name := range by {
			switch {
			case name == "_id" && s.Elastic:
				return illegal("Fielddata access on the _id field is disallowed, you can re-enable it by updating the dynamic cluster setting: indices.id_field_data.enabled")
			case name == "_shard_doc" && (q.PIT == nil || !s.Elastic):
				return refuse(http.StatusBadRequest, "query_shard_exception", "No mapping found for [_shard_doc] in order to sort on")
			case name != "_seq_no":
				return illegal("this simulator sorts by _seq_no, not by %s", name)
			}
		}
	}
	return nil
}

// How much of a document is sent.
const (
	none = iota
	some // not the vectors, where the product hides them
	all
)

func (s *Server) source(of json.RawMessage) (int, error) {
	usual := all
	if s.Elastic && !strings.HasPrefix(s.o.Version, "8.") && s.o.Version >= "9.2" {
		usual = some
	}
	switch string(of) {
	case "", "true":
		return usual, nil
	case "false":
		return none, nil
	}
	var object map[string]json.RawMessage
	if err := strict(of, &object); err != nil {
		return none, err
	}
	names := []string{"includes", "excludes"}
	if usual == some {
		names = append(names, "exclude_vectors")
	}
	if err := only(object, names...); err != nil {
		return none, err
	}
	if string(object["exclude_vectors"]) == "false" {
		return all, nil
	}
	return usual, nil
}

func (d *document) shownSource(ix *index, vectors bool) any {
	if vectors {
		return d.source
	}
	out := map[string]any{}
	for name, v := range d.fields {
		if p := ix.fields[name]; p == nil || p.width() == 0 {
			out[name] = v
		}
	}
	return out
}

type scored struct {
	d     *document
	score float64
}

// near is the search for neighbours of a body, nil of none.
func (q *asked) near(elastic bool) (*knn, string) {
	if elastic {
		if q.KNN == nil {
			return nil, ""
		}
		return q.KNN, q.KNN.Field
	}
	var of struct {
		KNN map[string]*knn `json:"knn"`
	}
	if strict(q.Query, &of) != nil {
		return nil, ""
	}
	for field, k := range of.KNN {
		return k, field
	}
	return nil, ""
}

// find looks at all documents, which is what an index should find.
func (k *knn) find(ix *index, docs []*document, field string, elastic bool) ([]scored, error) {
	p := ix.fields[field]
	query := vector.Vector{Dense: k.Vector}
	if elastic {
		query.Dense = k.Query
	}
	switch {
	case p == nil || p.width() == 0:
		return nil, illegal("failed to create query: field [%s] does not exist in the mapping, or is no vector", field)
	case len(query.Dense) != p.width():
		return nil, illegal("the query vector has a different dimension [%d] than the index vectors [%d]", len(query.Dense), p.width())
	case elastic && (k.Candidates < k.K || k.Candidates > 10_000):
		return nil, illegal("[num_candidates] cannot be less than [k], or exceed [10000]")
	}
	space, binary := p.space()
	if binary {
		query = vector.Vector{Bits: signed(query.Dense)}
	}
	docs, err := matching(ix, docs, k.Filter)
	if err != nil {
		return nil, err
	}
	var out []scored
	for _, d := range docs {
		for _, v := range at(d.fields, field) {
			x := vectorOf(v, binary)
			out = append(out, scored{d, score(space, &query, &x)})
		}
	}
	slices.SortStableFunc(out, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	return out[:min(k.K, len(out))], nil
}

func signed(of []float32) (out []byte) {
	for _, x := range of {
		out = append(out, byte(int8(x)))
	}
	return out
}

func (p *property) space() (space string, binary bool) {
	binary = p.Element == "bit" || strings.EqualFold(p.DataType, "binary")
	space = cmp.Or(p.Similarity, p.Space)
	if p.Method != nil {
		space = cmp.Or(p.Method.Space, space)
	}
	switch {
	case space != "":
	case binary:
		space = "hamming"
	case p.Type == "dense_vector":
		space = "cosine"
	default:
		space = "l2"
	}
	return space, binary
}

// score is how both products publish theirs.
func score(space string, a, b *vector.Vector) float64 {
	switch space {
	case "cosine", "cosinesimil":
		return (1 + vector.Cosine.Score(a, b)) / 2
	case "dot_product":
		return (1 + vector.Dot.Score(a, b)) / 2
	case "max_inner_product", "innerproduct":
		dot := vector.Dot.Score(a, b)
		if dot < 0 {
			return 1 / (1 - dot)
		}
		return dot + 1
	case "l1":
		return 1 / (1 + vector.Manhattan.Score(a, b))
	case "hamming":
		n := 0
		for i := range min(len(a.Bits), len(b.Bits)) {
			n += bits.OnesCount8(a.Bits[i] ^ b.Bits[i])
		}
		return 1 / (1 + float64(n))
	}
	d := vector.Euclid.Score(a, b)
	return 1 / (1 + d*d)
}

// matching are the documents that a query matches; none: all.
func matching(ix *index, docs []*document, query json.RawMessage) ([]*document, error) {
	if len(query) == 0 {
		return docs, nil
	}
	var out []*document
	for _, d := range docs {
		ok, err := matches(ix, d, query)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, d)
		}
	}
	return out, nil
}

// matches reads a query of one key, strictly.
func matches(ix *index, d *document, query json.RawMessage) (bool, error) {
	var q struct {
		All *struct{} `json:"match_all"`
		No  *struct{} `json:"match_none"`
		IDs *struct {
			Values []string `json:"values"`
		} `json:"ids"`
		Exists *struct {
			Field string `json:"field"`
		} `json:"exists"`
		Terms map[string][]any                      `json:"terms"`
		Range map[string]map[string]json.RawMessage `json:"range"`
		Bool  *struct {
			Filter  []json.RawMessage `json:"filter"`
			Not     []json.RawMessage `json:"must_not"`
			Should  []json.RawMessage `json:"should"`
			Minimum int               `json:"minimum_should_match"`
		} `json:"bool"`
	}
	if err := strict(query, &q); err != nil {
		return false, err
	}
	switch {
	case q.All != nil:
		return true, nil
	case q.IDs != nil:
		return slices.Contains(q.IDs.Values, d.id), nil
	case q.Exists != nil:
		return slices.ContainsFunc(flat(at(d.fields, q.Exists.Field)), func(v any) bool { return v != nil }), nil
	case q.Bool != nil:
		count := func(of []json.RawMessage) (n int, err error) {
			for _, x := range of {
				ok, err := matches(ix, d, x)
				if err != nil {
					return 0, err
				}
				if ok {
					n++
				}
			}
			return n, nil
		}
		filter, err := count(q.Bool.Filter)
		if err != nil {
			return false, err
		}
		not, err := count(q.Bool.Not)
		if err != nil {
			return false, err
		}
		should, err := count(q.Bool.Should)
		return filter == len(q.Bool.Filter) && not == 0 && should >= q.Bool.Minimum, err
	}
	for field, values := range q.Terms {
		for _, have := range flat(d.indexed(ix, field)) {
			if slices.ContainsFunc(values, func(v any) bool { return same(have, v) }) {
				return true, nil
			}
		}
	}
	for field, of := range q.Range {
		values := []any{json.Number(fmt.Sprint(d.seq))}
		if field != "_seq_no" {
			values = flat(d.indexed(ix, field))
		}
		for _, have := range values {
			if ok, err := between(have, of); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

// indexed are the values by which a field is found: a text field's are words, which no
// whole value is, and its keyword's are those of the field.
func (d *document) indexed(ix *index, field string) []any {
	p := ix.fields[field]
	if p == nil || p.Type == "text" {
		return nil
	}
	if values := at(d.fields, field); values != nil {
		return values
	}
	above := field[:max(0, strings.LastIndexByte(field, '.'))]
	if of := ix.fields[above]; of == nil || of.Fields == nil {
		return nil
	}
	return at(d.fields, above)
}

func flat(of []any) (out []any) {
	for _, v := range of {
		if list, ok := v.([]any); ok {
			out = append(out, flat(list)...)
		} else {
			out = append(out, v)
		}
	}
	return out
}

func same(a, b any) bool {
	x, ok := a.(json.Number)
	y, both := b.(json.Number)
	if ok && both {
		f, err := x.Float64()
		g, bad := y.Float64()
		return err == nil && bad == nil && f == g
	}
	return a == b
}

func between(have any, of map[string]json.RawMessage) (bool, error) {
	n, ok := have.(json.Number)
	if !ok {
		return false, nil
	}
	x, err := n.Float64()
	if err != nil {
		return false, err
	}
	for op, raw := range of {
		var y float64
		if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&y); err != nil {
			return false, illegal("range: %v", err)
		}
		switch op {
		case "gt":
			ok = ok && x > y
		case "gte":
			ok = ok && x >= y
		case "lt":
			ok = ok && x < y
		case "lte":
			ok = ok && x <= y
		default:
			return false, refuse(http.StatusBadRequest, "parsing_exception", "[range] query does not support [%s]", op)
		}
	}
	return ok, nil
}
