package leave_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"freehold/internal/app"
	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/leave"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

const literal = "sk-this-stands-in-the-file"

const source = `
providers:
  openai: {preset: openai, api_key: "${env:OPENAI_API_KEY}"}
  claude: {preset: anthropic, api_keys: ["${env:CLAUDE_ONE}", "${file:/run/secrets/claude}"], jurisdiction: US}
  azure: {preset: azure-openai, base_url: "https://ours.openai.azure.com/openai", api_key: "` + literal + `", query: {api-version: "2024-10-21"}}
  cluster: {preset: vllm, base_url: "http://127.0.0.1:9/v1", inside: true, headers: {x-team: chat}, query: {team: chat}, tls: {server_name: cluster}}
  engine: {engine: llama.cpp}
models:
  gpt: {provider: openai, id: gpt-4o}
  sonnet: {provider: claude, id: claude-sonnet-4-5}
  llama:
    deployments:
      - {provider: cluster, id: "meta/llama 'x'"}
      - {provider: azure, id: ours}
  tiny: {provider: engine, source: tiny.gguf}
  ada: {provider: openai, id: text-embedding-3-small, mode: embedding}
  old: {provider: azure, id: instruct, mode: completion}
  spread:
    balance: weighted
    params: {drop: [logit_bias]}
    deployments:
      - {provider: openai, id: gpt-4o, weight: 3}
      - {provider: cluster, id: "meta/llama 'x'"}
data_classes:
  inside: {inside: true}
detectors:
  pii: {kinds: [email], on_hit: redact}
workloads:
  chat: {model: gpt, aliases: [gpt-4o-mini], fallbacks: [sonnet, tiny], variants: {gpt: {params: {temperature: 0}}}}
  private: {model: sonnet, aliases: [claude-private], fallbacks: [tiny, llama, spread], data: inside}
  "private:spread": {model: gpt, params: {defaults: {temperature: 0}}}
  local: {model: tiny}
  docs: {model: ada}
  words: {model: sonnet}
  gpt-4o: {model: gpt, continue: off}
budgets:
  - {per: workload, name: chat, every: month, limit: 5 USD}
`

func load(t *testing.T) *config.Config {
	t.Helper()
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg, ds := config.Parse("config.yaml", []byte(source), app.Lenient(app.Env(cat, nil)))
	if cfg == nil {
		t.Fatal(ds.String())
	}
	return cfg
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	if strings.Contains(got, literal) {
		t.Errorf("%s shows a secret", file)
	}
}

// TestEnv: references and no secrets, in lines that a shell takes.
func TestEnv(t *testing.T) {
	cfg := load(t)
	var all []leave.Access
	for _, name := range []string{"chat", "docs", "gpt-4o", "local", "private", "words"} {
		all = append(all, leave.Of(cfg, name, now))
	}
	text := leave.Env(all)
	golden(t, "testdata/env.sh", text)
	for i := range all {
		if all[i].Workload != "private" {
			continue
		}
		sh := exec.CommandContext(t.Context(), "sh", "-c", leave.Env(all[i:i+1])+`printf '%s' "$OPENAI_MODEL"`)
		out, err := sh.CombinedOutput()
		if err != nil || string(out) != "meta/llama 'x'" {
			t.Errorf("%q: %v", out, err)
		}
	}
	if got := all[2].Changes; len(got) != 0 {
		t.Errorf("an application that sends the provider's name needs no change: %v", got)
	}
}

// TestLiteLLM: the file is YAML, aliases lead to groups and fall back as these do, and
// no data goes where it may not.
func TestLiteLLM(t *testing.T) {
	text, err := leave.LiteLLM(load(t), now)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/litellm.yaml", string(text))
	var doc struct {
		Models []struct {
			Name   string            `yaml:"model_name"`
			Params map[string]string `yaml:"litellm_params"`
		} `yaml:"model_list"`
		Router struct {
			Fallbacks []map[string][]string `yaml:"fallbacks"`
			Aliases   map[string]string     `yaml:"model_group_alias"`
			Weighted  bool                  `yaml:"enable_weighted_failover"`
		} `yaml:"router_settings"`
		Settings map[string]bool `yaml:"litellm_settings"`
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	groups := map[string][]string{}
	for _, m := range doc.Models {
		groups[m.Name] = append(groups[m.Name], m.Params["model"])
		if key := m.Params["api_key"]; !strings.HasPrefix(key, "os.environ/") && key != "none" {
			t.Errorf("the key of %s is %q", m.Name, key)
		}
	}
	after := map[string][]string{} // fallbacks by the name that is asked for
	for _, f := range doc.Router.Fallbacks {
		for from, to := range f {
			after[from] = to
			for _, name := range to {
				if groups[name] == nil {
					t.Errorf("%s is fallen back to, and is no group", name)
				}
			}
		}
	}
	for from := range after {
		if groups[from] == nil && doc.Router.Aliases[from] == "" {
			t.Errorf("%s falls back, and is neither a group nor an alias", from)
		}
	}
	for from, to := range doc.Router.Aliases {
		if groups[to] == nil || groups[from] != nil {
			t.Errorf("the alias %s leads to %s; groups: %v", from, to, groups)
		}
		if diff := cmp.Diff(after[to], after[from]); diff != "" {
			t.Errorf("%s falls back in another way than %s:\n%s", from, to, diff)
		}
	}
	private := map[string]bool{"private": true}
	for _, name := range after["private"] {
		private[name] = true
	}
	for _, m := range doc.Models {
		if private[m.Name] && m.Params["api_base"] != "http://127.0.0.1:9/v1" {
			t.Errorf("data of private would go to %s", m.Params["api_base"])
		}
	}
	for name, want := range map[string][]string{
		"private": {"openai/meta/llama 'x'"}, // its first fallback that is left
		"local":   nil,
		"old":     {"azure_text/instruct"},
	} {
		if diff := cmp.Diff(want, groups[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, want := range map[string][]string{"private": {"private:spread+"}, "chat": {"sonnet"}} {
		if diff := cmp.Diff(want, after[name]); diff != "" {
			t.Errorf("fallbacks of %s (-want +got):\n%s", name, diff)
		}
	}
	if doc.Router.Aliases["gpt-4o-mini"] != "chat" || doc.Router.Aliases["claude-private"] != "private" {
		t.Errorf("%+v", doc.Router.Aliases)
	}
	if !doc.Router.Weighted {
		t.Error("a retry may ask the deployment that failed")
	}
	for _, k := range []string{"use_chat_completions_url_for_anthropic_messages", "disable_hf_tokenizer_download"} {
		if !doc.Settings[k] {
			t.Errorf("%s is not set: %v", k, doc.Settings)
		}
	}
	for _, want := range []string{
		"# Set LITELLM_MASTER_KEY: ", "provider cluster: its headers\n", "provider cluster: its query parameters\n",
		"provider cluster: its certificates (tls)\n", "model spread: its params\n", "workload private:spread: its params\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the head does not say %q", want)
		}
	}
	if strings.Contains(string(text), "provider azure: its query") {
		t.Error("the API version is carried over")
	}
}

// TestLiteLLMDrop: what freehold takes out, LiteLLM takes out.
func TestLiteLLMDrop(t *testing.T) {
	cfg := load(t)
	for _, drop := range []bool{false, true} {
		cfg.Server.DropUnsupported = drop
		text, err := leave.LiteLLM(cfg, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), "\n  drop_params: true\n"); got != drop {
			t.Errorf("drop_unsupported %v: drop_params %v", drop, got)
		}
	}
}
