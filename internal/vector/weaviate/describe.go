package weaviate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// class is what the server says of a collection.
type class struct {
	Name       string     `json:"class"`
	Properties []property `json:"properties"`
	Tenancy    struct {
		Enabled  bool `json:"enabled"`
		Activate bool `json:"autoTenantActivation"`
	} `json:"multiTenancyConfig"`
	Inverted struct {
		Nulls bool `json:"indexNullState"`
	} `json:"invertedIndexConfig"`
	// The vector without a name, and those with one.
	Index       *index `json:"vectorIndexConfig"`
	VectorIndex string `json:"vectorIndexType"`
	Vectors     map[string]struct {
		Index *index `json:"vectorIndexConfig"`
	} `json:"vectorConfig"`

	types map[string]*property
	specs []vector.Spec // their dimensions are not in the schema
}

type index struct {
	Distance string `json:"distance"`
	Multi    struct {
		Enabled bool `json:"enabled"`
	} `json:"multivector"`
}

type property struct {
	Name       string     `json:"name"`
	Type       []string   `json:"dataType"`
	Tokens     string     `json:"tokenization"`
	Filterable *bool      `json:"indexFilterable"`
	Nested     []property `json:"nestedProperties"`

	types map[string]*property // of Nested
}

func typesOf(properties []property) map[string]*property {
	out := make(map[string]*property, len(properties))
	for i := range properties {
		p := &properties[i]
		p.types = typesOf(p.Nested)
		out[p.Name] = p
	}
	return out
}

var metrics = map[string]vector.Metric{"cosine": vector.Cosine, "dot": vector.Dot, "l2-squared": vector.Euclid, "manhattan": vector.Manhattan, "hamming": vector.Hamming}

// look looks at the collection, anew.
func (s *Store) look(ctx context.Context) (*class, error) {
	c := &class{}
	if err := s.get(ctx, "describe", "/schema/"+s.options.Class, c); err != nil {
		return nil, err
	}
	c.types = typesOf(c.Properties)
	add := func(name string, ix *index) error {
		if s.options.Vector != "" && name != s.options.Vector {
			return nil
		}
		spec := vector.Spec{Name: name, Form: vector.Dense, Metric: metrics[ix.Distance], Element: "float32"}
		if ix.Multi.Enabled {
			spec.Form = vector.Multi
		}
		if spec.Metric == "" {
			return s.invalid("describe", "vector %q is compared by %q, which is none of %s", name, ix.Distance, strings.Join(slices.Sorted(maps.Keys(metrics)), ", "))
		}
		c.specs = append(c.specs, spec)
		return nil
	}
	if c.Index != nil && c.VectorIndex != "" {
		if err := add("", c.Index); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vectors)) {
		ix := c.Vectors[name].Index
		if ix == nil {
			ix = &index{}
		}
		if err := add(name, ix); err != nil {
			return nil, err
		}
	}
	if len(c.specs) == 0 {
		return nil, s.invalid("describe", "the collection has no vectors, or none named %q", s.options.Vector)
	}
	s.mu.Lock()
	s.is = c
	s.mu.Unlock()
	return c, nil
}

func (s *Store) known(ctx context.Context) (*class, error) {
	s.mu.Lock()
	c := s.is
	s.mu.Unlock()
	if c != nil {
		return c, nil
	}
	return s.look(ctx)
}

// Describe reads the schema, counts, and looks at objects for the dimensions.
func (s *Store) Describe(ctx context.Context) (*vector.Description, error) {
	c, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	d := &vector.Description{Store: "weaviate", Name: s.options.Class, IDs: []vector.IDKind{vector.UUIDID}, Facts: map[string]string{}}
	if c.Name != s.options.Class {
		d.Facts["alias of"] = c.Name
	}
	names, err := s.namespaces(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		n, err := s.Count(ctx, name)
		if err != nil {
			return nil, err
		}
		d.Namespaces = append(d.Namespaces, vector.Namespace{Name: name, Count: n})
	}
	if err := s.dimensions(ctx, c, d); err != nil {
		return nil, err
	}
	for _, p := range c.Properties {
		d.Fields = append(d.Fields, vector.FieldSpec{Name: p.Name, Type: strings.Join(p.Type, " or "), Indexed: p.Filterable == nil || *p.Filterable})
	}
	return d, nil
}

