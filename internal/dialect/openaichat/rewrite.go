package openaichat

import (
	"bytes"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// outline is what rewriting must see of an answer: nothing inside the choices.
var outline = jsondoor.ObjectOf(jsondoor.Fields{"model": nil, "choices": jsondoor.ArrayOf(nil), "usage": nil})

// RewriteReply implements dialect.Codec.
func (Codec) RewriteReply(_ llm.Operation, body []byte, v dialect.View) ([]byte, error) {
	if v.Model == "" {
		return body, nil
	}
	d, err := jsondoor.ParseLax(body, outline)
	if err != nil {
		return nil, malformed(err)
	}
	defer d.Release()
	m := d.Root().Get("model")
	if m.Kind() != jsondoor.String || m.Is(v.Model) {
		return body, nil
	}
	p := d.Patch()
	p.Replace(m, jsondoor.Quote(v.Model))
	return p.Bytes(), nil
}

// RewriteEvent implements dialect.Codec. What is not a JSON chunk, the end
// mark for one, goes on as it is; but null, which says nothing and which no
// client can read, does not.
func (Codec) RewriteEvent(dst []byte, ev *sse.Event, v dialect.View) []byte {
	data := bytes.TrimSpace(ev.Data)
	if string(data) == "null" {
		return dst
	}
	if len(data) == 0 || data[0] != '{' || v.Model == "" && (v.IncludeUsage || !bytes.Contains(data, []byte(`"usage"`))) {
		return append(dst, ev.Raw...)
	}
	d, err := jsondoor.ParseLax(ev.Data, outline)
	if err != nil {
		return append(dst, ev.Raw...)
	}
	defer d.Release()
	return rewriteChunk(dst, ev, d, v)
}

// rewriteChunk appends what the client is to see of the chunk d, which is the
// data of ev.
func rewriteChunk(dst []byte, ev *sse.Event, d *jsondoor.Doc, v dialect.View) []byte {
	r := d.Root()
	if !v.IncludeUsage && r.Get("usage").Kind() == jsondoor.Object {
		if c := r.Get("choices"); c.Kind() == jsondoor.Array && !c.First().Exists() {
			return dst
		}
	}
	m := r.Get("model")
	if v.Model == "" || m.Kind() != jsondoor.String || m.Is(v.Model) {
		return append(dst, ev.Raw...)
	}
	at := ev.DataAt
	if at == 0 {
		if at = bytes.Index(ev.Raw, ev.Data); at < 0 {
			p := d.Patch() // the data stands in several lines
			p.Replace(m, jsondoor.Quote(v.Model))
			return sse.Append(dst, string(ev.Name), p.Bytes())
		}
	}
	start, end := m.Span()
	dst = append(dst, ev.Raw[:at+start]...)
	dst = jsondoor.AppendString(dst, v.Model)
	return append(dst, ev.Raw[at+end:]...)
}
