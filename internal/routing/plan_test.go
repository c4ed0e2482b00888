package routing_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// two models: "m" at two providers, "f" at a third.
func route() *fleet.Route {
	path := map[llm.Operation]string{llm.Chat: "/chat/completions"}
	m, f := &fleet.Model{Name: "m", Mode: "chat"}, &fleet.Model{Name: "f", Mode: "chat"}
	add := func(m *fleet.Model, provider string, context int64, lacks llm.Features) {
		m.Deployments = append(m.Deployments, &fleet.Deployment{
			Name: m.Name + "@" + provider, Model: m, Provider: &fleet.Provider{Name: provider}, Path: path, Context: context, Lacks: lacks, Weight: 1,
		})
	}
	add(m, "a", 1000, 0)
	add(m, "b", 0, llm.FeatureTools)
	add(f, "c", 100_000, 0)
	return &fleet.Route{Models: []*fleet.Model{m, f}}
}

// learned is a way to a model that learns what the model lacks.
type learned struct {
	fleet.Sender
	lacks llm.Features
}

func (l learned) Lacks() llm.Features { return l.lacks }

// What an engine learns of its model counts, unless the configuration knows better.
func TestLearnedFeatures(t *testing.T) {
	none := func(*fleet.Deployment) string { return "" }
	for has, want := range map[llm.Features]string{0: "f@c (fallback 1) | not m@a: lacks tools | not m@b: lacks tools", llm.FeatureTools: "m@a > f@c (fallback 1) | not m@b: lacks tools"} {
		r := route()
		a := r.Models[0].Deployments[0]
		a.Sender, a.Has = learned{lacks: llm.FeatureTools | llm.FeatureLogprobs}, has
		p := routing.Make(&routing.Input{Route: r, Op: llm.Chat, Facts: &llm.Facts{Features: llm.FeatureTools}, Permit: none, Down: none, Pick: fleet.Pick})
		if got := p.String(); got != want {
			t.Errorf("has %v: %s", has, got)
		}
	}
}

func TestMake(t *testing.T) {
	none := func(*fleet.Deployment) string { return "" }
	only := func(name, why string) func(*fleet.Deployment) string {
		return func(d *fleet.Deployment) string {
			if d.Name == name {
				return why
			}
			return ""
		}
	}
	all := func(why string) func(*fleet.Deployment) string {
		return func(*fleet.Deployment) string { return why }
	}
	for name, c := range map[string]struct {
		op           llm.Operation
		features     llm.Features
		prompt       int64
		permit, down func(*fleet.Deployment) string
		budget       func(*fleet.Deployment) string
		want         string
	}{
		"all":             {want: "m@a > m@b > f@c (fallback 1)"},
		"a feature lacks": {features: llm.FeatureTools, want: "m@a > f@c (fallback 1) | not m@b: lacks tools"},
		"a long prompt":   {prompt: 5000, want: "m@b > f@c (fallback 1) | not m@a: the prompt's 5000 tokens or so are over the context of 1000"},
		"perhaps fits":    {prompt: 1250, want: "m@a > m@b > f@c (fallback 1)"}, // it is an estimate
		"does not fit":    {prompt: 1255, want: "m@b > f@c (fallback 1) | not m@a: the prompt's 1255 tokens or so are over the context of 1000"},
		"perimeter":       {permit: only("f@c", "data class x: no"), want: "m@a > m@b | not f@c: data class x: no"},
		"budget":          {budget: only("m@a", "budget x: 5 USD are spent"), want: "m@b > f@c (fallback 1) | not m@a: budget x: 5 USD are spent"},
		"one is down":     {down: only("m@a", "open: cut"), want: "m@b > f@c (fallback 1) | not m@a: open: cut"},
		"all are down":    {down: all("open: cut"), want: "m@a (model, last resort: open: cut) > m@b (model, last resort: open: cut) > f@c (fallback 1, last resort: open: cut)"},
		"nobody may":      {permit: all("no"), want: " | not m@a: no | not m@b: no | not f@c: no"},
		"no such endpoint": {op: llm.Embedding, want: " | not m@a: provider a has no embedding endpoint | not m@b: provider b has no embedding endpoint" +
			" | not f@c: provider c has no embedding endpoint"},
	} {
		in := &routing.Input{Route: route(), Op: llm.Chat, Facts: &llm.Facts{Features: c.features}, PromptTokens: c.prompt, Longest: c.prompt, Permit: none, Down: none, Pick: fleet.Pick}
		if c.budget != nil {
			in.Budget = c.budget
		}
		if c.op != "" {
			in.Op = c.op
		}
		if c.permit != nil {
			in.Permit = c.permit
		}
		if c.down != nil {
			in.Down = c.down
		}
		p := routing.Make(in)
		if diff := cmp.Diff(c.want, p.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, e := range p.Excluded {
			if e.Budget != (name == "budget") {
				t.Errorf("%s: %s excluded by its budget: %v", name, e.Deployment.Name, e.Budget)
			}
			if lacking := name == "a feature lacks"; e.Param != map[bool]string{true: "tools"}[lacking] {
				t.Errorf("%s: %s is excluded for the parameter %q", name, e.Deployment.Name, e.Param)
			}
			if e.Policy != (c.permit != nil && c.down == nil && e.Reason == in.Permit(e.Deployment)) {
				t.Errorf("%s: %s excluded by policy: %v", name, e.Deployment.Name, e.Policy)
			}
		}
		for _, cand := range p.Candidates {
			if cand.LastResort != (name == "all are down") {
				t.Errorf("%s: %s as last resort: %v", name, cand.Name, cand.LastResort)
			}
		}
	}
}
