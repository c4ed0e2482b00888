package anthropic

import (
	"errors"
	"strconv"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Read implements dialect.Codec. The Body's Index is a *jsondoor.Doc.
func (Codec) Read(op llm.Operation, raw []byte) (*dialect.Body, error) {
	if op != llm.Chat && op != llm.CountTokens {
		return nil, &fault.Error{Kind: fault.NotFound, Message: "the Anthropic API has no " + string(op) + " operation"}
	}
	d, err := jsondoor.Parse(raw, requestSchema)
	if err != nil {
		f := &fault.Error{Kind: fault.BadRequest, Message: "the request body is refused: " + err.Error(), Cause: err}
		if e := (*jsondoor.Error)(nil); errors.As(err, &e) {
			f.Param = e.Path
			if e.Reason == jsondoor.TooLarge {
				f.Kind = fault.TooLarge
			}
		}
		return nil, f
	}
	c := checker{facts: llm.Facts{IncludeUsage: true}}
	if p := c.request(op, d.Root()); p != nil {
		d.Release()
		return nil, invalid(p.path, p.why)
	}
	return &dialect.Body{Op: op, Raw: raw, Facts: c.facts, Index: d}, nil
}

// problem says what is wrong with a request, and where. Paths are made only
// when something is.
type problem struct{ path, why string }

func wrong(path, why string) *problem { return &problem{path, why} }

// under puts a member's name in front of the path.
func (p *problem) under(name string) *problem {
	switch {
	case p == nil:
	case p.path == "":
		p.path = name
	case name != "":
		p.path = name + "." + p.path
	}
	return p
}

// in puts a place in a list in front of the path, as the API writes it:
// messages.0.content.
func (p *problem) in(list string, i int) *problem {
	return p.under(strconv.Itoa(i)).under(list)
}

// checker validates a request and collects its facts on the way.
type checker struct {
	facts llm.Facts
	first dialect.Conversation
}

func (c *checker) uses(f llm.Features) { c.facts.Features |= f }

func (c *checker) request(op llm.Operation, root jsondoor.Value) *problem {
	if root.Kind() != jsondoor.Object {
		return wrong("body", "Input should be a valid object")
	}
	var messages, model, limit jsondoor.Value
	for v := root.First(); v.Exists(); v = v.Next() {
		var err *problem
		if v.Present() {
			c.facts.Parameters |= llm.ParameterOf(v.RawName())
		}
		switch v.Name() {
		case "model":
			model = v
		case "messages":
			messages = v
		case "max_tokens":
			limit = v
		case "system":
			before := c.facts.TextBytes
			err = c.system(v)
			c.facts.SystemBytes += c.facts.TextBytes - before
		case "tools":
			err = c.tools(v)
		case "tool_choice":
			err = c.toolChoice(v)
		case "thinking":
			err = c.thinking(v)
		case "output_config", "output_format":
			err = c.outputConfig(v)
		case "cache_control":
			if v.Present() {
				c.uses(llm.FeatureCacheControl)
			}
		case "mcp_servers":
			if v.Present() && len(v.Raw()) > 2 {
				c.uses(llm.FeatureServerTools)
			}
		case "stop_sequences":
			err = c.stop(v)
		case "stream":
			on, ok := v.Bool()
			if v.Present() && !ok {
				err = wrong("stream", "Input should be a valid boolean")
			}
			if c.facts.Stream = on; on {
				c.uses(llm.FeatureStream)
			}
		case "temperature", "top_p":
			if _, ok := v.Float(); v.Present() && !ok {
				err = wrong(v.Name(), "Input should be a valid number")
			}
		case "top_k":
			if _, ok := v.Int(); v.Present() && !ok {
				err = wrong("top_k", "Input should be a valid integer")
			}
		case "metadata":
			if err = want(v, "metadata", jsondoor.Object); err == nil {
				c.facts.EndUser = v.Get("user_id").Text()
			}
		case "service_tier":
			err = want(v, "service_tier", jsondoor.String)
		}
		if err != nil {
			return err
		}
	}
	for _, m := range []struct {
		name string
		v    jsondoor.Value
		need bool
	}{{"model", model, true}, {"messages", messages, true}, {"max_tokens", limit, op == llm.Chat}} {
		if m.need && !m.v.Exists() {
			return wrong(m.name, "Field required")
		}
	}
	if model.Kind() != jsondoor.String || model.Size() == 0 {
		return wrong("model", "Input should be a non-empty string")
	}
	c.facts.Model = model.Text()
	if limit.Exists() {
		n, ok := limit.Int()
		if !ok || n < 0 {
			return wrong("max_tokens", "Input should be a valid integer, 0 or more")
		}
		c.facts.MaxTokens = n
	}
	return c.messages(messages)
}

// want checks the type of a member that may be absent or null.
func want(v jsondoor.Value, name string, k jsondoor.Kind) *problem {
	if v.Present() && v.Kind() != k {
		return wrong(name, "Input should be "+k.String())
	}
	return nil
}

func (c *checker) system(v jsondoor.Value) *problem {
	switch v.Kind() {
	case jsondoor.String:
		c.text(v, true)
		return nil
	case jsondoor.Array:
		return c.blocks(v, true).under("system")
	}
	return want(v, "system", jsondoor.String)
}

func (c *checker) messages(v jsondoor.Value) *problem {
	if v.Kind() != jsondoor.Array {
		return wrong("messages", "Input should be a valid array")
	}
	i, first, leading := 0, true, true
	for m := v.First(); m.Exists(); m = m.Next() {
		if m.Kind() != jsondoor.Object {
			return wrong("", "Input should be a valid object").in("messages", i)
		}
		role, content := m.Get("role"), m.Get("content")
		switch {
		case !role.Exists():
			return wrong("role", "Field required").in("messages", i)
		case !content.Exists():
			return wrong("content", "Field required").in("messages", i)
		case !role.Is("user") && !role.Is("assistant") && !role.Is("system"):
			return wrong("role", "Input should be 'user', 'assistant' or 'system'").in("messages", i)
		}
		opening := first && role.Is("user")
		before := c.facts.TextBytes
		switch content.Kind() {
		case jsondoor.String:
			c.text(content, opening)
		case jsondoor.Array:
			if err := c.blocks(content, opening); err != nil {
				return err.under("content").in("messages", i)
			}
		default:
			return wrong("content", "Input should be a valid string or array").in("messages", i)
		}
		first = first && !opening
		if leading = leading && role.Is("system"); leading {
			c.facts.SystemBytes += c.facts.TextBytes - before
		}
		if role.Is("user") && !resultsOnly(content) {
			c.facts.Turns++
		}
		if !m.Next().Exists() && role.Is("assistant") {
			c.uses(llm.FeaturePrefill)
		}
		i++
	}
	if i == 0 {
		return wrong("messages", "at least one message is required")
	}
	c.facts.Conversation = c.first.Key()
	return nil
}

// resultsOnly reports a message that brings results of tools and says nothing.
func resultsOnly(content jsondoor.Value) bool {
	for b := content.First(); b.Exists(); b = b.Next() {
		if !b.Get("type").Is("tool_result") {
			return false
		}
	}
	return content.First().Exists()
}

func (c *checker) tools(v jsondoor.Value) *problem {
	if err := want(v, "tools", jsondoor.Array); err != nil {
		return err
	}
	for t, i := v.First(), 0; t.Exists(); t, i = t.Next(), i+1 {
		if t.Kind() != jsondoor.Object {
			return wrong("", "Input should be a valid object").in("tools", i)
		}
		if t.Get("cache_control").Present() {
			c.uses(llm.FeatureCacheControl)
		}
		c.facts.TextBytes += len(t.Raw())
		if kind := t.Get("type"); kind.Present() && !kind.Is("custom") {
			c.uses(llm.FeatureServerTools)
			continue
		}
		c.uses(llm.FeatureTools)
		if err := need(t, "name", jsondoor.String); err != nil {
			return err.in("tools", i)
		}
		if err := need(t, "input_schema", jsondoor.Object); err != nil {
			return err.in("tools", i)
		}
	}
	return nil
}

func (c *checker) toolChoice(v jsondoor.Value) *problem {
	if err := want(v, "tool_choice", jsondoor.Object); err != nil || !v.Present() {
		return err
	}
	switch kind := v.Get("type"); {
	case kind.Is("any"):
		c.uses(llm.FeatureToolRequired)
	case kind.Is("tool"):
		c.uses(llm.FeatureToolRequired)
		return need(v, "name", jsondoor.String).under("tool_choice")
	case kind.Is("auto"), kind.Is("none"):
	default:
		return wrong("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
	}
	return nil
}

func (c *checker) thinking(v jsondoor.Value) *problem {
	if err := want(v, "thinking", jsondoor.Object); err != nil || !v.Present() {
		return err
	}
	kind := v.Get("type")
	if kind.Kind() != jsondoor.String {
		return wrong("thinking.type", "Field required")
	}
	if !kind.Is("disabled") {
		c.uses(llm.FeatureThinking)
	}
	if n := v.Get("budget_tokens"); n.Present() {
		if _, ok := n.Int(); !ok {
			return wrong("thinking.budget_tokens", "Input should be a valid integer")
		}
	}
	return nil
}

func (c *checker) outputConfig(v jsondoor.Value) *problem {
	name := v.Name()
	if err := want(v, name, jsondoor.Object); err != nil || !v.Present() {
		return err
	}
	if name == "output_format" || v.Get("format").Present() {
		c.uses(llm.FeatureJSONSchema)
	}
	return nil
}

func (c *checker) stop(v jsondoor.Value) *problem {
	if err := want(v, "stop_sequences", jsondoor.Array); err != nil {
		return err
	}
	for s := v.First(); s.Exists(); s = s.Next() {
		if s.Kind() != jsondoor.String {
			return wrong("stop_sequences", "Input should be an array of strings")
		}
		c.uses(llm.FeatureStop)
	}
	return nil
}
