package openaichat

import (
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// messages writes the conversation, continued where the target is to go on
// with an answer.
func (e *encoder) messages() []byte {
	list := e.r.Messages
	mark := false // the last, assistant, message is a prefill
	if n := len(list); n > 0 && list[n-1].Role == llm.Assistant && e.foreign {
		mark = true
	}
	if c := e.t.Continue; c != nil {
		if c.Method == dialect.ContinueNone {
			e.fail = unsupported("continue")
			return nil
		}
		list = withPrefix(list, c.Prefix)
		mark = true
		if c.Method == dialect.Instruct {
			list = append(list, llm.Message{Role: llm.User, Parts: []llm.Part{{Kind: llm.PartText, Text: dialect.ContinueInstruction}}})
			mark = false
		}
	}
	w := jsondoor.Writer{Buf: make([]byte, 0, size(list))}
	w.Array()
	for i := range list {
		e.message(&w, &list[i], mark && i == len(list)-1)
	}
	if mark && e.t.Quirks.PrefillStyle == "continue_final_message" {
		e.set("continue_final_message", encoded(true))
		e.set("add_generation_prompt", encoded(false))
	}
	return w.EndArray().Buf
}

// size estimates the JSON of the messages.
func size(list []llm.Message) int {
	n := 64
	for i := range list {
		n += 64
		for j := range list[i].Parts {
			p := &list[i].Parts[j]
			n += 64 + len(p.Text) + len(p.Text)/16 + len(p.Arguments) + len(p.Opaque)
			if p.Media != nil {
				n += len(p.Media.Data)
			}
			for k := range p.Result {
				n += len(p.Result[k].Text) + 64
			}
		}
	}
	return n
}

// withPrefix returns the messages with prefix as, or at the end of, the last
// assistant message.
func withPrefix(list []llm.Message, prefix string) []llm.Message {
	out := append(make([]llm.Message, 0, len(list)+2), list...)
	text := llm.Part{Kind: llm.PartText, Text: prefix}
	if n := len(out); n > 0 && out[n-1].Role == llm.Assistant {
		last := out[n-1]
		last.Parts = append([]llm.Part(nil), last.Parts...)
		if k := len(last.Parts); k > 0 && last.Parts[k-1].Kind == llm.PartText {
			last.Parts[k-1].Text += prefix
		} else {
			last.Parts = append(last.Parts, text)
		}
		out[n-1] = last
		return out
	}
	return append(out, llm.Message{Role: llm.Assistant, Parts: []llm.Part{text}})
}

// message writes one turn: first a tool message for every tool result in it,
// then the rest under its own role.
func (e *encoder) message(w *jsondoor.Writer, m *llm.Message, prefill bool) {
	var images []llm.Part
	rest := m.Parts
	if hasResult(m.Parts) {
		rest = nil
		for i := range m.Parts {
			p := &m.Parts[i]
			if p.Kind != llm.PartToolResult {
				rest = append(rest, *p)
				continue
			}
			images = append(images, e.result(w, m, p)...)
		}
		if rest = append(images, rest...); len(rest) == 0 {
			return
		}
	}
	role := m.Role
	if role == llm.Tool {
		role = llm.User // what a tool message cannot hold
	}
	if role == llm.Developer && e.t.Quirks.NoDeveloper {
		role = llm.System
	}
	w.Object().Key("role").String(string(role))
	e.content(w, role, rest)
	if m.Name != "" && !e.t.Quirks.NameOnlyOnTool {
		w.Key("name").String(m.Name)
	} else if m.Name != "" {
		e.drop("name")
	}
	e.calls(w, rest)
	if prefill && role == llm.Assistant && e.t.Quirks.PrefillStyle == "prefix" {
		w.Key("prefix").Bool(true)
	}
	e.extra(w, m, prefill)
	w.EndObject()
}

func hasResult(parts []llm.Part) bool {
	for i := range parts {
		if parts[i].Kind == llm.PartToolResult {
			return true
		}
	}
	return false
}

func (e *encoder) extra(w *jsondoor.Writer, m *llm.Message, prefill bool) {
	for _, x := range m.Extra {
		if e.foreign {
			e.unsupported("messages." + x.Name)
		} else if !prefill || x.Name != "prefix" {
			w.Key(x.Name).Raw(x.Raw)
		}
	}
}

// result writes a tool message and returns the images that it cannot hold.
func (e *encoder) result(w *jsondoor.Writer, m *llm.Message, p *llm.Part) []llm.Part {
	var images, texts []llm.Part
	for i := range p.Result {
		if r := p.Result[i]; e.foreign && r.Kind == llm.PartImage {
			images = append(images, r)
		} else {
			texts = append(texts, r)
		}
	}
	if len(texts) == 0 && len(images) > 0 {
		texts = []llm.Part{{Kind: llm.PartText, Text: "The result is the image in the next user message."}}
	}
	if p.IsError {
		e.drop("tool_result.is_error")
	}
	if e.foreign && len(p.CacheControl) > 0 {
		e.drop("cache_control")
	}
	w.Object().Key("role").String("tool").Key("tool_call_id").String(p.ID)
	e.content(w, llm.Tool, texts)
	if m.Role == llm.Tool {
		if m.Name != "" {
			w.Key("name").String(m.Name)
		}
		e.extra(w, m, false)
	}
	w.EndObject()
	return images
}

// content writes the text and media of a message: a string where that says it
// all, since every server understands one.
func (e *encoder) content(w *jsondoor.Writer, role llm.Role, parts []llm.Part) {
	var thinking strings.Builder
	blocks, visible, plain := 0, 0, true
	var refusal *llm.Part
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartThinking:
			thinking.WriteString(p.Text)
			if p.Signature != "" {
				blocks++
			}
		case llm.PartRedactedThinking:
			blocks++
		case llm.PartToolCall:
		case llm.PartRefusal:
			refusal = p
		default:
			if p.Kind == llm.PartOpaque && p.Name == "tool_calls" {
				continue
			}
			visible++
			plain = plain && p.Kind == llm.PartText && (len(p.CacheControl) == 0 || e.foreign)
		}
	}
	w.Key("content")
	switch {
	case visible == 0 && role == llm.Assistant:
		w.Null()
	case visible == 0:
		w.String("")
	case plain && visible == 1:
		for i := range parts {
			if parts[i].Kind == llm.PartText {
				w.String(parts[i].Text)
				e.noteCache(&parts[i])
			}
		}
	case plain && e.foreign && role != llm.User:
		// Instructions and assistant turns in pieces: the pieces joined mean
		// the same, and not every server takes pieces here.
		w.String(e.joined(role, parts))
	default:
		w.Array()
		for i := range parts {
			e.part(w, &parts[i])
		}
		w.EndArray()
	}
	if refusal != nil {
		w.Key("refusal").String(refusal.Text)
	}
	e.thinking(w, thinking.String(), blocks, parts)
}

