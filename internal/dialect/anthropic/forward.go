package anthropic

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Forward implements dialect.Codec.
func (Codec) Forward(b *dialect.Body, t *dialect.Target) (*dialect.Outgoing, error) {
	d, err := index(b)
	if err != nil {
		return nil, err
	}
	root, p := d.Root(), d.Patch()
	if v := t.Variant; v != nil && !spliceable(v, root, b.Op) {
		return forwardAnew(b, t)
	}
	out := &dialect.Outgoing{}
	set := func(name string, raw []byte) {
		if string(root.Get(name).Raw()) != string(raw) {
			p.Set(root, name, raw)
		}
	}
	set("model", jsondoor.Quote(t.Model))
	if b.Op == llm.Chat {
		out.Bound = dialect.Bound{MaxTokens: b.Facts.MaxTokens, Answers: 1}
		lower := t.Variant.Limit(b.Facts.MaxTokens)
		switch {
		case t.MaxTokens > 0:
			out.Bound.MaxTokens = t.MaxTokens
			set("max_tokens", strconv.AppendInt(nil, t.MaxTokens, 10))
		case lower != b.Facts.MaxTokens:
			out.Bound.MaxTokens = lower
			set("max_tokens", strconv.AppendInt(nil, lower, 10))
		case !root.Get("max_tokens").Exists(): // Read demands it; bodies made by hand may not have it
			limit := t.Quirks.DefaultMaxTokens
			if limit <= 0 {
				limit = defaultMaxTokens
			}
			out.Bound.MaxTokens = limit
			set("max_tokens", strconv.AppendInt(nil, limit, 10))
		}
		if t.Stream != b.Facts.Stream {
			set("stream", strconv.AppendBool(nil, t.Stream))
		}
	}
	settled := splice(p, root, b, t.Variant, out)
	if err := forwardParams(p, root, t, out, settled...); err != nil {
		return nil, err
	}
	if b.Facts.Features.Has(llm.FeatureThinking) && bytes.Contains(b.Raw, []byte(unsigned)) && withoutUnsigned(p, root) {
		out.Dropped = append(out.Dropped, "reasoning_content")
	}
	if out.Body = b.Raw; p.Changed() {
		out.Body = p.Bytes()
	}
	return out, nil
}

// withoutUnsigned takes thinking of other models out of the conversation: the
// provider would refuse it. A turn of nothing else goes as a whole.
func withoutUnsigned(p *jsondoor.Patch, root jsondoor.Value) bool {
	found := false
	for m := root.Get("messages").First(); m.Exists(); m = m.Next() {
		content := m.Get("content")
		var cut []jsondoor.Value
		for c := content.First(); c.Exists(); c = c.Next() {
			if c.Get("type").Is("thinking") && c.Get("signature").Is(unsigned) {
				cut = append(cut, c)
			}
		}
		found = found || len(cut) > 0
		if len(cut) > 0 && len(cut) == content.Len() {
			p.Delete(m)
			continue
		}
		for _, c := range cut {
			p.Delete(c)
		}
	}
	return found
}

// forwardParams applies configured removals, renames and defaults.
func forwardParams(p *jsondoor.Patch, root jsondoor.Value, t *dialect.Target, out *dialect.Outgoing, varied ...string) error {
	settled := append([]string{"model", "messages", "max_tokens", "stream"}, varied...) // not for configuration
	free := func(name string) (jsondoor.Value, string, bool) {
		name = wireName(name)
		v := root.Get(name)
		return v, name, v.Exists() && !slices.Contains(settled, name)
	}
	for _, param := range t.Params.Drop {
		if v, name, ok := free(param); ok {
			p.Delete(v)
			settled = append(settled, name)
			out.Dropped = append(out.Dropped, param)
		}
	}
	var refused []string
	for _, param := range t.Quirks.Unsupported {
		v, name, ok := free(param)
		if !ok {
			continue
		}
		if !t.Drop {
			refused = append(refused, param)
			continue
		}
		p.Delete(v)
		settled = append(settled, name)
		out.Dropped = append(out.Dropped, param)
	}
	if len(refused) > 0 {
		return &fault.Error{Kind: fault.Unsupported, Param: refused[0], Message: strings.Join(refused, ", ") + ": not supported by this provider"}
	}
	for _, from := range slices.Sorted(maps.Keys(t.Params.Rename)) {
		to := t.Params.Rename[from]
		if v, name, ok := free(from); ok && !root.Get(to).Exists() && !slices.Contains(settled, to) {
			p.Rename(v, to)
			settled = append(settled, name, to)
		}
	}
	for _, f := range t.Params.Defaults {
		if !root.Get(f.Name).Exists() && !slices.Contains(settled, f.Name) && wireName(f.Name) != "max_tokens" {
			p.Insert(root, f.Name, f.Raw)
			settled = append(settled, f.Name)
		}
	}
	return nil
}

// index returns the Doc of a body, reading it again if another hand made it.
func index(b *dialect.Body) (*jsondoor.Doc, error) {
	if d, ok := b.Index.(*jsondoor.Doc); ok {
		return d, nil
	}
	d, err := jsondoor.Parse(b.Raw, requestSchema)
	if err != nil {
		return nil, &fault.Error{Kind: fault.BadRequest, Message: "the request body is refused: " + err.Error(), Cause: err}
	}
	return d, nil
}
