package learn

import (
	"cmp"
	"slices"
)

// Calibration is how often what was said with about the same chance was so, on rows
// that were held out.
type Calibration struct {
	Data    string  `json:"data"`
	Measure string  `json:"measure"`
	From    float64 `json:"from"` // the chances that are looked at together: from this one
	To      float64 `json:"to"`   // to less than this one; 1 with it
	Rows    int     `json:"rows"`
	Said    float64 `json:"said"` // their mean
	Was     float64 `json:"was"`  // the share of the rows of which it was true; of graded answers, by how much
}

// What is calibrated.
const (
	MeasureConfidence = "confidence"
	MeasureComplexity = "complexity"
)

// edges part the chances. Most confidences are high.
var edges = []float64{0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1}

// fewest rows say something about a part.
const fewest = 20

// Calibration compares what was said of the rows held out with what they are, by
// file and chance. Parts with few rows are left out.
func (r *Result) Calibration(pairs []Pair) []Calibration {
	parts := map[Calibration]*Calibration{}
	note := func(data, measure string, said, was float64) {
		i := 0
		for i < len(edges)-2 && said >= edges[i+1] {
			i++
		}
		key := Calibration{Data: data, Measure: measure, From: edges[i], To: edges[i+1]}
		c := parts[key]
		if c == nil {
			made := key
			c = &made
			parts[key] = c
		}
		c.Rows++
		c.Said += (said - c.Said) / float64(c.Rows)
		c.Was += (was - c.Was) / float64(c.Rows)
	}
	for _, h := range r.Rows {
		if h.Row.Labelled && !h.Known.task {
			right := 0.0
			if h.Verdict.Task == h.Row.Label {
				right = 1
			}
			note(h.File.Name(), MeasureConfidence, h.Verdict.Confidence, right)
		}
		if h.Known.complexity {
			continue
		}
		for _, p := range h.Pairs {
			note(h.File.Name(), MeasureComplexity, h.Verdict.Complexity, shortfall(h.Row, pairs[p]))
		}
	}
	out := []Calibration{}
	for _, c := range parts {
		if c.Rows >= fewest {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b Calibration) int {
		return cmp.Or(cmp.Compare(a.Data, b.Data), cmp.Compare(a.Measure, b.Measure), cmp.Compare(a.From, b.From))
	})
	return out
}
