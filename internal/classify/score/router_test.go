package score

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestRoute holds the measures on cases that can be done by hand.
func TestRoute(t *testing.T) {
	// Four prompts, the strong model is better on two of them.
	best := []Outcome{{4, 0, 1}, {3, 0, 1}, {2, 1, 1}, {1, 1, 1}}
	r := Route(best, 0, 0)
	// PGR rises to 1 over the first half, and stays: 0.25 + 0.5.
	near(t, "APGR of the best order", r.APGR.Value, 0.75)
	near(t, "CPT(50)", r.CPT50.Value, 0.25)
	near(t, "CPT(80)", r.CPT80.Value, 0.4)
	near(t, "AUC", r.AUC.Value, 1)

	worst := []Outcome{{1, 0, 1}, {2, 0, 1}, {3, 1, 1}, {4, 1, 1}}
	r = Route(worst, 0, 0)
	near(t, "APGR of the worst order", r.APGR.Value, 0.25)
	near(t, "CPT(50)", r.CPT50.Value, 0.75)
	near(t, "AUC", r.AUC.Value, 0)

	// Equal scores say nothing: a coin.
	tied := []Outcome{{1, 0, 1}, {1, 0, 0}, {1, 1, 1}, {1, 1, 0}, {1, 0, 1}}
	r = Route(tied, 0, 0)
	near(t, "APGR of equal scores", r.APGR.Value, 0.5)
	near(t, "CPT(50)", r.CPT50.Value, 0.5)
	near(t, "CPT(80)", r.CPT80.Value, 0.8)
	near(t, "AUC", r.AUC.Value, 0.5)

	// Answers that get worse with the strong model take the curve above 1.
	over := []Outcome{{3, 0, 1}, {2, 0, 1}, {1, 1, 0}}
	r = Route(over, 0, 0)
	// Gap 1 over 3 prompts: PGR 0, 1, 2, 1 at thirds.
	near(t, "APGR above 1", r.APGR.Value, (0.5+1.5+1.5)/3)
	near(t, "CPT(80)", r.CPT80.Value, 0.8/3)
}

// TestRouteTies: a tie is the mean over its orders.
func TestRouteTies(t *testing.T) {
	rows := []Outcome{{2, 0, 1}, {1, 0.2, 0.7}, {1, 0.5, 0.4}, {0, 1, 1}}
	got := Route(rows, 0, 0)
	var apgr, auc float64
	for _, order := range [][2]float64{{1.1, 1}, {1, 1.1}} {
		one := append([]Outcome(nil), rows...)
		one[1].Score, one[2].Score = order[0], order[1]
		r := Route(one, 0, 0)
		apgr += r.APGR.Value / 2
		auc += r.AUC.Value / 2
	}
	near(t, "APGR", got.APGR.Value, apgr)
	near(t, "AUC", got.AUC.Value, auc)
}

// TestRouteAreaUnderCurve: APGR is the area under the curve that is drawn.
func TestRouteAreaUnderCurve(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]Outcome, 500)
	for i := range rows {
		rows[i] = Outcome{Score: float64(r.IntN(40)), Weak: r.Float64(), Strong: r.Float64() + 0.2}
	}
	c := Quality(rows)
	last := len(c.Share) - 1
	near(t, "last share", c.Share[last], 1)
	weak, strong := c.Quality[0], c.Quality[last]
	var area float64
	for i := range last {
		area += (c.Share[i+1] - c.Share[i]) * ((c.Quality[i]+c.Quality[i+1])/2 - weak) / (strong - weak)
	}
	m := Route(rows, 200, 7)
	near(t, "area", area, m.APGR.Value)
	for _, x := range []Interval{m.APGR, m.CPT50, m.CPT80, m.AUC} {
		if !(x.Low <= x.Value && x.Value <= x.High && x.Low < x.High) {
			t.Errorf("interval %+v", x)
		}
	}
	if Route(rows, 200, 7) != m {
		t.Error("the same rows and seed give other intervals")
	}
}

// TestRouteUndefined: where there is no gap there is nothing to recover.
func TestRouteUndefined(t *testing.T) {
	for name, rows := range map[string][]Outcome{
		"none": nil, "equal": {{1, 0.5, 0.5}, {2, 1, 1}}, "weak is better": {{1, 1, 0}, {2, 0, 0}},
	} {
		r := Route(rows, 20, 1)
		if !math.IsNaN(r.APGR.Value) || !math.IsNaN(r.CPT50.Value) || !math.IsNaN(r.CPT80.Value) || !math.IsNaN(r.AUC.Value) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	r := Route([]Outcome{{1, 0, 1}, {2, 0, 1}}, 20, 1) // better everywhere
	if !math.IsNaN(r.AUC.Value) || math.IsNaN(r.APGR.Value) {
		t.Errorf("better everywhere: %+v", r)
	}
}

// TestInterval: the interval covers the truth about as often as it says.
func TestInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	covered := 0
	const tries = 100
	for i := range tries {
		rows := make([]Outcome, 300)
		for j := range rows { // the score says nothing: the truth is 0.5
			rows[j] = Outcome{Score: r.Float64(), Weak: float64(r.IntN(2)), Strong: math.Min(1, float64(r.IntN(2))+float64(r.IntN(2)))}
		}
		if x := Route(rows, 200, uint64(i)).AUC; x.Low <= 0.5 && 0.5 <= x.High {
			covered++
		}
	}
	if covered < 88 {
		t.Errorf("%d of %d intervals of 95 %% cover the truth", covered, tries)
	}
}

// TestMean: the prompts with the highest scores go to the strong model first, and
// equal ones count alike.
func TestMean(t *testing.T) {
	rows := []Outcome{{0.1, 1, 10}, {0.9, 2, 20}, {0.5, 3, 30}, {0.5, 5, 52}}
	for share, want := range map[float64]float64{0: 11, 0.25: 29, 0.5: 29 + 37, 0.75: 29 + 74, 0.625: 29 + 55.5, 1: 112} {
		if got := 4 * Mean(rows, share); math.Abs(got-want) > 1e-9 {
			t.Errorf("a share of %v costs %v, want %v", share, got, want)
		}
	}
}
