package config

import (
	"strings"
	"testing"
)

// A system prompt is read from its file, which is watched, and another one is
// another version of the variant and another configuration.
func TestSystemFile(t *testing.T) {
	const src = `providers: {p: {preset: vllm, base_url: "http://127.0.0.1:8000/v1"}}
models: {m: {provider: p}, n: {provider: p}}
workloads: {w: {model: m, variants: {m: {system_file: prompts/m.txt}, n: {system: Be brief.}}}}
`
	text := "\ufeffYou are V. ${env:HOME}\n\n"
	env := testEnv()
	env.ReadFile = func(name string) ([]byte, error) { return []byte(text), nil }
	first := parseGood(t, src, env)
	v := first.Workloads["w"].Variants["m"].Made()
	if v.System != "You are V. ${env:HOME}" || v.File != "prompts/m.txt" || len(first.Files()) != 1 || first.Files()[0] != "dir/prompts/m.txt" {
		t.Errorf("%+v of %q", v, first.Files())
	}
	if p := first.Prompts(); strings.Count(p, "\n") != 1 || !strings.Contains(p, "workloads.w.variants.m: version "+v.Version+", 22 bytes of prompts/m.txt") {
		t.Errorf("prompts: %q", p)
	}
	text = "You are W."
	second := parseGood(t, src, env)
	if second.Workloads["w"].Variants["m"].Made().Version == v.Version || string(second.Identity()) == string(first.Identity()) {
		t.Error("another text is the same version")
	}
	if second.Workloads["w"].Variants["n"].Made().Version != first.Workloads["w"].Variants["n"].Made().Version {
		t.Error("a variant that did not change has another version")
	}
	text = strings.Repeat("x", maxSystem+1)
	if cfg, ds := Parse("dir/config.yaml", []byte(src), env); cfg != nil || !strings.Contains(ds.Err().Error(), "larger than 256 KiB") {
		t.Errorf("%v", ds)
	}
	plain := parseGood(t, "providers: {p: {preset: ollama}}\n", testEnv())
	if string(plain.Identity()) != string(plain.Source()) {
		t.Error("without prompts the identity is more than the text")
	}
}
