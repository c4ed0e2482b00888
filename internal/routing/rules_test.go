package routing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/fleet"
	"freehold/internal/health"
	"freehold/internal/llm"
	"freehold/internal/routing"
	"freehold/internal/rule"
)

// ruled is a route of model m at a, b and c, with a model "small" at s and rules
// given as "[dry] NAME: CONDITION", all of which lead to small, then m.
func ruled(t testing.TB, rules ...string) *fleet.Route {
	t.Helper()
	reg := health.New(health.Options{Now: func() time.Time { return start }})
	t.Cleanup(reg.Close)
	model := func(name string, providers ...string) *fleet.Model {
		m := &fleet.Model{Name: name, Mode: "chat"}
		for _, p := range providers {
			m.Deployments = append(m.Deployments, &fleet.Deployment{
				Name: name + "@" + p, Model: m, Provider: &fleet.Provider{Name: p}, Path: map[llm.Operation]string{llm.Chat: "/x"},
				Health: reg.Add(health.Spec{ID: name + p, Name: name + "@" + p}),
			})
		}
		return m
	}
	m, small := model("m", "a", "b"), model("small", "s")
	r := &fleet.Route{Workload: "w", Models: []*fleet.Model{m}, Confidence: 0.5}
	names := rule.Names{Targets: []string{"m", "m@a", "m@b", "small"}, Classes: []string{"public"}}
	targets := map[string][]*fleet.Deployment{"m": m.Deployments, "m@a": m.Deployments[:1], "m@b": m.Deployments[1:], "small": small.Deployments}
	for _, text := range rules {
		name, when, _ := strings.Cut(text, ": ")
		name, dry := strings.CutPrefix(name, "dry ")
		c, problems := rule.Compile(when, names)
		if len(problems) > 0 {
			t.Fatalf("%s: %+v", when, problems)
		}
		made := &fleet.Rule{Name: name, Condition: c, Models: []*fleet.Model{small, m}, Dry: dry, Counts: &fleet.RuleCounts{}}
		for _, l := range c.Live() {
			made.Targets = append(made.Targets, targets[l.Target])
		}
		r.Rules = append(r.Rules, made)
	}
	return r
}

