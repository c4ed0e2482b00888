package sequential

import (
	"math"
	"slices"
)

// tally is a value and how often it was seen.
type tally struct {
	value float64
	times int
}

// Mean estimates the mean of observations that lie in [Low, High].
type Mean struct {
	Low, High float64
	values    []tally // by value
	n         int
	sum, sq   float64
}

// Add takes one observation. One outside of the bounds is taken for the nearer
// end; what is no number is not counted.
func (m *Mean) Add(x float64) {
	if math.IsNaN(x) {
		return
	}
	x = min(m.High, max(m.Low, x))
	m.n++
	m.sum += x
	m.sq += x * x
	i, found := slices.BinarySearchFunc(m.values, x, func(t tally, x float64) int {
		switch {
		case t.value < x:
			return -1
		case t.value > x:
			return 1
		}
		return 0
	})
	if found {
		m.values[i].times++
		return
	}
	m.values = slices.Insert(m.values, i, tally{x, 1})
}

// N is the number of observations.
func (m *Mean) N() int { return m.n }

// Mean is their mean, 0 of none.
func (m *Mean) Mean() float64 {
	if m.n == 0 {
		return 0
	}
	return m.sum / float64(m.n)
}

// Variance is that of the observations, with the variance of a first guess of
// their bounds mixed in as one observation, so that a few equal ones are not
// taken for certainty.
func (m *Mean) Variance() float64 {
	guess := (m.High - m.Low) * (m.High - m.Low) / 12
	if m.n == 0 {
		return guess
	}
	mean := m.Mean()
	return (m.sq - float64(m.n)*mean*mean + guess) / float64(m.n+1)
}

// Interval holds the true mean with a chance of at least 1-alpha, at all looks
// together. With nothing seen it is [Low, High].
func (m *Mean) Interval(alpha float64) (low, high float64) {
	if m.n == 0 {
		return m.Low, m.High
	}
	return m.bound(Above, alpha/2), m.bound(Below, alpha/2)
}

// bound is the last null that the evidence on this side rejects, seen from the
// edge on that side.
func (m *Mean) bound(side Side, alpha float64) float64 {
	need := -math.Log(alpha)
	rejected, open := m.Low, m.Mean()
	if side == Below {
		rejected = m.High
	}
	if m.above(rejected, side) < need {
		return rejected
	}
	for range 40 {
		mid := (rejected + open) / 2
		if m.above(mid, side) >= need {
			rejected = mid
		} else {
			open = mid
		}
	}
	return rejected
}

// above is the evidence that the mean is on this side of null. At the very edge
// nothing can be on the losing side, and any observation off it is proof.
func (m *Mean) above(null float64, side Side) float64 {
	if edge := m.Low; side == Above && null <= edge || side == Below && null >= m.High {
		if side == Below {
			edge = m.High
		}
		if m.Mean() != edge {
			return math.Inf(1)
		}
		return 0
	}
	return evidence(m.values, m.Low, m.High, null, side)
}
