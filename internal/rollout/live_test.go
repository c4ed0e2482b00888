package rollout

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// canaries are the states of a rollout from the first step of its canary on.
func canaries(p *Plan) []State {
	s := State{Plan: *p, Stage: Canary, Epoch: 1}
	out := []State{s}
	for s.Stage != Watching {
		if s.Stage == Cutover {
			s = s.enter(Watching, 0, "", start)
		} else {
			s = s.Forward("", start)
		}
		out = append(out, s)
	}
	return out
}

// outcome is a client's request of a model that is slower by a factor.
func outcome(r *rand.Rand, candidate bool, slower float64) Outcome {
	first := time.Duration(slower * 200e6 * math.Exp(0.5*r.NormFloat64()))
	return Outcome{Candidate: candidate, Failed: r.Float64() < 0.01, Refused: r.Float64() < 0.03, Truncated: r.Float64() < 0.02, FirstToken: first, Total: 4 * first}
}

// follow is how a rollout of clients' requests ends: the stage it has come to, and
// the gate that it broke, if any.
func follow(r *rand.Rand, p *Plan, each int, slower func(*State) float64) (State, string) {
	e := NewEvidence(p)
	for range 300 { // beside the shadow stage
		e.AddOutcome(outcome(r, false, 1))
	}
	var last State
	for _, s := range canaries(p) {
		last = s
		e.Begin(&s)
		share, _ := s.Share()
		for range each {
			candidate := r.Float64() < share
			factor := 1.0
			if candidate {
				factor = slower(&s)
			}
			e.AddOutcome(outcome(r, candidate, factor))
			if why := e.Breach(); why != "" {
				return s, why
			}
		}
	}
	return last, ""
}

// TestAlikeLive: between two models that are alike, all steps, cutover and watch
// together raise an alarm in at most 5 % of rollouts, with a look at each request.
func TestAlikeLive(t *testing.T) {
	plan, alarms := Default(), 0
	plan.ErrorRate = 0.01
	plan.Latency.Tolerance = 0 // the hardest: alike, and nothing above it is accepted
	const times = 100
	for i := range times {
		if _, why := follow(rand.New(rand.NewPCG(uint64(i), 31)), &plan, 500, func(*State) float64 { return 1 }); why != "" {
			alarms++
			t.Log(why)
		}
	}
	t.Logf("%d alarms in %d rollouts", alarms, times)
	if alarms > times/20 {
		t.Errorf("%d of %d rollouts between equals were ended", alarms, times)
	}
}

// TestSlowAlone: a new model that turns slow when it answers all is found, though
// nobody is left to compare it with at that time.
func TestSlowAlone(t *testing.T) {
	plan := Default()
	for i := range 20 {
		s, why := follow(rand.New(rand.NewPCG(uint64(i), 32)), &plan, 1000, func(s *State) float64 {
			if s.Stage == Watching {
				return 2.5
			}
			return 1
		})
		if s.Stage != Watching || !strings.Contains(why, "p95 of") {
			t.Errorf("%s: %q", s.Where(), why)
		}
	}
}

// TestRefusalsLive: how often clients are refused, and answers cut, is a gate too.
func TestRefusalsLive(t *testing.T) {
	plan := Default()
	for name, change := range map[string]func(*Outcome){
		"refusals":    func(o *Outcome) { o.Refused = true },
		"truncations": func(o *Outcome) { o.Truncated = true },
	} {
		e := live(&plan, 1)
		for range 200 {
			e.AddOutcome(Outcome{Total: time.Second})
		}
		n := 0
		for ; e.Breach() == "" && n < 1000; n++ {
			o := Outcome{Candidate: true, Total: time.Second}
			if n%3 == 0 {
				change(&o)
			}
			e.AddOutcome(o)
		}
		if why := e.Breach(); !strings.Contains(why, name) || n > 100 {
			t.Errorf("%s of a third: %q after %d", name, why, n)
		}
	}
}

// TestTested: a gate that knows too little of one of the models does not pass for
// one that holds.
func TestTested(t *testing.T) {
	plan := Default()
	e := NewEvidence(&plan)
	tested := func(want ...bool) {
		t.Helper()
		var got []bool
		report := e.Report()
		for _, r := range report.Rates {
			got = append(got, r.Tested)
		}
		for _, l := range report.Latency {
			got = append(got, l.Tested)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("tested %v, want %v", got, want)
				return
			}
		}
	}
	alone := State{Plan: plan, Stage: Watching, Epoch: 7}
	many := func(candidate bool) {
		for range 300 {
			e.AddOutcome(Outcome{Candidate: candidate, FirstToken: time.Second, Total: 2 * time.Second})
			e.AddFeedback(candidate, 1)
		}
	}
	tested(false, false, false, false, false, false)
	e.Begin(&alone)
	many(true) // of the old model nothing is known
	tested(true, true, true, false, false, false)
	e = live(&plan, 1)
	many(false)
	tested(false, false, false, false, false, false)
	e.Begin(&alone)
	tested(false, false, false, false, false, false)
	many(true)
	tested(true, true, true, true, true, true)
	if r := e.Report(); !r.Latency[1].Before || r.Latency[1].Old.N != 300 || r.Breach != "" {
		t.Errorf("%+v", r)
	}
}

// TestBothAtOnce: what befalls both models at the same time is not the new one's
// fault: traffic of another kind, which both refuse, cut or fail far more often.
func TestBothAtOnce(t *testing.T) {
	plan := Default()
	for _, share := range []float64{0.05, 0.2, 0.5} {
		alarms := 0
		const times = 300
		for i := range times {
			r := rand.New(rand.NewPCG(uint64(i), 33))
			e := live(&plan, 1)
			n := int(150 / share)
			for j := range 2 * n {
				p := 0.01
				if j >= n {
					p = 0.6
				}
				o := Outcome{Candidate: r.Float64() < share, Failed: r.Float64() < p/3}
				o.Refused, o.Truncated = r.Float64() < p, r.Float64() < p/2
				e.AddOutcome(o)
				if e.Breach() != "" {
					alarms++
					break
				}
			}
		}
		t.Logf("%v of conversations: %d alarms in %d rollouts", share, alarms, times)
		if alarms > times/20 {
			t.Errorf("%v: %d of %d were ended by what befell both", share, alarms, times)
		}
	}
}
