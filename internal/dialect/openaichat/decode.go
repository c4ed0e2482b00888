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
		r.MaxTokens = v.IntOrNil() // the newer name wins
	}
	return r, nil
}

// extra keeps a member as it is.
func extra(m jsondoor.Value) llm.Field {
	return llm.Field{Name: m.Name(), Raw: clone(m)}
}

func clone(v jsondoor.Value) json.RawMessage { return bytes.Clone(v.Raw()) }

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
		r.MaxTokens = v.IntOrNil()
	case "temperature":
		r.Temperature = v.FloatOrNil()
	case "top_p":
		r.TopP = v.FloatOrNil()
	case "top_k":
		r.TopK = v.IntOrNil()
	case "n":
		r.N = v.IntOrNil()
	case "seed":
		r.Seed = v.IntOrNil()
	case "frequency_penalty":
		r.FrequencyPenalty = v.FloatOrNil()
	case "presence_penalty":
		r.PresencePenalty = v.FloatOrNil()
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
			r.BestOf = v.IntOrNil()
		case "logprobs":
			r.TopLogprobs = v.IntOrNil()
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
			r.Dimensions = v.IntOrNil()
		case "input_type":
			r.InputType = v.Text()
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
		r.ToolChoice.Parallel = v.BoolOrNil()
	case "response_format":
		return decodeFormat(&r.Format, v)
	case "reasoning_effort":
		r.Reasoning = &llm.Reasoning{Effort: v.Text()}
	case "logprobs":
		r.Logprobs = v.BoolOrNil()
	case "top_logprobs":
		r.TopLogprobs = v.IntOrNil()
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

// decodeTool reads a tool. A function keeps its own bytes beside the Schema when
// it has members the canonical model does not know; a tool of another type has
// nothing but its bytes.
func decodeTool(v jsondoor.Value) llm.ToolDef {
	fn := v.Get("function")
	t := llm.ToolDef{Name: fn.Get("name").Text(), Description: fn.Get("description").Text(), Strict: fn.Get("strict").BoolOrNil()}
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
		f.Strict = s.Get("strict").BoolOrNil()
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
	if p.Opaque = callExtra(v); p.Opaque != nil {
		p.Dialect = Name
	}
	return p
}

// callExtra returns an object of a tool call's members that the canonical model
// does not know, nil for none. Gemini has its thought signature there
// (extra_content), and refuses a conversation in which it is missing.
func callExtra(v jsondoor.Value) json.RawMessage {
	var w jsondoor.Writer
	for m := v.First(); m.Exists(); m = m.Next() {
		switch string(m.RawName()) {
		case "id", "type", "function", "index":
			continue
		}
		if !m.Present() {
			continue
		}
		if len(w.Buf) == 0 {
			w.Object()
		}
		w.Key(m.Name()).Raw(m.Raw())
	}
	if len(w.Buf) == 0 {
		return nil
	}
	return w.EndObject().Buf
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
