package sequential

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Quantile estimates a quantile of observations without any assumption of their
// distribution. How many of n lie at or below the true quantile is binomial; a
// likelihood ratio against a mixture of all other chances on one side is a bet.
// After Howard and Ramdas, "Sequential estimation of quantiles", Bernoulli 28
// (2022), doi:10.3150/21-BEJ1388.
type Quantile struct {
	p      float64
	sorted []float64
}

// NewQuantile estimates that of level p, in (0, 1).
func NewQuantile(p float64) *Quantile { return &Quantile{p: p} }

// Add takes one observation; what is no number is not counted.
func (q *Quantile) Add(x float64) {
	if math.IsNaN(x) {
		return
	}
	i, _ := slices.BinarySearch(q.sorted, x)
	q.sorted = slices.Insert(q.sorted, i, x)
}

// N is the number of observations.
func (q *Quantile) N() int { return len(q.sorted) }

// Value is the sample's quantile, NaN of none.
func (q *Quantile) Value() float64 {
	n := len(q.sorted)
	if n == 0 {
		return math.NaN()
	}
	return q.sorted[min(n-1, int(math.Ceil(q.p*float64(n)))-1)]
}

// Interval holds the true quantile with a chance of at least 1-alpha, at all
// looks together. An end of which nothing is known yet is infinite.
func (q *Quantile) Interval(alpha float64) (low, high float64) {
	n, need := len(q.sorted), -math.Log(alpha/2)
	low, high = math.Inf(-1), math.Inf(1)
	// The low end is the largest value of which too few lie at or below it to be
	// the quantile; the high end the smallest below which too many lie.
	few := searchDown(int(q.p*float64(n)), func(k int) bool { return binomialBet(k, n, q.p, Below) >= need })
	if few >= 0 && few < n {
		low = q.sorted[few]
	}
	many := searchUp(int(math.Ceil(q.p*float64(n))), n, func(k int) bool { return binomialBet(k, n, q.p, Above) >= need })
	if many <= n && many > 0 {
		high = q.sorted[many-1]
	}
	return low, high
}

// Upper is above the true quantile with a chance of at least 1-alpha, of a sample
// whose size was not chosen by looking at it; infinite where it is too small. It is
// the order statistic that a binomial count passes with a chance of at most alpha.
func (q *Quantile) Upper(alpha float64) float64 {
	n := len(q.sorted)
	k := searchUp(1, n, func(k int) bool { return mathext.RegIncBeta(float64(k), float64(n-k+1), q.p) <= alpha })
	if k > n {
		return math.Inf(1)
	}
	return q.sorted[k-1]
}

// Needs is how many observations it takes until the interval of the quantile of
// level p can have two ends.
func Needs(p, alpha float64) int {
	need := -math.Log(alpha / 2)
	return searchUp(1, 1<<20, func(n int) bool {
		return binomialBet(n, n, p, Above) >= need && binomialBet(0, n, p, Below) >= need
	})
}

// searchDown is the largest k of 0..from of which ok holds, for an ok that holds
// below some k and not above it; -1: of none.
func searchDown(from int, ok func(int) bool) int {
	lo, hi := -1, from+1
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; ok(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// searchUp is the smallest k of from..n of which ok holds; n+1: of none.
func searchUp(from, n int, ok func(int) bool) int {
	lo, hi := from-1, n+1
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; ok(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// binomialBet is the logarithm of the likelihood of k of n under a uniform
// mixture of the chances on one side of p, over that under p.
func binomialBet(k, n int, p float64, side Side) float64 {
	if n == 0 {
		return 0
	}
	a, b := float64(k)+1, float64(n-k)+1
	part, width := mathext.RegIncBeta(a, b, p), p // of the chances below p
	if side == Above {
		part, width = 1-part, 1-p
		if part < 1e-9 {
			part = mathext.RegIncBeta(b, a, 1-p)
		}
	}
	if part <= 0 {
		return math.Inf(-1)
	}
	beta := lgamma(a) + lgamma(b) - lgamma(a+b)
	return beta + math.Log(part/width) - float64(k)*math.Log(p) - float64(n-k)*math.Log1p(-p)
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x) // x is at least 1: its sign is always positive
	return v
}
