package rollout

import (
	"testing"
	"time"

	"freehold/internal/ledger"
)

// TestOutcomeOf: what a drill did to a model is no evidence of it, nor is the end of
// freehold; what the model did by itself is, also beside a drill.
func TestOutcomeOf(t *testing.T) {
	try := func(model string, outcome ledger.Outcome, played bool) ledger.Attempt {
		return ledger.Attempt{Deployment: model + "@p", ProviderModel: "weights", Outcome: outcome, Played: played}
	}
	const second = time.Second
	for name, tt := range map[string]struct {
		attempts []ledger.Attempt
		by       string
		want     Outcome
		ok       bool
	}{
		"answered":                        {[]ledger.Attempt{try("new", ledger.OK, false)}, "new", Outcome{Candidate: true, FirstToken: second, Total: second}, true},
		"failed":                          {[]ledger.Attempt{try("new", ledger.Failed, false), try("old", ledger.OK, false)}, "old", Outcome{Candidate: true, Failed: true}, true},
		"broke off":                       {[]ledger.Attempt{try("new", ledger.Partial, false), try("old", ledger.OK, false)}, "old", Outcome{Candidate: true, Failed: true}, true},
		"failed by a drill":               {[]ledger.Attempt{try("new", ledger.Failed, true), try("old", ledger.OK, false)}, "old", Outcome{Candidate: true}, false},
		"slowed by a drill":               {[]ledger.Attempt{try("new", ledger.OK, true)}, "new", Outcome{Candidate: true}, false},
		"failed, and a drill the old one": {[]ledger.Attempt{try("new", ledger.Failed, false), try("old", ledger.Failed, true), try("third", ledger.OK, false)}, "third", Outcome{Candidate: true, Failed: true}, true},
		"answered where no drill was":     {[]ledger.Attempt{try("new", ledger.Failed, true), try("new", ledger.OK, false)}, "new", Outcome{Candidate: true}, true},
		"not asked":                       {[]ledger.Attempt{try("old", ledger.OK, false)}, "old", Outcome{Candidate: true}, false},
		"freehold died":                   {[]ledger.Attempt{try("new", ledger.Unknown, false)}, "", Outcome{Candidate: true}, false},
		"its fallback when freehold died": {[]ledger.Attempt{try("new", ledger.Failed, false), try("old", ledger.Unknown, false)}, "", Outcome{Candidate: true, Failed: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			row := &ledger.Row{Part: &ledger.Part{Arm: ledger.Candidate}, Attempts: tt.attempts, Model: tt.by, FirstToken: second, Total: second}
			if tt.by != "" {
				row.Deployment = tt.by + "@p"
			}
			if got, ok := OutcomeOf(row, "old", "new"); got != tt.want || ok != tt.ok {
				t.Errorf("%+v, %v", got, ok)
			}
		})
	}
}
