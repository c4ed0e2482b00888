package openaichat

import (
	"encoding/json"
	"strings"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

func (e *encoder) part(w *jsondoor.Writer, p *llm.Part) {
	switch p.Kind {
	case llm.PartText:
		w.Object().Key("type").String("text").Key("text").String(p.Text)
	case llm.PartImage:
		w.Object().Key("type").String("image_url").Key("image_url").Object().Key("url").String(dataURL(p.Media))
		if p.Media.Detail != "" {
			w.Key("detail").String(p.Media.Detail)
		}
		w.EndObject()
	case llm.PartAudio:
		if p.Media.URL != "" {
			e.unsupported("audio url")
			return
		}
		format := strings.TrimPrefix(p.Media.MediaType, "audio/")
		w.Object().Key("type").String("input_audio").Key("input_audio").Object().Key("data").String(p.Media.Data).Key("format").String(format).EndObject()
	case llm.PartDocument:
		if !e.document(w, p) {
			return
		}
	case llm.PartOpaque:
		if p.Dialect != Name {
			e.unsupported("content")
		} else if p.Name != "tool_calls" {
			w.Raw(p.Opaque)
		}
		return
	default:
		return // thinking, refusals and calls have their own members
	}
	e.cacheControl(w, p.CacheControl)
	w.EndObject()
}

// document opens the part that holds a document; false: there is none.
func (e *encoder) document(w *jsondoor.Writer, p *llm.Part) bool {
	switch {
	case p.Media == nil:
		text := p.Text
		if p.Name != "" {
			text = p.Name + "\n\n" + text
		}
		w.Object().Key("type").String("text").Key("text").String(text)
	case p.Media.URL != "" && e.foreign:
		e.unsupported("document url")
		return false
	default:
		w.Object().Key("type").String("file").Key("file").Object()
		if name := p.Name; name != "" {
			w.Key("filename").String(name)
		} else if e.foreign {
			w.Key("filename").String("document") // required by OpenAI
		}
		w.Key("file_data").String(dataURL(p.Media)).EndObject()
	}
	return true
}

func dataURL(m *llm.Media) string {
	if m.URL != "" || m.Data == "" {
		return m.URL
	}
	return "data:" + m.MediaType + ";base64," + m.Data
}

// calls writes the tool calls of an assistant message.
func (e *encoder) calls(w *jsondoor.Writer, parts []llm.Part) {
	open := false
	for i := range parts {
		p := &parts[i]
		opaque := p.Kind == llm.PartOpaque && p.Name == "tool_calls" && p.Dialect == Name
		if p.Kind != llm.PartToolCall && !opaque {
			continue
		}
		if !open {
			w.Key("tool_calls").Array()
			open = true
		}
		if opaque {
			w.Raw(p.Opaque)
			continue
		}
		if len(p.CacheControl) > 0 && e.foreign {
			e.drop("cache_control")
		}
		writeCall(w, p)
	}
	if open {
		w.EndArray()
	}
}

func writeCall(w *jsondoor.Writer, p *llm.Part) {
	args := p.Arguments
	if args == "" && !p.Incomplete {
		args = "{}"
	}
	w.Object().Key("id").String(p.ID).Key("type").String("function").Key("function").Object().
		Key("name").String(p.Name).Key("arguments").String(args).EndObject()
	if p.Dialect == Name || p.Dialect == "" { // a stream's parts do not say whose they are
		writeMembers(w, p.Opaque)
	}
	w.EndObject()
}

// writeMembers adds the members of an object, as they were received.
func writeMembers(w *jsondoor.Writer, object json.RawMessage) {
	if len(object) == 0 {
		return
	}
	d, err := jsondoor.ParseLax(object, jsondoor.Everything)
	if err != nil {
		return // it is ours, and was JSON when it was kept
	}
	defer d.Release()
	for m := d.Root().First(); m.Exists(); m = m.Next() {
		w.Key(m.Name()).Raw(m.Raw())
	}
}
