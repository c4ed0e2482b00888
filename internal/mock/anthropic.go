package mock

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// anthropic is the dialect of Anthropic's Messages.
type anthropic struct {
	profile                 Profile
	author                  author
	chunks                  Chunking
	message, beta, countToo rule
}

func (n *anthropic) refuse(p *problem, requestID string) (int, []byte) {
	status, path, message := http.StatusBadRequest, p.dotted(), p.message
	if p.status != 0 {
		status = p.status
	}
	if message != "" && path != "" {
		message = path + ": " + message
	}
	switch p.kind {
	case unknownMember:
		message = path + ": Extra inputs are not permitted"
	case missingMember:
		message = path + ": Field required"
	case wrongType:
		want := map[string]string{"a string": "a valid string", "an integer": "a valid integer", "a number": "a valid number", "a boolean": "a valid boolean", "an array": "a valid list", "an object": "a valid dictionary"}[p.want]
		if want == "" {
			want = p.want
		}
		message = path + ": Input should be " + want
	case notAllowed:
		message = fmt.Sprintf("%s: Input should be '%s'", path, strings.Join(p.allowed, "' or '"))
	case belowMinimum:
		message = fmt.Sprintf("%s: Input should be greater than or equal to %s", path, p.want)
	case aboveMaximum:
		message = fmt.Sprintf("%s: Input should be less than or equal to %s", path, p.want)
	case tooShort:
		message = fmt.Sprintf("%s: %s should have at least %s", path, map[string]string{"array": "List", "string": "String"}[p.got], p.want)
	case tooLong:
		message = fmt.Sprintf("%s: List should have at most %s items", path, p.want)
	case malformedJSON:
		message = "The request body is not valid JSON: " + p.got
	}
	return status, n.failure(status, p.code, "", message, requestID)
}

// failure tells an error; a code that ends in _error is its type.
func (n *anthropic) failure(status int, code, _, message, requestID string) []byte {
	kind := map[int]string{400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
		413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}[status]
	switch {
	case strings.HasSuffix(code, "_error"):
		kind = code
	case kind == "" && status >= 500:
		kind = "api_error"
	case kind == "":
		kind = "invalid_request_error"
	}
	e := map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": message}}
	if requestID != "" {
		e["request_id"] = requestID
	}
	return []byte(compact(e))
}

func (n *anthropic) errorEvent(body []byte) []byte {
	return fmt.Appendf(nil, "event: error\ndata: %s\n\n", body)
}

func (n *anthropic) spoil(b []byte) []byte {
	return spoil(b, `"text":"`, `"thinking":"`, `"partial_json":"`, `"id":"`)
}

func (n *anthropic) stopReason(a answer) (string, any) {
	switch a.finish {
	case overlong:
		return "max_tokens", nil
	case calling:
		return "tool_use", nil
	case filtered, refused:
		return "refusal", nil
	case stopped:
		return "stop_sequence", a.stop
	case paused:
		return "pause_turn", nil
	}
	return "end_turn", nil
}

