package drill_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"freehold/internal/drill"
	"freehold/internal/ledger"
)

func plan(kind drill.Kind, change func(*drill.Plan)) drill.Plan {
	p := drill.Plan{Kind: kind, Providers: []string{"cloud"}, Workload: "w", For: time.Minute, Share: 1, Delay: time.Second, Errors: 1}
	if change != nil {
		change(&p)
	}
	return p
}

func TestCheck(t *testing.T) {
	for _, kind := range append(drill.Kinds(), drill.Exit) {
		p := plan(kind, nil)
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, tt := range []struct {
		want   string
		kind   drill.Kind
		change func(*drill.Plan)
	}{
		{"kind is \"fire\"", "fire", nil},
		{"no provider is named", drill.Down, func(p *drill.Plan) { p.Providers = nil }},
		{"of one workload", drill.Exit, func(p *drill.Plan) { p.Workload = "" }},
		{"at most 24h", drill.Down, func(p *drill.Plan) { p.For = 25 * time.Hour }},
		{"above 0", drill.Down, func(p *drill.Plan) { p.For = 0 }},
		{"the share is 1.1", drill.Down, func(p *drill.Plan) { p.Share = 1.1 }},
		{"the share is 0", drill.Down, func(p *drill.Plan) { p.Share = 0 }},
		{"the delay is 0s", drill.Slow, func(p *drill.Plan) { p.Delay = 0 }},
		{"at least 1", drill.Down, func(p *drill.Plan) { p.Errors = 0 }},
	} {
		p := plan(tt.kind, tt.change)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", p, err, tt.want)
		}
	}
}

