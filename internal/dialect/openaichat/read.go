package openaichat

import (
	"errors"
	"fmt"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Read implements dialect.Codec.
func (Codec) Read(op llm.Operation, raw []byte) (*dialect.Body, error) {
	s, f := requestSchema(op)
	if f != nil {
		return nil, f
	}
	d, err := jsondoor.Parse(raw, s)
	if err != nil {
		return nil, refusal(err)
	}
	b := &dialect.Body{Op: op, Raw: raw, Index: d}
	if f := inspect(d.Root(), b); f != nil {
		d.Release()
		return nil, f
	}
	return b, nil
}

// refusal is the fault of a body that the door refused.
func refusal(err error) *fault.Error {
	f := &fault.Error{Kind: fault.BadRequest, Code: "invalid_json", Message: "The request body was refused: " + err.Error() + ".", Cause: err}
	var e *jsondoor.Error
	if errors.As(err, &e) {
		f.Param = e.Path
		if e.Reason == jsondoor.Duplicate || e.Reason == jsondoor.Variant {
			f.Code = "ambiguous_json"
		}
	}
	return f
}

func missing(param string) *fault.Error {
	return &fault.Error{Kind: fault.BadRequest, Code: "missing_required_parameter", Param: param,
		Message: fmt.Sprintf("Missing required parameter: '%s'.", param)}
}

func wrongType(param, want string, got jsondoor.Value) *fault.Error {
	what := "the body"
	if param != "" {
		what = "'" + param + "'"
	}
	return &fault.Error{Kind: fault.BadRequest, Code: "invalid_type", Param: param,
		Message: fmt.Sprintf("Invalid type for %s: expected %s, but got %s instead.", what, want, got.Kind())}
}

func empty(param string) *fault.Error {
	return &fault.Error{Kind: fault.BadRequest, Code: "empty_array", Param: param,
		Message: fmt.Sprintf("Invalid '%s': it must not be empty.", param)}
}

// shape is a set of JSON types that a member may have.
type shape uint8

const (
	str shape = 1 << iota
	boolean
	number
	integer
	list
	object
)

func (s shape) String() string {
	words := map[shape]string{str: "a string", boolean: "a boolean", number: "a number", integer: "an integer",
		list: "an array", object: "an object", str | list: "a string or an array", str | object: "a string or an object"}
	return words[s]
}

func (s shape) fits(v jsondoor.Value) bool {
	switch v.Kind() {
	case jsondoor.String:
		return s&str != 0
	case jsondoor.True, jsondoor.False:
		return s&boolean != 0
	case jsondoor.Array:
		return s&list != 0
	case jsondoor.Object:
		return s&object != 0
	case jsondoor.Number:
		if s&integer != 0 {
			_, ok := v.Int()
			return ok
		}
		return s&number != 0
	}
	return true // null: not said
}

// shapes are the types of the members of requests. Members that are not here
// are the provider's to judge.
var shapes = map[string]shape{
	"model": str, "stream": boolean, "user": str, "n": integer, "seed": integer, "stop": str | list,
	"stream_options": object, "max_tokens": integer, "max_completion_tokens": integer, "temperature": number,
	"top_p": number, "top_k": integer, "logit_bias": object, "frequency_penalty": number, "presence_penalty": number,
	"messages": list, "top_logprobs": integer, "response_format": object, "tools": list, "parallel_tool_calls": boolean,
	"tool_choice": str | object, "functions": list, "function_call": str | object, "reasoning_effort": str,
	"safety_identifier": str, "service_tier": str, "modalities": list, "prompt": str | list, "suffix": str,
	"echo": boolean, "best_of": integer, "input": str | list, "encoding_format": str, "dimensions": integer, "input_type": str,
}

// inspect checks what the operation requires and notes the facts.
func inspect(r jsondoor.Value, b *dialect.Body) *fault.Error {
	if r.Kind() != jsondoor.Object {
		return wrongType("", "an object", r)
	}
	f := &b.Facts
	for m := r.First(); m.Exists(); m = m.Next() {
		name := m.RawName()
		if s, ok := shapes[string(name)]; ok && !s.fits(m) {
			return wrongType(string(name), s.String(), m)
		}
		if m.Present() {
			f.Parameters |= llm.ParameterOf(name)
			note(f, name, m)
		}
	}
	if f.Model == "" {
		return missing("model")
	}
	switch b.Op {
	case llm.Chat:
		if v := r.Get("logprobs"); !boolean.fits(v) {
			return wrongType("logprobs", boolean.String(), v)
		}
		return inspectMessages(r.Get("messages"), f)
	case llm.Completion:
		if v := r.Get("logprobs"); !integer.fits(v) {
			return wrongType("logprobs", integer.String(), v)
		}
		v := r.Get("prompt")
		if first := v.First().Kind(); first == jsondoor.String || first == jsondoor.Array {
			f.Prompts = int64(v.Len())
		}
		return inspectInput("prompt", v, f)
	default:
		if v := r.Get("input"); v.First().Kind() != jsondoor.Number { // which is one input
			f.Inputs = v.Len()
		}
		return inspectInput("input", r.Get("input"), f)
	}
}

// note takes the facts that one top-level member tells.
func note(f *llm.Facts, name []byte, v jsondoor.Value) {
	yes, _ := v.Bool()
	n, _ := v.Int()
	switch string(name) {
	case "model":
		f.Model = v.Text()
	case "stream":
		if yes {
			f.Stream = true
			f.Features |= llm.FeatureStream
		}
	case "user":
		if s := v.Text(); s != "" {
			f.EndUser = s
		}
	case "safety_identifier": // OpenAI's newer name for the same thing
		if f.EndUser == "" {
			f.EndUser = v.Text()
		}
	case "stream_options":
		f.IncludeUsage, _ = v.Get("include_usage").Bool()
	case "max_tokens":
		if f.MaxTokens == 0 {
			f.MaxTokens = n
		}
	case "max_completion_tokens":
		f.MaxTokens = n
	case "n":
		if f.N = n; n > 1 {
			f.Features |= llm.FeatureN
		}
	case "seed":
		f.Features |= llm.FeatureSeed
	case "stop":
		if v.Kind() == jsondoor.String || v.First().Exists() {
			f.Features |= llm.FeatureStop
		}
	case "logit_bias":
		f.Features |= llm.FeatureLogitBias
	case "logprobs":
		if yes || v.Kind() == jsondoor.Number {
			f.Features |= llm.FeatureLogprobs
		}
	case "suffix":
		f.Features |= llm.FeatureSuffix
		f.TextBytes += v.Size()
	case "reasoning_effort", "reasoning":
		f.Features |= llm.FeatureThinking
	case "web_search_options":
		f.Features |= llm.FeatureServerTools
	case "audio":
		f.Features |= llm.FeatureAudio
	case "parallel_tool_calls":
		if yes {
			f.Features |= llm.FeatureParallelTools
		}
	case "response_format":
		switch t := v.Get("type"); {
		case t.Is("json_object"):
			f.Features |= llm.FeatureJSONObject
		case t.Is("json_schema"):
			f.Features |= llm.FeatureJSONSchema
			f.TextBytes += len(v.Get("json_schema").Raw())
		}
	case "tool_choice":
		if v.Kind() == jsondoor.Object || v.Is("required") || v.Is("any") {
			f.Features |= llm.FeatureToolRequired
		}
	case "functions":
		f.Features |= llm.FeatureTools
		f.TextBytes += len(v.Raw())
	case "tools":
		f.TextBytes += len(v.Raw())
		for t := v.First(); t.Exists(); t = t.Next() {
			f.Features |= llm.FeatureTools
			if typ := t.Get("type"); typ.Exists() && !typ.Is("function") && !typ.Is("custom") {
				f.Features |= llm.FeatureServerTools
			}
			if t.Get("cache_control").Present() {
				f.Features |= llm.FeatureCacheControl
			}
		}
	}
}

// inspectInput checks a prompt or an embedding's input: a string, strings, token
// ids, or lists of token ids.
func inspectInput(name string, v jsondoor.Value, f *llm.Facts) *fault.Error {
	switch v.Kind() {
	case jsondoor.Missing, jsondoor.Null:
		return missing(name)
	case jsondoor.String:
		f.TextBytes += v.Size()
		return nil
	}
	first := v.First()
	if !first.Exists() {
		return empty(name)
	}
	for e := first; e.Exists(); e = e.Next() {
		switch e.Kind() {
		case jsondoor.String, jsondoor.Array, jsondoor.Number:
			if e.Kind() != first.Kind() {
				return wrongType(name, "elements of one type", e)
			}
			size := max(e.Size(), 0)
			f.Tokens = f.Tokens || e.Kind() != jsondoor.String
			f.TextBytes += size
			if e.Kind() != jsondoor.Number { // a text or prompt of its own
				f.LongestBytes = max(f.LongestBytes, size)
			}
		default:
			return wrongType(name, "strings or token ids", e)
		}
	}
	return nil
}
