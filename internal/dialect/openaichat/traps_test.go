package openaichat_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/fault"
	"freehold/internal/llm"
	"freehold/internal/sse"

	"github.com/google/go-cmp/cmp"
)

// accumulated is the answer that a stream makes.
func accumulated(t *testing.T, stream string) *llm.Accumulator {
	t.Helper()
	list, err := events(t, stream)
	if err != nil {
		t.Fatal(err)
	}
	var a llm.Accumulator
	for i := range list {
		a.Add(&list[i])
	}
	return &a
}

// shownTo is a stream as a client of this dialect sees it when another encoder
// takes over at event number at (-1: never).
func shownTo(t *testing.T, list []llm.Event, at int) string {
	t.Helper()
	view := dialect.View{IncludeUsage: true}
	enc := codec.NewStreamEncoder(llm.Chat, view, nil)
	var sofar llm.Accumulator
	var out []byte
	for i := range list {
		if i == at {
			enc = codec.NewStreamEncoder(llm.Chat, view, &sofar)
		}
		var err error
		if out, err = enc.Encode(out, &list[i]); err != nil {
			t.Fatal(err)
		}
		sofar.Add(&list[i])
	}
	return string(enc.End(out))
}

// Usage is the last chunk, without choices, where it was asked for; the others
// say null. Where the provider counted nothing, none is made up.
func TestTrap1UsageChunk(t *testing.T) {
	answer := []llm.Event{
		{Kind: llm.EventStart, ID: "chatcmpl-1"}, {Kind: llm.EventPartStart, PartKind: llm.PartText}, {Kind: llm.EventDelta, Text: "hi"},
		{Kind: llm.EventPartStop}, {Kind: llm.EventFinish, Finish: llm.FinishStop},
	}
	counted := append(slices.Clone(answer), llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 3, Output: 1, Reported: true}}})
	for name, c := range map[string]struct {
		events []llm.Event
		last   string // of the chunks before the end mark
	}{
		"counted":     {counted, `"choices":[],"usage":{"prompt_tokens":3,`},
		"not counted": {answer, `"finish_reason":"stop"}],"usage":null}`},
	} {
		chunks := strings.Split(strings.TrimSuffix(shownTo(t, c.events, -1), "\n\n"), "\n\n")
		n := len(chunks)
		if chunks[n-1] != "data: [DONE]" || !strings.Contains(chunks[n-2], c.last) {
			t.Errorf("%s: the stream ends with %q", name, chunks[n-2:])
		}
		for _, chunk := range chunks[:n-2] {
			if !strings.HasSuffix(chunk, `,"usage":null}`) {
				t.Errorf("%s: %s", name, chunk)
			}
		}
	}
}

// Usage counts wherever it comes: on a chunk of its own, on one with choices, in
// Groq's member; and a chunk with choices is never taken away for it.
func TestTrap2UsageBesideChoices(t *testing.T) {
	const usage = `{"prompt_tokens":7,"completion_tokens":2}`
	const end = `{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}`
	for _, chunks := range []string{
		`data: {"id":"c","choices":[` + end + `],"usage":` + usage + "}\n\n",
		`data: {"id":"c","choices":[` + end + `],"x_groq":{"usage":` + usage + "}}\n\n",
		`data: {"id":"c","choices":[` + end + "]}\n\n" + `data: {"id":"c","choices":[],"usage":` + usage + "}\n\n",
	} {
		a := accumulated(t, chunks+"data: [DONE]\n\n")
		if a.Text(0) != "x" || a.Usage != (llm.Usage{Input: 7, Output: 2, Reported: true}) {
			t.Errorf("%s: text %q, usage %+v", chunks, a.Text(0), a.Usage)
		}
		ev, err := sse.NewReader(strings.NewReader(chunks), 0).Next()
		if err != nil {
			t.Fatal(err)
		}
		if got := codec.RewriteEvent(nil, ev, dialect.View{Model: "ours"}); !bytes.Contains(got, []byte(`"content":"x"`)) {
			t.Errorf("%s: relayed as %q", chunks, got)
		}
	}
}

