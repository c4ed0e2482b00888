package anthropic

import (
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// glance reads the event that most of a stream consists of: a
// content_block_delta with a piece of text, thinking or arguments for a block
// that is open. It is read in one pass that remembers nothing; false leaves the
// event to the decoder that looks at everything, and has changed nothing.
func (s *decoder) glance(data []byte) (e llm.Event, ok bool) {
	c := jsondoor.NewCursor(data)
	if !c.Object() {
		return e, false
	}
	var kind, index, delta bool
	var n int64
	var d deltaText
	for {
		name, more := c.Member()
		if !more {
			break
		}
		switch string(name) {
		case "type":
			raw, escaped, is := c.Text()
			ok = !kind && is && !escaped && string(raw) == "content_block_delta"
			kind = true
		case "index":
			n, ok = c.Int()
			ok = ok && !index
			index = true
		case "delta":
			ok = !delta && d.read(&c)
			delta = true
		default:
			ok = c.Skip()
		}
		if !ok {
			return e, false
		}
	}
	if !c.Done() || !kind || !index || len(d.raw) == 0 {
		return e, false
	}
	b := s.open(n)
	if b == nil || b.kind != d.kind && !(b.kind == llm.PartOpaque && d.kind == llm.PartToolCall) {
		return e, false
	}
	text := d.raw
	if d.escaped {
		s.scratch = jsondoor.Unescape(s.scratch[:0], text)
		text = s.scratch
	}
	b.body = true
	return llm.Event{Kind: llm.EventDelta, Part: b.part, Text: s.pieces.String(text)}, true
}

// deltaText is the text of a delta and the kind of block that it is for.
type deltaText struct {
	kind    llm.PartKind
	raw     []byte
	escaped bool
}

func (d *deltaText) read(c *jsondoor.Cursor) (ok bool) {
	if !c.Object() {
		return false
	}
	var typ, text []byte
	for {
		name, more := c.Member()
		if !more {
			break
		}
		switch string(name) {
		case "type":
			if typ != nil {
				return false
			}
			var escaped bool
			if typ, escaped, ok = c.Text(); !ok || escaped {
				return false
			}
		case "text", "partial_json", "thinking":
			if text != nil {
				return false
			}
			text = name
			if d.raw, d.escaped, ok = c.Text(); !ok {
				return false
			}
		default:
			if !c.Skip() {
				return false
			}
		}
	}
	switch string(typ) {
	case "text_delta":
		d.kind, ok = llm.PartText, string(text) == "text"
	case "input_json_delta":
		d.kind, ok = llm.PartToolCall, string(text) == "partial_json"
	case "thinking_delta":
		d.kind, ok = llm.PartThinking, string(text) == "thinking"
	default:
		ok = false
	}
	return ok && !c.Failed()
}
