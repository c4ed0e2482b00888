package runner

import (
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
	cost = decimal.Max(cost, m.dearest)
	if budget.Valid && m.usd.Add(m.reserved).Add(cost).GreaterThan(budget.Decimal) {
		if m.reserved.IsPositive() {
			return false, "" // what is under way may cost less than it may
		}
		return false, fmt.Sprintf("the budget of %s USD for copies and judging is spent: %s are, and the next copy may cost %s", budget.Decimal, m.usd, cost.Round(6))
	}
	m.reserved = m.reserved.Add(cost)
	return true, ""
}

// Of an answer that is not yet there the old one's length is a measure; it may be
// twice as long. A judge reads the conversation and both answers in both orders,
// with about so many tokens of its own instructions, and says little.
const (
	longer       = 2
	instructions = 600
	said         = 100
)

// estimate is about the most that a copy may cost, with its judging.
func (r *Runner) estimate(s *rollout.State, old *rollout.Side) decimal.Decimal {
	f := r.Fleet()
	sum := dearest(f.Models[s.To], old.In, longer*old.Out)
	if j := s.Plan.Judge; j.Kind == judge.Pairwise {
		sum = sum.Add(dearest(f.Models[j.Models[0]], 2*(old.In+(1+longer)*old.Out+instructions), 2*said))
	}
	return sum
}

// dearest is what so many tokens cost at the dearest deployment of a model.
func dearest(m *fleet.Model, in, out int64) decimal.Decimal {
	most := decimal.Zero
	if m == nil {
		return most
	}
	for _, d := range m.Deployments {
		if usd, ok := d.Cost(in, out); ok {
			most = decimal.Max(most, usd)
		}
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
