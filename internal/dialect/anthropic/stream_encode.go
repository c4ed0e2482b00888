package anthropic

import (
	"encoding/json"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

const pingEvent = "event: ping\ndata: {\"type\": \"ping\"}\n\n"

// NewStreamEncoder implements dialect.Codec.
func (Codec) NewStreamEncoder(_ llm.Operation, v dialect.View, sofar *llm.Accumulator) dialect.StreamEncoder {
	s := &streamEncoder{view: v, open: -1}
	if sofar != nil {
		s.resume(sofar)
	}
	return s
}

// streamEncoder shows a stream to an Anthropic client: one content block at a
// time, in the order of their indexes. Where a provider of another dialect
// interleaves parallel tool calls, what comes beside the open one waits until
// it ends.
//
// message_delta, with stop_reason and usage, is written at the end: providers
// of other dialects report usage after the finish.
type streamEncoder struct {
	view    dialect.View
	usage   llm.Usage
	tier    string
	parts   []shown // by canonical part number
	blocks  int     // blocks begun
	open    int     // the part whose block is open, -1: none
	started bool
	closed  bool // message_stop was written
	resumed bool // an open block waits for the part that goes on with it
	tools   bool
	refused bool // a part of the answer is a refusal
	finish  llm.FinishReason
	stopSeq string
}

// shown is what the client has seen of a part.
type shown struct {
	kind    llm.PartKind
	block   int // its content block
	state   partState
	id, nam string
	raw     json.RawMessage
	waiting []byte // text or arguments that came while a tool call was open
	sig     []byte // a signature that did
	stopped bool   // while waiting
	signed  bool   // a signature of thinking was shown
}

type partState uint8

const (
	unknown partState = iota
	waiting
	opened
	done
	skipped // of another dialect: not shown
)

// resume takes over from an answer whose beginning the client has seen as
// relayed bytes of this dialect: there, block indexes are part numbers.
func (s *streamEncoder) resume(a *llm.Accumulator) {
	s.usage = a.Usage
	s.started = a.ID != "" || a.Model != "" || len(a.Choices) > 0
	if len(a.Choices) == 0 {
		return
	}
	c := &a.Choices[0]
	s.finish, s.stopSeq, s.closed = c.Finish, c.StopSequence, a.Ended
	for i := range c.Parts {
		p := &c.Parts[i]
		part := shown{kind: p.Kind, block: i, state: done, signed: p.Signature() != ""}
		if !p.Stopped {
			part.state, s.open, s.resumed = opened, i, true
		}
		s.tools = s.tools || p.Kind == llm.PartToolCall
		s.parts = append(s.parts, part)
	}
	s.blocks = len(c.Parts)
}

// Encode implements dialect.StreamEncoder.
func (s *streamEncoder) Encode(dst []byte, e *llm.Event) ([]byte, error) {
	if s.closed || e.Choice != 0 {
		return dst, nil // the API knows one choice
	}
	switch e.Kind {
	case llm.EventDelta:
		return s.delta(dst, e)
	case llm.EventStart:
		model := ""
		if m := e.Meta; m != nil {
			if m.Usage.Reported {
				s.usage = m.Usage
			}
			model, s.tier = m.Model, m.ServiceTier
		}
		return s.start(dst, e.ID, model), nil
	case llm.EventPartStart:
		return s.partStart(s.start(dst, "", ""), e)
	case llm.EventSignature:
		return s.signature(dst, e), nil
	case llm.EventPartStop:
		return s.partStop(dst, e.Part), nil
	case llm.EventFinish:
		s.finish, s.stopSeq = e.Finish, e.StopSequence
		return s.closeAll(s.start(dst, "", "")), nil
	case llm.EventUsage:
		s.usage = e.Usage()
	case llm.EventEnd:
		return s.End(dst), nil
	case llm.EventPing:
		return append(dst, pingEvent...), nil
	case llm.EventOpaque:
		return s.opaque(dst, e), nil
	case llm.EventError:
		return Codec{}.EncodeStreamError(dst, fault.From(e.Err), ""), nil
	}
	return dst, nil
}

// End implements dialect.StreamEncoder. Without a finish the answer is not
// whole: nothing is written that would make it look so.
func (s *streamEncoder) End(dst []byte) []byte {
	if s.closed || s.finish == "" {
		return dst
	}
	s.closed = true
	dst = s.closeAll(s.start(dst, "", ""))
	w := event(dst, "message_delta")
	w.Key("delta").Object().Key("stop_reason").String(stopReason(s.finish, s.tools, s.refused)).Key("stop_sequence")
	if s.stopSeq == "" {
		w.Null()
	} else {
		w.String(s.stopSeq)
	}
	w.EndObject().Key("usage")
	writeUsage(w, s.usage, "", true)
	dst = end(w)
	return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// event begins an event with its type member; end closes it.
func event(dst []byte, name string) *jsondoor.Writer {
	dst = append(append(append(dst, "event: "...), name...), "\ndata: "...)
	w := &jsondoor.Writer{Buf: dst}
	return w.Object().Key("type").String(name)
}

func end(w *jsondoor.Writer) []byte { return append(w.EndObject().Buf, "\n\n"...) }

func (s *streamEncoder) start(dst []byte, id, model string) []byte {
	if s.started {
		return dst
	}
	s.started = true
	w := event(dst, "message_start")
	w.Key("message").Object().Key("id").String(answerID(id, s.view)).Key("type").String("message")
	w.Key("role").String("assistant").Key("model").String(answerModel(model, s.view))
	w.Key("content").Array().EndArray().Key("stop_reason").Null().Key("stop_sequence").Null().Key("usage")
	writeUsage(w, s.usage, s.tier, false)
	w.EndObject()
	return end(w)
}

// part returns the state of part n, growing the list; nil for a number that no
// sane answer has.
func (s *streamEncoder) part(n int) *shown {
	const most = 1 << 16
	if n < 0 || n >= most {
		return nil
	}
	for len(s.parts) <= n {
		s.parts = append(s.parts, shown{})
	}
	return &s.parts[n]
}

func (s *streamEncoder) partStart(dst []byte, e *llm.Event) ([]byte, error) {
	p := s.part(e.Part)
	if p == nil {
		return dst, malformed("a part number out of range")
	}
	switch e.PartKind {
	case llm.PartText, llm.PartRefusal, llm.PartThinking, llm.PartRedactedThinking, llm.PartToolCall:
	case llm.PartOpaque:
		if e.Name != "" || !ownBlock(e.Raw) { // another dialect's
			p.state = skipped
			return dst, nil
		}
	default:
		return dst, noForm()
	}
	if s.resumed {
		s.resumed = false
		if open := s.parts[s.open]; open.kind == e.PartKind {
			// The continuation goes on with the block that the cut left open.
			if e.Part != s.open {
				s.parts[s.open].state = done
				*p = shown{kind: open.kind, block: open.block, state: opened, signed: open.signed}
				s.open = e.Part
			}
			return dst, nil
		}
	}
	if p.state == opened && p.kind == e.PartKind {
		return dst, nil
	}
	if p.state == opened {
		dst = s.close(dst)
	}
	*p = shown{kind: e.PartKind, id: e.ID, nam: e.Name, raw: e.Raw, state: waiting}
	if s.open >= 0 && s.parts[s.open].kind == llm.PartToolCall {
		return dst, nil // its turn comes when the open call ends
	}
	return s.begin(s.close(dst), e.Part), nil
}
