package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"freehold/internal/dialect"
	"freehold/internal/llm"
)

func load(t testing.TB, o Options) *Catalog {
	t.Helper()
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEmbeddedPresets(t *testing.T) {
	c := load(t, Options{})
	want := strings.Fields(`anthropic azure-openai cohere coreweave deepinfra fireworks groq infinity lambda llama.cpp lmstudio
		mistral nebius ollama openai openai-compatible openrouter ovhcloud runpod scaleway sglang tei tgi together vllm`)
	if d := cmp.Diff(want, c.PresetNames()); d != "" {
		t.Fatal(d)
	}
	// Only these cannot be used without a base_url in the configuration.
	var noURL, slots []string
	for _, name := range want {
		p, _ := c.Preset(name)
		if p.Name != name || p.Title == "" || p.Probe.Path == "" {
			t.Errorf("%s: incomplete: %+v", name, p)
		}
		if p.BaseURL == "" {
			noURL = append(noURL, name)
		}
		slots = append(slots, p.Placeholders()...)
		if p.Quirks.DefaultMaxTokens == 0 && p.Dialect == "anthropic" {
			t.Errorf("%s: Anthropic requires max_tokens", name)
		}
		for _, s := range p.Source {
			if s.URL == "" || len(s.Date) < len("2026-11") {
				t.Errorf("%s: source %+v", name, s)
			}
		}
		if p.Hosting == "self" && (p.Jurisdiction != "" || !p.KeyOptional) {
			t.Errorf("%s: where a local engine stands is not the catalog's to say", name)
		}
	}
	if d := cmp.Diff([]string{"lambda", "openai-compatible"}, noURL); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"resource", "endpoint_id"}, slots); d != "" {
		t.Error(d)
	}
	if _, ok := c.Preset("nobody"); ok {
		t.Error("an unknown preset was found")
	}
}

