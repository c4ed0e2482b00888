package anthropic

import (
	"bytes"
	"encoding/json"
	"slices"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

func number(f float64) json.RawMessage {
	var w jsondoor.Writer
	return w.Float(f).Buf
}

// appendObject appends the object with the given members, in their order.
func appendObject(dst []byte, fields []llm.Field) []byte {
	n := 2
	for i := range fields {
		n += len(fields[i].Name) + len(fields[i].Raw) + 4
	}
	w := jsondoor.Writer{Buf: slices.Grow(dst, n)}
	w.Object()
	for i := range fields {
		w.Key(fields[i].Name).Raw(fields[i].Raw)
	}
	return w.EndObject().Buf
}

// typeSchema remembers an object's members.
var typeSchema = jsondoor.ObjectOf(jsondoor.Fields{"type": nil})

// objectSchema returns a tool's JSON Schema with "type": "object", which the
// API requires, added where it is missing; false if it is of another type.
func objectSchema(raw json.RawMessage) (json.RawMessage, bool) {
	if t := bytes.TrimSpace(raw); len(t) == 0 || string(t) == "null" {
		return json.RawMessage(`{"type":"object","properties":{}}`), true
	}
	d, err := jsondoor.ParseLax(raw, typeSchema)
	if err != nil {
		return nil, false
	}
	defer d.Release()
	if d.Root().Kind() != jsondoor.Object {
		return nil, false
	}
	switch t := d.Root().Get("type"); {
	case t.Is("object"):
		return raw, true
	case !t.Present():
		p := d.Patch()
		p.Set(d.Root(), "type", []byte(`"object"`))
		return p.Bytes(), true
	}
	return nil, false
}

// isObject reports whether raw is one JSON object.
func isObject[T string | []byte | json.RawMessage](raw T) bool {
	d, err := jsondoor.ParseLax([]byte(raw), nil)
	if err != nil {
		return false
	}
	defer d.Release()
	return d.Root().Kind() == jsondoor.Object
}

// clone copies bytes that are only valid until the next read.
func clone(raw []byte) json.RawMessage { return append(json.RawMessage(nil), raw...) }

// oneLine returns JSON without line breaks, which an event's data cannot hold.
func oneLine(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw // not JSON: cannot be, it was read before
	}
	return b.Bytes()
}
