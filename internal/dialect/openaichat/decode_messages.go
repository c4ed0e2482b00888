package openaichat

import (
	"slices"
	"strings"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

func decodeMessage(v jsondoor.Value) llm.Message {
	m := llm.Message{Role: llm.Role(v.Get("role").Text())}
	if m.Role == llm.Tool {
		result := llm.Part{Kind: llm.PartToolResult, ID: v.Get("tool_call_id").Text(), Result: decodeContent(v.Get("content"))}
		m.Parts = []llm.Part{result}
	} else {
		m.Parts = decodeParts(v, "")
	}
	for e := v.First(); e.Exists(); e = e.Next() {
		if !e.Present() {
			continue
		}
		switch string(e.RawName()) {
		case "role", "content":
		case "name":
			m.Name = e.Text()
		case "tool_call_id":
			if m.Role != llm.Tool {
				m.Extra = append(m.Extra, extra(e))
			}
		case "refusal", "reasoning", "reasoning_content", "thinking_blocks", "tool_calls":
			if m.Role == llm.Tool {
				m.Extra = append(m.Extra, extra(e))
			}
		default:
			m.Extra = append(m.Extra, extra(e))
		}
	}
	return m
}

// decodeParts reads the parts of a message, of a request or an answer:
// thinking first, as models produce it, then content, refusal and tool calls.
// Calls without an id get one that begins with prefix.
func decodeParts(v jsondoor.Value, prefix string) []llm.Part {
	parts := decodeThinking(v)
	parts = append(parts, decodeContent(v.Get("content"))...)
	if s := v.Get("refusal"); s.Size() > 0 {
		parts = append(parts, llm.Part{Kind: llm.PartRefusal, Text: s.Text()})
	}
	n := 0
	for c := v.Get("tool_calls").First(); c.Exists(); c, n = c.Next(), n+1 {
		parts = append(parts, decodeCall(c, prefix, n))
	}
	return parts
}

// decodeThinking reads thinking: thinking_blocks where there are any, else the
// plain text. A stream shows text and signature apart, so a client that sends
// back what it gathered may have the text in reasoning_content and a signed
// block without text: they are one again. With several such blocks nobody can
// tell whose the text is; it then goes without the signatures, which are of no
// use to a text that is not theirs.
func decodeThinking(v jsondoor.Value) []llm.Part {
	var parts []llm.Part
	text := thinkingText(v)
	bare := 0 // signed blocks without text
	said := false
	for b := v.Get("thinking_blocks").First(); b.Exists(); b = b.Next() {
		if b.Get("type").Is("redacted_thinking") {
			parts = append(parts, llm.Part{Kind: llm.PartRedactedThinking, Opaque: clone(b.Get("data")), Dialect: "anthropic"})
			continue
		}
		p := llm.Part{Kind: llm.PartThinking, Text: b.Get("thinking").Text(), Signature: b.Get("signature").Text()}
		said = said || p.Text != ""
		if p.Text == "" && p.Signature != "" {
			bare++
		}
		parts = append(parts, p)
	}
	if said || text.Size() == 0 {
		return parts
	}
	whole := llm.Part{Kind: llm.PartThinking, Text: text.Text()}
	for i := range parts {
		if p := &parts[i]; bare == 1 && p.Kind == llm.PartThinking && p.Signature != "" {
			p.Text = whole.Text
			return parts
		}
	}
	redacted := slices.DeleteFunc(parts, func(p llm.Part) bool { return p.Kind == llm.PartThinking })
	return append([]llm.Part{whole}, redacted...)
}

// thinkingText returns the thinking of a message or delta in either spelling.
func thinkingText(v jsondoor.Value) jsondoor.Value {
	if s := v.Get("reasoning_content"); s.Size() > 0 {
		return s
	}
	return v.Get("reasoning")
}

func decodeContent(v jsondoor.Value) []llm.Part {
	if v.Kind() == jsondoor.String {
		if v.Size() == 0 {
			return nil
		}
		return []llm.Part{{Kind: llm.PartText, Text: v.Text()}}
	}
	var parts []llm.Part
	for p := v.First(); p.Exists(); p = p.Next() {
		parts = append(parts, decodePart(p))
	}
	return parts
}

func decodePart(v jsondoor.Value) llm.Part {
	opaque := llm.Part{Kind: llm.PartOpaque, Opaque: clone(v), Dialect: Name}
	p := llm.Part{}
	if c := v.Get("cache_control"); c.Present() {
		p.CacheControl = clone(c)
	}
	switch typ := v.Get("type"); {
	case typ.Is("text") && only(v, "text"):
		p.Kind, p.Text = llm.PartText, v.Get("text").Text()
	case typ.Is("refusal") && only(v, "refusal"):
		p.Kind, p.Text = llm.PartRefusal, v.Get("refusal").Text()
	case typ.Is("thinking") && only(v, "thinking"):
		var b strings.Builder
		for t := v.Get("thinking").First(); t.Exists(); t = t.Next() {
			b.WriteString(t.Get("text").Text())
		}
		p.Kind, p.Text = llm.PartThinking, b.String()
	case typ.Is("image_url") && only(v, "image_url"):
		image := v.Get("image_url")
		url := image.Get("url").Text()
		if image.Kind() == jsondoor.String { // Mistral's short form
			url = image.Text()
		}
		p.Kind, p.Media = llm.PartImage, media(url)
		p.Media.Detail = image.Get("detail").Text()
	case typ.Is("input_audio") && only(v, "input_audio"):
		a := v.Get("input_audio")
		p.Kind, p.Media = llm.PartAudio, &llm.Media{MediaType: "audio/" + a.Get("format").Text(), Data: a.Get("data").Text()}
	case typ.Is("file") && only(v, "file") && !v.Get("file").Get("file_id").Present():
		file := v.Get("file")
		p.Kind, p.Name, p.Media = llm.PartDocument, file.Get("filename").Text(), media(file.Get("file_data").Text())
	default:
		return opaque
	}
	return p
}

// only reports whether a part has no members but type, cache_control and name,
// so that nothing is lost in taking it apart.
func only(v jsondoor.Value, name string) bool {
	for m := v.First(); m.Exists(); m = m.Next() {
		if m.Present() && !m.Named("type") && !m.Named("cache_control") && !m.Named(name) {
			return false
		}
	}
	return true
}

// media takes a data URL apart; any other is kept as it is.
func media(url string) *llm.Media {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		if typ, data, ok := strings.Cut(rest, ";base64,"); ok {
			return &llm.Media{MediaType: typ, Data: data}
		}
	}
	return &llm.Media{URL: url}
}
