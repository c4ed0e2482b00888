package rollout

import (
	"fmt"
	"strings"
	"time"

	"freehold/internal/sequential"
)

// Next says what follows from the evidence by itself: the state that the rollout
// enters; ok is false while it stays where it is. inUse is the model that the
// configuration names for the workload now.
//
// What protects clients comes first and also while the rollout is paused: a
// broken gate ends a shadow stage or canary, and takes a cutover back.
func Next(s State, e *Evidence, inUse string, now time.Time) (next State, ok bool) {
	if s.Stage.Ended() {
		return s, false
	}
	if s.Stage == Returning {
		if inUse == s.To {
			return s, false
		}
		return s.enter(RolledBack, 0, s.Reason, now), true
	}
	if why := e.Breach(); why != "" {
		switch {
		case s.Stage == Watching || s.Stage == Cutover && inUse == s.To:
			return s.enter(Returning, 0, why, now), true
		default:
			return s.enter(Aborted, 0, why, now), true
		}
	}
	switch {
	case inUse == "":
		return s.Pause("the configuration has no workload " + s.Workload + " any more")
	case inUse != s.From && inUse != s.To:
		return s.Pause(fmt.Sprintf("the configuration now names %s, which is neither %s nor %s", inUse, s.From, s.To))
	}
	if s.Stage == Watching {
		if now.Before(s.Entered.Add(s.Plan.Watch)) || inUse != s.To {
			return s, false
		}
		return s.enter(Done, 0, fmt.Sprintf("nothing was broken in %v", s.Plan.Watch), now), true
	}
	if s.Stage == Cutover {
		if inUse != s.To {
			return s, false
		}
		return s.enter(Watching, 0, "the configuration in use names "+s.To, now), true
	}
	if s.Paused || s.Plan.Manual {
		return s, false
	}
	switch s.Stage {
	case Shadowing:
		if e.turned.Sure(alphaTurned) {
			return s.Pause(fmt.Sprintf("the judge cannot be relied on: it said the same in both orders of the answers in %d of %d; start again with another one, or promote", e.agreed, e.swaps))
		}
		return s.judged(e, now)
	case Canary:
		step := s.Plan.Steps[s.Step]
		if e.clients[1] < step.Samples || now.Before(s.Entered.Add(step.For)) {
			return s, false
		}
		return s.Forward(fmt.Sprintf("no gate was broken by %d requests", e.clients[1]), now), true
	}
	return s, false
}

// judged goes on from a shadow stage when its pairs allow it.
func (s State) judged(e *Evidence, now time.Time) (State, bool) {
	q := e.quality
	switch o := q.Outcome(); {
	case q.N() < s.Plan.Shadow.Least:
	case o == sequential.Equivalent || o == sequential.Better:
		low, high := q.Interval(0.05)
		return s.Forward(fmt.Sprintf("quality is %s: %+.1f points (95 %%: %+.1f to %+.1f) after %d pairs%s", o, 100*q.Mean(), 100*low, 100*high, q.N(), e.untested()), now), true
	case q.N() >= s.Asked+s.Plan.Shadow.Most:
		s.Asked = q.N()
		return s.Pause(fmt.Sprintf("inconclusive after %d pairs: promote, go on with resume, or abort", q.N()))
	}
	return s, false
}

// Pause is the state paused for a reason; ok is false where it is so already.
func (s State) Pause(reason string) (State, bool) {
	if s.Paused && s.Reason == reason {
		return s, false
	}
	s.Paused, s.Reason = true, reason
	return s, true
}

// Forward is the next stage or step.
func (s State) Forward(reason string, now time.Time) State {
	s.Paused = false
	switch {
	case s.Stage == Shadowing:
		return s.enter(Canary, 0, reason, now)
	case s.Stage == Canary && s.Step+1 < len(s.Plan.Steps):
		return s.enter(Canary, s.Step+1, reason, now)
	case s.Stage == Canary:
		return s.enter(Cutover, 0, reason, now)
	}
	return s
}

// Back is the way to the old model: a cutover is taken back, all before it ends.
// inUse is the model that the configuration names.
func (s State) Back(inUse, reason string, now time.Time) State {
	s.Paused = false
	if inUse == s.To {
		return s.enter(Returning, 0, reason, now)
	}
	if s.Stage == Done || s.Stage == Watching || s.Stage == Returning {
		return s.enter(RolledBack, 0, reason, now)
	}
	return s.enter(Aborted, 0, reason, now)
}

// Where is stage and step in words.
func (s *State) Where() string {
	out := string(s.Stage)
	if s.Stage == Canary {
		out = fmt.Sprintf("canary %s %% (step %d of %d)", percent(s.Plan.Steps[s.Step].Share), s.Step+1, len(s.Plan.Steps))
	}
	if s.Stage == Cutover && s.Missing() > 0 {
		out += fmt.Sprintf(", waits for %d more to approve", s.Missing())
	}
	if s.Paused {
		out += ", paused"
	}
	return out
}

func percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", 100*share), "0"), ".")
}
