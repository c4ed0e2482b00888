package openaichat

import (
	"encoding/json"
	"slices"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

func (e *encoder) tools() {
	r := e.r
	if len(r.Tools) > 0 {
		var w jsondoor.Writer
		w.Array()
		for i := range r.Tools {
			e.tool(&w, &r.Tools[i])
		}
		e.set("tools", w.EndArray().Buf)
	}
	switch r.ToolChoice.Mode {
	case llm.ToolAuto, llm.ToolNone, llm.ToolRequired:
		e.text("tool_choice", string(r.ToolChoice.Mode))
	case llm.ToolNamed:
		var w jsondoor.Writer
		w.Object().Key("type").String("function").Key("function").Object().Key("name").String(r.ToolChoice.Name).EndObject().EndObject()
		e.set("tool_choice", w.Buf)
	}
	e.boolean("parallel_tool_calls", r.ToolChoice.Parallel)
}

// tool writes a tool. A function of another dialect may have members that only
// that dialect understands; they say how a tool is offered (defer_loading,
// allowed_callers, input_examples), not what it is, and are left out and
// reported.
func (e *encoder) tool(w *jsondoor.Writer, t *llm.ToolDef) {
	switch {
	case len(t.Opaque) == 0:
	case t.Dialect == Name:
		w.Raw(t.Opaque)
		return
	case len(t.Schema) == 0:
		name := t.Name
		if name == "" {
			name = "tools"
		}
		e.unsupported(name)
		return
	default:
		e.dropToolMembers(t.Opaque)
	}
	w.Object().Key("type").String("function").Key("function").Object().Key("name").String(t.Name)
	if t.Description != "" {
		w.Key("description").String(t.Description)
	}
	if len(t.Schema) > 0 {
		w.Key("parameters").Raw(t.Schema)
	}
	if t.Strict != nil {
		w.Key("strict").Bool(*t.Strict)
	}
	w.EndObject()
	e.cacheControl(w, t.CacheControl)
	w.EndObject()
}

// foreignTool are the members of another dialect's function that have a place
// here, or that say nothing of the answer.
var foreignTool = []string{"type", "name", "description", "input_schema", "cache_control", "strict", "eager_input_streaming"}

func (e *encoder) dropToolMembers(raw []byte) {
	d, err := jsondoor.ParseLax(raw, jsondoor.Everything)
	if err != nil {
		e.drop("tools")
		return
	}
	defer d.Release()
	for m := d.Root().First(); m.Exists(); m = m.Next() {
		if m.Present() && !slices.Contains(foreignTool, m.Name()) {
			e.drop("tools." + m.Name())
		}
	}
}

// cacheControl keeps a cache mark for a client of this dialect, whose provider
// knows it; another dialect's is left out and reported.
func (e *encoder) cacheControl(w *jsondoor.Writer, raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	if e.foreign {
		e.drop("cache_control")
		return
	}
	w.Key("cache_control").Raw(raw)
}
