package sequential

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestBetAtItsNull: whatever the distribution, the chance of ever being sure is
// at most the level.
func TestBetAtItsNull(t *testing.T) {
	for _, tt := range []struct {
		name            string
		low, high, null float64
		side            Side
		draw            func(r *rand.Rand) float64
	}{
		{"coin", 0, 1, 0.5, Above, func(r *rand.Rand) float64 { return float64(r.IntN(2)) }},
		{"rare", 0, 1, 0.02, Above, func(r *rand.Rand) float64 { return b2f(r.Float64() < 0.02) }},
		{"rare, below", 0, 1, 0.02, Below, func(r *rand.Rand) float64 { return b2f(r.Float64() < 0.02) }},
		{"even", -1, 1, 0, Below, func(r *rand.Rand) float64 { return 2*r.Float64() - 1 }},
		{"far from its bounds", -1, 1, 0, Above, func(r *rand.Rand) float64 { return 0.01 * (r.Float64() - 0.5) }},
		{"skew", -1, 1, -0.05, Above, func(r *rand.Rand) float64 {
			if r.Float64() < 0.95 {
				return 0
			}
			return -1
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const alpha, times, looks = 0.05, 600, 1000
			var false_ int
			for i := range times {
				r, b := rand.New(rand.NewPCG(uint64(i), 3)), NewBet(tt.low, tt.high, tt.null, tt.side)
				for range looks {
					b.Add(tt.draw(r))
				}
				if b.Sure(alpha) {
					false_++
				}
			}
			// Five standard deviations above the level would be 57.
			if false_ > 57 {
				t.Errorf("%d of %d runs were sure of what is not so", false_, times)
			}
		})
	}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// TestBrokenIsFoundFast: of a candidate that fails at 30 % where 2 % are
// accepted, nearly all runs are sure within 30 answers.
func TestBrokenIsFoundFast(t *testing.T) {
	late, worst := 0, 0
	for i := range 1000 {
		r, b, n := rand.New(rand.NewPCG(uint64(i), 4)), NewBet(0, 1, 0.02, Above), 0
		for ; !b.Sure(0.01); n++ {
			b.Add(b2f(r.Float64() < 0.3))
		}
		if worst = max(worst, n); n > 30 {
			late++
		}
	}
	t.Logf("%d of 1000 took more than 30 answers, the longest %d", late, worst)
	if late > 60 {
		t.Errorf("%d of 1000 took more than 30 answers", late)
	}
}

// TestInterval: the mean's interval holds it at every look together, and
// narrows as a fixed-size interval does but for a factor.
func TestInterval(t *testing.T) {
	diffs, truth, sd := readOutcomes(t, "mmlu").pairs("gpt-4-1106", "mixtral-8x7b")
	sd = math.Sqrt(sd)
	missed := 0
	for i := range 150 {
		next := draw(rand.New(rand.NewPCG(uint64(i), 5)), diffs)
		m := Mean{Low: -1, High: 1}
		for n := 1; n <= 1600; n++ {
			m.Add(next())
			if n%40 != 0 && n > 40 {
				continue
			}
			low, high := m.Interval(0.05)
			if low > truth || high < truth {
				missed++
				break
			}
			if low > m.Mean() || high < m.Mean() {
				t.Fatalf("the mean %v is outside of [%v, %v]", m.Mean(), low, high)
			}
			if n == 1600 && (high-low) > 2*2*1.96*sd/40 {
				t.Fatalf("[%v, %v] is more than twice as wide as one that is looked at once", low, high)
			}
		}
	}
	if missed > 8 {
		t.Errorf("%d of 150 intervals of 95 %% missed the mean", missed)
	}
}

// TestQuantile: the interval holds the quantile at every look together.
func TestQuantile(t *testing.T) {
	for _, p := range []float64{0.5, 0.95} {
		truth := math.Exp(map[float64]float64{0.5: 0, 0.95: 1.6448536}[p]) // of a log-normal latency
		missed := 0
		var width float64
		for i := range 200 {
			r, q := rand.New(rand.NewPCG(uint64(i), 6)), NewQuantile(p)
			ok := true
			for range 1000 {
				q.Add(math.Exp(r.NormFloat64()))
				if q.N()%7 != 1 && q.N() > 60 {
					continue
				}
				low, high := q.Interval(0.05)
				if low > q.Value() || high < q.Value() {
					t.Fatalf("p%v of %d: %v is outside of [%v, %v]", 100*p, q.N(), q.Value(), low, high)
				}
				ok = ok && low <= truth && truth <= high
			}
			if low, high := q.Interval(0.05); i == 0 {
				width = high - low
			}
			if !ok {
				missed++
			}
		}
		t.Logf("p%v: %d of 200 missed; of 1000 the first is %.2f wide around %.2f", 100*p, missed, width, truth)
		if missed > 10 {
			t.Errorf("p%v: %d of 200 intervals missed it", 100*p, missed)
		}
	}
}

// TestOrderDoesNotMatter: what a comparison says of its mean depends on what was
// seen, not on when.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 80).Draw(t, "values")
		a, b := Mean{Low: -1, High: 1}, Mean{Low: -1, High: 1}
		up, down := NewBet(-1, 1, 0, Above), NewBet(-1, 1, 0, Above)
		for i, v := range values {
			a.Add(v)
			b.Add(values[len(values)-1-i])
			up.Add(v)
			down.Add(values[len(values)-1-i])
		}
		al, ah := a.Interval(0.05)
		bl, bh := b.Interval(0.05)
		if math.Abs(al-bl)+math.Abs(ah-bh) > 1e-9 || math.Abs(up.now()-down.now()) > 1e-9 {
			t.Fatalf("[%v, %v] and [%v, %v]; %v and %v", al, ah, bl, bh, up.now(), down.now())
		}
		if al < -1 || ah > 1 || al > ah {
			t.Fatalf("[%v, %v]", al, ah)
		}
	})
}