// usage splits the prompt: what came from the cache and what was written to it
// is counted beside input_tokens.
func (n *anthropic) usage(q *request, d directives) map[string]any {
	prompt := q.count()
	cached, written := max(q.marked, 0), 0
	if d.cached >= 0 {
		cached = d.cached
	}
	cached = min(cached, prompt)
	if d.written >= 0 {
		written = min(d.written, prompt-cached)
	}
	return map[string]any{"input_tokens": prompt - cached - written, "cache_read_input_tokens": cached, "cache_creation_input_tokens": written,
		"cache_creation": map[string]any{"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
		"output_tokens":  0, "service_tier": "standard"}
}

// block is a content block, whole, and the deltas that make it in a stream.
type block struct {
	whole, start map[string]any
	deltas       []map[string]any
}

func (n *anthropic) blocks(a answer) []block {
	var out []block
	if a.thinking != "" {
		sig := n.author.signature(a.thinking)
		b := block{whole: map[string]any{"type": "thinking", "thinking": a.thinking, "signature": sig}, start: map[string]any{"type": "thinking", "thinking": "", "signature": ""}}
		for _, t := range n.chunks.cut(a.thinking, a.key) {
			b.deltas = append(b.deltas, map[string]any{"type": "thinking_delta", "thinking": t})
		}
		if !(a.finish == overlong && a.text == "") { // thinking that was cut has no signature yet
			b.deltas = append(b.deltas, map[string]any{"type": "signature_delta", "signature": sig})
		}
		out = append(out, b)
	}
	if t := a.text + a.refusal; t != "" {
		b := block{whole: map[string]any{"type": "text", "text": t}, start: map[string]any{"type": "text", "text": ""}}
		for _, t := range n.chunks.cut(t, a.key) {
			b.deltas = append(b.deltas, map[string]any{"type": "text_delta", "text": t})
		}
		out = append(out, b)
	}
	for i, c := range a.calls {
		id := fmt.Sprintf("toolu_%016x%08x", mix(a.key+uint64(i)), uint32(mix(a.key^uint64(i+7))))
		b := block{start: map[string]any{"type": "tool_use", "id": id, "name": c.name, "input": map[string]any{}}}
		b.deltas = append(b.deltas, map[string]any{"type": "input_json_delta", "partial_json": ""})
		if c.arguments != "" { // a tool without arguments has empty deltas only
			for _, t := range n.chunks.arguments(c.arguments, a.key) {
				b.deltas = append(b.deltas, map[string]any{"type": "input_json_delta", "partial_json": t})
			}
		}
		input, p := parse([]byte(orEmptyObject(c.arguments)))
		if p != nil { // cut by the limit: what has been read of it
			input = map[string]any{}
		}
		b.whole = map[string]any{"type": "tool_use", "id": id, "name": c.name, "input": input}
		out = append(out, b)
	}
	return out
}

// answer is the answer to a messages request.
func (n *anthropic) answer(q *request, d directives, a answer, id string) *script {
	usage := n.usage(q, d)
	reason, sequence := n.stopReason(a)
	blocks := n.blocks(a)
	body := map[string]any{"id": id, "type": "message", "role": "assistant", "model": q.model, "content": []any{}, "stop_reason": nil, "stop_sequence": nil, "usage": usage}
	if !q.stream {
		usage["output_tokens"] = a.tokens
		list := []any{}
		for _, b := range blocks {
			list = append(list, b.whole)
		}
		body["content"], body["stop_reason"], body["stop_sequence"] = list, reason, sequence
		return plain(http.StatusOK, nil, []byte(compact(body)))
	}
	s := &script{status: http.StatusOK, header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}, "Cache-Control": {"no-cache"}}, stream: true}
	emit := func(k stepKind, kind string, m map[string]any) {
		m["type"] = kind
		s.steps = append(s.steps, step{kind: k, data: fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, compact(m))})
	}
	usage["output_tokens"] = min(a.tokens, 1)
	emit(opening, "message_start", map[string]any{"message": body})
	for i, b := range blocks {
		emit(opening, "content_block_start", map[string]any{"index": i, "content_block": b.start})
		if i == 0 {
			emit(opening, "ping", map[string]any{})
		}
		for _, e := range b.deltas {
			emit(content, "content_block_delta", map[string]any{"index": i, "delta": e})
		}
		emit(opening, "content_block_stop", map[string]any{"index": i})
	}
	emit(closingStep, "message_delta", map[string]any{"delta": map[string]any{"stop_reason": reason, "stop_sequence": sequence},
		"usage": map[string]any{"input_tokens": usage["input_tokens"], "cache_read_input_tokens": usage["cache_read_input_tokens"],
			"cache_creation_input_tokens": usage["cache_creation_input_tokens"], "output_tokens": a.tokens}})
	emit(endMark, "message_stop", map[string]any{})
	return s
}

// emptyOf takes the content out of a stream or body that was made whole.
func (n *anthropic) emptyOf(s *script) {
	if s.stream {
		s.steps = append(s.steps[:0:0], keep(s.steps)...)
		return
	}
	body, p := parse(s.steps[0].data)
	if p == nil {
		body["content"] = []any{}
		s.steps[0].data = []byte(compact(body))
	}
}

// keep leaves out the events of content blocks.
func keep(steps []step) []step {
	var out []step
	for _, st := range steps {
		if !bytes.HasPrefix(st.data, []byte("event: content_block_")) {
			out = append(out, st)
		}
	}
	return out
}
