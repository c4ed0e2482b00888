package portability_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold/internal/app"
	"freehold/internal/app/apptest"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/portability"
)

const config = `
providers:
  open: {preset: vllm, base_url: "http://127.0.0.1:9/v1", probe: {enabled: false}}
  spare: {preset: vllm, base_url: "http://127.0.0.1:9/v1", probe: {enabled: false}}
  claude: {preset: anthropic, base_url: "http://127.0.0.1:9", api_key: k, probe: {enabled: false}}
models:
  now: {provider: open}
  llama: {deployments: [{provider: open, context: 1000, features: {images: false}}, {provider: spare, context: 500, features: {images: false, tools: false}}]}
  sonnet: {provider: claude, id: claude-sonnet-4-20250514}
  vectors: {provider: open, mode: embedding}
workloads:
  w: {model: now, variants: {sonnet: {strip: [seed]}, llama: {system: "Four letters", system_mode: append}}}
  bare: {model: now}
`

// world is a configuration, and a check of rows against one of its models.
type world struct{ fleet *fleet.Fleet }

func newWorld(t *testing.T) world {
	t.Helper()
	return world{apptest.Start(t, "server: {listen: 127.0.0.1:0}"+config).App.Fleet()}
}

func (w world) check(workload, model string, drop bool, permit func(*fleet.Deployment) string, rows ...*ledger.Row) portability.Report {
	var t portability.Traffic
	for _, r := range rows {
		t.Add(r)
	}
	return portability.Check(&t, &portability.Target{Model: w.fleet.Models[model], Route: w.fleet.Workloads[workload], Codecs: app.Codecs(), Drop: drop, Permit: permit})
}

// row is a request that used features and parameters.
func row(dialect string, names ...string) *ledger.Row {
	r := &ledger.Row{
		Time: time.Unix(1_800_000_000, 0), Dialect: dialect, Operation: string(llm.Chat), Outcome: ledger.OK, ProviderModel: "gpt-4o",
		Attempts: []ledger.Attempt{{Tokens: ledger.Tokens{In: 100, Out: 20}}},
	}
	for _, n := range names {
		if slices.Contains((^llm.Features(0)).Names(), n) {
			r.Features = append(r.Features, n)
		} else {
			r.Parameters = append(r.Parameters, n)
		}
	}
	return r
}

func find(t *testing.T, r portability.Report, kind, name string) portability.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Kind == kind && f.Name == name {
			return f
		}
	}
	t.Errorf("nothing is found of %s %s in %+v", kind, name, r.Findings)
	return portability.Finding{}
}

