package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const overlaid = `providers:
  a: {preset: ollama}
  s: {preset: openai, api_key: hunter22-the-secret}
models:
  m: {provider: a}
  n: {provider: a}
workloads:
  w:
    model: m # the line
    hold: tools
`

func overlay() Overlay {
	var o Overlay
	o = o.Set(Change{Path: "workloads.w.model", Value: json.RawMessage(`"x"`)})
	o = o.Set(Change{Path: "workloads.w.fallbacks", Value: json.RawMessage(`["m"]`)})
	o = o.Set(Change{Path: "workloads.w.hold"})
	o = o.Set(Change{Path: "workloads.w.nothing"})
	return o.Set(Change{Path: "workloads.w.model", Value: json.RawMessage(`"n"`)})
}

func overlayEnv(src string) Env {
	env := testEnv()
	env.ReadFile = func(string) ([]byte, error) { return []byte(src), nil }
	return env
}

func TestLoadWithOverlay(t *testing.T) {
	cfg, ds := LoadWithOverlay("c.yaml", overlayEnv(overlaid), overlay())
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	w := cfg.Workloads["w"]
	if w.Model != "n" || len(w.Fallbacks) != 1 || w.Hold != HoldTools {
		t.Errorf("got %+v", w)
	}
	if p, ok := cfg.Pos("workloads.w.model"); !ok || p != (Pos{9, 12}) {
		t.Errorf("position %v %v", p, ok)
	}
	if strings.Contains(string(cfg.Source()), "hold:") {
		t.Error("the deleted key is still there")
	}
	cfg, ds = LoadWithOverlay("c.yaml", overlayEnv("workloads: text\n"), overlay())
	if cfg != nil || !strings.Contains(ds.String(), "no longer fits the file") {
		t.Errorf("got %v", ds)
	}
	cfg, ds = LoadWithOverlay("c.yaml", overlayEnv("a: [\n"), overlay())
	if cfg != nil || !strings.Contains(ds.String(), "c.yaml:1:4: not valid YAML") {
		t.Errorf("got %v", ds)
	}
}

func TestFindDrift(t *testing.T) {
	o := append(overlay(), Change{Path: "models.m.provider", Value: json.RawMessage(`"a"`)}, Change{Path: "providers.s.api_key", Value: json.RawMessage(`"${env:OPENAI_API_KEY}"`)})
	got, err := FindDrift("dir/config.yaml", []byte(overlaid), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []Drift{
		{Path: "workloads.w.fallbacks", Held: "[m]"},
		{Path: "workloads.w.hold", File: "tools", Pos: Pos{10, 11}},
		{Path: "workloads.w.nothing", Agrees: true},
		{Path: "workloads.w.model", Held: "n", File: "m", Pos: Pos{9, 12}},
		{Path: "models.m.provider", Held: "a", File: "a", Agrees: true, Pos: Pos{5, 17}},
		{Path: "providers.s.api_key", Held: "${env:OPENAI_API_KEY}", File: `"[secret]"`, Pos: Pos{3, 32}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A secret that is held in the clear is shown nowhere.
func TestDriftHidesSecrets(t *testing.T) {
	o := Overlay{
		{Path: "providers.s.api_key", Value: json.RawMessage(`"sk-plainsecret12345678901234"`)},
		{Path: "providers.new", Value: json.RawMessage(`{"preset":"openai","api_key":"hunter22hunter22","headers":{"Authorization":"Bearer hunter22"}}`)},
		{Path: "providers.new.api_keys", Value: json.RawMessage(`["hunter22-2"]`)},
		{Path: "server.admin_key", Value: json.RawMessage(`"hunter22-3"`)},
		{Path: "nowhere[.0", Value: json.RawMessage(`"hunter22-4"`)},
	}
	got, err := FindDrift("dir/config.yaml", []byte(overlaid), o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter") || strings.Contains(string(text), "plainsecret") {
		t.Errorf("shown: %s", text)
	}
	if got[0].Held != `"[secret]"` || got[0].Agrees {
		t.Errorf("%+v", got[0])
	}
}

func TestPatch(t *testing.T) {
	got, err := Patch("config.yaml", []byte(overlaid), overlay())
	if err != nil {
		t.Fatal(err)
	}
	want := `--- a/config.yaml
+++ b/config.yaml
@@ -6,5 +6,5 @@
   n: {provider: a}
 workloads:
   w:
-    model: m # the line
-    hold: tools
+    model: n # the line
+    fallbacks: [m]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDriftOfBrokenFile: what hinders is said with the file's own name.
func TestDriftOfBrokenFile(t *testing.T) {
	_, err := FindDrift("dir/config.yaml", []byte("a: [\n"), Overlay{{Path: "a", Value: []byte("1")}})
	if err == nil || !strings.Contains(err.Error(), "\ndir/config.yaml:1:") {
		t.Errorf("got %v", err)
	}
}
