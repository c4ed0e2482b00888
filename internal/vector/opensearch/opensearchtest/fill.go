package opensearchtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"freehold/internal/vector"
)

// Field is the field of the vector without a name.
const Field = "embedding"

// Make makes an index of vectors. A multivector is a field of nested objects, and is
// named by its path, OBJECTS.FIELD.
func (s *Server) Make(name string, specs []vector.Spec) error {
	properties := map[string]any{}
	for _, f := range []string{"text", "colour", "tags", "only"} {
		properties[f] = map[string]any{"type": "text", "fields": map[string]any{"keyword": map[string]any{"type": "keyword", "ignore_above": 256}}}
	}
	for f, kind := range map[string]string{"price": "double", "whole": "double", "year": "long", "large": "long", "flag": "boolean"} {
		properties[f] = map[string]any{"type": kind}
	}
	// A list of several types has no mapping: it is kept, and not indexed.
	properties["map"] = map[string]any{"type": "object", "enabled": false}
	for i := range specs {
		field, p := s.property(&specs[i])
		if objects, inner, nested := strings.Cut(field, "."); nested {
			properties[objects] = map[string]any{"type": "nested", "properties": map[string]any{inner: p}}
		} else {
			properties[field] = p
		}
	}
	settings := map[string]any{}
	if !s.Elastic {
		settings["index.knn"] = true
	}
	body, err := json.Marshal(map[string]any{"settings": settings, "mappings": map[string]any{"properties": properties}})
	if err != nil {
		return err
	}
	_, err = s.do(http.MethodPut, "/"+name, string(body))
	return err
}

// Drop drops an index.
func (s *Server) Drop(name string) error {
	_, err := s.do(http.MethodDelete, "/"+name, "")
	return err
}

// Refresh makes what was written be seen.
func (s *Server) Refresh(name string) error {
	_, err := s.do(http.MethodPost, "/"+name+"/_refresh", "")
	return err
}

func (s *Server) property(v *vector.Spec) (field string, p map[string]any) {
	if field = v.Name; field == "" {
		field = Field
	}
	if s.Elastic {
		p = map[string]any{"type": "dense_vector", "dims": v.Dim, "similarity": map[vector.Metric]string{vector.Cosine: "cosine", vector.Dot: "max_inner_product", vector.Euclid: "l2_norm"}[v.Metric]}
		if v.Form == vector.Binary {
			p["element_type"], p["similarity"] = "bit", "l2_norm"
		}
		return field, p
	}
	p = map[string]any{"type": "knn_vector", "dimension": v.Dim, "method": map[string]any{
		"name": "hnsw", "engine": "lucene", "space_type": map[vector.Metric]string{vector.Cosine: "cosinesimil", vector.Dot: "innerproduct", vector.Euclid: "l2"}[v.Metric]}}
	if v.Form == vector.Binary {
		p["data_type"], p["method"] = "binary", map[string]any{"name": "hnsw", "engine": "faiss", "space_type": "hamming"}
	}
	return field, p
}

// Put writes documents. They are not seen until the index is refreshed.
func (s *Server) Put(name string, records []vector.Record) error {
	var body bytes.Buffer
	by := map[string]vector.ID{}
	for i := range records {
		r := &records[i]
		action, err := json.Marshal(map[string]any{"index": map[string]string{"_id": r.ID.String()}})
		if err != nil {
			return err
		}
		document, err := source(r)
		if err != nil {
			return err
		}
		body.Write(action)
		body.WriteByte('\n')
		body.Write(document)
		body.WriteByte('\n')
		by[r.ID.String()] = r.ID
	}
	return s.written(name, body.String(), by)
}

// Delete deletes documents. They are seen until the index is refreshed.
func (s *Server) Delete(name string, ids []vector.ID) error {
	var body strings.Builder
	for _, id := range ids {
		action, err := json.Marshal(map[string]any{"delete": map[string]string{"_id": id.String()}})
		if err != nil {
			return err
		}
		body.Write(action)
		body.WriteByte('\n')
	}
	return s.written(name, body.String(), nil)
}

func (s *Server) written(name, body string, by map[string]vector.ID) error {
	text, err := s.do(http.MethodPost, "/"+name+"/_bulk", body)
	if err != nil {
		return err
	}
	var out struct {
		Items []map[string]struct {
			ID    string         `json:"_id"`
			Error map[string]any `json:"error"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return err
	}
	refused := map[vector.ID]string{}
	for _, item := range out.Items {
		for _, x := range item {
			if x.Error != nil {
				refused[by[x.ID]] = fmt.Sprint(x.Error["reason"])
			}
		}
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

// source is a record as a document.
func source(r *vector.Record) ([]byte, error) {
	fields := map[string]any{}
	for i := range r.Payload {
		text, err := r.Payload[i].Value.AppendJSON(nil)
		if err != nil {
			return nil, err
		}
		fields[r.Payload[i].Name] = json.RawMessage(text)
	}
	for i := range r.Vectors {
		v := &r.Vectors[i]
		field := v.Name
		if field == "" {
			field = Field
		}
		switch objects, inner, nested := strings.Cut(field, "."); {
		case nested:
			var rows []any
			n := len(v.Dense) / v.Rows
			for at := 0; at < len(v.Dense); at += n {
				rows = append(rows, map[string]any{inner: v.Dense[at : at+n]})
			}
			fields[objects] = rows
		case v.Bits != nil:
			signed := make([]int8, len(v.Bits))
			for i, b := range v.Bits {
				signed[i] = int8(b)
			}
			fields[field] = signed
		default:
			fields[field] = v.Dense
		}
	}
	return json.Marshal(fields)
}
