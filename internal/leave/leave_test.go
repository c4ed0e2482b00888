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
  cluster: {preset: vllm, base_url: "http://127.0.0.1:9/v1", inside: true, headers: {x-team: chat}}
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
data_classes:
  inside: {inside: true}
detectors:
  pii: {kinds: [email], on_hit: redact}
workloads:
  chat: {model: gpt, aliases: [gpt-4o-mini], fallbacks: [sonnet, tiny], variants: {gpt: {params: {temperature: 0}}}}
  private: {model: sonnet, fallbacks: [llama], data: inside}
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

// TestLiteLLM: the file is YAML, and every model that is fallen back to is there.
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
		} `yaml:"router_settings"`
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	groups := map[string]bool{}
	for _, m := range doc.Models {
		groups[m.Name] = true
		if key := m.Params["api_key"]; !strings.HasPrefix(key, "os.environ/") && key != "none" {
			t.Errorf("the key of %s is %q", m.Name, key)
		}
	}
	for _, f := range doc.Router.Fallbacks {
		for from, to := range f {
			for _, name := range append(to, from) {
				if !groups[name] {
					t.Errorf("%s is fallen back to or from, and is not there", name)
				}
			}
		}
	}
	for _, m := range doc.Models {
		if strings.HasPrefix(m.Name, "private") && m.Params["api_base"] != "http://127.0.0.1:9/v1" {
			t.Errorf("data of private would go to %s", m.Params["api_base"])
		}
	}
	if doc.Router.Aliases["private"] != "private:llama" || groups["private"] || groups["local"] {
		t.Errorf("%v %v", doc.Router.Aliases, groups)
	}
	if doc.Router.Aliases["gpt-4o-mini"] != "chat" {
		t.Errorf("%+v", doc.Router.Aliases)
	}
}
