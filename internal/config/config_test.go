package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func parseGood(t *testing.T, src string, env Env) *Config {
	t.Helper()
	cfg, ds := Parse("dir/config.yaml", []byte(src), env)
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	return cfg
}

func TestTimeoutsInnermostWins(t *testing.T) {
	cfg := parseGood(t, `timeouts: {connect: 1s, idle: 1s}
providers: {p: {preset: ollama, timeouts: {idle: 2s, total: 2s}}}
models: {m: {timeouts: {total: 3s, first_token: 3s}, deployments: [{provider: p, timeouts: {first_token: 4s}}]}}
workloads: {w: {model: m, timeouts: {total: 1d}}}
`, testEnv())
	m, w := cfg.Models["m"], cfg.Workloads["w"]
	got := cfg.TimeoutsFor(m.Deployments[0], m, w)
	want := Timeouts{Connect: time.Second, FirstToken: 4 * time.Second, Idle: 2 * time.Second, Total: 24 * time.Hour}
	if got != want {
		t.Errorf("got %+v", got)
	}
	if got := cfg.TimeoutsFor(nil, nil, nil); got != (Timeouts{time.Second, 30 * time.Second, time.Second, 10 * time.Minute}) {
		t.Errorf("got %+v", got)
	}
}

func TestEffectiveValues(t *testing.T) {
	cfg := parseGood(t, `server: {jurisdiction: EU, region: here, tls: {cert: a.pem, key: /b.pem}}
providers:
  engine: {engine: llama.cpp}
  loop: {preset: ollama, inside: true, owns: [x-]}
  openai: {preset: openai, api_key: ${env:OPENAI_API_KEY}}
  moved: {preset: openai, base_url: "https://other.example/v1/"}
  same: {preset: openai, base_url: "https://API.openai.com/v2", api_key: ${env:OPENAI_API_KEY}}
models:
  local: {provider: engine, source: x.gguf}
  m: {context: 10, continuation: none, price: {input: "0.15"}, features: {tools: true, n: false}, deployments: [{provider: openai, features: {n: true}}, {provider: moved, id: y, context: 20, continuation: instruct, price: {input: 0}}]}
`, withFiles(t, testEnv()))
	engine, loop, openai, moved := cfg.Providers["engine"], cfg.Providers["loop"], cfg.Providers["openai"], cfg.Providers["moved"]
	if !engine.Inside || engine.Hosting != HostingSelf || engine.Jurisdiction != "EU" || engine.Region != "here" || !engine.Local() {
		t.Errorf("engine %+v", engine)
	}
	if loop.Jurisdiction != "EU" || loop.Region != "here" || loop.BaseURL == "" || cmp.Diff([]string{"x-"}, loop.Owns) != "" {
		t.Errorf("a server inside on this machine %+v", loop)
	}
	if openai.Jurisdiction != "US" || openai.Hosting != HostingAPI || len(openai.Keys()) != 1 || len(openai.Owns) != 2 || openai.Name != "openai" {
		t.Errorf("openai %+v", openai)
	}
	if moved.Jurisdiction != "" || moved.BaseURL != "https://other.example/v1" {
		t.Errorf("a preset at another address has no known place: %+v", moved)
	}
	if same := cfg.Providers["same"]; same.Jurisdiction != "US" {
		t.Errorf("another path at the preset's own host: %+v", same)
	}
	d := cfg.Models["m"].Deployments
	if d[0].ID != "m" || d[0].Context != 10 || d[0].Continuation != ContinuationNone || d[0].Price.Input.String() != "0.15" || !d[0].Features[FeatureN] || !d[0].Features[FeatureTools] {
		t.Errorf("first deployment %+v", d[0])
	}
	if d[1].ID != "y" || d[1].Context != 20 || d[1].Continuation != ContinuationInstruct || !d[1].Price.Input.IsZero() || d[1].Price.Output != nil {
		t.Errorf("second deployment %+v", d[1])
	}
	if local := cfg.Models["local"].Deployments; len(local) != 1 || local[0].Source != "x.gguf" || local[0].Weight != 1 {
		t.Errorf("short form %+v", local)
	}
	if cfg.Server.TLS.Cert != "dir/a.pem" || cfg.Server.TLS.Key != "/b.pem" || cfg.Resolve("x.db") != "dir/x.db" {
		t.Errorf("paths %+v", cfg.Server.TLS)
	}
	if diff := cmp.Diff([]string{"/b.pem", "dir/a.pem"}, cfg.Files()); diff != "" {
		t.Error(diff)
	}
	if _, ok := cfg.Pos("server.listen"); ok {
		t.Error("a default has no position")
	}
}