// Parallel calls keep their own numbers, however they come: not those of the
// parts among which they stand.
func TestTrap9ToolNumbers(t *testing.T) {
	stream := chunk(`{"index":0,"delta":{"reasoning_content":"Hm."}}`) + chunk(`{"index":0,"delta":{"content":"I look."}}`) +
		chunk(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}},{"index":1,"id":"b","function":{"name":"g","arguments":"{\"y\""}}]}}`) +
		chunk(`{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":":2}"}},{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}`)
	list, err := events(t, stream)
	if err != nil {
		t.Fatal(err)
	}
	var firstCall int
	for firstCall = range list {
		if list[firstCall].PartKind == llm.PartToolCall {
			break
		}
	}
	for at := firstCall; at <= len(list); at++ {
		shown := accumulated(t, shownTo(t, list, at))
		var calls []string
		for _, p := range shown.Choices[0].Parts {
			if p.Kind == llm.PartToolCall {
				calls = append(calls, p.ID+" "+p.Name+p.Body())
			}
		}
		if diff := cmp.Diff([]string{`a f{"x":1}`, `b g{"y":2}`}, calls); diff != "" {
			t.Errorf("taken up at %d: %s", at, diff)
		}
	}
	if out := shownTo(t, list, -1); !strings.Contains(out, `"tool_calls":[{"index":0,"id":"a"`) || !strings.Contains(out, `"tool_calls":[{"index":1,"id":"b"`) {
		t.Errorf("the calls are not numbered from 0: %s", out)
	}
}

