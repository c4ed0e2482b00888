package openaichat

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
)

// maxErrorBody is how much of a provider's error body is kept.
const maxErrorBody = 64 << 10

// complaint is what a provider's error body says.
type complaint struct {
	message, typ, code, param string
	wrapped                   bool // an error member held it
}

// DecodeError implements dialect.Codec.
func (Codec) DecodeError(status int, h http.Header, body []byte) *fault.Error {
	c, ok := parseComplaint(body)
	f := classify(status, c)
	f.ProviderStatus = status
	f.RetryAfter = dialect.RetryAfter(h)
	if c.param != "" {
		f.Param = c.param
	}
	f.ProviderCode = c.code
	if f.ProviderCode == "" {
		f.ProviderCode = c.typ
	}
	f.Message = messageOf(c)
	switch {
	case f.Message != "":
	case ok:
		f.Message = fmt.Sprintf("the provider answered %d without a message", status)
	case len(body) == 0:
		f.Message = fmt.Sprintf("the provider answered %d with an empty body", status)
	default:
		f.Message = fmt.Sprintf("the provider answered %d with something else than JSON", status)
	}
	// A mistake of the caller's that came as a failure (llama.cpp) is not told in
	// the provider's own form, which calls it one.
	if mistake := status >= 500 && fault.BlameOf(f.Kind) == fault.Caller; ok && !mistake && len(body) <= maxErrorBody {
		f.ProviderBody = []byte(dialect.Mask(string(body)))
	}
	return f
}

// parseComplaint reads the error bodies of this dialect's servers:
// {"error":{...}}, {"error":"text"}, {"message":...} and FastAPI's
// {"detail":...}. ok reports that the body is a JSON object.
func parseComplaint(body []byte) (c complaint, ok bool) {
	d, err := jsondoor.ParseLax(body, jsondoor.Everything)
	if err != nil {
		return c, false
	}
	defer d.Release()
	r := d.Root()
	if r.Kind() == jsondoor.Array { // Gemini's compatible endpoint answers [{"error":...}]
		r = r.First()
	}
	if r.Kind() != jsondoor.Object {
		return c, false
	}
	e := r
	switch v := r.Get("error"); v.Kind() {
	case jsondoor.Object:
		e, c.wrapped = v, true
	case jsondoor.String:
		c.message, c.wrapped = v.Text(), true
		c.typ = r.Get("error_type").Text()
	}
	return c.from(e, r), true
}

func (c complaint) from(e, root jsondoor.Value) complaint {
	if c.message == "" {
		c.message = words(e.Get("message"))
	}
	if c.message == "" {
		c.message = words(root.Get("detail"))
	}
	if c.typ == "" {
		c.typ = word(e.Get("type"))
	}
	c.code, c.param = word(e.Get("code")), word(e.Get("param"))
	if inner := e.Get("innererror").Get("code"); inner.Size() > 0 {
		c.code = inner.Text() // Azure: ResponsibleAIPolicyViolation
	}
	meta := e.Get("metadata")
	if raw := meta.Get("raw"); raw.Size() > 0 { // OpenRouter: the real cause
		c.message += ": " + raw.Text()
	}
	if meta.Get("flagged_input").Exists() {
		c.code = "content_filter"
	}
	return c
}

// word returns a string, or a number's text.
func word(v jsondoor.Value) string {
	if v.Kind() == jsondoor.Number {
		return string(v.Raw())
	}
	return v.Text()
}

// words returns a message: a string, or FastAPI's [{"loc":[...],"msg":...}],
// also under {"detail":...}.
func words(v jsondoor.Value) string {
	if v.Kind() == jsondoor.String {
		return v.Text()
	}
	if inner := v.Get("detail"); inner.Exists() {
		return words(inner)
	}
	var out []string
	for e := v.First(); e.Exists(); e = e.Next() {
		msg := e.Get("msg").Text()
		if msg == "" {
			continue
		}
		var loc []string
		for l := e.Get("loc").First(); l.Exists(); l = l.Next() {
			if w := word(l); w != "body" {
				loc = append(loc, w)
			}
		}
		if len(loc) > 0 {
			msg = strings.Join(loc, ".") + ": " + msg
		}
		out = append(out, msg)
	}
	return strings.Join(out, "; ")
}

