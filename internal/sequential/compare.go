package sequential

import "math"

// Outcome is what a comparison has come to.
type Outcome string

// The outcomes.
const (
	Inconclusive Outcome = "inconclusive"
	Better       Outcome = "better"     // above the baseline
	Equivalent   Outcome = "equivalent" // not below it by more than the margin
	Worse        Outcome = "worse"      // below it, and by more than the margin as far as is seen
)

// Levels are the error chances of a comparison. Worse and Better are false
// alarms about a candidate that is as good as the baseline; Pass is that of
// taking one that is below it by the margin or more.
type Levels struct{ Worse, Better, Pass float64 }

// Comparison decides about paired differences, candidate less baseline, each in
// [-1, 1].
type Comparison struct {
	margin                float64
	levels                Levels
	worse, better, passes *Bet
	diff                  Mean
	outcome               Outcome
}

// NewComparison takes the margin, in (0, 1): the loss that is accepted.
func NewComparison(margin float64, l Levels) *Comparison {
	return &Comparison{
		margin: margin, levels: l, diff: Mean{Low: -1, High: 1}, outcome: Inconclusive,
		worse: NewBet(-1, 1, 0, Below), better: NewBet(-1, 1, 0, Above), passes: NewBet(-1, 1, -margin, Above),
	}
}

// Add takes one difference and returns the outcome so far. A difference outside
// of [-1, 1] is taken for the nearer end, what is no number is not counted. Once conclusive an outcome stays, but
// that what was found equivalent may still be found better or worse.
func (c *Comparison) Add(d float64) Outcome {
	c.diff.Add(d)
	c.worse.Add(d)
	c.better.Add(d)
	c.passes.Add(d)
	switch {
	case c.outcome == Worse || c.outcome == Better:
	case c.worse.Sure(c.levels.Worse) && c.diff.Mean() < -c.margin:
		c.outcome = Worse
	case c.better.Sure(c.levels.Better):
		c.outcome = Better
	case c.passes.Sure(c.levels.Pass):
		c.outcome = Equivalent
	}
	return c.outcome
}

// Outcome is the last that Add returned.
func (c *Comparison) Outcome() Outcome { return c.outcome }

// N is the number of differences.
func (c *Comparison) N() int { return c.diff.N() }

// Mean is the mean difference.
func (c *Comparison) Mean() float64 { return c.diff.Mean() }

// Interval is the confidence sequence of the mean difference.
func (c *Comparison) Interval(alpha float64) (low, high float64) { return c.diff.Interval(alpha) }

// Floor is where the mean difference surely is above, with an error chance of
// Levels.Pass at all looks together: the bound on which "equivalent" rests. It is
// one-sided, so it lies above the lower end of an interval of the same level. As an
// outcome stays once it is found, so does what was sure of it.
func (c *Comparison) Floor() float64 {
	low := c.diff.Low
	if c.diff.N() > 0 {
		low = c.diff.bound(Above, c.levels.Pass)
	}
	if c.passes.Sure(c.levels.Pass) {
		low = max(low, -c.margin)
	}
	if c.better.Sure(min(c.levels.Pass, c.levels.Better)) {
		low = max(low, 0)
	}
	return low
}

// Remaining is about how many more differences an outcome takes, if they go on
// as before; ok is false where too little is known to say.
func (c *Comparison) Remaining() (n int, ok bool) {
	if c.outcome != Inconclusive {
		return 0, true
	}
	if c.diff.N() < 10 {
		return 0, false
	}
	mean, variance := c.diff.Mean(), c.diff.Variance()
	best := math.Inf(1)
	for _, way := range []struct{ effect, alpha float64 }{
		{-mean, c.levels.Worse}, {mean, c.levels.Better}, {mean + c.margin, c.levels.Pass},
	} {
		if way.effect > 0 {
			best = min(best, Size(way.effect, variance, way.alpha))
		}
	}
	if math.IsInf(best, 1) || best > 1e9 {
		return 0, false
	}
	return max(1, int(math.Ceil(best))-c.diff.N()), true
}

// Size is about how many observations a test takes to be sure of an effect that
// lies away from its null, with this variance: what the wealth of the best stake
// grows to, less what the mixture costs. No stake is larger than the largest,
// however little the observations vary.
func Size(effect, variance, alpha float64) float64 {
	growth := effect * effect / (2 * (variance + effect*effect))
	growth = min(growth, math.Log1p(stakes[len(stakes)-1].share*effect))
	return (mixtureCost - math.Log(alpha)) / growth
}

// Share is the part of alpha that the kth of any number of tests may use, k from
// 1, such that all of them together use alpha: for segments in the order in which
// they turn up, and for a test that begins anew again and again.
func Share(alpha float64, k int) float64 {
	return alpha * 6 / (math.Pi * math.Pi * float64(k) * float64(k))
}

// mixtureCost is what of the logarithm of wealth the mixture is behind the best
// stake, as a rule.
const mixtureCost = 1.6
