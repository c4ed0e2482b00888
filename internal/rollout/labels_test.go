package rollout

import (
	"math"
	"strconv"
	"testing"

	"freehold/internal/judge"
)

func TestPerson(t *testing.T) {
	labels := []Label{
		{Request: "a", Winner: "candidate", By: "1"}, {Request: "a", Winner: "candidate", By: "2"}, {Request: "a", Winner: "baseline", By: "3"},
		{Request: "b", Winner: "candidate", By: "1"}, {Request: "b", Winner: "baseline", By: "2"},
		{Request: "c", Winner: "tie", By: "1"},
	}
	for request, want := range map[string]judge.Winner{"a": judge.CandidateWins, "b": judge.Tie, "c": judge.Tie, "d": ""} {
		if got := Person(labels, request); got != want {
			t.Errorf("%s: %q, not %q", request, got, want)
		}
	}
}

// TestReadings: a judge that people agree with is reliable, one that turns with
// the order is not.
func TestReadings(t *testing.T) {
	yes, no := true, false
	var good, turned []Pair
	var labels []Label
	for i := range 120 {
		id, winner, raw := strconv.Itoa(i), "candidate", 1.0
		if i%2 == 0 {
			winner, raw = "baseline", -1.0
		}
		longer := [2]int{10, 20} // always the candidate's: right in half
		good = append(good, Pair{Request: id, Judged: true, Raw: raw, Lengths: longer, Consistent: &yes})
		turned = append(turned, Pair{Request: id, Judged: true, Lengths: longer, Consistent: &no})
		labels = append(labels, Label{Request: id, Winner: winner})
	}
	good = append(good, Pair{Request: "x"}) // not judged: nothing to read
	if r := judge.Rely(Readings(good, labels)); r.State != judge.Reliable || r.Swap.N != 120 || r.Judge.Accuracy.Value != 1 || r.Longer.Accuracy.Value != 0.5 {
		t.Errorf("%+v", r)
	}
	if r := judge.Rely(Readings(turned, nil)); r.State != judge.Unreliable || r.Swap.Value != 0 {
		t.Errorf("%+v", r)
	}
}

// TestCourse: the last point is what the evidence says, and there are no more
// points than asked for.
func TestCourse(t *testing.T) {
	plan := Default()
	var pairs []Pair
	e := NewEvidence(&plan)
	for i := range 333 {
		p := Pair{Judged: i%3 != 0, Difference: float64(i%5-2) / 4}
		pairs = append(pairs, p)
		e.AddPair(&p)
	}
	points := Course(&plan, pairs, 50)
	last, want := points[len(points)-1], e.Report().Quality
	if len(points) > 51 || last.N != 222 || last.Mean != want.Mean || math.Abs(last.Low-want.Low) > 1e-9 || math.Abs(last.High-want.High) > 1e-9 {
		t.Errorf("%d points, the last %+v, not %+v", len(points), last, want)
	}
	if got := Course(&plan, nil, 50); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if r := Beside(&plan, pairs); r.Pairs != 333 || r.Judged != 222 || r.Quality.Mean != want.Mean {
		t.Errorf("%+v", r)
	}
}
