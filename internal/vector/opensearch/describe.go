package opensearch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/vector"
)

// index is an index as it was looked at.
type index struct {
	elastic bool
	version string
	uuid    string
	shards  int
	hides   bool // vectors, unless they are asked for
	fields  map[string]*field
	vectors []*field
	facts   map[string]string
}

// field is a field of the mapping, by its whole path.
type field struct {
	path string
	kind string
	// exact is the field to filter by for whole texts, "" of none, and longest how many
	// characters such a text has at most.
	exact   string
	longest int
	spec    *vector.Spec // of a vector; its Name is that of records
	space   string       // what it is compared by, in the server's word; "": nothing
	nested  bool         // a document has several: they are the rows of a multivector
	engine  string
	silent  bool // it is not indexed
}

// property is a field as the server describes it.
type property struct {
	Type       string               `json:"type"`
	Properties map[string]*property `json:"properties"`
	Fields     map[string]*property `json:"fields"`

	Index      *bool  `json:"index"`
	Normalizer string `json:"normalizer"`
	Ignore     int    `json:"ignore_above"`
	// Of dense_vector and rank_vectors.
	Element    string `json:"element_type"`
	Dims       int    `json:"dims"`
	Similarity string `json:"similarity"`
	// Of knn_vector.
	Dimension int    `json:"dimension"`
	DataType  string `json:"data_type"`
	Space     string `json:"space_type"`
	Model     string `json:"model_id"`
	Method    struct {
		Space  string `json:"space_type"`
		Engine string `json:"engine"`
	} `json:"method"`
}

// described is what GET /INDEX has of one index.
type described struct {
	Mappings struct {
		Properties map[string]*property `json:"properties"`
		Source     struct {
			Enabled  *bool    `json:"enabled"`
			Mode     string   `json:"mode"`
			Excludes []string `json:"excludes"`
			Includes []string `json:"includes"`
		} `json:"_source"`
	} `json:"mappings"`
	Settings struct {
		Index struct {
			UUID    string          `json:"uuid"`
			Shards  string          `json:"number_of_shards"`
			KNN     json.RawMessage `json:"knn"` // "true", or an object of the older settings
			Mapping struct {
				Source struct {
					Mode string `json:"mode"`
				} `json:"source"`
			} `json:"mapping"`
		} `json:"index"`
	} `json:"settings"`
}

