package cascade

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
)

// Sample is an answer of the cheap model: how sure the model was, and how good
// the answer was, 0 to 1.
type Sample struct{ Margin, Score float64 }

const (
	// LeastSamples is how many answers a margin is found from at least.
	LeastSamples = 100
	// leastKept is how many answers say something about those that are kept.
	leastKept = 30
	// parts is how many parts the samples are cut into: each is held out in turn.
	parts = 5
)

// Point is what a margin does: the share of answers that are kept at it, and how
// good these are, with a 95 % interval.
type Point struct {
	Margin          float64
	Kept            int
	Share, Accuracy float64
	Low, High       float64
}

// Calibration is a margin, and what it rests on.
type Calibration struct {
	Samples int
	Target  float64
	// Margin is the least one at which the answers that are kept are good enough.
	Margin float64
	// HeldOut is what margins do that were found on the other parts of the samples.
	HeldOut Point
	// Curve are margins from 0 to 1 on all samples, Chosen the point of Margin.
	Curve  []Point
	Chosen Point
}

// NoMarginError says that no margin makes the answers good enough.
type NoMarginError struct{ Reason string }

func (e *NoMarginError) Error() string { return e.Reason }

// Calibrate finds the least margin at which the answers that are kept are as good
// as target: so that the lower end of the interval on the samples at hand is, and
// so that answers held out are. The order of samples does not matter. With a
// *NoMarginError the Calibration has its curve all the same.
func Calibrate(samples []Sample, target float64) (Calibration, error) {
	c := Calibration{Samples: len(samples), Target: target}
	if len(samples) < LeastSamples {
		return c, &NoMarginError{fmt.Sprintf("%d answers are too few to find a margin from: it takes %d", len(samples), LeastSamples)}
	}
	list := slices.Clone(samples)
	slices.SortFunc(list, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(b.Margin, a.Margin), cmp.Compare(a.Score, b.Score))
	})
	for i := range 21 {
		c.Curve = append(c.Curve, point(list, float64(i)/20))
	}
	margin, ok := find(list, target)
	if !ok {
		return c, &NoMarginError{fmt.Sprintf("no margin keeps at least %d answers that are surely %.3g good: the model is too weak for this work, or the answers are too few", leastKept, target)}
	}
	c.Margin, c.Chosen = margin, point(list, margin)
	var kept []Sample
	for part := range parts {
		var learn, held []Sample
		for i, s := range list {
			if fold5(i, s) == part {
				held = append(held, s)
			} else {
				learn = append(learn, s)
			}
		}
		m, ok := find(learn, target)
		if !ok {
			continue // nothing of this part would be kept
		}
		for _, s := range held {
			if s.Margin >= m {
				kept = append(kept, s)
			}
		}
	}
	c.HeldOut = point(kept, 0)
	c.HeldOut.Share = float64(len(kept)) / float64(len(list))
	if len(kept) < leastKept || c.HeldOut.Accuracy < target {
		return c, &NoMarginError{fmt.Sprintf("on answers held out %d were kept, and %.3f of these good, which is not %.3g: take more rows or a lower --target", len(kept), c.HeldOut.Accuracy, target)}
	}
	return c, nil
}

// fold5 is the part of a sample: by its place, mixed so that neighbours part.
func fold5(place int, s Sample) int {
	h := fnv.New64a()
	fmt.Fprint(h, place, s.Margin)
	return int(h.Sum64() % parts)
}

// find gives the least margin whose answers are surely good enough. list is
// sorted, the largest margin first.
func find(list []Sample, target float64) (margin float64, ok bool) {
	sum := 0.0
	for i, s := range list {
		sum += s.Score
		if i+1 < len(list) && list[i+1].Margin == s.Margin || i+1 < leastKept {
			continue
		}
		if low, _ := interval(sum, i+1); low >= target {
			margin, ok = s.Margin, true
		}
	}
	// A round figure is easier to write; between two answers it does the same.
	if round := math.Ceil(margin*1000) / 1000; ok && point(list, round).Kept == point(list, margin).Kept {
		margin = round
	}
	return margin, ok
}

// point is what a margin does to the samples.
func point(list []Sample, margin float64) Point {
	p := Point{Margin: margin}
	sum := 0.0
	for _, s := range list {
		if s.Margin >= margin {
			p.Kept++
			sum += s.Score
		}
	}
	if p.Kept == 0 {
		return p
	}
	p.Share, p.Accuracy = float64(p.Kept)/float64(len(list)), sum/float64(p.Kept)
	p.Low, p.High = interval(sum, p.Kept)
	return p
}

// interval is Wilson's at 95 %, for a mean of n scores between 0 and 1.
func interval(sum float64, n int) (low, high float64) {
	const z = 1.959964
	mean, size := sum/float64(n), float64(n)
	centre := (mean + z*z/(2*size)) / (1 + z*z/size)
	half := z * math.Sqrt(mean*(1-mean)/size+z*z/(4*size*size)) / (1 + z*z/size)
	return max(0, centre-half), min(1, centre+half)
}