// withFiles gives env a certificate with its key wherever a file is read.
func withFiles(t *testing.T, env Env) Env {
	text := []byte(certificate(t, time.Now()))
	env.ReadFile = func(string) ([]byte, error) { return text, nil }
	return env
}

// TestExpansionIsNoTextSubstitution: what stands behind a reference is a
// value, whatever YAML would make of it.
func TestExpansionIsNoTextSubstitution(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		val := rapid.StringMatching(`[ -~]{0,20}[!-~][ -~]{0,20}`).Draw(rt, "value")
		env := testEnv()
		env.LookupEnv = func(string) (string, bool) { return val, true }
		cfg, ds := Parse("c.yaml", []byte("server: {region: ${env:X}}\nproviders: {a: {preset: ollama, region: 'a ${env:X} $${b'}}\n"), env)
		if ds.Err() != nil {
			rt.Fatal(ds)
		}
		if cfg.Server.Region != val || cfg.Providers["a"].Region != "a "+val+" ${b" {
			rt.Fatalf("got %q and %q", cfg.Server.Region, cfg.Providers["a"].Region)
		}
	})
}

func TestScalars(t *testing.T) {
	for s, want := range map[string]time.Duration{"1.5s": 1500 * time.Millisecond, "1h30m": 90 * time.Minute, "90d": 90 * day, "2w": 14 * day, "1us": time.Microsecond} {
		if got, err := parseDuration(s); err != nil || got != want {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "0s", "1", "s", "-1s", "+1s", "1s ", "1 s", "1e9s", "1x", "99999999999999h"} {
		if got, err := parseDuration(s); err == nil {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
	for s, want := range map[string]Size{"1": 1, "1B": 1, "1k": 1000, "1kB": 1000, "1KiB": 1024, "1.5MiB": 3 << 19, "2 GiB": 2 << 30, "1T": 1e12} {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "1XB", "MiB", "1e3", "99999999TiB"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, 1<<60).Draw(rt, "duration"))
		if got, err := parseDuration(renderDuration(d)); err != nil || got != d {
			rt.Fatalf("%s: %v %v", renderDuration(d), got, err)
		}
		s := Size(rapid.Int64Range(1, 1<<60).Draw(rt, "size"))
		if got, err := parseSize(s.String()); err != nil || got != s {
			rt.Fatalf("%s: %v %v", s, got, err)
		}
	})
}

// TestPositions: every place is found again, in the example of the design.
func TestPositions(t *testing.T) {
	src, err := os.ReadFile("testdata/design.good.yml")
	if err != nil {
		t.Fatal(err)
	}
	cfg := parseGood(t, string(src), testEnv())
	for path, want := range map[string]string{
		"workloads.support-chat.model":             "llama-3.1-70b ",
		"models.llama-3.1-70b.balance":             "priority ",
		`models."llama-3.1-70b".deployments[1].id`: "meta-llama/Meta-",
		"models.llama-3.1-70b.deployments.0":       "{provider: cluster",
		"providers.openai.api_key":                 "${env:OPENAI",
		"workloads.support-chat.fallbacks[1]":      "phi-4-mini]",
		"models.phi-4-mini.source":                 `"hf:`,
		"workloads":                                "support-chat:",
	} {
		p, ok := cfg.Pos(path)
		line := strings.Split(string(src), "\n")[max(0, p.Line-1)]
		if !ok || p.Col > len(line) || !strings.HasPrefix(line[p.Col-1:], want) {
			t.Errorf("%s: %v %v", path, p, ok)
		}
	}
	for _, path := range []string{"", "nobody", "workloads..x", "workloads.support-chat.model.x", "a[", `"`} {
		if p, ok := cfg.Pos(path); ok && path != "" {
			t.Errorf("%q is at %v", path, p)
		}
	}
}
