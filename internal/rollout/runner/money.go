package runner

import (
	"cmp"
	"fmt"

	"github.com/shopspring/decimal"

	"freehold/internal/fleet"
	"freehold/internal/judge"
	"freehold/internal/rollout"
)

// money is what a rollout has spent on copies and judging, beside its clients'
// requests, and what those under way may cost.
type money struct {
	usd      decimal.Decimal
	unknown  int // answers without a known price
	reserved decimal.Decimal
	// dear counts the copies in a row that could cost more than is left, with nothing
	// under way; cheapest is the one of them that could cost least.
	dear     int
	cheapest decimal.Decimal
}

func (m *money) add(cost decimal.NullDecimal) {
	if !cost.Valid {
		m.unknown++
		return
	}
	m.usd = m.usd.Add(cost.Decimal)
}

func (m *money) pair(p *rollout.Pair) {
	m.add(p.New.Cost)
	if p.JudgeCost.Valid {
		m.add(p.JudgeCost)
	}
}

// mostDear is how many copies in a row may be too dear for what is left of a budget,
// before it is taken for spent.
const mostDear = 20

// reserve keeps room for a copy that may cost so much; ok is false where the budget
// has none. why is not empty where it pays for no copy any more, as far as the last
// ones tell: a single one that is dear says nothing of the next.
func (m *money) reserve(budget decimal.NullDecimal, cost decimal.Decimal) (ok bool, why string) {
	if !budget.Valid || m.usd.Add(m.reserved).Add(cost).LessThanOrEqual(budget.Decimal) {
		m.reserved = m.reserved.Add(cost)
		m.dear = 0
		return true, ""
	}
	if m.reserved.IsPositive() { // what is under way may cost less than it may
		return false, ""
	}
	if m.dear == mostDear { // it is said: those that waited say no more
		return false, ""
	}
	if m.dear++; m.dear == 1 || cost.LessThan(m.cheapest) {
		m.cheapest = cost
	}
	if m.dear < mostDear {
		return false, ""
	}
	if m.usd.IsZero() {
		return false, fmt.Sprintf("the budget of %s USD for copies and judging does not pay for a copy: of the last %d the cheapest may cost %s", budget.Decimal, m.dear, m.cheapest.Round(6))
	}
	return false, fmt.Sprintf("the budget of %s USD for copies and judging is spent: %s are, and of the last %d copies the cheapest may cost %s", budget.Decimal, m.usd, m.dear, m.cheapest.Round(6))
}

// A judge is asked in both orders of the answers, each time again where its word has
// no form. It reads, in bytes at most, its instructions and marks, the request (its
// first and last characters) and both answers (their first ones, each of four bytes).
const (
	judgings     = 2 * 2
	instructions = 3000
	shownRequest = 4 * judge.MaxRequest
)

// most is the most that a copy can cost, with its judging. why is not empty where
// nobody knows.
func (r *Runner) most(s *rollout.State, j *job) (usd decimal.Decimal, why string) {
	copied := r.Aside.Most(s.Workload, s.To, j.Call)
	if !copied.USD.Valid {
		return usd, copied.Why
	}
	usd = copied.USD.Decimal
	p := &s.Plan.Judge
	if p.Kind != judge.Pairwise {
		return usd, ""
	}
	shown := int64(4 * cmp.Or(p.MaxText, judge.DefaultMaxText))
	bytes := instructions + len(p.Rubric) + min(len(j.Call.Raw), shownRequest)
	for _, tokens := range []int64{j.row.Out, copied.Out} {
		bytes += int(min(twice*tokens, shown))
	}
	judged := r.Aside.MostJudge(s.Workload, p.Models[0], bytes)
	if !judged.USD.Valid {
		return usd, judged.Why
	}
	return usd.Add(judged.USD.Decimal.Mul(decimal.NewFromInt(judgings))), ""
}

// twice: a model may count so many tokens in a text where another counts one.
const twice = 2

// priced refuses a budget that cannot be held, since nobody knows what a model
// costs. What an engine of freehold's own answers costs nothing.
func priced(f *fleet.Fleet, s *rollout.State) error {
	if s.Plan.Shadow.Share == 0 || !s.Plan.Shadow.Budget.Valid {
		return nil
	}
	names := []string{s.To}
	if s.Plan.Judge.Kind == judge.Pairwise {
		names = append(names, s.Plan.Judge.Models[0])
	}
	for _, name := range names {
		for _, d := range f.Models[name].Deployments {
			if _, ok := d.Cost(1, 1); !ok && !d.Provider.Engine {
				return refuse("models."+name+".price in config.yaml says it; without shadow.budget copies are made whatever they cost",
					"the budget of %s USD for copies cannot be held: nobody knows what %s costs", s.Plan.Shadow.Budget.Decimal, d.Name)
			}
		}
	}
	return nil
}
