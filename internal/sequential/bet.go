// Package sequential decides from measurements that are looked at while they
// come in. A test that is valid once, at a size fixed before, is wrong far more
// often than it says when it is looked at after each request; what is here
// keeps its level at every look, and so at the one where somebody stops.
//
// It is pure: numbers in, decisions out. The tests bet against their null
// hypothesis: a gambler's wealth that starts at 1 and can only shrink on average
// while the null holds reaches 1/alpha with a chance of at most alpha, at any
// time (Ville's inequality). Nothing is assumed of the observations but that
// they lie within known bounds and that their conditional mean is what is asked.
// After Waudby-Smith and Ramdas, "Estimating means of bounded random variables
// by betting", JRSS B 86 (2024), doi:10.1093/jrsssb/qkad009, with a fixed
// mixture of bets, so that the order of observations does not matter.
package sequential

import "math"

// Side says what a test gathers evidence for.
type Side int

// The sides.
const (
	Above Side = +1 // the mean is above the null
	Below Side = -1 // the mean is below the null
)

// stakes are the bets of the mixture, as shares of the largest that cannot lose
// more than there is, and what of the wealth begins on each. Small effects pay
// for small stakes, large ones for large stakes; the cost against the best of
// them, chosen afterwards, is at most the logarithm of one over its weight.
var stakes = [...]struct{ share, weight float64 }{
	{0.015, 0.05}, {0.03, 0.09}, {0.06, 0.13}, {0.11, 0.16}, {0.18, 0.17}, {0.28, 0.16}, {0.42, 0.12}, {0.6, 0.08}, {0.85, 0.04},
}

// Bet is a one-sided test of the mean of observations that lie in [low, high].
type Bet struct {
	low, high, null float64
	side            Side
	wealth          [len(stakes)]float64 // logarithms
	peak            float64
}

// NewBet tests whether the mean is on the given side of null, which lies
// within [low, high].
func NewBet(low, high, null float64, side Side) *Bet {
	return &Bet{low: low, high: high, null: null, side: side}
}

// Add takes one observation.
func (b *Bet) Add(x float64) { b.AddAgainst(x, b.null) }

// AddAgainst takes one observation against a null of its own, which must be
// known before it: what is tested then is whether each observation's mean, given
// all before, is at its null.
func (b *Bet) AddAgainst(x, null float64) {
	b.add(x, null, 1)
	b.peak = max(b.peak, b.now())
}

// add stakes on times equal observations. Those outside of the bounds are taken
// for the nearer end; what is no number is not counted.
func (b *Bet) add(x, null float64, times int) {
	room := null - b.low // how far an observation may fall to the losing side
	if b.side == Below {
		room = b.high - null
	}
	if math.IsNaN(x) || !(room > 0) {
		return
	}
	gain := float64(b.side) * (min(b.high, max(b.low, x)) - null) / room
	for i := range stakes {
		b.wealth[i] += float64(times) * math.Log1p(stakes[i].share*gain)
	}
}

// now is the logarithm of the mixture's wealth.
func (b *Bet) now() float64 { return mixture(&b.wealth) }

func mixture(logs *[len(stakes)]float64) float64 {
	top := math.Inf(-1)
	for _, l := range logs {
		top = max(top, l)
	}
	var sum float64
	for i, l := range logs {
		sum += stakes[i].weight * math.Exp(l-top)
	}
	return top + math.Log(sum)
}

// Sure reports whether the evidence has ever sufficed at this level: the chance
// that it ever does while the null holds is at most alpha.
func (b *Bet) Sure(alpha float64) bool { return b.peak >= -math.Log(alpha) }

// P is a p-value that holds at every look.
func (b *Bet) P() float64 { return math.Exp(-max(0, b.peak)) }

// evidence is the logarithm of the wealth of a bet on values, each with how
// often it was seen.
func evidence(values []tally, low, high, null float64, side Side) float64 {
	b := NewBet(low, high, null, side)
	for _, v := range values {
		b.add(v.value, null, v.times)
	}
	return b.now()
}
