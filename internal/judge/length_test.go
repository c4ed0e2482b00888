package judge_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"freehold/internal/judge"
	"freehold/internal/sequential"
)

// controlled makes samples with answers of random lengths, the candidate's times
// as long, and lets judge say who wins by the length term. It returns the mean
// differences before and after.
func controlled(r *rand.Rand, c *judge.LengthControl, n int, times float64, spread float64, candidateWins func(x float64) float64, each func(length float64, v judge.Verdict)) (raw, left float64) {
	for range n {
		b := 50 + r.IntN(200)
		l := int(float64(b) * times * math.Exp(spread*r.NormFloat64()))
		s := judge.Sample{Baseline: text(strings.Repeat("x", b)), Candidate: text(strings.Repeat("y", l))}
		v := judge.Verdict{Basis: judge.Preference, Raw: -1}
		length := math.Tanh(math.Log2(float64(l+1) / float64(b+1)))
		if r.Float64() < candidateWins(length) {
			v.Raw = 1
		}
		c.Apply(&s, &v)
		if each != nil {
			each(length, v)
		}
		raw += v.Raw / float64(n)
		left += v.Difference / float64(n)
	}
	return raw, left
}

func TestLengthControl(t *testing.T) {
	for name, c := range map[string]struct {
		times, spread float64
		wins          func(x float64) float64
		raw, left     float64
	}{
		"equally good, longer, and the judge likes that":           {1.8, 0.5, func(x float64) float64 { return 0.5 + 0.4*x }, 0.48, 0},
		"better, and no longer":                                    {1, 0.5, func(float64) float64 { return 0.7 }, 0.4, 0.4},
		"better and longer, and the judge looks at what is better": {1.8, 0.5, func(float64) float64 { return 0.7 }, 0.4, 0.4},
		"better, longer, and the judge likes both":                 {1.5, 0.5, func(x float64) float64 { return 0.6 + 0.3*x }, 0.46, 0.2},
		"always longer by the same":                                {2, 0, func(x float64) float64 { return 0.5 + 0.4*x }, 0.61, 0.61},
	} {
		raw, left := controlled(rand.New(rand.NewPCG(1, 2)), &judge.LengthControl{}, 6000, c.times, c.spread, c.wins, nil)
		if math.Abs(raw-c.raw) > 0.05 || math.Abs(left-c.left) > 0.05 {
			t.Errorf("%s: %.3f, controlled %.3f; want %.2f and %.2f", name, raw, left, c.raw, c.left)
		}
	}
}

// What is taken off a sample is known before it, so that tests that hold at
// every look hold for what is left.
func TestLengthControlIsPredictable(t *testing.T) {
	var c judge.LengthControl
	before := c
	var x, y []float64
	controlled(rand.New(rand.NewPCG(3, 4)), &c, 500, 1.3, 0.5, func(x float64) float64 { return 0.5 + 0.4*x }, func(length float64, v judge.Verdict) {
		if before.Coefficient() == 0 && v.Difference != v.Raw || math.Abs(v.Difference) > 1 {
			t.Fatalf("%+v, with a coefficient of %v before", v, before.Coefficient())
		}
		if x = append(x, length); len(x) <= 20 && v.Difference != v.Raw {
			t.Fatalf("something is taken off sample %d", len(x))
		}
		y = append(y, v.Raw)
		before = c
	})
	if got, want := c.Coefficient(), regression(x, y); math.Abs(got-want) > 1e-9 {
		t.Errorf("the coefficient is %v, of all samples at once %v", got, want)
	}
	if b := c.Coefficient(); b < 0.5 || b > 1 {
		t.Errorf("the coefficient is %.2f; the judge adds .8 for the length", b)
	}

	false_, runs := 0, 400
	for i := range runs {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		above, below := sequential.NewBet(-1, 1, 0, sequential.Above), sequential.NewBet(-1, 1, 0, sequential.Below)
		controlled(r, &judge.LengthControl{}, 300, 1, 0.7, func(x float64) float64 { return 0.5 + 0.45*x }, func(_ float64, v judge.Verdict) {
			above.Add(v.Difference)
			below.Add(v.Difference)
		})
		if above.Sure(0.025) || below.Sure(0.025) {
			false_++
		}
	}
	t.Logf("%d false alarms in %d runs of 300 equal samples, looked at after each", false_, runs)
	if float64(false_) > 0.05*float64(runs) {
		t.Errorf("%d false alarms in %d runs", false_, runs)
	}
}

// regression is the shrunken slope of y over x, of all at once.
func regression(x, y []float64) float64 {
	var mx, my, xx, xy float64
	for i := range x {
		mx, my = mx+x[i]/float64(len(x)), my+y[i]/float64(len(x))
	}
	for i := range x {
		xx, xy = xx+(x[i]-mx)*(x[i]-mx), xy+(x[i]-mx)*(y[i]-my)
	}
	return xy / (xx + 5)
}

// A control that was kept goes on as if nothing had been.
func TestLengthControlIsKept(t *testing.T) {
	var whole, half judge.LengthControl
	wins := func(x float64) float64 { return 0.5 + 0.4*x }
	r, q := rand.New(rand.NewPCG(5, 6)), rand.New(rand.NewPCG(5, 6))
	for i := range 60 {
		if i == 33 {
			b, err := json.Marshal(half)
			if err != nil {
				t.Fatal(err)
			}
			half = judge.LengthControl{}
			if err := json.Unmarshal(b, &half); err != nil {
				t.Fatal(err)
			}
		}
		_, x := controlled(r, &whole, 1, 1.5, 0.5, wins, nil)
		_, y := controlled(q, &half, 1, 1.5, 0.5, wins, nil)
		if x != y {
			t.Fatalf("sample %d: %v and %v", i, x, y)
		}
	}
	// Who did not answer is not shorter.
	was := whole
	v := judge.Verdict{Basis: judge.Unanswered, Raw: -1}
	whole.Apply(&judge.Sample{Baseline: text("long enough")}, &v)
	if v.Difference != -1 || whole != was {
		t.Errorf("%+v", v)
	}
}
