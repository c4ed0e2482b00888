package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"

	"github.com/shopspring/decimal"

	"freehold/internal/gateway"
	"freehold/internal/judge"
	"freehold/internal/ledger"
	"freehold/internal/rollout"
)

// judge has one sample judged. about is the call that the sample is of: a judging
// model sees no more than it would have been let see.
func (r *Runner) judge(ctx context.Context, s *rollout.State, about *gateway.Call, sample judge.Sample) (judge.Verdict, decimal.NullDecimal, error) {
	cost := zero
	means := judge.Means{Random: rand.Reader}
	if s.Plan.Judge.Kind == judge.Pairwise {
		means.Asker = &asker{r: r, s: s, about: about, cost: &cost}
	}
	j, err := judge.New(s.Plan.Judge.Spec, means)
	if err != nil {
		return judge.Verdict{}, cost, err
	}
	v, err := j.Judge(ctx, sample)
	return v, cost, err
}

// doubt says that the judge by whose word a rollout would go on is known not to be
// relied on, "" where it is not known to be so.
func (r *Runner) doubt(ctx context.Context, s *rollout.State) (string, error) {
	if s.Plan.Judge.Kind != judge.Pairwise {
		return "", nil
	}
	pairs, err := r.Pairs(ctx, s.ID)
	if err != nil {
		return "", err
	}
	labels, err := r.Store.Labels(ctx, s.ID)
	if err != nil {
		return "", err
	}
	rely := judge.Rely(rollout.Readings(pairs, labels))
	if rely.State != judge.Unreliable {
		return "", nil
	}
	return fmt.Sprintf("the judge %s cannot be relied on (%s): start again with another one, or promote", s.Plan.Judge.Models[0], rely.Reason), nil
}

// asker asks the judging model about one sample.
type asker struct {
	r     *Runner
	s     *rollout.State
	about *gateway.Call
	cost  *decimal.NullDecimal
}

// Ask implements [judge.Asker].
func (a *asker) Ask(ctx context.Context, p judge.Prompt) (string, error) {
	answer, err := a.r.Aside.Judge(ctx, forRollout(a.s, ledger.Judged), a.s.Plan.Judge.Models[0], a.about, p)
	if c := answer.Row.Cost; c.Valid && a.cost.Valid {
		a.cost.Decimal = a.cost.Decimal.Add(c.Decimal)
	} else {
		a.cost.Valid = false
	}
	if err = cmp.Or(err, answer.Err); err != nil {
		return "", err
	}
	return judge.AnswerOf(answer.Response).Text, nil
}