func TestRecorded(t *testing.T) {
	for _, tt := range []struct {
		workload  string
		synthetic bool
		want      string
	}{{"w", false, "w"}, {"", false, ""}, {"w", true, "drill:w"}, {"", true, ""}} {
		p := plan(drill.Down, func(p *drill.Plan) { p.Workload, p.Synthetic = tt.workload, tt.synthetic })
		if got := p.Recorded(); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// row is a request that took so many milliseconds at a provider; in the drill
// where id begins with h.
func row(id, provider string, outcome ledger.Outcome, ms int, usd string) *ledger.Row {
	r := &ledger.Row{ID: id, Workload: "w", Model: "m-" + provider, Deployment: "m@" + provider, Provider: provider, Outcome: outcome, Total: time.Duration(ms) * time.Millisecond}
	if strings.HasPrefix(id, "h") {
		r.Drill = "d1"
	}
	if usd != "" {
		r.Cost = decimal.NullDecimal{Decimal: decimal.RequireFromString(usd), Valid: true}
	}
	return r
}

// seam is an answer that began at its deployment and was ended elsewhere.
func seam(r *ledger.Row, provider string) *ledger.Row {
	to := "m-" + provider + "@" + provider
	r.Seams = []ledger.Seam{{From: r.Deployment, To: to}}
	r.Attempts = append(r.Attempts, ledger.Attempt{Deployment: r.Deployment, Provider: r.Provider}, ledger.Attempt{Deployment: to, Provider: provider})
	return r
}

func sent(r *ledger.Row, deployment string) *ledger.Row {
	r.Attempts = append(r.Attempts, ledger.Attempt{Deployment: deployment, Sent: 10})
	return r
}

func tally(kind drill.Kind, state drill.State, rows ...*ledger.Row) drill.Report {
	d := &drill.Drill{ID: "d1", State: state, Plan: plan(kind, nil)}
	return tallied(d, drill.SLO{}, rows...)
}

func tallied(d *drill.Drill, slo drill.SLO, rows ...*ledger.Row) drill.Report {
	t := drill.NewTally(d, drill.Facets{
		Forbids: func(_ *ledger.Row, a *ledger.Attempt) string {
			if strings.HasPrefix(a.Deployment, "bad") {
				return "data class x: no"
			}
			return ""
		},
		SLO: func(string) drill.SLO { return slo },
	})
	for _, r := range rows {
		t.Add(r)
	}
	return t.Done()
}

// TestVerdict: what requests came to, and what that proves.
func TestVerdict(t *testing.T) {
	ok := func() *ledger.Row { return row("h1", "local", ledger.OK, 10, "") }
	for _, tt := range []struct {
		name  string
		kind  drill.Kind
		state drill.State
		rows  []*ledger.Row
		want  drill.Verdict
		why   string
		check func(drill.Report) bool
	}{
		{"nobody", drill.Down, drill.Finished, nil, drill.Nothing, "no request was hit", nil},
		{"others only", drill.Down, drill.Finished, []*ledger.Row{row("o", "cloud", ledger.OK, 1, "")}, drill.Nothing, "no request was hit",
			func(r drill.Report) bool { return r.Requests == 1 && r.Hit == 0 }},
		{"failed over", drill.Down, drill.Finished, []*ledger.Row{ok()}, drill.Passed, "1 of 1", func(r drill.Report) bool { return r.FailedOver == 1 }},
		{"continued", drill.Cut, drill.Finished, []*ledger.Row{seam(row("h1", "cloud", ledger.OK, 10, ""), "local")}, drill.Passed, "1 of 1",
			func(r drill.Report) bool {
				return r.FailedOver == 1 && r.Continued == 1 && r.Needed == 0 && cmp.Equal(r.By, []drill.Answered{{Model: "m-local", Deployment: "m-local@local", Requests: 1}})
			}},
		{"continued by the provider that was cut", drill.Cut, drill.Finished, []*ledger.Row{seam(row("h1", "cloud", ledger.OK, 10, ""), "cloud")}, drill.NotPassed, "by the provider only",
			func(r drill.Report) bool { return r.FailedOver == 0 && r.Needed == 1 }},
		{"an error", drill.Down, drill.Failed, []*ledger.Row{ok(), row("h2", "", ledger.Failed, 1, "")}, drill.NotPassed, "an error at 1 of 2",
			func(r drill.Report) bool { return r.Errors == 1 && cmp.Equal(r.Failed, []string{"h2"}) }},
		{"half an answer", drill.Cut, drill.Failed, []*ledger.Row{row("h2", "", ledger.Partial, 1, "")}, drill.NotPassed, "an error", nil},
		{"shed", drill.Down, drill.Failed, []*ledger.Row{row("h2", "", ledger.Shed, 1, "")}, drill.NotPassed, "an error", nil},
		{"the client's own end", drill.Down, drill.Finished, []*ledger.Row{row("h2", "", ledger.Canceled, 1, ""), row("h3", "", ledger.ClientError, 1, "")}, drill.Passed, "2 of 2",
			func(r drill.Report) bool { return r.Errors == 0 && r.FailedOver == 0 }},
		{"needed", drill.Exit, drill.Finished, []*ledger.Row{ok(), row("h2", "cloud", ledger.OK, 1, "")}, drill.NotPassed, "1 of 2 requests could be answered by the vendor only",
			func(r drill.Report) bool { return r.Needed == 1 }},
		{"slow, and nobody moved", drill.Slow, drill.Finished, []*ledger.Row{row("h2", "cloud", ledger.OK, 1, ""), ok()}, drill.Nothing, "not failed over: 1 of 2 requests were slower by 1s; no timeout",
			func(r drill.Report) bool { return r.Needed == 0 && r.FailedOver == 1 && r.Stayed == 1 }},
		{"slow, and all moved", drill.Slow, drill.Finished, []*ledger.Row{ok()}, drill.Passed, "1 of 1",
			func(r drill.Report) bool { return r.FailedOver == 1 && r.Stayed == 0 }},
		{"outside", drill.Down, drill.Finished, []*ledger.Row{sent(ok(), "bad@there")}, drill.NotPassed, "where the data may not go",
			func(r drill.Report) bool { return cmp.Equal(r.Outside, []string{"h1: bad@there: data class x: no"}) }},
		{"outside, of a request that was not hit", drill.Down, drill.Finished, []*ledger.Row{ok(), sent(row("o", "cloud", ledger.OK, 1, ""), "bad@there")}, drill.Passed, "1 of 2", nil},
		{"interrupted", drill.Down, drill.Interrupted, []*ledger.Row{ok()}, drill.Nothing, "freehold ended before", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tally(tt.kind, tt.state, tt.rows...)
			if r.Verdict != tt.want || !strings.Contains(r.Why, tt.why) || tt.check != nil && !tt.check(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestSlow: who is slow and is not given up is held against the workload's SLO.
func TestSlow(t *testing.T) {
	d := &drill.Drill{ID: "d1", State: drill.Finished, Plan: plan(drill.Slow, nil)}
	streamed := func(id, provider string, first, total int) *ledger.Row {
		r := row(id, provider, ledger.OK, total, "")
		r.FirstToken = time.Duration(first) * time.Millisecond
		return r
	}
	rows := []*ledger.Row{streamed("h1", "cloud", 1100, 1900), streamed("h2", "cloud", 1200, 2500), streamed("h3", "local", 300, 700), streamed("o", "cloud", 9000, 9000)}
	for _, tt := range []struct {
		slo      drill.SLO
		want     drill.Verdict
		why      string
		promises int
	}{
		{drill.SLO{Total: 3 * time.Second, Quantile: 0.95}, drill.Passed, "the SLO was kept: w: p95 of the whole answer is 2.5s, the SLO is 3s; not failed over: 2 of 3 requests were slower by 1s", 1},
		{drill.SLO{FirstToken: time.Second, Total: 3 * time.Second, Quantile: 0.95}, drill.NotPassed, "too slow: w: p95 of the first content is 1.2s, the SLO is 1s; not failed over", 2},
		{drill.SLO{FirstToken: 1100 * time.Millisecond, Quantile: 0.5}, drill.Passed, "p50 of the first content is 1.1s", 1},
		{drill.SLO{}, drill.Nothing, "workloads.W.slo", 0},
	} {
		r := tallied(d, tt.slo, rows...)
		if r.Verdict != tt.want || !strings.Contains(r.Why, tt.why) || len(r.Promises) != tt.promises || r.Stayed != 2 || r.FailedOver != 1 {
			t.Errorf("%+v: %+v", tt.slo, r)
		}
	}
}

// TestCompared: hit requests beside the others, and who answered.
func TestCompared(t *testing.T) {
	var rows []*ledger.Row
	for i := range 20 {
		rows = append(rows, row("h", "local", ledger.OK, 100+i, "0.002"), row("o", "cloud", ledger.OK, 10+i, "0.001"))
	}
	rows = append(rows, row("h", "other", ledger.OK, 500, "0.002"), row("h", "", ledger.Failed, 90_000, ""))
	rows[0].FirstToken = 7 * time.Millisecond
	r := tally(drill.Down, drill.Failed, rows...)
	want := drill.Compared{HitP50: 110, HitP95: 119, OthersP50: 20, OthersP95: 29}
	if r.Total != want || r.FirstToken != (drill.Compared{HitP50: 7, HitP95: 7}) {
		t.Errorf("%+v %+v", r.Total, r.FirstToken)
	}
	if !r.Cost.Hit.Valid || r.Cost.Hit.Decimal.String() != "0.002" || r.Cost.Others.Decimal.String() != "0.001" {
		t.Errorf("%+v", r.Cost)
	}
	by := []drill.Answered{{Model: "m-local", Deployment: "m@local", Requests: 20}, {Model: "m-other", Deployment: "m@other", Requests: 1}}
	if diff := cmp.Diff(by, r.By); diff != "" {
		t.Error(diff)
	}
}

// TestUnknownCost: one cost that is not known leaves the mean unknown, not smaller.
func TestUnknownCost(t *testing.T) {
	r := tally(drill.Down, drill.Finished, row("h1", "local", ledger.OK, 1, "0.002"), row("h2", "local", ledger.OK, 1, ""))
	if r.Cost.Hit.Valid || r.Cost.Others.Valid {
		t.Errorf("%+v", r.Cost)
	}
}

// TestBounded: ids of requests are a few, however many failed.
func TestBounded(t *testing.T) {
	var rows []*ledger.Row
	for range 50 {
		rows = append(rows, sent(row("h", "", ledger.Failed, 1, ""), "bad@there"))
	}
	if r := tally(drill.Down, drill.Failed, rows...); r.Errors != 50 || len(r.Failed) != 10 || len(r.Outside) != 10 {
		t.Errorf("%d errors, %d ids, %d outside", r.Errors, len(r.Failed), len(r.Outside))
	}
}

// TestPrompts: each is JSON, and they go on after the last.
func TestPrompts(t *testing.T) {
	seen := map[string]bool{}
	for i := range 30 {
		for _, p := range [][]byte{drill.ChatPrompt(i), drill.CompletionPrompt(i), drill.EmbeddingPrompt(i)} {
			if !json.Valid(p) {
				t.Errorf("%s", p)
			}
			seen[string(p)] = true
		}
	}
	if len(seen) < 10 || string(drill.ChatPrompt(0)) == string(drill.ChatPrompt(1)) {
		t.Errorf("%d prompts", len(seen))
	}
}