func (e *encoder) noteCache(p *llm.Part) {
	if len(p.CacheControl) > 0 && e.foreign {
		e.drop("cache_control")
	}
}

func (e *encoder) joined(role llm.Role, parts []llm.Part) string {
	between := ""
	if role == llm.System || role == llm.Developer || role == llm.Tool {
		between = "\n\n"
	}
	var b strings.Builder
	for i := range parts {
		p := &parts[i]
		if p.Kind != llm.PartText {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(between)
		}
		b.WriteString(p.Text)
		e.noteCache(p)
	}
	return b.String()
}

// thinking writes earlier thinking as the provider takes it.
func (e *encoder) thinking(w *jsondoor.Writer, text string, blocks int, parts []llm.Part) {
	field := e.t.Quirks.ReasoningField
	if field == "" && !e.foreign {
		field = "reasoning_content"
	}
	if text != "" {
		if field == "" {
			e.drop("thinking")
		} else {
			w.Key(field).String(text)
		}
	}
	if blocks == 0 {
		return
	}
	if e.foreign {
		e.drop("thinking.signature")
		return
	}
	writeBlocks(w, parts)
}

// writeBlocks writes thinking with what only its maker understands.
func writeBlocks(w *jsondoor.Writer, parts []llm.Part) {
	w.Key("thinking_blocks").Array()
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartThinking:
			w.Object().Key("type").String("thinking").Key("thinking").String(p.Text).Key("signature").String(p.Signature).EndObject()
		case llm.PartRedactedThinking:
			w.Object().Key("type").String("redacted_thinking").Key("data").Raw(p.Opaque).EndObject()
		}
	}
	w.EndArray()
}
