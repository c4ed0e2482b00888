package openaichat

import (
	"strings"

	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

func (s *streamDecoder) call(dst []llm.Event, n int, t jsondoor.Value) []llm.Event {
	fn, id := t.Get("function"), t.Get("id").Text()
	index, ok := t.Get("index").Int()
	if !ok {
		index = s.guess(n, id, fn)
	}
	return s.function(dst, n, t, fn, index, id)
}

// guess numbers a tool call of a server that does not: one with an id, or with
// a name while the call before has its arguments, is another call.
func (s *streamDecoder) guess(n int, id string, fn jsondoor.Value) int64 {
	st := &s.choices[n]
	last := int64(-1)
	for i := range st.parts {
		if p := &st.parts[i]; p.kind == llm.PartToolCall {
			if id != "" && p.id == id {
				return p.index
			}
			last = max(last, p.index)
		}
	}
	if id != "" || last < 0 || fn.Get("name").Size() > 0 {
		return last + 1
	}
	return last
}

// function reads a piece of a tool call. The same number with another id and a
// name is another call: some servers number all of them 0.
func (s *streamDecoder) function(dst []llm.Event, n int, call, fn jsondoor.Value, index int64, id string) []llm.Event {
	st := &s.choices[n]
	at := -1
	for i := len(st.parts) - 1; i >= 0; i-- {
		if p := &st.parts[i]; p.kind == llm.PartToolCall && p.index == index {
			if other := id != "" && p.id != id && fn.Get("name").Size() > 0; !other {
				at = i
			}
			break
		}
	}
	if at < 0 {
		dst = s.close(dst, n)
		if id == "" {
			id = callID(s.id, s.calls)
			s.calls++
		}
		at = len(st.parts)
		st.called = true
		dst = s.start(dst, n, partState{kind: llm.PartToolCall, index: index, id: id}, llm.Event{ID: id, Name: fn.Get("name").Text(), Raw: callExtra(call)})
	}
	args := fn.Get("arguments")
	text := args.Text()
	if args.Kind() == jsondoor.Object {
		text = string(args.Raw())
	}
	p := &st.parts[at]
	if text == "" || p.args == 0 && strings.TrimSpace(text) == "" {
		return dst
	}
	if p.done {
		s.failed = true
		return append(dst, llm.Event{Kind: llm.EventError, Choice: n,
			Err: fault.New(fault.Malformed, "the provider's stream goes on with a tool call that was whole")})
	}
	p.args += len(text)
	p.json.add(text)
	return append(dst, llm.Event{Kind: llm.EventDelta, Choice: n, Part: at, Text: text})
}

// nesting follows JSON text just far enough to know whether it is closed.
type nesting struct {
	depth           int
	quoted, escaped bool
}

func (j *nesting) add(s string) {
	for i := range len(s) {
		switch c := s[i]; {
		case j.escaped:
			j.escaped = false
		case j.quoted && c == '\\':
			j.escaped = true
		case c == '"':
			j.quoted = !j.quoted
		case j.quoted:
		case c == '{', c == '[':
			j.depth++
		case c == '}', c == ']':
			j.depth--
		}
	}
}

func (j *nesting) closed() bool { return j.depth == 0 && !j.quoted }
