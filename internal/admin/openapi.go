package admin

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// OpenAPI is the OpenAPI 3.1 document of the table, with version as the API's.
func OpenAPI(version string) ([]byte, error) {
	s := &schemas{components: map[string]any{}, types: map[string]reflect.Type{}}
	paths := map[string]map[string]any{}
	failure := map[string]any{
		"description": "The operation failed or was refused.",
		"content": content(map[string]any{
			"type": "object", "required": []string{"error"},
			"properties": map[string]any{"error": s.of(reflect.TypeFor[Error]())},
		}),
	}
	for _, op := range Operations() {
		if paths[op.Path] == nil {
			paths[op.Path] = map[string]any{}
		}
		tag, _, _ := strings.Cut(op.Name, ".")
		doc := map[string]any{
			"operationId": op.Name, "summary": op.Summary, "tags": []string{tag},
			"responses": map[string]any{
				"200":     map[string]any{"description": "Done.", "content": content(s.of(op.Out))},
				"default": failure,
			},
		}
		if p := s.parameters(op); len(p) > 0 {
			doc["parameters"] = p
		}
		if op.Method != http.MethodGet {
			doc["requestBody"] = map[string]any{"content": content(s.body(op))}
		}
		paths[op.Path][strings.ToLower(op.Method)] = doc
	}
	return json.MarshalIndent(map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "freehold administration", "version": version,
			"description": "The same operations as the commands. Without server.admin_key and virtual keys it answers this machine only.",
		},
		"paths": paths,
		"components": map[string]any{
			"schemas":         s.components,
			"securitySchemes": map[string]any{"key": map[string]any{"type": "http", "scheme": "bearer"}},
		},
		"security": []any{map[string]any{"key": []string{}}, map[string]any{}},
	}, "", "  ")
}

func content(schema map[string]any) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": schema}}
}

// parameters are the members of an input that travel in the URL.
func (s *schemas) parameters(op *Operation) []any {
	var out []any
	for _, m := range members(op.In) {
		where := "query"
		if op.inPath(m.name) {
			where = "path"
		} else if op.Method != http.MethodGet {
			continue
		}
		schema := s.of(m.typ)
		if m.typ.Kind() == reflect.Slice {
			schema["type"] = "array"
		}
		p := map[string]any{"name": m.name, "in": where, "schema": schema, "required": where == "path" || !m.optional}
		if m.doc != "" {
			p["description"] = m.doc
		}
		out = append(out, p)
	}
	return out
}

// body is the schema of a POST's body: the members that are not in the path.
func (s *schemas) body(op *Operation) map[string]any {
	list := slices.DeleteFunc(members(op.In), func(m member) bool { return op.inPath(m.name) })
	out := s.properties(list)
	out["additionalProperties"] = false
	return out
}