// look looks at the server and the index, anew.
func (s *Store) look(ctx context.Context) (*index, error) {
	var server struct {
		Version struct {
			Distribution string `json:"distribution"`
			Number       string `json:"number"`
			Flavor       string `json:"build_flavor"`
		} `json:"version"`
	}
	if err := s.client.Call(ctx, "describe", http.MethodGet, "/", nil, &server); err != nil {
		return nil, err
	}
	ix := &index{elastic: server.Version.Distribution != "opensearch", version: server.Version.Number, fields: map[string]*field{}, facts: map[string]string{}}
	if ix.version == "" {
		return nil, s.invalid("describe", "this is neither OpenSearch nor Elasticsearch: GET / says no version")
	}
	var all map[string]*described
	// From 9.2 on new indexes leave vectors out of what is asked for, and to ask for
	// them is an error before. Serverless says a version of its own.
	major, minor := version(ix.version)
	ix.hides = ix.elastic && (major > 9 || major == 9 && minor >= 2 || server.Version.Flavor == "serverless")
	if err := s.client.Call(ctx, "describe", http.MethodGet, s.path(""), nil, &all); err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, s.invalid("describe", "%s is %d indexes (%s), of which each may have the same ids: name one of them", s.options.Index, len(all), strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	for name, d := range all {
		if name != s.options.Index {
			ix.facts["alias of"] = name
		}
		if err := s.read(ctx, ix, d); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.is = ix
	s.mu.Unlock()
	return ix, nil
}

func (s *Store) known(ctx context.Context) (*index, error) {
	s.mu.Lock()
	ix := s.is
	s.mu.Unlock()
	if ix != nil {
		return ix, nil
	}
	return s.look(ctx)
}

// read makes an index of its description.
func (s *Store) read(ctx context.Context, ix *index, d *described) error {
	source := &d.Mappings.Source
	ix.uuid, ix.shards = d.Settings.Index.UUID, max(1, atoi(d.Settings.Index.Shards))
	if source.Enabled != nil && !*source.Enabled {
		return s.invalid("describe", "the mapping has _source disabled: documents were not kept, and cannot be read")
	}
	ix.facts["product"] = map[bool]string{true: "Elasticsearch ", false: "OpenSearch "}[ix.elastic] + ix.version
	if mode := cmp.Or(d.Settings.Index.Mapping.Source.Mode, source.Mode); strings.EqualFold(mode, "synthetic") {
		ix.facts["_source"] = "synthetic: documents are made anew of what is indexed, and lists may be in another order than they were written in"
	}
	if len(source.Excludes)+len(source.Includes) > 0 {
		ix.facts["_source"] = fmt.Sprintf("without some fields (excludes %v, includes %v): those were not kept", source.Excludes, source.Includes)
	}
	ix.walk("", d.Mappings.Properties, false)
	indexed := strings.Trim(string(d.Settings.Index.KNN), `"`) != "false" && d.Settings.Index.KNN != nil
	for _, path := range slices.Sorted(maps.Keys(ix.fields)) {
		f := ix.fields[path]
		if f.spec == nil || s.options.Vector != "" && path != s.options.Vector {
			continue
		}
		if err := s.measure(ctx, ix, f, indexed); err != nil {
			return err
		}
		// What is hidden can be asked for; what the mapping excludes is not there.
		if excluded(path, source.Excludes, source.Includes) {
			return s.invalid("describe", "the mapping excludes the vectors of field %s from _source, so that they cannot be read: reindex from where they came, or copy another one of the fields with vector=FIELD", path)
		}
		ix.vectors = append(ix.vectors, f)
	}
	switch {
	case s.options.Vector != "" && len(ix.vectors) == 0:
		return s.invalid("describe", "the mapping has no vectors in a field %q", s.options.Vector)
	case len(ix.vectors) == 0:
		return s.invalid("describe", "the mapping has no field of vectors: knn_vector of OpenSearch, or dense_vector or rank_vectors of Elasticsearch")
	case len(ix.vectors) > 1:
		for _, f := range ix.vectors {
			f.spec.Name = f.path
		}
	}
	return nil
}

// walk lists the fields of a mapping by their paths.
func (ix *index) walk(above string, of map[string]*property, nested bool) {
	for name, p := range of {
		searched := p.Index == nil || *p.Index
		f := &field{path: above + name, kind: p.Type, nested: nested, silent: !searched}
		ix.fields[f.path] = f
		switch {
		case p.Type == "keyword" && searched && p.Normalizer == "":
			f.exact, f.longest = f.path, p.Ignore
		case p.Type == "text":
			for _, sub := range slices.Sorted(maps.Keys(p.Fields)) {
				if k := p.Fields[sub]; k.Type == "keyword" && k.Normalizer == "" {
					f.exact, f.longest = f.path+"."+sub, k.Ignore
				}
			}
		case p.Type == "dense_vector" || p.Type == "rank_vectors":
			f.elastic(p, searched)
		case p.Type == "knn_vector":
			f.knn(p)
		}
		ix.walk(f.path+".", p.Properties, nested || p.Type == "nested")
	}
}

// elastic is a vector of Elasticsearch, whose defaults are those that it publishes.
func (f *field) elastic(p *property, searched bool) {
	f.spec = &vector.Spec{Form: vector.Dense, Dim: p.Dims, Element: map[string]string{"": "float32", "float": "float32", "byte": "int8", "bit": "bit"}[p.Element]}
	if f.spec.Element == "" {
		f.spec.Element = p.Element
	}
	switch {
	case p.Type == "rank_vectors": // they are compared by maxSimDotProduct only
		f.spec.Form, f.spec.Metric = vector.Multi, vector.Dot
	case searched && p.Similarity == "":
		f.space = map[bool]string{true: "l2_norm", false: "cosine"}[p.Element == "bit"]
	case searched:
		f.space = p.Similarity
	}
}

// knn is a vector of OpenSearch.
func (f *field) knn(p *property) {
	f.spec = &vector.Spec{Form: vector.Dense, Dim: p.Dimension, Element: map[string]string{"": "float32", "FLOAT": "float32", "BYTE": "int8", "BINARY": "bit"}[strings.ToUpper(p.DataType)]}
	f.engine, f.space = p.Method.Engine, cmp.Or(p.Method.Space, p.Space)
	if p.Model != "" {
		f.engine, f.space = "", "model "+p.Model
	} else if f.space == "" { // as OpenSearch publishes it
		f.space = map[bool]string{true: "hamming", false: "l2"}[f.spec.Element == "bit"]
	}
}

var spaces = map[string]vector.Metric{
	"cosine": vector.Cosine, "dot_product": vector.Dot, "max_inner_product": vector.Dot, "l2_norm": vector.Euclid,
	"cosinesimil": vector.Cosine, "innerproduct": vector.Dot, "l2": vector.Euclid, "l1": vector.Manhattan, "hamming": vector.Hamming, "hammingbit": vector.Hamming,
}

// measure reads by what a vector is compared, and says what cannot be copied.
func (s *Store) measure(ctx context.Context, ix *index, f *field, indexed bool) error {
	if id, ok := strings.CutPrefix(f.space, "model "); ok {
		var model struct {
			Dimension int    `json:"dimension"`
			Space     string `json:"space_type"`
		}
		if err := s.client.Call(ctx, "describe the model of "+f.path, http.MethodGet, "/_plugins/_knn/models/"+url.PathEscape(id), nil, &model); err != nil {
			return err
		}
		f.spec.Dim, f.space = model.Dimension, model.Space
	}
	if f.kind == "knn_vector" && !indexed {
		f.space = "" // the index has no k-NN: what scripts compare by, they say themselves
	}
	if f.spec.Element == "bit" {
		if f.spec.Form = vector.Binary; f.space == "l2_norm" {
			f.space = "hamming"
		}
	}
	if f.nested && f.spec.Form == vector.Binary || f.spec.Form == vector.Multi && f.spec.Element == "bit" {
		return s.invalid("describe", "field %s has several vectors of bits in a document, which no other store has: copy another one with vector=FIELD", f.path)
	}
	if f.nested {
		f.spec.Form = vector.Multi
	}
	if f.spec.Metric == "" {
		f.spec.Metric = spaces[f.space]
	}
	switch {
	case f.spec.Metric != "":
	case f.space == "" && s.options.Metric != "":
		f.spec.Metric = s.options.Metric
	case f.space == "":
		return s.invalid("describe", "field %s is not indexed, so that the mapping does not say by what its vectors are compared: say it with metric=cosine (dot, euclid, manhattan, hamming)", f.path)
	default:
		return s.invalid("describe", "field %s is compared by %s, which no other store does: copy another one with vector=FIELD", f.path, f.space)
	}
	return nil
}

// excluded reports whether a field is left out of _source by patterns in which * is
// any text.
func excluded(path string, excludes, includes []string) bool {
	match := func(pattern string) bool {
		parts := strings.Split(pattern, "*")
		rest, ok := strings.CutPrefix(path, parts[0])
		for _, part := range parts[1:] {
			at := strings.Index(rest, part)
			if ok = ok && at >= 0; !ok {
				return false
			}
			rest = rest[at+len(part):]
		}
		return ok && (rest == "" || rest[0] == '.' || strings.HasSuffix(pattern, "*"))
	}
	return slices.ContainsFunc(excludes, match) || len(includes) > 0 && !slices.ContainsFunc(includes, match)
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func version(s string) (major, minor int) {
	a, rest, _ := strings.Cut(s, ".")
	b, _, _ := strings.Cut(rest, ".")
	return atoi(a), atoi(b)
}

// Describe reads the mapping, and counts.
func (s *Store) Describe(ctx context.Context) (*vector.Description, error) {
	ix, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	n, err := s.Count(ctx, "")
	if err != nil {
		return nil, err
	}
	d := &vector.Description{Store: "opensearch", Name: s.options.Index, Namespaces: []vector.Namespace{{Count: n}}, IDs: []vector.IDKind{vector.TextID}, Facts: ix.facts, Scans: true}
	for _, f := range ix.vectors {
		d.Vectors = append(d.Vectors, *f.spec)
		d.Scans = d.Scans && f.space == ""
	}
	for _, path := range slices.Sorted(maps.Keys(ix.fields)) {
		if f := ix.fields[path]; f.spec == nil && f.kind != "" && f.kind != "nested" && f.kind != "object" {
			d.Fields = append(d.Fields, vector.FieldSpec{Name: path, Type: f.kind, Indexed: !f.silent})
		}
	}
	return d, nil
}

// Count has the server count, after a refresh.
func (s *Store) Count(ctx context.Context, namespace string) (int64, error) {
	if err := s.one("count", namespace); err != nil {
		return 0, err
	}
	if err := s.refresh(ctx); err != nil {
		return 0, err
	}
	var out struct {
		Count  int64  `json:"count"`
		Shards shards `json:"_shards"`
	}
	if err := s.post(ctx, "count", s.path("/_count"), nil, &out); err != nil {
		return 0, err
	}
	return out.Count, s.whole("count", out.Shards, false)
}

// refresh makes visible what has been written. A key that may only read may not ask for
// it: then what is visible is as old as the index's refresh_interval.
func (s *Store) refresh(ctx context.Context) error {
	err := s.post(ctx, "refresh", s.path("/_refresh"), nil, nil)
	if is(err, vector.Denied) {
		return nil
	}
	return err
}
