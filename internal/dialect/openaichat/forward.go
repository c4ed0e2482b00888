package openaichat

import (
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Forward implements dialect.Codec.
func (Codec) Forward(b *dialect.Body, t *dialect.Target) (*dialect.Outgoing, error) {
	d, f := document(b)
	if f != nil {
		return nil, f
	}
	p, out := d.Patch(), &dialect.Outgoing{}
	root := d.Root()
	if simple(b, t, root) && !variesMembers(b.Op, t.Variant) {
		if v := root.Get("model"); !v.Is(t.Model) {
			p.Replace(v, jsondoor.Quote(t.Model))
		}
		if b.Op != llm.Embedding && t.Stream && t.Usage && !b.Facts.IncludeUsage {
			askUsage(p, root)
		}
	} else if f := forwardAdjusted(p, root, b, t, out); f != nil {
		return nil, f
	}
	if b.Op == llm.Chat {
		varySystem(p, root.Get("messages"), b.Facts.SystemBytes > 0, t, out)
	}
	if t.Quirks.NoDeveloper || t.Quirks.NameOnlyOnTool {
		forwardMessages(p, root.Get("messages"), &t.Quirks, out)
	}
	if !p.Changed() {
		out.Body = b.Raw
		return out, nil
	}
	out.Body = p.Bytes()
	return out, nil
}

// simple reports whether model and stream_options are all there is to change
// beside the messages.
func simple(b *dialect.Body, t *dialect.Target, root jsondoor.Value) bool {
	q := &t.Quirks
	other := "" // the name of the limit that this provider does not know
	switch {
	case b.Op != llm.Chat:
	case q.MaxTokensField == "max_tokens":
		other = "max_completion_tokens"
	case q.MaxTokensField == "max_completion_tokens":
		other = "max_tokens"
	}
	return t.Params.IsZero() && t.MaxTokens == 0 && !t.Bound && t.Stream == b.Facts.Stream && !q.NoStreamUsage &&
		(other == "" || !root.Get(other).Exists()) && q.ToolRequired == "" && q.SeedField == "" && len(q.Unsupported) == 0 &&
		!q.NoContradiction
}

func askUsage(p *jsondoor.Patch, root jsondoor.Value) {
	options := root.Get("stream_options")
	if !options.Present() {
		p.Set(root, "stream_options", []byte(`{"include_usage":true}`))
		return
	}
	p.Set(options, "include_usage", []byte("true"))
}

// forwardAdjusted applies parameters and quirks to a client's own body.
func forwardAdjusted(p *jsondoor.Patch, root jsondoor.Value, b *dialect.Body, t *dialect.Target, out *dialect.Outgoing) *fault.Error {
	list := make(members, 0, 16)
	for v := root.First(); v.Exists(); v = v.Next() {
		list = append(list, member{name: v.Name(), raw: v.Raw(), was: v})
	}
	if v := root.Get("model"); !v.Is(t.Model) {
		list.set("model", jsondoor.Quote(t.Model))
	}
	var f *fault.Error
	if out.Dropped, f = list.adjust(t, b.Op, list.vary(t.Variant, b.Op, t.Model), nil); f != nil {
		return f
	}
	if t.Bound {
		out.Bound = list.bound()
	}
	list.patch(p, root)
	return nil
}

func forwardMessages(p *jsondoor.Patch, messages jsondoor.Value, q *dialect.Quirks, out *dialect.Outgoing) {
	for m := messages.First(); m.Exists(); m = m.Next() {
		role := m.Get("role")
		if q.NoDeveloper && role.Is("developer") {
			p.Replace(role, []byte(`"system"`))
		}
		if name := m.Get("name"); q.NameOnlyOnTool && name.Exists() && !role.Is("tool") {
			p.Delete(name)
			if name.Present() {
				out.Dropped = appendOnce(out.Dropped, "name")
			}
		}
	}
}
