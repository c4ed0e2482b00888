package anthropic

import (
	"encoding/json"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

func malformed(why string) *fault.Error {
	return &fault.Error{Kind: fault.Malformed, Message: "the provider's answer is not an Anthropic message: " + why}
}

// readReply reads a provider's whole answer and checks that it is one.
func readReply(op llm.Operation, body []byte) (*jsondoor.Doc, error) {
	d, err := jsondoor.ParseLax(body, answerSchema)
	if err != nil {
		f := malformed(err.Error())
		f.Cause = err
		return nil, f
	}
	if err := checkReply(op, d.Root()); err != nil {
		d.Release()
		return nil, err
	}
	return d, nil
}

func checkReply(op llm.Operation, root jsondoor.Value) error {
	if root.Get("type").Is("error") {
		return notAnswer(root, "")
	}
	if op == llm.CountTokens {
		if _, ok := root.Get("input_tokens").Int(); !ok {
			return notAnswer(root, "input_tokens is missing")
		}
		return nil
	}
	content := root.Get("content")
	if content.Kind() != jsondoor.Array {
		return notAnswer(root, "content is missing")
	}
	for b := content.First(); b.Exists(); b = b.Next() {
		if b.Get("type").Kind() != jsondoor.String {
			return malformed("a content block has no type")
		}
		if b.Get("type").Is("tool_use") && b.Get("input").Present() && b.Get("input").Kind() != jsondoor.Object {
			return malformed("the input of a tool call is not an object")
		}
	}
	return nil
}

// notAnswer is the fault of a body that is no answer: the error that it
// reports, in this dialect's shape or in those of servers that imitate it
// ({"error":"text"}, {"error":{"code":429,...}}, {"message"}, {"detail"}), else
// Malformed.
func notAnswer(root jsondoor.Value, why string) *fault.Error {
	var typ, msg string
	var status int64
	e := root.Get("error")
	switch {
	case e.Kind() == jsondoor.Object:
		typ, msg = e.Get("type").Text(), e.Get("message").Text()
		status, _ = e.Get("code").Int()
	case e.Size() > 0:
		msg = e.Text()
	case root.Get("message").Size() > 0:
		msg = root.Get("message").Text()
		status, _ = root.Get("code").Int()
	case root.Get("detail").Size() > 0:
		msg = root.Get("detail").Text()
	case !root.Get("type").Is("error"):
		return malformed(why)
	}
	if status < 400 || status > 599 {
		status = 0
	}
	if msg = dialect.Message(msg); msg == "" {
		msg = "the provider reported an error inside its answer"
	}
	f := classify(int(status), typ, msg)
	f.ProviderCode = typ
	return f
}

// Summarize implements dialect.Codec.
func (Codec) Summarize(op llm.Operation, body []byte) (llm.Summary, error) {
	d, err := readReply(op, body)
	if err != nil {
		return llm.Summary{}, err
	}
	defer d.Release()
	root := d.Root()
	if op == llm.CountTokens {
		return llm.Summary{Complete: true, Content: true}, nil
	}
	s := llm.Summary{ID: root.Get("id").Text(), Model: root.Get("model").Text(), Choices: 1}
	s.Finish = finishOf(root.Get("stop_reason"))
	s.Complete = s.Finish != ""
	for b := root.Get("content").First(); b.Exists(); b = b.Next() {
		switch {
		case b.Get("type").Is("text"):
			s.Content = s.Content || b.Get("text").Size() > 0
		case b.Get("type").Is("thinking"):
			s.Content = s.Content || b.Get("thinking").Size() > 0 || b.Get("signature").Size() > 0
		default:
			s.Content = true
		}
	}
	var t tokens
	t.update(root.Get("usage"))
	s.Usage = t.usage()
	return s, nil
}

// DecodeReply implements dialect.Codec.
func (Codec) DecodeReply(op llm.Operation, body []byte) (*llm.Response, error) {
	d, err := readReply(op, body)
	if err != nil {
		return nil, err
	}
	defer d.Release()
	root := d.Root()
	r := &llm.Response{}
	if op == llm.CountTokens {
		r.InputTokens, _ = root.Get("input_tokens").Int()
		return r, nil
	}
	c := llm.Choice{}
	for v := root.First(); v.Exists(); v = v.Next() {
		switch v.Name() {
		case "id":
			r.ID = v.Text()
		case "model":
			r.Model = v.Text()
		case "type", "role":
		case "content":
			c.Parts = decodeContent(v)
		case "stop_reason":
			c.Finish = finishOf(v)
		case "stop_sequence":
			c.StopSequence = v.Text()
		case "usage":
			var t tokens
			t.update(v)
			r.Usage = t.usage()
			r.ServiceTier = v.Get("service_tier").Text()
		default:
			if v.Present() {
				r.Extra = append(r.Extra, llm.Field{Name: v.Name(), Raw: v.Raw()})
			}
		}
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Kind != llm.PartToolCall {
			continue
		}
		if p.Arguments == "" || p.Arguments == "null" {
			p.Arguments = "{}"
		}
		p.Incomplete = c.Finish == llm.FinishLength && i == len(c.Parts)-1
	}
	r.Choices = []llm.Choice{c}
	return r, nil
}

// EncodeReply implements dialect.Codec. The API knows one choice: the first.
func (Codec) EncodeReply(r *llm.Response, op llm.Operation, v dialect.View) ([]byte, error) {
	w := &jsondoor.Writer{}
	if op == llm.CountTokens {
		return w.Object().Key("input_tokens").Int(r.InputTokens).EndObject().Buf, nil
	}
	if len(r.Choices) == 0 {
		return nil, malformed("it has no choice")
	}
	c := &r.Choices[0]
	w.Object().Key("id").String(answerID(r.ID, v)).Key("type").String("message").Key("role").String("assistant")
	w.Key("model").String(answerModel(r.Model, v)).Key("content").Array()
	tools, refused := false, false
	for i := range c.Parts {
		if err := writeAnswerBlock(w, &c.Parts[i], c.Finish); err != nil {
			return nil, err
		}
		tools = tools || c.Parts[i].Kind == llm.PartToolCall
		refused = refused || c.Parts[i].Kind == llm.PartRefusal && c.Parts[i].Text != ""
	}
	w.EndArray().Key("stop_reason")
	if c.Finish == "" {
		w.Null()
	} else {
		w.String(stopReason(c.Finish, tools, refused))
	}
	w.Key("stop_sequence")
	if c.StopSequence == "" {
		w.Null()
	} else {
		w.String(c.StopSequence)
	}
	w.Key("usage")
	writeUsage(w, r.Usage, r.ServiceTier, false)
	for _, f := range r.Extra {
		if answerMembers[f.Name] {
			w.Key(f.Name).Raw(f.Raw)
		}
	}
	return w.EndObject().Buf, nil
}

// answerMembers are members of an answer that only this dialect has. What
// another dialect adds to its answers means nothing to an Anthropic client.
var answerMembers = map[string]bool{"container": true, "stop_details": true, "context_management": true, "diagnostics": true}

func answerID(id string, v dialect.View) string {
	if id != "" {
		return id
	}
	if strings.HasPrefix(v.ID, "msg_") {
		return v.ID
	}
	return "msg_" + v.ID
}

func answerModel(model string, v dialect.View) string {
	if v.Model != "" {
		return v.Model
	}
	return model
}

// writeAnswerBlock writes one block of an answer for a client.
func writeAnswerBlock(w *jsondoor.Writer, p *llm.Part, f llm.FinishReason) error {
	if p.Opaque != nil && p.Dialect == Name && p.Kind != llm.PartRedactedThinking {
		w.Raw(withInput(p))
		return nil
	}
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		if p.Text != "" {
			w.Object().Key("type").String("text").Key("text").String(p.Text).EndObject()
		}
	case llm.PartThinking:
		sig := p.Signature
		if sig == "" {
			sig = unsigned
		}
		w.Object().Key("type").String("thinking").Key("thinking").String(p.Text).Key("signature").String(sig).EndObject()
	case llm.PartRedactedThinking:
		w.Object().Key("type").String("redacted_thinking").Key("data").Raw(redactedData(p.Opaque)).EndObject()
	case llm.PartToolCall:
		input := p.Arguments
		if !isObject(input) {
			// The API has no form for arguments that are not an object. Cut by
			// a limit they are of no use; stop_reason max_tokens says so.
			if strings.TrimSpace(input) != "" && !p.Incomplete && f != llm.FinishLength {
				return malformed("the arguments of a tool call are not a JSON object")
			}
			input = "{}"
		}
		w.Object().Key("type").String("tool_use").Key("id").String(toolID(p.ID)).Key("name").String(p.Name)
		w.Key("input").Raw([]byte(input)).EndObject()
	case llm.PartOpaque:
		// What only another dialect has (annotations, ...) decorates an answer;
		// what a stream brought has no dialect of its own and is looked at.
		if p.Dialect == "" && p.Name == "" && ownBlock(p.Opaque) {
			w.Raw(withInput(p))
		}
	default:
		return noForm()
	}
	return nil
}

func noForm() error {
	return &fault.Error{Kind: fault.Unsupported, Param: "modalities",
		Message: "the answer holds content that the Anthropic Messages API has no form for"}
}

// ownBlock reports whether raw is a content block of this dialect.
func ownBlock(raw json.RawMessage) bool {
	d, err := jsondoor.ParseLax(raw, typeSchema)
	if err != nil {
		return false
	}
	defer d.Release()
	return d.Root().Get("type").Kind() == jsondoor.String
}

// withInput returns an opaque block; one whose input came in pieces after its
// start (server tools) with that input.
func withInput(p *llm.Part) []byte {
	if p.Kind != llm.PartOpaque || p.Text == "" || !isObject(p.Text) {
		return p.Opaque
	}
	d, err := jsondoor.ParseLax(p.Opaque, typeSchema)
	if err != nil || d.Root().Kind() != jsondoor.Object {
		return p.Opaque
	}
	defer d.Release()
	patch := d.Patch()
	patch.Set(d.Root(), "input", []byte(p.Text))
	return patch.Bytes()
}

// redactedData returns the data of redacted thinking, a JSON string.
func redactedData(raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return []byte(`""`)
	}
	return raw
}
