package mock

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// chatBody is a chat request of which the shape was checked.
type chatBody struct {
	Model         string
	Messages      []chatMessage
	N             int
	Stream        bool
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           *int `json:"max_tokens"`
	MaxCompletionTokens *int `json:"max_completion_tokens"`
	Stop                any
	Logprobs            bool
	TopLogprobs         *int `json:"top_logprobs"`
	Temperature         *float64
	TopP                *float64 `json:"top_p"`
	PresencePenalty     *float64 `json:"presence_penalty"`
	FrequencyPenalty    *float64 `json:"frequency_penalty"`
	ParallelToolCalls   *bool    `json:"parallel_tool_calls"`
	ReasoningEffort     string   `json:"reasoning_effort"`
	ServiceTier         string   `json:"service_tier"`
	ResponseFormat      struct {
		Type       string
		JSONSchema struct {
			Name   string
			Strict bool
			Schema any
		} `json:"json_schema"`
	} `json:"response_format"`
	Tools []struct {
		Type     string
		Function function
		Custom   struct{ Name string }
	}
	ToolChoice any `json:"tool_choice"`
	Functions  []function
	Continue   bool  `json:"continue_final_message"`
	Generate   *bool `json:"add_generation_prompt"`
}

type function struct {
	Name       string
	Parameters any
	Strict     bool
}

