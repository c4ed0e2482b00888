package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold"
	"freehold/internal/app"
	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/engine"
)

// everyKey is an environment with every vendor's key in it.
func everyKey(t *testing.T, cat *catalog.Catalog) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, name := range cat.PresetNames() {
		preset, _ := cat.Preset(name)
		for _, k := range preset.KeyEnv {
			env[k] = "sk-the-value-of-" + k
		}
	}
	return env
}

// TestStarter holds the first configuration, with everything found and with
// nothing: it is valid, and holds no value of a key.
func TestStarter(t *testing.T) {
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	engines := enginesFound([]engine.Found{
		{Preset: "ollama", BaseURL: "http://127.0.0.1:11434/v1", Models: []string{"llama3.2:3b", "library/Qwen 2.5"}},
		{Preset: "llama.cpp", BaseURL: "http://127.0.0.1:8080/v1"},
		{Preset: "llama.cpp", BaseURL: "http://127.0.0.1:8081/v1"},
	})
	keys := everyKey(t, cat)
	few := map[string]string{"OPENAI_API_KEY": "sk-the-value-of-it", "ANTHROPIC_API_KEY": "sk-the-other"}
	for name, c := range map[string]struct {
		env     map[string]string
		engines []find
	}{
		"nothing": {}, "few": {env: few, engines: engines}, "everything": {env: keys, engines: engines},
	} {
		t.Run(name, func(t *testing.T) {
			found := append(keysFound(cat, func(k string) string { return c.env[k] }), c.engines...)
			text := starter(found)
			env := app.Env(cat, nil)
			env.LookupEnv = func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }
			cfg, ds := config.Parse("config.yaml", []byte(text), env)
			if len(ds) > 0 {
				t.Fatalf("%s\n%s", ds, text)
			}
			if strings.Contains(text, "sk-the-") {
				t.Errorf("a key's value is in it:\n%s", text)
			}
			if len(cfg.Providers) != 1+len(found) || cfg.Workloads["chat"].Model != "local-small" {
				t.Errorf("%d providers for %d finds", len(cfg.Providers), len(found))
			}
			uncommented(t, text, env)
			if name == "few" {
				golden(t, "testdata/starter.golden.yaml", []byte(text))
			}
		})
	}
}

// uncommented takes the comment marks from the examples: the file must stay
// valid.
func uncommented(t *testing.T, text string, env config.Env) {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "{provider:") || strings.Contains(line, "fallbacks:") || strings.Contains(line, "jurisdiction:") {
			line = strings.Replace(line, "# ", "", 1)
		}
		b.WriteString(line)
	}
	if cfg, ds := config.Parse("config.yaml", []byte(b.String()), env); cfg == nil {
		t.Errorf("with the examples:\n%s\n%s", ds, b.String())
	}
}

// TestOffer asks for each find, and takes yes for the usual answer.
func TestOffer(t *testing.T) {
	found := []find{{name: "a", what: "A"}, {name: "b", what: "B"}, {name: "c", what: "C"}, {name: "d", what: "D"}}
	p, _ := tester()
	p.in = strings.NewReader("\nn\nY\n")
	var got []string
	for _, f := range p.offer(found, false) {
		got = append(got, f.name)
	}
	if want := "a c d"; strings.Join(got, " ") != want {
		t.Errorf("taken: %v, want %s", got, want)
	}
}

// TestFirstConfig writes the file once, and leaves one that is there alone.
func TestFirstConfig(t *testing.T) {
	p, _ := tester()
	p.configFlag = filepath.Join(t.TempDir(), "config.yaml")
	if err := p.firstConfig(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.configFlag)
	if err != nil || !strings.Contains(string(text), "local-small") {
		t.Fatalf("%v\n%s", err, text)
	}
	// What it refers to is there, and an editor finds it.
	line, _, _ := strings.Cut(string(text), "\n")
	schema, found := strings.CutPrefix(line, "# yaml-language-server: $schema=./")
	beside := filepath.Dir(p.configFlag)
	for name, want := range map[string][]byte{schema: freehold.Schema, exampleFile: freehold.Example} {
		if got, err := os.ReadFile(filepath.Join(beside, name)); err != nil || !bytes.Equal(got, want) || !found {
			t.Errorf("%s beside it: %v", name, err)
		}
	}
	if err := os.WriteFile(p.configFlag, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.firstConfig(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(p.configFlag); err != nil || string(text) != "mine" {
		t.Errorf("%v: %s", err, text)
	}
}
