package anthropic

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// openingTurn is the user turn put before a conversation that does not begin
// with the user, which the API demands.
const openingTurn = "."

// turn is one message as the API wants them: roles alternate.
type turn struct {
	role  llm.Role // User, Assistant, or System in mid-conversation
	parts []*llm.Part
	extra []llm.Field
	index int // of the client's first message in it, for errors
}

// messages sends system and messages.
func (e *encoder) messages() error {
	system, turns, err := e.turns()
	if err != nil {
		return err
	}
	if turns, err = e.proceed(turns); err != nil {
		return err
	}
	if len(turns) == 0 && len(system) == 0 {
		return invalid("messages", "at least one message is required")
	}
	if len(turns) == 0 || turns[0].role == llm.Assistant {
		opening := turn{role: llm.User, parts: []*llm.Part{{Kind: llm.PartText, Text: openingTurn}}}
		turns = append([]turn{opening}, turns...)
	}
	if err := pair(turns); err != nil {
		return err
	}
	if len(system) > 0 {
		w := jsondoor.Writer{}
		if err := e.content(&w, system, false); err != nil {
			return err
		}
		e.set("system", w.Buf)
	}
	w := jsondoor.Writer{Buf: make([]byte, 0, sizeOf(turns))}
	w.Array()
	for i := range turns {
		t := &turns[i]
		w.Object().Key("role").String(string(t.role)).Key("content")
		if err := e.content(&w, t.parts, i == len(turns)-1 && t.role == llm.Assistant); err != nil {
			return err
		}
		for _, f := range t.extra {
			w.Key(f.Name).Raw(f.Raw)
		}
		w.EndObject()
	}
	e.set("messages", w.EndArray().Buf)
	return nil
}

// turns sorts the client's messages into system parts and alternating turns.
func (e *encoder) turns() (system []*llm.Part, turns []turn, err error) {
	for i := range e.r.Messages {
		m := &e.r.Messages[i]
		parts, err := e.parts(m, i)
		if err != nil {
			return nil, nil, err
		}
		extra := e.messageExtra(m, i)
		role := m.Role
		switch role {
		case llm.System, llm.Developer:
			if !e.own || len(turns) == 0 && len(extra) == 0 {
				system = append(system, parts...)
				continue
			}
			role = llm.System
		case llm.Tool:
			role = llm.User
		case llm.User, llm.Assistant:
		default:
			return nil, nil, invalid(at(i, "role"), "unknown role "+strconv.Quote(string(role)))
		}
		if len(parts) == 0 && len(extra) == 0 {
			if role == llm.User {
				return nil, nil, invalid(at(i, "content"), "text must not be empty")
			}
			continue // an assistant turn that said nothing
		}
		if n := len(turns); n > 0 && turns[n-1].role == role && role != llm.System && len(extra) == 0 && len(turns[n-1].extra) == 0 {
			turns[n-1].parts = append(turns[n-1].parts, parts...)
			continue
		}
		turns = append(turns, turn{role: role, parts: parts, extra: extra, index: i})
	}
	return system, turns, nil
}

// messageExtra returns the members of a message to send on.
func (e *encoder) messageExtra(m *llm.Message, i int) []llm.Field {
	if m.Name != "" && m.Role != llm.Tool { // a tool message's call says its name
		e.refuse(at(i, "name"), "Anthropic messages have no name")
	}
	if e.own {
		return m.Extra
	}
	for _, f := range m.Extra {
		if string(f.Raw) == "null" {
			continue
		}
		e.refuse(at(i, f.Name), "the Anthropic Messages API has no equivalent")
	}
	return nil
}

// parts returns the parts of a message that are sent, checked against what its
// role may hold.
func (e *encoder) parts(m *llm.Message, i int) ([]*llm.Part, error) {
	parts := make([]*llm.Part, 0, len(m.Parts))
	for j := range m.Parts {
		p := &m.Parts[j]
		keep, err := e.sendable(m.Role, p, i)
		if err != nil {
			return nil, err
		}
		if keep {
			parts = append(parts, p)
		}
	}
	if m.Role == llm.Assistant && !e.own {
		parts = thinkingFirst(parts)
	}
	return parts, nil
}

func (e *encoder) sendable(role llm.Role, p *llm.Part, i int) (bool, error) {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		return strings.TrimSpace(p.Text) != "", nil
	case llm.PartThinking:
		if p.Signature == "" || role != llm.Assistant {
			e.drop("reasoning_content")
			return false, nil
		}
		return true, nil
	case llm.PartRedactedThinking:
		if p.Dialect != Name || role != llm.Assistant || len(p.Opaque) == 0 {
			e.drop("reasoning_content")
			return false, nil
		}
		return true, nil
	case llm.PartToolCall:
		if role != llm.Assistant {
			return false, invalid(at(i, "content"), "only the assistant calls tools")
		}
		if p.Arguments != "" && !isObject(p.Arguments) {
			return false, invalid(at(i, "tool_calls"), "the arguments of "+strconv.Quote(p.Name)+" are not a JSON object")
		}
		e.dropMembers(p)
		return true, nil
	case llm.PartToolResult:
		if role != llm.Tool && role != llm.User {
			return false, invalid(at(i, "content"), "tool results come from the user")
		}
		return true, nil
	case llm.PartImage, llm.PartDocument:
		if role == llm.User || role == llm.Tool {
			return true, nil
		}
	case llm.PartOpaque:
		if p.Dialect == Name {
			return true, nil
		}
	}
	e.refuse(at(i, "content"), "a kind of content that Anthropic does not take from "+string(role))
	return false, nil
}