type chatMessage struct {
	Role       string
	Content    any
	Refusal    *string
	Prefix     bool
	ToolCallID string `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string
		Function struct{ Name, Arguments string }
		Custom   struct{ Name, Input string }
	} `json:"tool_calls"`
	FunctionCall *struct{ Name, Arguments string } `json:"function_call"`
	Audio        any
}

// decode fills v from a tree whose shape was checked.
func decode(tree any, v any) {
	d := json.NewDecoder(strings.NewReader(compact(tree)))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		panic("mock: the shape rules let through what cannot be read: " + err.Error())
	}
}

func (o *openai) readChat(tree map[string]any) (*request, *problem) {
	if p := o.shapes.chat(nil, tree); p != nil {
		return nil, p
	}
	var b chatBody
	decode(tree, &b)
	if p := o.parameters(tree, &b); p != nil {
		return nil, p
	}
	q := &request{model: b.Model, n: max(b.N, 1), stream: b.Stream, usageChunk: b.StreamOptions.IncludeUsage, marked: -1,
		stops: strings_(b.Stop), logprobs: b.Logprobs, parallel: b.ParallelToolCalls == nil || *b.ParallelToolCalls,
		think: b.ReasoningEffort != "" && b.ReasoningEffort != "none" && b.ReasoningEffort != "minimal"}
	if b.TopLogprobs != nil {
		q.alternatives = *b.TopLogprobs
	}
	if l := b.MaxCompletionTokens; l != nil {
		q.limit = *l
	} else if l := b.MaxTokens; l != nil {
		q.limit = *l
	}
	if p := o.tools(q, &b); p != nil {
		return nil, p
	}
	if p := o.messages(q, b.Messages); p != nil {
		return nil, p
	}
	if p := o.format(q, &b); p != nil {
		return nil, p
	}
	return q, o.resume(q, &b)
}

// strings_ are the texts of a string or a list of them.
func strings_(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// parameters checks what depends on other parameters and on the model.
func (o *openai) parameters(tree map[string]any, b *chatBody) *problem {
	has := func(n string) bool { return tree[n] != nil }
	unsupported := func(name string) *problem {
		return problemf([]any{name}, "unsupported_parameter", "Unsupported parameter: '%s' is not supported with this model.", name)
	}
	switch {
	case has("stream_options") && !b.Stream:
		return problemf([]any{"stream_options"}, "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case has("top_logprobs") && !b.Logprobs:
		return problemf([]any{"top_logprobs"}, "", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	case has("max_tokens") && has("max_completion_tokens"):
		return problemf([]any{"max_tokens"}, "", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case has("tool_choice") && !has("tools"):
		return problemf([]any{"tool_choice"}, "", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	case has("parallel_tool_calls") && !has("tools"):
		return problemf([]any{"parallel_tool_calls"}, "", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
	case has("function_call") && !has("functions"):
		return problemf([]any{"function_call"}, "", "Invalid value for 'function_call': 'function_call' is only allowed when 'functions' are specified.")
	}
	if m, ok := tree["metadata"].(map[string]any); ok && len(m) > 16 {
		return problemf([]any{"metadata"}, "object_above_max_properties", "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got %d instead.", len(m))
	}
	if !o.traits.aged {
		return nil
	}
	if reasoners.MatchString(b.Model) {
		if has("max_tokens") {
			return problemf([]any{"max_tokens"}, "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
		}
		for _, n := range []string{"logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "top_p"} {
			if has(n) && !(n == "logprobs" && !b.Logprobs) {
				return unsupported(n)
			}
		}
		if t := b.Temperature; t != nil && *t != 1 {
			return problemf([]any{"temperature"}, "unsupported_value", "Unsupported value: 'temperature' does not support %v with this model. Only the default (1) value is supported.", *t)
		}
	}
	if plainGPT.MatchString(b.Model) && has("reasoning_effort") {
		return problemf([]any{"reasoning_effort"}, "", "Unrecognized request argument supplied: reasoning_effort")
	}
	return nil
}

func (o *openai) tools(q *request, b *chatBody) *problem {
	add := func(f function, path ...any) *problem {
		if !functionName.MatchString(f.Name) {
			return problemf(at(path, "name"), "invalid_value", "Invalid '%s': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", (&problem{path: at(path, "name")}).indexed())
		}
		s, _ := f.Parameters.(map[string]any)
		if f.Parameters != nil && s["type"] != "object" {
			kind := "None"
			if t, ok := s["type"].(string); ok {
				kind = t
			}
			return problemf(at(path, "parameters"), "invalid_function_parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"%s\"'.", f.Name, kind)
		}
		if f.Strict && o.traits.schema {
			if why := strictSchema(f.Parameters, nil); why != "" {
				return problemf(at(path, "parameters"), "invalid_function_parameters", "Invalid schema for function '%s': %s", f.Name, why)
			}
		}
		q.tools = append(q.tools, tool{f.Name, f.Parameters})
		return nil
	}
	for i, t := range b.Tools {
		if t.Type == "custom" {
			q.tools = append(q.tools, tool{name: t.Custom.Name})
			continue
		}
		if p := add(t.Function, "tools", i, "function"); p != nil {
			return p
		}
	}
	for i, f := range b.Functions {
		if p := add(f, "functions", i); p != nil {
			return p
		}
	}
	switch c := b.ToolChoice.(type) {
	case string:
		switch c {
		case "required", "any":
			q.forced = "any"
		case "none":
			q.tools = nil
		}
	case map[string]any:
		for _, k := range []string{"function", "custom"} {
			if f, ok := c[k].(map[string]any); ok {
				q.forced, _ = f["name"].(string)
				if !slices.ContainsFunc(q.tools, func(t tool) bool { return t.name == q.forced }) {
					return problemf([]any{"tool_choice"}, "", "Invalid value for 'tool_choice': no function named '%s' was specified in the 'tools' parameter.", q.forced)
				}
			}
		}
	}
	return nil
}

// messages reads the conversation and checks that tool calls and results belong
// together.
func (o *openai) messages(q *request, ms []chatMessage) *problem {
	var open []string // calls that wait for their result
	missing := func(i int) *problem {
		return problemf([]any{"messages", i, "role"}, "", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(open, ", "))
	}
	for i, m := range ms {
		if m.Role != "tool" && len(open) > 0 {
			return missing(i)
		}
		switch m.Role {
		case "tool", "function":
			if m.Role == "tool" {
				j := slices.Index(open, m.ToolCallID)
				if j < 0 {
					return problemf([]any{"messages", i, "role"}, "", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
				}
				open = slices.Delete(open, j, j+1)
			}
			q.items = append(q.items, item{role: user, kind: resultItem, text: joined(m.Content)})
		case "assistant":
			if m.Content == nil && m.Refusal == nil && m.Audio == nil && len(m.ToolCalls) == 0 && m.FunctionCall == nil {
				return problemf([]any{"messages", i, "content"}, "", "Invalid value for 'content': expected a string, got null.")
			}
			q.items = append(q.items, contents(assistant, m.Content)...)
			if m.Refusal != nil {
				q.items = append(q.items, item{role: assistant, kind: textItem, text: *m.Refusal})
			}
			for _, c := range m.ToolCalls {
				name, args := c.Function.Name+c.Custom.Name, canonical(c.Function.Arguments+c.Custom.Input)
				q.items = append(q.items, item{role: assistant, kind: callItem, name: name, text: args})
				if slices.Contains(open, c.ID) {
					return problemf([]any{"messages", i, "tool_calls"}, "", "Duplicate value for 'tool_call_id' of '%s'", c.ID)
				}
				open = append(open, c.ID)
			}
			if f := m.FunctionCall; f != nil {
				q.items = append(q.items, item{role: assistant, kind: callItem, name: f.Name, text: canonical(f.Arguments)})
			}
		case "user":
			if o.profile == Ollama {
				if p := inlineOnly(i, m.Content); p != nil {
					return p
				}
			}
			q.items = append(q.items, contents(user, m.Content)...)
		default:
			q.items = append(q.items, contents(system, m.Content)...)
		}
	}
	if len(open) > 0 {
		return missing(len(ms))
	}
	return nil
}

func inlineOnly(i int, content any) *problem {
	parts, _ := content.([]any)
	for j, p := range parts {
		if o, ok := p.(map[string]any); ok && o["type"] == "image_url" {
			u, _ := o["image_url"].(map[string]any)["url"].(string)
			if !strings.HasPrefix(u, "data:") {
				return problemf([]any{"messages", i, "content", j}, "", "invalid image input")
			}
		}
	}
	return nil
}

// contents are the items of a message's content.
func contents(r role, content any) []item {
	if s, ok := content.(string); ok {
		return []item{{role: r, kind: textItem, text: s}}
	}
	var out []item
	parts, _ := content.([]any)
	for _, p := range parts {
		o, _ := p.(map[string]any)
		switch o["type"] {
		case "text":
			out = append(out, item{role: r, kind: textItem, text: o["text"].(string)})
		case "refusal":
			out = append(out, item{role: r, kind: textItem, text: o["refusal"].(string)})
		case "image_url":
			out = append(out, item{role: r, kind: imageItem, text: o["image_url"].(map[string]any)["url"].(string)})
		default:
			delete(o, "prompt_cache_breakpoint")
			out = append(out, item{role: r, kind: fileItem, text: compact(o)})
		}
	}
	return out
}

func joined(content any) string {
	var t []string
	for _, it := range contents(user, content) {
		t = append(t, it.text)
	}
	return strings.Join(t, "\n")
}

// canonical is JSON with sorted names and no white space; what is no JSON
// stays.
func canonical(s string) string {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return s
	}
	return compact(v)
}

func (o *openai) format(q *request, b *chatBody) *problem {
	f := b.ResponseFormat
	switch f.Type {
	case "json_object":
		q.asJSON = true
		for _, it := range q.items {
			if strings.Contains(strings.ToLower(it.text), "json") {
				return nil
			}
		}
		if o.traits.schema {
			return problemf([]any{"messages"}, "", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
		}
	case "json_schema":
		q.asJSON, q.schema = true, f.JSONSchema.Schema
		if !o.traits.schema {
			return nil
		}
		if !functionName.MatchString(f.JSONSchema.Name) {
			return problemf([]any{"response_format", "json_schema", "name"}, "invalid_value", "Invalid 'response_format.json_schema.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.")
		}
		if f.JSONSchema.Schema == nil {
			return &problem{kind: missingMember, path: []any{"response_format", "json_schema", "schema"}}
		}
		if f.JSONSchema.Strict {
			if why := strictSchema(f.JSONSchema.Schema, nil); why != "" {
				return problemf([]any{"response_format"}, "", "Invalid schema for response_format '%s': %s", f.JSONSchema.Name, why)
			}
		}
	}
	return nil
}

// strictSchema says what strict structured output refuses: every object lists
// all its properties as required and allows no others.
func strictSchema(schema any, path []string) string {
	o, ok := schema.(map[string]any)
	if !ok {
		return ""
	}
	context := "()"
	if len(path) > 0 {
		context = "('" + strings.Join(path, "', '") + "')"
	}
	if o["type"] == "object" || o["properties"] != nil {
		if o["additionalProperties"] != false {
			return fmt.Sprintf("In context=%s, 'additionalProperties' is required to be supplied and to be false.", context)
		}
		props, _ := o["properties"].(map[string]any)
		required := strings_(o["required"])
		for _, n := range slices.Sorted(maps.Keys(props)) {
			if !slices.Contains(required, n) {
				return fmt.Sprintf("In context=%s, 'required' is required to be supplied and to be an array including every key in properties. Missing '%s'.", context, n)
			}
			if why := strictSchema(props[n], append(slices.Clone(path), "properties", n)); why != "" {
				return why
			}
		}
	}
	if why := strictSchema(o["items"], append(slices.Clone(path), "items")); why != "" {
		return why
	}
	for _, word := range []string{"$defs", "definitions"} {
		defs, _ := o[word].(map[string]any)
		for _, n := range slices.Sorted(maps.Keys(defs)) {
			if why := strictSchema(defs[n], append(slices.Clone(path), word, n)); why != "" {
				return why
			}
		}
	}
	any, _ := o["anyOf"].([]any)
	for i, a := range any {
		if why := strictSchema(a, append(slices.Clone(path), "anyOf", fmt.Sprint(i))); why != "" {
			return why
		}
	}
	return ""
}

// resume decides whether a last assistant message is the beginning of the
// answer.
func (o *openai) resume(q *request, b *chatBody) *problem {
	last := b.Messages[len(b.Messages)-1]
	isAssistant := last.Role == "assistant"
	q.echo = o.traits.echo && isAssistant
	switch o.traits.prefill {
	case "always":
		q.resume = isAssistant
	case "marked":
		for i, m := range b.Messages[:len(b.Messages)-1] {
			if m.Prefix {
				return problemf([]any{"messages", i, "prefix"}, "", "Only the last message may have prefix set.")
			}
		}
		if isAssistant && !last.Prefix {
			return problemf([]any{"messages"}, "invalid_request_message_order", "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant")
		}
		q.resume = isAssistant
	case "final":
		if b.Continue {
			if b.Generate == nil || *b.Generate {
				return problemf([]any{"continue_final_message"}, "", "Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
			}
			if !isAssistant {
				return problemf([]any{"continue_final_message"}, "", "continue_final_message is set but the final message is not from the assistant.")
			}
		}
		q.resume = b.Continue
	}
	return nil
}
