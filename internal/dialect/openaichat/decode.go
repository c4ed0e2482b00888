package openaichat

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Decode implements dialect.Codec.
func (Codec) Decode(b *dialect.Body) (*llm.Request, error) {
	d, f := document(b)
	if f != nil {
		return nil, f
	}
	r := &llm.Request{Operation: b.Op, Dialect: Name}
	for m := d.Root().First(); m.Exists(); m = m.Next() {
		if m.Present() && !decodeMember(r, m) {
			r.Extra = append(r.Extra, extra(m))
		}
	}
	if v := d.Root().Get("max_completion_tokens"); v.Present() {
		r.MaxTokens = integerOf(v) // the newer name wins
	}
	return r, nil
}

// extra keeps a member as it is.
func extra(m jsondoor.Value) llm.Field {
	return llm.Field{Name: m.Name(), Raw: clone(m)}
}

func clone(v jsondoor.Value) json.RawMessage { return bytes.Clone(v.Raw()) }

func integerOf(v jsondoor.Value) *int64 {
	n, ok := v.Int()
	if !ok {
		return nil
	}
	return &n
}

func floatOf(v jsondoor.Value) *float64 {
	f, ok := v.Float()
	if !ok {
		return nil
	}
	return &f
}

func boolOf(v jsondoor.Value) *bool {
	b, ok := v.Bool()
	if !ok {
		return nil
	}
	return &b
}

// decodeMember takes one top-level member in; false: it has no place in the
// canonical model.
func decodeMember(r *llm.Request, v jsondoor.Value) bool {
	switch name := v.RawName(); string(name) {
	case "model":
		r.Model = v.Text()
	case "stream":
		r.Stream, _ = v.Bool()
	case "stream_options":
		r.IncludeUsage, _ = v.Get("include_usage").Bool()
	case "max_tokens", "max_completion_tokens":
		r.MaxTokens = integerOf(v)
	case "temperature":
		r.Temperature = floatOf(v)
	case "top_p":
		r.TopP = floatOf(v)
	case "top_k":
		r.TopK = integerOf(v)
	case "n":
		r.N = integerOf(v)
	case "seed":
		r.Seed = integerOf(v)
	case "frequency_penalty":
		r.FrequencyPenalty = floatOf(v)
	case "presence_penalty":
		r.PresencePenalty = floatOf(v)
	case "logit_bias":
		r.LogitBias = clone(v)
	case "stop":
		return decodeStrings(&r.Stop, v)
	case "user":
		r.User = v.Text()
	default:
		return decodeOfOperation(r, v)
	}
	return true
}

// decodeOfOperation takes in a member that only one operation knows.
func decodeOfOperation(r *llm.Request, v jsondoor.Value) bool {
	name := string(v.RawName())
	switch r.Operation {
	case llm.Chat:
		return decodeChatMember(r, name, v)
	case llm.Completion:
		switch name {
		case "prompt":
			return decodeInput(&r.Prompt, &r.InputTokens, v)
		case "suffix":
			r.Suffix = v.Text()
		case "echo":
			r.Echo, _ = v.Bool()
		case "best_of":
			r.BestOf = integerOf(v)
		case "logprobs":
			r.TopLogprobs = integerOf(v)
		default:
			return false
		}
	case llm.Embedding:
		switch name {
		case "input":
			return decodeInput(&r.Input, &r.InputTokens, v)
		case "encoding_format":
			r.EncodingFormat = v.Text()
		case "dimensions":
			r.Dimensions = integerOf(v)
		default:
			return false
		}
	}
	return true
}

