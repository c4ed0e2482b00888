package gateway

import (
	"slices"

	"github.com/shopspring/decimal"

	"freehold/internal/ledger"
	"freehold/internal/llm"
)

// settle sums the attempts up and puts the request on record, once. It comes
// before the last byte of the answer.
func (x *exchange) settle() error {
	if x.settled {
		return nil
	}
	x.settled = true
	x.noteLanguage()
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &x.row
	r.Total = x.g.Clock().Sub(r.Time)
	if r.BytesOut == 0 {
		r.BytesOut = x.out.sent
	}
	r.Tokens, r.Cost = ledger.Tokens{}, decimal.NullDecimal{Valid: true}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		if r.Tokens = r.Tokens.Add(a.Tokens); i == 0 {
			r.Cost = a.Cost
		} else if r.Cost.Valid = r.Cost.Valid && a.Cost.Valid; r.Cost.Valid {
			r.Cost.Decimal = r.Cost.Decimal.Add(a.Cost.Decimal)
		}
	}
	if !r.Cost.Valid {
		r.Cost.Decimal = decimal.Zero
	}
	if len(r.Dropped) > 1 {
		slices.Sort(r.Dropped)
		r.Dropped = slices.Compact(r.Dropped)
	}
	err := x.record(r)
	if err == nil {
		x.capture()
		x.ended()
		if r.Drill != "" {
			x.g.Drills.Ended(r)
		}
	}
	x.g.Observer.Done(r, x.call.Header)
	if x.call.Settled != nil {
		x.call.Settled(r)
	}
	return err
}

// sum adds the usage of two legs of one answer.
func sum(a, b llm.Usage) llm.Usage {
	return llm.Usage{
		Input: a.Input + b.Input, Output: a.Output + b.Output, CachedInput: a.CachedInput + b.CachedInput,
		CacheWrite: a.CacheWrite + b.CacheWrite, Reasoning: a.Reasoning + b.Reasoning, Reported: b.Reported,
	}
}
