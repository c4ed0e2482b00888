package weaviatetest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// class is a collection.
type class struct {
	Class      string     `json:"class"`
	Properties []property `json:"properties"`
	Tenancy    struct {
		Enabled  bool `json:"enabled"`
		Activate bool `json:"autoTenantActivation"`
	} `json:"multiTenancyConfig"`
	Inverted struct {
		Nulls bool `json:"indexNullState"`
	} `json:"invertedIndexConfig"`
	VectorIndex string             `json:"vectorIndexType,omitempty"`
	Index       *index             `json:"vectorIndexConfig,omitempty"`
	Vectors     map[string]*vector `json:"vectorConfig,omitempty"`

	spaces map[string]objects
	status map[string]string // of tenants
}

type vector struct {
	VectorIndex string `json:"vectorIndexType"`
	Index       *index `json:"vectorIndexConfig"`
}

type index struct {
	Distance string `json:"distance"`
	Multi    struct {
		Enabled bool `json:"enabled"`
	} `json:"multivector"`
}

type property struct {
	Name   string     `json:"name"`
	Type   []string   `json:"dataType"`
	Tokens string     `json:"tokenization,omitempty"`
	Nested []property `json:"nestedProperties,omitempty"`
}

// objects are those of a tenant, or of all.
type objects map[string]*object

type object struct {
	Class      string               `json:"class"`
	ID         string               `json:"id"`
	Tenant     string               `json:"tenant,omitempty"`
	Properties map[string]any       `json:"properties"`
	Vector     []float32            `json:"vector,omitempty"`
	Vectors    map[string]rawVector `json:"vectors,omitempty"`
}

type rawVector = json.RawMessage

func (o objects) ids() []string { return slices.Sorted(maps.Keys(o)) }

func (o *object) shown(vectors bool) any {
	out := *o
	if !vectors {
		out.Vector, out.Vectors = nil, nil
	}
	return out
}

func (s *Server) create(body []byte) (any, error) {
	c := &class{spaces: map[string]objects{"": {}}, status: map[string]string{}}
	if err := json.Unmarshal(body, c); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	if s.all[c.Class] != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "class name %s already exists", c.Class)
	}
	if len(c.Vectors) == 0 { // what is left out is filled in
		c.VectorIndex = "hnsw"
		if c.Index == nil {
			c.Index = &index{}
		}
	}
	all := []*index{c.Index}
	for _, v := range c.Vectors {
		if v.Index == nil {
			v.Index = &index{}
		}
		all = append(all, v.Index)
	}
	for _, ix := range all {
		if ix != nil && ix.Distance == "" {
			ix.Distance = "cosine"
		}
	}
	s.all[c.Class] = c
	return c, nil
}

func (c *class) described() any { return c }

func (c *class) addTenants(body []byte) error {
	var in []struct {
		Name   string `json:"name"`
		Status string `json:"activityStatus"`
	}
	if err := json.Unmarshal(body, &in); err != nil || !c.Tenancy.Enabled {
		return refuse(http.StatusUnprocessableEntity, "multi-tenancy is not enabled for class %q: %v", c.Class, err)
	}
	for _, t := range in {
		c.spaces[t.Name], c.status[t.Name] = objects{}, map[string]string{"": "HOT", "ACTIVE": "HOT", "INACTIVE": "COLD"}[t.Status]
	}
	return nil
}

func (c *class) tenants() any {
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.status)) {
		out = append(out, map[string]string{"name": name, "activityStatus": c.status[name]})
	}
	return out
}

// space is what a tenant has.
func (c *class) space(tenant string) (objects, error) {
	switch {
	case c.Tenancy.Enabled && tenant == "":
		return nil, refuse(http.StatusUnprocessableEntity, "class %s has multi-tenancy enabled, but request was without tenant", c.Class)
	case !c.Tenancy.Enabled && tenant != "":
		return nil, refuse(http.StatusUnprocessableEntity, "class %s has multi-tenancy disabled, but request was with tenant", c.Class)
	case c.spaces[tenant] == nil:
		return nil, refuse(http.StatusUnprocessableEntity, "tenant not found: %q", tenant)
	case c.status[tenant] == "COLD" && !c.Tenancy.Activate:
		return nil, refuse(http.StatusUnprocessableEntity, "tenant not active: '%s'", tenant)
	}
	return c.spaces[tenant], nil
}

// batch stores objects, each by itself.
func (s *Server) batch(body []byte) (any, error) {
	var in struct {
		Objects []*object `json:"objects"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	out := []any{}
	for _, o := range in.Objects {
		result := map[string]any{"status": "SUCCESS"}
		if err := s.store(o); err != nil {
			result = map[string]any{"status": "FAILED", "errors": map[string]any{"error": []any{map[string]string{"message": err.Error()}}}}
		}
		out = append(out, map[string]any{"id": o.ID, "result": result})
	}
	return out, nil
}

func (s *Server) store(o *object) error {
	c := s.all[o.Class]
	if c == nil {
		return refuse(http.StatusUnprocessableEntity, "class %s not found", o.Class)
	}
	if _, err := uuid.Parse(o.ID); err != nil {
		return err
	}
	space, err := c.space(o.Tenant)
	if err != nil {
		return err
	}
	for name, v := range o.Properties {
		if v == nil {
			delete(o.Properties, name) // null is no value
		}
	}
	for _, other := range space {
		if len(other.Vector) != len(o.Vector) && other.ID != o.ID {
			err = refuse(http.StatusUnprocessableEntity, "insert to vector index: %d vs %d: vector lengths don't match", len(o.Vector), len(other.Vector))
		}
	}
	space[o.ID] = o
	return err
}