func decodeChatMember(r *llm.Request, name string, v jsondoor.Value) bool {
	switch name {
	case "messages":
		for m := v.First(); m.Exists(); m = m.Next() {
			r.Messages = append(r.Messages, decodeMessage(m))
		}
	case "tools":
		for t := v.First(); t.Exists(); t = t.Next() {
			r.Tools = append(r.Tools, decodeTool(t))
		}
	case "tool_choice":
		return decodeToolChoice(&r.ToolChoice, v)
	case "parallel_tool_calls":
		r.ToolChoice.Parallel = boolOf(v)
	case "response_format":
		return decodeFormat(&r.Format, v)
	case "reasoning_effort":
		r.Reasoning = &llm.Reasoning{Effort: v.Text()}
	case "logprobs":
		r.Logprobs = boolOf(v)
	case "top_logprobs":
		r.TopLogprobs = integerOf(v)
	case "service_tier":
		r.ServiceTier = v.Text()
	default:
		return false
	}
	return true
}

func decodeStrings(dst *[]string, v jsondoor.Value) bool {
	if v.Kind() == jsondoor.String {
		*dst = []string{v.Text()}
		return true
	}
	for e := v.First(); e.Exists(); e = e.Next() {
		if e.Kind() != jsondoor.String {
			*dst = nil
			return false
		}
		*dst = append(*dst, e.Text())
	}
	return true
}

// decodeInput reads a string, strings, token ids or lists of token ids.
func decodeInput(texts *[]string, ids *[][]int64, v jsondoor.Value) bool {
	if first := v.First().Kind(); v.Kind() == jsondoor.String || first == jsondoor.String {
		return decodeStrings(texts, v)
	} else if first == jsondoor.Number {
		var one []int64
		if json.Unmarshal(v.Raw(), &one) != nil {
			return false
		}
		*ids = [][]int64{one}
		return true
	}
	return json.Unmarshal(v.Raw(), ids) == nil
}

func decodeMessage(v jsondoor.Value) llm.Message {
	m := llm.Message{Role: llm.Role(v.Get("role").Text())}
	if m.Role == llm.Tool {
		result := llm.Part{Kind: llm.PartToolResult, ID: v.Get("tool_call_id").Text(), Result: decodeContent(v.Get("content"))}
		m.Parts = []llm.Part{result}
	} else {
		m.Parts = decodeParts(v, "")
	}
	for e := v.First(); e.Exists(); e = e.Next() {
		if !e.Present() {
			continue
		}
		switch string(e.RawName()) {
		case "role", "content":
		case "name":
			m.Name = e.Text()
		case "tool_call_id":
			if m.Role != llm.Tool {
				m.Extra = append(m.Extra, extra(e))
			}
		case "refusal", "reasoning", "reasoning_content", "thinking_blocks", "tool_calls":
			if m.Role == llm.Tool {
				m.Extra = append(m.Extra, extra(e))
			}
		default:
			m.Extra = append(m.Extra, extra(e))
		}
	}
	return m
}

// decodeParts reads the parts of a message, of a request or an answer:
// thinking first, as models produce it, then content, refusal and tool calls.
// Calls without an id get one that begins with prefix.
func decodeParts(v jsondoor.Value, prefix string) []llm.Part {
	parts := decodeThinking(v)
	parts = append(parts, decodeContent(v.Get("content"))...)
	if s := v.Get("refusal"); s.Size() > 0 {
		parts = append(parts, llm.Part{Kind: llm.PartRefusal, Text: s.Text()})
	}
	n := 0
	for c := v.Get("tool_calls").First(); c.Exists(); c, n = c.Next(), n+1 {
		parts = append(parts, decodeCall(c, prefix, n))
	}
	return parts
}

