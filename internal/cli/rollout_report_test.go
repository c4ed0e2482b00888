package cli

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"freehold/internal/admin"
	"freehold/internal/rollout"
)

// reported is a report of pairs of chance, the same ones each time.
func reported() *admin.RolloutReportOut {
	plan := rollout.Default()
	r := rand.New(rand.NewPCG(5, 6))
	side := func(scale float64) rollout.Side {
		first := time.Duration(scale * 2e8 * math.Exp(0.4*r.NormFloat64()))
		return rollout.Side{FirstToken: first, Total: 5 * first, In: 300, Out: 120, Cost: decimal.NewNullDecimal(decimal.RequireFromString("0.0012"))}
	}
	var pairs []rollout.Pair
	out := &admin.RolloutReportOut{}
	for i := range 400 {
		p := rollout.Pair{Judged: true, Difference: float64(r.IntN(3)-1) / 2, Segments: []string{"task=" + []string{"code", "qa", "chat"}[i%3]}, Old: side(1), New: side(0.7)}
		p.New.Cost.Decimal = decimal.RequireFromString("0.0004")
		pairs = append(pairs, p)
		for arm, s := range []rollout.Side{p.Old, p.New} {
			out.Totals[arm] = append(out.Totals[arm], float64(s.Total.Microseconds())/1000)
			out.Firsts[arm] = append(out.Firsts[arm], float64(s.FirstToken.Microseconds())/1000)
		}
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	out.Rollout = admin.Rollout{ID: "r1", Workload: "support|chat", From: "old", To: "<new>", Where: "canary 1 % (step 1 of 5)", Reason: "promoted by key:ann", By: "key:ann", Started: at}
	out.Plan.Judge, out.Plan.Margin = "pairwise", plan.Margin
	out.Shadowed, out.Course = rollout.Beside(&plan, pairs), rollout.Course(&plan, pairs, 120)
	thousand := func(s string) decimal.NullDecimal { return decimal.NewNullDecimal(decimal.RequireFromString(s)) }
	out.Money = admin.RolloutMoney{Old: thousand("1.2"), New: thousand("0.4"), Aside: "0.31"}
	out.Reliability = &admin.RolloutReliability{State: "not yet known", Reason: "there are too few labels", Labels: 12, Swaps: 400, Consistency: 0.91, Accuracy: 0.8, AccuracyLow: 0.5, AccuracyHigh: 0.94, LongerAccuracy: 0.6}
	out.Plan.LatencyPercentile = plan.Latency.Percentile
	out.Passed = []admin.RolloutPassed{{Where: "shadow", Until: at.Add(26 * time.Hour), Known: out.Shadowed}}
	out.Transitions = []admin.RolloutTransition{
		{Seq: 7, Time: at, Is: "shadow", By: "key:ann", Reason: "ticket 1"},
		{Seq: 9, Time: at.Add(26 * time.Hour), Was: "shadow", Is: "canary 1 % (step 1 of 5)", By: "key:ann", Reason: "promoted by key:ann", Pairs: 400},
	}
	return out
}

// TestRolloutReport holds what a report says, and that its plots are there in
// both forms.
func TestRolloutReport(t *testing.T) {
	r := reported()
	plots, err := drawRollout(r)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range plots {
		names = append(names, x.name)
		if _, err := png.Decode(bytes.NewReader(x.png)); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		if !bytes.Contains(x.svg, []byte("</svg>")) {
			t.Errorf("%s is no SVG", x.name)
		}
		if dir := os.Getenv("FREEHOLD_PLOTS"); dir != "" { // to look at them
			if err := os.WriteFile(filepath.Join(dir, x.name+".png"), x.png, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]string{"quality", "segments", "latency"}, names); diff != "" {
		t.Error(diff)
	}
	got := reportMarkdown(r, plots, "a report")
	const file = "testdata/rollout_report.golden.md"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got; -update writes it anew:\n%s", diff)
	}
	page := reportHTML(r, plots)
	if strings.Contains(page, "<new>") || strings.Count(page, "<svg") != 3 || !strings.Contains(page, "<td>ticket 1</td>") {
		t.Error("the page is not whole, or names stand in it as they are")
	}
}

// TestRolloutReportOfNothing: a rollout that has just begun has a report, too.
func TestRolloutReportOfNothing(t *testing.T) {
	plan := rollout.Default()
	r := &admin.RolloutReportOut{Shadowed: rollout.Beside(&plan, nil)}
	r.To, r.Where, r.Reason = "new", "shadow", "started"
	plots, err := drawRollout(r)
	if err != nil || len(plots) != 0 {
		t.Errorf("%d plots, %v", len(plots), err)
	}
	if text := reportMarkdown(r, plots, "x"); !strings.Contains(text, "no pair was judged") {
		t.Error(text)
	}
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		mean, low, high float64
		want            string
	}{
		{0, -0.05, 0.05, "          ┊─────────●──────────"},
		{-0.04, -0.2, -0.02, "←─────────┊─●────   │"},
		{0.3, 0.01, 0.6, "          ┊         │ ──────────────────●"},
	} {
		got := bar(&rollout.Quality{Pairs: 9, Mean: tt.mean, Low: tt.low, High: tt.high}, 0.05, 10)
		if got != tt.want {
			t.Errorf("%v:\n%s|\n%s|", tt, got, tt.want)
		}
	}
	for days, want := range map[float64]string{9.4: "9 days", 0.5: "12 hours", 0.01: "14 minutes", 0: "a moment"} {
		if got := about(days); got != want {
			t.Errorf("%v: %s", days, got)
		}
	}
	if got := fmt.Sprint(percent(0.123456), shareOf(rollout.Share{})); got != "12.35 %"+none {
		t.Error(got)
	}
}

