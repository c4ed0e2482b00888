package mock

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// messagesBody is a messages request of which the shape was checked.
type messagesBody struct {
	Model    string
	Messages []struct {
		Role    string
		Content any
	}
	System        any
	MaxTokens     int `json:"max_tokens"`
	Stream        bool
	StopSequences []string `json:"stop_sequences"`
	Temperature   *float64
	TopP          *float64 `json:"top_p"`
	TopK          *int     `json:"top_k"`
	Tools         []struct {
		Type        string
		Name        string
		InputSchema map[string]any `json:"input_schema"`
	}
	ToolChoice *struct {
		Type, Name      string
		DisableParallel bool `json:"disable_parallel_tool_use"`
	} `json:"tool_choice"`
	Thinking *struct {
		Type   string
		Budget int `json:"budget_tokens"`
	}
	OutputConfig struct {
		Format *struct{ Schema any }
	} `json:"output_config"`
}

// read checks and reads a body. count is for count_tokens.
func (n *anthropic) read(tree map[string]any, beta string, count bool) (*request, *problem) {
	shape := n.message
	switch {
	case count:
		shape = n.countToo
	case beta != "":
		shape = n.beta
	}
	if p := shape(nil, tree); p != nil {
		return nil, p
	}
	var b messagesBody
	decode(tree, &b)
	q := &request{model: b.Model, n: 1, stream: b.Stream, limit: b.MaxTokens, stops: b.StopSequences, parallel: true, marked: -1}
	q.items = contents(system, b.System)
	for _, check := range []func(*request, *messagesBody) *problem{n.sampling, n.tools, n.turns, n.prefill} {
		if p := check(q, &b); p != nil {
			return nil, p
		}
	}
	if f := b.OutputConfig.Format; f != nil {
		if unstructured.MatchString(b.Model) {
			return nil, problemf([]any{"output_config", "format"}, "", "This model does not support structured outputs.")
		}
		if why := closedSchema(f.Schema); why != "" {
			return nil, problemf([]any{"output_config", "format", "schema"}, "", "%s", why)
		}
		q.asJSON, q.schema = true, f.Schema
	}
	q.marked = n.cached(tree, q)
	return q, nil
}

