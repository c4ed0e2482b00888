package chroma

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// answer is what get has of records, each at the same place.
type answer struct {
	IDs        []string         `json:"ids"`
	Embeddings []numbers        `json:"embeddings"`
	Documents  []*string        `json:"documents"`
	Metadatas  []jsontext.Value `json:"metadatas"`
	URIs       []*string        `json:"uris"`
}

// numbers are those of a vector, which are most of an answer.
type numbers []float32

// UnmarshalJSONFrom implements [jsonv2.UnmarshalerFrom].
func (n *numbers) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	if raw.Kind() != '[' {
		return fmt.Errorf("%s where a vector should be", raw.Kind())
	}
	raw = raw[1 : len(raw)-1]
	out := make(numbers, 0, bytes.Count(raw, comma)+1)
	for len(raw) > 0 {
		var one []byte
		one, raw, _ = bytes.Cut(raw, comma)
		if one = bytes.TrimSpace(one); len(one) == 0 {
			continue // an empty one: what is between commas has been checked
		}
		f, err := strconv.ParseFloat(string(one), 32)
		if err != nil {
			return fmt.Errorf("a vector has %.20q for a number", one)
		}
		out = append(out, float32(f))
	}
	*n = out
	return nil
}

var comma = []byte(",")

// asked is the body of get.
type asked struct {
	IDs     []string        `json:"ids,omitempty"`
	Where   json.RawMessage `json:"where,omitempty"`
	Include []string        `json:"include"`
	Limit   int             `json:"limit,omitempty"`
	Offset  int             `json:"offset"`
}

func (s *Store) get(ctx context.Context, doing string, q asked) (*answer, error) {
	_, path, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, s.invalid(doing, "%v", err)
	}
	out := &answer{}
	return out, s.call(ctx, doing, http.MethodPost, path+"/get", body, out)
}

// place is how far a collection is listed. Chroma has no order but that in which
// records came, and no way to ask for those behind one: pages go by an offset. What is
// deleted meanwhile moves all others forward, over the offset and out of the listing;
// so each page begins with the last record of the one before, and if that is not there
// it is looked for, backwards.
type place struct {
	N    int      `json:"n"`    // records before it
	Last []string `json:"last"` // ids of the last of them, the last one first
}

// remembered is how many ids a place has: if all of them are deleted the listing
// begins anew, and lists twice, which does no harm.
const remembered = 8

func (p place) String() string {
	b, err := json.Marshal(p)
	if err != nil { // numbers and texts have JSON
		panic(err)
	}
	return string(b)
}

// Units lists ids.
func (s *Store) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		var p place
		err := s.one("list", namespace)
		if err == nil && after != "" && json.Unmarshal([]byte(after), &p) != nil {
			err = s.invalid("list", "%q is no place in a collection", after)
		}
		if err != nil {
			yield(vector.Unit{}, err)
			return
		}
		for {
			ids, err := s.list(ctx, &p, min(max(size, 1), maxPage-1))
			if err != nil {
				yield(vector.Unit{}, err)
				return
			}
			if len(ids) == 0 || !yield(vector.Unit{IDs: ids, Next: p.String(), Count: len(ids)}, nil) {
				return
			}
		}
	}
}

// list is a page behind a place, which moves behind it.
func (s *Store) list(ctx context.Context, p *place, size int) ([]string, error) {
	for {
		over := min(p.N, 1)
		got, err := s.get(ctx, "list", asked{Include: []string{}, Limit: size + over, Offset: p.N - over})
		if err != nil {
			return nil, err
		}
		ids := got.IDs
		if over == 1 && (len(ids) == 0 || len(p.Last) == 0 || ids[0] != p.Last[0]) {
			if err := s.find(ctx, p); err != nil {
				return nil, err
			}
			continue
		}
		ids = ids[over:]
		p.N += len(ids)
		for _, id := range ids[max(0, len(ids)-remembered):] {
			p.Last = slices.Insert(p.Last, 0, id)
		}
		p.Last = p.Last[:min(len(p.Last), remembered)]
		return ids, nil
	}
}

// find moves a place to where its last record is now that is still there.
func (s *Store) find(ctx context.Context, p *place) error {
	for end := p.N; end > 0; {
		from := max(0, end-maxPage)
		got, err := s.get(ctx, "list", asked{Include: []string{}, Limit: end - from, Offset: from})
		if err != nil {
			return err
		}
		for i := len(got.IDs) - 1; i >= 0; i-- {
			if at := slices.Index(p.Last, got.IDs[i]); at >= 0 {
				p.N, p.Last = from+i+1, p.Last[at:]
				return nil
			}
		}
		end = from
	}
	*p = place{}
	return nil
}

// Read reads a unit by its ids.
func (s *Store) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		if err := s.one("read", u.Namespace); err != nil {
			yield(nil, err)
			return
		}
		for part := range slices.Chunk(u.IDs, maxPage) {
			records, err := s.byID(ctx, "read", part)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(records) > 0 && !yield(records, nil) {
				return
			}
		}
	}
}

// Fetch gets records by their ids.
func (s *Store) Fetch(ctx context.Context, namespace string, ids []vector.ID) (out []vector.Record, err error) {
	if err := s.one("fetch", namespace); err != nil {
		return nil, err
	}
	texts := textsOf(ids)
	for part := range slices.Chunk(texts, maxPage) {
		records, err := s.byID(ctx, "fetch", part)
		if err != nil {
			return nil, err
		}
		out = append(out, records...)
	}
	return out, nil
}

// textsOf are the ids that there can be.
func textsOf(ids []vector.ID) []string {
	var out []string
	for _, id := range ids {
		if id.Kind() == vector.TextID && id.String() != "" {
			out = append(out, id.String())
		}
	}
	return out
}

func (s *Store) byID(ctx context.Context, doing string, ids []string) ([]vector.Record, error) {
	got, err := s.get(ctx, doing, asked{IDs: ids, Include: []string{"embeddings", "metadatas", "documents", "uris"}})
	if err != nil {
		return nil, err
	}
	out := make([]vector.Record, len(got.IDs))
	for i, id := range got.IDs {
		out[i].ID = vector.IDOf(id)
		if i < len(got.Embeddings) && got.Embeddings[i] != nil {
			out[i].Vectors = []vector.Vector{{Dense: got.Embeddings[i]}}
		}
		if out[i].Payload, err = s.payload(got, i); err != nil {
			return nil, s.invalid(doing, "record %q: %v", id, err)
		}
	}
	return out, nil
}

// payload is metadata, document and URI of a record.
func (s *Store) payload(got *answer, i int) (vector.Payload, error) {
	var fields []vector.Field
	if i < len(got.Metadatas) && len(got.Metadatas[i]) > 0 {
		v, err := vector.ParseValue(got.Metadatas[i])
		if err != nil {
			return nil, err
		}
		fields = slices.Clone(v.Map())
	}
	if i < len(got.Documents) && got.Documents[i] != nil {
		if _, there := vector.Payload(fields).Get(s.options.Document); there {
			return nil, fmt.Errorf("its metadata has a field %q, too, as which its document is read: give the document another name, text=NAME", s.options.Document)
		}
		fields = append(fields, vector.Field{Name: s.options.Document, Value: vector.TextOf(*got.Documents[i])})
	}
	if i < len(got.URIs) && got.URIs[i] != nil {
		fields = append(fields, vector.Field{Name: uriField, Value: vector.TextOf(*got.URIs[i])})
	}
	return vector.NewPayload(fields), nil
}
