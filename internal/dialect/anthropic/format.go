package anthropic

import (
	"encoding/json"

	"freehold/internal/llm"
)

// formatToolName names the forced tool that stands for a response format
// without a name of its own.
const formatToolName = "json_response"

// planFormat decides how the wished shape of the answer is asked for: natively
// (output_config.format) or as a forced tool.
func (e *encoder) planFormat() error {
	f := e.r.Format
	if f.Kind == "" || f.Kind == llm.FormatText {
		return nil
	}
	if e.t.Continue != nil {
		// The text so far is the beginning of the wished shape; asked for again,
		// the model would start over.
		e.drop("response_format")
		return nil
	}
	if e.own {
		e.format = f.Schema
		return nil
	}
	if mode := e.r.ToolChoice.Mode; mode == llm.ToolRequired || mode == llm.ToolNamed {
		// The answer is a call of the client's own tool: there is no text to shape.
		e.drop("response_format")
		return nil
	}
	schema := f.Schema
	if f.Kind == llm.FormatObject {
		schema = json.RawMessage(`{"type":"object"}`)
	} else if e.t.Quirks.NativeSchema && closedSchema(schema) {
		e.format = schema
		return nil
	}
	if e.count {
		return nil // the tool's few tokens are not the client's
	}
	if e.thinkingWished() {
		e.refuse("response_format", "without native structured output it needs a forced tool, which excludes thinking")
		return nil
	}
	schema, ok := objectSchema(schema)
	if !ok {
		e.refuse("response_format", "the schema's root must be an object")
		return nil
	}
	e.format = schema
	e.formatTool = f.Name
	if e.formatTool == "" || !validToolName(e.formatTool) {
		e.formatTool = formatToolName
	}
	for e.hasTool(e.formatTool) {
		e.formatTool += "_"
	}
	return nil
}

func (e *encoder) hasTool(name string) bool {
	for i := range e.r.Tools {
		if e.r.Tools[i].Name == name {
			return true
		}
	}
	return false
}

// validToolName follows the API's pattern for tool names.
func validToolName(s string) bool { return s != "" && len(s) <= 64 && cleanID(s) }

// cleanID reports whether s has only the characters that the API takes in ids
// and tool names: letters, digits, underscore, hyphen.
func cleanID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// closedSchema reports whether every object in a JSON Schema says
// additionalProperties: false, which the API's structured outputs demand.
func closedSchema(raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	root, ok := v.(map[string]any)
	return ok && closed(root)
}

func closed(s map[string]any) bool {
	_, hasProps := s["properties"]
	if hasProps || hasType(s["type"], "object") {
		if extra, ok := s["additionalProperties"].(bool); !ok || extra {
			return false
		}
	}
	for key, v := range s {
		switch key {
		case "properties", "$defs", "definitions": // names -> schemas
			m, ok := v.(map[string]any)
			if !ok {
				return false
			}
			for _, sub := range m {
				if !closedAny(sub) {
					return false
				}
			}
		case "items", "anyOf", "allOf", "oneOf", "prefixItems", "not":
			if !closedAny(v) {
				return false
			}
		}
	}
	return true
}

func closedAny(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return closed(v)
	case []any:
		for _, sub := range v {
			if !closedAny(sub) {
				return false
			}
		}
	}
	return true
}

func hasType(v any, want string) bool {
	switch v := v.(type) {
	case string:
		return v == want
	case []any:
		for _, t := range v {
			if t == want {
				return true
			}
		}
	}
	return false
}