// dropMembers reports what only another dialect's servers understand of a tool
// call, a thought signature for one.
func (e *encoder) dropMembers(p *llm.Part) {
	var members map[string]json.RawMessage
	if p.Dialect == Name || json.Unmarshal(p.Opaque, &members) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		e.drop("tool_calls." + name)
	}
}

// thinkingFirst moves thinking to the front of an assistant turn, where the
// API demands it.
func thinkingFirst(parts []*llm.Part) []*llm.Part {
	front := make([]*llm.Part, 0, len(parts))
	var rest []*llm.Part
	for _, p := range parts {
		if p.Kind == llm.PartThinking || p.Kind == llm.PartRedactedThinking {
			front = append(front, p)
		} else {
			rest = append(rest, p)
		}
	}
	return append(front, rest...)
}

// proceed adds the text of a continued answer.
func (e *encoder) proceed(turns []turn) ([]turn, error) {
	c := e.t.Continue
	if c == nil {
		return turns, nil
	}
	switch c.Method {
	case dialect.Prefill, dialect.PrefillEcho, dialect.Instruct:
	default:
		return nil, &fault.Error{Kind: fault.Unsupported, Param: "continue", Message: "continue: this model cannot go on with a cut answer"}
	}
	prefix := strings.TrimRight(c.Prefix, " \t\r\n")
	if prefix != "" {
		part := &llm.Part{Kind: llm.PartText, Text: prefix}
		if n := len(turns); n > 0 && turns[n-1].role == llm.Assistant {
			last := &turns[n-1]
			if k := len(last.parts) - 1; k >= 0 && last.parts[k].Kind == llm.PartText {
				// The client's own prefill: its text and the answer's are one.
				part.Text = last.parts[k].Text + prefix
				last.parts = last.parts[:k]
			}
			last.parts = append(last.parts, part)
		} else {
			turns = append(turns, turn{role: llm.Assistant, parts: []*llm.Part{part}, index: len(e.r.Messages)})
		}
	}
	if c.Method == dialect.Instruct && prefix != "" {
		turns = append(turns, turn{role: llm.User, index: len(e.r.Messages),
			parts: []*llm.Part{{Kind: llm.PartText, Text: dialect.ContinueInstruction}}})
	}
	return turns, nil
}

// pair puts the tool results of a user turn first and demands that tool calls
// and results of neighbouring turns match one to one.
func pair(turns []turn) error {
	var open map[string]bool // calls of the turn before that wait for their result
	var index int
	for i := range turns {
		t := &turns[i]
		if t.role == llm.System {
			continue
		}
		var results, rest []*llm.Part
		for _, p := range t.parts {
			if p.Kind != llm.PartToolResult {
				rest = append(rest, p)
				continue
			}
			if p.ID == "" {
				return invalid(at(t.index, "tool_call_id"), "a tool result must name its tool call")
			}
			if t.role != llm.User || !open[p.ID] {
				return invalid(at(t.index, "tool_call_id"), "no tool call "+strconv.Quote(p.ID)+" waits for a result in the turn before")
			}
			delete(open, p.ID)
			results = append(results, p)
		}
		for id := range open {
			return invalid(at(index, "tool_calls"), "the tool call "+strconv.Quote(id)+" has no result in the next turn")
		}
		if len(results) > 0 {
			t.parts = slices.Concat(results, rest)
		}
		open, index = nil, t.index
		for _, p := range t.parts {
			if p.Kind != llm.PartToolCall {
				continue
			}
			if open == nil {
				open = map[string]bool{}
			}
			if p.ID == "" || open[p.ID] {
				return invalid(at(t.index, "tool_calls"), "every tool call needs an id of its own")
			}
			open[p.ID] = true
		}
	}
	for id := range open {
		return invalid(at(index, "tool_calls"), "the tool call "+strconv.Quote(id)+" has no result in the next turn")
	}
	return nil
}

// at names a message's member for an error.
func at(i int, member string) string { return "messages[" + strconv.Itoa(i) + "]." + member }

// sizeOf estimates the size of the encoded turns.
func sizeOf(turns []turn) int {
	n := 64
	for i := range turns {
		n += 64
		for _, p := range turns[i].parts {
			n += 96 + len(p.Text) + len(p.Text)/16 + len(p.Arguments) + len(p.Signature) + len(p.Opaque)
			if p.Media != nil {
				n += len(p.Media.Data) + len(p.Media.URL)
			}
			for j := range p.Result {
				n += 64 + len(p.Result[j].Text) + len(p.Result[j].Text)/16
			}
		}
	}
	return n
}
