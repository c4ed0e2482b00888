package score

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Outcome is how the two models did on one prompt, and what the router thought
// of it before: the higher, the rather the strong one is asked.
type Outcome struct {
	Score        float64
	Weak, Strong float64
}

// Interval is a measure with the interval that holds it in 95 of 100 resamples
// of the rows. What is not defined is NaN.
type Interval struct {
	Value, Low, High float64
}

// Router are the measures of one router.
type Router struct {
	APGR  Interval // mean of the recovered share of the gap, over all shares of strong calls
	CPT50 Interval // smallest share of strong calls that recovers half of the gap
	CPT80 Interval // and four fifths
	AUC   Interval // chance that a prompt on which the strong model is better has the higher score
}

// Curve is quality against the share sent to the strong model.
type Curve struct {
	Share   []float64 // from 0 to 1
	Quality []float64
}

// ordered are outcomes by falling score, with where each group of equal scores
// ends.
type ordered struct {
	gain []float64 // strong - weak
	weak []float64
	ends []int
}

// sorted are the rows by falling score.
func sorted(rows []Outcome) []Outcome {
	by := slices.Clone(rows)
	slices.SortStableFunc(by, func(a, b Outcome) int { return cmp.Compare(b.Score, a.Score) })
	return by
}

func order(rows []Outcome) *ordered {
	by := sorted(rows)
	o := &ordered{gain: make([]float64, len(by)), weak: make([]float64, len(by))}
	for i, r := range by {
		o.gain[i], o.weak[i] = r.Strong-r.Weak, r.Weak
		if i+1 == len(by) || by[i+1].Score != r.Score {
			o.ends = append(o.ends, i+1)
		}
	}
	return o
}

// measures are the four measures; times is how often each row counts.
func (o *ordered) measures(times []float64) [4]float64 {
	nan := math.NaN()
	var n, gap float64
	for i, t := range times {
		n += t
		gap += t * o.gain[i]
	}
	var area, cum, done, better, pairs, won float64
	var worse float64
	cpt := [2]float64{nan, nan}
	if gap > 0 {
		cpt = [2]float64{-1, -1}
	}
	at := 0
	for _, end := range o.ends {
		var g, w, b, s float64
		for ; at < end; at++ {
			t := times[at]
			g += t * o.gain[at]
			w += t
			if o.gain[at] > 0 {
				b += t
			} else {
				s += t
			}
		}
		if w == 0 {
			continue
		}
		// Within a group of equal scores the order is open: on average the
		// quality rises evenly.
		area += w * (cum + g/2)
		for i, x := range [2]float64{0.5, 0.8} {
			if need := x * gap; cpt[i] == -1 && g > 0 && cum+g >= need {
				cpt[i] = (done + w*max(0, (need-cum)/g)) / n
			}
		}
		won += s * (better + b/2) // a row that is not better loses to all better ones before it
		better += b
		worse += s
		cum += g
		done += w
	}
	out := [4]float64{nan, cpt[0], cpt[1], nan}
	if gap > 0 {
		out[0] = area / (n * gap)
	}
	if pairs = better * worse; pairs > 0 {
		out[3] = won / pairs
	}
	return out
}

// Route measures a router, with intervals from so many resamples of the rows.
// The same rows and seed give the same intervals.
func Route(rows []Outcome, resamples int, seed uint64) Router {
	o := order(rows)
	times := make([]float64, len(rows))
	for i := range times {
		times[i] = 1
	}
	value := o.measures(times)
	var samples [4][]float64
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	for range resamples {
		clear(times)
		for range rows {
			times[r.IntN(len(rows))]++
		}
		for i, v := range o.measures(times) {
			if !math.IsNaN(v) {
				samples[i] = append(samples[i], v)
			}
		}
	}
	var out [4]Interval
	for i := range out {
		out[i] = interval(value[i], samples[i])
	}
	return Router{out[0], out[1], out[2], out[3]}
}

func interval(value float64, samples []float64) Interval {
	nan := math.NaN()
	if math.IsNaN(value) || len(samples) == 0 {
		return Interval{value, nan, nan}
	}
	slices.Sort(samples)
	q := func(p float64) float64 { return samples[int(p*float64(len(samples)-1)+0.5)] }
	return Interval{value, q(0.025), q(0.975)}
}

// Quality is the curve of a router.
func Quality(rows []Outcome) Curve {
	o := order(rows)
	n := float64(len(rows))
	var sum float64
	for _, w := range o.weak {
		sum += w
	}
	c := Curve{Share: []float64{0}, Quality: []float64{sum / n}}
	at := 0
	for _, end := range o.ends {
		for ; at < end; at++ {
			sum += o.gain[at]
		}
		c.Share = append(c.Share, float64(end)/n)
		c.Quality = append(c.Quality, sum/n)
	}
	return c
}

// Mean is what a prompt has on average when this share of them, those with the
// highest scores, goes to the strong model: where rows hold what answers cost, the
// mean cost. Among equal scores the order is open, so all of them count alike.
func Mean(rows []Outcome, share float64) float64 {
	by := sorted(rows)
	left := share * float64(len(by))
	var sum float64
	for at := 0; at < len(by); {
		end, more := at, 0.0
		for ; end < len(by) && by[end].Score == by[at].Score; end++ {
			sum += by[end].Weak
			more += by[end].Strong - by[end].Weak
		}
		n := float64(end - at)
		sum += more * min(left, n) / n
		left -= min(left, n)
		at = end
	}
	return sum / float64(len(by))
}
