package openaichat

import (
	"encoding/json"

	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// countOf reads how many tokens llama.cpp counts in a conversation:
// {"object":"response.input_tokens","input_tokens":23}.
func countOf(body []byte) (int64, error) {
	d, err := jsondoor.ParseLax(body, answer)
	if err != nil {
		return 0, malformed(err)
	}
	defer d.Release()
	if n, ok := d.Root().Get("input_tokens").Int(); ok && n >= 0 {
		return n, nil
	}
	if f := reported(body); f != nil {
		return 0, f
	}
	return 0, fault.New(fault.Malformed, "the provider's answer has no input_tokens")
}

// open reads a provider's whole answer up to its list of choices or vectors.
func open(op llm.Operation, body []byte) (*jsondoor.Doc, jsondoor.Value, *fault.Error) {
	s, list := answer, "choices"
	switch op {
	case llm.Embedding:
		s, list = embeddings, "data"
	case llm.Chat, llm.Completion:
	default:
		return nil, jsondoor.Value{}, noOperation(op)
	}
	d, err := jsondoor.ParseLax(body, s)
	if err != nil {
		return nil, jsondoor.Value{}, malformed(err)
	}
	r := d.Root()
	v := r.Get(list)
	if v.Kind() == jsondoor.Array && !complains(r.Get("error")) {
		return d, v, nil
	}
	d.Release()
	if f := reported(body); f != nil {
		return nil, jsondoor.Value{}, f
	}
	return nil, jsondoor.Value{}, fault.New(fault.Malformed, "the provider's answer has no %s", list)
}

// complains reports whether an error member says anything: some servers always
// send one, null, false or empty where all is well.
func complains(e jsondoor.Value) bool {
	switch e.Kind() {
	case jsondoor.String:
		return e.Size() > 0
	case jsondoor.Object:
		return e.First().Exists()
	}
	return e.Kind() == jsondoor.Number || e.Kind() == jsondoor.True
}

func malformed(err error) *fault.Error {
	return &fault.Error{Kind: fault.Malformed, Message: "the provider's answer is not what the OpenAI dialect says: " + err.Error(), Cause: err}
}

// reported is the fault of an error that came with status 200, in any of the
// shapes that servers give their errors; nil if the body is not one.
func reported(body []byte) *fault.Error {
	c, ok := parseComplaint(body)
	if !ok || c.message == "" && !c.wrapped {
		return nil
	}
	f := classifyReported(c)
	f.ProviderCode = c.code
	if f.ProviderCode == "" {
		f.ProviderCode = c.typ
	}
	if f.Message = messageOf(c); f.Message == "" {
		f.Message = "the provider reported an error inside its answer"
	}
	return f
}

// Summarize implements dialect.Codec.
func (Codec) Summarize(op llm.Operation, body []byte) (llm.Summary, error) {
	var s llm.Summary
	if op == llm.CountTokens {
		_, err := countOf(body)
		return llm.Summary{Complete: err == nil, Content: err == nil}, err
	}
	d, list, f := open(op, body)
	if f != nil {
		return s, f
	}
	defer d.Release()
	r := d.Root()
	s.ID, s.Model, s.Usage = r.Get("id").Text(), r.Get("model").Text(), usageOf(usageIn(r))
	s.Complete = list.First().Exists()
	for c := list.First(); c.Exists(); c = c.Next() {
		s.Choices++
		if op == llm.Embedding {
			s.Content = s.Content || hasVector(c)
			continue
		}
		content, calls := hasContent(c)
		s.Content = s.Content || content
		finish, failed := finishOf(c.Get("finish_reason"))
		if failed {
			return s, brokeOff(c.Get("finish_reason"))
		}
		s.Complete = s.Complete && finish != ""
		if s.Choices == 1 {
			s.Finish, s.Refused = withCalls(finish, calls), c.Get("message").Get("refusal").Size() > 0
		}
	}
	return s, nil
}

// withCalls corrects the finish reason of servers that say stop where the
// answer is tool calls.
func withCalls(f llm.FinishReason, calls bool) llm.FinishReason {
	if calls && f == llm.FinishStop {
		return llm.FinishToolCalls
	}
	return f
}

// usageIn returns an answer's usage, where Groq's streams have it too.
func usageIn(r jsondoor.Value) jsondoor.Value {
	if u := r.Get("usage"); u.Present() {
		return u
	}
	return r.Get("x_groq").Get("usage")
}

func hasVector(v jsondoor.Value) bool { return len(v.Get("embedding").Raw()) > len("[]") }

// hasContent reports whether a choice of a whole answer carries anything, and
// whether that includes tool calls.
func hasContent(c jsondoor.Value) (content, calls bool) {
	m := c.Get("message")
	calls = m.Get("tool_calls").First().Exists() || m.Get("function_call").Present()
	content = calls || c.Get("text").Size() > 0 || m.Get("content").Size() > 0 || m.Get("content").First().Exists() ||
		m.Get("refusal").Size() > 0 || thinkingText(m).Size() > 0 || m.Get("thinking_blocks").First().Exists() || m.Get("audio").Present()
	return content, calls
}

// DecodeReply implements dialect.Codec.
func (Codec) DecodeReply(op llm.Operation, body []byte) (*llm.Response, error) {
	if op == llm.CountTokens {
		n, err := countOf(body)
		if err != nil {
			return nil, err
		}
		return &llm.Response{InputTokens: n}, nil
	}
	d, list, f := open(op, body)
	if f != nil {
		return nil, f
	}
	defer d.Release()
	r := d.Root()
	out := &llm.Response{Usage: usageOf(usageIn(r))}
	for m := r.First(); m.Exists(); m = m.Next() {
		if !m.Present() {
			continue
		}
		switch string(m.RawName()) {
		case "id":
			out.ID = m.Text()
		case "model":
			out.Model = m.Text()
		case "created":
			out.Created, _ = m.Int()
		case "system_fingerprint":
			out.SystemFingerprint = m.Text()
		case "service_tier":
			out.ServiceTier = m.Text()
		case "object", "usage", "choices", "data", "error":
		default:
			out.Extra = append(out.Extra, extra(m))
		}
	}
	for c := list.First(); c.Exists(); c = c.Next() {
		if op == llm.Embedding {
			v, err := decodeVector(c)
			if err != nil {
				return nil, err
			}
			out.Embeddings = append(out.Embeddings, v)
			continue
		}
		choice, err := decodeChoice(c, out.ID, len(out.Choices))
		if err != nil {
			return nil, err
		}
		out.Choices = append(out.Choices, choice)
	}
	return out, nil
}

func decodeVector(v jsondoor.Value) (llm.Vector, error) {
	index, _ := v.Get("index").Int()
	out := llm.Vector{Index: int(index)}
	e := v.Get("embedding")
	if e.Kind() == jsondoor.String {
		out.Base64 = e.Text()
		return out, nil
	}
	if err := json.Unmarshal(e.Raw(), &out.Values); err != nil || e.Kind() != jsondoor.Array {
		return out, fault.New(fault.Malformed, "an embedding in the provider's answer is neither numbers nor base64")
	}
	return out, nil
}

func decodeChoice(v jsondoor.Value, answer string, place int) (llm.Choice, error) {
	c := llm.Choice{Index: place}
	if n, ok := v.Get("index").Int(); ok && n >= 0 && n < maxChoices {
		c.Index = int(n)
	}
	if l := v.Get("logprobs"); l.Present() {
		c.Logprobs = clone(l)
	}
	if text := v.Get("text"); text.Size() > 0 {
		c.Parts = []llm.Part{{Kind: llm.PartText, Text: text.Text()}}
	}
	if m := v.Get("message"); m.Kind() == jsondoor.Object {
		c.Parts = append(c.Parts, decodeParts(m, answer)...)
		if legacy := m.Get("function_call"); legacy.Kind() == jsondoor.Object {
			c.Parts = append(c.Parts, llm.Part{Kind: llm.PartToolCall, ID: callID(answer, 0),
				Name: legacy.Get("name").Text(), Arguments: arguments(legacy.Get("arguments"))})
		}
		c.Parts = append(c.Parts, unknownParts(m)...)
	}
	finish, failed := finishOf(v.Get("finish_reason"))
	if failed {
		return c, brokeOff(v.Get("finish_reason"))
	}
	c.Finish = finish
	if n := len(c.Parts); n > 0 {
		calls := false
		for i := range c.Parts {
			calls = calls || c.Parts[i].Kind == llm.PartToolCall
		}
		c.Finish = withCalls(finish, calls)
		last := &c.Parts[n-1]
		if (finish == llm.FinishLength || finish == llm.FinishContext) && last.Kind == llm.PartToolCall {
			last.Incomplete = !json.Valid([]byte(last.Arguments))
		}
	}
	return c, nil
}

// maxChoices bounds the choice numbers that are believed.
const maxChoices = 1024

// unknownParts keeps a message's members that have no place of their own
// (annotations, audio, ...), each as a part that holds {"name":value}.
func unknownParts(m jsondoor.Value) []llm.Part {
	var parts []llm.Part
	for v := m.First(); v.Exists(); v = v.Next() {
		if !v.Present() {
			continue
		}
		switch string(v.RawName()) {
		case "role", "content", "refusal", "tool_calls", "function_call", "reasoning", "reasoning_content", "thinking_blocks":
			continue
		}
		if raw := string(v.Raw()); raw == "[]" || raw == "{}" {
			continue
		}
		parts = append(parts, llm.Part{Kind: llm.PartOpaque, Name: v.Name(), Opaque: clone(v), Dialect: Name})
	}
	return parts
}
