package openaichat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
	"freehold/internal/sse"

	"github.com/google/go-cmp/cmp"
)

func events(t testing.TB, stream string) ([]llm.Event, error) {
	t.Helper()
	r, dec := sse.NewReader(strings.NewReader(stream), 0), codec.NewStreamDecoder(llm.Chat)
	var out []llm.Event
	for {
		ev, err := r.Next()
		if err != nil {
			return dec.End(out)
		}
		if out, err = dec.Decode(out, ev); err != nil {
			return out, err
		}
	}
}

func chunk(choice string) string {
	return `data: {"id":"c","model":"m","created":1,"choices":[` + choice + "]}\n\n"
}

func TestRoleIsNoOutput(t *testing.T) {
	for _, s := range []string{
		chunk(`{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}`),
		chunk(`{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[],"reasoning_content":"","refusal":null},"finish_reason":null}`),
		chunk(``) + ": comment\n\n",
		`data: {"id":"c","choices":[],"usage":{"prompt_tokens":1}}` + "\n\n",
	} {
		out, err := events(t, s)
		if !fault.Is(err, fault.Cut) {
			t.Errorf("error %v", err)
		}
		for i := range out {
			if out[i].IsOutput() {
				t.Errorf("%s is output: %+v", s, out[i])
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, s := range []string{
		"",
		"data: [DONE]\n\n",
		chunk(`{"index":0,"delta":{"content":"x"},"finish_reason":null}`) + "data: [DONE]\n\n",
		chunk(`{"index":0,"delta":{"content":"x"},"finish_reason":"stop"},{"index":1,"delta":{"content":"x"}}`) + "data: [DONE]\n\n",
		chunk(`{"index":1,"delta":{"content":"x"},"finish_reason":"stop"}`),
	} {
		out, err := events(t, s)
		if !fault.Is(err, fault.Cut) {
			t.Errorf("%q: error %v", s, err)
		}
		for _, e := range out {
			if e.Kind == llm.EventEnd {
				t.Errorf("%q: ended", s)
			}
		}
	}
}

func TestErrorInStream(t *testing.T) {
	for in, want := range map[string]fault.Kind{
		`data: {"error":{"message":"boom","type":"server_error"}}`:                                             fault.StreamError,
		`data: {"error":{"message":"slow down","code":429},"choices":[]}`:                                      fault.ProviderLimit,
		`data: {"error":{"message":"down","code":502},"choices":[{"delta":{},"finish_reason":"error"}]}`:       fault.StreamError,
		`data: {"error":{"message":"x","code":"context_length_exceeded"}}`:                                     fault.ContextLength,
		"event: error\ndata: {\"message\":\"boom\"}":                                                           fault.StreamError,
		`data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"error"}]}`:             fault.StreamError,
		`data: {"error":"plain sk-abcdefghijklmnop"}`:                                                          fault.StreamError,
		`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"insufficient_system_resource"}]}`:   fault.StreamError,
		`data: {"object":"error","message":"This model's maximum context length is 5","error":{"message":""}}`: fault.StreamError,
	} {
		out, err := events(t, in+"\n\n"+"data: [DONE]\n\n")
		if !fault.Is(err, fault.Cut) {
			t.Errorf("%s: error %v", in, err)
		}
		var f *fault.Error
		if n := len(out); n == 0 || out[n-1].Kind != llm.EventError || !errors.As(out[n-1].Err, &f) || f.Kind != want {
			t.Errorf("%s: %+v", in, out)
		} else if strings.Contains(f.Error(), "abcdefgh") {
			t.Errorf("shows a key: %v", f)
		}
	}
}

func TestLateArguments(t *testing.T) {
	out, _ := events(t, chunk(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g"}},{"index":0,"function":{"arguments":"{}"}}]}}`))
	if n := len(out); out[n-1].Kind != llm.EventError || !fault.Is(out[n-1].Err, fault.Malformed) {
		t.Errorf("%+v", out)
	}
}

func TestStreamEncoding(t *testing.T) {
	enc := codec.NewStreamEncoder(llm.Chat, dialect.View{Model: "ours", IncludeUsage: true, Created: 7, ID: "0190"}, nil)
	var out []byte
	for _, e := range []llm.Event{
		{Kind: llm.EventStart, Meta: &llm.Meta{Model: "theirs"}},
		{Kind: llm.EventPing},
		{Kind: llm.EventPartStart, PartKind: llm.PartThinking},
		{Kind: llm.EventDelta, Text: "Hm"},
		{Kind: llm.EventSignature, Text: "c2ln"},
		{Kind: llm.EventPartStop},
		{Kind: llm.EventPartStart, PartKind: llm.PartText, Part: 1},
		{Kind: llm.EventDelta, Part: 1, Text: "Hi \"x\""},
		{Kind: llm.EventPartStop, Part: 1},
		{Kind: llm.EventPartStart, PartKind: llm.PartToolCall, Part: 2, ID: "t", Name: "f"},
		{Kind: llm.EventDelta, Part: 2, Text: "{}"},
		{Kind: llm.EventPartStop, Part: 2},
		{Kind: llm.EventFinish, Finish: llm.FinishToolCalls},
		{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 3, Output: 4, CachedInput: 1, Reasoning: 2, Reported: true}}},
		{Kind: llm.EventEnd},
	} {
		var err error
		if out, err = enc.Encode(out, &e); err != nil {
			t.Fatal(err)
		}
	}
	out = enc.End(out)
	want, err := os.ReadFile("testdata/encoded.sse")
	if os.Getenv("FREEHOLD_UPDATE") != "" {
		if err := os.WriteFile("testdata/encoded.sse", out, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	} else if diff := cmp.Diff(string(want), string(out)); diff != "" {
		t.Error(diff)
	}
	if more := enc.End(nil); len(more) > 0 {
		t.Errorf("ended twice: %s", more)
	}
}

// Nothing is made up: no finish reason, no usage that nobody counted.
func TestNothingMadeUp(t *testing.T) {
	enc := codec.NewStreamEncoder(llm.Chat, dialect.View{IncludeUsage: true}, nil)
	out, err := enc.Encode(nil, &llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartText})
	if err != nil {
		t.Fatal(err)
	}
	out, err = enc.Encode(out, &llm.Event{Kind: llm.EventError, Err: fault.New(fault.Cut, "cut")})
	if err != nil {
		t.Fatal(err)
	}
	out = enc.End(out)
	if s := string(out); strings.Contains(s, `"stop"`) || strings.Contains(s, "[DONE]") || strings.Contains(s, `"usage":{`) || !strings.Contains(s, `"error":{`) {
		t.Error(s)
	}
}

func TestRewriteEvent(t *testing.T) {
	for _, c := range []struct {
		in, want string
		usage    bool
	}{
		{`data: {"model": "m" ,"choices":[{"delta":{"content":"\"model\":\"m\""},"model":"m"}]}`, `data: {"model": "ours" ,"choices":[{"delta":{"content":"\"model\":\"m\""},"model":"m"}]}`, false},
		{`data: {"choices":[{"model":"m"}],"x":{"model":"m"}}`, `data: {"choices":[{"model":"m"}],"x":{"model":"m"}}`, false},
		{`data: {"model":"m","choices":[],"usage":{"prompt_tokens":1}}`, ``, false},
		{`data: {"model":"m","choices":[],"usage":{"prompt_tokens":1}}`, `data: {"model":"ours","choices":[],"usage":{"prompt_tokens":1}}`, true},
		{`data: {"model":"m","choices":[],"prompt_filter_results":[]}`, `data: {"model":"ours","choices":[],"prompt_filter_results":[]}`, false},
		{`data: {"model":"m","choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}`, `data: {"model":"ours","choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}`, false},
		{`data: {"model":"m","choices":[{"delta":{}}],"usage":null}`, `data: {"model":"ours","choices":[{"delta":{}}],"usage":null}`, false},
		{`data: [DONE]`, `data: [DONE]`, false},
		{`: keep-alive`, `: keep-alive`, false},
		{": {\"model\":\"m\"}\nid: 3\ndata: {\"model\":\"m\"}", ": {\"model\":\"m\"}\nid: 3\ndata: {\"model\":\"ours\"}", false},
		{"data: {\"model\":\"m\",\ndata: \"a\":1}", "data: {\"model\":\"ours\",\ndata: \"a\":1}", false},
	} {
		ev, err := sse.NewReader(strings.NewReader(c.in+"\n\n"), 0).Next()
		if err != nil {
			t.Fatal(err)
		}
		want := c.want
		if want != "" {
			want += "\n\n"
		}
		got := codec.RewriteEvent([]byte("before"), ev, dialect.View{Model: "ours", IncludeUsage: c.usage})
		if string(got) != "before"+want {
			t.Errorf("%s\ngot  %s\nwant %s", c.in, got, want)
		}
	}
}

// llama.cpp sends null between the answers to several prompts: it is no chunk,
// and no client is shown it.
func TestNullIsNoChunk(t *testing.T) {
	text := func(i int, s, finish string) string {
		return fmt.Sprintf(`{"id":"c","model":"m","choices":[{"index":%d,"text":%q,"finish_reason":%s}]}`, i, s, finish)
	}
	var in, want strings.Builder
	for _, data := range []string{text(0, "a", "null"), text(0, "", `"length"`), "null", " null ", text(1, "b", "null"), text(1, "", `"stop"`), "[DONE]"} {
		fmt.Fprintf(&in, "data: %s\n\n", data)
		if strings.TrimSpace(data) != "null" {
			fmt.Fprintf(&want, "data: %s\n\n", data)
		}
	}
	r, dec := sse.NewReader(strings.NewReader(in.String()), 0), codec.NewStreamDecoder(llm.Completion).(dialect.RelayDecoder)
	var acc llm.Accumulator
	var relayed, rewritten []byte
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rewritten = codec.RewriteEvent(rewritten, ev, dialect.View{Model: "m"})
		var events []llm.Event
		if events, relayed, err = dec.DecodeRelay(nil, relayed, ev, dialect.View{Model: "m"}); err != nil {
			t.Fatal(err)
		}
		for i := range events {
			acc.Add(&events[i])
		}
	}
	if !acc.Complete() || acc.Text(0) != "a" || acc.Text(1) != "b" {
		t.Errorf("texts %q and %q", acc.Text(0), acc.Text(1))
	}
	if string(relayed) != want.String() || string(rewritten) != want.String() {
		t.Errorf("the client sees\n%s\nor\n%s", relayed, rewritten)
	}
}

// A provider's own refusal keeps its words and members, and is what SDKs expect.
func TestOwnWords(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"error":{"message":"bad","type":null,"code":null,"inner":{"a":1}}}`,
			`{"error":{"message":"bad","type":"invalid_request_error","code":"provider_rejected","inner":{"a":1},"param":null,"request_id":"req-1"}}`},
		{`{ "error": {"message":"bad","type":"BadRequestError","param":"n","code":400}, "took": 3 }`,
			`{ "error": {"message":"bad","type":"BadRequestError","param":"n","code":"provider_rejected","request_id":"req-1"}, "took": 3 }`},
		{`{"error":{"message":"bad","type":"t","param":["a"],"code":"theirs","request_id":"theirs"}}`,
			`{"error":{"message":"bad","type":"t","param":null,"code":"theirs","request_id":"req-1"}}`},
		{`{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}`,
			`{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":"provider_rejected","request_id":"req-1"}}`},
	} {
		f := codec.DecodeError(400, nil, []byte(c.in))
		status, body := codec.EncodeError(f, "req-1")
		if status != 400 || string(body) != c.want {
			t.Errorf("%d %s\nwant %s", status, body, c.want)
		}
	}
	f := codec.DecodeError(400, nil, []byte("{\"error\":\n{\"message\":\"bad\"}}"))
	ev, err := sse.NewReader(bytes.NewReader(codec.EncodeStreamError(nil, f, "req-1")), 0).Next()
	if err != nil || !json.Valid(ev.Data) || !bytes.Contains(ev.Data, []byte(`"bad"`)) {
		t.Errorf("in a stream: %v %s", err, ev.Data)
	}
}

func bench(b *testing.B, body func()) {
	b.ReportAllocs()
	for b.Loop() {
		body()
	}
}

func BenchmarkStreamChunk(b *testing.B) {
	one := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"hello"},"logprobs":null,"finish_reason":null}]}` + "\n\n")
	r := sse.NewReader(bytes.NewReader(one), 0)
	ev, err := r.Next()
	if err != nil {
		b.Fatal(err)
	}
	running := func(b *testing.B) (dialect.RelayDecoder, []llm.Event) {
		dec := codec.NewStreamDecoder(llm.Chat).(dialect.RelayDecoder)
		events, err := dec.Decode(nil, ev)
		if err != nil {
			b.Fatal(err)
		}
		return dec, events
	}
	b.Run("relay", func(b *testing.B) { // decode and rewrite at once
		dec, dst := running(b)
		var out []byte
		bench(b, func() {
			if dst, out, err = dec.DecodeRelay(dst[:0], out[:0], ev, dialect.View{Model: "support-chat"}); err != nil || len(dst) != 1 {
				b.Fatal(err)
			}
		})
	})
	b.Run("decode", func(b *testing.B) {
		dec, dst := running(b)
		bench(b, func() {
			if dst, err = dec.Decode(dst[:0], ev); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("rewrite", func(b *testing.B) {
		var dst []byte
		bench(b, func() { dst = codec.RewriteEvent(dst[:0], ev, dialect.View{Model: "support-chat"}) })
	})
	b.Run("encode", func(b *testing.B) {
		enc := codec.NewStreamEncoder(llm.Chat, dialect.View{Model: "x"}, nil)
		var dst []byte
		dst, _ = enc.Encode(dst, &llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartText})
		e := llm.Event{Kind: llm.EventDelta, Text: "hello"}
		bench(b, func() { dst, _ = enc.Encode(dst[:0], &e) })
	})
}

func BenchmarkRequest(b *testing.B) {
	for _, size := range []int{1, 40} {
		var messages []string
		for range size {
			text, _ := json.Marshal(strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 20))
			messages = append(messages, fmt.Sprintf(`{"role":"user","content":%s}`, text))
		}
		raw := []byte(`{"model":"support-chat","temperature":0.2,"stream":true,"messages":[` + strings.Join(messages, ",") + `]}`)
		b.Run(fmt.Sprintf("read-forward/%dKB", size), func(b *testing.B) {
			t := &dialect.Target{Model: "meta-llama/Llama-3.1-70B-Instruct", Stream: true, Usage: true}
			bench(b, func() {
				body, err := codec.Read(llm.Chat, raw)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := codec.Forward(body, t); err != nil {
					b.Fatal(err)
				}
				body.Release()
			})
		})
		b.Run(fmt.Sprintf("decode-encode/%dKB", size), func(b *testing.B) {
			t := &dialect.Target{Model: "m", Stream: true}
			bench(b, func() {
				body, err := codec.Read(llm.Chat, raw)
				if err != nil {
					b.Fatal(err)
				}
				r, err := codec.Decode(body)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := codec.Encode(r, t); err != nil {
					b.Fatal(err)
				}
				body.Release()
			})
		})
	}
}

func BenchmarkSummarize(b *testing.B) {
	body, err := os.ReadFile("testdata/replies/chat/text.json")
	if err != nil {
		b.Fatal(err)
	}
	bench(b, func() {
		if _, err := codec.Summarize(llm.Chat, body); err != nil {
			b.Fatal(err)
		}
	})
}
