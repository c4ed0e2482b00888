package weaviate

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"freehold/internal/vector"
)

// Search asks for nearest neighbours by the index.
func (s *Store) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	c, err := s.known(ctx)
	if err == nil {
		err = s.tenant("search", c, q.Namespace)
	}
	if err != nil {
		return nil, err
	}
	var spec *vector.Spec
	for i := range c.specs {
		if c.specs[i].Name == q.Query.Name {
			spec = &c.specs[i]
		}
	}
	switch {
	case spec == nil:
		return nil, s.invalid("search", "there is no vector %q", q.Query.Name)
	case spec.Form == vector.Multi:
		return nil, s.invalid("search", "vector %q is a multivector, by which is not searched here", spec.Name)
	}
	query, err := json.Marshal(q.Query.Dense)
	if err != nil {
		return nil, s.invalid("search", "%v", err)
	}
	near := "nearVector: {vector: " + string(query) + "}"
	if spec.Name != "" {
		near = "nearVector: {vector: " + string(query) + ", targetVectors: [" + quoted(spec.Name) + "]}"
	}
	arguments := []string{near, "limit: " + strconv.Itoa(max(q.K, 1))}
	if q.Filter != nil {
		where, err := c.where(q.Filter)
		if err != nil {
			return nil, s.invalid("search", "%v", err)
		}
		arguments = append(arguments, "where: "+where)
	}
	var out struct {
		Get map[string][]struct {
			Additional struct {
				ID       string   `json:"id"`
				Distance *float64 `json:"distance"`
			} `json:"_additional"`
		} `json:"Get"`
	}
	if err := s.ask(ctx, "search", fmt.Sprintf("{Get{%s%s{_additional{id distance}}}}", c.Name, of(q.Namespace, arguments...)), &out); err != nil {
		return nil, err
	}
	hits := make([]vector.Hit, 0, q.K)
	for _, x := range out.Get[c.Name] {
		id, err := uuid.Parse(x.Additional.ID)
		if err != nil || x.Additional.Distance == nil {
			return nil, s.invalid("search", "a hit has no id, or no distance")
		}
		hits = append(hits, vector.Hit{ID: vector.UUIDOf(id), Score: score(spec.Metric, *x.Additional.Distance)})
	}
	return hits, nil
}

// score is a distance of Weaviate's as a score.
func score(m vector.Metric, distance float64) float64 {
	switch m {
	case vector.Cosine:
		return 1 - distance
	case vector.Dot:
		return -distance
	case vector.Euclid:
		return math.Sqrt(max(0, distance))
	}
	return distance
}

var operators = map[vector.Op]string{
	vector.And: "And", vector.Or: "Or", vector.Eq: "Equal", vector.Ne: "NotEqual", vector.Gt: "GreaterThan", vector.Gte: "GreaterThanEqual",
	vector.Lt: "LessThan", vector.Lte: "LessThanEqual",
}

// where translates a filter, where the collection compares whole values.
func (c *class) where(f *vector.Filter) (string, error) {
	switch f.Op {
	case vector.And, vector.Or:
		of := make([]string, len(f.Of))
		for i := range f.Of {
			var err error
			if of[i], err = c.where(&f.Of[i]); err != nil {
				return "", err
			}
		}
		switch len(of) {
		case 0:
			return "", fmt.Errorf("%s of nothing has no words in Weaviate", f.Op)
		case 1:
			return of[0], nil
		}
		return "{operator: " + operators[f.Op] + ", operands: [" + strings.Join(of, ", ") + "]}", nil
	case vector.In, vector.Nin:
		each := vector.Filter{Op: vector.Or}
		op := vector.Eq
		if f.Op == vector.Nin {
			each.Op, op = vector.And, vector.Ne
		}
		for _, v := range f.Values {
			each.Of = append(each.Of, vector.Filter{Op: op, Field: f.Field, Value: v})
		}
		return c.where(&each)
	}
	p := c.types[f.Field]
	if p == nil || p.Filterable != nil && !*p.Filterable {
		return "", fmt.Errorf("the collection has no property %q to filter by", f.Field)
	}
	path := "path: [" + quoted(f.Field) + "], "
	if f.Op == vector.Exists {
		if !c.Inverted.Nulls {
			return "", fmt.Errorf("the collection does not index which objects have no %s (indexNullState)", f.Field)
		}
		return "{" + path + "operator: IsNull, valueBoolean: " + strconv.FormatBool(!f.Value.Bool()) + "}", nil
	}
	value, err := p.operand(&f.Value)
	if err != nil {
		return "", err
	}
	if k := f.Value.Kind(); f.Op != vector.Eq && f.Op != vector.Ne && k != vector.Int && k != vector.Float {
		return "", fmt.Errorf("%s compares numbers, and %s is none", f.Op, f.Value.String())
	}
	return "{" + path + "operator: " + operators[f.Op] + ", " + value + "}", nil
}

// operand is a value as one of the property's type.
func (p *property) operand(v *vector.Value) (string, error) {
	kind := strings.TrimSuffix(p.Type[0], "[]")
	switch v.Kind() {
	case vector.Text:
		if kind == "text" && p.Tokens == "field" {
			return "valueText: " + quoted(v.Text()), nil
		}
		if kind == "uuid" {
			return "valueText: " + quoted(v.Text()), nil
		}
	case vector.Bool:
		if kind == "boolean" {
			return "valueBoolean: " + strconv.FormatBool(v.Bool()), nil
		}
	case vector.Int, vector.Float:
		n := *v
		if kind == "int" && n.Whole() {
			n = vector.IntOf(int64(n.Float()))
		}
		switch {
		case kind == "int" && n.Kind() == vector.Int:
			return "valueInt: " + strconv.FormatInt(n.Int(), 10), nil
		case kind == "number":
			n = double(n)
			return "valueNumber: " + strconv.FormatFloat(n.Float(), 'g', -1, 64), nil
		}
	}
	return "", fmt.Errorf("property %s is of type %s (tokenization %q), by which %s is not found as a whole value", p.Name, p.Type[0], p.Tokens, v.String())
}
