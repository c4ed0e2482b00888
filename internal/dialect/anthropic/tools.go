package anthropic

import (
	"strconv"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// tools sends tool definitions and tool_choice.
func (e *encoder) tools() error {
	raw, n := []byte{'['}, 0
	next := func() {
		if n++; n > 1 {
			raw = append(raw, ',')
		}
	}
	for i := range e.r.Tools {
		t := &e.r.Tools[i]
		switch {
		case t.Opaque != nil && t.Dialect == Name:
			next()
			raw = append(raw, t.Opaque...)
			continue
		case t.Opaque != nil && t.Schema == nil:
			e.refuse("tools["+strconv.Itoa(i)+"]", "a tool of the "+t.Dialect+" dialect that Anthropic does not have")
			continue
		}
		schema, ok := objectSchema(t.Schema)
		if !ok {
			return invalid("tools["+strconv.Itoa(i)+"]", "the parameters' schema must be of type object")
		}
		next()
		raw = appendTool(raw, t.Name, t.Description, schema)
		if t.Strict != nil && *t.Strict {
			if e.own || e.t.Quirks.NativeSchema && closedSchema(schema) {
				raw = append(raw, `,"strict":true`...)
			} else {
				e.drop("tools.strict")
			}
		}
		if len(t.CacheControl) > 0 {
			raw = append(append(raw, `,"cache_control":`...), t.CacheControl...)
		}
		raw = append(raw, '}')
	}
	choice := e.r.ToolChoice
	if n == 0 && e.formatTool == "" {
		for _, name := range e.usedTools() { // tool history without tools
			next()
			raw = append(appendTool(raw, name, "", []byte(`{"type":"object"}`)), '}')
			choice = llm.ToolChoice{Mode: llm.ToolNone}
		}
	}
	if e.formatTool != "" {
		others := n > 0 && choice.Mode != llm.ToolNone
		next()
		raw = append(appendTool(raw, e.formatTool, formatDescription(e.r.Format.Description), e.format), '}')
		if others {
			choice.Mode = llm.ToolRequired
		} else {
			choice = llm.ToolChoice{Mode: llm.ToolNamed, Name: e.formatTool, Parallel: new(bool)}
		}
	}
	if n == 0 {
		if choice.Mode == llm.ToolRequired || choice.Mode == llm.ToolNamed {
			return invalid("tool_choice", "there are no tools to choose from")
		}
		return nil
	}
	e.set("tools", append(raw, ']'))
	if choice := appendToolChoice(choice); choice != nil {
		e.set("tool_choice", choice)
	}
	return nil
}

func formatDescription(own string) string {
	const how = "Give the final answer to the user by calling this tool; its input is the answer."
	if own == "" {
		return how
	}
	return own + "\n\n" + how
}

// appendTool appends a tool definition without its closing brace.
func appendTool(dst []byte, name, description string, schema []byte) []byte {
	dst = jsondoor.AppendString(append(dst, `{"name":`...), name)
	if description != "" {
		dst = jsondoor.AppendString(append(dst, `,"description":`...), description)
	}
	return append(append(dst, `,"input_schema":`...), schema...)
}

// appendToolChoice returns tool_choice, nil when nothing is to be said.
func appendToolChoice(c llm.ToolChoice) []byte {
	single := c.Parallel != nil && !*c.Parallel
	var raw []byte
	switch c.Mode {
	case llm.ToolNone:
		return []byte(`{"type":"none"}`)
	case llm.ToolRequired:
		raw = []byte(`{"type":"any"`)
	case llm.ToolNamed:
		raw = jsondoor.AppendString([]byte(`{"type":"tool","name":`), c.Name)
	case llm.ToolAuto:
		raw = []byte(`{"type":"auto"`)
	default:
		if !single {
			return nil
		}
		raw = []byte(`{"type":"auto"`)
	}
	if single {
		raw = append(raw, `,"disable_parallel_tool_use":true`...)
	}
	return append(raw, '}')
}

// usedTools lists the tools the conversation has called, in order.
func (e *encoder) usedTools() []string {
	var names []string
	seen := map[string]bool{}
	for i := range e.r.Messages {
		for j := range e.r.Messages[i].Parts {
			p := &e.r.Messages[i].Parts[j]
			if p.Kind == llm.PartToolCall && p.Name != "" && !seen[p.Name] {
				seen[p.Name] = true
				names = append(names, p.Name)
			}
		}
	}
	return names
}
