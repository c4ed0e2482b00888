package anthropic

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/sse"
)

// Error types of the API (https://platform.claude.com/docs/en/api/errors).
const (
	typeInvalid    = "invalid_request_error" // 400, 405, 422
	typeAuth       = "authentication_error"  // 401
	typeBilling    = "billing_error"         // 402
	typePermission = "permission_error"      // 403
	typeNotFound   = "not_found_error"       // 404
	typeTooLarge   = "request_too_large"     // 413
	typeRateLimit  = "rate_limit_error"      // 429
	typeAPI        = "api_error"             // 500
	typeTimeout    = "timeout_error"         // 504
	typeOverloaded = "overloaded_error"      // 529, ours: 503
)

// promptTooLong begins every context-length error for an Anthropic client:
// Claude Code compacts the conversation on these words and on no others.
const promptTooLong = "prompt is too long"

// errorType returns the API's name for errors of a status.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return typeAuth
	case http.StatusPaymentRequired:
		return typeBilling
	case http.StatusForbidden:
		return typePermission
	case http.StatusNotFound:
		return typeNotFound
	case http.StatusRequestEntityTooLarge:
		return typeTooLarge
	case http.StatusTooManyRequests:
		return typeRateLimit
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return typeTimeout
	case http.StatusServiceUnavailable, 529:
		return typeOverloaded
	}
	if status >= 500 || status == 499 {
		return typeAPI
	}
	return typeInvalid
}

// EncodeError implements dialect.Codec. A provider's own refusal in this
// dialect's form keeps its words.
func (Codec) EncodeError(f *fault.Error, requestID string) (int, []byte) {
	if own := ownError(f, requestID); own != nil {
		return f.HTTPStatus(), own
	}
	return f.HTTPStatus(), envelope(f, requestID)
}

// EncodeStreamError implements dialect.Codec: an error event, after which the
// stream ends.
func (c Codec) EncodeStreamError(dst []byte, f *fault.Error, requestID string) []byte {
	_, body := c.EncodeError(f, requestID)
	return sse.Append(dst, "error", body)
}

func envelope(f *fault.Error, requestID string) []byte {
	var w jsondoor.Writer
	w.Object().Key("type").String("error").Key("error").Object()
	w.Key("type").String(errorType(f.HTTPStatus())).Key("message").String(message(f)).Key("code").String(f.StableCode())
	if f.Param != "" {
		w.Key("param").String(f.Param)
	}
	w.EndObject()
	if requestID != "" {
		w.Key("request_id").String(requestID)
	}
	return w.EndObject().Buf
}

// ownError returns the body that a provider of this dialect gave, if the fault
// is its refusal of the caller's request: as it is, unknown members too, with
// our code and request id.
func ownError(f *fault.Error, requestID string) []byte {
	switch f.Kind {
	case fault.ProviderRejected, fault.ContentFilter, fault.ContextLength:
	default:
		return nil
	}
	d, err := jsondoor.Parse(f.ProviderBody, envelopeSchema)
	if err != nil {
		return nil
	}
	defer d.Release()
	root := d.Root()
	e := root.Get("error")
	if !root.Get("type").Is("error") || e.Get("type").Kind() != jsondoor.String || e.Get("message").Kind() != jsondoor.String {
		return nil
	}
	if m := e.Get("message").Text(); f.Kind == fault.ContextLength &&
		!strings.HasPrefix(m, promptTooLong) && !strings.Contains(m, "exceed context limit") {
		return nil
	}
	p := d.Patch()
	p.Set(e, "code", jsondoor.Quote(f.StableCode()))
	if f.Param != "" {
		p.Set(e, "param", jsondoor.Quote(f.Param))
	}
	if requestID != "" {
		p.Set(root, "request_id", jsondoor.Quote(requestID))
	}
	return p.Bytes()
}

// message words a fault for the client.
func message(f *fault.Error) string {
	s := f.Message
	if s == "" {
		s = strings.ReplaceAll(string(f.Kind), "_", " ")
	}
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	if f.Kind == fault.ContextLength && !strings.HasPrefix(s, promptTooLong) {
		s = promptTooLong + ": " + s
	}
	return s
}

