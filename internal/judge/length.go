package judge

import "math"

// LengthControl takes out of differences what is explained by one answer being
// longer than the other, after the idea of length-controlled AlpacaEval (Dubois
// et al., arXiv 2404.04475): there a regression over all comparisons with terms
// for the model and for the length, and the length's set to zero. Here the
// regression is run anew before each sample, on those before it only: what is
// taken off a sample is known before the sample is seen, so that what is
// computed of the results one after the other (confidence sequences) holds.
//
// The length term is tanh(log2(candidate/baseline)), lengths in characters: one
// that is twice as long counts .76, and the unit and the workload do not matter.
// Where the candidate is always longer by the same factor, nothing can tell a
// better model from a longer one, and nothing is taken off.
//
// What is left is divided by 1 + the term, so that it lies between -1 and 1. To
// cut it there would leave a part of the length in, on the side of the longer
// answer, for what is lost already has no room for less. So two equal models
// have a mean of 0 whatever the judge thinks of length, at every sample; and
// where much is taken off, a difference of quality shows a little smaller than
// it is, by a tenth where the term is a tenth.
//
// The zero value is ready. It is JSON, so that a rollout can keep it; the same
// samples in the same order make the same again.
type LengthControl struct {
	N int64 `json:"n"`
	// Means, and sums of squares and products about them, of the length term x
	// and the raw difference y.
	MeanX float64 `json:"mean_x"`
	MeanY float64 `json:"mean_y"`
	XX    float64 `json:"xx"`
	XY    float64 `json:"xy"`
}

const (
	// minLengths is how many samples a coefficient rests on at least.
	minLengths = 20
	// shrink is what is added to the squares: with little known, little is taken off.
	shrink = 5.0
)

// Coefficient is the difference that a candidate of more than twice the length
// has for that alone, -1 to 1, as far as the samples so far tell.
func (c *LengthControl) Coefficient() float64 {
	if c.N < minLengths {
		return 0
	}
	return math.Max(-1, math.Min(1, c.XY/(c.XX+shrink)))
}

// Apply sets the verdict's Difference to what is left of Raw, and learns from
// the sample afterwards. Samples are given once each. Verdicts on missing
// answers stay as they are: their difference is not one of length.
func (c *LengthControl) Apply(s *Sample, v *Verdict) {
	v.Difference = v.Raw
	if v.Basis == Unanswered {
		return
	}
	v.Difference = c.Add(s.Baseline.Length(), s.Candidate.Length(), v.Raw)
}

// Add is Apply for one whose lengths and raw difference are all that is known.
func (c *LengthControl) Add(baseline, candidate int, raw float64) (controlled float64) {
	x := lengthTerm(baseline, candidate)
	term := c.Coefficient() * x
	controlled = (raw - term) / (1 + math.Abs(term))
	c.N++
	dx, dy := x-c.MeanX, raw-c.MeanY
	c.MeanX += dx / float64(c.N)
	c.MeanY += dy / float64(c.N)
	c.XX += dx * (x - c.MeanX)
	c.XY += dx * (raw - c.MeanY)
	return controlled
}

func lengthTerm(baseline, candidate int) float64 {
	return math.Tanh(math.Log2(float64(candidate+1) / float64(baseline+1)))
}
