package openaichat_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
	"freehold/internal/variant"
)

func varied(t testing.TB, s variant.Spec) *variant.Variant {
	t.Helper()
	v, problems := variant.New(s)
	for _, p := range problems {
		t.Fatal(p)
	}
	return v
}

func values(pairs ...string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	return out
}

// What a variant does to a client's own bytes: no others change.
func TestForwardVariant(t *testing.T) {
	system := `{ "messages": [ {"role":"system", "content":"A"}, {"role":"user","content":"x"} ], "model":"m" }`
	for _, c := range []struct {
		name, in string
		op       llm.Operation
		spec     variant.Spec
		target   dialect.Target
		want     string
		dropped  []string
	}{
		{name: "no system prompt", in: hello + `}`, spec: variant.Spec{System: `Say "hi".`},
			want: `{"model":"m","messages":[{"role":"system","content":"Say \"hi\"."},{"role":"user","content":"x"}]}`},
		{name: "replace", in: system, spec: variant.Spec{System: "V"}, dropped: []string{"system"},
			want: `{ "messages": [ {"role":"system","content":"V"}, {"role":"user","content":"x"} ], "model":"m" }`},
		{name: "prepend", in: system, spec: variant.Spec{System: "V", Mode: variant.Prepend},
			want: `{ "messages": [ {"role":"system", "content":"V\n\nA"}, {"role":"user","content":"x"} ], "model":"m" }`},
		{name: "append", in: system, spec: variant.Spec{System: "V", Mode: variant.Append},
			want: `{ "messages": [ {"role":"system", "content":"A\n\nV"}, {"role":"user","content":"x"} ], "model":"m" }`},
		{name: "replace several", in: `{"model":"m","messages":[{"role":"developer","content":"A"},{"role":"system","content":"B"},{"role":"user","content":"x"},{"role":"system","content":"late"}]}`,
			spec: variant.Spec{System: "V"}, dropped: []string{"system"},
			want: `{"model":"m","messages":[{"role":"developer","content":"V"},{"role":"user","content":"x"},{"role":"system","content":"late"}]}`},
		{name: "replace a developer's that is not understood", in: `{"model":"m","messages":[{"role":"developer","content":""},{"role":"user","content":"x"}]}`,
			spec: variant.Spec{System: "V"}, target: dialect.Target{Quirks: dialect.Quirks{NoDeveloper: true}},
			want: `{"model":"m","messages":[{"role":"system","content":"V"},{"role":"user","content":"x"}]}`},
		{name: "prepend to a developer's that is not understood", in: `{"model":"m","messages":[{"role":"developer","content":"A"},{"role":"user","content":"x"}]}`,
			spec: variant.Spec{System: "V", Mode: variant.Prepend}, target: dialect.Target{Quirks: dialect.Quirks{NoDeveloper: true}},
			want: `{"model":"m","messages":[{"role":"system","content":"V\n\nA"},{"role":"user","content":"x"}]}`},
		{name: "prepend to parts", in: `{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"A"}]},{"role":"user","content":"x"}]}`,
			spec: variant.Spec{System: "V", Mode: variant.Prepend},
			want: `{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"V"},{"type":"text","text":"A"}]},{"role":"user","content":"x"}]}`},
		{name: "append to parts", in: `{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"A"}, {"type":"text","text":"B"} ]},{"role":"user","content":"x"}]}`,
			spec: variant.Spec{System: "V", Mode: variant.Append},
			want: `{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"A"}, {"type":"text","text":"B"},{"type":"text","text":"V"} ]},{"role":"user","content":"x"}]}`},
		{name: "parameters", in: hello + `,"temperature":1,"top_p":0.5,"reasoning":{"effort":"high"},"max_completion_tokens":90}`,
			spec: variant.Spec{Params: values("temperature", "0.2", "max_tokens", "50", "stop", `["a"]`, "reasoning_effort", `"low"`, "parallel_tool_calls", "false")},
			want: hello + `,"temperature":0.2,"top_p":0.5,"max_completion_tokens":50,"reasoning_effort":"low","stop":["a"]}`},
		{name: "with tools", in: hello + `,"tools":[{"type":"function","function":{"name":"f"}}]}`, spec: variant.Spec{Params: values("parallel_tool_calls", "false")},
			want: hello + `,"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false}`},
		{name: "a smaller limit stays", in: hello + `,"max_tokens":10}`, spec: variant.Spec{Params: values("max_tokens", "50")}, want: hello + `,"max_tokens":10}`},
		{name: "no limit", in: hello + `}`, spec: variant.Spec{Params: values("max_tokens", "50")}, want: hello + `,"max_tokens":50}`},
		{name: "no limit of a reasoning model", in: hello + `}`, spec: variant.Spec{Params: values("max_tokens", "50")}, target: dialect.Target{Model: "gpt-5-mini"},
			want: `{"model":"gpt-5-mini","messages":[{"role":"user","content":"x"}],"max_completion_tokens":50}`},
		{name: "the provider's word for it", in: hello + `}`, spec: variant.Spec{Params: values("max_tokens", "50", "seed", "3")},
			target: dialect.Target{Quirks: dialect.Quirks{MaxTokensField: "max_completion_tokens", SeedField: "random_seed"}},
			want:   hello + `,"max_completion_tokens":50,"random_seed":3}`},
		{name: "take out", in: hello + `,"seed":1,"logit_bias":{"1":2},"reasoning":{},"user":null,"n":1}`,
			spec: variant.Spec{Strip: []string{"seed", "logit_bias", "reasoning_effort", "user", "stop"}}, dropped: []string{"logit_bias", "reasoning_effort", "seed"},
			want: hello + `,"n":1}`},
		{name: "what is taken out is nothing to refuse", in: hello + `,"logit_bias":{"1":2}}`, spec: variant.Spec{Strip: []string{"logit_bias"}},
			target: dialect.Target{Quirks: dialect.Quirks{Unsupported: []string{"logit_bias"}}}, want: hello + `}`, dropped: []string{"logit_bias"}},
		{name: "before the model's own defaults", in: hello + `}`, spec: variant.Spec{Params: values("temperature", "0.2")},
			target: dialect.Target{Params: dialect.Params{Defaults: []llm.Field{{Name: "temperature", Raw: json.RawMessage("0.9")}, {Name: "top_p", Raw: json.RawMessage("0.8")}}}},
			want:   hello + `,"temperature":0.2,"top_p":0.8}`},
		{name: "a text completion", op: llm.Completion, in: `{"model":"m","prompt":"x"}`, spec: variant.Spec{System: "V", Params: values("temperature", "0.2", "reasoning_effort", `"low"`)},
			want: `{"model":"m","prompt":"x","temperature":0.2}`},
		{name: "an embedding", op: llm.Embedding, in: `{"model":"m","input":"x","user":"u"}`, spec: variant.Spec{System: "V", Params: values("temperature", "0.2"), Strip: []string{"user"}},
			want: `{"model":"m","input":"x","user":"u"}`},
	} {
		op := c.op
		if op == "" {
			op = llm.Chat
		}
		target := c.target
		target.Variant = varied(t, c.spec)
		if target.Model == "" {
			target.Model = "m"
		}
		out, err := codec.Forward(mustRead(t, op, c.in), &target)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, string(out.Body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		slices.Sort(out.Dropped)
		if !slices.Equal(out.Dropped, c.dropped) {
			t.Errorf("%s: dropped %q, want %q", c.name, out.Dropped, c.dropped)
		}
	}
}

// drawRequest draws a body of a chat.
func drawRequest(t *rapid.T) string {
	body := map[string]any{"model": "m"}
	var messages []any
	for range rapid.IntRange(0, 2).Draw(t, "system") {
		text := rapid.StringMatching(`[a-z"\\ ]{0,8}`).Draw(t, "text")
		var content any = text
		if text != "" && rapid.Bool().Draw(t, "parts") {
			content = []any{map[string]any{"type": "text", "text": content}}
		}
		messages = append(messages, map[string]any{"role": rapid.SampledFrom([]string{"system", "developer"}).Draw(t, "role"), "content": content})
	}
	messages = append(messages, map[string]any{"role": "user", "content": "hello"})
	body["messages"] = messages
	members := map[string]any{
		"temperature": 1.5, "top_p": 0.5, "seed": 7, "stop": []string{"x"}, "max_tokens": 60, "max_completion_tokens": 40, "logprobs": true, "user": "u",
		"logit_bias": map[string]any{"1": 1}, "reasoning_effort": "high", "response_format": map[string]any{"type": "json_object"}, "vendor": 1,
		"tools": []any{map[string]any{"type": "function", "function": map[string]any{"name": "f"}}},
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if rapid.Bool().Draw(t, name) {
			body[name] = members[name]
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func drawVariant(t *rapid.T) variant.Spec {
	s := variant.Spec{System: rapid.SampledFrom([]string{"", "You are V.", "\"\n\\"}).Draw(t, "prompt"), Params: map[string]json.RawMessage{},
		Mode: rapid.SampledFrom([]variant.Mode{variant.Replace, variant.Prepend, variant.Append}).Draw(t, "mode")}
	set := values("temperature", "0.2", "top_p", "1", "seed", "3", "stop", `["end"]`, "max_tokens", "50", "reasoning_effort", `"low"`)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if rapid.Bool().Draw(t, "sets "+name) {
			s.Params[name] = set[name]
		}
	}
	for _, name := range []string{"temperature", "seed", "logprobs", "logit_bias", "response_format", "user", "stop", "reasoning_effort"} {
		if s.Params[name] == nil && rapid.Bool().Draw(t, "takes out "+name) {
			s.Strip = append(s.Strip, name)
		}
	}
	return s
}

// Spliced into a client's bytes or applied to the canonical request, a variant
// means the same.
func TestVariantBothWays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		body, v := drawRequest(rt), varied(t, drawVariant(rt))
		b := mustRead(t, llm.Chat, body)
		spliced, err := codec.Forward(b, &dialect.Target{Model: "m", Variant: v})
		if err != nil {
			rt.Fatal(err)
		}
		r, err := codec.Decode(b)
		if err != nil {
			rt.Fatal(err)
		}
		applied, dropped := v.Apply(r)
		encoded, err := codec.Encode(applied, &dialect.Target{Model: "m"})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(meaning(t, encoded.Body), meaning(t, spliced.Body)); diff != "" {
			rt.Fatalf("%s with %+v (-applied +spliced):\n%s", body, v, diff)
		}
		slices.Sort(dropped)
		slices.Sort(spliced.Dropped)
		if !slices.Equal(dropped, spliced.Dropped) {
			rt.Fatalf("%s with %+v: dropped %q and %q", body, v, dropped, spliced.Dropped)
		}
	})
}

