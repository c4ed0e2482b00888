package anthropic

import (
	"encoding/json"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Decode implements dialect.Codec.
func (Codec) Decode(b *dialect.Body) (*llm.Request, error) {
	d, err := index(b)
	if err != nil {
		return nil, err
	}
	r := &llm.Request{Operation: b.Op, Dialect: Name, IncludeUsage: true}
	var system []llm.Part
	for v := d.Root().First(); v.Exists(); v = v.Next() {
		if v.Present() && !decodeMember(r, v) {
			if v.Named("system") {
				system = decodeContent(v)
				continue
			}
			r.Extra = append(r.Extra, llm.Field{Name: v.Name(), Raw: v.Raw()})
		}
	}
	if len(system) > 0 {
		r.Messages = append([]llm.Message{{Role: llm.System, Parts: system}}, r.Messages...)
	}
	return r, nil
}

// decodeMember reads a top-level member; false: it is to be kept as it is.
func decodeMember(r *llm.Request, v jsondoor.Value) bool {
	switch v.Name() {
	case "model":
		r.Model = v.Text()
	case "messages":
		r.Messages = make([]llm.Message, 0, v.Len()+1)
		for m := v.First(); m.Exists(); m = m.Next() {
			r.Messages = append(r.Messages, decodeMessage(m))
		}
	case "max_tokens":
		r.MaxTokens = v.IntOrNil()
	case "temperature":
		r.Temperature = v.FloatOrNil()
	case "top_p":
		r.TopP = v.FloatOrNil()
	case "top_k":
		r.TopK = v.IntOrNil()
	case "stop_sequences":
		for s := v.First(); s.Exists(); s = s.Next() {
			r.Stop = append(r.Stop, s.Text())
		}
	case "stream":
		r.Stream, _ = v.Bool()
	case "service_tier":
		r.ServiceTier = v.Text()
	case "metadata":
		user := v.Get("user_id")
		r.User = user.Text()
		return r.User != "" && v.Len() == 1 // other metadata is kept whole
	case "tools":
		for t := v.First(); t.Exists(); t = t.Next() {
			r.Tools = append(r.Tools, decodeTool(t))
		}
	case "tool_choice":
		r.ToolChoice = decodeToolChoice(v)
	case "thinking":
		re := reasoning(r)
		re.Mode, re.Display = v.Get("type").Text(), v.Get("display").Text()
		re.BudgetTokens, _ = v.Get("budget_tokens").Int()
	case "output_config":
		decodeOutputConfig(r, v)
	case "output_format": // the beta spelling of output_config.format
		if !v.Get("type").Is("json_schema") {
			return false
		}
		r.Format = llm.Format{Kind: llm.FormatSchema, Schema: v.Get("schema").Raw()}
	default:
		return false
	}
	return true
}

func reasoning(r *llm.Request) *llm.Reasoning {
	if r.Reasoning == nil {
		r.Reasoning = &llm.Reasoning{}
	}
	return r.Reasoning
}

func decodeOutputConfig(r *llm.Request, v jsondoor.Value) {
	var rest []llm.Field
	for m := v.First(); m.Exists(); m = m.Next() {
		switch {
		case m.Named("effort") && m.Kind() == jsondoor.String:
			reasoning(r).Effort = m.Text()
		case m.Named("format") && m.Get("type").Is("json_schema"):
			r.Format = llm.Format{Kind: llm.FormatSchema, Schema: m.Get("schema").Raw()}
		case m.Present():
			rest = append(rest, llm.Field{Name: m.Name(), Raw: m.Raw()})
		}
	}
	if len(rest) > 0 {
		r.Extra = append(r.Extra, llm.Field{Name: "output_config", Raw: appendObject(nil, rest)})
	}
}

func decodeToolChoice(v jsondoor.Value) llm.ToolChoice {
	c := llm.ToolChoice{Name: v.Get("name").Text()}
	switch v.Get("type").Text() {
	case "auto":
		c.Mode = llm.ToolAuto
	case "any":
		c.Mode = llm.ToolRequired
	case "tool":
		c.Mode = llm.ToolNamed
	case "none":
		c.Mode = llm.ToolNone
	}
	if off, ok := v.Get("disable_parallel_tool_use").Bool(); ok {
		c.Parallel = new(!off)
	}
	return c
}

// decodeTool reads a tool. A function keeps its own bytes beside the Schema
// when it has members the canonical model does not know (defer_loading,
// input_examples, ...); a server tool has nothing but its bytes.
// eager_input_streaming only says how arguments are cut into events.
func decodeTool(v jsondoor.Value) llm.ToolDef {
	t := llm.ToolDef{Name: v.Get("name").Text(), CacheControl: present(v.Get("cache_control"))}
	if kind := v.Get("type"); kind.Present() && !kind.Is("custom") {
		t.Opaque, t.Dialect = v.Raw(), Name
		return t
	}
	t.Description, t.Schema = v.Get("description").Text(), v.Get("input_schema").Raw()
	t.Strict = v.Get("strict").BoolOrNil()
	if !only(v, "type", "name", "description", "input_schema", "cache_control", "strict", "eager_input_streaming") {
		t.Opaque, t.Dialect = v.Raw(), Name
	}
	return t
}

// present returns the bytes of a member that is there and not null.
func present(v jsondoor.Value) json.RawMessage {
	if !v.Present() {
		return nil
	}
	return v.Raw()
}

// only reports whether an object has no members but the named ones, others
// that are null excepted.
func only(v jsondoor.Value, names ...string) bool {
next:
	for m := v.First(); m.Exists(); m = m.Next() {
		for _, n := range names {
			if m.Named(n) {
				continue next
			}
		}
		if m.Present() {
			return false
		}
	}
	return true
}

func decodeMessage(v jsondoor.Value) llm.Message {
	var m llm.Message
	for f := v.First(); f.Exists(); f = f.Next() {
		switch {
		case f.Named("role"):
			m.Role = llm.Role(f.Text())
		case f.Named("content"):
			m.Parts = decodeContent(f)
		case f.Present():
			m.Extra = append(m.Extra, llm.Field{Name: f.Name(), Raw: f.Raw()})
		}
	}
	return m
}

// decodeContent reads a string or an array of blocks.
func decodeContent(v jsondoor.Value) []llm.Part {
	if v.Kind() == jsondoor.String {
		return []llm.Part{{Kind: llm.PartText, Text: v.Text()}}
	}
	parts := make([]llm.Part, 0, v.Len())
	for b := v.First(); b.Exists(); b = b.Next() {
		parts = append(parts, decodeBlock(b))
	}
	return parts
}

// decodeBlock reads one content block. What has members the canonical model
// does not know keeps its own bytes too, for the same dialect.
func decodeBlock(b jsondoor.Value) llm.Part {
	p := llm.Part{CacheControl: present(b.Get("cache_control"))}
	known := false
	switch string(b.Get("type").Bytes()) {
	case "text":
		p.Kind, p.Text = llm.PartText, b.Get("text").Text()
		known = only(b, "type", "text", "cache_control")
	case "image", "document":
		p.Kind = llm.PartImage
		if b.Get("type").Is("document") {
			p.Kind, p.Name = llm.PartDocument, b.Get("title").Text()
		}
		if !decodeSource(&p, b.Get("source")) {
			return llm.Part{Kind: llm.PartOpaque, Opaque: b.Raw(), Dialect: Name, CacheControl: p.CacheControl}
		}
		known = only(b, "type", "source", "cache_control") || p.Kind == llm.PartDocument && only(b, "type", "source", "title", "cache_control")
	case "tool_use":
		p.Kind, p.ID, p.Name = llm.PartToolCall, b.Get("id").Text(), b.Get("name").Text()
		p.Arguments = string(b.Get("input").Raw())
		known = only(b, "type", "id", "name", "input", "cache_control")
	case "tool_result":
		p.Kind, p.ID = llm.PartToolResult, b.Get("tool_use_id").Text()
		p.IsError, _ = b.Get("is_error").Bool()
		if content := b.Get("content"); content.Present() {
			p.Result = decodeContent(content)
		}
		known = only(b, "type", "tool_use_id", "is_error", "content", "cache_control")
	case "thinking":
		p.Kind, p.Text, p.Signature = llm.PartThinking, b.Get("thinking").Text(), signatureOf(b.Get("signature"))
		known = true
	case "redacted_thinking":
		p.Kind, p.Opaque, p.Dialect = llm.PartRedactedThinking, b.Get("data").Raw(), Name
		known = true
	default:
		p.Kind = llm.PartOpaque
	}
	if !known {
		p.Opaque, p.Dialect = b.Raw(), Name
	}
	return p
}

// decodeSource reads the source of an image or document; false: only this
// dialect has its kind (files, content blocks).
func decodeSource(p *llm.Part, src jsondoor.Value) bool {
	switch string(src.Get("type").Bytes()) {
	case "base64":
		p.Media = &llm.Media{MediaType: src.Get("media_type").Text(), Data: src.Get("data").Text()}
	case "url":
		p.Media = &llm.Media{URL: src.Get("url").Text()}
	case "text":
		if p.Kind != llm.PartDocument {
			return false
		}
		p.Text = src.Get("data").Text()
	default:
		return false
	}
	return true
}
