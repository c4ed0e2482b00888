package routing_test

import (
	"fmt"
	"math"
	"testing"

	"freehold/internal/routing"
)

// TestDraw: numbers are the same for the same names, spread evenly, and those of one
// workload say nothing of those of another.
func TestDraw(t *testing.T) {
	const n, parts = 20_000, 20
	var bins [parts]int
	both := 0
	for i := range n {
		id := fmt.Sprint("conversation ", i)
		v, other := routing.Draw("w", "", id), routing.Draw("w2", "", id)
		if v < 0 || v >= 1 || v != routing.Draw("w", "", id) {
			t.Fatalf("%s: %v", id, v)
		}
		bins[int(v*parts)]++
		if v < 0.5 && other < 0.5 {
			both++
		}
	}
	for i, got := range bins {
		if math.Abs(float64(got)-n/parts) > 6*math.Sqrt(n/parts) {
			t.Errorf("%d numbers of %d are in part %d of %d", got, n, i, parts)
		}
	}
	if math.Abs(float64(both)-n/4) > 6*math.Sqrt(n/4) {
		t.Errorf("%d of %d are low for both workloads", both, n)
	}
	if routing.Draw("a", "bc") == routing.Draw("ab", "c") {
		t.Error("names run into each other")
	}
}
