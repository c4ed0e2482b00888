package openaichat

import (
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// Most chunks of a stream carry one piece of text or thinking that goes on with
// what came before. They are read in one pass; whatever is unusual about a chunk
// leaves it to the decoder that looks at everything. And most of them differ from
// the one before in that text alone: of these nothing else is read.

// glance is what a chunk of running text says.
type glance struct {
	start, end int // of the model's name in the data, quotes included; 0: none
	choice     int
	kind       llm.PartKind // of the text
	at         int          // where the text begins in the data
	text       []byte       // as it stands there; empty: the chunk says nothing
	escaped    bool
}

// mould is what stands around the text of a chunk that was read at a glance.
type mould struct {
	glance        // without its text
	around []byte // the data without the text
}

// take remembers what stands around the text of g, which is a glance at data.
func (m *mould) take(data []byte, g *glance) {
	m.glance, m.text = *g, nil
	if m.start > m.at {
		m.start, m.end = m.start-len(g.text), m.end-len(g.text)
	}
	m.around = append(append(m.around[:0], data[:g.at]...), data[g.at+len(g.text):]...)
}

// fill reads data, if only the text in it is another.
func (m *mould) fill(data []byte) (g glance, ok bool) {
	n := len(data) - len(m.around)
	if len(m.around) == 0 || n <= 0 || string(data[:m.at]) != string(m.around[:m.at]) || string(data[m.at+n:]) != string(m.around[m.at:]) {
		return g, false
	}
	text, escaped, ok := jsondoor.TextAt(data, m.at-1)
	if !ok || len(text) != n {
		return g, false
	}
	g = m.glance
	if g.text, g.escaped = text, escaped; g.start > g.at {
		g.start, g.end = g.start+n, g.end+n
	}
	return g, true
}

// piece is a string of a chunk.
type piece struct {
	raw     []byte
	at      int // where raw begins in the data
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
	p.at = c.Offset() + 1
	p.raw, p.escaped, ok = c.Text()
	return ok
}

// glance reads a chunk; false: it is not of the usual kind.
func (s *streamDecoder) glance(ev *sse.Event) (g glance, ok bool) {
	if !s.started || string(ev.Name) == "error" || len(ev.Data) == 0 || ev.Data[0] != '{' {
		return g, false
	}
	if g, ok = s.mould.fill(ev.Data); ok {
		return g, s.goesOn(&g)
	}
	if g, ok = s.glanceChunk(ev.Data); ok && len(g.text) > 0 {
		s.mould.take(ev.Data, &g)
	}
	return g, ok
}

// goesOn reports whether the text of g belongs to the part that is open.
func (s *streamDecoder) goesOn(g *glance) bool {
	st := &s.choices[g.choice]
	return st.open >= 0 && st.parts[st.open].kind == g.kind
}

func (s *streamDecoder) glanceChunk(data []byte) (g glance, ok bool) {
	c := jsondoor.NewCursor(data)
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
				g.end = g.start + len(model.raw) + 2
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
	found := piece{}
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
	g.kind = llm.PartText
	if len(thinking.raw) > 0 {
		g.kind = llm.PartThinking
	}
	g.text, g.at, g.escaped = found.raw, found.at, found.escaped
	return s.goesOn(g)
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
	if g.end == 0 || model == "" || string(ev.Data[g.start+1:g.end-1]) == model {
		return append(dst, ev.Raw...)
	}
	dst = append(dst, ev.Raw[:ev.DataAt+g.start]...)
	dst = jsondoor.AppendString(dst, model)
	return append(dst, ev.Raw[ev.DataAt+g.end:]...)
}
