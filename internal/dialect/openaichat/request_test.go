package openaichat_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/dialecttest"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/fault"
	"freehold/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var codec openaichat.Codec

func mustRead(t testing.TB, op llm.Operation, body string) *dialect.Body {
	t.Helper()
	b, err := codec.Read(op, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const hello = `{"model":"m","messages":[{"role":"user","content":"x"}]`

var contradicting = dialect.Target{Model: "m", Drop: true, Quirks: dialect.Quirks{NoContradiction: true}}

func TestForward(t *testing.T) {
	for _, c := range []struct {
		name, in string
		op       llm.Operation
		target   dialect.Target
		want     string
		dropped  []string
		refused  string
	}{
		{name: "model only", in: `{ "messages":[{"role":"user","content":"x"}] , "model" : "m" }`, target: dialect.Target{Model: "p/x"},
			want: `{ "messages":[{"role":"user","content":"x"}] , "model" : "p/x" }`},
		{name: "usage", in: hello + `,"stream":true}`, target: dialect.Target{Model: "m", Stream: true, Usage: true},
			want: hello + `,"stream":true,"stream_options":{"include_usage":true}}`},
		{name: "usage asked already", in: hello + `,"stream":true,"stream_options":{"include_usage": true}}`, target: dialect.Target{Model: "m", Stream: true, Usage: true},
			want: hello + `,"stream":true,"stream_options":{"include_usage": true}}`},
		{name: "usage refused by the client", in: hello + `,"stream":true,"stream_options":{"include_usage":false, "x":1}}`, target: dialect.Target{Model: "m", Stream: true, Usage: true},
			want: hello + `,"stream":true,"stream_options":{"include_usage":true, "x":1}}`},
		{name: "usage with null options", in: hello + `,"stream":true,"stream_options":null}`, target: dialect.Target{Model: "m", Stream: true, Usage: true},
			want: hello + `,"stream":true,"stream_options":{"include_usage":true}}`},
		{name: "usage not understood", in: hello + `,"stream":true,"stream_options":{"include_usage":true}}`, target: dialect.Target{Model: "m", Stream: true, Usage: true, Quirks: dialect.Quirks{NoStreamUsage: true}},
			want: hello + `,"stream":true}`},
		{name: "no usage for embeddings", op: llm.Embedding, in: `{"model":"m","input":"x"}`, target: dialect.Target{Model: "e", Usage: true},
			want: `{"model":"e","input":"x"}`},
		{name: "a stream where the client wants none", in: hello + `}`, target: dialect.Target{Model: "m", Stream: true},
			want: hello + `,"stream":true}`},
		{name: "no stream where the client wants one", in: hello + `,"stream":true,"stream_options":{}}`, target: dialect.Target{Model: "m"},
			want: hello + `,"stream":false}`},
		{name: "Mistral", in: hello + `,"tool_choice":"required","seed":1,"max_completion_tokens":5,"n":1}`,
			target: dialect.Target{Model: "m", Quirks: dialect.Quirks{MaxTokensField: "max_tokens", ToolRequired: "any", SeedField: "random_seed"}},
			want:   hello + `,"tool_choice":"any","random_seed":1,"max_tokens":5,"n":1}`},
		{name: "reasoning model", in: hello + `,"max_tokens":5}`, target: dialect.Target{Model: "m", Quirks: dialect.Quirks{MaxTokensField: "max_completion_tokens"}},
			want: hello + `,"max_completion_tokens":5}`},
		{name: "both limits", in: hello + `,"max_tokens":5,"max_completion_tokens":6}`, target: dialect.Target{Model: "m", Quirks: dialect.Quirks{MaxTokensField: "max_tokens"}},
			want: hello + `,"max_tokens":5}`},
		{name: "what is left of the limit", in: hello + `,"max_completion_tokens":6}`, target: dialect.Target{Model: "m", MaxTokens: 3},
			want: hello + `,"max_completion_tokens":3}`},
		{name: "roles and names", in: `{"model":"m","messages":[{"role":"developer","content":"x","name":"a"},{"role":"tool","tool_call_id":"1","name":"f","content":"y"}]}`,
			target: dialect.Target{Model: "m", Quirks: dialect.Quirks{NoDeveloper: true, NameOnlyOnTool: true}},
			want:   `{"model":"m","messages":[{"role":"system","content":"x"},{"role":"tool","tool_call_id":"1","name":"f","content":"y"}]}`, dropped: []string{"name"}},
		{name: "unsupported", in: hello + `,"logit_bias":{"1":2}}`, target: dialect.Target{Model: "m", Quirks: dialect.Quirks{Unsupported: []string{"n", "logit_bias"}}}, refused: "logit_bias"},
		{name: "unsupported, dropped", in: hello + `,"logit_bias":{"1":2},"n":3}`, target: dialect.Target{Model: "m", Drop: true, Quirks: dialect.Quirks{Unsupported: []string{"n", "logit_bias"}}},
			want: hello + `}`, dropped: []string{"n", "logit_bias"}},
		{name: "unsupported, but neutral", in: hello + `,"logit_bias":{},"n":1,"tool_choice":"auto"}`, target: dialect.Target{Model: "m", Quirks: dialect.Quirks{Unsupported: []string{"n", "logit_bias", "tool_choice"}}},
			want: hello + `}`},
		{name: "a contradiction", in: hello + `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"items":[{"minLength":10,"maxLength":5}]}}}}}}`,
			target: contradicting, refused: "response_format"},
		{name: "a contradiction in a pattern", in: hello + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"pattern":{"pattern":"^(ab){5, 2}$"}}}}}]}`,
			target: contradicting, refused: "tools"},
		{name: "a contradiction in a grammar", in: hello + `,"grammar":"root ::= \"a\"{0005,2}"}`, target: contradicting, refused: "grammar"},
		{name: "no contradiction", in: hello + `,"grammar":"root ::= \"a\"{2,5} b{3,} c{3}","response_format":{"schema":{"minLength":5,"maxLength":5,"description":"{5,2}","properties":{"minLength":{"maxLength":1},"maxLength":{}}}}}`,
			target: contradicting, want: hello + `,"grammar":"root ::= \"a\"{2,5} b{3,} c{3}","response_format":{"schema":{"minLength":5,"maxLength":5,"description":"{5,2}","properties":{"minLength":{"maxLength":1},"maxLength":{}}}}}`},
		{name: "remote images", in: `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}`,
			target: dialect.Target{Model: "m", Drop: true, Quirks: dialect.Quirks{Unsupported: []string{"image_url"}}}, refused: "image_url"},
		{name: "parameters", in: hello + `,"temperature":2,"top_k":3,"max_completion_tokens":9}`,
			target: dialect.Target{Model: "m", Params: dialect.Params{
				Defaults: []llm.Field{{Name: "temperature", Raw: json.RawMessage("0.5")}, {Name: "top_p", Raw: json.RawMessage("0.9")}, {Name: "max_tokens", Raw: json.RawMessage("1")}},
				Rename:   map[string]string{"top_k": "topk"}, Drop: []string{"absent"}}},
			want: hello + `,"temperature":2,"topk":3,"max_completion_tokens":9,"top_p":0.9}`},
		{name: "a parameter removed", in: hello + `,"temperature":2}`, target: dialect.Target{Model: "m", Params: dialect.Params{Drop: []string{"temperature", "absent"}}},
			want: hello + `}`, dropped: []string{"temperature"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.op == "" {
				c.op = llm.Chat
			}
			out, err := codec.Forward(mustRead(t, c.op, c.in), &c.target)
			if c.refused != "" {
				var f *fault.Error
				if !errors.As(err, &f) || f.Kind != fault.Unsupported || f.Param != c.refused {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(out.Body) != c.want || !slices.Equal(out.Dropped, c.dropped) {
				t.Errorf("dropped %q, body\n%s\nwant\n%s", out.Dropped, out.Body, c.want)
			}
		})
	}
}

// messagesOf encodes a canonical request and returns its messages.
func messagesOf(t *testing.T, r *llm.Request, target dialect.Target) (string, *dialect.Outgoing) {
	t.Helper()
	r.Operation, target.Model = llm.Chat, "m"
	out, err := codec.Encode(r, &target)
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Messages json.RawMessage }
	if err := json.Unmarshal(out.Body, &body); err != nil {
		t.Fatal(err)
	}
	return string(body.Messages), out
}

func user(text string) llm.Message {
	return llm.Message{Role: llm.User, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}
}

func assistant(parts ...llm.Part) llm.Message { return llm.Message{Role: llm.Assistant, Parts: parts} }

func TestContinue(t *testing.T) {
	cont := func(m dialect.ContinueMethod) *dialect.Continuation {
		return &dialect.Continuation{Prefix: "Once", Method: m}
	}
	for _, c := range []struct {
		name     string
		messages []llm.Message
		target   dialect.Target
		want     string
		also     string
	}{
		{"prefill", []llm.Message{user("go")}, dialect.Target{Continue: cont(dialect.Prefill)},
			`[{"role":"user","content":"go"},{"role":"assistant","content":"Once"}]`, ""},
		{"Mistral", []llm.Message{user("go")}, dialect.Target{Continue: cont(dialect.Prefill), Quirks: dialect.Quirks{PrefillStyle: "prefix"}},
			`[{"role":"user","content":"go"},{"role":"assistant","content":"Once","prefix":true}]`, ""},
		{"vLLM", []llm.Message{user("go")}, dialect.Target{Continue: cont(dialect.Prefill), Quirks: dialect.Quirks{PrefillStyle: "continue_final_message"}},
			`[{"role":"user","content":"go"},{"role":"assistant","content":"Once"}]`, `"continue_final_message":true,"add_generation_prompt":false`},
		{"instruct", []llm.Message{user("go")}, dialect.Target{Continue: cont(dialect.Instruct), Quirks: dialect.Quirks{PrefillStyle: "prefix"}},
			`[{"role":"user","content":"go"},{"role":"assistant","content":"Once"},{"role":"user","content":"` + dialect.ContinueInstruction + `"}]`, ""},
		{"a prefill of the client", []llm.Message{user("go"), assistant(llm.Part{Kind: llm.PartText, Text: "A: "})}, dialect.Target{Continue: cont(dialect.Prefill)},
			`[{"role":"user","content":"go"},{"role":"assistant","content":"A: Once"}]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, out := messagesOf(t, &llm.Request{Dialect: "openai", Messages: c.messages}, c.target)
			if got != c.want || !strings.Contains(string(out.Body), c.also) {
				t.Errorf("%s", out.Body)
			}
		})
	}
	_, err := codec.Encode(&llm.Request{Operation: llm.Chat}, &dialect.Target{Continue: cont(dialect.ContinueNone)})
	if !fault.Is(err, fault.Unsupported) {
		t.Errorf("error %v", err)
	}
	for _, c := range []struct {
		r    llm.Request
		want string
	}{
		{llm.Request{Prompt: []string{"Tale: "}}, `"prompt":"Tale: Once"`},
		{llm.Request{Prompt: []string{"On"}, Echo: true}, `"prompt":"Once"}`},
	} {
		c.r.Operation, c.r.Dialect = llm.Completion, "openai"
		out, err := codec.Encode(&c.r, &dialect.Target{Model: "m", Continue: cont(dialect.Prefill)})
		if err != nil || !strings.Contains(string(out.Body), c.want) {
			t.Errorf("%v %s", err, out.Body)
		}
	}
}

