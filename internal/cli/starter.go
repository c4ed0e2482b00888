package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"freehold/internal/catalog"
	"freehold/internal/engine"
)

// find is a provider that was found on this machine.
type find struct {
	name     string // under providers
	provider string // its YAML, in one line
	what     string // for the question
	models   []string
	owns     []string // beginnings of model names that go there by themselves
}

// keysFound are the vendors whose API key is in the environment. Engines and
// endpoints that have an address of their own are not among them: a key alone
// does not say where they are.
func keysFound(cat *catalog.Catalog, getenv func(string) string) []find {
	var out []find
	for _, name := range cat.PresetNames() {
		preset, ok := cat.Preset(name)
		if !ok || preset.KeyOptional || preset.BaseURL == "" || len(preset.Placeholders()) > 0 {
			continue
		}
		i := slices.IndexFunc(preset.KeyEnv, func(env string) bool { return getenv(env) != "" })
		if i < 0 {
			continue
		}
		env := preset.KeyEnv[i]
		out = append(out, find{
			name: plain(name), provider: fmt.Sprintf("{preset: %s, api_key: \"${env:%s}\"}", name, env),
			what: fmt.Sprintf("%s (by the key in %s)", preset.Title, env), owns: preset.Owns,
		})
	}
	return out
}

// enginesFound are the engines that run on this machine.
func enginesFound(running []engine.Found) []find {
	var out []find
	seen := map[string]int{}
	for _, f := range running {
		name := plain(f.Preset)
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name])
		}
		out = append(out, find{
			name: name, provider: fmt.Sprintf("{preset: %s, base_url: %q}", f.Preset, f.BaseURL),
			what: fmt.Sprintf("the %s that runs at %s", f.Preset, f.BaseURL), models: f.Models,
		})
	}
	return out
}

// plain is a name without dots, which a path into the configuration would have
// to quote.
func plain(name string) string { return strings.ReplaceAll(name, ".", "-") }

// offer asks which of what was found to take; with yes it takes all, and says so.
func (p *program) offer(found []find, yes bool) []find {
	var taken []find
	answers := bufio.NewScanner(p.in)
	for _, f := range found {
		if yes {
			fmt.Fprintf(p.err, "found %s: included\n", f.what)
			taken = append(taken, f)
			continue
		}
		fmt.Fprintf(p.err, "found %s: include it? [Y/n] ", f.what)
		answer := ""
		if answers.Scan() {
			answer = strings.ToLower(strings.TrimSpace(answers.Text()))
		}
		if answer == "" || strings.HasPrefix(answer, "y") {
			taken = append(taken, f)
		}
	}
	return taken
}

// The files beside the first configuration: it refers to both.
const (
	schemaFile  = "config.schema.json"
	exampleFile = "config.example.yaml"
)

// starter is the first configuration.
func starter(found []find) string {
	var b strings.Builder
	b.WriteString(`# yaml-language-server: $schema=./` + schemaFile + `
#
# What freehold serves, and who answers. Written by "freehold up"; it is yours now.
# A running freehold takes changes of this file into use by itself, and never a
# broken one: "freehold check" says what is wrong. Every key there is, explained:
# ` + exampleFile + `. Editors know them by the first line.

server:
  listen: 127.0.0.1:4000       # another address needs auth: keys (freehold keys create NAME)
  auth: none                   # none: this machine only | keys: virtual keys
  # jurisdiction: EU           # whose law binds this machine; until it is said, data classes that ask for one exclude its models
  unknown_models: relay        # a vendor's own model name goes to its provider, if that is configured

providers:
  local: {engine: llama.cpp}   # a process that freehold starts, watches and stops
`)
	for _, f := range found {
		fmt.Fprintf(&b, "  %s: %s\n", f.name, f.provider)
		if len(f.owns) > 0 {
			fmt.Fprintf(&b, "  #   its own model names (%s...) work as they are, through this gateway\n", strings.Join(first(f.owns, 3), "..., "))
		}
	}
	fmt.Fprintf(&b, `
models:
  # A small model (SmolLM2-135M-Instruct, Apache-2.0) that shows that all works.
  # Put a better one in its place: source: hf:ORG/REPO/FILE.gguf, without features.
  # This one knows no tools: who sends some is told so, or a fallback is asked.
  local-small: {provider: local, source: %q, features: {tools: false}}
`, engine.DefaultSource)
	for _, f := range found {
		for _, m := range first(f.models, 5) {
			fmt.Fprintf(&b, "  # %s: {provider: %s, id: %q}\n", example(f, m), f.name, m)
		}
		if len(f.models) == 0 {
			fmt.Fprintf(&b, "  # %s: {provider: %s, id: %q}\n", example(f, ""), f.name, "its name of the model")
		}
	}
	b.WriteString(`
workloads:
  chat:                        # what applications send as "model"
    model: local-small         # the one line to edit to switch models
`)
	var others []string
	for _, f := range found {
		m := ""
		if len(f.models) > 0 {
			m = f.models[0]
		}
		others = append(others, example(f, m))
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, "    # fallbacks: [%s]   # models asked in this order when it fails\n", strings.Join(others, ", "))
	}
	return b.String()
}

// example is a name of ours for a model at a provider.
func example(f find, model string) string {
	if model == "" {
		return f.name + "-model"
	}
	name := strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return '-'
	}, name)
}

func first(s []string, n int) []string { return s[:min(n, len(s))] }
