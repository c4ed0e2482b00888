package anthropic

import (
	"bytes"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// RewriteReply implements dialect.Codec.
func (Codec) RewriteReply(op llm.Operation, body []byte, v dialect.View) ([]byte, error) {
	if v.Model == "" || op == llm.CountTokens {
		return body, nil
	}
	d, err := readReply(op, body)
	if err != nil {
		return nil, err
	}
	defer d.Release()
	return withModel(d, d.Root(), v.Model), nil
}

// withModel returns the Doc's bytes with object's model replaced, if it has one.
func withModel(d *jsondoor.Doc, object jsondoor.Value, model string) []byte {
	m := object.Get("model")
	if m.Kind() != jsondoor.String || m.Is(model) {
		return d.Raw()
	}
	p := d.Patch()
	p.Replace(m, jsondoor.Quote(model))
	return p.Bytes()
}

var messageStart = []byte("message_start")

// RewriteEvent implements dialect.Codec. Only message_start names the model;
// usage is part of every stream of this dialect and always shown.
func (Codec) RewriteEvent(dst []byte, ev *sse.Event, v dialect.View) []byte {
	if v.Model == "" || ev.Comment || len(ev.Name) > 0 && !bytes.Equal(ev.Name, messageStart) || !bytes.Contains(ev.Data, messageStart) {
		return append(dst, ev.Raw...)
	}
	d, err := jsondoor.ParseLax(ev.Data, eventSchema)
	if err != nil {
		return append(dst, ev.Raw...) // the decoder has judged it already
	}
	defer d.Release()
	if !namesModel(ev, d.Root(), v.Model) {
		return append(dst, ev.Raw...)
	}
	return rewriteStart(dst, ev, d, v.Model)
}

// namesModel reports whether an event names a model that is to be replaced.
func namesModel(ev *sse.Event, root jsondoor.Value, model string) bool {
	return model != "" && (len(ev.Name) == 0 || bytes.Equal(ev.Name, messageStart)) &&
		root.Get("type").Is("message_start") && bytes.Contains(ev.Data, messageStart)
}

// rewriteStart appends the event whose data is d with the model's name replaced.
func rewriteStart(dst []byte, ev *sse.Event, d *jsondoor.Doc, model string) []byte {
	data := withModel(d, d.Root().Get("message"), model)
	if i := bytes.Index(ev.Raw, ev.Data); i >= 0 {
		dst = append(append(dst, ev.Raw[:i]...), data...)
		return append(dst, ev.Raw[i+len(ev.Data):]...)
	}
	return sse.Append(dst, string(ev.Name), data) // data of several lines
}
