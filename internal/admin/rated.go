package admin

import (
	"context"
	"errors"
	"strconv"
	"time"

	"freehold/internal/app"
	"freehold/internal/capture"
	"freehold/internal/feedback"
	"freehold/internal/ledger"
	"freehold/internal/llm"
)

// Bounds of what is read to train on at once.
const (
	maxRatedRows  = 10_000
	maxRatedBytes = 64 << 20 // of prompts
)

// RatedIn asks for a workload's prompts whose answers were rated.
type RatedIn struct {
	Workload string    `json:"workload"`
	Since    time.Time `json:"since,omitzero" doc:"inclusive"`
	Until    time.Time `json:"until,omitzero" doc:"exclusive"`
	Reason   string    `json:"reason,omitempty" doc:"for the history"`
}

// RatedPrompt is a prompt with what was said of its answer.
type RatedPrompt struct {
	ID     string  `json:"request_id"`
	Model  string  `json:"model" doc:"that answered"`
	System string  `json:"system,omitempty"`
	Prompt string  `json:"prompt" doc:"the last turn of the user"`
	Score  float64 `json:"score"`
	Task   string  `json:"task,omitempty"`
}

// RatedOut are the prompts, newest first.
type RatedOut struct {
	Prompts []RatedPrompt `json:"prompts"`
	// LeftOut counts what was rated, is kept, and is not there all the same.
	LeftOut int `json:"left_out" doc:"rated requests whose prompt cannot be read, or is beyond the bounds of one answer, or which a drill made fail or wait"`
}

func (s *Service) rated(ctx context.Context, c Caller, in RatedIn) (RatedOut, error) {
	by, err := captureBy(c, in.Reason)
	if err != nil {
		return RatedOut{}, err
	}
	if in.Workload == "" {
		return RatedOut{}, invalid("no workload is named", "prompts are kept and rated by workload")
	}
	workload := s.app.Config().Workloads[in.Workload]
	if workload == nil {
		return RatedOut{}, invalid("there is no workload "+strconv.Quote(in.Workload), "freehold workloads lists them")
	}
	if err := ordered(in.Since, in.Until); err != nil {
		return RatedOut{}, err
	}
	said := map[string]feedback.Feedback{}
	for f, err := range s.app.Feedback.Feedbacks(ctx, in.Since) { // feedback comes after its request
		if err != nil {
			return RatedOut{}, err
		}
		f.Comment = ""
		said[f.Request] = f
	}
	out, size := RatedOut{Prompts: []RatedPrompt{}}, 0
	picked := 0
	want := func(e *capture.Entry) bool {
		if _, ok := said[e.ID]; !ok || e.Outcome != string(ledger.OK) {
			return false
		}
		picked++
		return true
	}
	filter := capture.Filter{Workload: in.Workload, Since: in.Since, Until: in.Until, Limit: maxRatedRows}
	_, err = s.app.Captures.ReadAll(ctx, filter, want, by, func(r *capture.Record) error {
		row, err := s.app.Ledger.Request(ctx, r.ID)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if row.Played() { // what people say of it, they say of the drill
			return nil
		}
		codec, ok := app.Codecs()[r.Dialect]
		if !ok || r.Request.IsCut() || size > maxRatedBytes {
			return nil
		}
		body, err := codec.Read(llm.Operation(r.Operation), r.Request.Body)
		if err != nil { // it was accepted once, perhaps by another version
			return nil //nolint:nilerr // counted as left out
		}
		p, f := codec.Prompt(body), said[r.ID]
		size += len(p.System) + len(p.User)
		out.Prompts = append(out.Prompts, RatedPrompt{ID: r.ID, Model: row.Answerer(), System: p.System, Prompt: p.User, Score: f.Score, Task: f.Task})
		return nil
	})
	// What was kept before it was turned off can still be learnt from.
	if off := workload.Capture == nil || !workload.Capture.Enabled; off && (picked == 0 && err == nil || errors.Is(err, capture.ErrNoKey)) {
		return RatedOut{}, invalid("workload "+strconv.Quote(in.Workload)+" keeps no prompts, for its capture is off",
			"workloads."+in.Workload+".capture: {enabled: true} keeps them from then on; what was asked before is not there")
	}
	out.LeftOut = picked - len(out.Prompts)
	return out, err
}
