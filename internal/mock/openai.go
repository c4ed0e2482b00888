package mock

import (
	"fmt"
	"net/http"
	"strings"
)

// dialect is how problems, errors and streams are told.
type dialect interface {
	// refuse is the status and the body for a problem.
	refuse(p *problem, requestID string) (int, []byte)
	// failure is an error body.
	failure(status int, code, param, message, requestID string) []byte
	// errorEvent is an error body inside a stream.
	errorEvent(body []byte) []byte
	// spoil puts a byte that is no UTF-8 into an event's text.
	spoil(event []byte) []byte
}

// openai is the OpenAI dialect.
type openai struct {
	profile Profile
	traits  traits
	vectors vectorTraits
	shapes  openaiShapes
	author  author
	chunks  Chunking
}

func (o *openai) refuse(p *problem, requestID string) (int, []byte) {
	status, code, param := http.StatusBadRequest, p.code, p.indexed()
	if p.status != 0 {
		status = p.status
	}
	message := p.message
	switch p.kind {
	case unknownMember:
		code, message = "unknown_parameter", fmt.Sprintf("Unknown parameter: '%s'.", param)
	case missingMember:
		code, message = "missing_required_parameter", fmt.Sprintf("Missing required parameter: '%s'.", param)
	case wrongType:
		code, message = "invalid_type", fmt.Sprintf("Invalid type for '%s': expected %s, but got %s instead.", param, p.want, p.got)
	case notAllowed:
		code, message = "invalid_value", fmt.Sprintf("Invalid value: '%s'. Supported values are: '%s'.", p.got, strings.Join(p.allowed, "', '"))
	case belowMinimum:
		code = "decimal_below_min_value"
		if !strings.ContainsAny(p.got, ".eE") {
			code = "integer_below_min_value"
		}
		message = fmt.Sprintf("Invalid '%s': below minimum value. Expected a value >= %s, but got %s instead.", param, p.want, p.got)
	case aboveMaximum:
		code = "decimal_above_max_value"
		if !strings.ContainsAny(p.got, ".eE") {
			code = "integer_above_max_value"
		}
		message = fmt.Sprintf("Invalid '%s': above maximum value. Expected a value <= %s, but got %s instead.", param, p.want, p.got)
	case tooShort:
		code, message = "empty_"+p.got, fmt.Sprintf("Invalid '%s': empty %s. Expected minimum length %s, but got an empty one instead.", param, p.got, p.want)
	case tooLong:
		code, message = "array_above_max_length", fmt.Sprintf("Invalid '%s': array too long. Expected an array with maximum length %s, but got an array with length %s instead.", param, p.want, p.got)
	case malformedJSON:
		message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON: " + p.got + ")"
	}
	if o.profile == TEI && p.kind == tooLong {
		status, message = http.StatusUnprocessableEntity, fmt.Sprintf("batch size %s > maximum allowed batch size %s", p.got, p.want)
	}
	if (o.profile == TEI || o.profile == Infinity) && p.kind != plainProblem && p.kind != unauthorized && p.kind != notFound {
		status = http.StatusUnprocessableEntity
	}
	if o.profile == Mistral && (p.kind == unknownMember || p.kind == missingMember || p.kind == wrongType) {
		status = http.StatusUnprocessableEntity // Mistral's validation
	}
	return status, o.failure(status, code, param, message, requestID)
}

func (o *openai) failure(status int, code, param, message, _ string) []byte {
	kind := "invalid_request_error"
	switch {
	case status == http.StatusTooManyRequests && code == "insufficient_quota":
		kind = "insufficient_quota"
	case status == http.StatusTooManyRequests:
		kind = "requests"
		if code == "" {
			code = "rate_limit_exceeded"
		}
	case status >= 500:
		kind = "server_error"
	}
	e := map[string]any{"message": message, "type": kind, "param": nil, "code": nil}
	if code != "" {
		e["code"] = code
	}
	if param != "" {
		e["param"] = param
	}
	return []byte(compact(map[string]any{"error": e}))
}

func (o *openai) errorEvent(body []byte) []byte { return data(body) }

func (o *openai) spoil(b []byte) []byte {
	return spoil(b, `"content":"`, `"arguments":"`, `"text":"`, `"reasoning_content":"`, `"reasoning":"`, `"refusal":"`, `"id":"`)
}

func data(b []byte) []byte { return fmt.Appendf(nil, "data: %s\n\n", b) }

func (o *openai) usage(prompt, cached, written, out, thoughts int) map[string]any {
	return map[string]any{
		"prompt_tokens": prompt, "completion_tokens": out, "total_tokens": prompt + out,
		"prompt_tokens_details":     map[string]any{"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": 0},
		"completion_tokens_details": map[string]any{"reasoning_tokens": thoughts, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
	}
}

// tally is the usage of a request's answers. Tokens of the cache are part of
// the prompt's.
func (o *openai) tally(q *request, d directives, as []answer) map[string]any {
	prompt, out, thoughts := q.count(), 0, 0
	for _, a := range as {
		out += a.tokens
		thoughts += a.thoughts
	}
	cached := 0
	if prompt >= 1024 { // what is long is taken to have been seen before
		cached = (prompt - 1) / 128 * 128
	}
	if d.cached >= 0 {
		cached = min(d.cached, prompt)
	}
	return o.usage(prompt, cached, min(max(d.written, 0), prompt-cached), out, thoughts)
}

// finishReason is the dialect's word.
func (o *openai) finishReason(a answer) string {
	switch a.finish {
	case overlong:
		return "length"
	case calling:
		return "tool_calls"
	case filtered:
		return "content_filter"
	}
	return "stop"
}

func (o *openai) callID(key uint64, i int) string {
	h := fmt.Sprintf("%016x%08x", mix(key+uint64(i)), uint32(mix(key^uint64(i+7))))
	if o.traits.callID > 0 {
		return h[:o.traits.callID]
	}
	return "call_" + h
}

// logprobs of a text's tokens.
func logprobs(text string, key uint64, alternatives int) map[string]any {
	list := []any{}
	for i, t := range tokens(text) {
		list = append(list, logprob(t, i, key, alternatives))
	}
	return map[string]any{"content": list, "refusal": nil}
}

func logprob(t string, i int, key uint64, alternatives int) map[string]any {
	one := func(t string, p float64) map[string]any {
		bytes := make([]int, 0, len(t))
		for _, b := range []byte(t) {
			bytes = append(bytes, int(b))
		}
		return map[string]any{"token": t, "logprob": p, "bytes": bytes}
	}
	p := -float64(mix(key^uint64(i))%1000) / 4000
	e := one(t, p)
	top := []any{}
	for j := range alternatives {
		a := t
		if j > 0 {
			a = " " + vocabulary[mix(key+uint64(i*31+j))%uint64(len(vocabulary))]
		}
		top = append(top, one(a, p-float64(j)))
	}
	e["top_logprobs"] = top
	return e
}
