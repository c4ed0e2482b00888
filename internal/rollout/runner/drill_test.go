package runner_test

import (
	"path/filepath"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/drill"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// drilled plays a failure of a provider while n requests are asked.
func (w *world) drilled(t *testing.T, kind drill.Kind, provider string, n int, ask func()) {
	t.Helper()
	plan := drill.Plan{Kind: kind, Providers: []string{provider}, Workload: "w", For: time.Hour, Share: 1, Delay: 20 * time.Millisecond, Errors: 1000}
	if _, err := w.App.Drills.Start(t.Context(), plan, ann, ""); err != nil {
		t.Fatal(err)
	}
	for range n {
		ask()
	}
	if d, err := w.App.Drills.Stop(t.Context(), ann, ""); err != nil || d.Report.Hit < n {
		t.Fatalf("of %d requests a drill hit %d: %v", n, d.Report.Hit, err)
	}
}

// TestDrilled: what a drill does to either model is no evidence, neither then nor
// after a restart: of the new model's alone, of the old one's while it answers, and
// of the old one's from before the rollout. A score of an answer that a drill kept
// waiting is none either.
func TestDrilled(t *testing.T) {
	w := newWorld(t)
	n := 0
	var last string
	ask := func() { n++; last, _ = w.question(t, n) }
	for range 60 {
		ask()
	}
	w.drilled(t, drill.Slow, "first", 30, ask)
	w.drilled(t, drill.Errors, "first", 30, ask) // nobody else can answer
	p := quick()
	p.Shadow.Concurrency, p.Manual, p.Latency = 1, true, rollout.Latency{Percentile: 50, Tolerance: 1}
	p.Steps = []rollout.Step{{Share: 0.0001, Samples: 5}, {Share: 1, Samples: 5}}
	s, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, "")
	if err != nil || s.Plan.ErrorRate != 0 {
		t.Fatalf("%+v: %v", s.Plan, err)
	}
	status := func() runner.Status { return w.until(t, "w", nil, func(runner.Status) bool { return true }) }
	// While the old model answers: neither its failures nor copies of its answers.
	w.drilled(t, drill.Slow, "first", 10, ask)
	ask() // comes behind all others: they have been looked at by then
	w.until(t, "w", nil, func(s runner.Status) bool { return s.Report.Pairs > 0 })
	if pairs, err := w.App.Rollouts.Pairs(t.Context(), s.ID); err != nil || pairs[0].Request != last {
		t.Errorf("a copy of an answer that a drill kept waiting: %+v, %v", pairs[0], err)
	}
	if _, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil {
		t.Fatal(err)
	}
	limit := func() float64 { return status().Report.Rates[0].Limit }
	before := limit()
	w.drilled(t, drill.Slow, "first", 10, ask)
	w.rate(t, last, "down")
	ask()
	st := w.until(t, "w", nil, func(s runner.Status) bool { return s.Report.Clients[0]+s.Report.Clients[1] >= 1 })
	if st.Report.Clients != [2]int{1, 0} || st.Report.Rates[3].Old.N != 0 || limit() > before {
		t.Errorf("of the old model %v, %+v, the limit of errors is %v and was %v", st.Report.Clients, st.Report.Rates, limit(), before)
	}
	// The new one alone, failing and slow.
	if _, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []drill.Kind{drill.Errors, drill.Slow, drill.Cut, drill.Down} {
		w.drilled(t, kind, "second", 40, ask)
	}
	ask()
	st = w.until(t, "w", nil, func(s runner.Status) bool { return s.Report.Clients[1] >= 1 })
	check := func(st runner.Status) {
		t.Helper()
		if r := st.Report; st.Stage != rollout.Canary || r.Clients != [2]int{0, 1} || r.Rates[0].New.N != 1 || r.Rates[0].New.K != 0 || r.Latency[1].New.N != 1 || r.Latency[1].Old.N != 62 {
			t.Errorf("%s (%s): %+v", st.Where, st.Reason, r)
		}
	}
	check(st)
	w.Stop(t)
	w.Server = apptest.Serve(t, filepath.Join(w.Dir, "config.yaml"))
	check(status())
}
