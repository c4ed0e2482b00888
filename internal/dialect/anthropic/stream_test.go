package anthropic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/fault"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// event is one event of a provider, named after its type.
func event(data string) string {
	var e struct{ Type string }
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		panic(err)
	}
	return "event: " + e.Type + "\ndata: " + data + "\n\n"
}

const (
	begin   = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"output_tokens":1}}}`
	stopMsg = `{"type":"message_stop"}`
)

func ends(reason string) string {
	return `{"type":"message_delta","delta":{"stop_reason":"` + reason + `","stop_sequence":null},"usage":{"output_tokens":15}}`
}

// decodeAll decodes a stream; err is of Decode or End.
func decodeAll(t testing.TB, stream string) ([]llm.Event, error) {
	t.Helper()
	d := anthropic.Codec{}.NewStreamDecoder(llm.Chat)
	r := sse.NewReader(strings.NewReader(stream), 0)
	var out []llm.Event
	for {
		ev, err := r.Next()
		if err != nil {
			return d.End(out)
		}
		if out, err = d.Decode(out, ev); err != nil {
			return out, err
		}
	}
}

// fold is the answer that events make.
func fold(events []llm.Event) *llm.Accumulator {
	a := &llm.Accumulator{}
	for i := range events {
		a.Add(&events[i])
	}
	return a
}

func encodeAll(t testing.TB, v dialect.View, sofar *llm.Accumulator, events ...llm.Event) string {
	t.Helper()
	e := anthropic.Codec{}.NewStreamEncoder(llm.Chat, v, sofar)
	var out []byte
	for i := range events {
		var err error
		if out, err = e.Encode(out, &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	return string(e.End(out))
}

// sdkMessage reads a stream as the official SDK does.
func sdkMessage(t testing.TB, stream string) sdk.Message {
	t.Helper()
	var m sdk.Message
	r := sse.NewReader(strings.NewReader(stream), 0)
	for {
		ev, err := r.Next()
		if err != nil {
			return m
		}
		if string(ev.Name) == "ping" {
			continue
		}
		var e sdk.MessageStreamEventUnion
		if err := json.Unmarshal(ev.Data, &e); err != nil {
			t.Fatalf("%v: %s", err, ev.Data)
		}
		if e.Type != string(ev.Name) {
			t.Fatalf("event %s named %s", e.Type, ev.Name)
		}
		if err := m.Accumulate(e); err != nil {
			t.Fatalf("%v: %s", err, ev.Data)
		}
	}
}

func TestTrap3UsageIsCumulative(t *testing.T) {
	for _, tc := range []struct {
		name, usage string
		want        llm.Usage
	}{
		{"output only", `{"output_tokens":15}`, llm.Usage{Input: 132, CachedInput: 100, CacheWrite: 7, Output: 15, Reported: true}},
		{"all", `{"input_tokens":30,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"output_tokens":15,"output_tokens_details":{"thinking_tokens":4}}`, llm.Usage{Input: 137, CachedInput: 100, CacheWrite: 7, Output: 15, Reasoning: 4, Reported: true}},
		{"zeros and nulls erase nothing", `{"input_tokens":0,"cache_creation_input_tokens":null,"cache_read_input_tokens":0,"output_tokens":15}`, llm.Usage{Input: 132, CachedInput: 100, CacheWrite: 7, Output: 15, Reported: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events, err := decodeAll(t, event(begin)+event(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":`+tc.usage+`}`)+event(stopMsg))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, fold(events).Usage); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTrap4ErrorInTheStream(t *testing.T) {
	for typ, kind := range map[string]fault.Kind{
		"overloaded_error": fault.Overloaded, "rate_limit_error": fault.ProviderLimit, "api_error": fault.StreamError,
		"invalid_request_error": fault.ProviderRejected, "authentication_error": fault.Credentials, "billing_error": fault.Billing,
		"permission_error": fault.Credentials, "not_found_error": fault.ModelMissing, "timeout_error": fault.ProviderError, "new_error": fault.StreamError,
	} {
		events, err := decodeAll(t, event(begin)+event(`{"type":"error","error":{"type":"`+typ+`","message":"Overloaded"}}`))
		if !fault.Is(err, fault.Cut) {
			t.Errorf("%s: the stream is cut, not %v", typ, err)
		}
		last := events[len(events)-1]
		if last.Kind != llm.EventError || !fault.Is(last.Err, kind) {
			t.Errorf("%s: %v", typ, last.Err)
		}
	}
	events, _ := decodeAll(t, event(`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}`))
	if !fault.Is(events[0].Err, fault.ContextLength) {
		t.Error(events[0].Err)
	}
}

