package score

import (
	"math"
	"math/rand/v2"

	"freehold/internal/classify"
)

// Judged is a labelled prompt and what a classifier made of it.
type Judged struct {
	Label      classify.Task
	Task       classify.Task
	Confidence float64
	Simple     float64
}

// Tasks are the measures of a classifier of tasks.
type Tasks struct {
	Accuracy Interval
	MacroF1  Interval // mean of the F1 of the tasks that occur
	Simple   Interval // AUC of simple tasks against the rest
	// Confusion counts rows by label and by verdict.
	Confusion [classify.TaskCount][classify.TaskCount]int
}

// Judge measures a classifier, with intervals from so many resamples.
func Judge(rows []Judged, resamples int, seed uint64) Tasks {
	var t Tasks
	ones := make([]float64, len(rows))
	simple := make([]Outcome, len(rows))
	for i, r := range rows {
		ones[i] = 1
		t.Confusion[r.Label][r.Task]++
		simple[i].Score = r.Simple
		if r.Label.Simple() {
			simple[i].Strong = 1
		}
	}
	accuracy, f1 := agreement(rows, ones)
	var accuracies, f1s []float64
	random := rand.New(rand.NewPCG(seed, 0x7a5c))
	times := make([]float64, len(rows))
	for range resamples {
		clear(times)
		for range rows {
			times[random.IntN(len(rows))]++
		}
		a, f := agreement(rows, times)
		accuracies, f1s = append(accuracies, a), append(f1s, f)
	}
	t.Accuracy, t.MacroF1 = interval(accuracy, accuracies), interval(f1, f1s)
	t.Simple = Route(simple, resamples, seed).AUC
	return t
}

// agreement is accuracy and macro-F1, where each row counts so many times.
func agreement(rows []Judged, times []float64) (accuracy, f1 float64) {
	var right, labels, verdicts [classify.TaskCount]float64
	var n, good float64
	for i, r := range rows {
		t := times[i]
		n += t
		labels[r.Label] += t
		verdicts[r.Task] += t
		if r.Label == r.Task {
			right[r.Label] += t
			good += t
		}
	}
	var sum, tasks float64
	for k, l := range labels {
		if l > 0 {
			tasks++
			sum += 2 * right[k] / (l + verdicts[k])
		}
	}
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	return good / n, sum / tasks
}

// Cover is how many rows have at least a confidence, and how many of them are
// right.
type Cover struct {
	Confidence float64
	Share      float64
	Accuracy   float64 // NaN if there are none
}

// Coverage is that for several confidences.
func Coverage(rows []Judged, confidences ...float64) []Cover {
	var out []Cover
	for _, c := range confidences {
		var n, right float64
		for _, r := range rows {
			if r.Confidence >= c {
				n++
				if r.Label == r.Task {
					right++
				}
			}
		}
		out = append(out, Cover{c, n / float64(len(rows)), right / n})
	}
	return out
}

// CalibrationError is by how much confidence and accuracy differ on average,
// over ten parts of equally many rows (expected calibration error).
func CalibrationError(confidence, right []float64) float64 {
	const parts = 10
	n := len(confidence)
	by := make([]Outcome, n)
	for i := range by {
		by[i] = Outcome{Score: confidence[i], Strong: right[i]}
	}
	by = sorted(by)
	var sum float64
	for p := range parts {
		var c, r float64
		part := by[p*n/parts : (p+1)*n/parts]
		for _, o := range part {
			c += o.Score
			r += o.Strong
		}
		sum += math.Abs(c - r)
	}
	return sum / float64(n)
}
