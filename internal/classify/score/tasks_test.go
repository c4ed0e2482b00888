package score

import (
	"math"
	"testing"

	"freehold/internal/classify"
)

func TestJudge(t *testing.T) {
	s, c := classify.Summarize, classify.Code
	rows := []Judged{{s, s, 0.9, 0.9}, {s, s, 0.8, 0.8}, {s, c, 0.4, 0.3}, {c, c, 0.7, 0.2}}
	r := Judge(rows, 100, 1)
	near(t, "accuracy", r.Accuracy.Value, 0.75)
	// Summarize: precision 1, recall 2/3; code: precision 1/2, recall 1.
	near(t, "macro-F1", r.MacroF1.Value, (0.8+2.0/3)/2)
	near(t, "simple AUC", r.Simple.Value, 1)
	if r.Confusion[s][c] != 1 || r.Confusion[s][s] != 2 || r.Confusion[c][c] != 1 {
		t.Errorf("confusion %v", r.Confusion)
	}
	if r.Accuracy.Low > 0.75 || r.Accuracy.High < 0.75 {
		t.Errorf("interval %+v", r.Accuracy)
	}
	cover := Coverage(rows, 0, 0.75, 0.95)
	near(t, "share at 0.75", cover[1].Share, 0.5)
	near(t, "accuracy at 0.75", cover[1].Accuracy, 1)
	if !math.IsNaN(cover[2].Accuracy) || cover[2].Share != 0 {
		t.Errorf("nothing is as sure as 0.95: %+v", cover[2])
	}
}

func TestCalibrationError(t *testing.T) {
	var confidence, right []float64
	for i := range 1000 {
		c := float64(i%10)/10 + 0.05
		hit := 0.0
		if i/10%100 < int(c*100+0.5) {
			hit = 1
		}
		confidence, right = append(confidence, c), append(right, hit)
	}
	if e := CalibrationError(confidence, right); e > 0.01 {
		t.Errorf("what is right as often as it says is off by %v", e)
	}
	for i := range right {
		right[i] = 1
	}
	near(t, "always right", CalibrationError(confidence, right), 0.5)
}

func TestRules(t *testing.T) {
	for prompt, want := range map[string]classify.Task{
		"Translate to French: hello": classify.Translate, "Summarize: ...": classify.Summarize, "who was first": classify.ChatQA,
		"What is \\frac{1}{2} + 1": classify.Maths, "def f(x):": classify.Code,
	} {
		if got, _ := Rules(prompt); got != want {
			t.Errorf("%q is %s by rules, want %s", prompt, got, want)
		}
	}
}