func TestTrap6CutStreamIsNotWhole(t *testing.T) {
	whole := event(begin) + event(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`) +
		event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`) + event(`{"type":"content_block_stop","index":0}`)
	for name, tc := range map[string]struct {
		stream string
		ok     bool
	}{
		"nothing":                          {"", false},
		"no stop_reason":                   {whole, false},
		"message_stop without stop_reason": {whole + event(stopMsg), false},
		"stop_reason null":                 {whole + event(`{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":1}}`) + event(stopMsg), false},
		"message_stop missing":             {whole + event(ends("end_turn")), true},
		"whole":                            {whole + event(ends("end_turn")) + event(stopMsg), true},
	} {
		events, err := decodeAll(t, tc.stream)
		if tc.ok != (err == nil) || !tc.ok && !fault.Is(err, fault.Cut) {
			t.Errorf("%s: %v", name, err)
		}
		for _, e := range events {
			if e.Kind == llm.EventEnd && !tc.ok {
				t.Errorf("%s: an end mark without a finish is taken for an end", name)
			}
		}
		if !tc.ok {
			if out := encodeAll(t, dialect.View{}, nil, events...); strings.Contains(out, "stop_reason\":\"") || strings.Contains(out, "message_stop") {
				t.Errorf("%s: shown as whole: %s", name, out)
			}
		}
	}
}

func TestTrap8ThinkingToText(t *testing.T) {
	out := encodeAll(t, dialect.View{Model: "w", ID: "1"}, nil,
		llm.Event{Kind: llm.EventStart},
		llm.Event{Kind: llm.EventPartStart, Part: 0, PartKind: llm.PartThinking},
		llm.Event{Kind: llm.EventDelta, Part: 0, Text: "hm"},
		llm.Event{Kind: llm.EventPartStart, Part: 1, PartKind: llm.PartText}, // no PartStop before it
		llm.Event{Kind: llm.EventDelta, Part: 1, Text: "first"},
		llm.Event{Kind: llm.EventDelta, Part: 0, Text: "late thought"},
		llm.Event{Kind: llm.EventDelta, Part: 1, Text: " second"},
		llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop},
		llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 5, Output: 3, Reported: true}}},
		llm.Event{Kind: llm.EventEnd},
	)
	m := sdkMessage(t, out)
	var got []string
	for _, b := range m.Content {
		s := b.Type + ":" + b.Thinking + b.Text
		if b.Signature != "" {
			s += " " + b.Signature
		}
		got = append(got, s)
	}
	if diff := cmp.Diff([]string{"thinking:hm freehold-unsigned", "text:first", "thinking:late thought freehold-unsigned", "text: second"}, got); diff != "" {
		t.Error(diff)
	}
	if m.StopReason != "end_turn" || m.Model != "w" || m.ID != "msg_1" || m.Usage.InputTokens != 5 || m.Usage.OutputTokens != 3 {
		t.Errorf("%+v", m)
	}
}

