package chroma

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// collection is what the server says of it.
type collection struct {
	ID            string                    `json:"id"`
	Dimension     int                       `json:"dimension"` // 0: nothing has been written yet
	Metadata      map[string]jsontext.Value `json:"metadata"`
	Configuration struct {
		HNSW  *index `json:"hnsw"`
		SPANN *index `json:"spann"`
	} `json:"configuration_json"`
}

type index struct {
	Space string `json:"space"`
}

// dimension is the collection's metadata in which the dimension stands until something
// is written.
const dimension = "freehold_dimension"

var spaces = map[string]vector.Metric{"l2": vector.Euclid, "cosine": vector.Cosine, "ip": vector.Dot}

func (c *collection) spec() (vector.Spec, error) {
	out := vector.Spec{Form: vector.Dense, Dim: c.Dimension, Element: "float32"}
	if n, err := strconv.Atoi(string(c.Metadata[dimension])); out.Dim == 0 && err == nil {
		out.Dim = n
	}
	space := ""
	for _, x := range []*index{c.Configuration.HNSW, c.Configuration.SPANN} {
		if x != nil && x.Space != "" {
			space = x.Space
		}
	}
	metric, ok := spaces[space]
	if !ok {
		return out, fmt.Errorf("the collection compares by %q, which is none of l2, cosine and ip", space)
	}
	// By cosine, directions are kept, and what is read is computed of them.
	out.Metric = metric
	out.Normalised = directions(&out)
	return out, nil
}

// look looks at the collection, anew.
func (s *Store) look(ctx context.Context) (*collection, error) {
	c := &collection{}
	if err := s.call(ctx, "describe", http.MethodGet, s.collections()+"/"+url.PathEscape(s.options.Collection), nil, c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.is = c
	s.mu.Unlock()
	return c, nil
}

// known is the path of the collection.
func (s *Store) known(ctx context.Context) (*collection, string, error) {
	s.mu.Lock()
	c := s.is
	s.mu.Unlock()
	var err error
	if c == nil {
		if c, err = s.look(ctx); err != nil {
			return nil, "", err
		}
	}
	return c, s.collections() + "/" + url.PathEscape(c.ID), nil
}

// Describe reads the collection's configuration, and counts its records.
func (s *Store) Describe(ctx context.Context) (*vector.Description, error) {
	c, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	spec, err := c.spec()
	if err != nil {
		return nil, s.invalid("describe", "%v", err)
	}
	n, err := s.Count(ctx, "")
	if err != nil {
		return nil, err
	}
	return &vector.Description{
		Store: "chroma", Name: s.options.Collection, Vectors: []vector.Spec{spec}, Namespaces: []vector.Namespace{{Count: n}}, IDs: []vector.IDKind{vector.TextID},
	}, nil
}

// Count has the server count.
func (s *Store) Count(ctx context.Context, namespace string) (n int64, err error) {
	if err := s.one("count", namespace); err != nil {
		return 0, err
	}
	_, path, err := s.known(ctx)
	if err != nil {
		return 0, err
	}
	return n, s.call(ctx, "count", http.MethodGet, path+"/count", nil, &n)
}

// Limits are Chroma's own; the bytes are what suits it.
func (s *Store) Limits() vector.Limits {
	return vector.Limits{Records: maxPage, Bytes: 4 << 20, IDs: []vector.IDKind{vector.TextID}, Integers: true, Forms: []vector.Form{vector.Dense}, Directions: directions}
}

func directions(v *vector.Spec) bool { return v.Metric == vector.Cosine }

// Create makes the collection. Of one that is there the vectors are compared.
func (s *Store) Create(ctx context.Context, d *vector.Description) error {
	if len(d.Vectors) != 1 || d.Vectors[0].Name != "" || d.Vectors[0].Form != vector.Dense {
		return s.invalid("create", "a collection has one dense vector without a name, and %d others are to be in it", len(d.Vectors))
	}
	want := d.Vectors[0]
	space := ""
	for name, metric := range spaces {
		if metric == want.Metric {
			space = name
		}
	}
	if space == "" {
		return s.invalid("create", "Chroma compares by cosine, dot and euclid, not by %s", want.Metric)
	}
	c, err := s.look(ctx)
	var is *vector.Error
	if errors.As(err, &is) && is.Trouble == vector.Missing {
		body, err := json.Marshal(map[string]any{
			"name": s.options.Collection, "metadata": map[string]any{dimension: want.Dim}, "configuration": map[string]any{"hnsw": map[string]any{"space": space}}, "get_or_create": true,
		})
		if err != nil {
			return err
		}
		if err := s.call(ctx, "create", http.MethodPost, s.collections(), body, nil); err != nil {
			return err
		}
		c, err = s.look(ctx)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	spec, err := c.spec()
	if err != nil {
		return s.invalid("create", "the collection is there, and %v", err)
	}
	if spec.Dim == 0 { // nothing has been written: it takes any
		spec.Dim = want.Dim
	}
	if why := (&vector.Description{Vectors: []vector.Spec{spec}}).Holds(d); why != "" {
		return s.invalid("create", "the collection is there, and %s", why)
	}
	return nil
}
