package rollout

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"freehold/internal/sequential"
)

// real is a stream of pairs with the scores of two real models at the same
// prompts, the prompts' tasks as segments, and latencies and failures of chance.
type real struct {
	tasks      []string
	old, model []float64
}

func readReal(t testing.TB, old, model string) real {
	t.Helper()
	f, err := os.Open("../sequential/testdata/llmrouter.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	a, b := slices.Index(rows[0], old), slices.Index(rows[0], model)
	var out real
	for _, row := range rows[1:] {
		x, err := strconv.ParseFloat(row[a], 64)
		if err != nil {
			t.Fatal(err)
		}
		y, err := strconv.ParseFloat(row[b], 64)
		if err != nil {
			t.Fatal(err)
		}
		out.tasks, out.old, out.model = append(out.tasks, row[0]), append(out.old, x), append(out.model, y)
	}
	return out
}

// pair is the next one. Alike: which of the two is the new model is a coin's.
func (d real) pair(r *rand.Rand, alike bool) *Pair {
	i := r.IntN(len(d.old))
	x, y := d.old[i], d.model[i]
	if alike && r.IntN(2) == 0 {
		x, y = y, x
	}
	side := func() Side {
		s := Side{FirstToken: time.Duration(200 * math.Exp(0.5*r.NormFloat64()) * 1e6), Refused: r.Float64() < 0.03, Truncated: r.Float64() < 0.02}
		s.Total = 4 * s.FirstToken
		return s
	}
	p := &Pair{Judged: true, Baseline: x, Candidate: y, Difference: y - x, Old: side(), New: side(),
		Segments: []string{"task=" + d.tasks[i], "language=en", fmt.Sprintf("length=%d", r.IntN(4))}}
	if r.Float64() < 0.01 {
		p.New.Failed = "timeout"
	}
	return p
}

// TestAlike: between two models that are alike, the whole of a rollout's gates,
// looked at after every pair, raises an alarm in at most 5 % of 1,000 rollouts.
func TestAlike(t *testing.T) {
	data := readReal(t, "gemma-2-9b-it", "qwen2.5-7b-instruct")
	plan := Default()
	plan.ErrorRate = 0.01
	const times = 1000
	alarms, better := 0, 0
	var stops []int
	for i := range times {
		r := rand.New(rand.NewPCG(uint64(i), 21))
		e := NewEvidence(&plan)
		for n := 1; n <= 2500; n++ {
			e.AddOutcome(Outcome{Failed: r.Float64() < 0.01})
			e.AddPair(data.pair(r, true))
			if why := e.Breach(); why != "" {
				alarms++
				if alarms <= 5 {
					t.Logf("false alarm: %s", why)
				}
				break
			}
			if o := e.quality.Outcome(); o == sequential.Equivalent || o == sequential.Better {
				if stops = append(stops, n); o == sequential.Better {
					better++
				}
				break
			}
		}
	}
	slices.Sort(stops)
	t.Logf("%d alarms and %d times better of %d; %d passed, in a median of %d pairs", alarms, better, times, len(stops), stops[len(stops)/2])
	if alarms+better > times/20 {
		t.Errorf("%d of %d rollouts between equals ended with a false alarm", alarms+better, times)
	}
	if len(stops) < times*9/10 {
		t.Errorf("%d of %d rollouts between equals passed", len(stops), times)
	}
}

// TestWorseIsFound: with all gates and segments in force.
func TestWorseIsFound(t *testing.T) {
	for _, tt := range []struct {
		old, model string
		most       int
	}{
		{"codegemma-7b", "llama3-chatqa-1.5-8b", 200}, // 12 points
		{"qwen2.5-7b-instruct", "codegemma-7b", 100},  // 22 points
	} {
		data, plan := readReal(t, tt.old, tt.model), Default()
		var ns []int
		for i := range 300 {
			r := rand.New(rand.NewPCG(uint64(i), 22))
			e, n := NewEvidence(&plan), 0
			for ; n < 3000 && e.Breach() == ""; n++ {
				e.AddPair(data.pair(r, false))
			}
			ns = append(ns, n)
		}
		slices.Sort(ns)
		t.Logf("%s for %s: found in a median of %d pairs, at the latest %d", tt.model, tt.old, ns[150], ns[299])
		if ns[150] > tt.most {
			t.Errorf("%s for %s is found in a median of %d pairs, not %d", tt.model, tt.old, ns[150], tt.most)
		}
	}
}

// live is the evidence of a canary's first step.
func live(p *Plan, epoch int) *Evidence {
	e := NewEvidence(p)
	e.Begin(&State{Plan: *p, Stage: Canary, Epoch: epoch})
	return e
}

// TestBrokenCanary: of a new model that fails at 30 %, at the second step of a
// canary, few clients' requests are touched.
func TestBrokenCanary(t *testing.T) {
	plan := Default()
	var ns []int
	for i := range 1000 {
		r := rand.New(rand.NewPCG(uint64(i), 23))
		e := live(&plan, 2)
		for range 400 {
			e.AddOutcome(Outcome{})
		}
		n := 0
		for ; e.Breach() == ""; n++ {
			e.AddOutcome(Outcome{Candidate: true, Failed: r.Float64() < 0.3})
		}
		ns = append(ns, n)
	}
	slices.Sort(ns)
	over := 0
	for _, n := range ns {
		if n > 30 {
			over++
		}
	}
	t.Logf("a median of %d, 95 %% at most %d, %d of 1000 over 30", ns[500], ns[950], over)
	if ns[500] > 20 || over > 150 {
		t.Errorf("a median of %d requests, %d of 1000 over 30", ns[500], over)
	}
}

// TestOutage: where the old model fails as often, it is not the new one's fault.
func TestOutage(t *testing.T) {
	plan := Default()
	alarms := 0
	for i := range 300 {
		r := rand.New(rand.NewPCG(uint64(i), 24))
		e := live(&plan, 1)
		for range 2000 {
			e.AddOutcome(Outcome{Failed: r.Float64() < 0.2})
		}
		for range 500 {
			e.AddOutcome(Outcome{Candidate: true, Failed: r.Float64() < 0.2})
			e.AddOutcome(Outcome{Failed: r.Float64() < 0.2})
		}
		if e.Breach() != "" {
			alarms++
		}
	}
	if alarms > 15 {
		t.Errorf("%d of 300 were blamed for an outage of both", alarms)
	}
}

// TestSlowIsFound: a percentile that is twice the old one's breaks the gate; one
// that is within the tolerance does not.
func TestSlowIsFound(t *testing.T) {
	plan := Default()
	plan.Latency = Latency{Percentile: 90, Tolerance: 0.25}
	for _, tt := range []struct {
		factor float64
		broken bool
	}{{1, false}, {1.2, false}, {2, true}} {
		r := rand.New(rand.NewPCG(9, 25))
		e := live(&plan, 1)
		draw := func() time.Duration { return time.Duration(200e6 * math.Exp(0.4*r.NormFloat64())) }
		for range 3000 {
			e.AddOutcome(Outcome{FirstToken: draw(), Total: time.Second})
			e.AddOutcome(Outcome{Candidate: true, FirstToken: time.Duration(tt.factor * float64(draw())), Total: time.Second})
		}
		if got := e.Breach(); (got != "") != tt.broken {
			t.Errorf("%v times the latency: %q", tt.factor, got)
		}
	}
}

// TestReport: what is reported is what was seen.
func TestReport(t *testing.T) {
	plan, yes := Default(), true
	e := NewEvidence(&plan)
	r := e.Report()
	if r.Quality.Outcome != sequential.Inconclusive || r.Quality.Low != -1 || r.Quality.High != 1 || r.Quality.Remaining != nil || len(r.Latency) != 2 || r.Latency[0].Old.Value != nil {
		t.Errorf("of nothing: %+v", r)
	}
	e.AddPair(&Pair{Judged: true, Difference: -0.5, Segments: []string{"task=qa"}, Consistent: &yes, Old: Side{Total: time.Second, In: 3, Out: 4}, New: Side{Total: 2 * time.Second, In: 3, Out: 9, Truncated: true}})
	e.AddPair(&Pair{Detail: "the judge did not answer", Old: Side{Total: time.Second}, New: Side{Failed: "timeout"}})
	r = e.Report()
	if r.Pairs != 2 || r.Judged != 1 || r.Quality.Mean != -0.5 || r.Swaps != 1 || r.Consistent != 1 || len(r.Segments) != 1 || r.Segments[0].Name != "task=qa" {
		t.Errorf("%+v", r)
	}
	if r.Rates[0].New != (Share{1, 2}) || r.Rates[2].New != (Share{1, 1}) || r.Rates[2].Old != (Share{0, 2}) {
		t.Errorf("rates %+v", r.Rates)
	}
	if v := r.Latency[1].New.Value; v == nil || *v != 2000 || r.New.Out != 9 || r.New.Cost.Valid || r.Breach != "" {
		t.Errorf("%+v", r)
	}
}

// TestFeedback: people who like the new model less break the gate; those who like
// both as little do not.
func TestFeedback(t *testing.T) {
	plan := Default()
	for _, tt := range []struct {
		old, model float64
		broken     bool
	}{{0.3, 0.3, false}, {0.9, 0.5, true}, {0.9, 0.95, false}} {
		r := rand.New(rand.NewPCG(3, 26))
		e := live(&plan, 1)
		for range 150 {
			e.AddFeedback(true, number(r.Float64() < tt.model))
			e.AddFeedback(false, number(r.Float64() < tt.old))
		}
		e.Begin(&State{Plan: plan, Stage: Canary, Epoch: 2}) // what is known of the old model stays
		for range 150 {
			e.AddFeedback(true, number(r.Float64() < tt.model))
		}
		if got := e.Breach(); (got != "") != tt.broken {
			t.Errorf("%v against %v: %q", tt.model, tt.old, got)
		}
	}
}
