package judge

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotScored is returned for a sample that nobody has scored yet.
var ErrNotScored = errors.New("people have not scored both answers")

// feedback takes what people gave.
type feedback struct{}

func (feedback) Judge(_ context.Context, s Sample) (Verdict, error) {
	b, c := s.Baseline.Missing(), s.Candidate.Missing()
	if b != "" && c != "" {
		return unanswered(b, c), nil
	}
	if s.Feedback == nil {
		s.Feedback = &Scores{}
	}
	one := func(given *float64, missing string) (float64, error) {
		switch {
		case missing != "":
			return 0, nil
		case given == nil:
			return 0, ErrNotScored
		case !(*given >= 0 && *given <= 1):
			return 0, fmt.Errorf("a score is %v: it must be from 0 to 1", *given)
		}
		return *given, nil
	}
	x, err := one(s.Feedback.Baseline, b)
	if err != nil {
		return Verdict{}, err
	}
	y, err := one(s.Feedback.Candidate, c)
	if err != nil {
		return Verdict{}, err
	}
	return verdict(x, y, People, both(b, c)), nil
}
