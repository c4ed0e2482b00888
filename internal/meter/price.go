package meter

import (
	"math"

	"github.com/shopspring/decimal"

	"freehold/internal/llm"
)

// Rates are prices in USD per single token. A rate that is not Valid is
// unknown, which is different from a rate of 0.
type Rates struct {
	Input  decimal.NullDecimal `json:"input"`
	Output decimal.NullDecimal `json:"output"`
	// CachedInput and CacheWrite price the cached parts of the input; unknown
	// means the Input rate. Reasoning prices that part of the output; unknown
	// means the Output rate.
	CachedInput decimal.NullDecimal `json:"cached_input"`
	CacheWrite  decimal.NullDecimal `json:"cache_write"`
	Reasoning   decimal.NullDecimal `json:"reasoning"`
}

// PerMillion turns a price per million tokens, as vendors and the
// configuration write it, into a rate; nil is unknown. Exact.
func PerMillion(usd *decimal.Decimal) decimal.NullDecimal {
	if usd == nil {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(usd.Shift(-6))
}

// Tier replaces rates for a whole request whose Input is above a number of
// tokens (long-context prices). Rates that are not Valid stay those of the
// price below.
type Tier struct {
	Above int64 `json:"above"` // tokens of Input; the tier holds for more than this
	Rates
}

// Price is what one model costs at one provider, with where and when the
// figure was read. The zero Price is an unknown price.
type Price struct {
	Rates
	// Tiers are sorted by Above, ascending.
	Tiers []Tier `json:"tiers,omitempty"`
	// Source names the list or configuration the price comes from; AsOf is its
	// date (YYYY-MM or YYYY-MM-DD).
	Source string `json:"source,omitempty"`
	AsOf   string `json:"as_of,omitempty"`
}

// Known reports whether anything at all is priced.
func (p Price) Known() bool { return p.Input.Valid || p.Output.Valid }

// Equal compares prices by value: 1e-6 equals 0.0000010.
func (p Price) Equal(q Price) bool {
	if p.Source != q.Source || p.AsOf != q.AsOf || len(p.Tiers) != len(q.Tiers) || !p.Rates.equal(q.Rates) {
		return false
	}
	for i := range p.Tiers {
		if p.Tiers[i].Above != q.Tiers[i].Above || !p.Tiers[i].equal(q.Tiers[i].Rates) {
			return false
		}
	}
	return true
}

func (r Rates) equal(s Rates) bool {
	return same(r.Input, s.Input) && same(r.Output, s.Output) && same(r.CachedInput, s.CachedInput) &&
		same(r.CacheWrite, s.CacheWrite) && same(r.Reasoning, s.Reasoning)
}

func same(a, b decimal.NullDecimal) bool {
	return a.Valid == b.Valid && (!a.Valid || a.Decimal.Equal(b.Decimal))
}

// at gives the rates that hold for a request with this much input.
func (p Price) at(input int64) Rates {
	r := p.Rates
	for _, t := range p.Tiers {
		if input <= t.Above {
			break
		}
		r.Input = or(t.Input, r.Input)
		r.Output = or(t.Output, r.Output)
		r.CachedInput = or(t.CachedInput, r.CachedInput)
		r.CacheWrite = or(t.CacheWrite, r.CacheWrite)
		r.Reasoning = or(t.Reasoning, r.Reasoning)
	}
	return r
}

func or(a, b decimal.NullDecimal) decimal.NullDecimal {
	if a.Valid {
		return a
	}
	return b
}

// Cost is the exact cost of u in USD. known is false, and the amount 0, when a
// part of u that is not zero has no known rate, or when u breaks its own rules
// (see Check): a wrong amount is worse than none.
func Cost(u llm.Usage, p Price) (usd decimal.Decimal, known bool) {
	if Check(u) != nil {
		return decimal.Zero, false
	}
	r := p.at(u.Input)
	sum := decimal.Zero
	for _, part := range [...]struct {
		tokens int64
		rate   decimal.NullDecimal
	}{
		{u.Input - u.CachedInput - u.CacheWrite, r.Input},
		{u.CachedInput, or(r.CachedInput, r.Input)},
		{u.CacheWrite, or(r.CacheWrite, r.Input)},
		{u.Output - u.Reasoning, r.Output},
		{u.Reasoning, or(r.Reasoning, r.Output)},
	} {
		if part.tokens == 0 {
			continue
		}
		if !part.rate.Valid {
			return decimal.Zero, false
		}
		sum = sum.Add(part.rate.Decimal.Mul(decimal.NewFromInt(part.tokens)))
	}
	// Nothing used costs nothing only where the price is known at all.
	return sum, p.Known()
}

// Dearest gives the most that one token can cost of the input, and of the
// output, of a request with at most so much input: read from the cache, written
// to it or thought, at whichever tier. Not valid is unknown.
func (p Price) Dearest(input int64) (in, out decimal.NullDecimal) {
	in, out = p.Rates.dearest()
	for _, t := range p.Tiers {
		if input <= t.Above {
			break
		}
		tierIn, tierOut := p.at(t.Above + 1).dearest()
		in, out = dearer(in, tierIn), dearer(out, tierOut)
	}
	return in, out
}

func (r Rates) dearest() (in, out decimal.NullDecimal) {
	return dearer(dearer(r.Input, r.CachedInput), r.CacheWrite), dearer(r.Output, r.Reasoning)
}

// dearer is the higher of two rates, or r where s does not say another one.
func dearer(r, s decimal.NullDecimal) decimal.NullDecimal {
	if r.Valid && s.Valid && s.Decimal.GreaterThan(r.Decimal) {
		return s
	}
	return r
}

// Pico is an amount of US dollars in trillionths, rounded up where a price is
// finer than that; one that is too large is the largest there is.
func Pico(usd decimal.Decimal) int64 {
	n := usd.Shift(12).Ceil().BigInt()
	if !n.IsInt64() {
		return math.MaxInt64
	}
	return n.Int64()
}