// What an Anthropic client sent, in words of this dialect.
func TestForeign(t *testing.T) {
	cache := json.RawMessage(`{"type":"ephemeral"}`)
	r := &llm.Request{Dialect: "anthropic", Model: "x", Messages: []llm.Message{
		{Role: llm.System, Parts: []llm.Part{{Kind: llm.PartText, Text: "One.", CacheControl: cache}, {Kind: llm.PartText, Text: "Two."}}},
		user("What?"),
		assistant(llm.Part{Kind: llm.PartThinking, Text: "Hm.", Signature: "c2ln"}, llm.Part{Kind: llm.PartRedactedThinking, Opaque: json.RawMessage(`"cmVk"`), Dialect: "anthropic"},
			llm.Part{Kind: llm.PartText, Text: "Let me "}, llm.Part{Kind: llm.PartText, Text: "look."},
			llm.Part{Kind: llm.PartToolCall, ID: "t1", Name: "look", Arguments: "{}"}, llm.Part{Kind: llm.PartToolCall, ID: "t2", Name: "see", Arguments: "{}"}),
		{Role: llm.User, Parts: []llm.Part{
			{Kind: llm.PartToolResult, ID: "t1", Result: []llm.Part{{Kind: llm.PartText, Text: "a"}, {Kind: llm.PartImage, Media: &llm.Media{MediaType: "image/png", Data: "aGk="}}}},
			{Kind: llm.PartToolResult, ID: "t2", IsError: true, Result: []llm.Part{{Kind: llm.PartText, Text: "boom"}}},
			{Kind: llm.PartText, Text: "And?"},
			{Kind: llm.PartDocument, Name: "Title", Text: "Body"},
		}},
	}}
	got, out := messagesOf(t, r, dialect.Target{})
	want := `[{"role":"system","content":"One.\n\nTwo."},{"role":"user","content":"What?"},` +
		`{"role":"assistant","content":"Let me look.","tool_calls":[{"id":"t1","type":"function","function":{"name":"look","arguments":"{}"}},{"id":"t2","type":"function","function":{"name":"see","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"t1","content":"a"},{"role":"tool","tool_call_id":"t2","content":"boom"},` +
		`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}},{"type":"text","text":"And?"},{"type":"text","text":"Title\n\nBody"}]}]`
	if got != want {
		t.Errorf("messages\n%s\nwant\n%s", got, want)
	}
	if diff := cmp.Diff([]string{"cache_control", "thinking", "thinking.signature", "tool_result.is_error"}, out.Dropped); diff != "" {
		t.Errorf("dropped %s", diff)
	}
	got, _ = messagesOf(t, r, dialect.Target{Quirks: dialect.Quirks{ReasoningField: "reasoning"}})
	if !strings.Contains(got, `"reasoning":"Hm."`) {
		t.Errorf("thinking is lost: %s", got)
	}
}