// decodeThinking reads thinking: thinking_blocks where there are any, else the
// plain text. A stream shows text and signature apart, so a client that sends
// back what it gathered may have the text in reasoning_content and a signed
// block without text: they are one again. With several such blocks nobody can
// tell whose the text is; it then goes without the signatures, which are of no
// use to a text that is not theirs.
func decodeThinking(v jsondoor.Value) []llm.Part {
	var parts []llm.Part
	text := thinkingText(v)
	bare := 0 // signed blocks without text
	said := false
	for b := v.Get("thinking_blocks").First(); b.Exists(); b = b.Next() {
		if b.Get("type").Is("redacted_thinking") {
			parts = append(parts, llm.Part{Kind: llm.PartRedactedThinking, Opaque: clone(b.Get("data")), Dialect: "anthropic"})
			continue
		}
		p := llm.Part{Kind: llm.PartThinking, Text: b.Get("thinking").Text(), Signature: b.Get("signature").Text()}
		said = said || p.Text != ""
		if p.Text == "" && p.Signature != "" {
			bare++
		}
		parts = append(parts, p)
	}
	if said || text.Size() == 0 {
		return parts
	}
	whole := llm.Part{Kind: llm.PartThinking, Text: text.Text()}
	for i := range parts {
		if p := &parts[i]; bare == 1 && p.Kind == llm.PartThinking && p.Signature != "" {
			p.Text = whole.Text
			return parts
		}
	}
	redacted := slices.DeleteFunc(parts, func(p llm.Part) bool { return p.Kind == llm.PartThinking })
	return append([]llm.Part{whole}, redacted...)
}

// thinkingText returns the thinking of a message or delta in either spelling.
func thinkingText(v jsondoor.Value) jsondoor.Value {
	if s := v.Get("reasoning_content"); s.Size() > 0 {
		return s
	}
	return v.Get("reasoning")
}

func decodeContent(v jsondoor.Value) []llm.Part {
	if v.Kind() == jsondoor.String {
		if v.Size() == 0 {
			return nil
		}
		return []llm.Part{{Kind: llm.PartText, Text: v.Text()}}
	}
	var parts []llm.Part
	for p := v.First(); p.Exists(); p = p.Next() {
		parts = append(parts, decodePart(p))
	}
	return parts
}

func decodePart(v jsondoor.Value) llm.Part {
	opaque := llm.Part{Kind: llm.PartOpaque, Opaque: clone(v), Dialect: Name}
	p := llm.Part{}
	if c := v.Get("cache_control"); c.Present() {
		p.CacheControl = clone(c)
	}
	switch typ := v.Get("type"); {
	case typ.Is("text") && only(v, "text"):
		p.Kind, p.Text = llm.PartText, v.Get("text").Text()
	case typ.Is("refusal") && only(v, "refusal"):
		p.Kind, p.Text = llm.PartRefusal, v.Get("refusal").Text()
	case typ.Is("thinking") && only(v, "thinking"):
		var b strings.Builder
		for t := v.Get("thinking").First(); t.Exists(); t = t.Next() {
			b.WriteString(t.Get("text").Text())
		}
		p.Kind, p.Text = llm.PartThinking, b.String()
	case typ.Is("image_url") && only(v, "image_url"):
		image := v.Get("image_url")
		url := image.Get("url").Text()
		if image.Kind() == jsondoor.String { // Mistral's short form
			url = image.Text()
		}
		p.Kind, p.Media = llm.PartImage, media(url)
		p.Media.Detail = image.Get("detail").Text()
	case typ.Is("input_audio") && only(v, "input_audio"):
		a := v.Get("input_audio")
		p.Kind, p.Media = llm.PartAudio, &llm.Media{MediaType: "audio/" + a.Get("format").Text(), Data: a.Get("data").Text()}
	case typ.Is("file") && only(v, "file") && !v.Get("file").Get("file_id").Present():
		file := v.Get("file")
		p.Kind, p.Name, p.Media = llm.PartDocument, file.Get("filename").Text(), media(file.Get("file_data").Text())
	default:
		return opaque
	}
	return p
}

// only reports whether a part has no members but type, cache_control and name,
// so that nothing is lost in taking it apart.
func only(v jsondoor.Value, name string) bool {
	for m := v.First(); m.Exists(); m = m.Next() {
		if m.Present() && !m.Named("type") && !m.Named("cache_control") && !m.Named(name) {
			return false
		}
	}
	return true
}