// DecodeError implements dialect.Codec.
func (Codec) DecodeError(status int, h http.Header, body []byte) *fault.Error {
	typ, msg := parseError(body)
	f := classify(status, typ, msg)
	f.ProviderStatus, f.ProviderCode = status, typ
	if typ != "" { // an envelope of this dialect, not a proxy's page
		f.ProviderBody = []byte(dialect.Mask(string(body)))
	}
	f.RetryAfter = dialect.RetryAfter(h)
	return f
}

// classify makes a fault of the API's error type, its text and, for a plain
// answer, the HTTP status (0 inside a stream).
func classify(status int, typ, msg string) *fault.Error {
	f := &fault.Error{Kind: kindOf(status, typ), Message: msg}
	if status == http.StatusForbidden && f.Kind == fault.Credentials && dialect.AboutModel(strings.ToLower(msg)) {
		f.Kind = fault.ModelMissing // the key is good, for other models
	}
	if f.Kind == fault.ProviderRejected || f.Kind == fault.StreamError { // its words tell more
		switch lower := strings.ToLower(msg); {
		case isContextLength(lower):
			f.Kind = fault.ContextLength
		case isContentFilter(lower):
			f.Kind = fault.ContentFilter
		case isBilling(lower):
			f.Kind = fault.Billing
		case status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity:
			f.Status = status
		case typ == typeTooLarge:
			f.Status = http.StatusRequestEntityTooLarge
		}
	}
	if f.Message == "" {
		f.Message = "the provider answered " + strconv.Itoa(status)
		if status == 0 {
			f.Message = "the provider reported an error inside the stream"
		}
	}
	return f
}

func kindOf(status int, typ string) fault.Kind {
	switch status {
	case 0: // inside a stream: the type alone decides
		switch typ {
		case typeInvalid, typeTooLarge:
			return fault.ProviderRejected
		case typeAuth, typePermission:
			return fault.Credentials
		case typeBilling:
			return fault.Billing
		case typeNotFound:
			return fault.ModelMissing
		case typeRateLimit:
			return fault.ProviderLimit
		case typeOverloaded:
			return fault.Overloaded
		case typeTimeout:
			return fault.ProviderError
		case "rate_limit_exceeded", "RateLimitError": // servers that speak OpenAI's words
			return fault.ProviderLimit
		case "insufficient_quota":
			return fault.Billing
		}
		return fault.StreamError
	case 401, 403:
		return fault.Credentials
	case 402:
		return fault.Billing
	case 404:
		return fault.ModelMissing
	case 429:
		return fault.ProviderLimit
	case 503, 529:
		return fault.Overloaded
	case 408, 409, 425:
		return fault.ProviderError
	}
	switch {
	case typ == typeOverloaded:
		return fault.Overloaded
	case status >= 400 && status < 500:
		return fault.ProviderRejected
	}
	return fault.ProviderError
}

// isContextLength knows the texts of the API and of servers that imitate it:
// "prompt is too long: 210000 tokens > 200000 maximum", "input length and
// `max_tokens` exceed context limit: 199000 + 8192 > 200000", and others.
func isContextLength(lower string) bool {
	for _, s := range []string{
		promptTooLong, "exceed context limit", "context window", "context length",
		"maximum context", "exceeds the maximum number of tokens", "input is too long", "too many tokens",
	} {
		if strings.Contains(lower, s) {
			return true
		}
	}
	return false
}

func isContentFilter(lower string) bool {
	return strings.Contains(lower, "content filtering policy") || strings.Contains(lower, "content filter")
}

// isBilling finds the API's "Your credit balance is too low", which comes with
// status 400.
func isBilling(lower string) bool { return strings.Contains(lower, "credit balance is too low") }

// parseError reads the envelope; an answer in another shape gives its text.
func parseError(body []byte) (typ, msg string) {
	var e struct {
		Error json.RawMessage `json:"error"`
	}
	var in struct{ Type, Message string }
	if json.Unmarshal(body, &e) == nil && len(e.Error) > 0 {
		if json.Unmarshal(e.Error, &in) != nil {
			_ = json.Unmarshal(e.Error, &in.Message) // {"error": "text"}, or nothing to read
		}
		return in.Type, dialect.Message(in.Message)
	}
	if len(body) > 0 && body[0] != '<' {
		return "", dialect.Message(string(body))
	}
	return "", ""
}
