package openaichat

import (
	"strings"

	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/sse"
)

// EncodeError implements dialect.Codec. A provider's own refusal in this
// dialect's form keeps its words.
func (Codec) EncodeError(f *fault.Error, requestID string) (int, []byte) {
	if own := ownWords(f, requestID); own != nil {
		return f.HTTPStatus(), own
	}
	return f.HTTPStatus(), envelope(f, requestID)
}

// EncodeStreamError implements dialect.Codec: SDKs raise on an error member in
// a chunk. No end mark follows.
func (c Codec) EncodeStreamError(dst []byte, f *fault.Error, requestID string) []byte {
	_, body := c.EncodeError(f, requestID)
	return sse.Append(dst, "", body)
}

func envelope(f *fault.Error, requestID string) []byte {
	var w jsondoor.Writer
	w.Object().Key("error").Object()
	w.Key("message").String(wording(f)).Key("type").String(errorType(f)).Key("param")
	nullable(&w, f.Param)
	w.Key("code").String(f.StableCode())
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
	case status == 429 && f.StableCode() == "insufficient_quota":
		return "insufficient_quota"
	case status == 429:
		return "rate_limit_error"
	case status >= 500 || status < 400:
		return "server_error"
	}
	return "invalid_request_error"
}

// ownWords returns the body that a provider of this dialect gave, if the fault
// is its refusal of the caller's own request: as it is, unknown members too, but
// for what SDKs rely on (type and code are strings, param is one or null) and
// the request id, which is ours.
func ownWords(f *fault.Error, requestID string) []byte {
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
	p := d.Patch()
	if e.Get("type").Kind() != jsondoor.String {
		p.Set(e, "type", jsondoor.Quote(errorType(f)))
	}
	if e.Get("code").Kind() != jsondoor.String || f.Kind == fault.ContextLength {
		p.Set(e, "code", jsondoor.Quote(f.StableCode()))
	}
	if k := e.Get("param").Kind(); k != jsondoor.String && k != jsondoor.Null {
		p.Set(e, "param", []byte("null"))
	}
	if requestID != "" {
		p.Set(e, "request_id", jsondoor.Quote(requestID))
	}
	return p.Bytes()
}

var errorEnvelope = jsondoor.ObjectOf(jsondoor.Fields{"error": errorObject, "type": nil})