// sampling checks stop sequences, thinking and temperatures.
func (n *anthropic) sampling(q *request, b *messagesBody) *problem {
	for i, s := range b.StopSequences {
		if strings.TrimSpace(s) == "" {
			return problemf([]any{"stop_sequences", i}, "", "each stop sequence must contain non-whitespace")
		}
	}
	if adaptive.MatchString(b.Model) {
		for name, set := range map[string]bool{"temperature": b.Temperature != nil && *b.Temperature != 1, "top_p": b.TopP != nil && *b.TopP < 0.99, "top_k": b.TopK != nil} {
			if set {
				return problemf([]any{name}, "", "`%s` is deprecated for this model.", name)
			}
		}
	}
	if b.Thinking == nil || b.Thinking.Type == "disabled" {
		return nil
	}
	q.think = true
	switch {
	case b.Thinking.Type == "enabled" && adaptive.MatchString(b.Model):
		return problemf(nil, "", "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.")
	case b.Thinking.Type == "adaptive" && unadaptive.MatchString(b.Model):
		return problemf(nil, "", "adaptive thinking is not supported on this model")
	case b.Thinking.Type == "enabled" && b.MaxTokens > 0 && b.MaxTokens <= b.Thinking.Budget:
		return problemf(nil, "", "`max_tokens` must be greater than `thinking.budget_tokens`.")
	case b.Temperature != nil && *b.Temperature != 1:
		return problemf(nil, "", "`temperature` may only be set to 1 when thinking is enabled.")
	case b.TopK != nil:
		return problemf(nil, "", "`top_k` must be unset when thinking is enabled.")
	case b.TopP != nil && *b.TopP < 0.95:
		return problemf(nil, "", "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
	case b.ToolChoice != nil && (b.ToolChoice.Type == "any" || b.ToolChoice.Type == "tool"):
		return problemf(nil, "", "Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

func (n *anthropic) tools(q *request, b *messagesBody) *problem {
	for i, t := range b.Tools {
		if serverTool.MatchString(t.Type) {
			continue
		}
		if !anthropicToolName.MatchString(t.Name) {
			return problemf([]any{"tools", i, "custom", "name"}, "", "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
		}
		kind, ok := t.InputSchema["type"]
		if !ok {
			return &problem{kind: missingMember, path: []any{"tools", i, "custom", "input_schema", "type"}}
		}
		if kind != "object" {
			return &problem{kind: notAllowed, path: []any{"tools", i, "custom", "input_schema", "type"}, allowed: []string{"object"}}
		}
		if slices.ContainsFunc(q.tools, func(o tool) bool { return o.name == t.Name }) {
			return problemf([]any{"tools"}, "", "Tool names must be unique.")
		}
		q.tools = append(q.tools, tool{t.Name, t.InputSchema})
	}
	c := b.ToolChoice
	if c == nil {
		return nil
	}
	if len(b.Tools) == 0 && c.Type != "none" {
		return problemf([]any{"tool_choice"}, "", "may only be specified while providing tools")
	}
	q.parallel = !c.DisableParallel
	switch c.Type {
	case "any":
		q.forced = "any"
	case "tool":
		q.forced = c.Name
		if !slices.ContainsFunc(b.Tools, func(t struct {
			Type        string
			Name        string
			InputSchema map[string]any `json:"input_schema"`
		}) bool {
			return t.Name == c.Name
		}) {
			return problemf(nil, "", "Tool '%s' not found in provided tools", c.Name)
		}
	case "none":
		q.tools = nil
	}
	return nil
}

// turns reads the conversation and checks that tool calls and results belong
// together and that thinking is ours.
func (n *anthropic) turns(q *request, b *messagesBody) *problem {
	var open []string // tool_use blocks of the turn before
	first := true
	previous := ""
	for i, m := range b.Messages {
		if m.Role == "system" {
			if unadaptive.MatchString(b.Model) || first {
				return problemf([]any{"messages"}, "", "Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" as an input message role.")
			}
			q.items = append(q.items, contents(system, m.Content)...)
			continue
		}
		if first && m.Role != "user" {
			return problemf([]any{"messages"}, "", "first message must use the \"user\" role")
		}
		first = false
		parts, isList := m.Content.([]any)
		if t, ok := m.Content.(string); ok {
			parts = []any{map[string]any{"type": "text", "text": t}}
		}
		if len(parts) == 0 || !isList && m.Content == "" {
			if m.Role == "assistant" && i == len(b.Messages)-1 {
				continue
			}
			return problemf([]any{"messages", i}, "", "%s messages must have non-empty content", m.Role)
		}
		waiting := open
		if m.Role == "assistant" && previous == "assistant" {
			waiting = nil // turns of one role are one turn
		}
		if m.Role == "user" && previous == "user" {
			waiting = nil
		}
		if m.Role == "user" {
			open = nil
		}
		previous = m.Role
		text := false
		for j, p := range parts {
			o := p.(map[string]any)
			where := []any{"messages", i, "content", j}
			switch kind := o["type"]; kind {
			case "text":
				t := o["text"].(string)
				if t == "" {
					return problemf([]any{"messages"}, "", "text content blocks must be non-empty")
				}
				if strings.TrimSpace(t) == "" && !(m.Role == "assistant" && i == len(b.Messages)-1) {
					return problemf([]any{"messages"}, "", "text content blocks must contain non-whitespace text")
				}
				q.items = append(q.items, item{role: role(m.Role), kind: textItem, text: t})
				text = true
			case "tool_result":
				id := o["tool_use_id"].(string)
				k := slices.Index(waiting, id)
				if m.Role != "user" || k < 0 {
					return problemf(where, "", "unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", id)
				}
				if text {
					return orphaned(i-1, waiting)
				}
				waiting = slices.Delete(slices.Clone(waiting), k, k+1)
				q.items = append(q.items, item{role: user, kind: resultItem, text: joined(o["content"])})
			case "tool_use":
				if m.Role != "assistant" {
					return problemf(where, "", "`tool_use` blocks can only be in `assistant` messages")
				}
				id := o["id"].(string)
				if slices.Contains(open, id) {
					return problemf([]any{"messages"}, "", "`tool_use` ids must be unique")
				}
				open = append(slices.Clone(open), id)
				q.items = append(q.items, item{role: assistant, kind: callItem, name: o["name"].(string), text: compact(o["input"])})
			case "thinking":
				if m.Role != "assistant" {
					return problemf(where, "", "`thinking` blocks may only be in `assistant` messages")
				}
				if o["signature"] != n.author.signature(o["thinking"].(string)) {
					return problemf(where, "", "Invalid `signature` in `thinking` block")
				}
				q.items = append(q.items, item{role: assistant, kind: thinkingItem})
			case "image":
				if m.Role != "user" {
					return problemf(where, "", "`image` blocks can only be in `user` messages")
				}
				q.items = append(q.items, item{role: user, kind: imageItem, text: imageText(o["source"].(map[string]any))})
			case "redacted_thinking":
			default:
				delete(o, "cache_control")
				q.items = append(q.items, item{role: role(m.Role), kind: fileItem, text: compact(o)})
			}
		}
		if m.Role == "user" && len(waiting) > 0 {
			return orphaned(i-1, waiting)
		}
	}
	if len(open) > 0 {
		return orphaned(len(b.Messages)-1, open)
	}
	return nil
}

func orphaned(i int, ids []string) *problem {
	return problemf([]any{"messages", i}, "", "`tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", strings.Join(ids, ", "))
}

// imageText is an image as an OpenAI image_url would name it.
func imageText(source map[string]any) string {
	if source["type"] == "base64" {
		return "data:" + source["media_type"].(string) + ";base64," + source["data"].(string)
	}
	if u, ok := source["url"].(string); ok {
		return u
	}
	return compact(source)
}

// prefill checks a last assistant message and lets the answer go on with it.
func (n *anthropic) prefill(q *request, b *messagesBody) *problem {
	i := len(b.Messages) - 1
	m := b.Messages[i]
	if m.Role != "assistant" {
		return nil
	}
	if unprefillable.MatchString(b.Model) {
		return problemf(nil, "", "This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	if q.think {
		parts, _ := m.Content.([]any)
		first := "text"
		if len(parts) > 0 {
			first, _ = parts[0].(map[string]any)["type"].(string)
		}
		if first != "thinking" && first != "redacted_thinking" {
			return problemf([]any{"messages", i, "content", 0, "type"}, "", "Expected `thinking` or `redacted_thinking`, but found `%s`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.", first)
		}
	}
	if k := len(q.items) - 1; k >= 0 && q.items[k].role == assistant && q.items[k].kind == textItem {
		t := q.items[k].text
		if t != strings.TrimRightFunc(t, unicode.IsSpace) {
			return problemf([]any{"messages"}, "", "final assistant content cannot end with trailing whitespace")
		}
	}
	q.resume, q.echo = true, n.profile == LlamaCpp
	return nil
}

// closedSchema says what structured outputs refuse.
func closedSchema(schema any) string {
	o, ok := schema.(map[string]any)
	if !ok {
		return ""
	}
	if o["type"] == "object" && o["additionalProperties"] != false {
		return "For 'object' type, 'additionalProperties' must be explicitly set to false"
	}
	props, _ := o["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if why := closedSchema(props[name]); why != "" {
			return why
		}
	}
	return closedSchema(o["items"])
}

// cached is how many tokens cache_control covers: what is marked is taken to
// have been seen before. Without a mark it is -1.
func (n *anthropic) cached(tree map[string]any, q *request) int {
	if tree["cache_control"] != nil {
		return q.count()
	}
	covered, marked := 0, -1
	visit := func(v any) {
		parts, _ := v.([]any)
		for _, p := range parts {
			o, _ := p.(map[string]any)
			t, _ := o["text"].(string)
			covered += len(tokens(t))
			if o["cache_control"] != nil {
				marked = covered
			}
		}
		if t, ok := v.(string); ok {
			covered += len(tokens(t))
		}
	}
	visit(tree["tools"])
	visit(tree["system"])
	messages, _ := tree["messages"].([]any)
	for _, m := range messages {
		covered += 3
		visit(m.(map[string]any)["content"])
	}
	return marked
}
