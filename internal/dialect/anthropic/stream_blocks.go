package anthropic

import (
	"strconv"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// begin opens the block of a part, with what came for it while it waited.
func (s *streamEncoder) begin(dst []byte, n int) []byte {
	p := &s.parts[n]
	p.block, p.state, s.open = s.blocks, opened, n
	s.blocks++
	w := event(dst, "content_block_start")
	w.Key("index").Int(int64(p.block)).Key("content_block")
	switch p.kind {
	case llm.PartThinking:
		w.Object().Key("type").String("thinking").Key("thinking").String("").Key("signature").String("").EndObject()
	case llm.PartRedactedThinking:
		w.Object().Key("type").String("redacted_thinking").Key("data").Raw(redactedData(p.raw)).EndObject()
	case llm.PartToolCall:
		s.tools = true
		w.Object().Key("type").String("tool_use").Key("id").String(toolID(p.id)).Key("name").String(p.nam)
		w.Key("input").Object().EndObject().EndObject()
	case llm.PartOpaque:
		w.Raw(oneLine(p.raw))
	default:
		s.refused = s.refused || p.kind == llm.PartRefusal
		w.Object().Key("type").String("text").Key("text").String("").EndObject()
	}
	dst = end(w)
	if len(p.waiting) > 0 {
		dst = appendDelta(dst, p, string(p.waiting))
		p.waiting = nil
	}
	if len(p.sig) > 0 {
		dst = appendSignature(dst, p, string(p.sig))
		p.sig, p.signed = nil, true
	}
	if p.stopped {
		dst = s.close(dst)
	}
	return dst
}

// close ends the open block, and begins what waited for it.
func (s *streamEncoder) close(dst []byte) []byte {
	if s.open < 0 {
		return dst
	}
	p := &s.parts[s.open]
	if p.kind == llm.PartThinking && !p.signed {
		dst = appendSignature(dst, p, unsigned)
	}
	p.state, s.open, s.resumed = done, -1, false
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(p.block), 10)
	return append(dst, "}\n\n"...)
}

// next begins the first part that waits, if no block is open.
func (s *streamEncoder) next(dst []byte) []byte {
	for n := 0; n < len(s.parts) && s.open < 0; n++ {
		if s.parts[n].state == waiting {
			dst = s.begin(dst, n)
		}
	}
	return dst
}

// closeAll ends the open block and shows all that waits.
func (s *streamEncoder) closeAll(dst []byte) []byte {
	for {
		dst = s.next(s.close(dst))
		if s.open < 0 {
			return dst
		}
	}
}

func (s *streamEncoder) partStop(dst []byte, n int) []byte {
	if n < 0 || n >= len(s.parts) {
		return dst
	}
	switch p := &s.parts[n]; p.state {
	case waiting:
		p.stopped = true
	case opened:
		return s.next(s.close(dst))
	}
	return dst
}

func (s *streamEncoder) delta(dst []byte, e *llm.Event) ([]byte, error) {
	if e.Text == "" {
		return dst, nil
	}
	if e.Part != s.open || s.resumed {
		var err error
		if dst, err = s.turnTo(dst, e); err != nil || e.Part != s.open || s.open < 0 {
			return dst, err
		}
	}
	return appendDelta(dst, &s.parts[e.Part], e.Text), nil
}

// turnTo makes the delta's part the open one, or lets the delta wait.
func (s *streamEncoder) turnTo(dst []byte, e *llm.Event) ([]byte, error) {
	p := s.part(e.Part)
	if p == nil {
		return dst, malformed("a part number out of range")
	}
	dst = s.start(dst, "", "")
	switch {
	case p.state == unknown: // a provider that does not say what begins: text
		p.kind, p.state = llm.PartText, waiting
	case p.state == done && p.kind != llm.PartToolCall && p.kind != llm.PartOpaque:
		// A block cannot be opened again: the rest of the text gets a new one.
		*p = shown{kind: p.kind, state: waiting}
	case p.state == done:
		return dst, malformed("more of a tool call that has ended")
	case p.state == opened:
		s.resumed = false
	}
	if p.state != waiting {
		return dst, nil
	}
	if s.open < 0 || s.parts[s.open].kind != llm.PartToolCall {
		return s.begin(s.close(dst), e.Part), nil
	}
	p.waiting = append(p.waiting, e.Text...)
	return dst, nil
}

// appendDelta appends one content_block_delta, the event most streams are made of.
func appendDelta(dst []byte, p *shown, text string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(p.block), 10)
	switch p.kind {
	case llm.PartThinking:
		dst = append(dst, `,"delta":{"type":"thinking_delta","thinking":`...)
	case llm.PartToolCall, llm.PartOpaque:
		dst = append(dst, `,"delta":{"type":"input_json_delta","partial_json":`...)
	default:
		dst = append(dst, `,"delta":{"type":"text_delta","text":`...)
	}
	dst = jsondoor.AppendString(dst, text)
	return append(dst, "}}\n\n"...)
}

// signature shows a thinking signature, which belongs to an open block.
func (s *streamEncoder) signature(dst []byte, e *llm.Event) []byte {
	if e.Text == "" || e.Part < 0 || e.Part >= len(s.parts) {
		return dst
	}
	switch p := &s.parts[e.Part]; {
	case p.kind != llm.PartThinking:
	case p.state == waiting:
		p.sig = append(p.sig, e.Text...)
	case p.state == opened:
		s.resumed, p.signed = false, true
		return appendSignature(dst, p, e.Text)
	}
	return dst
}

func appendSignature(dst []byte, p *shown, sig string) []byte {
	w := event(dst, "content_block_delta")
	w.Key("index").Int(int64(p.block)).Key("delta").Object()
	w.Key("type").String("signature_delta").Key("signature").String(sig).EndObject()
	return end(w)
}

// opaque shows a delta that only this dialect has (citations), in the block
// that is open here; other opaque events are not a client's business.
func (s *streamEncoder) opaque(dst []byte, e *llm.Event) []byte {
	d, err := jsondoor.ParseLax(e.Raw, eventSchema)
	if err != nil {
		return dst
	}
	defer d.Release()
	root := d.Root()
	if !root.Get("type").Is("content_block_delta") || e.Part != s.open || s.open < 0 {
		return dst
	}
	p := d.Patch()
	p.Set(root, "index", strconv.AppendInt(nil, int64(s.parts[s.open].block), 10))
	dst = append(dst, "event: content_block_delta\ndata: "...)
	return append(append(dst, oneLine(p.Bytes())...), "\n\n"...)
}
