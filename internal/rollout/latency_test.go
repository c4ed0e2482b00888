package rollout

import (
	"testing"
	"time"

	"freehold/internal/sequential"
)

// TestLatencyCanBeTested: each percentile that a plan may have can be tested with what
// is kept, while both models answer and when the new one answers alone, for long.
func TestLatencyCanBeTested(t *testing.T) {
	for _, percentile := range []float64{50, 90, 95, 99, 99.5, 99.9} {
		plan := Default()
		plan.Latency.Percentile = percentile
		if err := plan.Check(); err != nil {
			t.Error(err)
		}
		both := newLatency("total", plan.Latency)
		both.again(sequential.Share(alphaLatency/2, 9)) // shadow, seven steps of a canary
		if both.needs() > both.longest {
			t.Errorf("p%g takes %d answers while both models answer; an epoch has %d", percentile, both.needs(), both.longest)
		}
		e := NewEvidence(&plan)
		for range plan.Latency.Kept() + 5 {
			e.Remember(time.Second, time.Second)
		}
		e.Begin(&State{Plan: plan, Stage: Watching, Epoch: 7})
		epochs := 2
		if percentile == 99.9 {
			epochs = 1 // the longest
		}
		for i := range epochs * e.total.longest {
			e.AddOutcome(Outcome{Candidate: true, Total: time.Second})
			if i%e.total.longest == e.total.longest-2 {
				if r := e.Report().Latency[1]; !r.Tested || r.Needs > r.Old.N {
					t.Fatalf("p%g after %d: %+v", percentile, i+1, r)
				}
			}
		}
	}
	plan := Default()
	plan.Latency.Percentile = 99.95
	if err := plan.Check(); err == nil {
		t.Error("a percentile that nothing tests is let")
	}
}