// A call without arguments has the arguments {}; one that a limit has cut is
// incomplete, and nothing is added to it.
func TestTrap10And11Arguments(t *testing.T) {
	for _, c := range []struct {
		pieces     []string
		finish     string
		want       string
		incomplete bool
	}{
		{nil, "tool_calls", "{}", false},
		{[]string{"", ""}, "tool_calls", "{}", false},
		{[]string{"{", `"a":1}`}, "stop", `{"a":1}`, false},
		{[]string{`{"a": "b`}, "length", `{"a": "b`, true},
		{[]string{`{"a": "b`}, "model_length", `{"a": "b`, true},
		{[]string{`{"a":1}`}, "length", `{"a":1}`, false},
	} {
		stream := chunk(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}`)
		for _, p := range c.pieces {
			stream += chunk(`{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":` + string(quoted(p)) + `}}]}}`)
		}
		stream += chunk(`{"index":0,"delta":{},"finish_reason":"` + c.finish + `"}`)
		streamed := accumulated(t, stream).Response()
		whole, err := codec.DecodeReply(llm.Chat, []byte(`{"choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":`+
			string(quoted(strings.Join(c.pieces, "")))+`}}]},"finish_reason":"`+c.finish+`"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		for how, r := range map[string]*llm.Response{"streamed": streamed, "whole": whole} {
			if p := r.Choices[0].Parts[0]; p.Arguments != c.want || p.Incomplete != c.incomplete {
				t.Errorf("%q, %s, %s: arguments %q, incomplete %v", c.pieces, c.finish, how, p.Arguments, p.Incomplete)
			}
		}
	}
}

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Finish reasons as an OpenAI client knows them, and as servers write them.
func TestTrap12And34FinishReasons(t *testing.T) {
	for finish, want := range map[llm.FinishReason]string{
		llm.FinishStop: "stop", llm.FinishStopSequence: "stop", llm.FinishPause: "stop", llm.FinishLength: "length", llm.FinishContext: "length",
		llm.FinishToolCalls: "tool_calls", llm.FinishContentFilter: "content_filter", llm.FinishRefusal: "content_filter",
	} {
		out := shownTo(t, []llm.Event{{Kind: llm.EventPartStart, PartKind: llm.PartText}, {Kind: llm.EventFinish, Finish: finish}}, -1)
		body, err := codec.EncodeReply(&llm.Response{Choices: []llm.Choice{{Finish: finish}}}, llm.Chat, dialect.View{})
		if err != nil {
			t.Fatal(err)
		}
		if word := `"finish_reason":"` + want + `"`; !strings.Contains(out, word) || !bytes.Contains(body, []byte(word)) {
			t.Errorf("%s: %s %s", finish, out, body)
		}
	}
	for word, want := range map[string]llm.FinishReason{
		"stop": llm.FinishStop, "length": llm.FinishLength, "tool_calls": llm.FinishToolCalls, "content_filter": llm.FinishContentFilter,
		"function_call": llm.FinishToolCalls, "eos_token": llm.FinishStop, "stop_sequence": llm.FinishStopSequence, "something_new": llm.FinishStop,
	} {
		got := accumulated(t, chunk(`{"index":0,"delta":{"content":"x"},"finish_reason":"`+word+`"}`)).Choices[0].Finish
		whole, err := codec.Summarize(llm.Chat, []byte(`{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"`+word+`"}]}`))
		if err != nil || got != want || whole.Finish != want {
			t.Errorf("%s is %s in a stream, %s in an answer: %v", word, got, whole.Finish, err)
		}
	}
	refusal := accumulated(t, chunk(`{"index":0,"delta":{"refusal":"I can"}}`)+chunk(`{"index":0,"delta":{"refusal":"not."}}`)+chunk(`{"index":0,"delta":{},"finish_reason":"stop"}`))
	if p := refusal.Choices[0].Parts; len(p) != 1 || p[0].Kind != llm.PartRefusal || p[0].Body() != "I cannot." {
		t.Errorf("a refusal is read as %+v", p)
	}
	if out := shownTo(t, []llm.Event{{Kind: llm.EventPartStart, PartKind: llm.PartRefusal}, {Kind: llm.EventDelta, Text: "No."}}, -1); !strings.Contains(out, `"delta":{"refusal":"No."}`) {
		t.Errorf("a refusal is shown as %s", out)
	}
}

// Gemini's thought signature stands in a tool call, where OpenAI has nothing. It
// comes to the client, plain and streamed, and back to the provider; where it is
// of no use that is said.
func TestTrap21ThoughtSignature(t *testing.T) {
	const extra = `"extra_content":{"google":{"thought_signature":"AbC="}}`
	const call = `{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},` + extra + `}`
	t.Run("to the client, whole", func(t *testing.T) {
		r, err := codec.DecodeReply(llm.Chat, []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[`+call+`]},"finish_reason":"tool_calls"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := codec.EncodeReply(r, llm.Chat, dialect.View{})
		if err != nil || !bytes.Contains(body, []byte(`"tool_calls":[`+call+`]`)) {
			t.Errorf("%v: %s", err, body)
		}
	})
	t.Run("to the client, streamed", func(t *testing.T) {
		stream := chunk(`{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"},`+extra+`}]}}`) +
			chunk(`{"index":0,"delta":{},"finish_reason":"tool_calls"}`)
		list, err := events(t, stream)
		if err != nil {
			t.Fatal(err)
		}
		if out := shownTo(t, list, -1); !strings.Contains(out, `"function":{"name":"f","arguments":""},`+extra+`}]`) {
			t.Errorf("encoded: %s", out)
		}
		body, err := codec.EncodeReply(accumulated(t, stream).Response(), llm.Chat, dialect.View{})
		if err != nil || !bytes.Contains(body, []byte(call)) {
			t.Errorf("put together: %v: %s", err, body)
		}
		ev, err := sse.NewReader(strings.NewReader(stream), 0).Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, out, err := codec.NewStreamDecoder(llm.Chat).(dialect.RelayDecoder).DecodeRelay(nil, nil, ev, dialect.View{Model: "ours"}); err != nil || !bytes.Contains(out, []byte(extra)) {
			t.Errorf("relayed: %v: %s", err, out)
		}
	})
	t.Run("back to the provider", func(t *testing.T) {
		b := mustRead(t, llm.Chat, `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[`+call+`]},{"role":"tool","tool_call_id":"a","content":"y"}]}`)
		forwarded, err := codec.Forward(b, &dialect.Target{Model: "gemini"})
		if err != nil || !bytes.Contains(forwarded.Body, []byte(call)) {
			t.Errorf("%v: %s", err, forwarded.Body)
		}
		r, err := codec.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := codec.Encode(r, &dialect.Target{Model: "gemini", Continue: &dialect.Continuation{Prefix: "It ", Method: dialect.Instruct}})
		if err != nil || !bytes.Contains(encoded.Body, []byte(call)) || len(encoded.Dropped) > 0 {
			t.Errorf("%v, dropped %q: %s", err, encoded.Dropped, encoded.Body)
		}
		other, err := anthropic.Codec{}.Encode(r, &dialect.Target{Model: "claude", MaxTokens: 9})
		if err != nil || !slices.Equal(other.Dropped, []string{"tool_calls.extra_content"}) || bytes.Contains(other.Body, []byte("AbC=")) {
			t.Errorf("to Anthropic: %v, dropped %q: %s", err, other.Dropped, other.Body)
		}
	})
}