func TestWireFacts(t *testing.T) {
	c := load(t, Options{})
	p := func(name string) Preset { p, _ := c.Preset(name); return p }
	for _, tc := range []struct {
		what      string
		got, want any
	}{
		{"bearer", p("openai").Auth, "bearer"},
		{"x-api-key", p("anthropic").Auth, "x-api-key"},
		{"api-key", p("azure-openai").Auth, "api-key"},
		{"anthropic-version", p("anthropic").Headers, map[string]string{"anthropic-version": "2023-06-01"}},
		{"messages", p("anthropic").Paths[llm.Chat], "/v1/messages"},
		{"azure path", p("azure-openai").Paths[llm.Chat], "/deployments/{model}/chat/completions"},
		{"azure version", p("azure-openai").Query["api-version"], "2024-10-21"},
		{"wire trap 15", p("openai").Quirks.For("o3-mini").MaxTokensField, "max_completion_tokens"},
		{"wire trap 15", p("openai").Quirks.For("gpt-5-mini").MaxTokensField, "max_completion_tokens"},
		{"wire trap 15", p("openai").Quirks.For("gpt-4o").MaxTokensField, ""},
		{"wire trap 20", p("anthropic").Quirks.For("claude-opus-4-7").AdaptiveThinking, true},
		{"wire trap 20", p("anthropic").Quirks.For("claude-sonnet-5-5").AdaptiveThinking, true},
		{"wire trap 20", p("anthropic").Quirks.For("claude-sonnet-4-6").AdaptiveThinking, false},
		{"wire trap 20", p("anthropic").Quirks.For("claude-opus-4-20250514").AdaptiveThinking, false},
		{"wire trap 28", p("anthropic").Quirks.For("claude-sonnet-4-5-20250929").NativeSchema, true},
		{"wire trap 28", p("anthropic").Quirks.For("claude-3-5-sonnet-20241022").NativeSchema, false},
		{"wire trap 28", p("anthropic").Quirks.For("claude-opus-4-20250514").NativeSchema, false},
		{"wire trap 16", p("anthropic").Quirks.For("claude-opus-4-7").DefaultMaxTokens, int64(4096)},
		{"wire trap 23", p("mistral").Quirks.For("x"), dialect.Quirks{
			MaxTokensField: "max_tokens", NoStreamUsage: true, NoDeveloper: true, NativeSchema: true,
			ToolRequired: "any", SeedField: "random_seed", PrefillStyle: "prefix", NameOnlyOnTool: true,
			Unsupported: []string{"top_k", "logit_bias", "logprobs", "top_logprobs", "user", "store", "service_tier"},
		}},
		{"wire trap 24", p("ollama").Quirks.Unsupported, []string{"top_k", "tool_choice", "logit_bias"}},
		{"wire trap 24", c.Lacks("ollama", "x").Names(), []string{"tool_required", "n"}},
		{"wire trap 24", p("ollama").Quirks.For("x").Unsupported, []string{"top_k", "tool_choice", "logit_bias", "image_url"}},
		{"wire trap 24", p("ollama").Quirks.DefaultContext, int64(4096)},
		{"wire trap 25", p("vllm").Quirks.ReasoningField, "reasoning"},
		{"vllm prefill", p("vllm").Quirks.PrefillStyle, "continue_final_message"},
		{"llama.cpp's own engine", c.EngineLacks("llama.cpp").Names(), []string{"images", "audio"}},
		{"llama.cpp elsewhere", c.Lacks("llama.cpp", "x").Names(), []string{"tool_required", "server_tools", "documents", "suffix"}},
		{"llama.cpp usage", p("llama.cpp").Quirks.UsagePerChoice, true},
		{"llama.cpp tools", c.Lacks("llama.cpp", "x").Has(llm.FeatureToolRequired), true},
		{"llama.cpp probe", c.probe("llama.cpp", "http://127.0.0.1:9/v1"), "http://127.0.0.1:9/health"},
		{"vllm behind a path", c.probe("vllm", "https://h/team/v1/"), "https://h/team/health"},
		{"openai probe", c.probe("openai", "https://api.openai.com/v1"), "https://api.openai.com/v1/models"},
		{"text only", c.Lacks("vllm", "meta-llama/Llama-3.1-70B-Instruct").Names(), []string{"images", "suffix"}},
		{"images", c.Lacks("openai", "gpt-4o").Names(), []string(nil)},
		{"images unknown", c.Lacks("openai", "gpt-4.9").Names(), []string(nil)},
	} {
		if d := cmp.Diff(tc.want, tc.got); d != "" {
			t.Errorf("%s: %s", tc.what, d)
		}
	}
}

func TestOwners(t *testing.T) {
	c := load(t, Options{})
	for model, want := range map[string][]string{
		"gpt-4o":                            {"openai"},
		"o1":                                {"openai"},
		"o4-mini-2025-04-16":                {"openai"},
		"chatgpt-4o-latest":                 {"openai"},
		"ft:gpt-4o-mini-2024-07-18:acme::x": {"openai"},
		"text-embedding-3-small":            {"openai"},
		"claude-3-5-sonnet-20241022":        {"anthropic"},
		"mistral-large-latest":              {"mistral"},
		"open-mixtral-8x7b":                 {"mistral"},
		"accounts/fireworks/models/x":       {"fireworks"},
		"olmo-2":                            nil,
		"my-gpt-4o":                         nil,
		"meta-llama/Llama-3.1-8B-Instruct":  nil,
	} {
		if d := cmp.Diff(want, c.Owners(model)); d != "" {
			t.Errorf("%s: %s", model, d)
		}
	}
}

