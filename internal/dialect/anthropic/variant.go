package anthropic

import (
	"slices"
	"strconv"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/variant"
)

// members are the names of a variant's parameters here, where they differ.
var members = map[string]string{"stop": "stop_sequences", "user": "metadata"}

func memberOf(name string) string {
	if m := members[name]; m != "" {
		return m
	}
	return name
}

// inside are the members of which a parameter is only a part.
var inside = map[string][]string{
	"reasoning_effort": {"thinking", "output_config"}, "response_format": {"output_config", "output_format"}, "parallel_tool_calls": {"tool_choice"},
}

// spliceable reports whether the variant can be spliced into a client's body.
// Thinking, and sampling beside it or beside more sampling, depend on each other,
// on the model and on the limit; they go by way of the canonical request.
func spliceable(v *variant.Variant, root jsondoor.Value, op llm.Operation) bool {
	if op == llm.CountTokens {
		return len(v.Strip) == 0
	}
	sampling := 0
	for _, name := range []string{"temperature", "top_p", "top_k"} {
		switch {
		case v.Strips(name):
		case v.Sets(name) && (root.Get("thinking").Present() || root.Get("output_config").Present()):
			return false
		case v.Sets(name) || root.Get(name).Present():
			sampling++
		}
	}
	for _, f := range v.Params {
		switch f.Name {
		case "max_tokens":
		case "temperature":
			if n, err := strconv.ParseFloat(string(f.Raw), 64); sampling > 1 || err != nil || n > 1 {
				return false
			}
		case "top_p", "top_k":
			if sampling > 1 {
				return false
			}
		default:
			return false
		}
	}
	return !slices.ContainsFunc(v.Strip, func(name string) bool {
		return slices.ContainsFunc(inside[name], func(m string) bool { return root.Get(m).Present() })
	})
}

// forwardAnew makes the body from the canonical request.
func forwardAnew(b *dialect.Body, t *dialect.Target) (*dialect.Outgoing, error) {
	r, err := Codec{}.Decode(b)
	if err != nil {
		return nil, err
	}
	r, dropped := t.Variant.Apply(r)
	out, err := Codec{}.Encode(r, t)
	if err == nil {
		out.Dropped = append(dropped, out.Dropped...)
	}
	return out, err
}

// splice puts a variant into a client's body, and returns the members that are
// settled by it.
func splice(p *jsondoor.Patch, root jsondoor.Value, b *dialect.Body, v *variant.Variant, out *dialect.Outgoing) (settled []string) {
	if v == nil {
		return nil
	}
	if v.System != "" {
		if spliceSystem(p, root, v); v.Mode == variant.Replace && b.Facts.SystemBytes > 0 {
			out.Dropped = append(out.Dropped, "system")
		}
	}
	if b.Op != llm.Chat {
		return nil
	}
	for _, name := range v.Strip {
		m := memberOf(name)
		if x := root.Get(m); x.Exists() && !slices.Contains(settled, m) {
			p.Delete(x)
			settled = append(settled, m)
			if x.Present() {
				out.Dropped = append(out.Dropped, name)
			}
		}
	}
	for _, f := range v.Params {
		if f.Name != "max_tokens" { // which Forward sets
			p.Set(root, f.Name, f.Raw)
			settled = append(settled, f.Name)
		}
	}
	return settled
}

// spliceSystem puts the system prompt in.
func spliceSystem(p *jsondoor.Patch, root jsondoor.Value, v *variant.Variant) {
	system := root.Get("system")
	first := system.First()
	text := append(jsondoor.AppendString([]byte(`{"type":"text","text":`), v.System), '}')
	switch {
	case system.Kind() != jsondoor.Array || !first.Exists() || v.Mode == variant.Replace:
		p.Set(root, "system", jsondoor.Quote(v.Join(system.Text())))
	case v.Mode == variant.Prepend:
		p.InsertBefore(first, text)
	default:
		last := first
		for e := first; e.Exists(); e = e.Next() {
			last = e
		}
		p.InsertBehind(last, text)
	}
	if v.Mode != variant.Replace {
		return
	}
	for m := root.Get("messages").First(); m.Exists() && m.Get("role").Is("system") && m.Next().Exists(); m = m.Next() {
		p.Delete(m)
	}
}