// From OpenAI's API to Anthropic's: what breaks and what changes is what the codecs
// do, with its counts.
func TestAcrossDialects(t *testing.T) {
	w := newWorld(t)
	rows := []*ledger.Row{
		row("openai", "tools", "temperature"), row("openai", "tools", "n"), row("openai", "logprobs", "seed"), row("openai", "cache_control", "frequency_penalty"),
		row("anthropic", "thinking", "top_k"), row("openai"),
	}
	r := w.check("w", "sonnet", false, nil, rows...)
	for _, c := range []struct {
		kind, name string
		requests   int64
		severity   portability.Severity
		what       string
	}{
		{portability.Feature, "n", 1, portability.Breaks, "no equivalent"},
		{portability.Feature, "logprobs", 1, portability.Breaks, "no equivalent"},
		{portability.Parameter, "frequency_penalty", 1, portability.Breaks, "no equivalent"},
		{portability.Feature, "seed", 1, portability.Changes, "left out: seed (by the variant)"},
		{portability.Feature, "thinking", 1, portability.Changes, "in its own way"},
		{portability.Feature, "tools", 2, portability.Fine, ""},
		{portability.Parameter, "temperature", 1, portability.Fine, ""},
		{portability.Parameter, "top_k", 1, portability.Fine, ""},
		{portability.Operation, "chat", 6, portability.Fine, ""},
	} {
		f := find(t, r, c.kind, c.name)
		if f.Requests != c.requests || f.Severity != c.severity || !strings.Contains(f.What, c.what) || c.severity != portability.Fine && f.Do == "" {
			t.Errorf("want %+v, got %+v", c, f)
		}
		if want := float64(c.requests) / 6; f.Share != want {
			t.Errorf("%s: share %f, want %f", c.name, f.Share, want)
		}
	}
	if r.Requests != 6 || r.Broken != 3 {
		t.Errorf("%d of %d requests break, want 3 of 6", r.Broken, r.Requests)
	}
	if !slices.IsSortedFunc(r.Findings, func(a, b portability.Finding) int {
		order := []portability.Severity{portability.Breaks, portability.Changes, portability.Fine}
		return slices.Index(order, a.Severity) - slices.Index(order, b.Severity)
	}) {
		t.Errorf("not the worst first: %+v", r.Findings)
	}
	// Advice is of what can be done: nothing takes out twice, and no variant takes out n.
	for name, want := range map[string]string{
		"seed": "see whether the application misses it", "logprobs": "with strip: in a variant for this model",
		"n": "in the application or with server.drop_unsupported",
	} {
		if f := find(t, r, portability.Feature, name); !strings.Contains(f.Do, want) || (name != "logprobs" && strings.Contains(f.Do, "strip")) {
			t.Errorf("%s: %q, want %q", name, f.Do, want)
		}
	}
	// Where unsupported parameters are left out, they change what is asked and break nothing.
	if r := w.check("w", "sonnet", true, nil, rows...); r.Broken != 0 || find(t, r, portability.Feature, "n").What != "left out: n" {
		t.Errorf("%d break: %+v", r.Broken, r.Findings)
	}
	// Without the variant the seed is refused.
	if f := find(t, w.check("bare", "sonnet", false, nil, rows...), portability.Feature, "seed"); f.Severity != portability.Breaks {
		t.Errorf("%+v", f)
	}
}

// What the configuration knows of deployments counts: the best that may be asked
// answers, and where some cannot, fewer are left.
func TestDeployments(t *testing.T) {
	w := newWorld(t)
	rows := []*ledger.Row{row("openai", "tools"), row("openai", "images"), row("anthropic", "images"), row("openai", "temperature")}
	r := w.check("bare", "llama", false, nil, rows...)
	if f := find(t, r, portability.Feature, "images"); f.Severity != portability.Breaks || f.Requests != 2 || !strings.Contains(f.What, "llama@open: lacks images; llama@spare: lacks images") {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, portability.Feature, "tools"); f.Severity != portability.Changes || !strings.Contains(f.What, "fewer deployments are left: llama@spare: lacks tools") {
		t.Errorf("%+v", f)
	}
	inside := func(d *fleet.Deployment) string {
		if d.Provider.Name == "open" {
			return "is not inside"
		}
		return ""
	}
	r = w.check("bare", "llama", false, inside, rows...)
	if f := find(t, r, portability.Feature, "tools"); f.Severity != portability.Breaks {
		t.Errorf("the one that may be asked has no tools: %+v", f)
	}
	if f := find(t, r, portability.Perimeter, ""); f.Severity != portability.Changes || f.Requests != 4 {
		t.Errorf("%+v", f)
	}
	nowhere := func(*fleet.Deployment) string { return "is not inside" }
	if f := find(t, w.check("bare", "llama", false, nowhere, rows...), portability.Perimeter, ""); f.Severity != portability.Breaks {
		t.Errorf("%+v", f)
	}
}

