package anthropic_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
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

func accept(t testing.TB, op llm.Operation, body string) *dialect.Body {
	t.Helper()
	b, err := anthropic.Codec{}.Read(op, []byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return b
}

// What a variant does to a client's own bytes: no others change, unless thinking
// or sampling depend on each other.
func TestForwardVariant(t *testing.T) {
	const plain, user = `{"model":"m","max_tokens":90,"messages":[{"role":"user","content":"x"}]`, `"messages":[{"role":"user","content":"x"}]`
	for _, c := range []struct {
		name, in string
		op       llm.Operation
		spec     variant.Spec
		target   dialect.Target
		want     string
		dropped  []string
		refused  string
	}{
		{name: "no system prompt", in: plain + `}`, spec: variant.Spec{System: `Say "hi".`}, want: plain + `,"system":"Say \"hi\"."}`},
		{name: "replace", in: plain + `, "system" : "A" }`, spec: variant.Spec{System: "V"}, want: plain + `, "system" : "V" }`, dropped: []string{"system"}},
		{name: "replace nothing", in: plain + `,"system":""}`, spec: variant.Spec{System: "V"}, want: plain + `,"system":"V"}`},
		{name: "prepend", in: plain + `,"system":"A"}`, spec: variant.Spec{System: "V", Mode: variant.Prepend}, want: plain + `,"system":"V\n\nA"}`},
		{name: "append", in: plain + `,"system":"A"}`, spec: variant.Spec{System: "V", Mode: variant.Append}, want: plain + `,"system":"A\n\nV"}`},
		{name: "replace blocks", in: plain + `,"system":[{"type":"text","text":"A"}]}`, spec: variant.Spec{System: "V"}, want: plain + `,"system":"V"}`, dropped: []string{"system"}},
		{name: "prepend to blocks", in: plain + `,"system":[ {"type":"text","text":"A","cache_control":{"type":"ephemeral"}}]}`, spec: variant.Spec{System: "V", Mode: variant.Prepend},
			want: plain + `,"system":[ {"type":"text","text":"V"},{"type":"text","text":"A","cache_control":{"type":"ephemeral"}}]}`},
		{name: "append to blocks", in: plain + `,"system":[{"type":"text","text":"A"}]}`, spec: variant.Spec{System: "V", Mode: variant.Append},
			want: plain + `,"system":[{"type":"text","text":"A"},{"type":"text","text":"V"}]}`},
		{name: "a smaller limit", in: plain + `}`, spec: variant.Spec{Params: values("max_tokens", "50")}, want: `{"model":"m","max_tokens":50,` + user + `}`},
		{name: "the client's is smaller", in: plain + `}`, spec: variant.Spec{Params: values("max_tokens", "500")}, want: plain + `}`},
		{name: "sampling", in: plain + `,"temperature":1}`, spec: variant.Spec{Params: values("temperature", "0.2")}, want: plain + `,"temperature":0.2}`},
		{name: "take out", in: plain + `,"temperature":1,"stop_sequences":["x"],"metadata":{"user_id":"u"},"vendor":1}`,
			spec: variant.Spec{Strip: []string{"temperature", "stop", "user", "metadata", "seed"}}, want: plain + `,"vendor":1}`, dropped: []string{"metadata", "stop", "temperature"}},
		{name: "one in the place of another", in: plain + `,"temperature":1}`, spec: variant.Spec{Params: values("top_p", "0.5"), Strip: []string{"temperature"}},
			want: plain + `,"top_p":0.5}`, dropped: []string{"temperature"}},
		{name: "before the model's own defaults", in: plain + `}`, spec: variant.Spec{Params: values("temperature", "0.2")},
			target: dialect.Target{Params: dialect.Params{Defaults: []llm.Field{{Name: "temperature", Raw: json.RawMessage("0.9")}}, Drop: []string{"temperature"}}},
			want:   plain + `,"temperature":0.2}`},
		{name: "counting", op: llm.CountTokens, in: `{"model":"m",` + user + `}`, spec: variant.Spec{System: "V", Params: values("temperature", "0.2", "max_tokens", "5")},
			want: `{"model":"m",` + user + `,"system":"V"}`},

		// By way of the canonical request.
		{name: "an effort", in: `{"model":"m","max_tokens":9000,` + user + `}`, spec: variant.Spec{System: "V", Params: values("reasoning_effort", `"low"`)},
			want: `{"model":"m","max_tokens":9000,"system":"V","messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","budget_tokens":2048}}`},
		{name: "an effort of an adaptive model", in: `{"model":"m","max_tokens":9000,` + user + `}`, spec: variant.Spec{Params: values("reasoning_effort", `"low"`)},
			target: dialect.Target{Quirks: dialect.Quirks{AdaptiveThinking: true}},
			want:   `{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":"x"}],"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}}`},
		{name: "no thinking", in: `{"model":"m","max_tokens":9000,` + user + `,"thinking":{"type":"enabled","budget_tokens":2000}}`, spec: variant.Spec{Strip: []string{"reasoning_effort"}},
			want: `{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":"x"}]}`, dropped: []string{"reasoning_effort"}},
		{name: "stop", in: plain + `}`, spec: variant.Spec{Params: values("stop", `"end"`)},
			want: `{"model":"m","max_tokens":90,"messages":[{"role":"user","content":"x"}],"stop_sequences":["end"]}`},
		{name: "what it has not", in: plain + `}`, spec: variant.Spec{Params: values("seed", "1")}, refused: "seed"},
		{name: "what it has not, dropped", in: plain + `}`, spec: variant.Spec{Params: values("seed", "1")}, target: dialect.Target{Drop: true},
			want: plain + `}`, dropped: []string{"seed"}},
		{name: "hotter than it goes", in: plain + `}`, spec: variant.Spec{Params: values("temperature", "1.5")}, refused: "temperature"},
	} {
		op := c.op
		if op == "" {
			op = llm.Chat
		}
		target := c.target
		target.Model, target.Variant = "m", varied(t, c.spec)
		out, err := anthropic.Codec{}.Forward(accept(t, op, c.in), &target)
		if c.refused != "" {
			if f := fault.From(err); err == nil || f.Kind != fault.Unsupported || f.Param != c.refused {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
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

// Spliced into a client's bytes or applied to the canonical request, a variant
// means the same.
func TestVariantBothWays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		body := map[string]any{"model": "m", "max_tokens": 9000, "messages": []any{map[string]any{"role": "user", "content": "hello"}}}
		switch text := rapid.StringMatching(`[a-z"\\]{1,8}`).Draw(rt, "text"); rapid.IntRange(0, 2).Draw(rt, "system") {
		case 1:
			body["system"] = text
		case 2:
			body["system"] = []any{map[string]any{"type": "text", "text": text}, map[string]any{"type": "text", "text": "more"}}
		}
		members := map[string]any{
			"temperature": 0.5, "top_k": 5, "stop_sequences": []string{"x"}, "metadata": map[string]any{"user_id": "u"}, "vendor": 1,
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if rapid.Bool().Draw(rt, name) {
				body[name] = members[name]
			}
		}
		if body["temperature"] == nil && body["top_k"] == nil && rapid.Bool().Draw(rt, "thinking") {
			body["thinking"] = map[string]any{"type": "enabled", "budget_tokens": 2000}
		}
		s := variant.Spec{System: rapid.SampledFrom([]string{"", "You are V.", "\"\n\\"}).Draw(rt, "prompt"), Params: map[string]json.RawMessage{},
			Mode: rapid.SampledFrom([]variant.Mode{variant.Replace, variant.Prepend, variant.Append}).Draw(rt, "mode")}
		set := values("temperature", "0.2", "top_k", "3", "stop", `["end"]`, "max_tokens", "5000", "reasoning_effort", `"low"`)
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if rapid.Bool().Draw(rt, "sets "+name) {
				s.Params[name] = set[name]
			}
		}
		for _, name := range []string{"temperature", "seed", "user", "stop", "reasoning_effort", "response_format"} {
			if s.Params[name] == nil && rapid.Bool().Draw(rt, "takes out "+name) {
				s.Strip = append(s.Strip, name)
			}
		}
		text, err := json.Marshal(body)
		if err != nil {
			rt.Fatal(err)
		}
		b, v := accept(t, llm.Chat, string(text)), varied(t, s)
		target := &dialect.Target{Model: "m", Drop: true, Variant: v}
		spliced, err := anthropic.Codec{}.Forward(b, target)
		if err != nil {
			rt.Fatal(err)
		}
		r, err := anthropic.Codec{}.Decode(b)
		if err != nil {
			rt.Fatal(err)
		}
		applied, _ := v.Apply(r)
		encoded, err := anthropic.Codec{}.Encode(applied, target)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(meaning(t, encoded.Body), meaning(t, spliced.Body)); diff != "" {
			rt.Fatalf("%s with %+v (-applied +spliced):\n%s", text, v, diff)
		}
	})
}

// meaning is what a body says, texts of a message joined.
func meaning(t testing.TB, body []byte) *llm.Request {
	t.Helper()
	r, err := anthropic.Codec{}.Decode(accept(t, llm.Chat, string(body)))
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