func TestTrap9ParallelTools(t *testing.T) {
	events, err := decodeAll(t, must(os.ReadFile("testdata/streams/chat/thinking_tools.sse")))
	if err != nil {
		t.Fatal(err)
	}
	var calls []llm.AccPart
	for _, p := range fold(events).Choices[0].Parts {
		if p.Kind == llm.PartToolCall {
			calls = append(calls, p)
		}
	}
	if len(calls) != 2 || calls[0].Body() != `{"city": "Paris", "days": 2}` || calls[1].Body() != "{}" || calls[1].ID != "toolu_02" {
		t.Errorf("%+v", calls)
	}
	// A provider of another dialect interleaves: an Anthropic client still
	// sees one block after the other, with nothing lost.
	call := func(part int, id string) llm.Event {
		return llm.Event{Kind: llm.EventPartStart, Part: part, PartKind: llm.PartToolCall, ID: id, Name: "f"}
	}
	args := func(part int, s string) llm.Event { return llm.Event{Kind: llm.EventDelta, Part: part, Text: s} }
	out := encodeAll(t, dialect.View{}, nil,
		call(0, "a"), call(1, "b"), args(0, `{"x"`), args(1, `{"y"`), args(0, `:1}`), args(1, `:2}`), call(2, "c"),
		llm.Event{Kind: llm.EventPartStop, Part: 1}, llm.Event{Kind: llm.EventPartStop, Part: 0},
		llm.Event{Kind: llm.EventPartStart, Part: 3, PartKind: llm.PartText}, args(3, "done"),
		llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop}, llm.Event{Kind: llm.EventEnd})
	m := sdkMessage(t, out)
	var got []string
	for _, b := range m.Content {
		got = append(got, fmt.Sprint(b.Type, " ", b.ID, string(b.Input), b.Text))
	}
	if diff := cmp.Diff([]string{`tool_use a{"x":1}`, `tool_use b{"y":2}`, `tool_use c{}`, "text done"}, got); diff != "" {
		t.Error(diff)
	}
	if m.StopReason != "tool_use" {
		t.Errorf("an answer with tool calls ends with tool_use, not %q", m.StopReason)
	}
	sequential(t, out)
}

// sequential checks that blocks open and close one at a time, in order.
func sequential(t *testing.T, stream string) {
	t.Helper()
	r := sse.NewReader(strings.NewReader(stream), 0)
	next, open := 0, false
	for ev, err := r.Next(); err == nil; ev, err = r.Next() {
		var e struct {
			Type  string
			Index int
		}
		if err := json.Unmarshal(ev.Data, &e); err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case "content_block_start":
			if open || e.Index != next {
				t.Fatalf("block %d starts, open %v, expected %d", e.Index, open, next)
			}
			open = true
		case "content_block_delta", "content_block_stop":
			if !open || e.Index != next {
				t.Fatalf("%s of %d, open %v, expected %d", e.Type, e.Index, open, next)
			}
			if e.Type == "content_block_stop" {
				open, next = false, next+1
			}
		case "message_delta":
			if open {
				t.Fatal("message_delta while a block is open")
			}
		}
	}
}

func toolStream(reason string, deltas ...string) string {
	s := event(begin) + event(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`)
	for _, d := range deltas {
		b, _ := json.Marshal(d)
		s += event(`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":` + string(b) + `}}`)
	}
	return s + event(`{"type":"content_block_stop","index":0}`) + event(ends(reason)) + event(stopMsg)
}

func TestTrap10And11ToolArguments(t *testing.T) {
	for _, tc := range []struct{ name, stream, want string }{
		{"no delta", toolStream("tool_use"), "{}"},
		{"empty deltas", toolStream("tool_use", "", ""), "{}"},
		{"arguments", toolStream("tool_use", "", `{"a"`, `:1}`), `{"a":1}`},
		{"cut by max_tokens", toolStream("max_tokens", `{"a": "b`), `{"a": "b`},
		{"cut before its first byte", toolStream("max_tokens"), "{}"},
		{"given at the start", strings.Replace(toolStream("tool_use"), `"input":{}`, `"input":{"z":9}`, 1), `{"z":9}`},
		{"no content_block_stop", strings.Replace(toolStream("tool_use"), event(`{"type":"content_block_stop","index":0}`), "", 1), "{}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events, err := decodeAll(t, tc.stream)
			if err != nil {
				t.Fatal(err)
			}
			p := fold(events).Choices[0].Parts[0]
			if p.Body() != tc.want || !p.Stopped || p.ID != "t" || p.Name != "f" {
				t.Errorf("%q %+v", p.Body(), p)
			}
		})
	}
	t.Run("whole answer", func(t *testing.T) {
		r, err := anthropic.Codec{}.DecodeReply(llm.Chat, []byte(`{"type":"message","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{"x":1}}],"stop_reason":"max_tokens"}`))
		if err != nil {
			t.Fatal(err)
		}
		parts := r.Choices[0].Parts
		if parts[0].Arguments != "{}" || parts[0].Incomplete || !parts[1].Incomplete {
			t.Errorf("%+v", parts)
		}
	})
	t.Run("an incomplete call for a client", func(t *testing.T) {
		reply := func(f llm.FinishReason) ([]byte, error) {
			return anthropic.Codec{}.EncodeReply(&llm.Response{ID: "x", Choices: []llm.Choice{{Finish: f, Parts: []llm.Part{toolCall("a", "f", `{"x": "y`)}}}}, llm.Chat, dialect.View{})
		}
		body, err := reply(llm.FinishLength)
		if err != nil || !bytes.Contains(body, []byte(`"input":{}`)) || !bytes.Contains(body, []byte(`"stop_reason":"max_tokens"`)) {
			t.Errorf("%s %v", body, err)
		}
		if _, err := reply(llm.FinishToolCalls); !fault.Is(err, fault.Malformed) {
			t.Errorf("arguments that are broken but said to be whole: %v", err)
		}
	})
}

