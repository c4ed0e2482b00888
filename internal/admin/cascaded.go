package admin

import (
	"context"
	"errors"
	"strconv"
	"time"

	"freehold/internal/cascade"
	"freehold/internal/ledger"
)

// CascadedIn asks for a cascade's answers that were rated.
type CascadedIn struct {
	Workload string    `json:"workload,omitempty" doc:"absent: of all"`
	Since    time.Time `json:"since,omitzero" doc:"inclusive"`
}

// CascadedAnswer is an answer of the model that is asked first, which stood and
// was rated.
type CascadedAnswer struct {
	ID       string  `json:"request_id"`
	Workload string  `json:"workload"`
	Margin   float64 `json:"margin" doc:"how sure the model was, 0 to 1"`
	Score    float64 `json:"score" doc:"what the caller said of it, 0 to 1"`
}

// CascadedOut are the answers, in the order in which they were rated.
type CascadedOut struct {
	Answers []CascadedAnswer `json:"answers" doc:"the newest 100,000 at most; nothing of the texts"`
}

// maxCascaded is how many answers are given at once.
const maxCascaded = 100_000

func (s *Service) cascaded(ctx context.Context, _ Caller, in CascadedIn) (CascadedOut, error) {
	if in.Workload != "" && s.app.Config().Workloads[in.Workload] == nil {
		return CascadedOut{}, invalid("there is no workload "+strconv.Quote(in.Workload), "freehold workloads lists them")
	}
	out := CascadedOut{Answers: []CascadedAnswer{}}
	for f, err := range s.app.Feedback.Feedbacks(ctx, in.Since) {
		if err != nil {
			return CascadedOut{}, err
		}
		row, err := s.app.Ledger.Request(ctx, f.Request)
		if errors.Is(err, ledger.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return CascadedOut{}, err
		}
		mine := in.Workload == "" || row.Workload == in.Workload
		if c := row.Cascade; mine && !row.Played() && !row.Time.Before(in.Since) && c != nil && c.By == string(cascade.Logprobs) && c.Cause == "" {
			out.Answers = append(out.Answers, CascadedAnswer{ID: row.ID, Workload: row.Workload, Margin: c.Margin, Score: f.Score})
		}
	}
	if n := len(out.Answers); n > maxCascaded {
		out.Answers = out.Answers[n-maxCascaded:]
	}
	return out, nil
}