func TestForeignRefused(t *testing.T) {
	hi := []llm.Message{user("x")}
	for _, c := range []struct {
		param string
		r     llm.Request
	}{
		{"web_search", llm.Request{Messages: hi, Tools: []llm.ToolDef{{Name: "web_search", Opaque: json.RawMessage(`{}`), Dialect: "anthropic"}}}},
		{"container", llm.Request{Messages: hi, Extra: []llm.Field{{Name: "container", Raw: json.RawMessage(`"c"`)}}}},
		{"content", llm.Request{Messages: []llm.Message{assistant(llm.Part{Kind: llm.PartOpaque, Opaque: json.RawMessage(`{}`), Dialect: "anthropic"})}}},
		{"document url", llm.Request{Messages: []llm.Message{{Role: llm.User, Parts: []llm.Part{{Kind: llm.PartDocument, Media: &llm.Media{URL: "https://x"}}}}}}},
	} {
		c.r.Operation, c.r.Dialect = llm.Chat, "anthropic"
		_, err := codec.Encode(&c.r, &dialect.Target{Model: "m"})
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Unsupported || f.Param != c.param {
			t.Errorf("%s: %v", c.param, err)
		}
		out, err := codec.Encode(&c.r, &dialect.Target{Model: "m", Drop: true})
		if err != nil || !slices.Contains(out.Dropped, c.param) || !json.Valid(out.Body) {
			t.Errorf("%s, dropped: %v %+v", c.param, err, out)
		}
	}
}

