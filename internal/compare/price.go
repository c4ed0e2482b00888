package compare

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
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

// Most is what an answer can cost at most, and how long it can be.
type Most struct {
	USD    decimal.NullDecimal // not valid: not known
	Tokens int64
	Why    string // why it is not known
}

// JudgeMost is what a question to the judge can cost at most: so much, and for each
// byte of what it is asked.
type JudgeMost struct {
	Most
	Byte decimal.Decimal
}

// cost of a question of so many bytes.
func (m *JudgeMost) cost(bytes int64) decimal.NullDecimal {
	return decimal.NullDecimal{Decimal: m.USD.Decimal.Add(m.Byte.Mul(decimal.NewFromInt(bytes))), Valid: m.USD.Valid}
}

const (
	// usualAnswer is how long an answer is taken to be where nothing is known, in
	// tokens.
	usualAnswer = 512
	// A judge is asked twice, at most four times: again where its word has no form. It
	// reads both answers and its instructions, and says little.
	judgeAsked, judgeMost, judgeFrame, judgeAnswer = 2, 4, 450, 60
	// What it reads at most, in bytes: its instructions and marks, and of the request
	// and each text the first characters; an answer of so many tokens is taken for twice
	// as many of the judge's.
	judgeMarks, judgeRequest, judgeTwice = 3000, 4 * judge.MaxRequest, 2
)

// Quote is what a comparison will take, as far as can be told before.
type Quote struct {
	Questions int             // to the models compared
	Judgings  int             // questions to the judge, where its words have a form
	Again     int             // more questions to it, at most
	USD       decimal.Decimal // expected, of those whose price is known
	Most      decimal.Decimal // at most, of those of which it is known
	Unknown   []string        // models whose price is not
	Unbounded []string        // questions of which nobody knows what they cost at most, and why
}

// answerTokens is the expected length of an answer.
func (c *Comparison) answerTokens(r *Row, model string) int64 {
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
	if most := r.Most[model].Tokens; most > 0 {
		n = min(n, most)
	}
	return n
}

// askCost is what one answer of a model is expected to cost.
func (c *Comparison) askCost(r *Row, model string) decimal.NullDecimal {
	return c.Prices[model].cost(r.TokensIn, c.answerTokens(r, model))
}

// judgeCost is what judging one pair is expected to cost.
func (c *Comparison) judgeCost(r *Row, model string) decimal.NullDecimal {
	one := c.Prices[c.JudgeModel].cost(r.TokensIn+c.answerTokens(r, c.Baseline)+c.answerTokens(r, model)+judgeFrame, judgeAnswer)
	one.Decimal = one.Decimal.Mul(decimal.NewFromInt(judgeAsked))
	return one
}

// judgedMost is what judging one pair can cost at most.
func (c *Comparison) judgedMost(r *Row, model string) decimal.NullDecimal {
	shown := int64(4 * cmp.Or(c.Settings.Judge.MaxText, judge.DefaultMaxText))
	bytes := judgeMarks + int64(len(c.Settings.Judge.Rubric)+min(len(r.Request), judgeRequest))
	if r.Want != nil {
		for _, text := range r.Want.Texts {
			bytes += int64(min(len(text), judgeRequest))
		}
	}
	old := judgeTwice * r.Most[c.Baseline].Tokens
	if r.Recorded != nil && c.Baseline == Recorded {
		old = int64(len(r.Recorded.Text))
	}
	bytes += min(old, shown) + min(judgeTwice*r.Most[model].Tokens, shown)
	most := c.JudgeMost.cost(bytes)
	most.Decimal = most.Decimal.Mul(decimal.NewFromInt(judgeMost))
	return most
}

// Quote says what is still to be paid: what the results file has is not.
func (c *Comparison) Quote() Quote {
	var q Quote
	add := func(cost, most decimal.NullDecimal, r *Row, model, why string) {
		if cost.Valid {
			q.USD = q.USD.Add(cost.Decimal)
		} else if !slices.Contains(q.Unknown, model) {
			q.Unknown = append(q.Unknown, model)
		}
		if q.Most = q.Most.Add(most.Decimal); !most.Valid {
			q.Unbounded = append(q.Unbounded, fmt.Sprintf("%s: %s: %s", r.Where, model, why))
		}
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		for _, model := range c.asked() {
			if !c.Out.has(r, model) {
				q.Questions++
				add(c.askCost(r, model), r.Most[model].USD, r, model, r.Most[model].Why)
			}
		}
		if c.JudgeModel == "" {
			continue
		}
		for _, model := range c.Candidates {
			if !c.Out.judged(r, model) {
				q.Judgings += judgeAsked
				q.Again += judgeMost - judgeAsked
				add(c.judgeCost(r, model), c.judgedMost(r, model), r, c.JudgeModel, c.JudgeMost.Why)
			}
		}
	}
	return q
}
