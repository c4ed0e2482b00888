package routing_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/config"
	"freehold/internal/fleet"
	"freehold/internal/health"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

var start = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// balanced is a model at three providers, each with its own health.
func balanced(t *testing.T, by fleet.Balance) (*fleet.Route, []*fleet.Deployment) {
	t.Helper()
	reg := health.New(health.Options{Now: func() time.Time { return start }})
	t.Cleanup(reg.Close)
	m := &fleet.Model{Name: "m", Mode: "chat", Balance: by}
	for _, p := range []string{"a", "b", "c"} {
		d := &fleet.Deployment{
			Name: "m@" + p, Model: m, Provider: &fleet.Provider{Name: p}, Path: map[llm.Operation]string{llm.Chat: "/x"}, Weight: 1,
			Health: reg.Add(health.Spec{ID: p, Name: "m@" + p}),
		}
		m.Deployments = append(m.Deployments, d)
	}
	return &fleet.Route{Models: []*fleet.Model{m}, Workload: "w"}, m.Deployments
}

func none(*fleet.Deployment) string { return "" }

func input(r *fleet.Route) *routing.Input {
	return &routing.Input{Route: r, Op: llm.Chat, Facts: &llm.Facts{}, Now: start, PromptTokens: 1000, Permit: none, Down: none,
		Pick: rand.New(rand.NewPCG(1, 2)).IntN}
}

// answer lets a deployment answer n times.
func answer(d *fleet.Deployment, first time.Duration, n int) {
	for range n {
		a := d.Health.Force(start)
		a.End(start, health.Outcome{Result: health.Success, FirstToken: first, Total: 2 * first})
	}
}

// firsts counts who is asked first in so many plans.
func firsts(in *routing.Input, plans int) map[string]int {
	n := map[string]int{}
	for range plans {
		p := routing.Make(in)
		n[p.Candidates[0].Name]++
	}
	return n
}

