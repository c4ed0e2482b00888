package opensearchtest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"

	"freehold/internal/vector"
)

// index is an index with what was written, and what is seen of it.
type index struct {
	name, uuid string
	shards     int
	mappings   json.RawMessage
	settings   map[string]any
	fields     map[string]*property
	written    map[string]*document // by shard and id
	seq        []int64              // the next of each shard
	shown      []*document          // since the last refresh, by seq
}

type document struct {
	id, routing string
	shard       int
	seq         int64
	source      json.RawMessage
	fields      map[string]any
}

// property is a field of a mapping, with what is known of one here.
type property struct {
	Type       string               `json:"type"`
	Properties map[string]*property `json:"properties"`
	Fields     map[string]*property `json:"fields"`
	Index      *bool                `json:"index"`
	Enabled    *bool                `json:"enabled"`
	Ignore     int                  `json:"ignore_above"`
	Normalizer string               `json:"normalizer"`
	Element    string               `json:"element_type"`
	Dims       int                  `json:"dims"`
	Similarity string               `json:"similarity"`
	Dimension  int                  `json:"dimension"`
	DataType   string               `json:"data_type"`
	Space      string               `json:"space_type"`
	Method     *struct {
		Name   string `json:"name"`
		Space  string `json:"space_type"`
		Engine string `json:"engine"`
	} `json:"method"`
}

func (s *Server) create(name string, body []byte) (any, error) {
	var in struct {
		Mappings json.RawMessage `json:"mappings"`
		Settings map[string]any  `json:"settings"`
	}
	if err := strict(body, &in); err != nil {
		return nil, err
	}
	var m struct {
		Properties map[string]*property `json:"properties"`
		Source     map[string]any       `json:"_source"`
	}
	if err := strict(in.Mappings, &m); err != nil {
		return nil, err
	}
	if s.all[name] != nil {
		return nil, refuse(http.StatusBadRequest, "resource_already_exists_exception", "index [%s] already exists", name)
	}
	s.next++
	ix := &index{name: name, uuid: fmt.Sprintf("uuid-%d", s.next), shards: s.o.Shards, mappings: in.Mappings, settings: in.Settings, fields: map[string]*property{}, written: map[string]*document{}, seq: make([]int64, s.o.Shards)}
	if err := ix.walk(s, "", m.Properties); err != nil {
		return nil, err
	}
	s.all[name] = ix
	return map[string]any{"acknowledged": true, "index": name}, nil
}

func (ix *index) walk(s *Server, above string, of map[string]*property) error {
	for name, p := range of {
		if p.Type == "knn_vector" && s.Elastic || (p.Type == "dense_vector" || p.Type == "rank_vectors") && !s.Elastic {
			return refuse(http.StatusBadRequest, "mapper_parsing_exception", "No handler for type [%s] declared on field [%s]", p.Type, name)
		}
		ix.fields[above+name] = p
		for sub, k := range p.Fields {
			ix.fields[above+name+"."+sub] = k
		}
		if err := ix.walk(s, above+name+".", p.Properties); err != nil {
			return err
		}
	}
	return nil
}

func (ix *index) described() any {
	settings := map[string]any{"uuid": ix.uuid, "number_of_shards": fmt.Sprint(ix.shards)}
	for k, v := range ix.settings {
		settings[strings.TrimPrefix(k, "index.")] = fmt.Sprint(v)
	}
	return map[string]any{"aliases": map[string]any{}, "mappings": ix.mappings, "settings": map[string]any{"index": settings}}
}

func whole(ix *index) map[string]int {
	return map[string]int{"total": ix.shards, "successful": ix.shards, "failed": 0}
}

func (ix *index) refresh() {
	ix.shown = nil
	for _, d := range ix.written {
		ix.shown = append(ix.shown, d)
	}
	slices.SortFunc(ix.shown, func(a, b *document) int { return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.shard, b.shard)) })
}

// bulk writes documents, each by itself.
func (s *Server) bulk(ix *index, body []byte) (any, error) {
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 64<<20)
	items, wrong := []any{}, false
	for lines.Scan() {
		var action map[string]struct {
			ID      string `json:"_id"`
			Routing string `json:"routing"`
		}
		if err := strict(lines.Bytes(), &action); err != nil {
			return nil, err
		}
		for op, at := range action {
			d := &document{id: at.ID, routing: at.Routing}
			h := fnv.New32a()
			fmt.Fprint(h, cmp.Or(d.routing, d.id))
			d.shard = int(h.Sum32() % uint32(ix.shards))
			key := fmt.Sprint(d.shard, " ", d.id)
			item := map[string]any{"_id": at.ID, "status": 200}
			switch op {
			case "delete":
				delete(ix.written, key)
			case "index":
				if !lines.Scan() {
					return nil, illegal("the last action has no document")
				}
				d.source = bytes.Clone(lines.Bytes())
				if err := d.parse(ix); err != nil {
					item["status"], item["error"], wrong = 400, map[string]string{"type": "mapper_parsing_exception", "reason": err.Error()}, true
				} else {
					d.seq = ix.seq[d.shard]
					ix.written[key] = d
				}
			default:
				return nil, illegal("Malformed action/metadata line, found [%s]", op)
			}
			ix.seq[d.shard]++
			items = append(items, map[string]any{op: item})
		}
	}
	return map[string]any{"errors": wrong, "items": items}, lines.Err()
}

// parse reads a document's fields, and refuses vectors that are not the mapping's.
func (d *document) parse(ix *index) error {
	in := json.NewDecoder(bytes.NewReader(d.source))
	in.UseNumber()
	if err := in.Decode(&d.fields); err != nil {
		return err
	}
	for path, p := range ix.fields {
		for _, v := range at(d.fields, path) {
			if list, ok := v.([]any); ok && p.width() > 0 && p.Type != "rank_vectors" && len(list) != p.width() {
				return fmt.Errorf("failed to parse: the [dims] of field [%s] is [%d], and the vector has [%d]", path, p.width(), len(list))
			}
		}
	}
	return nil
}

// width is how many numbers a vector has in JSON.
func (p *property) width() int {
	n := p.Dims + p.Dimension
	if p.Element == "bit" || strings.EqualFold(p.DataType, "binary") {
		n /= 8
	}
	return n
}

// at are the values of a field, through objects and lists of them.
func at(v any, path string) []any {
	switch v := v.(type) {
	case map[string]any:
		if x, ok := v[path]; ok {
			return []any{x}
		}
		head, rest, ok := strings.Cut(path, ".")
		if !ok {
			return nil
		}
		return at(v[head], rest)
	case []any:
		var out []any
		for _, x := range v {
			out = append(out, at(x, path)...)
		}
		return out
	}
	return nil
}

// vectorOf reads a vector of JSON's.
func vectorOf(v any, bits bool) (out vector.Vector) {
	list, ok := v.([]any)
	if !ok {
		return out
	}
	for _, x := range list {
		n, ok := x.(json.Number)
		if !ok {
			return out
		}
		f, err := n.Float64()
		if err != nil {
			return out
		}
		if bits {
			out.Bits = append(out.Bits, byte(int8(f)))
		} else {
			out.Dense = append(out.Dense, float32(f))
		}
	}
	return out
}
