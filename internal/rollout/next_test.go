package rollout

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freehold/internal/history"
)

var start = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

func moving(stage Stage, step int) State {
	p := Default()
	p.Steps = []Step{{Share: 0.05, For: time.Hour, Samples: 10}, {Share: 1, For: time.Hour, Samples: 10}}
	return State{ID: "r", Workload: "w", From: "old", To: "new", Plan: p, Stage: stage, Step: step, Entered: start}
}

func seen(s *State, pairs int, difference float64, requests int, failed bool) *Evidence {
	e := NewEvidence(&s.Plan)
	for range pairs {
		e.AddPair(&Pair{Judged: true, Difference: difference})
	}
	if s.Stage != Shadowing {
		e.Begin(s)
	}
	for range requests {
		e.AddOutcome(Outcome{Candidate: true, Failed: failed})
	}
	return e
}

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name     string
		stage    Stage
		step     int
		change   func(*State)
		pairs    int
		diff     float64
		requests int
		failed   bool
		inUse    string
		after    time.Duration
		want     string // stage and step, "" for none
		reason   string
	}{
		{name: "few pairs", stage: Shadowing, pairs: 20},
		{name: "as good", stage: Shadowing, pairs: 400, want: "canary 5 % (step 1 of 2)", reason: "equivalent"},
		{name: "better", stage: Shadowing, pairs: 200, diff: 0.5, want: "canary 5 % (step 1 of 2)", reason: "better: +50.0 points"},
		{name: "worse", stage: Shadowing, pairs: 200, diff: -0.5, want: "aborted", reason: "worse: -50.0 points"},
		{name: "worse, paused", stage: Shadowing, change: func(s *State) { s.Paused = true }, pairs: 200, diff: -0.5, want: "aborted"},
		{name: "as good, paused", stage: Shadowing, change: func(s *State) { s.Paused = true }, pairs: 400},
		{name: "as good, manual", stage: Shadowing, change: func(s *State) { s.Plan.Manual = true }, pairs: 400},
		{name: "undecided", stage: Shadowing, change: func(s *State) { s.Plan.Shadow.Most = 60; s.Plan.Margin = 0.01 }, pairs: 60, want: "shadow, paused", reason: "inconclusive after 60"},
		{name: "undecided, asked before", stage: Shadowing, change: func(s *State) { s.Plan.Shadow.Most = 60; s.Asked = 60; s.Plan.Margin = 0.01 }, pairs: 60},
		{name: "too early", stage: Canary, requests: 20, after: time.Minute},
		{name: "too few", stage: Canary, requests: 5, after: 2 * time.Hour},
		{name: "step", stage: Canary, requests: 20, after: time.Hour, want: "canary 100 % (step 2 of 2)"},
		{name: "last step", stage: Canary, step: 1, requests: 20, after: time.Hour, want: "cutover"},
		{name: "broken", stage: Canary, requests: 20, failed: true, want: "aborted", reason: "errors: 20 of 20"},
		{name: "broken, paused", stage: Canary, change: func(s *State) { s.Paused = true }, requests: 20, failed: true, want: "aborted"},
		{name: "somebody else's change", stage: Canary, requests: 20, inUse: "third", after: time.Hour, want: "canary 5 % (step 1 of 2), paused", reason: "third"},
		{name: "no workload", stage: Canary, requests: 20, inUse: "-", after: time.Hour, want: "canary 5 % (step 1 of 2), paused", reason: "no workload w"},
		{name: "waits", stage: Cutover, requests: 20, after: time.Hour},
		{name: "written", stage: Cutover, inUse: "new", want: "watch"},
		{name: "broken before it was written", stage: Cutover, requests: 20, failed: true, want: "aborted"},
		{name: "watched", stage: Watching, inUse: "new", after: 7 * 24 * time.Hour, want: "done"},
		{name: "still watched", stage: Watching, inUse: "new", after: 6 * 24 * time.Hour},
		{name: "worse by copies", stage: Canary, pairs: 200, diff: -0.5, want: "aborted", reason: "worse: -50.0 points"},
		{name: "broken in the watch", stage: Watching, inUse: "new", requests: 20, failed: true, want: "returning"},
		{name: "on the way back", stage: Returning, inUse: "new"},
		{name: "back", stage: Returning, inUse: "old", want: "rolled-back"},
		{name: "ended", stage: Aborted, requests: 20, failed: true},
		{name: "done", stage: Done, inUse: "new", requests: 20, failed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := moving(tt.stage, tt.step)
			if tt.change != nil {
				tt.change(&s)
			}
			if tt.inUse == "" {
				tt.inUse = "old"
			}
			if tt.inUse == "-" {
				tt.inUse = ""
			}
			now := start.Add(tt.after)
			next, ok := Next(s, seen(&s, tt.pairs, tt.diff, tt.requests, tt.failed), tt.inUse, now)
			if ok != (tt.want != "") || ok && next.Where() != tt.want || !strings.Contains(next.Reason, tt.reason) {
				t.Fatalf("%v, %s: %s", ok, next.Where(), next.Reason)
			}
			if ok && next.Stage != s.Stage && (!next.Entered.Equal(now) || next.Epoch != s.Epoch+1 || next.Stage.Ended() == next.Ended.IsZero()) {
				t.Errorf("%+v", next)
			}
			if !ok && next.Reason != s.Reason {
				t.Errorf("nothing follows, but %q", next.Reason)
			}
		})
	}
}

