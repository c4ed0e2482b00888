package config

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// editable shows every style of writing that an edit must leave alone.
const editable = `# head
server:
  listen: "127.0.0.1:4000"   # quoted

  # above auth
  auth: 'none'
  limits: {queue: 1, }
providers:   # p
  openai:    {preset: openai,    api_key: ${env:OPENAI_API_KEY}}    # flow
  base: &base
    preset: ollama

    timeouts: {connect: 1s, idle: 2s, }
  other: {<<: *base, region: eu}
  é: { preset: "ollama", headers: {x-title: 'é ü'} } # wide
models:
  llama-3.1-70b:
    deployments:
      - {provider: openai, id: x}   # first
      - provider: base
        id: y    # second
    context: 8192
    features: {
      tools: true, # t
      images: false
    }
workloads:
    chat:      # four spaces
        model: llama-3.1-70b # the line

        fallbacks:
        - mistral-large-2
        # between
        - phi-4-mini
        data:
    odd: {model: a, aliases: []}

# foot
`

func TestEdit(t *testing.T) {
	type sub struct{ old, new string }
	tests := []struct {
		name, path string
		value      any // nil deletes
		want       sub
	}{
		{"plain", "workloads.chat.model", "phi-4-mini", sub{"model: llama-3.1-70b # the line", "model: phi-4-mini # the line"}},
		{"double quotes stay", "server.listen", "[::1]:4000", sub{`"127.0.0.1:4000"`, `"[::1]:4000"`}},
		{"single quotes stay", "server.auth", "it's", sub{`'none'`, `'it''s'`}},
		{"flow", "providers.openai.preset", "together", sub{"{preset: openai, ", "{preset: together, "}},
		{"reference stays unquoted", "providers.openai.api_key", "${env:OTHER}", sub{"${env:OPENAI_API_KEY}", "${env:OTHER}"}},
		{"needs quotes", "workloads.chat.model", "true", sub{"model: llama-3.1-70b #", `model: "true" #`}},
		{"dotted key unquoted", "models.llama-3.1-70b.context", 4096, sub{"8192", "4096"}},
		{"dotted key quoted", `models."llama-3.1-70b".context`, 4096, sub{"8192", "4096"}},
		{"list item", "workloads.chat.fallbacks.1", "x", sub{"- phi-4-mini", "- x"}},
		{"list item in brackets", "workloads.chat.fallbacks[0]", "x", sub{"- mistral-large-2", "- x"}},
		{"in a list of maps", "models.llama-3.1-70b.deployments[1].id", "z", sub{"id: y    # second", "id: z    # second"}},
		{"append", "workloads.chat.fallbacks.2", "x", sub{"        - phi-4-mini\n", "        - phi-4-mini\n        - x\n"}},
		{"append to empty brackets", "workloads.odd.aliases[0]", "gpt-4o", sub{"aliases: []", "aliases: [gpt-4o]"}},
		{"whole list", "workloads.chat.fallbacks", []string{"a", "b"}, sub{"fallbacks:\n        - mistral-large-2\n        # between\n        - phi-4-mini\n", "fallbacks: [a, b]\n"}},
		{"value where none was", "workloads.chat.data", Names{"public"}, sub{"data:\n", "data: [public]\n"}},
		{"new key in block", "workloads.chat.hold", HoldOff, sub{"        data:\n", "        data:\n        hold: off\n"}},
		{"new key in flow", "workloads.odd.model2", "b", sub{"aliases: []}", "aliases: [], model2: b}"}},
		{"new key after trailing comma", "server.limits.queue_wait", 90 * time.Second, sub{"{queue: 1, }", "{queue: 1, queue_wait: 1m30s, }"}},
		{"new parents", "workloads.new.timeouts.total", time.Hour, sub{"aliases: []}\n", "aliases: []}\n    new: {timeouts: {total: 1h}}\n"}},
		{"new top key", "retries.max", 2, sub{"\n# foot\n", "retries: {max: 2}\n\n# foot\n"}},
		{"nothing is no value", "data_classes", map[string]any{"eu": map[string]any{"jurisdictions": []string{"EU"}}, "a b": nil}, sub{}},
		{"own key over a merged one", "providers.other.preset", "vllm", sub{"region: eu}", "region: eu, preset: vllm}"}},
		{"delete line", "models.llama-3.1-70b.context", nil, sub{"    context: 8192\n", ""}},
		{"delete in flow", "providers.openai.preset", nil, sub{"{preset: openai,    api_key", "{api_key"}},
		{"delete last in flow", "workloads.odd.aliases", nil, sub{", aliases: []", ""}},
		{"delete list item", "workloads.chat.fallbacks[0]", nil, sub{"        - mistral-large-2\n", ""}},
		{"delete first of an item", "models.llama-3.1-70b.deployments[1].provider", nil, sub{"- provider: base\n        id: y", "- id: y"}},
		{"delete block", "workloads.chat", nil, sub{editable[strings.Index(editable, "    chat:"):strings.Index(editable, "    odd:")], ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			var err error
			if tt.value == nil {
				got, err = Delete([]byte(editable), tt.path)
			} else {
				got, err = Edit([]byte(editable), tt.path, tt.value)
			}
			if tt.want == (sub{}) {
				if err == nil {
					t.Fatalf("want an error, got:\n%s", cmp.Diff(editable, string(got)))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(editable, tt.want.old) != 1 {
				t.Fatalf("the test's place is not unique: %q", tt.want.old)
			}
			if diff := cmp.Diff(strings.Replace(editable, tt.want.old, tt.want.new, 1), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			crlf := strings.ReplaceAll(editable, "\n", "\r\n")
			if tt.value == nil {
				got, err = Delete([]byte("\uFEFF"+crlf), tt.path)
			} else {
				got, err = Edit([]byte("\uFEFF"+crlf), tt.path, tt.value)
			}
			want := "\uFEFF" + strings.ReplaceAll(strings.Replace(editable, tt.want.old, tt.want.new, 1), "\n", "\r\n")
			if err != nil || string(got) != want {
				t.Errorf("with CRLF and byte order mark: %v\n%s", err, cmp.Diff(want, string(got)))
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		src, path string
		value     any
		want      string
	}{
		"shared through an anchor": {editable, "providers.base.preset", "vllm", "shared through an anchor"},
		"below a scalar":           {editable, "server.listen.port", 1, "below a single value"},
		"list index too far":       {editable, "workloads.chat.fallbacks[7]", "x", "has 2 items"},
		"secret in the clear":      {editable, "server.admin_key", NewSecret("hunter22"), "reference"},
		"broken file":              {"a: [", "a", 1, "while it is broken"},
		"bad path":                 {editable, "a..b", 1, "is not a path"},
		"no path":                  {editable, "", 1, "needs a path"},
		"odd value":                {editable, "a", struct{}{}, "cannot be written"},
		"mixed line ends":          {"a: 1\r\nb: 2\n", "a", 1, "mixes line ends"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Edit([]byte(tt.src), tt.path, tt.value)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter22") {
				t.Error("the error shows the secret")
			}
		})
	}
	if _, err := Delete([]byte(editable), "workloads.nobody"); !errors.Is(err, ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

func TestEditEmptyFile(t *testing.T) {
	for src, want := range map[string]string{
		"":               "state: sqlite:x\n",
		"# c\n":          "# c\nstate: sqlite:x\n",
		"# c":            "# c\nstate: sqlite:x\n",
		"a: 1":           "a: 1\nstate: sqlite:x",
		"workloads:\n":   "workloads:\nstate: sqlite:x\n",
		"{}\n":           "{state: sqlite:x}\n",
		"---\na: 1\n...": "---\na: 1\nstate: sqlite:x\n...",
	} {
		got, err := Edit([]byte(src), "state", "sqlite:x")
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v; want %q", src, got, err, want)
		}
	}
}

// scalars lists every place of the tree that holds a written single value.
func scalars(e *entry, path []string, out map[string]*entry) {
	for _, c := range e.value.entries {
		p := slices.Concat(path, []string{c.key})
		if c.value.kind == kindScalar && !c.merged && c.start == c.value.start {
			out[JoinPath(p...)] = c
		}
		scalars(c, p, out)
	}
}

func sources(t *testing.T) []string {
	out := []string{editable}
	for _, f := range []string{"design.good.yml", "merge.good.yml", "warnings.good.yml"} {
		src, err := os.ReadFile("testdata/" + f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(src))
	}
	return out
}

// TestEditAndBack: an edit changes one line, and editing back gives the
// original bytes; so does deleting what was inserted.
func TestEditAndBack(t *testing.T) {
	srcs := sources(t)
	rapid.Check(t, func(rt *rapid.T) {
		src := rapid.SampledFrom(srcs).Draw(rt, "src")
		doc := parse([]byte(src), &report{})
		places := map[string]*entry{}
		scalars(doc.root, nil, places)
		path := rapid.SampledFrom(slices.Sorted(maps.Keys(places))).Draw(rt, "path")
		text := rapid.StringMatching(`[a-z][a-z0-9./-]{0,12}[a-z0-9]`).Draw(rt, "text")
		there, err := Edit([]byte(src), path, text)
		if err != nil {
			if strings.Contains(err.Error(), "shared through an anchor") {
				return
			}
			rt.Fatal(err)
		}
		a, b := strings.Split(src, "\n"), strings.Split(string(there), "\n")
		differ := 0
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				differ++
			}
		}
		if len(a) != len(b) || differ > 1 {
			rt.Fatalf("%s: %d lines differ", path, differ)
		}
		back, err := Edit(there, path, scalarValue(places[path].value))
		if err != nil || string(back) != src {
			rt.Fatalf("%s: %v\n%s", path, err, cmp.Diff(src, string(back)))
		}
	})
}

func scalarValue(n *node) any {
	if n.typ == typeInt && !n.quoted {
		if i, err := strconv.Atoi(n.text); err == nil {
			return i
		}
	}
	if n.typ == typeBool {
		return n.text == "true"
	}
	return n.text
}

func TestInsertAndDelete(t *testing.T) {
	srcs := sources(t)
	rapid.Check(t, func(rt *rapid.T) {
		src := rapid.SampledFrom(srcs).Draw(rt, "src")
		doc := parse([]byte(src), &report{})
		var holders []string
		var walk func(e *entry, path []string)
		walk = func(e *entry, path []string) {
			for _, c := range e.value.entries {
				p := slices.Concat(path, []string{c.key})
				if c.value.kind == kindMap && !c.merged {
					holders = append(holders, JoinPath(p...))
				}
				walk(c, p)
			}
		}
		walk(doc.root, nil)
		path := rapid.SampledFrom(append(holders, "")).Draw(rt, "in")
		path = strings.TrimPrefix(path+".fresh", ".")
		there, err := Edit([]byte(src), path, rapid.String().Draw(rt, "text"))
		if err != nil {
			if strings.Contains(err.Error(), "shared through an anchor") || strings.Contains(err.Error(), "cannot be written") {
				return
			}
			rt.Fatal(err)
		}
		back, err := Delete(there, path)
		if err != nil || string(back) != src {
			rt.Fatalf("%s: %v\n%s", path, err, cmp.Diff(src, string(back)))
		}
	})
}
