package openaichat

import (
	"encoding/json"
	"strings"

	"freehold/internal/fault"
	"freehold/internal/jsondoor"
)

// EncodeError implements dialect.Codec. A provider's own refusal in this
// dialect's form keeps its words.
func (Codec) EncodeError(f *fault.Error, requestID string) (int, []byte) {
	return f.HTTPStatus(), appendError(nil, f, requestID)
}

// EncodeStreamError implements dialect.Codec: SDKs raise on an error member in
// a chunk. No end mark follows.
func (Codec) EncodeStreamError(dst []byte, f *fault.Error, requestID string) []byte {
	dst = append(dst, "data: "...)
	dst = appendError(dst, f, requestID)
	return append(dst, "\n\n"...)
}

func appendError(dst []byte, f *fault.Error, requestID string) []byte {
	w := jsondoor.Writer{Buf: dst}
	w.Object().Key("error").Object()
	own := ownWords(f)
	if own == nil {
		w.Key("message").String(wording(f)).Key("type").String(errorType(f)).Key("param")
		nullable(&w, f.Param)
		w.Key("code").String(f.StableCode())
	}
	for _, m := range own {
		w.Key(m.name).Raw(m.raw)
	}
	if requestID != "" {
		w.Key("request_id").String(requestID)
	}
	w.EndObject().EndObject()
	return w.Buf
}

func nullable(w *jsondoor.Writer, s string) {
	if s == "" {
		w.Null()
		return
	}
	w.String(s)
}

func wording(f *fault.Error) string {
	s := f.Message
	if s == "" {
		s = strings.ReplaceAll(string(f.Kind), "_", " ")
	}
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	return s
}

func errorType(f *fault.Error) string {
	status := f.HTTPStatus()
	switch {
	case status == 401:
		return "authentication_error"
	case status == 403:
		return "permission_error"
	case status == 429 && f.Code == "insufficient_quota":
		return "insufficient_quota"
	case status == 429:
		return "rate_limit_error"
	case status >= 500 || status < 400:
		return "server_error"
	}
	return "invalid_request_error"
}

// ownWords returns the members of the error object that a provider of this
// dialect gave, type and code never null, if the fault is its refusal of the
// caller's own request.
func ownWords(f *fault.Error) []member {
	switch f.Kind {
	case fault.ProviderRejected, fault.ContextLength, fault.ContentFilter:
	default:
		return nil
	}
	d, err := jsondoor.Parse(f.ProviderBody, errorEnvelope)
	if err != nil {
		return nil
	}
	defer d.Release()
	e := d.Root().Get("error")
	if d.Root().Get("type").Exists() || e.Get("message").Kind() != jsondoor.String {
		return nil // another dialect's envelope, or no words at all
	}
	var out []member
	for m := e.First(); m.Exists(); m = m.Next() {
		out = append(out, member{name: m.Name(), raw: m.Raw()})
	}
	list := (*members)(&out)
	if !list.has("type") {
		list.set("type", jsondoor.Quote(errorType(f)))
	}
	if !list.has("code") || f.Kind == fault.ContextLength {
		list.set("code", jsondoor.Quote(f.StableCode()))
	}
	if list.find("param") == nil {
		list.set("param", json.RawMessage("null"))
	}
	list.drop("request_id")
	return slicesWithout(out)
}

// slicesWithout removes the members that are gone.
func slicesWithout(m []member) []member {
	out := m[:0]
	for _, x := range m {
		if !x.gone {
			out = append(out, x)
		}
	}
	return out
}

var errorEnvelope = jsondoor.ObjectOf(jsondoor.Fields{"error": errorObject, "type": nil})
