package runner

import (
	"fmt"

	"github.com/shopspring/decimal"

	"freehold/internal/fleet"
	"freehold/internal/judge"
	"freehold/internal/rollout"
	"freehold/internal/rollout/aside"
)

// money is what a rollout has spent on copies and judging, beside its clients'
// requests, and what those under way may cost.
type money struct {
	usd      decimal.Decimal
	unknown  int // answers without a known price
	reserved decimal.Decimal
	dearest  decimal.Decimal // of a pair so far, with its judging
}

func (m *money) add(cost decimal.NullDecimal) {
	if !cost.Valid {
		m.unknown++
		return
	}
	m.usd = m.usd.Add(cost.Decimal)
}

func (m *money) pair(p *rollout.Pair) {
	before := m.usd
	m.add(p.New.Cost)
	if p.JudgeCost.Valid {
		m.add(p.JudgeCost)
	}
	m.dearest = decimal.Max(m.dearest, m.usd.Sub(before))
}

// reserve keeps room for a copy that may cost so much. ok is false where the
// budget has none now; why is not empty where it will have none later either.
func (m *money) reserve(budget decimal.NullDecimal, cost decimal.Decimal) (ok bool, why string) {
	if budget.Valid && m.usd.Add(m.reserved).Add(cost).GreaterThan(budget.Decimal) {
		if m.reserved.IsPositive() {
			return false, "" // what is under way may cost less than it may
		}
		return false, m.spent(budget, cost)
	}
	m.reserved = m.reserved.Add(cost)
	return true, ""
}

// spent says that a budget does not pay for a copy of this cost.
func (m *money) spent(budget decimal.NullDecimal, cost decimal.Decimal) string {
	if m.usd.IsZero() {
		return fmt.Sprintf("the budget of %s USD for copies and judging does not pay for one copy, which may cost %s", budget.Decimal, cost.Round(6))
	}
	return fmt.Sprintf("the budget of %s USD for copies and judging is spent: %s are, and the next copy may cost %s", budget.Decimal, m.usd, cost.Round(6))
}

// over says that a budget will not pay for another copy like the dearest so far, ""
// while it may, or while what is under way may cost less than it may.
func (m *money) over(budget decimal.NullDecimal) string {
	if !budget.Valid || m.reserved.IsPositive() || m.usd.Add(m.dearest).LessThanOrEqual(budget.Decimal) {
		return ""
	}
	return m.spent(budget, m.dearest)
}

const (
	// unbounded is how long an answer is taken to be that nothing bounds.
	unbounded = 8192
	// A judge reads the conversation and both answers in both orders, with about so
	// many tokens of its own instructions.
	instructions = 600
	// tokenizers count otherwise: by so much, in tenths.
	tenths = 13
)

// estimate is the most that a copy may cost, with its judging: an answer is as long
// as the request or the model lets it be.
func (r *Runner) estimate(s *rollout.State, j *job) decimal.Decimal {
	f, in := r.Fleet(), j.row.In*tenths/10
	sum, out := decimal.Zero, int64(0)
	if m := f.Models[s.To]; m != nil {
		for _, d := range m.Deployments {
			most := longest(d, j.MaxTokens) * max(1, j.Choices)
			out = max(out, most)
			if usd, ok := d.Cost(in, most); ok {
				sum = decimal.Max(sum, usd)
			}
		}
	}
	judging := decimal.Zero
	if p := s.Plan.Judge; p.Kind == judge.Pairwise && f.Models[p.Models[0]] != nil {
		for _, d := range f.Models[p.Models[0]].Deployments {
			if usd, ok := d.Cost(2*(in+j.row.Out*tenths/10+out+instructions), 2*aside.MaxVerdict); ok {
				judging = decimal.Max(judging, usd)
			}
		}
	}
	return sum.Add(judging)
}

// longest is how many tokens an answer has at most.
func longest(d *fleet.Deployment, asked int64) int64 {
	most := d.LongestAnswer(unbounded)
	if asked > 0 {
		most = min(most, asked)
	}
	return most
}

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
