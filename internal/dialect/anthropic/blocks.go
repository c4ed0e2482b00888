package anthropic

import (
	"hash/fnv"
	"strconv"
	"strings"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// content writes parts as a message's content: a plain string for one text,
// else blocks. The last text of a prefill loses trailing white space.
func (e *encoder) content(w *jsondoor.Writer, parts []*llm.Part, prefill bool) error {
	if len(parts) == 1 && plainText(parts[0]) {
		w.String(trimmed(parts[0].Text, prefill))
		return nil
	}
	w.Array()
	for i, p := range parts {
		if err := e.block(w, p, prefill && i == len(parts)-1); err != nil {
			return err
		}
	}
	w.EndArray()
	return nil
}

func plainText(p *llm.Part) bool {
	return (p.Kind == llm.PartText || p.Kind == llm.PartRefusal) && len(p.CacheControl) == 0 &&
		(p.Opaque == nil || p.Dialect != Name)
}

func trimmed(s string, trim bool) string {
	if trim {
		return strings.TrimRight(s, " \t\r\n")
	}
	return s
}

// block writes one content block.
func (e *encoder) block(w *jsondoor.Writer, p *llm.Part, trim bool) error {
	if p.Kind == llm.PartRedactedThinking {
		w.Object().Key("type").String("redacted_thinking").Key("data").Raw(p.Opaque).EndObject()
		return nil
	}
	if p.Opaque != nil && p.Dialect == Name && !trim {
		w.Raw(p.Opaque)
		return nil
	}
	w.Object()
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		w.Key("type").String("text").Key("text").String(trimmed(p.Text, trim))
	case llm.PartThinking:
		w.Key("type").String("thinking").Key("thinking").String(p.Text).Key("signature").String(p.Signature)
	case llm.PartToolCall:
		input := p.Arguments
		if input == "" {
			input = "{}"
		}
		w.Key("type").String("tool_use").Key("id").String(toolID(p.ID)).Key("name").String(p.Name).Key("input").Raw([]byte(input))
	case llm.PartToolResult:
		w.Key("type").String("tool_result").Key("tool_use_id").String(toolID(p.ID))
		if err := e.result(w, p); err != nil {
			return err
		}
	case llm.PartImage:
		if err := e.image(w, p); err != nil {
			return err
		}
	case llm.PartDocument:
		if err := e.document(w, p); err != nil {
			return err
		}
	default:
		return invalid("messages", "a kind of content that Anthropic does not take")
	}
	if len(p.CacheControl) > 0 {
		w.Key("cache_control").Raw(p.CacheControl)
	}
	w.EndObject()
	return nil
}

// result writes the content and is_error of a tool result. An empty result has
// no content member: the API refuses empty text blocks but takes none.
func (e *encoder) result(w *jsondoor.Writer, p *llm.Part) error {
	parts := make([]*llm.Part, 0, len(p.Result))
	for i := range p.Result {
		q := &p.Result[i]
		switch q.Kind {
		case llm.PartText, llm.PartRefusal:
			if strings.TrimSpace(q.Text) != "" {
				parts = append(parts, q)
			}
		case llm.PartImage, llm.PartDocument:
			parts = append(parts, q)
		default:
			if q.Kind == llm.PartOpaque && q.Dialect == Name {
				parts = append(parts, q)
			} else {
				e.refuse("messages.content", "a kind of tool result that Anthropic does not take")
			}
		}
	}
	if len(parts) > 0 {
		w.Key("content")
		if err := e.content(w, parts, false); err != nil {
			return err
		}
	}
	if p.IsError {
		if len(parts) == 0 {
			return invalid("messages.content", "the result of tool call "+strconv.Quote(p.ID)+" is marked as an error but empty")
		}
		w.Key("is_error").Bool(true)
	}
	return nil
}

// imageTypes are the media types the API takes, with the beginning of their
// base64 form.
var imageTypes = []struct{ media, prefix string }{
	{"image/png", "iVBOR"}, {"image/jpeg", "/9j/"}, {"image/gif", "R0lGOD"}, {"image/webp", "UklGR"},
}

func (e *encoder) image(w *jsondoor.Writer, p *llm.Part) error {
	m := dataURL(p.Media)
	if m == nil {
		return invalid("messages.content", "an image without data or URL")
	}
	if m.Detail == "low" || m.Detail == "high" {
		e.drop("image_url.detail")
	}
	w.Key("type").String("image").Key("source").Object()
	if m.Data == "" {
		w.Key("type").String("url").Key("url").String(m.URL).EndObject()
		return nil
	}
	media := m.MediaType
	if media == "image/jpg" {
		media = "image/jpeg"
	}
	known := false
	for _, t := range imageTypes {
		if media == "" && strings.HasPrefix(m.Data, t.prefix) {
			media = t.media
		}
		known = known || media == t.media
	}
	if !known {
		return invalid("messages.content", "Anthropic takes png, jpeg, gif and webp images, not "+strconv.Quote(media))
	}
	w.Key("type").String("base64").Key("media_type").String(media).Key("data").String(m.Data).EndObject()
	return nil
}

func (e *encoder) document(w *jsondoor.Writer, p *llm.Part) error {
	w.Key("type").String("document").Key("source").Object()
	switch m := dataURL(p.Media); {
	case m == nil:
		if strings.TrimSpace(p.Text) == "" {
			return invalid("messages.content", "a document without content")
		}
		w.Key("type").String("text").Key("media_type").String("text/plain").Key("data").String(p.Text)
	case m.Data == "":
		w.Key("type").String("url").Key("url").String(m.URL)
	case m.MediaType == "application/pdf" || m.MediaType == "" && strings.HasPrefix(m.Data, "JVBERi"):
		w.Key("type").String("base64").Key("media_type").String("application/pdf").Key("data").String(m.Data)
	default:
		return invalid("messages.content", "Anthropic takes PDF documents, not "+strconv.Quote(m.MediaType))
	}
	w.EndObject()
	if p.Name != "" {
		w.Key("title").String(p.Name)
	}
	return nil
}

// dataURL returns media with a data: URL taken apart; nil if it is empty.
func dataURL(m *llm.Media) *llm.Media {
	if m == nil || m.URL == "" && m.Data == "" {
		return nil
	}
	rest, ok := strings.CutPrefix(m.URL, "data:")
	if !ok || m.Data != "" {
		return m
	}
	head, data, _ := strings.Cut(rest, ",")
	media, _, _ := strings.Cut(head, ";")
	out := *m
	out.URL, out.MediaType, out.Data = "", media, data
	return &out
}

// toolID returns a tool call id in the characters the API takes; another
// server's id is rewritten, always in the same way, so that call and result
// still match.
func toolID(id string) string {
	if id != "" && cleanID(id) {
		return id
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	clean := []byte(id)
	for i, c := range clean {
		if !cleanID(string(c)) {
			clean[i] = '_'
		}
	}
	return string(clean) + "_" + strconv.FormatUint(uint64(h.Sum32()), 16)
}

// unsigned is the signature under which a client of this dialect is shown
// thinking of a model that signs none. Clients replay thinking as they got it;
// by this mark it is known again, and kept from a provider that would refuse it.
const unsigned = "freehold-unsigned"

// signatureOf reads a thinking signature; the mark stands for none.
func signatureOf(v jsondoor.Value) string {
	if v.Is(unsigned) {
		return ""
	}
	return v.Text()
}
