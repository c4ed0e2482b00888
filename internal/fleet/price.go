package fleet

import (
	"cmp"
	"sync/atomic"

	"github.com/shopspring/decimal"

	"freehold/internal/llm"
	"freehold/internal/meter"
)

// Pricing is a deployment's price, with its rates as text for the journal;
// empty where they are unknown.
type Pricing struct {
	meter.Price
	In, Out string
}

// pricing finds the price when it is first asked for: price lists are long,
// and a start must not wait for them.
type pricing struct {
	find func() meter.Price
	have atomic.Pointer[Pricing]
}

// Price is what the deployment costs; the zero price where that is unknown.
func (d *Deployment) Price() *Pricing {
	if p := d.pricing.have.Load(); p != nil {
		return p
	}
	p := &Pricing{}
	if d.pricing.find != nil {
		p.Price = d.pricing.find()
	}
	if p.Input.Valid {
		p.In = p.Input.Decimal.String()
	}
	if p.Output.Valid {
		p.Out = p.Output.Decimal.String()
	}
	d.pricing.have.Store(p)
	return p
}

// Cost is what a request of so many tokens costs at the deployment, in US
// dollars. ok is false where that is unknown.
func (d *Deployment) Cost(in, out int64) (usd decimal.Decimal, ok bool) {
	return meter.Cost(llm.Usage{Input: in, Output: out}, d.Price().Price)
}

// LongestAnswer is how many tokens an answer has at most to a request that sets no
// limit: what is put into such requests, else what the model can; otherwise where
// neither is known.
func (d *Deployment) LongestAnswer(otherwise int64) int64 {
	return cmp.Or(max(0, d.Quirks.DefaultMaxTokens), max(0, d.MaxOutput), otherwise)
}

// SetPrice gives a deployment that no configuration made its rates for one
// token.
func (d *Deployment) SetPrice(in, out decimal.Decimal) {
	d.pricing.find = func() meter.Price {
		return meter.Price{Rates: meter.Rates{Input: decimal.NewNullDecimal(in), Output: decimal.NewNullDecimal(out)}}
	}
}
