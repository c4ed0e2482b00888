package openaichat

import (
	"slices"
	"strconv"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/variant"
)

// variesMembers reports a variant that changes more than the messages.
func variesMembers(op llm.Operation, v *variant.Variant) bool {
	return v != nil && op != llm.Embedding && len(v.Params)+len(v.Strip) > 0
}

// chatOnly are the parameters that text completions do not have.
var chatOnly = []string{"reasoning_effort", "parallel_tool_calls"}

// wide are the members that stand for one parameter.
var wide = map[string][]string{"reasoning_effort": {"reasoning_effort", "reasoning"}}

// vary applies a variant's parameters and returns those that it takes out.
func (m *members) vary(v *variant.Variant, op llm.Operation, model string) (dropped []string) {
	if !variesMembers(op, v) {
		return nil
	}
	for _, name := range v.Strip {
		for _, other := range append(wide[name], name) {
			if m.has(other) {
				dropped = appendOnce(dropped, name)
			}
			m.drop(other)
		}
	}
	for _, f := range v.Params {
		switch {
		case op != llm.Chat && slices.Contains(chatOnly, f.Name):
		case f.Name == "parallel_tool_calls" && !m.has("tools"): // it is refused without
		case f.Name == "max_tokens":
			m.lower(v, op, model)
		default:
			for _, other := range wide[f.Name] {
				if other != f.Name {
					m.drop(other)
				}
			}
			m.set(f.Name, f.Raw)
		}
	}
	return dropped
}

// lower sets the limit of the answer, unless the client's is lower.
func (m *members) lower(v *variant.Variant, op llm.Operation, model string) {
	found := false
	for _, name := range []string{"max_completion_tokens", "max_tokens"} {
		x := m.find(name)
		if x == nil || string(x.raw) == "null" {
			continue
		}
		found = true
		if n, err := strconv.ParseInt(string(x.raw), 10, 64); err != nil || n > v.Limit(0) {
			m.set(name, encoded(v.Limit(0)))
		}
	}
	switch {
	case found:
	case op == llm.Chat && reasoningModel(model):
		m.set("max_completion_tokens", encoded(v.Limit(0)))
	default:
		m.set("max_tokens", encoded(v.Limit(0)))
	}
}

// varySystem puts a variant's system prompt into the messages. said: the client has
// one.
func varySystem(p *jsondoor.Patch, messages jsondoor.Value, said bool, t *dialect.Target, out *dialect.Outgoing) {
	v := t.Variant
	if v == nil || v.System == "" {
		return
	}
	var own []jsondoor.Value // the client's system prompt
	for m := messages.First(); m.Exists(); m = m.Next() {
		if role := m.Get("role"); !role.Is("system") && !role.Is("developer") {
			break
		}
		own = append(own, m)
	}
	if len(own) == 0 {
		p.InsertBefore(messages.First(), systemMessage("system", v.System))
		return
	}
	if v.Mode == variant.Replace {
		role := own[0].Get("role").Text()
		if t.Quirks.NoDeveloper {
			role = "system"
		}
		p.Replace(own[0], systemMessage(role, v.System))
		for _, m := range own[1:] {
			p.Delete(m)
		}
		if said {
			out.Dropped = appendOnce(out.Dropped, "system")
		}
		return
	}
	// One message of all, for not every model takes several.
	content := own[0].Get("content")
	if v.Mode == variant.Append {
		content = own[len(own)-1].Get("content")
	}
	text := jsondoor.AppendString([]byte(`{"type":"text","text":`), v.System)
	text = append(text, '}')
	first := content.First()
	switch {
	case content.Kind() != jsondoor.Array, !first.Exists():
		p.Replace(content, jsondoor.Quote(v.Join(content.Text())))
	case v.Mode == variant.Prepend:
		p.InsertBefore(first, text)
	default:
		last := first
		for e := first; e.Exists(); e = e.Next() {
			last = e
		}
		p.InsertBehind(last, text)
	}
}

func systemMessage(role, text string) []byte {
	var w jsondoor.Writer
	return w.Object().Key("role").String(role).Key("content").String(text).EndObject().Buf
}
