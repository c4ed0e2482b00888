package variant_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"freehold/internal/llm"
	"freehold/internal/variant"
)

func params(pairs ...string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	return out
}

func mustNew(t testing.TB, s variant.Spec) *variant.Variant {
	t.Helper()
	v, problems := variant.New(s)
	for _, p := range problems {
		t.Fatal(p)
	}
	return v
}

func TestProblems(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"temperature", "2.1", "from 0 to 2"}, {"temperature", `"0"`, "from 0 to 2"}, {"temperature", "null", "from 0 to 2"},
		{"top_p", "-0.1", "from 0 to 1"}, {"presence_penalty", "3", "from -2 to 2"}, {"frequency_penalty", "-3", "from -2 to 2"},
		{"max_tokens", "0", "at least 1"}, {"max_tokens", "1.5", "at least 1"}, {"top_k", "0", "at least 1"}, {"seed", "1.5", "whole number"},
		{"stop", "[]", "one to four"}, {"stop", `["a","b","c","d","e"]`, "one to four"}, {"stop", `""`, "one to four"}, {"stop", `["a",""]`, "one to four"},
		{"reasoning_effort", `"lots"`, "one of none"}, {"parallel_tool_calls", "1", "true or false"}, {"parallel_tool_calls", "null", "true or false"},
		{"n", "2", "no parameter"}, {"service_tier", `"priority"`, "no parameter"}, {"model", `"x"`, "no parameter"}, {"stream", "true", "no parameter"},
	} {
		_, problems := variant.New(variant.Spec{Params: params(c.name, c.value)})
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), c.want) || problems[0].Name != c.name {
			t.Errorf("%s %s: %v", c.name, c.value, problems)
		}
	}
	for _, name := range []string{"max_tokens", "max_completion_tokens", "n", "tools", "messages", "stream", "model", "thinking", "nonsense"} {
		if _, problems := variant.New(variant.Spec{Strip: []string{name}}); len(problems) != 1 {
			t.Errorf("%s may be taken out: %v", name, problems)
		}
	}
	if _, problems := variant.New(variant.Spec{Params: params("seed", "1"), Strip: []string{"seed"}}); len(problems) != 1 {
		t.Errorf("set and taken out: %v", problems)
	}
	for _, name := range variant.Takeable() {
		if _, problems := variant.New(variant.Spec{Strip: []string{name}}); len(problems) != 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// The version is that of the content: where it stands and how it is written does
// not matter, what it says does.
func TestVersion(t *testing.T) {
	base := variant.Spec{System: "Be brief.", Params: params("temperature", "0.2", "stop", `["a","b"]`), Strip: []string{"seed", "user"}}
	same := base
	same.File, same.Mode, same.Strip = "elsewhere.txt", variant.Replace, []string{"user", "seed", "user"}
	same.Params = params("stop", ` [ "a", "b" ]`, "temperature", "0.2")
	want := mustNew(t, base).Version
	if got := mustNew(t, same).Version; got != want {
		t.Errorf("%s and %s", got, want)
	}
	for name, change := range map[string]func(*variant.Spec){
		"system": func(s *variant.Spec) { s.System += " " },
		"mode":   func(s *variant.Spec) { s.Mode = variant.Append },
		"params": func(s *variant.Spec) { s.Params = params("temperature", "0.3") },
		"strip":  func(s *variant.Spec) { s.Strip = nil },
	} {
		s := base
		change(&s)
		if got := mustNew(t, s).Version; got == want {
			t.Errorf("another %s has the same version", name)
		}
	}
}

func text(role llm.Role, texts ...string) llm.Message {
	m := llm.Message{Role: role}
	for _, s := range texts {
		m.Parts = append(m.Parts, llm.Part{Kind: llm.PartText, Text: s})
	}
	return m
}

func TestSystem(t *testing.T) {
	user, late := text(llm.User, "Hi"), text(llm.System, "It is late.")
	for _, c := range []struct {
		name    string
		mode    variant.Mode
		in      []llm.Message
		want    []llm.Message
		dropped bool
	}{
		{"none", "", []llm.Message{user}, []llm.Message{text(llm.System, "V"), user}, false},
		{"none, append", variant.Append, []llm.Message{user}, []llm.Message{text(llm.System, "V"), user}, false},
		{"replace", "", []llm.Message{text(llm.Developer, "A"), text(llm.System, "B"), user, late}, []llm.Message{text(llm.Developer, "V"), user, late}, true},
		{"replace nothing", "", []llm.Message{text(llm.System, ""), user}, []llm.Message{text(llm.System, "V"), user}, false},
		{"prepend", variant.Prepend, []llm.Message{text(llm.System, "A", "B"), user}, []llm.Message{text(llm.System, "V\n\nA", "B"), user}, false},
		{"append", variant.Append, []llm.Message{text(llm.System, "A"), text(llm.System, "B", "C"), user},
			[]llm.Message{text(llm.System, "A"), text(llm.System, "B", "C\n\nV"), user}, false},
	} {
		r := &llm.Request{Operation: llm.Chat, Messages: c.in}
		before := printed(t, r)
		got, dropped := mustNew(t, variant.Spec{System: "V", Mode: c.mode}).Apply(r)
		if diff := cmp.Diff(c.want, got.Messages); diff != "" || (len(dropped) > 0) != c.dropped {
			t.Errorf("%s: dropped %q (-want +got):\n%s", c.name, dropped, diff)
		}
		if diff := cmp.Diff(before, printed(t, r)); diff != "" {
			t.Errorf("%s: the request itself was changed:\n%s", c.name, diff)
		}
	}
	// A mark of the cache ends a block: what is behind it is another.
	marked := text(llm.System, "A")
	marked.Parts[0].CacheControl = json.RawMessage(`{"type":"ephemeral"}`)
	got, _ := mustNew(t, variant.Spec{System: "V", Mode: variant.Append}).Apply(&llm.Request{Operation: llm.Chat, Messages: []llm.Message{marked, user}})
	if p := got.Messages[0].Parts; len(p) != 2 || p[0].Text != "A" || p[1].Text != "V" {
		t.Errorf("behind a mark: %+v", p)
	}
	if got, _ := mustNew(t, variant.Spec{System: "V"}).Apply(&llm.Request{Operation: llm.Completion, Prompt: []string{"x"}}); len(got.Messages) != 0 {
		t.Errorf("a text completion has no system prompt: %+v", got)
	}
}

// printed is the request as text, to see that nothing of it was changed.
func printed(t testing.TB, r *llm.Request) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestParameters(t *testing.T) {
	full := func() *llm.Request {
		return &llm.Request{
			Operation: llm.Chat, Messages: []llm.Message{text(llm.User, "Hi")}, Tools: []llm.ToolDef{{Name: "f"}},
			MaxTokens: new(int64(100)), Temperature: new(1.0), TopP: new(0.5), TopK: new(int64(3)), Seed: new(int64(1)), Stop: []string{"x"},
			FrequencyPenalty: new(1.0), PresencePenalty: new(1.0), LogitBias: json.RawMessage(`{"1":2}`), Logprobs: new(true), TopLogprobs: new(int64(2)),
			User: "u", Reasoning: &llm.Reasoning{Mode: "enabled", BudgetTokens: 2000}, Format: llm.Format{Kind: llm.FormatObject},
			ToolChoice: llm.ToolChoice{Mode: llm.ToolRequired, Parallel: new(true)},
			Extra:      []llm.Field{{Name: "store", Raw: json.RawMessage("true")}, {Name: "reasoning", Raw: json.RawMessage("{}")}, {Name: "kept", Raw: json.RawMessage("1")}},
		}
	}
	set := mustNew(t, variant.Spec{Params: params("max_tokens", "50", "temperature", "0.2", "top_p", "1", "top_k", "9", "seed", "7", "stop", `"end"`,
		"frequency_penalty", "0.1", "presence_penalty", "0.2", "reasoning_effort", `"low"`, "parallel_tool_calls", "false")})
	r := full()
	got, dropped := set.Apply(r)
	if diff := cmp.Diff(full(), r); diff != "" || dropped != nil {
		t.Errorf("dropped %q, and the request itself was changed:\n%s", dropped, diff)
	}
	want := full()
	want.MaxTokens, want.Temperature, want.TopP, want.TopK, want.Seed, want.Stop = new(int64(50)), new(0.2), new(1.0), new(int64(9)), new(int64(7)), []string{"end"}
	want.FrequencyPenalty, want.PresencePenalty, want.Reasoning = new(0.1), new(0.2), &llm.Reasoning{Effort: "low", Plain: true}
	want.ToolChoice.Parallel, want.Extra = new(false), []llm.Field{want.Extra[0], want.Extra[2]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
	// A smaller limit of the client's stays; without tools nobody is told of parallel ones.
	small := &llm.Request{Operation: llm.Chat, MaxTokens: new(int64(10))}
	if got, _ := set.Apply(small); *got.MaxTokens != 10 || got.ToolChoice.Parallel != nil {
		t.Errorf("%d tokens, parallel %v", *got.MaxTokens, got.ToolChoice.Parallel)
	}

	strip := mustNew(t, variant.Spec{Strip: variant.Takeable()})
	got, dropped = strip.Apply(full())
	bare := &llm.Request{Operation: llm.Chat, Messages: want.Messages, Tools: want.Tools, MaxTokens: new(int64(100)), Extra: []llm.Field{{Name: "kept", Raw: json.RawMessage("1")}}}
	if diff := cmp.Diff(bare, got); diff != "" {
		t.Errorf("stripped (-want +got):\n%s", diff)
	}
	if !slices.Contains(dropped, "reasoning_effort") || !slices.Contains(dropped, "store") || slices.Contains(dropped, "metadata") {
		t.Errorf("dropped %q", dropped)
	}
	if f := strip.Features(llm.FeatureLogprobs | llm.FeatureTools | llm.FeatureJSONSchema); f != llm.FeatureTools {
		t.Errorf("features left: %q", f.Names())
	}
}

// No limit ever grows, and nothing that is not named changes.
func TestNothingWidens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		own, set := rapid.Int64Range(0, 500).Draw(rt, "client"), rapid.Int64Range(1, 500).Draw(rt, "variant")
		v := mustNew(t, variant.Spec{Params: map[string]json.RawMessage{"max_tokens": must(json.Marshal(set))}})
		r := &llm.Request{Operation: llm.Chat}
		if own > 0 {
			r.MaxTokens = &own
		}
		got, _ := v.Apply(r)
		if *got.MaxTokens > set || own > 0 && *got.MaxTokens > own || *got.MaxTokens != v.Limit(own) {
			rt.Fatalf("client %d, variant %d: %d, %d", own, set, *got.MaxTokens, v.Limit(own))
		}
	})
	var none *variant.Variant
	r := &llm.Request{Operation: llm.Chat}
	if got, dropped := none.Apply(r); got != r || dropped != nil || none.Limit(7) != 7 || none.Features(3) != 3 || none.Grows(llm.Chat, &llm.Facts{}) != 0 {
		t.Error("no variant changes something")
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestGrows(t *testing.T) {
	f := &llm.Facts{TextBytes: 100, SystemBytes: 40}
	for mode, want := range map[variant.Mode]int{variant.Replace: -35, variant.Prepend: 7, variant.Append: 7} {
		v := mustNew(t, variant.Spec{System: "12345", Mode: mode})
		if got := v.Grows(llm.Chat, f); got != want {
			t.Errorf("%s: %d", mode, got)
		}
		if got := v.Grows(llm.Completion, f); got != 0 {
			t.Errorf("%s of a text completion: %d", mode, got)
		}
		if got := v.Grows(llm.Chat, &llm.Facts{TextBytes: 60}); got != 5 {
			t.Errorf("%s without a system prompt: %d", mode, got)
		}
	}
}
