package compare

import (
	"fmt"
	"slices"
	"sync"

	"github.com/shopspring/decimal"
)

// Price is what a token costs, in US dollars; not valid: unknown.
type Price struct{ In, Out decimal.NullDecimal }

// cost of so many tokens.
func (p Price) cost(in, out int64) decimal.NullDecimal {
	if !p.In.Valid || !p.Out.Valid {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(p.In.Decimal.Mul(decimal.NewFromInt(in)).Add(p.Out.Decimal.Mul(decimal.NewFromInt(out))))
}

const (
	// usualAnswer is how long an answer is taken to be where nothing is known, in
	// tokens.
	usualAnswer = 512
	// A judge is asked twice, reads both answers and its instructions, and says
	// little.
	judgeAsked, judgeFrame, judgeAnswer = 2, 450, 60
)

// Quote is what a comparison will take, as far as can be told before.
type Quote struct {
	Questions int             // to the models compared
	Judgings  int             // questions to the judge, at most
	USD       decimal.Decimal // of those whose price is known
	Unknown   []string        // models whose price is not
}

// answerTokens is the expected length of an answer.
func (c *Comparison) answerTokens(r *Row) int64 {
	n := c.AnswerTokens
	if n <= 0 {
		n = usualAnswer
		if r.MaxTokens > 0 {
			n = r.MaxTokens
		}
	}
	if r.MaxTokens > 0 {
		n = min(n, r.MaxTokens)
	}
	return n
}

// askCost is what one answer of a model is expected to cost.
func (c *Comparison) askCost(r *Row, model string) decimal.NullDecimal {
	return c.Prices[model].cost(r.TokensIn, c.answerTokens(r))
}

// judgeCost is what judging one pair is expected to cost.
func (c *Comparison) judgeCost(r *Row) decimal.NullDecimal {
	one := c.Prices[c.JudgeModel].cost(r.TokensIn+2*c.answerTokens(r)+judgeFrame, judgeAnswer)
	one.Decimal = one.Decimal.Mul(decimal.NewFromInt(judgeAsked))
	return one
}

// Quote says what is still to be paid: what the results file has is not.
func (c *Comparison) Quote() Quote {
	var q Quote
	add := func(cost decimal.NullDecimal, model string) {
		if cost.Valid {
			q.USD = q.USD.Add(cost.Decimal)
		} else if !slices.Contains(q.Unknown, model) {
			q.Unknown = append(q.Unknown, model)
		}
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		for _, model := range c.asked() {
			if !c.Out.has(r, model) {
				q.Questions++
				add(c.askCost(r, model), model)
			}
		}
		if c.JudgeModel == "" {
			continue
		}
		for _, model := range c.Candidates {
			if !c.Out.judged(r, model) {
				q.Judgings += judgeAsked
				add(c.judgeCost(r), c.JudgeModel)
			}
		}
	}
	return q
}

// LimitError says that the money is spent.
type LimitError struct{ Limit, Spent decimal.Decimal }

func (e *LimitError) Error() string {
	return fmt.Sprintf("the next question could cost more than what is left of %s USD: %s USD are spent", e.Limit, e.Spent.Round(6))
}

// purse holds spending to a limit. What is under way counts as it is expected to
// cost.
type purse struct {
	mu          sync.Mutex
	limit       decimal.NullDecimal
	spent, held decimal.Decimal
	unknown     int // answers of which nobody knows what they cost
}

// take reserves the expected cost.
func (p *purse) take(expected decimal.NullDecimal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit.Valid && p.spent.Add(p.held).Add(expected.Decimal).GreaterThan(p.limit.Decimal) {
		return &LimitError{p.limit.Decimal, p.spent}
	}
	p.held = p.held.Add(expected.Decimal)
	return nil
}

// settle puts the real cost in the place of the expected one.
func (p *purse) settle(expected, cost decimal.NullDecimal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = p.held.Sub(expected.Decimal)
	if !cost.Valid {
		p.unknown++
		cost = expected
	}
	p.spent = p.spent.Add(cost.Decimal)
}