func TestModelAliases(t *testing.T) {
	c := load(t, Options{})
	for id, want := range map[string]string{
		"llama-3.1-70b":                                     "llama-3.1-70b",
		"meta-llama/Llama-3.1-70B-Instruct":                 "llama-3.1-70b",
		"meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo":      "llama-3.1-70b",
		"accounts/fireworks/models/llama-v3p1-70b-instruct": "llama-3.1-70b",
		"Meta-Llama-3_1-70B-Instruct":                       "llama-3.1-70b",
		"llama3.1-70b-instruct-fp8":                         "llama-3.1-70b",
		"llama3.1:70b":                                      "llama-3.1-70b",
		"llama3.1:70b-instruct-q4_K_M":                      "llama-3.1-70b",
		"mistral-large-2407":                                "mistral-large-2",
		"claude-3-5-sonnet-20241022":                        "claude-3.5-sonnet",
		"anthropic/claude-3.5-sonnet":                       "claude-3.5-sonnet",
		"claude-opus-4-6-20260205":                          "claude-opus-4.6",
		"claude-opus-9":                                     "claude",
		"gpt-4o-2024-08-06":                                 "gpt-4o",
		"ft:gpt-4o-mini-2024-07-18:acme::abc":               "openai-tuned",
		"microsoft/phi-4":                                   "phi-4",
		"Qwen/Qwen3-32B":                                    "qwen3-32b",
		"qwen2p5-72b-instruct":                              "qwen2.5-72b",
		"openai/gpt-oss-120b":                               "gpt-oss-120b",
		"SmolLM2-135M-Instruct-Q8_0":                        "smollm2-135m",
		"deepseek-ai/DeepSeek-V3.1":                         "deepseek-v3.1",
		"something-else":                                    "",
	} {
		m, ok := c.Model(id)
		if m.Name != want || ok != (want != "") {
			t.Errorf("Model(%q) = %q, %v; want %q", id, m.Name, ok, want)
		}
	}
}

func TestOpennessAndContinuation(t *testing.T) {
	c := load(t, Options{})
	for _, tc := range []struct {
		preset, id, openness string
		cont                 dialect.ContinueMethod
	}{
		{"anthropic", "claude-3-5-sonnet-20241022", "proprietary", dialect.Prefill},
		{"anthropic", "claude-sonnet-4-5-20250929", "proprietary", dialect.Prefill},
		{"anthropic", "claude-opus-4-6", "proprietary", dialect.Instruct},
		{"anthropic", "claude-sonnet-4-6", "proprietary", dialect.Instruct},
		{"anthropic", "claude-fable-5", "proprietary", dialect.Instruct},
		{"anthropic", "claude-not-yet-known", "proprietary", dialect.Instruct},
		{"openai", "gpt-4o", "proprietary", dialect.Instruct},
		{"openai", "ft:gpt-4o-2024-08-06:acme::1", "proprietary-tuned", dialect.Instruct},
		{"mistral", "mistral-large-2407", "open", dialect.PrefillEcho},
		{"mistral", "mistral-medium-latest", "proprietary", dialect.PrefillEcho},
		{"vllm", "meta-llama/Llama-3.1-70B-Instruct", "open", dialect.Prefill},
		{"vllm", "openai/gpt-oss-20b", "open", dialect.Instruct},
		{"llama.cpp", "anything.gguf", "open", dialect.PrefillEcho},
		{"together", "anthropic/claude-opus-4-6", "proprietary", dialect.Instruct},
		{"openai-compatible", "unheard-of", "proprietary", dialect.Instruct},
		{"no-such-preset", "unheard-of", "proprietary", dialect.ContinueNone},
	} {
		if got := c.Openness(tc.preset, tc.id); got != tc.openness {
			t.Errorf("%s %s: openness %s, want %s", tc.preset, tc.id, got, tc.openness)
		}
		if got := c.Continuation(tc.preset, tc.id); got != tc.cont {
			t.Errorf("%s %s: continuation %s, want %s", tc.preset, tc.id, got, tc.cont)
		}
	}
}

func TestKeyIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`([A-Za-z0-9.]{1,8}/)?[A-Za-z0-9_.:@ -]{0,24}`).Draw(t, "id")
		k := Key(id)
		if again := Key(k); again != k {
			t.Fatalf("Key(%q) = %q, Key of that %q", id, k, again)
		}
	})
}

