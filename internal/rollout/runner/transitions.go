package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"freehold/internal/history"
	"freehold/internal/rollout"
)

// Transition is a change of a rollout, as the history has it.
type Transition struct {
	history.Record
	Was, Is string // stage and step in words; the first one was nothing
	// Left: to another stage or step, and not only to a pause and back.
	Left bool
	// Known is what was known when it was made: all of the stage that it left.
	Known rollout.Report
	// Stage is the one before, "" of the first.
	Stage rollout.Stage
}

// Transitions are the changes of a rollout, the oldest first.
func (r *Runner) Transitions(ctx context.Context, s *rollout.State) ([]Transition, error) {
	// The clock of who wrote the first one may have been a little behind.
	records, err := r.History.List(ctx, history.Filter{Kinds: []history.Kind{Kind}, Subject: s.Workload, Since: s.Started.Add(-time.Minute)})
	if err != nil {
		return nil, err
	}
	var out []Transition
	var was history.Record // the one before
	for _, rec := range slices.Backward(records) {
		if rec.Details["rollout"] != s.ID {
			continue
		}
		t := Transition{Record: rec, Was: rec.Details["was"], Is: rec.Details["is"], Stage: rollout.Stage(was.Details["stage"])}
		if err := json.Unmarshal([]byte(rec.Details["evidence"]), &t.Known); err != nil {
			return nil, fmt.Errorf("record %d of the history: the evidence of rollout %s cannot be read: %w", rec.Seq, s.ID, err)
		}
		if len(out) == 0 {
			t.Was = ""
		} else {
			t.Left = was.Details["stage"] != rec.Details["stage"] || was.Details["step"] != rec.Details["step"]
		}
		was = rec
		out = append(out, t)
	}
	return out, nil
}

// Works reports whether it was made in a stage that measures: neither on the way
// back, which knows nothing of either model, nor after an end.
func (t *Transition) Works() bool { return t.Stage != rollout.Returning && !t.Stage.Ended() }

// known is what is known of a rollout: of one that has ended, all of the last
// stage in which it measured.
func (r *Runner) known(ctx context.Context, a *active) (rollout.Report, error) {
	if a.state.Stage.Ended() {
		all, err := r.Transitions(ctx, &a.state)
		if err != nil {
			return rollout.Report{}, err
		}
		for _, t := range slices.Backward(all) {
			if t.Works() {
				return t.Known, nil
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return a.evidence.Report(), nil
}
