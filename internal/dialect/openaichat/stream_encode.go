package openaichat

import (
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// streamEncoder writes an answer as chunks.
type streamEncoder struct {
	op      llm.Operation
	view    dialect.View
	head    []byte // the members of every chunk up to choices
	id      string
	model   string
	created int64
	print   string // system_fingerprint
	tier    string
	usage   llm.Usage
	choices []shown
	closed  bool
}

// shown is what the client has seen of one alternative.
type shown struct {
	role     bool
	finished bool
	parts    []shownPart
	tools    int
}

type shownPart struct {
	kind llm.PartKind
	tool int // the number of a tool call among the tool calls
}

// NewStreamEncoder implements dialect.Codec.
func (Codec) NewStreamEncoder(op llm.Operation, v dialect.View, sofar *llm.Accumulator) dialect.StreamEncoder {
	s := &streamEncoder{op: op, view: v}
	if sofar == nil {
		return s
	}
	s.id, s.model, s.created, s.usage = sofar.ID, sofar.Model, sofar.Created, sofar.Usage
	s.print, s.tier = sofar.Fingerprint, sofar.ServiceTier
	for i := range sofar.Choices {
		c := &sofar.Choices[i]
		st := s.at(i)
		st.role = true
		st.finished = c.Finish != ""
		for j := range c.Parts {
			st.add(c.Parts[j].Kind)
		}
	}
	return s
}

func (s *streamEncoder) at(choice int) *shown {
	for len(s.choices) <= choice {
		s.choices = append(s.choices, shown{})
	}
	return &s.choices[choice]
}

func (c *shown) add(kind llm.PartKind) *shownPart {
	p := shownPart{kind: kind}
	if kind == llm.PartToolCall {
		p.tool = c.tools
		c.tools++
	}
	c.parts = append(c.parts, p)
	return &c.parts[len(c.parts)-1]
}

// Encode implements dialect.StreamEncoder.
func (s *streamEncoder) Encode(dst []byte, e *llm.Event) ([]byte, error) {
	if s.closed || e.Choice < 0 || e.Choice >= maxChoices {
		return dst, nil
	}
	switch e.Kind {
	case llm.EventStart:
		s.start(e)
	case llm.EventPartStart:
		return s.part(dst, e), nil
	case llm.EventDelta, llm.EventSignature:
		return s.delta(dst, e)
	case llm.EventFinish:
		c := s.at(e.Choice)
		if c.finished {
			return dst, nil
		}
		dst = s.role(dst, e.Choice)
		c.finished = true
		return s.chunk(dst, e.Choice, nil, finishWord(e.Finish), nil), nil
	case llm.EventUsage:
		s.usage = e.Usage
	case llm.EventPing:
		return append(dst, Codec{}.KeepAlive()...), nil
	case llm.EventError:
		s.closed = true
		return Codec{}.EncodeStreamError(dst, fault.From(e.Err), ""), nil
	}
	return dst, nil
}

func (s *streamEncoder) start(e *llm.Event) {
	if s.head != nil || s.id != "" {
		return // begun already: a continuation keeps the first identity
	}
	s.id, s.model, s.created = e.ID, e.Model, e.Created
	s.print, s.tier = e.Fingerprint, e.ServiceTier
	if e.Usage.Reported {
		s.usage = e.Usage
	}
}

// begin writes what every chunk begins with.
func (s *streamEncoder) begin() []byte {
	if s.head != nil {
		return s.head
	}
	model, created, kind := s.view.Model, s.created, "chat.completion.chunk"
	if model == "" {
		model = s.model
	}
	if created == 0 {
		created = s.view.Created
	}
	if s.op == llm.Completion {
		kind = "text_completion"
	}
	var w jsondoor.Writer
	w.Object().Key("id").String(answerID(s.id, s.view.ID, s.op)).Key("object").String(kind).
		Key("created").Int(created).Key("model").String(model)
	writeOrigin(&w, s.print, s.tier)
	s.head = w.Buf
	return s.head
}

// role writes the chunk that opens an alternative, if it was not written yet.
func (s *streamEncoder) role(dst []byte, choice int) []byte {
	c := s.at(choice)
	if c.role {
		return dst
	}
	c.role = true
	if s.op == llm.Completion {
		return dst
	}
	return s.chunk(dst, choice, []byte(`{"role":"assistant","content":""}`), "", nil)
}

func (s *streamEncoder) part(dst []byte, e *llm.Event) []byte {
	dst = s.role(dst, e.Choice)
	c := s.at(e.Choice)
	for len(c.parts) < e.Part {
		c.add(0) // parts of a kind that is not shown
	}
	p := c.add(e.PartKind)
	var w jsondoor.Writer
	switch e.PartKind {
	case llm.PartToolCall:
		w.Object().Key("tool_calls").Array().Object().Key("index").Int(int64(p.tool)).Key("id").String(e.ID).
			Key("type").String("function").Key("function").Object().Key("name").String(e.Name).Key("arguments").String("").
			EndObject().EndObject().EndArray().EndObject()
	case llm.PartRedactedThinking:
		w.Object().Key("thinking_blocks").Array().Object().Key("type").String("redacted_thinking").Key("data").Raw(e.Raw).
			EndObject().EndArray().EndObject()
	default:
		return dst
	}
	return s.chunk(dst, e.Choice, w.Buf, "", nil)
}

func (s *streamEncoder) delta(dst []byte, e *llm.Event) ([]byte, error) {
	c := s.at(e.Choice)
	if e.Part < 0 || e.Part >= len(c.parts) {
		return dst, fault.New(fault.Internal, "a delta of part %d that was not begun", e.Part)
	}
	if e.Text == "" {
		return dst, nil
	}
	var w jsondoor.Writer
	w.Buf = make([]byte, 0, len(e.Text)+64)
	w.Object()
	switch p := &c.parts[e.Part]; {
	case e.Kind == llm.EventSignature:
		w.Key("thinking_blocks").Array().Object().Key("type").String("thinking").Key("thinking").String("").
			Key("signature").String(e.Text).EndObject().EndArray()
	case p.kind == llm.PartToolCall:
		w.Key("tool_calls").Array().Object().Key("index").Int(int64(p.tool)).Key("function").Object().
			Key("arguments").String(e.Text).EndObject().EndObject().EndArray()
	case p.kind == llm.PartThinking:
		w.Key("reasoning_content").String(e.Text)
	case p.kind == llm.PartRefusal:
		w.Key("refusal").String(e.Text)
	case p.kind == llm.PartText && s.op == llm.Completion:
		return s.chunk(dst, e.Choice, jsondoor.Quote(e.Text), "", e.Logprobs), nil
	case p.kind == llm.PartText:
		w.Key("content").String(e.Text)
	default:
		return dst, nil
	}
	return s.chunk(dst, e.Choice, w.EndObject().Buf, "", e.Logprobs), nil
}

// chunk writes one chunk of one choice: its delta (of completions, its text) or
// its finish reason.
func (s *streamEncoder) chunk(dst []byte, choice int, delta []byte, finish string, logprobs []byte) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, s.begin()...)
	dst = append(dst, `,"choices":[{"index":`...)
	w := jsondoor.Writer{Buf: dst}
	w.Int(int64(choice))
	if s.op == llm.Completion {
		if delta == nil {
			delta = []byte(`""`)
		}
		w.Key("text").Raw(delta)
	} else {
		if delta == nil {
			delta = []byte(`{}`)
		}
		w.Key("delta").Raw(delta)
	}
	w.Key("logprobs").Raw(logprobs).Key("finish_reason")
	nullable(&w, finish)
	w.EndObject().EndArray()
	if s.view.IncludeUsage {
		w.Key("usage").Null()
	}
	return append(w.EndObject().Buf, "\n\n"...)
}

// End implements dialect.StreamEncoder: the usage chunk, where it was asked
// for and is known, and the end mark.
func (s *streamEncoder) End(dst []byte) []byte {
	if s.closed {
		return dst
	}
	s.closed = true
	if s.view.IncludeUsage && s.usage.Reported {
		dst = append(dst, "data: "...)
		dst = append(dst, s.begin()...)
		w := jsondoor.Writer{Buf: append(dst, `,"choices":[]`...)}
		w.Buf = append(w.Buf, `,"usage":`...)
		writeUsage(&w, s.usage, s.op)
		dst = append(w.EndObject().Buf, "\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}