func TestOverlayPresetsAndModels(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "house.yaml", `
title: House
dialect: openai
base_url: https://llm.internal/v1
auth: bearer
paths: {chat: /chat/completions}
hosting: kubernetes
openness: open
continuation: prefill
quirks: {max_tokens_field: max_tokens}
source: [{url: "https://wiki.internal/llm", date: 2026-11}]
`)
	models := write(t, t.TempDir(), "models.json", `{
		"sources": {"wiki": [{"url": "https://wiki.internal", "date": "2026-12"}]},
		"models": [
			{"name": "gpt-4o", "openness": "proprietary", "context": 1, "source": "wiki"},
			{"name": "house-model", "match": "^house-", "openness": "open", "source": "wiki"}
		]}`)
	c := load(t, Options{PresetsDir: dir, ModelsFile: models})
	if p, ok := c.Preset("house"); !ok || p.Hosting != "kubernetes" {
		t.Errorf("house: %+v, %v", p, ok)
	}
	if _, ok := c.Preset("openai"); !ok {
		t.Error("the embedded presets are gone")
	}
	if m, _ := c.Model("gpt-4o"); m.Context != 1 {
		t.Errorf("gpt-4o was not replaced: %+v", m)
	}
	if m, _ := c.Model("house-7b"); m.Name != "house-model" {
		t.Errorf("family rule: %+v", m)
	}
}

func TestBadFilesSayWhatIsWrong(t *testing.T) {
	const good = "title: X\ndialect: openai\nauth: bearer\npaths: {chat: /c}\nhosting: api\nopenness: open\ncontinuation: none\nquirks: {max_tokens_field: max_tokens}\nsource: [{url: u, date: 2026-11}]\n"
	for _, tc := range []struct{ name, preset, models, prices, want string }{
		{"typo", good + "base_ulr: https://x\n", "", "", "base_ulr"},
		{"dialect", strings.Replace(good, "openai", "opnai", 1), "", "", `dialect is "opnai"`},
		{"auth", strings.Replace(good, "bearer", "barer", 1), "", "", `auth is "barer"`},
		{"feature", good + "lacks: [speed]\n", "", "", `no feature "speed"`},
		{"regexp", strings.Replace(good, "quirks: {", "quirks: {models: [{match: '('}], ", 1), "", "", "quirks.models[0]"},
		{"base url", good + "base_url: 'llm.internal'\n", "", "", "base_url"},
		{"no source", strings.Split(good, "source")[0], "", "", "source"},
		{"operation", strings.Replace(good, "{chat: /c}", "{chat: /c, chta: /d}", 1), "", "", "chta"},
		{"alias twice", "", `{"sources": {"s": [{"url": "u"}]}, "models": [{"name": "a", "aliases": ["gpt_4o"], "openness": "open", "source": "s"}]}`, "", `both have the name`},
		{"openness", "", `{"sources": {"s": [{"url": "u"}]}, "models": [{"name": "a", "openness": "free", "source": "s"}]}`, "", `openness is "free"`},
		{"unsourced", "", `{"models": [{"name": "a", "openness": "open", "source": "s"}]}`, "", `source "s"`},
		{"member", "", `{"models": [{"nmae": "a"}]}`, "", `nmae`},
		{"not json", "", "", `{"a": {"input_cost_per_token": 1e-6`, "prices.json"},
		{"not rows", "", "", `[1]`, "not a JSON object"},
		{"row not object", "", "", `{"a": 1}`, `row "a": not an object`},
		{"price not number", "", "", `{"a": {"input_cost_per_token": "free"}}`, `row "a": input_cost_per_token`},
		{"negative", "", "", `{"a": {"input_cost_per_token": -1}}`, "negative"},
		{"name twice", "", "", `{"a": {}, "a": {}}`, "duplicate"},
		{"empty", "", "", `{}`, "no rows"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var o Options
			if tc.preset != "" {
				o.PresetsDir = t.TempDir()
				write(t, o.PresetsDir, "x.yaml", tc.preset)
			}
			if tc.models != "" {
				o.ModelsFile = write(t, t.TempDir(), "models.json", tc.models)
			}
			if tc.prices != "" {
				o.PricesFile = write(t, t.TempDir(), "prices.json", tc.prices)
			}
			c, err := Load(o)
			if err == nil || c != nil {
				t.Fatalf("loaded %v", o)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q does not say %q", err, tc.want)
			}
		})
	}
	for _, o := range []Options{{PresetsDir: "no/such"}, {ModelsFile: "no/such"}, {PricesFile: "no/such"}} {
		if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "no/such") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (c *Catalog) probe(preset, base string) string { return c.preset(preset).ProbeURL(base) }
