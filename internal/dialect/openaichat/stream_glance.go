package openaichat

import (
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// Most chunks of a stream carry one piece of text or thinking that goes on with
// what came before. They are read in one pass that remembers nothing; whatever
// is unusual about a chunk leaves it to the decoder that looks at everything.

// glance is what a chunk of running text says.
type glance struct {
	start, end int // of the model's name in the data, quotes included; 0: none
	model      []byte
	choice     int
	text       []byte // as it stands in the data; empty: the chunk says nothing
	escaped    bool
}

// piece is a string of a chunk.
type piece struct {
	raw     []byte
	escaped bool
	seen    bool
}

// read reads a string or null. A second one is unusual.
func (p *piece) read(c *jsondoor.Cursor) (ok bool) {
	if p.seen {
		return false
	}
	p.seen = true
	if c.Null() {
		return true
	}
	p.raw, p.escaped, ok = c.Text()
	return ok
}

// glance reads a chunk; false: it is not of the usual kind. It changes nothing.
func (s *streamDecoder) glance(ev *sse.Event) (g glance, ok bool) {
	if !s.started || string(ev.Name) == "error" || len(ev.Data) == 0 || ev.Data[0] != '{' {
		return g, false
	}
	c := jsondoor.NewCursor(ev.Data)
	c.Object()
	var model, object piece
	chosen := false
	for {
		name, more := c.Member()
		if !more {
			break
		}
		switch string(name) {
		case "model":
			g.start = c.Offset()
			if ok = c.Peek() == '"' && model.read(&c) && !model.escaped; ok {
				g.model, g.end = model.raw, g.start+len(model.raw)+2
			}
		case "object":
			ok = object.read(&c) && !object.escaped && string(object.raw) != "error"
		case "choices":
			ok = !chosen && s.glanceChoices(&c, &g)
			chosen = true
		case "error", "usage", "x_groq":
			ok = c.Null()
		default:
			ok = c.Skip()
		}
		if !ok {
			return g, false
		}
	}
	return g, chosen && c.Done()
}

func (s *streamDecoder) glanceChoices(c *jsondoor.Cursor, g *glance) bool {
	if !c.Array() || !c.Element() || !c.Object() {
		return false
	}
	var index, delta bool
	var text, finish piece
	var d deltaPieces
	for {
		name, more := c.Member()
		if !more {
			break
		}
		var ok bool
		switch string(name) {
		case "index":
			var n int64
			if n, ok = c.Int(); ok && !index && n < int64(len(s.choices)) {
				index, g.choice = true, int(n)
			} else {
				ok = false
			}
		case "delta":
			ok = !delta && d.read(c)
			delta = true
		case "text":
			ok = text.read(c)
		case "finish_reason":
			ok = finish.read(c) && len(finish.raw) == 0
		case "logprobs", "message":
			ok = c.Null()
		default:
			ok = c.Skip()
		}
		if !ok {
			return false
		}
	}
	if c.Failed() || c.Element() || c.Failed() || len(s.choices) == 0 {
		return false
	}
	thinking := d.reasoningContent
	if len(thinking.raw) == 0 {
		thinking = d.reasoning
	}
	found, kind := piece{}, llm.PartText
	for _, p := range [...]piece{text, d.content, thinking} {
		if len(p.raw) > 0 {
			if len(found.raw) > 0 {
				return false // several pieces
			}
			found = p
		}
	}
	if len(found.raw) == 0 {
		return true // a role, a keep-alive
	}
	if len(thinking.raw) > 0 {
		kind = llm.PartThinking
	}
	g.text, g.escaped = found.raw, found.escaped
	st := &s.choices[g.choice]
	return st.open >= 0 && st.parts[st.open].kind == kind
}

// deltaPieces are the strings of a delta.
type deltaPieces struct{ content, reasoningContent, reasoning piece }

func (d *deltaPieces) read(c *jsondoor.Cursor) bool {
	if !c.Object() {
		return false
	}
	for {
		name, more := c.Member()
		if !more {
			return !c.Failed()
		}
		var ok bool
		switch string(name) {
		case "content":
			ok = d.content.read(c)
		case "reasoning_content":
			ok = d.reasoningContent.read(c)
		case "reasoning":
			ok = d.reasoning.read(c)
		case "tool_calls": // some servers send an empty list with every chunk
			ok = c.Null() || c.Array() && !c.Element() && !c.Failed()
		case "refusal", "function_call", "thinking_blocks", "annotations", "audio":
			ok = c.Null()
		default:
			ok = c.Skip()
		}
		if !ok {
			return false
		}
	}
}

// running appends the event of a chunk of running text.
func (s *streamDecoder) running(dst []llm.Event, g *glance) []llm.Event {
	if len(g.text) == 0 {
		return dst
	}
	text := g.text
	if g.escaped {
		s.scratch = jsondoor.Unescape(s.scratch[:0], text)
		text = s.scratch
	}
	return append(dst, llm.Event{Kind: llm.EventDelta, Choice: g.choice, Part: s.choices[g.choice].open, Text: s.pieces.String(text)})
}

// rewrite appends the event's bytes with the model's name replaced.
func (g *glance) rewrite(dst []byte, ev *sse.Event, model string) []byte {
	if g.end == 0 || model == "" || string(g.model) == model {
		return append(dst, ev.Raw...)
	}
	dst = append(dst, ev.Raw[:ev.DataAt+g.start]...)
	dst = jsondoor.AppendString(dst, model)
	return append(dst, ev.Raw[ev.DataAt+g.end:]...)
}