// namespaces are the tenants, or the one that is no tenant's.
func (s *Store) namespaces(ctx context.Context, c *class) ([]string, error) {
	if !c.Tenancy.Enabled {
		return []string{""}, nil
	}
	var tenants []struct {
		Name   string `json:"name"`
		Status string `json:"activityStatus"`
	}
	if err := s.get(ctx, "list tenants", "/schema/"+c.Name+"/tenants", &tenants); err != nil {
		return nil, err
	}
	var out, away []string
	for _, t := range tenants {
		if s.options.Namespace != nil && t.Name != *s.options.Namespace {
			continue
		}
		out = append(out, t.Name)
		if t.Status != "HOT" && t.Status != "ACTIVE" && !c.Tenancy.Activate {
			away = append(away, t.Name)
		}
	}
	slices.Sort(out)
	if len(away) > 0 {
		return nil, s.invalid("list tenants", "%d tenants are not active and cannot be read (%s): activate them, set autoTenantActivation, or copy single ones with namespace=TENANT", len(away), strings.Join(away[:min(3, len(away))], ", "))
	}
	return out, nil
}

// The schema does not say how long vectors are: objects do.
const (
	dimSpaces  = 20
	dimObjects = 500 // of each
)

func (s *Store) dimensions(ctx context.Context, c *class, d *vector.Description) error {
	specs := slices.Clone(c.specs)
	looked := 0
	for i := range d.Namespaces {
		if ns := &d.Namespaces[i]; ns.Count > 0 && looked < dimSpaces {
			looked++
			if err := s.measure(ctx, c, ns.Name, specs); err != nil {
				return err
			}
		}
	}
	for _, spec := range specs {
		if spec.Dim > 0 || looked == 0 { // an empty collection has them as they are said
			d.Vectors = append(d.Vectors, spec)
			continue
		}
		d.Facts["vector "+spec.Name] = "none of the objects that were looked at has it"
	}
	if len(d.Vectors) == 0 {
		return s.invalid("describe", "none of the first objects has a vector")
	}
	return nil
}

// measure looks at objects until all vectors have been seen.
func (s *Store) measure(ctx context.Context, c *class, namespace string, specs []vector.Spec) error {
	after := ""
	for range dimObjects / 50 {
		objects, _, err := s.page(ctx, "describe", c, namespace, after, 50, true)
		if err != nil {
			return err
		}
		all := true
		for i := range specs {
			for j := range objects {
				if v := objects[j].record.Vector(specs[i].Name); v != nil && specs[i].Dim == 0 {
					specs[i].Dim = len(v.Dense) / max(1, v.Rows)
				}
			}
			all = all && specs[i].Dim > 0
		}
		if all || len(objects) < 50 {
			return nil
		}
		after = objects[len(objects)-1].id
	}
	return nil
}

// Count has the server count.
func (s *Store) Count(ctx context.Context, namespace string) (int64, error) {
	c, err := s.known(ctx)
	if err == nil {
		err = s.tenant("count", c, namespace)
	}
	if err != nil {
		return 0, err
	}
	var out struct {
		Aggregate map[string][]struct {
			Meta struct {
				Count jsontext.Value `json:"count"`
			} `json:"meta"`
		} `json:"Aggregate"`
	}
	if err := s.ask(ctx, "count", fmt.Sprintf("{Aggregate{%s%s{meta{count}}}}", c.Name, of(namespace)), &out); err != nil {
		return 0, err
	}
	groups := out.Aggregate[c.Name]
	if len(groups) != 1 {
		return 0, s.invalid("count", "the answer is not one count")
	}
	v, err := vector.ParseValue(groups[0].Meta.Count)
	if err != nil || v.Kind() != vector.Int {
		return 0, s.invalid("count", "the answer is no count: %s", groups[0].Meta.Count)
	}
	return v.Int(), nil
}
