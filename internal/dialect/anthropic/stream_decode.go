package anthropic

import (
	"strconv"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// NewStreamDecoder implements dialect.Codec.
func (Codec) NewStreamDecoder(llm.Operation) dialect.StreamDecoder { return &decoder{} }

// decoder reads the events of one stream. The API numbers content blocks; the
// canonical parts are numbered in the order of appearance.
type decoder struct {
	started, finished, ended bool
	tokens                   tokens
	blocks                   []block
	pieces                   dialect.Pieces
	scratch                  []byte
}

type block struct {
	index   int64
	part    int
	kind    llm.PartKind
	body    bool   // text or arguments were seen
	initial string // a tool's input as its start gave it
	stopped bool
}

var _ dialect.RelayDecoder = (*decoder)(nil)

// Decode implements dialect.StreamDecoder.
func (s *decoder) Decode(dst []llm.Event, ev *sse.Event) ([]llm.Event, error) {
	dst, _, err := s.decode(dst, nil, ev, nil)
	return dst, err
}

// DecodeRelay implements dialect.RelayDecoder.
func (s *decoder) DecodeRelay(dst []llm.Event, out []byte, ev *sse.Event, v dialect.View) ([]llm.Event, []byte, error) {
	return s.decode(dst, out, ev, &v)
}

// decode reads any event; with a view its bytes are relayed to out.
func (s *decoder) decode(dst []llm.Event, out []byte, ev *sse.Event, v *dialect.View) ([]llm.Event, []byte, error) {
	relayed := out
	if v != nil {
		relayed = append(relayed, ev.Raw...)
	}
	if ev.Comment || s.ended || len(ev.Data) == 0 || string(ev.Data) == "[DONE]" {
		return dst, relayed, nil
	}
	if e, ok := s.glance(ev.Data); ok {
		return append(dst, e), relayed, nil
	}
	d, err := jsondoor.ParseLax(ev.Data, eventSchema)
	if err != nil {
		f := malformed(err.Error())
		f.Cause = err
		return dst, out, f
	}
	defer d.Release()
	if dst, err = s.event(dst, d.Root(), ev); err != nil {
		return dst, out, err
	}
	if v != nil && namesModel(ev, d.Root(), v.Model) {
		relayed = rewriteStart(relayed[:len(out)], ev, d, v.Model)
	}
	return dst, relayed, nil
}

// event reads what glance leaves.
func (s *decoder) event(dst []llm.Event, root jsondoor.Value, ev *sse.Event) ([]llm.Event, error) {
	if root.Kind() != jsondoor.Object {
		return dst, malformed("an event is not an object")
	}
	kind := ev.Name
	if t := root.Get("type"); t.Kind() == jsondoor.String {
		kind = t.Bytes()
	}
	switch string(kind) {
	case "content_block_delta":
		return s.delta(dst, root)
	case "content_block_start":
		return s.blockStart(dst, root)
	case "content_block_stop":
		return s.blockStop(dst, root), nil
	case "message_start":
		return s.messageStart(dst, root.Get("message")), nil
	case "message_delta":
		return s.messageDelta(dst, root), nil
	case "message_stop":
		if !s.finished {
			// An end mark does not make an unfinished answer whole, and must
			// not be shown as if it did.
			return dst, unfinished()
		}
		s.ended = true
		return append(dst, llm.Event{Kind: llm.EventEnd}), nil
	case "ping":
		return append(dst, llm.Event{Kind: llm.EventPing}), nil
	case "error":
		return append(dst, llm.Event{Kind: llm.EventError, Err: streamError(root, ev.Data)}), nil
	}
	return append(dst, llm.Event{Kind: llm.EventOpaque, Raw: clone(ev.Data)}), nil
}

// End implements dialect.StreamDecoder. Without a stop_reason the answer is
// cut, whatever else came; a missing message_stop alone is forgiven.
func (s *decoder) End(dst []llm.Event) ([]llm.Event, error) {
	if !s.finished {
		return dst, unfinished()
	}
	return dst, nil
}

func unfinished() error {
	return fault.New(fault.Cut, "the provider's stream ended before the answer did")
}

func streamError(root jsondoor.Value, data []byte) *fault.Error {
	e := root.Get("error")
	typ := e.Get("type").Text()
	f := classify(0, typ, dialect.Message(e.Get("message").Text()))
	f.ProviderCode, f.ProviderBody = typ, []byte(dialect.Mask(string(data)))
	return f
}

func (s *decoder) messageStart(dst []llm.Event, m jsondoor.Value) []llm.Event {
	if s.started {
		return dst
	}
	s.started = true
	s.tokens.update(m.Get("usage"))
	return append(dst, llm.Event{Kind: llm.EventStart, ID: m.Get("id").Text(), Meta: &llm.Meta{
		Model: m.Get("model").Text(), ServiceTier: m.Get("usage").Get("service_tier").Text(), Usage: s.tokens.usage()}})
}

// find returns the open block with the event's index.
func (s *decoder) find(root jsondoor.Value) *block {
	n, ok := root.Get("index").Int()
	if !ok {
		return nil
	}
	return s.open(n)
}

// open returns the open block with an index, nil for none.
func (s *decoder) open(n int64) *block {
	for i := len(s.blocks) - 1; i >= 0; i-- {
		if b := &s.blocks[i]; b.index == n && !b.stopped {
			return b
		}
	}
	return nil
}

func (s *decoder) blockStart(dst []llm.Event, root jsondoor.Value) ([]llm.Event, error) {
	n, ok := root.Get("index").Int()
	content := root.Get("content_block")
	if !ok || content.Kind() != jsondoor.Object {
		return dst, malformed("content_block_start without index or content_block")
	}
	s.blocks = append(s.blocks, block{index: n, part: len(s.blocks)})
	b := &s.blocks[len(s.blocks)-1]
	switch string(content.Get("type").Bytes()) {
	case "text":
		dst = b.start(dst, llm.PartText)
		dst = b.append(dst, llm.EventDelta, content.Get("text").Text())
	case "thinking":
		dst = b.start(dst, llm.PartThinking)
		dst = b.append(dst, llm.EventDelta, content.Get("thinking").Text())
		dst = b.append(dst, llm.EventSignature, signatureOf(content.Get("signature")))
	case "redacted_thinking":
		dst = b.start(dst, llm.PartRedactedThinking)
		dst[len(dst)-1].Raw = clone(content.Get("data").Raw())
	case "tool_use":
		dst = b.start(dst, llm.PartToolCall)
		dst[len(dst)-1].ID, dst[len(dst)-1].Name = content.Get("id").Text(), content.Get("name").Text()
		b.initial = "{}"
		if in := content.Get("input"); in.Kind() == jsondoor.Object {
			b.initial = string(in.Raw())
		}
	default:
		dst = b.start(dst, llm.PartOpaque)
		dst[len(dst)-1].Raw = clone(content.Raw())
	}
	return dst, nil
}

func (b *block) start(dst []llm.Event, kind llm.PartKind) []llm.Event {
	b.kind = kind
	return append(dst, llm.Event{Kind: llm.EventPartStart, Part: b.part, PartKind: kind})
}

func (b *block) append(dst []llm.Event, kind llm.EventKind, text string) []llm.Event {
	if text == "" {
		return dst
	}
	b.body = b.body || kind == llm.EventDelta
	return append(dst, llm.Event{Kind: kind, Part: b.part, Text: text})
}

func (s *decoder) delta(dst []llm.Event, root jsondoor.Value) ([]llm.Event, error) {
	b := s.find(root)
	if b == nil {
		return dst, malformed("a delta for a content block that is not open")
	}
	delta := root.Get("delta")
	switch string(delta.Get("type").Bytes()) {
	case "text_delta":
		if b.kind != llm.PartText {
			return dst, misfit(b, "text_delta")
		}
		return b.append(dst, llm.EventDelta, delta.Get("text").Text()), nil
	case "input_json_delta":
		if b.kind != llm.PartToolCall && b.kind != llm.PartOpaque {
			return dst, misfit(b, "input_json_delta")
		}
		return b.append(dst, llm.EventDelta, delta.Get("partial_json").Text()), nil
	case "thinking_delta":
		if b.kind != llm.PartThinking {
			return dst, misfit(b, "thinking_delta")
		}
		return b.append(dst, llm.EventDelta, delta.Get("thinking").Text()), nil
	case "signature_delta":
		if b.kind != llm.PartThinking {
			return dst, misfit(b, "signature_delta")
		}
		return b.append(dst, llm.EventSignature, signatureOf(delta.Get("signature"))), nil
	}
	// Citations, and what future versions bring.
	return append(dst, llm.Event{Kind: llm.EventOpaque, Part: b.part, Raw: clone(root.Raw())}), nil
}

func misfit(b *block, delta string) *fault.Error {
	return malformed("a " + delta + " in content block " + strconv.FormatInt(b.index, 10) + " of another type")
}

func (s *decoder) blockStop(dst []llm.Event, root jsondoor.Value) []llm.Event {
	b := s.find(root)
	if b == nil {
		return dst
	}
	return b.stop(dst)
}

// stop ends a block. A tool call without deltas has the input that its start
// gave, which is {} when the tool takes no arguments.
func (b *block) stop(dst []llm.Event) []llm.Event {
	b.stopped = true
	if b.kind == llm.PartToolCall && !b.body {
		dst = b.append(dst, llm.EventDelta, b.initial)
	}
	return append(dst, llm.Event{Kind: llm.EventPartStop, Part: b.part})
}

func (s *decoder) messageDelta(dst []llm.Event, root jsondoor.Value) []llm.Event {
	delta, usage := root.Get("delta"), root.Get("usage")
	if finish := finishOf(delta.Get("stop_reason")); finish != "" && !s.finished {
		s.finished = true
		for i := range s.blocks { // a provider that forgets content_block_stop
			if b := &s.blocks[i]; !b.stopped {
				dst = b.stop(dst)
			}
		}
		dst = append(dst, llm.Event{Kind: llm.EventFinish, Finish: finish, StopSequence: delta.Get("stop_sequence").Text()})
	}
	if usage.Kind() == jsondoor.Object {
		s.tokens.update(usage)
		dst = append(dst, llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: s.tokens.usage()}})
	}
	return dst
}