func TestParameters(t *testing.T) {
	n, f, yes := int64(7), 0.5, true
	base := llm.Request{Operation: llm.Chat, Dialect: "anthropic", Messages: []llm.Message{user("x")}}
	for _, c := range []struct {
		name   string
		change func(r *llm.Request)
		target dialect.Target
		want   string
	}{
		{"limit", func(r *llm.Request) { r.MaxTokens = &n }, dialect.Target{Model: "gpt-4o"}, `"max_tokens":7`},
		{"limit of a reasoning model", func(r *llm.Request) { r.MaxTokens = &n }, dialect.Target{Model: "openai/o3-mini"}, `"max_completion_tokens":7`},
		{"limit by quirk", func(r *llm.Request) { r.MaxTokens = &n }, dialect.Target{Model: "o3-mini", Quirks: dialect.Quirks{MaxTokensField: "max_tokens"}}, `"max_tokens":7`},
		{"sampling", func(r *llm.Request) { r.Temperature, r.TopP, r.TopK, r.Stop = &f, &f, &n, []string{"a", "b"} }, dialect.Target{}, `"temperature":0.5,"top_p":0.5,"top_k":7,"stop":["a","b"]`},
		{"thinking budget", func(r *llm.Request) { r.Reasoning = &llm.Reasoning{Mode: "enabled", BudgetTokens: 4000} }, dialect.Target{}, `"reasoning_effort":"medium"`},
		{"tool choice", func(r *llm.Request) {
			r.Tools = []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"type":"object"}`)}}
			no := false
			r.ToolChoice = llm.ToolChoice{Mode: llm.ToolRequired, Parallel: &no}
		}, dialect.Target{Quirks: dialect.Quirks{ToolRequired: "any"}}, `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"any","parallel_tool_calls":false`},
		{"schema", func(r *llm.Request) {
			r.Format = llm.Format{Kind: llm.FormatSchema, Schema: json.RawMessage(`{}`), Strict: &yes}
		}, dialect.Target{}, `"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{},"strict":true}}`},
		{"tier", func(r *llm.Request) { r.ServiceTier = "standard_only" }, dialect.Target{}, `"service_tier":"default"`},
		{"stream", func(r *llm.Request) { r.IncludeUsage = true }, dialect.Target{Stream: true}, `"stream":true,"stream_options":{"include_usage":true}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := base
			c.change(&r)
			out, err := codec.Encode(&r, &c.target)
			if err != nil || !strings.Contains(string(out.Body), c.want) {
				t.Errorf("%v %s", err, out.Body)
			}
		})
	}
}

// chatBody generates requests in the form that Encode gives them.
var chatBody = rapid.Custom(func(t *rapid.T) map[string]any {
	text := rapid.String()
	m := map[string]any{"model": "m"}
	maybe := func(name string, v func() any) {
		if rapid.Bool().Draw(t, name) {
			m[name] = v()
		}
	}
	var messages []any
	for range rapid.IntRange(1, 5).Draw(t, "messages") {
		var msg map[string]any
		switch role := rapid.SampledFrom([]string{"system", "developer", "user", "assistant", "tool"}).Draw(t, "role"); role {
		case "tool":
			msg = map[string]any{"role": role, "tool_call_id": text.Draw(t, "id"), "content": text.Draw(t, "content")}
		case "assistant":
			msg = map[string]any{"role": role, "tool_calls": []any{map[string]any{"id": "c" + text.Draw(t, "id"), "type": "function",
				"function": map[string]any{"name": text.Draw(t, "name"), "arguments": "{" + text.Draw(t, "arguments")}}}}
		default:
			msg = map[string]any{"role": role, "content": "." + text.Draw(t, "content")}
			if rapid.Bool().Draw(t, "parts") {
				msg["content"] = []any{map[string]any{"type": "text", "text": text.Draw(t, "text")},
					map[string]any{"type": "image_url", "image_url": map[string]any{"url": "data:image/png;base64,aGk="}}}
			}
		}
		messages = append(messages, msg)
	}
	m["messages"] = messages
	maybe("temperature", func() any { return rapid.Float64Range(0, 2).Draw(t, "v") })
	maybe("top_p", func() any { return rapid.Float64Range(0, 1).Draw(t, "v") })
	maybe("seed", func() any { return float64(rapid.Int32().Draw(t, "v")) })
	maybe("max_tokens", func() any { return float64(rapid.Int32().Draw(t, "v")) })
	maybe("n", func() any { return float64(2) })
	maybe("stop", func() any { return []any{text.Draw(t, "v"), text.Draw(t, "v")} })
	maybe("user", func() any { return "u" + text.Draw(t, "v") })
	maybe("logprobs", func() any { return rapid.Bool().Draw(t, "v") })
	maybe("x_unknown", func() any { return map[string]any{"Model": text.Draw(t, "v"), "model": nil} })
	maybe("reasoning_effort", func() any { return "low" })
	maybe("tool_choice", func() any {
		return rapid.SampledFrom([]any{"auto", "none", "required", map[string]any{"type": "function", "function": map[string]any{"name": "f"}}, map[string]any{"type": "allowed_tools"}}).Draw(t, "v")
	})
	return m
})

func TestEncodeOfDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, err := json.Marshal(chatBody.Draw(t, "body"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := codec.Read(llm.Chat, in)
		if err != nil {
			t.Fatalf("%v: %s", err, in)
		}
		r, err := codec.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		out, err := codec.Encode(r, &dialect.Target{Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(string(out.Body), `"content":null,`, "")
		if diff := dialecttest.SameJSON(in, []byte(got)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestConversation(t *testing.T) {
	key := func(messages string) string {
		return mustRead(t, llm.Chat, `{"model":"m","messages":[`+messages+`]}`).Facts.Conversation
	}
	first := `{"role":"system","content":"s"},{"role":"user","content":"q"}`
	if a, b := key(first), key(first+`,{"role":"assistant","content":"a"},{"role":"user","content":"q2"}`); a != b || a == "" {
		t.Errorf("turns of one conversation: %q and %q", a, b)
	}
	if a, b := key(first), key(`{"role":"system","content":"s2"},{"role":"user","content":"q"}`); a == b {
		t.Error("another system prompt, the same key")
	}
}