// media takes a data URL apart; any other is kept as it is.
func media(url string) *llm.Media {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		if typ, data, ok := strings.Cut(rest, ";base64,"); ok {
			return &llm.Media{MediaType: typ, Data: data}
		}
	}
	return &llm.Media{URL: url}
}

// decodeTool reads a tool. A function keeps its own bytes beside the Schema when
// it has members the canonical model does not know; a tool of another type has
// nothing but its bytes.
func decodeTool(v jsondoor.Value) llm.ToolDef {
	fn := v.Get("function")
	t := llm.ToolDef{Name: fn.Get("name").Text(), Description: fn.Get("description").Text(), Strict: boolOf(fn.Get("strict"))}
	if typ := v.Get("type"); typ.Present() && !typ.Is("function") || fn.Kind() != jsondoor.Object {
		t.Opaque, t.Dialect = v.Raw(), Name
		return t
	}
	if p := fn.Get("parameters"); p.Present() {
		t.Schema = p.Raw()
	}
	if c := v.Get("cache_control"); c.Present() {
		t.CacheControl = clone(c)
	}
	if unknown(v, toolMembers) != "" || unknown(fn, functionMembers) != "" {
		t.Opaque, t.Dialect = v.Raw(), Name
		if t.Schema == nil { // which would make it a tool of this dialect's servers
			t.Schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
	}
	return t
}

var (
	toolMembers     = []string{"type", "function", "cache_control"}
	functionMembers = []string{"name", "description", "parameters", "strict"}
)

// unknown returns the name of a member, null ones excepted, that is not among
// the known; empty if there is none.
func unknown(v jsondoor.Value, known []string) string {
	for m := v.First(); m.Exists(); m = m.Next() {
		if m.Present() && !slices.Contains(known, m.Name()) {
			return m.Name()
		}
	}
	return ""
}

func decodeToolChoice(c *llm.ToolChoice, v jsondoor.Value) bool {
	switch {
	case v.Is("auto"):
		c.Mode = llm.ToolAuto
	case v.Is("none"):
		c.Mode = llm.ToolNone
	case v.Is("required"), v.Is("any"):
		c.Mode = llm.ToolRequired
	case v.Get("type").Is("function") && v.Get("function").Get("name").Kind() == jsondoor.String:
		c.Mode, c.Name = llm.ToolNamed, v.Get("function").Get("name").Text()
	default:
		return false
	}
	return true
}

func decodeFormat(f *llm.Format, v jsondoor.Value) bool {
	switch typ := v.Get("type"); {
	case typ.Is("text"):
		f.Kind = llm.FormatText
	case typ.Is("json_object"):
		f.Kind = llm.FormatObject
	case typ.Is("json_schema"):
		s := v.Get("json_schema")
		f.Kind, f.Name, f.Description = llm.FormatSchema, s.Get("name").Text(), s.Get("description").Text()
		f.Strict = boolOf(s.Get("strict"))
		if schema := s.Get("schema"); schema.Present() {
			f.Schema = clone(schema)
		}
	default:
		return false
	}
	return true
}

// decodeCall reads a tool call of a whole message. Arguments may be an object
// where a server does not quote them, or missing.
func decodeCall(v jsondoor.Value, prefix string, n int) llm.Part {
	if typ := v.Get("type"); typ.Present() && !typ.Is("function") {
		return llm.Part{Kind: llm.PartOpaque, ID: v.Get("id").Text(), Name: "tool_calls", Opaque: clone(v), Dialect: Name}
	}
	fn := v.Get("function")
	p := llm.Part{Kind: llm.PartToolCall, ID: v.Get("id").Text(), Name: fn.Get("name").Text(), Arguments: arguments(fn.Get("arguments"))}
	if p.ID == "" {
		p.ID = callID(prefix, n)
	}
	return p
}

func arguments(v jsondoor.Value) string {
	switch v.Kind() {
	case jsondoor.String:
		if s := v.Text(); strings.TrimSpace(s) != "" {
			return s
		}
	case jsondoor.Object:
		return string(v.Raw())
	}
	return "{}"
}
