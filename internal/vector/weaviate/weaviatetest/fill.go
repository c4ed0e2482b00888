package weaviatetest

import (
	"encoding/json"
	"fmt"
	"net/http"

	vectors "freehold/internal/vector"
)

var distances = map[vectors.Metric]string{vectors.Cosine: "cosine", vectors.Dot: "dot", vectors.Euclid: "l2-squared", vectors.Manhattan: "manhattan"}

// Make makes a collection of vectors, with tenants where there are some.
func (s *Server) Make(name string, specs []vectors.Spec, tenants ...string) error {
	c := class{Class: name}
	c.Inverted.Nulls = true
	c.Tenancy.Enabled = len(tenants) > 0
	for field, kind := range map[string]string{"text": "text", "colour": "text", "only": "text", "tags": "text[]", "price": "number", "whole": "number", "year": "int", "flag": "boolean"} {
		p := property{Name: field, Type: []string{kind}}
		if kind == "text" || kind == "text[]" {
			p.Tokens = "field"
		}
		c.Properties = append(c.Properties, p)
	}
	for _, spec := range specs {
		ix := &index{Distance: distances[spec.Metric]}
		ix.Multi.Enabled = spec.Form == vectors.Multi
		if spec.Name == "" {
			c.Index, c.VectorIndex = ix, "hnsw"
			continue
		}
		if c.Vectors == nil {
			c.Vectors = map[string]*vector{}
		}
		c.Vectors[spec.Name] = &vector{VectorIndex: "hnsw", Index: ix}
	}
	body, err := json.Marshal(madeOf(&c))
	if err != nil {
		return err
	}
	if _, err := s.do(http.MethodPost, "/schema", string(body)); err != nil || len(tenants) == 0 {
		return err
	}
	var list []map[string]string
	for _, t := range tenants {
		list = append(list, map[string]string{"name": t})
	}
	if body, err = json.Marshal(list); err != nil {
		return err
	}
	_, err = s.do(http.MethodPost, "/schema/"+name+"/tenants", string(body))
	return err
}

// madeOf is a class with what only a request has: vectors come from the client.
func madeOf(c *class) map[string]any {
	out := map[string]any{"class": c.Class, "properties": c.Properties, "multiTenancyConfig": map[string]bool{"enabled": c.Tenancy.Enabled}, "invertedIndexConfig": map[string]bool{"indexNullState": true}}
	if c.Index != nil {
		out["vectorizer"], out["vectorIndexType"], out["vectorIndexConfig"] = "none", "hnsw", c.Index
	}
	named := map[string]any{}
	for name, v := range c.Vectors {
		named[name] = map[string]any{"vectorIndexType": v.VectorIndex, "vectorIndexConfig": v.Index, "vectorizer": map[string]any{"none": map[string]any{}}}
	}
	if len(named) > 0 {
		out["vectorConfig"] = named
	}
	return out
}

// Drop drops a collection.
func (s *Server) Drop(name string) error {
	_, err := s.do(http.MethodDelete, "/schema/"+name, "")
	return err
}

// Put writes objects, each into the tenant that its namespace names.
func (s *Server) Put(name string, records []vectors.Record) error {
	var objects []any
	for i := range records {
		r := &records[i]
		fields := map[string]json.RawMessage{}
		for j := range r.Payload {
			text, err := r.Payload[j].Value.AppendJSON(nil)
			if err != nil {
				return err
			}
			fields[r.Payload[j].Name] = text
		}
		o := map[string]any{"class": name, "id": r.ID.String(), "properties": fields}
		if r.Namespace != "" {
			o["tenant"] = r.Namespace
		}
		named := map[string]any{}
		for j := range r.Vectors {
			switch v := &r.Vectors[j]; {
			case v.Name == "":
				o["vector"] = v.Dense
			case v.Rows > 0:
				var rows [][]float32
				for n := len(v.Dense) / v.Rows; len(rows) < v.Rows; {
					rows = append(rows, v.Dense[len(rows)*n:(len(rows)+1)*n])
				}
				named[v.Name] = rows
			default:
				named[v.Name] = v.Dense
			}
		}
		if len(named) > 0 {
			o["vectors"] = named
		}
		objects = append(objects, o)
	}
	body, err := json.Marshal(map[string]any{"objects": objects})
	if err != nil {
		return err
	}
	text, err := s.do(http.MethodPost, "/batch/objects", string(body))
	if err != nil {
		return err
	}
	var out []struct {
		ID     string `json:"id"`
		Result struct {
			Status string          `json:"status"`
			Errors json.RawMessage `json:"errors"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return err
	}
	for _, o := range out {
		if o.Result.Status != "SUCCESS" {
			return fmt.Errorf("object %s: %s", o.ID, o.Result.Errors)
		}
	}
	return nil
}

// Delete deletes objects.
func (s *Server) Delete(name, tenant string, ids []vectors.ID) error {
	for _, id := range ids {
		path := "/objects/" + name + "/" + id.String()
		if tenant != "" {
			path += "?tenant=" + tenant
		}
		if _, err := s.do(http.MethodDelete, path, ""); err != nil {
			return err
		}
	}
	return nil
}
