package admin

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/shopspring/decimal"
)

// schemas makes JSON Schemas (2020-12) of Go types: structs as components that
// others refer to, by their Go names.
type schemas struct {
	components map[string]any
	types      map[string]reflect.Type
}

// of is the schema of a type, or a reference to it.
func (s *schemas) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[decimal.Decimal]():
		return map[string]any{"type": "string", "pattern": decimalPattern}
	case reflect.TypeFor[decimal.NullDecimal]():
		return map[string]any{"type": []string{"string", "null"}, "pattern": decimalPattern}
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]():
		return map[string]any{} // any JSON value
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": []string{"array", "null"}, "items": s.of(t.Elem())}
	case reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem())}
	case reflect.Pointer:
		return map[string]any{"anyOf": []any{s.of(t.Elem()), map[string]any{"type": "null"}}}
	case reflect.Struct:
		return s.object(t)
	}
	panic(fmt.Sprintf("admin: no schema for %s", t)) // held by a test over all operations
}

const decimalPattern = `^-?[0-9]+(\.[0-9]+)?$`

// object puts a struct among the components and refers to it.
func (s *schemas) object(t reflect.Type) map[string]any {
	name := t.Name()
	if have, ok := s.types[name]; ok && have != t {
		name = title(pkg(t)) + name
	}
	ref := map[string]any{"$ref": "#/components/schemas/" + name}
	if _, ok := s.types[name]; ok {
		return ref
	}
	s.types[name] = t
	s.components[name] = s.properties(members(t))
	return ref
}

// properties is an object with these members.
func (s *schemas) properties(list []member) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, m := range list {
		p := s.of(m.typ)
		if m.doc != "" {
			p["description"] = m.doc
		}
		properties[m.name] = p
		if !m.optional {
			required = append(required, m.name)
		}
	}
	object := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}

// pkg is the last element of a type's package path.
func pkg(t reflect.Type) string {
	p := t.PkgPath()
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] == '/' {
			return p[i+1:]
		}
	}
	return p
}

func title(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