func TestTrap12And34StopReasons(t *testing.T) {
	for wire, finish := range map[string]llm.FinishReason{
		"end_turn": llm.FinishStop, "max_tokens": llm.FinishLength, "stop_sequence": llm.FinishStopSequence,
		"tool_use": llm.FinishToolCalls, "pause_turn": llm.FinishPause, "refusal": llm.FinishRefusal,
		"model_context_window_exceeded": llm.FinishContext,
	} {
		events, err := decodeAll(t, event(begin)+event(ends(wire))+event(stopMsg))
		if err != nil {
			t.Fatal(err)
		}
		if got := events[1].Finish; got != finish {
			t.Errorf("%s read as %q", wire, got)
		}
		m := sdkMessage(t, encodeAll(t, dialect.View{}, nil, events...))
		if string(m.StopReason) != wire {
			t.Errorf("%s written as %s", wire, m.StopReason)
		}
	}
	events, err := decodeAll(t, event(begin)+event(ends("something_new"))+event(stopMsg))
	if err != nil || events[1].Finish != llm.FinishStop {
		t.Errorf("an unknown reason: %v %v", events, err)
	}
	for finish, wire := range map[llm.FinishReason]string{llm.FinishContentFilter: "refusal", llm.FinishStop: "end_turn"} {
		m := sdkMessage(t, encodeAll(t, dialect.View{}, nil, llm.Event{Kind: llm.EventFinish, Finish: finish}))
		if string(m.StopReason) != wire {
			t.Errorf("%s written as %s", finish, m.StopReason)
		}
	}
}

func TestTrap32CachedTokensAreNotCountedTwice(t *testing.T) {
	r, err := anthropic.Codec{}.DecodeReply(llm.Chat, []byte(must(os.ReadFile("testdata/replies/chat/text.json"))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(llm.Usage{Input: 2125, CachedInput: 2000, CacheWrite: 100, Output: 12, Reported: true}, r.Usage); diff != "" {
		t.Error(diff)
	}
	body, err := anthropic.Codec{}.EncodeReply(r, llm.Chat, dialect.View{})
	if err != nil {
		t.Fatal(err)
	}
	var m sdk.Message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if u := m.Usage; u.InputTokens != 25 || u.CacheReadInputTokens != 2000 || u.CacheCreationInputTokens != 100 || u.OutputTokens != 12 {
		t.Errorf("%+v", u)
	}
}

func TestInputTokensAreNeverErased(t *testing.T) {
	start := llm.Event{Kind: llm.EventStart, Meta: &llm.Meta{Usage: llm.Usage{Input: 9, Output: 1, Reported: true}}}
	finish := llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop}
	for _, tc := range []struct {
		name   string
		events []llm.Event
		want   int64
	}{
		{"known at the start", []llm.Event{start, finish, {Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 9, Output: 4, Reported: true}}}}, 9},
		{"forgotten later", []llm.Event{start, finish, {Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Output: 4, Reported: true}}}}, 9},
		{"known at the end", []llm.Event{{Kind: llm.EventStart}, finish, {Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 30, Output: 4, Reported: true}}}}, 30},
		{"never known", []llm.Event{{Kind: llm.EventStart}, finish}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if m := sdkMessage(t, encodeAll(t, dialect.View{}, nil, tc.events...)); m.Usage.InputTokens != tc.want {
				t.Errorf("%d", m.Usage.InputTokens)
			}
		})
	}
}

