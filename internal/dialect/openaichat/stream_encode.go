package openaichat

import (
	"strconv"

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
		w := s.open(dst, e.Choice)
		if s.op == llm.Completion {
			w.String("")
		} else {
			w.Object().EndObject()
		}
		return s.shut(w, finishWord(e.Finish), nil), nil
	case llm.EventUsage:
		s.usage = e.Usage()
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
	s.id = e.ID
	if m := e.Meta; m != nil {
		s.model, s.created, s.print, s.tier = m.Model, m.Created, m.Fingerprint, m.ServiceTier
		if m.Usage.Reported {
			s.usage = m.Usage
		}
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
	w := s.open(dst, choice)
	w.Raw([]byte(`{"role":"assistant","content":""}`))
	return s.shut(w, "", nil)
}

func (s *streamEncoder) part(dst []byte, e *llm.Event) []byte {
	dst = s.role(dst, e.Choice)
	c := s.at(e.Choice)
	for len(c.parts) < e.Part {
		c.add(0) // parts of a kind that is not shown
	}
	p := c.add(e.PartKind)
	switch e.PartKind {
	case llm.PartToolCall:
		w := s.open(dst, e.Choice)
		w.Object().Key("tool_calls").Array().Object().Key("index").Int(int64(p.tool)).Key("id").String(e.ID).
			Key("type").String("function").Key("function").Object().Key("name").String(e.Name).Key("arguments").String("").EndObject()
		writeMembers(&w, e.Raw)
		w.EndObject().EndArray().EndObject()
		return s.shut(w, "", nil)
	case llm.PartRedactedThinking:
		w := s.open(dst, e.Choice)
		w.Object().Key("thinking_blocks").Array().Object().Key("type").String("redacted_thinking").Key("data").Raw(e.Raw).
			EndObject().EndArray().EndObject()
		return s.shut(w, "", nil)
	}
	return dst
}

func (s *streamEncoder) delta(dst []byte, e *llm.Event) ([]byte, error) {
	c := s.at(e.Choice)
	if e.Part < 0 || e.Part >= len(c.parts) {
		return dst, fault.New(fault.Internal, "a delta of part %d that was not begun", e.Part)
	}
	if e.Text == "" {
		return dst, nil
	}
	p := &c.parts[e.Part]
	if e.Kind != llm.EventSignature && !shownKind(p.kind) {
		return dst, nil
	}
	w := s.open(dst, e.Choice)
	if p.kind == llm.PartText && s.op == llm.Completion && e.Kind == llm.EventDelta {
		w.String(e.Text)
		return s.shut(w, "", e.Raw), nil
	}
	w.Object()
	switch {
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
	default:
		w.Key("content").String(e.Text)
	}
	w.EndObject()
	return s.shut(w, "", e.Raw), nil
}

// shownKind reports whether an OpenAI client is shown the deltas of a part.
func shownKind(k llm.PartKind) bool {
	switch k {
	case llm.PartText, llm.PartRefusal, llm.PartThinking, llm.PartToolCall:
		return true
	}
	return false
}

// open begins a chunk of one choice, up to its delta or, of completions, its
// text, which is to be written next; shut ends it.
func (s *streamEncoder) open(dst []byte, choice int) jsondoor.Writer {
	dst = append(dst, "data: "...)
	dst = append(dst, s.begin()...)
	dst = append(dst, `,"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(choice), 10)
	if s.op == llm.Completion {
		return jsondoor.Writer{Buf: append(dst, `,"text":`...)}
	}
	return jsondoor.Writer{Buf: append(dst, `,"delta":`...)}
}

func (s *streamEncoder) shut(w jsondoor.Writer, finish string, logprobs []byte) []byte {
	dst := w.Buf
	dst = append(dst, `,"logprobs":`...)
	if len(logprobs) == 0 {
		dst = append(dst, "null"...)
	}
	dst = append(append(dst, logprobs...), `,"finish_reason":`...)
	if finish == "" {
		dst = append(dst, "null}]"...)
	} else {
		dst = append(jsondoor.AppendString(dst, finish), "}]"...)
	}
	if s.view.IncludeUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
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
		dst = w.EndObject().Buf
		dst = append(dst, "\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}