func TestLengths(t *testing.T) {
	w := newWorld(t)
	sized := func(in, out int64) *ledger.Row {
		r := row("openai")
		r.Attempts[0].Tokens = ledger.Tokens{In: in, Out: out}
		return r
	}
	rows := []*ledger.Row{sized(100, 10), sized(990, 10), sized(990, 11), sized(2000, 0), sized(750, 60)}
	r := w.check("bare", "llama", false, nil, rows...)
	over, near := portability.Finding{}, portability.Finding{}
	for _, f := range r.Findings {
		switch {
		case f.Kind == portability.Context && f.Severity == portability.Breaks:
			over = f
		case f.Kind == portability.Context:
			near = f
		}
	}
	if over.Requests != 2 || over.Name != "1000" || near.Requests != 2 || !strings.Contains(over.What, "990 tokens at the median") {
		t.Errorf("over %+v, near %+v", over, near)
	}
	// The variant's system prompt is three tokens longer.
	r = w.check("w", "llama", false, nil, rows...)
	for _, f := range r.Findings {
		if f.Kind == portability.Context && f.Severity == portability.Breaks && f.Requests != 3 {
			t.Errorf("with the variant's prompt: %+v", f)
		}
	}
	if f := find(t, w.check("bare", "now", false, nil, rows...), portability.Context, "unknown"); f.Severity != portability.Changes {
		t.Errorf("%+v", f)
	}
}

func TestTuningLanguagesOperations(t *testing.T) {
	w := newWorld(t)
	german, english, tuned, counted, refused := row("openai"), row("openai"), row("openai"), row("anthropic"), row("openai", "n")
	german.Language, english.Language, tuned.ProviderModel = "de", "en", "ft:gpt-4o-mini-2024-07-18:acme::abc"
	counted.Operation, refused.Outcome = string(llm.CountTokens), ledger.ClientError
	embeds := row("openai")
	embeds.Operation = string(llm.Embedding)
	r := w.check("bare", "llama", false, nil, german, english, tuned, counted, refused, embeds)
	if r.Requests != 5 {
		t.Errorf("%d requests: what the client got wrong does not count", r.Requests)
	}
	if f := find(t, r, portability.Language, "de"); f.Severity != portability.Changes || f.Share != 0.5 {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, portability.Language, "en"); f.Severity != portability.Fine {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, portability.Tuning, "ft:gpt-4o-mini-2024-07-18:acme::abc"); f.Severity != portability.Breaks || f.Requests != 1 {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, portability.Operation, "count_tokens"); f.Severity != portability.Changes {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, portability.Operation, "embedding"); f.Severity != portability.Breaks || r.Broken != 1 {
		t.Errorf("%+v, %d broken", f, r.Broken)
	}
}

// Every feature and parameter that the ledger keeps has a sample in OpenAI's API,
// and each sample is one: the door sees in it what it stands for.
func TestSamples(t *testing.T) {
	names := append((^llm.Features(0)).Names(), (^llm.Parameters(0)).Names()...)
	for _, dialect := range []string{"openai", "anthropic"} {
		codec := app.Codecs()[dialect]
		for _, name := range names {
			seen, kind := false, portability.Parameter
			if slices.Contains((^llm.Features(0)).Names(), name) {
				kind = portability.Feature
			}
			for _, op := range []llm.Operation{llm.Chat, llm.Completion, llm.Embedding} {
				text := portability.Sample(dialect, string(op), kind, name)
				if text == "" {
					continue
				}
				b, err := codec.Read(op, []byte(text))
				if err != nil {
					continue // no request of this operation
				}
				seen = seen || slices.Contains(append(b.Facts.Features.Names(), b.Facts.Parameters.Names()...), name)
				b.Release()
			}
			if !seen && name != "other" && dialect == "openai" {
				t.Errorf("%s has no sample of %s", dialect, name)
			}
			if text := portability.Sample(dialect, "chat", kind, name); text != "" && !seen {
				t.Errorf("%s: the sample of %s is none: %s", dialect, name, text)
			}
		}
	}
}

// So many kinds of requests as there may be: none is lost.
func TestManyShapes(t *testing.T) {
	w := newWorld(t)
	var rows []*ledger.Row
	for i := range 6000 {
		r := row("openai", "tools")
		r.Parameters = []string{fmt.Sprint("p", i)}
		rows = append(rows, r)
	}
	if f := find(t, w.check("bare", "now", false, nil, rows...), portability.Feature, "tools"); f.Requests != 6000 {
		t.Errorf("%+v", f)
	}
}
