package learn

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/classify"
)

// TestCalibration: chances are counted by part, what was not held out is not, and
// parts with few rows say nothing.
func TestCalibration(t *testing.T) {
	f := &File{Path: "f.jsonl"}
	label := func(task classify.Task) *Row {
		return &Row{Label: classify.Code, Labelled: true, Prompt: task.String()}
	}
	r := &Result{}
	add := func(n int, confidence float64, task classify.Task, k known) {
		for range n {
			r.Rows = append(r.Rows, HeldOut{File: f, Row: label(task), Verdict: classify.Verdict{Task: task, Confidence: confidence}, Known: k})
		}
	}
	add(30, 0.9, classify.Code, known{})
	add(10, 0.94, classify.Maths, known{})
	add(20, 1, classify.Code, known{})
	add(50, 0.95, classify.Maths, known{task: true}) // learnt before
	add(19, 0.3, classify.Code, known{})             // too few
	for range 40 {
		row := &Row{Scores: map[string]float64{"small": 0.5, "large": 0.8}}
		r.Rows = append(r.Rows, HeldOut{File: f, Row: row, Verdict: classify.Verdict{Complexity: 0.25}, Pairs: []int{0}})
	}
	got := r.Calibration(smallLarge)
	for i := range got {
		got[i].Said, got[i].Was = round(got[i].Said), round(got[i].Was)
	}
	want := []Calibration{
		{f.Name(), MeasureComplexity, 0.2, 0.4, 40, 0.25, 0.3},
		{f.Name(), MeasureConfidence, 0.9, 0.95, 40, 0.91, 0.75},
		{f.Name(), MeasureConfidence, 0.95, 1, 20, 1, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func round(v float64) float64 { return float64(int(v*1000+0.5)) / 1000 }