// classify says what a provider's refusal means.
func classify(status int, c complaint) *fault.Error {
	text := strings.ToLower(c.message)
	if f := llamaMistake(status, text); f != nil {
		return f
	}
	f := &fault.Error{Kind: fault.ProviderError}
	reject := status == 400 || status == 413 || status == 422
	switch {
	case contextLength(text, c) && (reject || status == 500):
		f.Kind, f.Code = fault.ContextLength, "context_length_exceeded"
	case filtered(text, c) && (reject || status == 403 || status == 451):
		f.Kind, f.Code = fault.ContentFilter, "content_filter"
	case status == 403 && (noModel(text, c) || dialect.AboutModel(text)): // the key is good, for other models
		f.Kind = fault.ModelMissing
	case status == 401 || status == 403 || c.code == "invalid_api_key":
		f.Kind = fault.Credentials
	case status == 402 || c.code == "insufficient_quota" || c.typ == "insufficient_quota":
		f.Kind = fault.Billing
	case status == 404 || status == 410 || reject && noModel(text, c):
		f.Kind = fault.ModelMissing
	case reject:
		f.Kind, f.Status = fault.ProviderRejected, status
	case status == 408 || status == 409 || status == 425:
	case status == 429:
		f.Kind = fault.ProviderLimit
	case status == 503 && strings.Contains(text, "loading model"): // llama.cpp
		f.Kind = fault.EngineUnready
	case status == 503 || status == 529 || status == 498: // 498: Groq, flex capacity
		f.Kind = fault.Overloaded
	case status >= 400 && status < 500:
		f.Kind = fault.ProviderRejected
	case status < 400:
		f.Kind = fault.Malformed
	}
	return f
}

// messageOf is what a provider says, fit for a client.
func messageOf(c complaint) string { return dialect.Message(c.message) }

// classifyReported says what an error inside an answer of status 200 means: its
// code may be a status, else its words tell.
func classifyReported(c complaint) *fault.Error {
	status, err := strconv.Atoi(c.code)
	if err != nil || status < 400 || status > 599 {
		status = statusOf(c)
	}
	f := classify(status, c)
	if f.Kind == fault.ProviderError || status == unsaid && f.Kind == fault.ProviderRejected {
		f.Kind = fault.StreamError
	}
	if f.Status = 0; status != unsaid {
		f.ProviderStatus = status
	}
	return f
}

// unsaid stands for the status of an error that names none: of its kinds only
// those count that words tell.
const unsaid = 422

// statusOf is the status that an error's code or type usually comes with.
func statusOf(c complaint) int {
	for _, word := range []string{c.code, c.typ} {
		switch word {
		case "rate_limit_exceeded", "rate_limit_error", "rate_limit_reached", "RateLimitError", "RESOURCE_EXHAUSTED":
			return 429
		case "authentication_error", "permission_error", "AuthenticationError", "PermissionDeniedError", "UNAUTHENTICATED", "PERMISSION_DENIED":
			return 401
		case "billing_error":
			return 402
		case "not_found_error", "NotFoundError", "NOT_FOUND":
			return 404
		case "overloaded_error", "unavailable_error", "ServiceUnavailableError", "UNAVAILABLE":
			return 503
		case "invalid_request_error", "BadRequestError", "INVALID_ARGUMENT":
			return 400
		}
	}
	return unsaid
}

// contextTexts are how servers say that a prompt is too long, in lower case.
var contextTexts = []string{
	"maximum context length",             // OpenAI, vLLM, Together, DeepInfra
	"maximum context limit",              // Bedrock behind gateways
	"exceed context limit",               // Anthropic behind gateways
	"exceeds the available context size", // llama.cpp
	"maximum model length",               // vLLM
	"prompt is too long",                 // Anthropic behind gateways, Fireworks
	"longer than the model's context",    // SGLang
	"longer than the maximum model",      // vLLM
	"`inputs` tokens + `max_new_tokens`", // TGI
	"input tokens exceed the configured", // OpenAI, newer models
	"exceeds the maximum number of tokens",
	"string too long. expected a string with maximum length", // OpenAI
	"too large for model with",                               // Mistral
	"input is too long for requested model",                  // Bedrock behind gateways
	"reduce the length of the messages",                      // Groq
	"exceeds the context window",                             // OpenAI, Ollama
	"exceeds the model's context",                            //
	"exceeds maximum context",                                // Ollama
	"input length exceeds",                                   // Ollama embeddings
	"is too large to process",                                // llama.cpp embeddings, with 500: input (9 tokens) is too large to process
}

func contextLength(text string, c complaint) bool {
	switch c.code {
	case "context_length_exceeded", "string_above_max_length", "exceed_context_size_error":
		return true
	}
	if c.typ == "exceed_context_size_error" {
		return true
	}
	for _, t := range contextTexts {
		if strings.Contains(text, t) {
			return true
		}
	}
	return false
}

func filtered(text string, c complaint) bool {
	switch c.code {
	case "content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "moderation_blocked":
		return true
	}
	return strings.Contains(text, "content management policy") || strings.Contains(text, "flagged by our") ||
		strings.Contains(text, "content_filter")
}

func noModel(text string, c complaint) bool {
	switch c.code {
	case "model_not_found", "model_not_available", "invalid_model", "model_decommissioned",
		"model_permission_blocked_org", "model_permission_blocked_project": // Groq
		return true
	}
	return c.typ == "invalid_model" || strings.Contains(text, "is not a valid model id")
}
