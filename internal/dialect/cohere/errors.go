package cohere

import (
	"fmt"
	"net/http"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/sse"
)

// complaint is the message of an error body: {"message":...}.
func complaint(body []byte) (string, bool) {
	d, err := jsondoor.ParseLax(body, jsondoor.Everything)
	if err != nil {
		return "", false
	}
	defer d.Release()
	v := d.Root().Get("message")
	if d.Root().Kind() != jsondoor.Object || v.Kind() != jsondoor.String || v.Size() == 0 {
		return "", false
	}
	return v.Text(), true
}

// DecodeError implements dialect.Codec.
func (Codec) DecodeError(status int, h http.Header, body []byte) *fault.Error {
	message, ok := complaint(body)
	f := &fault.Error{Kind: kindOf(status, strings.ToLower(message)), ProviderStatus: status, RetryAfter: dialect.RetryAfter(h)}
	switch f.Kind {
	case fault.ContextLength:
		f.Code = "context_length_exceeded"
	case fault.ContentFilter:
		f.Code = "content_filter"
	case fault.ProviderRejected:
		if status == 400 || status == 422 {
			f.Status = status
		}
	}
	if f.Message = dialect.Message(message); !ok || f.Message == "" {
		f.Message = fmt.Sprintf("the provider answered %d without a message", status)
	}
	return f
}

// kindOf says what a refusal means; text is in lower case.
func kindOf(status int, text string) fault.Kind {
	reject := status == 400 || status == 413 || status == 422
	switch {
	case reject && (strings.Contains(text, "too many tokens") || strings.Contains(text, "token limit") || strings.Contains(text, "exceeds the maximum") && strings.Contains(text, "token")):
		return fault.ContextLength
	case status == 401, status == 403 && !dialect.AboutModel(text):
		return fault.Credentials
	case status == 402:
		return fault.Billing
	case status == 403, status == 404, reject && strings.Contains(text, "model") && strings.Contains(text, "not found"):
		return fault.ModelMissing
	case status == 429:
		return fault.ProviderLimit
	case status == 498: // blocked input
		return fault.ContentFilter
	case status == 503, status == 504:
		return fault.Overloaded
	case status == 408, status == 409, status == 425, status == 499:
		return fault.ProviderError
	case status >= 400 && status < 500:
		return fault.ProviderRejected
	case status < 400:
		return fault.Malformed
	}
	return fault.ProviderError
}

// EncodeError implements dialect.Codec: Cohere's message, and beside it what
// clients of the other dialects are told, with code and parameter.
func (Codec) EncodeError(f *fault.Error, requestID string) (int, []byte) {
	message := f.Message
	if message == "" {
		message = strings.ReplaceAll(string(f.Kind), "_", " ")
	}
	if f.Hint != "" {
		message += " (" + f.Hint + ")"
	}
	var w jsondoor.Writer
	w.Object().Key("id").String(requestID).Key("message").String(message)
	w.Key("error").Object().Key("message").String(message).Key("type").String(errorType(f.HTTPStatus())).Key("code").String(f.StableCode())
	if f.Param != "" {
		w.Key("param").String(f.Param)
	}
	return f.HTTPStatus(), w.EndObject().EndObject().Buf
}

func errorType(status int) string {
	switch {
	case status == 401:
		return "authentication_error"
	case status == 403:
		return "permission_error"
	case status == 429:
		return "rate_limit_error"
	case status >= 500 || status < 400:
		return "server_error"
	}
	return "invalid_request_error"
}

// EncodeStreamError implements dialect.Codec.
func (c Codec) EncodeStreamError(dst []byte, f *fault.Error, requestID string) []byte {
	_, body := c.EncodeError(f, requestID)
	return sse.Append(dst, "", body)
}