func TestBack(t *testing.T) {
	for _, tt := range []struct {
		stage Stage
		inUse string
		want  Stage
	}{
		{Shadowing, "old", Aborted}, {Canary, "old", Aborted}, {Cutover, "old", Aborted}, {Cutover, "new", Returning},
		{Watching, "new", Returning}, {Done, "new", Returning}, {Done, "old", RolledBack},
	} {
		s := moving(tt.stage, 0)
		s.Paused = true
		if got := s.Back(tt.inUse, "asked for", start); got.Stage != tt.want || got.Paused {
			t.Errorf("%s with %s in use: %s", tt.stage, tt.inUse, got.Where())
		}
	}
}

func TestApprovals(t *testing.T) {
	s := moving(Cutover, 0)
	s.Plan.Approvals = 2
	ann, bob := history.Who{Via: "key", Name: "k1", Person: "ann"}, history.Who{Via: "key", Name: "k2", Person: "bob"}
	if s.Missing() != 2 || !s.Approve(ann) || s.Approve(ann) || s.Missing() != 1 || !s.Approve(bob) || s.Missing() != 0 {
		t.Errorf("%+v", s.Wanted)
	}
	if s.Approve(history.Who{Via: "key", Name: "k3", Person: "ann"}) || s.Approve(history.Who{Via: "os", Name: "carl"}) {
		t.Errorf("%+v", s.Wanted)
	}
	if s.Asks = 3; s.Missing() != 1 {
		t.Errorf("%d are missing of 3", s.Missing())
	}
}

func TestPlanCheck(t *testing.T) {
	p := Default()
	if err := p.Check(); err != nil {
		t.Errorf("the default plan: %v", err)
	}
	p.Margin, p.Shadow.Share, p.Shadow.Queue, p.Latency.Percentile, p.Approvals = 0, 1.5, 0, 100, -1
	p.Steps = []Step{{Share: 0.5}, {Share: 0.2, For: -1}}
	err := p.Check()
	for _, want := range []string{"margin is 0", "shadow.share is 1.5", "shadow.queue is 0", "latency.percentile is 100", "approvals is -1", "steps[1].share is 0.2", "steps[1]: neither", "steps end at 0.2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing of: %v", want, err)
		}
	}
	if (&Plan{Margin: 0.1}).Check() == nil {
		t.Error("a plan without steps passes")
	}
}

// TestAnyWay: whatever happens in whatever order, a rollout only goes to stages
// that are there, ends for good, and gives the new model no traffic at an end.
func TestAnyWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := moving(Shadowing, 0)
		e := NewEvidence(&s.Plan)
		now := start
		inUse := "old"
		for range rapid.IntRange(1, 60).Draw(t, "moves") {
			was := s
			switch rapid.IntRange(0, 7).Draw(t, "move") {
			case 0:
				for range rapid.IntRange(1, 300).Draw(t, "pairs") {
					e.AddPair(&Pair{Judged: true, Difference: rapid.SampledFrom([]float64{-1, 0, 0, 0, 1}).Draw(t, "d")})
				}
			case 1:
				failed := rapid.Bool().Draw(t, "failed")
				for range rapid.IntRange(1, 40).Draw(t, "requests") {
					e.AddOutcome(Outcome{Candidate: true, Failed: failed})
				}
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "hours")) * time.Hour)
			case 3:
				inUse = rapid.SampledFrom([]string{"old", "new", "third"}).Draw(t, "in use")
			case 4:
				if !s.Stage.Ended() {
					s = s.Forward("by hand", now)
				}
			case 5:
				if !s.Stage.Ended() && s.Stage != Returning {
					s = s.Back(inUse, "by hand", now)
				}
			default:
				s, _ = Next(s, e, inUse, now)
			}
			if s.Epoch != was.Epoch {
				e.Begin(&s)
			}
			if was.Stage.Ended() && s.Stage != was.Stage {
				t.Fatalf("%s became %s", was.Stage, s.Stage)
			}
			if canary, shadow := s.Share(); s.Stage.Ended() && canary+shadow > 0 || canary < 0 || canary > 1 || shadow < 0 || shadow > 1 {
				t.Fatalf("%s: %v %v", s.Where(), canary, shadow)
			}
			if s.Where() == "" || s.Epoch < was.Epoch {
				t.Fatalf("%+v", s)
			}
		}
	})
}
