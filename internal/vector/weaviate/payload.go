package weaviate

import (
	"fmt"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

func decode(text jsontext.Value, out any) error { return jsonv2.Unmarshal(text, out) }

// payload are an object's properties, of the types that the schema gives them: the
// server writes a whole number of type number without a point.
func (c *class) payload(text jsontext.Value) (vector.Payload, error) {
	if len(text) == 0 || text.Kind() == 'n' {
		return nil, nil
	}
	v, err := vector.ParseValue(text)
	if err != nil {
		return nil, err
	}
	if v.Kind() != vector.Map {
		return nil, fmt.Errorf("its properties are a %s", v.Kind())
	}
	return typedFields(v.Map(), c.types), nil
}

func typedFields(p vector.Payload, types map[string]*property) vector.Payload {
	out := make([]vector.Field, len(p))
	for i, f := range p {
		out[i] = vector.Field{Name: f.Name, Value: typed(f.Value, types[f.Name])}
	}
	return vector.NewPayload(out)
}

// typed is a value of a property; nil: of one that came since the schema was read.
func typed(v vector.Value, p *property) vector.Value {
	if p == nil || len(p.Type) == 0 {
		return v
	}
	if v.Kind() == vector.List {
		list := make([]vector.Value, len(v.List()))
		for i, x := range v.List() {
			list[i] = typed(x, p)
		}
		return vector.ListOf(list)
	}
	switch p.Type[0] {
	case "number", "number[]":
		return double(v)
	case "int", "int[]":
		if v.Whole() {
			return vector.IntOf(int64(v.Float()))
		}
	case "geoCoordinates":
		if v.Kind() == vector.Map {
			fields := make([]vector.Field, len(v.Map()))
			for i, f := range v.Map() {
				fields[i] = vector.Field{Name: f.Name, Value: double(f.Value)}
			}
			return vector.MapOf(vector.NewPayload(fields))
		}
	case "object", "object[]":
		if v.Kind() == vector.Map {
			return vector.MapOf(typedFields(v.Map(), p.types))
		}
	}
	// A reference is its beacon: all else that it has follows of that.
	if v.Kind() == vector.Map && p.reference() {
		if beacon, ok := v.Map().Get("beacon"); ok {
			return beacon
		}
	}
	return v
}

func double(v vector.Value) vector.Value {
	if v.Kind() == vector.Int {
		return vector.FloatOf(float64(v.Int()))
	}
	return v
}

// reference reports whether the property is of objects of collections, whose names
// begin with a capital.
func (p *property) reference() bool {
	return p.Type[0] != "" && p.Type[0][0] >= 'A' && p.Type[0][0] <= 'Z'
}
