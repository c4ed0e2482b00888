package app

import (
	"reflect"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/judge"
	"freehold/internal/rollout"
)

// TestRolloutPlan: the defaults of the configuration are those of package
// rollout, and what it says stands in the plan.
func TestRolloutPlan(t *testing.T) {
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg, ds := config.Parse("config.yaml", []byte(`
providers: {p: {preset: vllm, base_url: "http://127.0.0.1:1/v1"}}
models: {a: {provider: p}, b: {provider: p}, c: {provider: p}}
workloads: {absent: {model: a}, empty: {model: a}, full: {model: a, approvals: 3}}
rollouts:
  empty: {}
  full:
    to: b
    shadow: {share: 20%, concurrency: 2, queue: 9, budget: 7.50 USD, least: 10, most: 20}
    judge: {kind: pairwise, models: [c], rubric: short, max_text: 100}
    margin: 3%
    gates: {errors: 4%, refusals: 6%, truncations: 7%, feedback: 9%, latency: {percentile: 0, tolerance: 8%}}
    steps: [{share: 30%, for: 1h, samples: 4}, 100%]
    watch: 1h
    manual: true
`), Env(cat, nil))
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	for _, name := range []string{"absent", "empty"} {
		got, to := RolloutPlan(cfg, name)
		want := rollout.Default()
		want.Approvals = 1
		got.Judge.MaxText, got.Judge.Timeout = 0, 0 // said, where the default leaves them to the judge
		if !reflect.DeepEqual(got, want) || to != "" {
			t.Errorf("%s: to %q\n%+v\nwant\n%+v", name, to, got, want)
		}
	}
	got, to := RolloutPlan(cfg, "full")
	want := rollout.Plan{
		Shadow: rollout.Shadow{Share: 0.2, Concurrency: 2, Queue: 9, Budget: decimal.NewNullDecimal(decimal.RequireFromString("7.50")), Least: 10, Most: 20},
		Judge:  rollout.Judge{Spec: judge.Spec{Kind: judge.Pairwise, Rubric: "short", MaxText: 100, Timeout: judge.DefaultTimeout}, Models: []string{"c"}},
		Margin: 0.03, Errors: 0.04, Refusals: 0.06, Truncations: 0.07, Feedback: 0.09, Latency: rollout.Latency{Tolerance: 0.08},
		Steps: []rollout.Step{{Share: 0.3, For: time.Hour, Samples: 4}, {Share: 1, For: 30 * time.Minute, Samples: 50}},
		Watch: time.Hour, Manual: true, Approvals: 3,
	}
	if !reflect.DeepEqual(got, want) || to != "b" {
		t.Errorf("to %q\n%+v\nwant\n%+v", to, got, want)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}