// TestResume cuts every sample stream after every event, relays what came
// before as bytes, and lets an encoder finish: the client sees the same answer.
func TestResume(t *testing.T) {
	for _, name := range []string{"text", "thinking_tools", "tool_cut", "cached_stop_sequence", "server_tool"} {
		stream := must(os.ReadFile("testdata/streams/chat/" + name + ".sse"))
		whole := sdkMessage(t, stream)
		parts := strings.SplitAfter(stream, "\n\n")
		for cut := range parts {
			seen := strings.Join(parts[:cut], "")
			before, _ := decodeAll(t, seen)
			d := anthropic.Codec{}.NewStreamDecoder(llm.Chat)
			var rest []llm.Event
			r, n := sse.NewReader(strings.NewReader(stream), 0), 0
			for ev, err := r.Next(); err == nil; ev, err = r.Next() {
				from := len(rest)
				if rest, err = d.Decode(rest, ev); err != nil {
					t.Fatal(err)
				}
				if n++; n <= cut {
					rest = rest[:from]
				}
			}
			got := seen + encodeAll(t, dialect.View{}, fold(before), rest...)
			m := sdkMessage(t, got)
			if diff := cmp.Diff(simple(whole), simple(m)); diff != "" {
				t.Fatalf("%s cut after %d: %s\n%s", name, cut, diff, got)
			}
			sequential(t, got)
			if strings.Count(got, "event: message_stop") != 1 || strings.Count(got, "event: message_start") != 1 {
				t.Fatalf("%s cut after %d: starts or ends twice", name, cut)
			}
		}
	}
}

// TestResumeWithAnotherDecoder goes on with an answer of which the client has
// seen thinking and some text; the continuation numbers its parts from 0.
func TestResumeWithAnotherDecoder(t *testing.T) {
	seen := event(begin) + event(`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`) +
		event(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`) + event(`{"type":"content_block_stop","index":0}`) +
		event(`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`) +
		event(`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Once"}}`)
	before, err := decodeAll(t, seen)
	if !fault.Is(err, fault.Cut) {
		t.Fatal(err)
	}
	got := seen + encodeAll(t, dialect.View{}, fold(before),
		llm.Event{Kind: llm.EventStart, ID: "other", Meta: &llm.Meta{Model: "other"}},
		llm.Event{Kind: llm.EventPartStart, Part: 0, PartKind: llm.PartText},
		llm.Event{Kind: llm.EventDelta, Part: 0, Text: " upon"}, llm.Event{Kind: llm.EventPartStop, Part: 0},
		llm.Event{Kind: llm.EventPartStart, Part: 1, PartKind: llm.PartToolCall, ID: "t", Name: "f"},
		llm.Event{Kind: llm.EventDelta, Part: 1, Text: "{}"},
		llm.Event{Kind: llm.EventFinish, Finish: llm.FinishToolCalls},
		llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 132, Output: 40, CachedInput: 100, CacheWrite: 7, Reported: true}}}, llm.Event{Kind: llm.EventEnd})
	m := sdkMessage(t, got)
	if diff := cmp.Diff([]string{"thinking hm", "text Once upon", "tool_use {}"}, simple(m)[2:]); diff != "" {
		t.Error(diff)
	}
	if m.ID != "msg_1" || m.StopReason != "tool_use" || m.Usage.OutputTokens != 40 || m.Usage.InputTokens != 25 {
		t.Errorf("%+v", m)
	}
	sequential(t, got)
}

func simple(m sdk.Message) []string {
	out := []string{string(m.StopReason) + " " + m.StopSequence, fmt.Sprint(m.ID, m.Model, m.Usage.InputTokens, m.Usage.OutputTokens)}
	for _, b := range m.Content {
		s := b.Type + " " + b.Text + b.Thinking + b.Data + b.Signature
		if b.Type == "tool_use" || b.Type == "server_tool_use" {
			s += string(b.Input)
		}
		out = append(out, s)
	}
	return out
}

