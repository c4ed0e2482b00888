package chroma

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"freehold/internal/vector"
)

// Put upserts records, and returns when the server has them in its log.
func (s *Store) Put(ctx context.Context, namespace string, records []vector.Record) error {
	if err := s.one("upsert", namespace); err != nil {
		return err
	}
	c, _, err := s.known(ctx)
	if err != nil {
		return err
	}
	spec, err := c.spec()
	if err != nil {
		return s.invalid("upsert", "%v", err)
	}
	refused := map[vector.ID]string{}
	good := make([]*vector.Record, 0, len(records))
	at := map[vector.ID]int{}
	for i := range records {
		r := &records[i]
		if why := refuse(r, &spec); why != "" {
			refused[r.ID] = why
			continue
		}
		if j, twice := at[r.ID]; twice { // the last one counts
			good[j] = r
			continue
		}
		at[r.ID] = len(good)
		good = append(good, r)
	}
	most, err := s.most(ctx)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(good, most) {
		if err := s.upsert(ctx, part, refused); err != nil {
			return err
		}
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

// most is how many records the server takes at once, as it says itself.
func (s *Store) most(ctx context.Context) (int, error) {
	s.mu.Lock()
	n := s.batch
	s.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	var said struct {
		Max int `json:"max_batch_size"`
	}
	if err := s.call(ctx, "pre-flight-checks", http.MethodGet, "/pre-flight-checks", nil, &said); err != nil {
		return 0, err
	}
	n = min(max(said.Max, 1), maxPage)
	s.mu.Lock()
	s.batch = n
	s.mu.Unlock()
	return n, nil
}

// refuse says why the collection would not hold a record as it is.
func refuse(r *vector.Record, spec *vector.Spec) string {
	if r.ID.Kind() != vector.TextID || r.ID.String() == "" || !utf8.ValidString(r.ID.String()) {
		return "its id is no text, or an empty one"
	}
	if len(r.Vectors) != 1 || r.Vectors[0].Name != "" || r.Vectors[0].Dense == nil || r.Vectors[0].Rows > 0 {
		return "it has not one dense vector without a name, and all records of Chroma have that"
	}
	if n := len(r.Vectors[0].Dense); spec.Dim > 0 && n != spec.Dim {
		return fmt.Sprintf("the vector has %d numbers, and the collection's have %d", n, spec.Dim)
	}
	if err := r.Check(); err != nil {
		return err.Error()
	}
	for i := range r.Payload {
		f := &r.Payload[i]
		switch {
		case f.Name == uriField && f.Value.Kind() == vector.Text:
		case f.Name == "", strings.HasPrefix(f.Name, reserved), strings.HasPrefix(f.Name, "#"):
			return fmt.Sprintf("field %q has a name that Chroma has not, or has for itself", f.Name)
		}
		if why := scalar(&f.Value); why != "" {
			return fmt.Sprintf("field %q %s", f.Name, why)
		}
	}
	return ""
}

// scalar says why a value is none of metadata.
func scalar(v *vector.Value) string {
	switch v.Kind() {
	case vector.Null:
		return "is null, which is no value to Chroma"
	case vector.Map:
		return "is a map"
	case vector.Float:
		if f := v.Float(); f-f != 0 || f == 0 && math.Signbit(f) {
			return "is " + strconv.FormatFloat(f, 'g', -1, 64) + ", which does not come back from Chroma"
		}
	case vector.Text:
		if !utf8.ValidString(v.Text()) {
			return "is a text that is not UTF-8"
		}
	case vector.List:
		l := v.List()
		if len(l) == 0 {
			return "is an empty list, which is no value to Chroma"
		}
		for i := range l {
			if l[i].Kind() == vector.List || l[i].Kind() != l[0].Kind() {
				return "is a list of values of several types"
			}
			if why := scalar(&l[i]); why != "" {
				return "is a list of which an element " + why
			}
		}
	}
	return ""
}

// upsert writes records. Chroma adds metadata to that which is there; what is there and
// should not be is named, and so taken away. Where the server finds something not to
// its liking it does not say which record that is: halves are tried until it is alone.
func (s *Store) upsert(ctx context.Context, records []*vector.Record, refused map[vector.ID]string) error {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID.String()
	}
	stale, err := s.stale(ctx, records, ids)
	if err != nil {
		return err
	}
	body, err := s.body(records, ids, stale)
	if err != nil {
		return s.invalid("upsert", "%v", err)
	}
	_, path, err := s.known(ctx)
	if err != nil {
		return err
	}
	err = s.call(ctx, "upsert", http.MethodPost, path+"/upsert", body, nil)
	var is *vector.Error
	switch {
	case !errors.As(err, &is) || is.Trouble != vector.Invalid:
		return err
	case len(records) == 1:
		refused[records[0].ID] = is.Message
		return nil
	}
	half := len(records) / 2
	if err := s.upsert(ctx, records[:half], refused); err != nil {
		return err
	}
	return s.upsert(ctx, records[half:], refused)
}

// stale are the fields of metadata, by id, that records have and should not have any
// more. A document or URI cannot be taken away alone: such a record is deleted first.
func (s *Store) stale(ctx context.Context, records []*vector.Record, ids []string) (map[string][]string, error) {
	got, err := s.get(ctx, "get", asked{IDs: ids, Include: []string{"metadatas", "documents", "uris"}})
	if err != nil || len(got.IDs) == 0 {
		return nil, err
	}
	by := make(map[string]*vector.Record, len(records))
	for i, r := range records {
		by[ids[i]] = r
	}
	out := map[string][]string{}
	var gone []vector.ID
	for i, id := range got.IDs {
		r := by[id]
		if r == nil {
			continue
		}
		if got.Documents[i] != nil && !s.isDocument(r) || got.URIs[i] != nil && !has(r, uriField) {
			gone = append(gone, r.ID)
			continue
		}
		v, err := vector.ParseValue(got.Metadatas[i])
		if err != nil {
			return nil, s.invalid("get", "record %q: %v", id, err)
		}
		for _, f := range v.Map() {
			if _, there := r.Payload.Get(f.Name); !there || f.Name == s.options.Document && s.isDocument(r) {
				out[id] = append(out[id], f.Name)
			}
		}
	}
	if len(gone) == 0 {
		return out, nil
	}
	return out, s.Delete(ctx, "", gone)
}

func has(r *vector.Record, field string) bool {
	_, there := r.Payload.Get(field)
	return there
}

// isDocument reports whether the record has a document.
func (s *Store) isDocument(r *vector.Record) bool {
	v, there := r.Payload.Get(s.options.Document)
	return there && v.Kind() == vector.Text
}

// body is the body of an upsert. Vectors are in base64 of their bytes, which is exact
// and a third of what numbers take.
func (s *Store) body(records []*vector.Record, ids []string, stale map[string][]string) ([]byte, error) {
	up := struct {
		IDs        []string          `json:"ids"`
		Embeddings [][]byte          `json:"embeddings"`
		Metadatas  []json.RawMessage `json:"metadatas"`
		Documents  []*string         `json:"documents"`
		URIs       []*string         `json:"uris"`
	}{IDs: ids}
	for i, r := range records {
		b := make([]byte, 0, 4*len(r.Vectors[0].Dense))
		for _, f := range r.Vectors[0].Dense {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		}
		up.Embeddings = append(up.Embeddings, b)
		var document, uri *string
		meta := []byte("null")
		for j := range r.Payload {
			f := &r.Payload[j]
			text := f.Value.Text()
			switch {
			case f.Name == s.options.Document && f.Value.Kind() == vector.Text:
				document = &text
				continue
			case f.Name == uriField:
				uri = &text
				continue
			}
			var err error
			if meta, err = member(meta, f.Name); err == nil {
				meta, err = f.Value.AppendJSON(meta)
			}
			if err != nil {
				return nil, err
			}
		}
		for _, name := range stale[ids[i]] {
			var err error
			if meta, err = member(meta, name); err != nil {
				return nil, err
			}
			meta = append(meta, "null"...)
		}
		if meta[0] == '{' {
			meta = append(meta, '}')
		}
		up.Metadatas, up.Documents, up.URIs = append(up.Metadatas, meta), append(up.Documents, document), append(up.URIs, uri)
	}
	return json.Marshal(up)
}

// member begins a member of an object, or the object with it.
func member(b []byte, name string) ([]byte, error) {
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	if b[0] == '{' {
		b = append(b, ',')
	} else {
		b = append(b[:0], '{')
	}
	return append(append(b, quoted...), ':'), nil
}

// Delete takes records out.
func (s *Store) Delete(ctx context.Context, namespace string, ids []vector.ID) error {
	if err := s.one("delete", namespace); err != nil {
		return err
	}
	_, path, err := s.known(ctx)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(textsOf(ids), maxPage) {
		body, err := json.Marshal(map[string][]string{"ids": part})
		if err != nil {
			return s.invalid("delete", "%v", err)
		}
		if err := s.call(ctx, "delete", http.MethodPost, path+"/delete", body, nil); err != nil {
			return err
		}
	}
	return nil
}