// Names stand on tool messages only at Mistral, also in a conversation that is
// encoded anew.
func TestTrap23MistralNames(t *testing.T) {
	named := user("hi")
	named.Name = "Ann"
	result := llm.Message{Role: llm.Tool, Name: "f", Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "a", Result: []llm.Part{{Kind: llm.PartText, Text: "x"}}}}}
	call := assistant(llm.Part{Kind: llm.PartToolCall, ID: "a", Name: "f", Arguments: "{}"})
	got, out := messagesOf(t, &llm.Request{Dialect: openaichat.Name, Messages: []llm.Message{named, call, result}}, dialect.Target{Quirks: dialect.Quirks{NameOnlyOnTool: true}})
	if strings.Contains(got, "Ann") || !strings.Contains(got, `"content":"x","name":"f"`) || !slices.Equal(out.Dropped, []string{"name"}) {
		t.Errorf("dropped %q: %s", out.Dropped, got)
	}
}

// Mistral's own finish reasons: model_length is a limit, error is none at all.
func TestTrap23MistralFinishReasons(t *testing.T) {
	answer := func(finish string) (streamed, whole string) {
		return chunk(`{"index":0,"delta":{"content":"x"},"finish_reason":"`+finish+`"}`) + "data: [DONE]\n\n",
			`{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"` + finish + `"}]}`
	}
	streamed, whole := answer("model_length")
	if got := accumulated(t, streamed).Choices[0].Finish; got != llm.FinishContext {
		t.Errorf("model_length in a stream is %s", got)
	}
	if s, err := codec.Summarize(llm.Chat, []byte(whole)); err != nil || s.Finish != llm.FinishContext || !s.Complete {
		t.Errorf("model_length in an answer: %v, %+v", err, s)
	}
	streamed, whole = answer("error")
	list, err := events(t, streamed)
	if n := len(list); !fault.Is(err, fault.Cut) || list[n-1].Kind != llm.EventError || !fault.Is(list[n-1].Err, fault.StreamError) {
		t.Errorf("error in a stream: %v, %+v", err, list)
	}
	if _, err := codec.Summarize(llm.Chat, []byte(whole)); !fault.Is(err, fault.StreamError) {
		t.Errorf("error in an answer is judged as %v", err)
	}
	if _, err := codec.DecodeReply(llm.Chat, []byte(whole)); !fault.Is(err, fault.StreamError) {
		t.Errorf("error in an answer is decoded as %v", err)
	}
}