func TestRules(t *testing.T) {
	classify := func() routing.Class { return routing.Class{Task: "summarize", Confidence: 0.9, Complexity: 0.2} }
	unsure := func() routing.Class { return routing.Class{Task: "summarize", Confidence: 0.3, Complexity: 0.8} }
	for name, c := range map[string]struct {
		rules []string
		set   func(*routing.Input)
		want  string
	}{
		"none matches": {[]string{"x: turns > 5"}, nil, "m@a > m@b"},
		"one matches":  {[]string{"x: turns > 5", "y: prompt_tokens == 1000"}, nil, "small@s (rule y) > m@a (fallback 1) > m@b (fallback 1) | rule y: prompt_tokens=1000"},
		"the first holds": {[]string{"x: stream", "y: true", "z: true"}, func(in *routing.Input) { in.Facts.Stream = true },
			"small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: stream=true"},
		"dry": {[]string{"dry x: true", "dry y: false"}, nil, "m@a > m@b | dry rule x would match"},
		"dry, then one that holds": {[]string{"dry x: true", "y: true"}, nil,
			"small@s (rule y) > m@a (fallback 1) > m@b (fallback 1) | rule y:  | dry rule x would match"},
		"an error is no match": {[]string{"x: 1 / (turns - turns) > 0", "y: true"}, nil,
			"small@s (rule y) > m@a (fallback 1) > m@b (fallback 1) | rule y:  | rule x failed: at character 3: division by zero"},
		"task": {[]string{`x: task == "summarize" && complexity < 0.5`}, func(in *routing.Input) { in.Classify = classify },
			"small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: task=summarize, complexity=0.20 | task summarize, confidence 0.90, complexity 0.20"},
		"unsure": {[]string{`x: task == "summarize"`}, func(in *routing.Input) { in.Classify = unsure },
			"m@a > m@b | task summarize (unsure), confidence 0.30, complexity 0.80"},
		"nobody can tell": {[]string{`x: task == "summarize"`}, nil, "m@a > m@b | rule x failed: nobody can tell task and complexity here"},
		"language":        {[]string{`x: language == "de"`}, func(in *routing.Input) { in.Language = func() string { return "de" } }, "small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: language=de"},
		"features": {[]string{`x: has_tools && has_images && json`}, func(in *routing.Input) {
			in.Facts.Features = llm.FeatureTools | llm.FeatureImages | llm.FeatureJSONSchema
		}, "small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: has_tools=true, has_images=true, json=true"},
		"caller": {[]string{`x: key == "k" && "t" in tags && "public" in data_class && max_tokens == 5`}, func(in *routing.Input) {
			in.Key, in.Tags, in.Classes, in.Facts.MaxTokens = "k", []string{"s", "t"}, []string{"public"}, 5
		}, "small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: max_tokens=5, key=k, tags=s+t, data_class=public"},
		"time, where we are": {[]string{`x: hour == 23 && day == "mon"`}, func(in *routing.Input) {
			in.Location = time.FixedZone("", 11*3600)
		}, "small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: hour=23, day=mon"},
		"the next day, where we are": {[]string{`x: hour == 2 && day == "tue"`}, func(in *routing.Input) {
			in.Location = time.FixedZone("", 14*3600)
		}, "small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: hour=2, day=tue"},
		"a share": {[]string{`x: draw < 0.1`, `y: draw < 0.3`}, func(in *routing.Input) { in.Draw = func() float64 { return 0.25 } },
			"small@s (rule y) > m@a (fallback 1) > m@b (fallback 1) | rule y: draw=0.2500"},
		"spend": {[]string{`x: spend_today("key") > 5`}, func(in *routing.Input) {
			in.Spend = func(scope string) (float64, bool) { return 7, scope == "key" }
		}, `small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: spend_today("key")=7`},
		"spend that nobody counts": {[]string{`x: spend_today("all") > 5`}, nil, "m@a > m@b | rule x failed: what was spent today is not known"},
		"spend that is not known": {[]string{`x: spend_today("all") > 5`}, func(in *routing.Input) {
			in.Spend = func(string) (float64, bool) { return 0, false }
		}, "m@a > m@b | rule x failed: what was spent today is not known"},
		"health": {[]string{`x: health("m") == "down"`, `y: health("m@a") == "down" && health("m") == "up"`}, func(in *routing.Input) {
			a := in.Route.Models[0].Deployments[0].Health
			for range 5 {
				v := a.Force(start)
				v.End(start, health.Outcome{Result: health.Failure, Cause: "cut"})
			}
		}, `small@s (rule y) > m@a (fallback 1) > m@b (fallback 1) | rule y: health("m@a")=down, health("m")=up`},
		"limited": {[]string{`x: health("small") == "limited"`}, func(in *routing.Input) {
			v := in.Route.Rules[0].Models[0].Deployments[0].Health.Force(start)
			v.End(start, health.Outcome{Result: health.RateLimited, RetryAfter: time.Minute})
		}, `small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: health("small")=limited`},
		"in flight and first token": {[]string{`x: in_flight("m") == 3 && queue("m") == 0 && first_token("m") > 90 && first_token("m") < 110 && first_token("small") == 0`}, func(in *routing.Input) {
			ds := in.Route.Models[0].Deployments
			answer(ds[0], 100*time.Millisecond, 5)
			answer(ds[1], 500*time.Millisecond, 5)
			ds[0].Health.Force(start)
			ds[1].Health.Force(start)
			ds[1].Health.Force(start)
		}, `small@s (rule x) > m@a (fallback 1) > m@b (fallback 1) | rule x: in_flight("m")=3, queue("m")=0, first_token("m")=102, first_token("small")=0`},
	} {
		r := ruled(t, c.rules...)
		in := input(r)
		if c.set != nil {
			c.set(in)
		}
		p := routing.Make(in)
		if diff := cmp.Diff(c.want, p.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		in.Trace = true
		traced := routing.Make(in)
		if order(traced) != order(p) || len(traced.Rulings) != len(r.Rules) {
			t.Errorf("%s: explained, the order is %s with %d rulings", name, order(traced), len(traced.Rulings))
		}
	}
}

// The prompt is looked at only where a rule that is reached asks what is in it,
// and once.
func TestClassifiedOnDemand(t *testing.T) {
	calls := 0
	classify := func() routing.Class { calls++; return routing.Class{Task: "code"} }
	for _, c := range []struct {
		rules []string
		want  int
	}{
		{[]string{"x: turns > 1"}, 0}, {[]string{"x: true", `y: task == "code"`}, 0},
		{[]string{`x: task == "write"`, `y: complexity > 0.5`, `z: confidence > 0.5`}, 1},
	} {
		in := input(ruled(t, c.rules...))
		in.Classify = classify
		calls = 0
		routing.Make(in)
		if calls != c.want {
			t.Errorf("%q: classified %d times, want %d", c.rules, calls, c.want)
		}
	}
	in := input(ruled(t))
	in.Classify, in.Trace = classify, true
	if p := routing.Make(in); p.Class == nil || p.Class.Task != "code" {
		t.Errorf("an explanation without rules has no task: %+v", p.Class)
	}
}

func TestRulings(t *testing.T) {
	r := ruled(t, "bad: 1 / (turns - turns) > 0", "no: turns > 5", "dry maybe: turns == 0", "blind: spend_today(\"all\") > 1", "yes: hour == 12", "late: true")
	in := input(r)
	in.Trace = true
	p := routing.Make(in)
	var got []string
	for _, r := range p.Rulings {
		got = append(got, fmt.Sprint(r.Rule.Name, " ", r.Reached, " ", r.Matched, " ", r.Values, " ", r.Err))
	}
	want := []string{
		"bad true false turns=0 at character 3: division by zero", "no true false turns=0 <nil>", "maybe true true turns=0 <nil>",
		"blind true false  what was spent today is not known", "yes true true hour=12 <nil>", "late false false  <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c := p.Candidates[0]; c.Reason() != "rule yes" || c.Short("workload") != "rule yes" || p.Candidates[1].Short("workload") != "fallback" {
		t.Errorf("reasons %q, %q", c.Reason(), p.Candidates[1].Reason())
	}
	p.Tally()
	p.Tally()
	for i, want := range [][2]int64{{0, 2}, {0, 0}, {2, 0}, {0, 2}, {2, 0}, {0, 0}} {
		if n := r.Rules[i].Counts; n.Matches.Load() != want[0] || n.Errors.Load() != want[1] {
			t.Errorf("%s: %d matches, %d errors; want %v", r.Rules[i].Name, n.Matches.Load(), n.Errors.Load(), want)
		}
	}
}

func TestAffinity(t *testing.T) {
	a := routing.NewAffinity(3, time.Minute)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	a.Answered("w", "1", "m@a", at(0))
	a.Answered("w", "2", "m@b", at(1))
	if got := a.Deployment("w", "1", at(2)); got != "m@a" {
		t.Errorf("stays at %q", got)
	}
	if got := a.Deployment("v", "1", at(2)); got != "" {
		t.Errorf("another workload's conversation stays at %q", got)
	}
	a.Answered("w", "1", "m@c", at(3))
	if got := a.Deployment("w", "1", at(4)); got != "m@c" {
		t.Errorf("moved, and stays at %q", got)
	}
	// The longest quiet go first.
	a.Answered("w", "3", "m@a", at(5))
	a.Answered("w", "4", "m@a", at(6))
	if got := a.Deployment("w", "2", at(7)); got != "" || a.Len() != 3 {
		t.Errorf("the longest quiet stays at %q, %d are remembered", got, a.Len())
	}
	if got := a.Deployment("w", "1", at(63)); got != "m@c" {
		t.Errorf("after a minute less a second: %q", got)
	}
	if got := a.Deployment("w", "1", at(64)); got != "" || a.Len() != 2 {
		t.Errorf("after more than a minute it stays at %q, %d are remembered", got, a.Len())
	}
	a.Answered("w", "5", "m@a", at(1000))
	if a.Len() != 1 {
		t.Errorf("%d are remembered, of which two are long quiet", a.Len())
	}
}

// BenchmarkMake is a decision with ten rules that ask nothing of the prompt's
// meaning, the last of which matches.
func BenchmarkMake(b *testing.B) {
	var rules []string
	for i := range 9 {
		rules = append(rules, fmt.Sprintf(`r%d: prompt_tokens > %d && "x" in tags || hour == %d`, i, 5000+i, i))
	}
	for name, r := range map[string]*fleet.Route{"none": ruled(b), "ten rules": ruled(b, append(rules, "last: prompt_tokens > 10")...)} {
		b.Run(name, func(b *testing.B) {
			in := input(r)
			b.ReportAllocs()
			for b.Loop() {
				p := routing.Make(in)
				if len(p.Candidates) < 2 || p.String() == "" {
					b.Fatal("no plan")
				}
			}
		})
	}
}