// meaning is what a body says, texts of a message joined.
func meaning(t testing.TB, body []byte) *llm.Request {
	t.Helper()
	r, err := codec.Decode(mustRead(t, llm.Chat, string(body)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Messages {
		all := ""
		for j, p := range r.Messages[i].Parts {
			if j > 0 {
				all += variant.Between
			}
			all += p.Text
		}
		r.Messages[i].Parts = []llm.Part{{Kind: llm.PartText, Text: all}}
	}
	return r
}

// FuzzNoVariant: without a variant, or with one that has nothing to say, a body is
// forwarded byte for byte as if variants did not exist.
func FuzzNoVariant(f *testing.F) {
	f.Add(hello+`,"temperature":1,"seed":2}`, "other")
	f.Add(`{"model":"m","messages":[{"role":"system","content":[]},{"role":"user","content":"x"}],"max_tokens":0}`, "m")
	f.Fuzz(func(t *testing.T, body, model string) {
		b, err := codec.Read(llm.Chat, []byte(body))
		if err != nil {
			return
		}
		without, err := codec.Forward(b, &dialect.Target{Model: model, Stream: b.Facts.Stream})
		with, verr := codec.Forward(b, &dialect.Target{Model: model, Stream: b.Facts.Stream, Variant: &variant.Variant{Mode: variant.Replace}})
		if err != nil || verr != nil {
			if fault.From(err).Kind != fault.From(verr).Kind {
				t.Fatalf("%v and %v", err, verr)
			}
			return
		}
		if string(without.Body) != string(with.Body) || b.Facts.Model == model && !b.Facts.Stream && string(without.Body) != body {
			t.Errorf("%s\nbecame %s\nand    %s", body, without.Body, with.Body)
		}
	})
}