// TestMirror: what speaks for one side speaks against the other when signs turn.
func TestMirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 80).Draw(t, "values")
		null := rapid.Float64Range(-0.9, 0.9).Draw(t, "null")
		above, below := NewBet(-1, 1, null, Above), NewBet(-1, 1, -null, Below)
		for _, v := range values {
			above.Add(v)
			below.Add(-v)
		}
		if math.Abs(above.now()-below.now()) > 1e-9 {
			t.Fatalf("%v and %v", above.now(), below.now())
		}
	})
}

// TestOdd: what cannot be observed harms nothing.
func TestOdd(t *testing.T) {
	c := NewComparison(0.05, levels)
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 7, -7, 0} {
		c.Add(x)
	}
	if low, high := c.Interval(0.05); c.N() != 5 || c.Mean() != 0 || math.IsNaN(low) || math.IsNaN(high) {
		t.Errorf("%d, mean %v in [%v, %v]", c.N(), c.Mean(), low, high)
	}
	var m Mean
	if low, high := m.Interval(0.05); low != 0 || high != 0 || m.Mean() != 0 {
		t.Error("nothing seen is something known")
	}
	q := NewQuantile(0.95)
	q.Add(math.NaN())
	if low, high := q.Interval(0.05); !math.IsInf(low, -1) || !math.IsInf(high, 1) || !math.IsNaN(q.Value()) || q.N() != 0 {
		t.Errorf("[%v, %v] %v", low, high, q.Value())
	}
	// A null at the edge can lose nothing: no stake is possible, nothing is said.
	b := NewBet(0, 1, 0, Above)
	b.Add(1)
	if b.Sure(0.5) || b.P() != 1 {
		t.Errorf("sure of %v", b.P())
	}
}

// TestRemaining: the forecast is near what it then takes.
func TestRemaining(t *testing.T) {
	diffs, _, _ := readOutcomes(t, "mmlu").pairs("gpt-4-1106", "mixtral-8x7b")
	var told, took float64
	for i := range 300 {
		next := even(rand.New(rand.NewPCG(uint64(i), 8)), diffs)
		c := NewComparison(0.05, levels)
		for range 200 {
			c.Add(next())
		}
		n, ok := c.Remaining()
		if !ok || c.Outcome() != Inconclusive {
			continue
		}
		told += float64(n)
		for c.Outcome() == Inconclusive {
			c.Add(next())
			took++
		}
	}
	t.Logf("told %.0f, took %.0f", told, took)
	if r := told / took; r < 0.4 || r > 2.5 {
		t.Errorf("told %.0f pairs, took %.0f", told, took)
	}
	same := NewComparison(0.1, levels) // answers that never differ
	for range 25 {
		same.Add(0)
	}
	n, _ := same.Remaining()
	for took := 0; same.Outcome() == Inconclusive; took++ {
		if same.Add(0); took > 2*n {
			t.Fatalf("told %d more, and %d do not suffice", n, took)
		}
	}
	if n, ok := NewComparison(0.05, levels).Remaining(); ok {
		t.Errorf("of nothing seen it tells %d", n)
	}
}

// TestShare: any number of tests together use no more than there is.
func TestShare(t *testing.T) {
	var sum float64
	for k := 1; k <= 100_000; k++ {
		sum += Share(0.05, k)
	}
	if sum > 0.05 || sum < 0.0499 {
		t.Errorf("all together use %v", sum)
	}
}

func FuzzComparison(f *testing.F) {
	f.Add(uint64(1), 0.05)
	f.Fuzz(func(t *testing.T, seed uint64, margin float64) {
		if !(margin > 0 && margin < 1) {
			return
		}
		r, c := rand.New(rand.NewPCG(seed, 1)), NewComparison(margin, levels)
		for range 50 {
			c.Add(math.Float64frombits(r.Uint64()))
		}
		low, high := c.Interval(0.05)
		if n, ok := c.Remaining(); math.IsNaN(low) || math.IsNaN(high) || low > high || ok && n < 0 {
			t.Fatal(fmt.Sprint(low, high, n))
		}
	})
}

// TestFloor: the bound that is shown beside an outcome is the one that it rests on.
func TestFloor(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	crossed := false
	for run := range 40 {
		margin, shift := 0.05, 0.02*float64(run%5-2)
		c := NewComparison(margin, Levels{Worse: 0.018, Better: 0.003, Pass: 0.05})
		if c.Floor() != -1 {
			t.Fatalf("with nothing seen it is above %g", c.Floor())
		}
		for i := range 600 {
			d := shift
			switch r.IntN(8) {
			case 0:
				d += 0.5
			case 1:
				d -= 0.5
			}
			outcome := c.Add(d)
			if i%20 != 0 && outcome == Inconclusive {
				continue
			}
			low, _ := c.Interval(0.05)
			floor := c.Floor()
			if floor < low || floor > c.Mean() && outcome == Inconclusive {
				t.Fatalf("floor %g, interval from %g, mean %g", floor, low, c.Mean())
			}
			if sure := floor >= -margin; sure != (outcome == Equivalent || outcome == Better) && outcome != Worse {
				t.Fatalf("%s, and it is surely above %g", outcome, floor)
			}
			if outcome == Better && floor < 0 {
				t.Fatalf("better, and it is surely above %g", floor)
			}
			crossed = crossed || outcome == Equivalent && low < -margin
			if outcome != Inconclusive {
				break
			}
		}
	}
	if !crossed {
		t.Error("no interval reaches below the margin where the outcome is equivalent: the test shows nothing")
	}
}