func order(p routing.Plan) string {
	var names []string
	for _, c := range p.Candidates {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// Weights order by chance without ever losing or doubling a deployment.
func TestWeighted(t *testing.T) {
	r, ds := balanced(t, fleet.Weighted)
	ds[0].Weight, ds[1].Weight, ds[2].Weight = 3, 1, 0
	in := input(r)
	n := firsts(in, 4000)
	if n["m@c"] != 0 || n["m@a"] < 2800 || n["m@a"] > 3200 {
		t.Errorf("first %v, want 3 to 1 to 0", n)
	}
	for range 20 {
		p := routing.Make(in)
		names := strings.Fields(order(p))
		slices.Sort(names)
		if strings.Join(names, " ") != "m@a m@b m@c" {
			t.Fatalf("candidates %v", names)
		}
	}
	ds[0].Weight, ds[1].Weight = 0, 0
	if got := order(routing.Make(in)); got != "m@a m@b m@c" {
		t.Errorf("without any weight: %s", got)
	}
}

func TestLeastLatency(t *testing.T) {
	r, ds := balanced(t, fleet.LeastLatency)
	in := input(r)
	if n := firsts(in, 300); n["m@a"] < 60 || n["m@b"] < 60 || n["m@c"] < 60 {
		t.Errorf("with nothing known, first %v, want each by chance", n)
	}
	answer(ds[0], 300*time.Millisecond, 20)
	answer(ds[1], 100*time.Millisecond, 20)
	answer(ds[2], 800*time.Millisecond, 20)
	in.Trace = true
	p := routing.Make(in)
	if got := order(p); got != "m@b m@a m@c" {
		t.Errorf("order %s", got)
	}
	if got := p.Candidates[0].Reason(); !strings.HasPrefix(got, "model, first content in 1") {
		t.Errorf("reason %q", got)
	}
	in.Trace = false
	// Who is slow is still asked first now and then, or nobody would learn
	// that it is fast again.
	if n := firsts(in, 5000); n["m@b"] < 4800 || n["m@a"]+n["m@c"] < 30 {
		t.Errorf("first %v", n)
	}
	answer(ds[0], 100*time.Millisecond, 2000)
	if n := firsts(in, 1000); n["m@a"] < 350 || n["m@b"] < 350 {
		t.Errorf("equals: first %v", n)
	}
	answer(ds[2], 10*time.Millisecond, 0)
	in.Now = start.Add(time.Hour) // all of it is forgotten
	if n := firsts(in, 300); n["m@a"] < 60 || n["m@b"] < 60 || n["m@c"] < 60 {
		t.Errorf("an hour later, first %v, want each by chance", n)
	}
}

func TestLeastBusy(t *testing.T) {
	r, ds := balanced(t, fleet.LeastBusy)
	in := input(r)
	for range 4 {
		ds[0].Health.Force(start)
	}
	ds[1].Health.Force(start)
	ds[1].Health.Force(start)
	p := routing.Make(in)
	if got := order(p); got != "m@c m@b m@a" {
		t.Errorf("order %s", got)
	}
	if got := p.Candidates[2].Reason(); got != "model, load 4" {
		t.Errorf("reason %q", got)
	}
	ds[0].Weight = 4 // it has four times the room
	if got := order(routing.Make(in)); got != "m@c m@a m@b" {
		t.Errorf("with weights: order %s", got)
	}
}

func TestCheapest(t *testing.T) {
	r, ds := balanced(t, fleet.Cheapest)
	price := func(d *fleet.Deployment, in, out string) {
		d.SetPrice(decimal.RequireFromString(in).Shift(-6), decimal.RequireFromString(out).Shift(-6))
	}
	price(ds[1], "1", "20") // 1000 in and 256 out: 0.00612
	price(ds[2], "5", "1")  // 0.005256
	in := input(r)
	p := routing.Make(in)
	if got := order(p); got != "m@c m@b m@a" {
		t.Errorf("order %s", got)
	}
	if plan := p.String(); !strings.Contains(plan, " USD) > ") || !strings.Contains(plan, "(model, about 0.0") {
		t.Errorf("the plan on record does not say why: %s", plan)
	}
	if got := p.Candidates[0].Reason(); got != "model, about 0.00526 USD" {
		t.Errorf("reason %q", got)
	}
	if got := p.Candidates[2].Reason(); got != "model, last: price unknown" {
		t.Errorf("reason %q", got)
	}
	in.Facts.MaxTokens = 10 // short answers: what goes in decides
	if got := order(routing.Make(in)); got != "m@b m@c m@a" {
		t.Errorf("short answers: order %s", got)
	}
}

// A conversation stays where it was, whatever the balance says, unless who
// answered it is down, may not answer, or misses the SLO.
func TestStays(t *testing.T) {
	for _, by := range []fleet.Balance{fleet.Weighted, fleet.LeastLatency, fleet.LeastBusy, fleet.Cheapest} {
		r, ds := balanced(t, by)
		ds[2].Health.Force(start)
		in := input(r)
		in.Stays = "m@c"
		if n := firsts(in, 200); n["m@c"] != 200 {
			t.Errorf("%s: first %v", by, n)
		}
		p := routing.Make(in)
		if c := p.Candidates[0]; c.Reason() != "model, stays: conversation" || c.Short("workload") != "workload, same conversation" {
			t.Errorf("%s: reasons %q, %q", by, c.Reason(), c.Short("workload"))
		}
		if got := p.String(); !strings.HasPrefix(got, "m@c (model, stays: conversation) > m@") {
			t.Errorf("%s: %s", by, got)
		}
		in.Down = func(d *fleet.Deployment) string {
			if d == ds[2] {
				return "open: cut"
			}
			return ""
		}
		if n := firsts(in, 200); n["m@c"] != 0 {
			t.Errorf("%s: first while it is down %v", by, n)
		}
	}
	r, _ := balanced(t, fleet.Priority)
	in := input(r)
	in.Stays = "m@c"
	if got := order(routing.Make(in)); got != "m@a m@b m@c" {
		t.Errorf("by priority: order %s", got)
	}
}

func TestSLO(t *testing.T) {
	r, ds := balanced(t, fleet.Priority)
	r.SLO = fleet.NewSLO(&config.SLO{FirstToken: 300 * time.Millisecond, Percentile: 90}, r)
	in := input(r)
	in.Pick = func(n int) int { return n - 1 } // no probe
	note := func(d *fleet.Deployment, at time.Time, first time.Duration, n int) {
		for range n {
			r.SLO.Note(d, at, first, 0)
		}
	}
	note(ds[0], start, time.Second, 9)
	if got := order(routing.Make(in)); got != "m@a m@b m@c" {
		t.Errorf("nine answers say nothing yet: order %s", got)
	}
	note(ds[0], start, time.Second, 1)
	note(ds[1], start, 100*time.Millisecond, 50)
	p := routing.Make(in)
	if got := order(p); got != "m@b m@c m@a" {
		t.Errorf("one is late: order %s", got)
	}
	late := p.Candidates[2]
	if got := late.Reason(); !strings.HasPrefix(got, "model, last: p90 of the first token is 1.0") || !strings.HasSuffix(got, "over the SLO of 300ms") {
		t.Errorf("reason %q", got)
	}
	if late.Short("workload") != "workload, over slo" || late.LastResort {
		t.Errorf("%+v", late)
	}
	// One in twenty, half of what p90 lets be slow, is asked first to see
	// whether it has become faster; never by an explanation.
	in.Pick = rand.New(rand.NewPCG(3, 4)).IntN
	n := firsts(in, 4000)
	if n["m@a"] < 140 || n["m@a"] > 260 {
		t.Errorf("first %v, want one in twenty for m@a", n)
	}
	in.Trace = true
	if n := firsts(in, 500); n["m@a"] != 0 {
		t.Errorf("explained: first %v", n)
	}
	in.Trace = false
	in.Pick = func(int) int { return 0 }
	p = routing.Make(in)
	if c := p.Candidates[0]; c.Name != "m@a" || c.Short("workload") != "workload, slo probe" || !strings.HasPrefix(c.Reason(), "model, tried again: p90") || len(p.Candidates) != 3 {
		t.Errorf("probe: %s: %q", order(p), p.Candidates[0].Reason())
	}
	in.Pick = func(n int) int { return n - 1 }
	// All are late: then the order is as without an SLO, and nobody is left out.
	note(ds[1], start, time.Second, 1000)
	note(ds[2], start, time.Second, 1000)
	if got := order(routing.Make(in)); got != "m@a m@b m@c" {
		t.Errorf("all are late: order %s", got)
	}
	// It is fast again, and what it was fades.
	note(ds[0], start.Add(4*time.Minute), 50*time.Millisecond, 20)
	in.Now = start.Add(4 * time.Minute)
	if got := order(routing.Make(in)); got != "m@a m@b m@c" {
		t.Errorf("recovered: order %s", got)
	}
	if p := routing.Make(in); p.Candidates[0].Reason() != "model" || !strings.Contains(p.Candidates[1].Reason(), "over the SLO") {
		t.Errorf("recovered: %q, %q", p.Candidates[0].Reason(), p.Candidates[1].Reason())
	}
}

// One late answer says nothing yet. Where all are late, who is least so comes
// first, and any may be tried again.
func TestSLOWhereAllAreLate(t *testing.T) {
	r, ds := balanced(t, fleet.Priority)
	r.SLO = fleet.NewSLO(&config.SLO{FirstToken: 200 * time.Millisecond, Percentile: 95}, r)
	in := input(r)
	in.Pick = func(n int) int { return n - 1 } // no probe
	note := func(d *fleet.Deployment, first time.Duration, n int) {
		for range n {
			r.SLO.Note(d, start, first, 0)
		}
	}
	note(ds[0], 400*time.Millisecond, 12)
	note(ds[1], 10*time.Millisecond, 10)
	note(ds[1], 300*time.Millisecond, 1)
	note(ds[2], time.Second, 12)
	if got := order(routing.Make(in)); got != "m@b m@a m@c" {
		t.Errorf("one late of eleven: order %s", got)
	}
	note(ds[1], 300*time.Millisecond, 1)
	if got := order(routing.Make(in)); got != "m@b m@a m@c" {
		t.Errorf("all are late: order %s", got)
	}
	picks := []int{1, 0} // the second of the late ones, and the least chance
	in.Pick = func(int) int { n := picks[0]; picks = picks[1:]; return n }
	if p := routing.Make(in); p.Candidates[0].Name != "m@a" || !strings.HasPrefix(p.Candidates[0].Reason(), "model, tried again: p95") {
		t.Errorf("probe: order %s, %q", order(p), p.Candidates[0].Reason())
	}
}

func TestSLOOfWholeAnswers(t *testing.T) {
	r, ds := balanced(t, fleet.Priority)
	r.SLO = fleet.NewSLO(&config.SLO{Total: 2 * time.Second, Percentile: 95}, r)
	for range 20 {
		r.SLO.Note(ds[0], start, 5*time.Second, 0)             // no promise of the first token
		r.SLO.Note(ds[1], start, time.Second, 3*time.Second)   // late
		r.SLO.Note(&fleet.Deployment{}, start, 0, time.Second) // of another fleet
	}
	in := input(r)
	in.Pick = func(n int) int { return n - 1 }
	p := routing.Make(in)
	if got := order(p); got != "m@a m@c m@b" {
		t.Errorf("order %s", got)
	}
	if got := p.Candidates[2].Reason(); !strings.Contains(got, "p95 of the answer is 3.") {
		t.Errorf("reason %q", got)
	}
}

// TestSmallMoney: an amount has no exponent, however small.
func TestSmallMoney(t *testing.T) {
	for usd, want := range map[string]string{"0.011": "model, about 0.000011 USD", "10": "model, about 0.01 USD", "1234567": "model, about 1234.57 USD", "0": "model, about 0 USD"} {
		r, ds := balanced(t, fleet.Cheapest)
		for _, d := range ds {
			d.SetPrice(decimal.RequireFromString(usd).Shift(-6), decimal.Zero)
		}
		if p := routing.Make(input(r)); p.Candidates[0].Reason() != want {
			t.Errorf("%s: %q, want %q", usd, p.Candidates[0].Reason(), want)
		}
	}
}
