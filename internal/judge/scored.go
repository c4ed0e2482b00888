package judge

import (
	"context"
	"fmt"
)

// measure is how a kind looks at answers that are there. It is symmetric: agree
// of two answers is the same in either order, and 1 of an answer with itself.
type measure interface {
	// fits says what an expected answer lacks that the kind needs.
	fits(w *Expected) error
	// unusable says why an answer scores 0 whatever is right, without its words;
	// empty: it may be.
	unusable(a *Answer) string
	// against scores an answer against what is right.
	against(a *Answer, w *Expected) finding
	// agree says how far two answers are the same.
	agree(a, b *Answer) finding
}

// finding is a score with what is said of it, and with what of the answers.
type finding struct {
	score         float64
	detail, quote string
}

// yes is the finding of what is right or not.
func yes(right bool, detail, quote string, args ...any) finding {
	if right {
		return finding{score: 1}
	}
	return finding{0, detail, fmt.Sprintf(quote, args...)}
}

// scored judges by a measure: against what is expected where that is known, else
// the candidate against the baseline.
type scored struct{ measure }

func (j scored) Judge(_ context.Context, s Sample) (Verdict, error) {
	if s.Want != nil {
		return j.reference(&s)
	}
	b, c := j.wrong(&s.Baseline), j.wrong(&s.Candidate)
	switch {
	case b != "" || c != "":
		return unanswered(b, c), nil
	case s.Baseline.Refused && s.Candidate.Refused:
		return verdict(1, 1, Agreement, "both decline"), nil
	case s.Baseline.Refused:
		return verdict(1, 0, Agreement, "the baseline declines, the candidate answers"), nil
	case s.Candidate.Refused:
		return verdict(1, 0, Agreement, "the candidate declines"), nil
	}
	f := j.agree(&s.Baseline, &s.Candidate)
	v := verdict(1, f.score, Agreement, f.detail)
	v.Quote = f.quote
	return v, nil
}

func (j scored) reference(s *Sample) (Verdict, error) {
	if !s.Want.Refusal {
		if err := j.fits(s.Want); err != nil {
			return Verdict{}, err
		}
	}
	b, c := j.one(&s.Baseline, s.Want), j.one(&s.Candidate, s.Want)
	v := verdict(b.score, c.score, Reference, both(b.detail, c.detail))
	v.Quote = both(b.quote, c.quote)
	return v, nil
}

// one scores one answer against what is right.
func (j scored) one(a *Answer, w *Expected) finding {
	if w.Refusal {
		return yes(a.Refused && a.Failure == "", "does not decline", "")
	}
	if why := j.wrong(a); why != "" {
		return finding{detail: why}
	}
	if a.Refused {
		return finding{detail: "declines"}
	}
	return j.against(a, w)
}

// wrong says why an answer is missing or of no use. One that declines is
// neither.
func (j scored) wrong(a *Answer) string {
	if why := a.Missing(); why != "" || a.Refused {
		return why
	}
	return j.unusable(a)
}

// unanswered is the verdict where one answer at least is missing or of no use,
// for the reasons given: the other one wins, and two are a tie.
func unanswered(baseline, candidate string) Verdict {
	b, c := 0.0, 0.0
	switch {
	case baseline == "":
		b = 1
	case candidate == "":
		c = 1
	}
	return verdict(b, c, Unanswered, both(baseline, candidate))
}

// both tells what is to be said of the two answers.
func both(baseline, candidate string) string {
	if baseline == candidate {
		if baseline == "" {
			return ""
		}
		return "both: " + clip(baseline, maxDetail)
	}
	out := ""
	if baseline != "" {
		out = "baseline: " + clip(baseline, maxDetail)
	}
	if candidate != "" {
		if out != "" {
			out += "; "
		}
		out += "candidate: " + clip(candidate, maxDetail)
	}
	return out
}

// maxDetail is how much is told of one answer, in characters.
const maxDetail = 120

// clip cuts a text for people to n characters.
func clip(s string, n int) string {
	count := 0
	for i := range s {
		if count == n {
			return s[:i] + "..."
		}
		count++
	}
	return s
}