func TestMalformedStreams(t *testing.T) {
	for name, stream := range map[string]string{
		"not JSON":            "event: message_start\ndata: {oops\n\n",
		"not an object":       "data: [1]\n\n",
		"delta without block": event(begin) + event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`),
		"block without index": event(`{"type":"content_block_start","content_block":{"type":"text"}}`),
		"thinking in text":    event(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`) + event(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}`),
	} {
		if _, err := decodeAll(t, stream); !fault.Is(err, fault.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownEventsAreOpaque(t *testing.T) {
	events, err := decodeAll(t, event(begin)+event(`{"type":"future_event","x":1}`)+"data: [DONE]\n\n"+": comment\n\n"+event(ends("end_turn")))
	if err != nil {
		t.Fatal(err)
	}
	if events[1].Kind != llm.EventOpaque || string(events[1].Raw) != `{"type":"future_event","x":1}` || len(events) != 4 {
		t.Errorf("%+v", events)
	}
}

func TestKeepAliveAndStreamError(t *testing.T) {
	c := anthropic.Codec{}
	if got := string(c.KeepAlive()); got != "event: ping\ndata: {\"type\": \"ping\"}\n\n" {
		t.Errorf("%q", got)
	}
	got := string(c.EncodeStreamError([]byte("x"), &fault.Error{Kind: fault.Overloaded, Message: "busy"}, "req-1"))
	want := "xevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\",\"code\":\"provider_overloaded\"},\"request_id\":\"req-1\"}\n\n"
	if got != want {
		t.Errorf("%s", got)
	}
}

func TestRewrite(t *testing.T) {
	c := anthropic.Codec{}
	v := dialect.View{Model: "my-\"job\""}
	reply, err := c.RewriteReply(llm.Chat, []byte(`{ "id":"x", "model" : "claude","content":[{"type":"tool_use","id":"a","name":"f","input":{"model":"claude"}}], "new":{"model":"claude"} }`), v)
	if want := `{ "id":"x", "model" : "my-\"job\"","content":[{"type":"tool_use","id":"a","name":"f","input":{"model":"claude"}}], "new":{"model":"claude"} }`; err != nil || string(reply) != want {
		t.Errorf("%s %v", reply, err)
	}
	for _, tc := range []struct{ name, in, want string }{
		{"start", ": hi\r\nevent: message_start\r\ndata:  {\"type\":\"message_start\", \"message\":{\"model\":\"claude\",\"x\":1}}\r\n\r\n", ": hi\r\nevent: message_start\r\ndata:  {\"type\":\"message_start\", \"message\":{\"model\":\"my-\\\"job\\\"\",\"x\":1}}\r\n\r\n"},
		{"start without name", "data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\"}}\n\n", "data: {\"type\":\"message_start\",\"message\":{\"model\":\"my-\\\"job\\\"\"}}\n\n"},
		{"start on two lines", "event: message_start\ndata: {\"type\":\"message_start\",\ndata: \"message\":{\"model\":\"claude\"}}\n\n", "event: message_start\ndata: {\"type\":\"message_start\",\ndata: \"message\":{\"model\":\"my-\\\"job\\\"\"}}\n\n"},
		{"delta", event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"message_start model"}}`), event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"message_start model"}}`)},
		{"comment", ": ping\n\n", ": ping\n\n"},
	} {
		ev, err := sse.NewReader(strings.NewReader(tc.in), 0).Next()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(c.RewriteEvent([]byte("<"), ev, v)); got != "<"+tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func must(b []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestUnwrapForcedTool(t *testing.T) {
	c := anthropic.Codec{}
	d := dialect.UnwrapTool(c.NewStreamDecoder(llm.Chat), "f")
	r := sse.NewReader(strings.NewReader(toolStream("tool_use", `{"answer"`, `: 42}`)), 0)
	var events []llm.Event
	for ev, err := r.Next(); err == nil; ev, err = r.Next() {
		if events, err = d.Decode(events, ev); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.End(nil); err != nil {
		t.Fatal(err)
	}
	a := fold(events)
	if a.Text(0) != `{"answer": 42}` || a.Choices[0].Finish != llm.FinishStop {
		t.Errorf("%q %s", a.Text(0), a.Choices[0].Finish)
	}
}

func TestErrorsAreFaults(t *testing.T) {
	_, err := anthropic.Codec{}.DecodeReply(llm.Chat, []byte(`{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`))
	if !fault.Is(err, fault.Overloaded) {
		t.Error(err)
	}
	for _, body := range []string{"", "[]", "{}", "null", `{"content":"x"}`, `{"content":[{}]}`, `{"content":[{"type":"tool_use","input":[1]}]}`, "<html>"} {
		_, err := anthropic.Codec{}.Summarize(llm.Chat, []byte(body))
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Malformed {
			t.Errorf("%q: %v", body, err)
		}
	}
}
