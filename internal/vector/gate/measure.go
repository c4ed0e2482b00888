package gate

import (
	"cmp"
	"math"
	"slices"
)

// NDCG is the normalised discounted cumulative gain of the first k that were found, by
// the grades of what is relevant: each gains 2^grade - 1, over the logarithm of its
// place. 1: nothing better can be found.
func NDCG(found []string, relevant map[string]float64, k int) float64 {
	gain := func(grade float64, place int) float64 { return (math.Exp2(grade) - 1) / math.Log2(float64(place)+2) }
	var got, best float64
	for i, id := range found[:min(k, len(found))] {
		got += gain(relevant[id], i)
	}
	grades := make([]float64, 0, len(relevant))
	for _, grade := range relevant {
		grades = append(grades, grade)
	}
	slices.SortFunc(grades, func(a, b float64) int { return cmp.Compare(b, a) })
	for i, grade := range grades[:min(k, len(grades))] {
		best += gain(grade, i)
	}
	if best == 0 {
		return 0
	}
	return got / best
}

// Recall is the share of what is relevant that was found.
func Recall(found []string, relevant map[string]float64) float64 {
	n, all := 0, 0
	for id, grade := range relevant {
		if grade <= 0 {
			continue
		}
		if all++; slices.Contains(found, id) {
			n++
		}
	}
	if all == 0 {
		return 0
	}
	return float64(n) / float64(all)
}

// overlap is the share of the first that is among the second.
func overlap(of, in []string) float64 {
	n := 0
	for _, id := range of {
		if slices.Contains(in, id) {
			n++
		}
	}
	return float64(n) / float64(len(of))
}

// resamples is how often queries are drawn anew.
const resamples = 2000

// interval is the mean, with the 95 % interval of means of as many drawn by chance.
func (g *gating) interval(of []float64) Interval {
	sum := 0.0
	for _, x := range of {
		sum += x
	}
	n := float64(len(of))
	means := make([]float64, resamples)
	for i := range means {
		s := 0.0
		for range of {
			s += of[g.Random.IntN(len(of))]
		}
		means[i] = s / n
	}
	slices.Sort(means)
	const tail = resamples * 25 / 1000
	return Interval{Mean: sum / n, Low: means[tail], High: means[resamples-1-tail]}
}