// TestRolloutReportUnknown: what nobody said is not 0 %.
func TestRolloutReportUnknown(t *testing.T) {
	r := reported()
	r.Reliability = &admin.RolloutReliability{State: "not yet known"}
	for _, s := range sections(r) {
		if s.title != "The judge" {
			continue
		}
		for _, row := range s.rows {
			if strings.Contains(row[0], "agrees") || strings.Contains(row[0], "both orders") {
				if row[1] != none {
					t.Errorf("%q", row)
				}
			}
		}
		return
	}
	t.Error("no section is about the judge")
}

// TestRolloutNarrow: at 80 columns a status shows the intervals that decide, whole.
func TestRolloutNarrow(t *testing.T) {
	var out bytes.Buffer
	p := &program{out: &out, getenv: func(string) string { return "" }}
	r := &reported().RolloutStatus
	r.Report = r.Passed[0].Known
	p.printRates(r)
	p.printPassed(r)
	for _, want := range []string{"\n  95 % OF OLD       95 % OF NEW\n", "\n  1.69 s to 2.36 s  1.20 s to 1.67 s\n", "\nLEFT    ERRORS "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > 81 || strings.Contains(line, "…") || strings.TrimSpace(line) == "" && line != "\n" {
			t.Errorf("%q", line)
		}
	}
}

// TestGates: at 80 columns nothing of the gates is cut, also where figures are
// long, and nothing takes a second line but an interval that is known.
func TestGates(t *testing.T) {
	value := func(v float64) *float64 { return &v }
	r := &admin.RolloutStatus{}
	for _, name := range []string{"errors", "refusals", "truncations", "bad words of people"} {
		r.Report.Rates = append(r.Report.Rates, rollout.Rate{Name: name, Old: rollout.Share{K: 1042, N: 3622}, New: rollout.Share{K: 1041.0000000001, N: 2875}, Limit: 0.27433})
	}
	for _, name := range []string{"first token", "total"} {
		r.Report.Latency = append(r.Report.Latency, rollout.Times{Name: name, Percentile: 95, Tolerance: 0.5, Before: true,
			Old: rollout.Quantile{N: 3622, Value: value(12345)}, New: rollout.Quantile{N: 2875, Value: value(23456)}})
	}
	show := func() string {
		var out bytes.Buffer
		p := &program{out: &out, getenv: func(string) string { return "" }}
		p.printRates(r)
		if strings.Contains(out.String(), "…") {
			t.Errorf("cut:\n%s", out.String())
		}
		return out.String()
	}
	bare := show()
	for _, want := range []string{"bad words    ", "28.77 % (1042/3622)  36.21 % (1041/2875)   27.43 %  not tested\n", "first token p95  12.35 s *", "    +50 %  not tested\n"} {
		if !strings.Contains(bare, want) {
			t.Errorf("%q is not in\n%s", want, bare)
		}
	}
	if lines := strings.Count(strings.TrimSpace(bare), "\n"); lines != 7 { // head, gates, note
		t.Errorf("%d line breaks, where no interval is known:\n%s", lines, bare)
	}
	few := r.Report.Latency
	r.Report.Latency = []rollout.Times{few[0], few[1]}
	for i, before := range []bool{true, false} {
		x := &r.Report.Latency[i]
		x.Before, x.Needs, x.Old.N = before, 1835, 1000
	}
	if got := show(); !strings.Contains(got, "first token p95 cannot be tested: it takes 1,835 answers of the old model,\n  1,000 are known, and no more will come\n") ||
		!strings.Contains(got, "total p95 takes 1,835 answers of the old model to be tested; 1,000 are known\n") {
		t.Errorf("of gates that know too little:\n%s", got)
	}
	r.Report.Latency = few
	l := &r.Report.Latency[1]
	l.Old.Low, l.Old.High, l.New.Low, l.New.High = value(11111), value(13333), value(21111), value(25555)
	if got := show(); strings.Count(got, "\n") != strings.Count(bare, "\n")+3 {
		t.Errorf("intervals stand below their gates, and their heads:\n%s", got)
	}
	if x, _ := gates(r); len(x.columns) != 7 {
		t.Errorf("%d columns", len(x.columns))
	} else if _, wide := x.natural(); wide > 120 {
		t.Errorf("one line has %d columns", wide)
	}
}
