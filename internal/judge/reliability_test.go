package judge_test

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"freehold/internal/judge"
)

//go:embed testdata/gsm8k.csv
var gsm8k []byte

// real are prompts with the outcomes of two models' answers and samples as long
// as these were.
type real struct {
	sample judge.Sample
	winner judge.Winner
	raw    float64
}

func outcomes(t *testing.T) []real {
	t.Helper()
	var out []real
	for lines := bufio.NewScanner(bytes.NewReader(gsm8k)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var x, y float64
		var b, c int
		if _, err := fmt.Sscanf(lines.Text(), "%g,%g,%d,%d", &x, &y, &b, &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, real{
			judge.Sample{Baseline: text(strings.Repeat("x", b)), Candidate: text(strings.Repeat("x", c))},
			judge.WinnerOf(y - x), y - x,
		})
	}
	if len(out) != 784 {
		t.Fatalf("%d rows", len(out))
	}
	return out
}

// On real outcomes the longer answer is the right one more often than not, which
// a judge must beat. That the candidate there is better is left by the control
// of length, though it is longer, too.
func TestRealOutcomes(t *testing.T) {
	var readings []judge.Reading
	var control judge.LengthControl
	raw, left, n := 0.0, 0.0, 0.0
	for _, o := range outcomes(t) {
		l := judge.LongerOf(&o.sample)
		readings = append(readings, judge.Reading{Judge: l, Longer: l, Person: o.winner})
		v := judge.Verdict{Basis: judge.Check, Raw: o.raw}
		control.Apply(&o.sample, &v)
		raw, left, n = raw+v.Raw, left+v.Difference, n+1
	}
	r := judge.Rely(readings)
	t.Logf("the longer answer: accuracy %+v, kappa %+v", r.Longer.Accuracy, r.Longer.Kappa)
	t.Logf("difference %.3f, controlled %.3f, coefficient %.3f", raw/n, left/n, control.Coefficient())
	if a := r.Longer.Accuracy; a.N != 282 || math.Abs(a.Value-0.688) > 0.001 || r.State != judge.NotYetKnown {
		t.Errorf("%+v", r)
	}
	if math.Abs(raw/n-0.207) > 0.001 || left/n < 0.15 || left/n > raw/n {
		t.Errorf("difference %.3f, controlled %.3f", raw/n, left/n)
	}
}

// guesses lets a judge be right with some chance, apart from the lengths.
func guesses(r *rand.Rand, list []real, accuracy float64) []judge.Reading {
	out := make([]judge.Reading, len(list))
	for i, j := range r.Perm(len(list)) {
		o := &list[j]
		out[i] = judge.Reading{Judge: o.winner, Person: o.winner, Longer: judge.LongerOf(&o.sample)}
		if r.Float64() >= accuracy {
			out[i].Judge = judge.BaselineWins
			if o.winner == judge.BaselineWins {
				out[i].Judge = judge.CandidateWins
			}
		}
	}
	return out
}

// A judge as good as the longer answer is hardly ever called reliable, however
// often it is looked at; a better one is, after so many labels.
func TestLabelsThatItTakes(t *testing.T) {
	var decided []real
	for _, o := range outcomes(t) {
		if o.winner != judge.Tie {
			decided = append(decided, o)
		}
	}
	const runs = 200
	states := map[judge.State]int{}
	for i := range runs {
		states[judge.Rely(guesses(rand.New(rand.NewPCG(uint64(i), 1)), decided, 0.688)).State]++
	}
	t.Logf("as good as the longer answer, %d labels: %v", len(decided), states)
	if states[judge.Reliable]+states[judge.Unreliable] > runs/20 {
		t.Errorf("as good as the longer answer: %v", states)
	}
	for _, c := range []struct {
		accuracy float64
		most     int
	}{{0.85, 282}, {0.9, 130}, {0.95, 80}} {
		var needed []int
		for i := range 51 {
			list := guesses(rand.New(rand.NewPCG(uint64(i), 2)), decided, c.accuracy)
			needed = append(needed, sort.Search(len(list), func(n int) bool { return judge.Rely(list[:n]).State == judge.Reliable }))
		}
		sort.Ints(needed)
		t.Logf("right in %.2f: reliable after a median of %d labels", c.accuracy, needed[25])
		if needed[25] > c.most {
			t.Errorf("right in %.2f: reliable after %v labels", c.accuracy, needed)
		}
	}
}

func TestRely(t *testing.T) {
	both := func(a, b judge.Winner) *[2]judge.Winner { return &[2]judge.Winner{a, b} }
	b, c := judge.BaselineWins, judge.CandidateWins
	many := func(n int, r ...judge.Reading) []judge.Reading {
		var out []judge.Reading
		for range n {
			out = append(out, r...)
		}
		return out
	}
	for name, x := range map[string]struct {
		readings []judge.Reading
		state    judge.State
		says     string
	}{
		"nothing":                    {nil, judge.NotYetKnown, "nobody"},
		"no label":                   {many(100, judge.Reading{Orders: both(c, c), Judge: c, Longer: c}), judge.NotYetKnown, "nobody"},
		"ties only":                  {many(100, judge.Reading{Judge: c, Longer: c, Person: judge.Tie}), judge.NotYetKnown, "nobody"},
		"right about ties only":      {append(many(200, judge.Reading{Judge: judge.Tie, Longer: c, Person: judge.Tie}), many(1, judge.Reading{Judge: c, Longer: c, Person: c}, judge.Reading{Judge: b, Longer: b, Person: b})...), judge.NotYetKnown, "not yet known to beat"},
		"the first shown always":     {many(100, judge.Reading{Orders: both(b, c), Judge: judge.Tie, Longer: c}), judge.Unreliable, "order"},
		"worse than the longer":      {many(50, judge.Reading{Judge: b, Longer: c, Person: c}, judge.Reading{Judge: c, Longer: b, Person: b}), judge.Unreliable, "longer"},
		"the same as the longer":     {many(200, judge.Reading{Judge: c, Longer: c, Person: c}, judge.Reading{Judge: b, Longer: b, Person: b}), judge.NotYetKnown, "not yet known to beat"},
		"right against the longer":   {many(50, judge.Reading{Judge: c, Longer: b, Person: c}, judge.Reading{Judge: b, Longer: c, Person: b}), judge.Reliable, "accuracy 1.00 against 0.00"},
		"right, but few":             {many(1, judge.Reading{Judge: c, Longer: b, Person: c}, judge.Reading{Judge: b, Longer: c, Person: b}), judge.NotYetKnown, "not yet known to beat"},
		"says the same to all":       {many(50, judge.Reading{Judge: c, Longer: b, Person: c}), judge.NotYetKnown, "kappa"},
		"always a tie, half as good": {many(200, judge.Reading{Judge: judge.Tie, Longer: c, Person: c}, judge.Reading{Judge: judge.Tie, Longer: c, Person: b}), judge.NotYetKnown, "not yet known to beat"},
	} {
		if r := judge.Rely(x.readings); r.State != x.state || !strings.Contains(r.Reason, x.says) {
			t.Errorf("%s: %s, %s", name, r.State, r.Reason)
		}
	}
}

// The figures are those of the books.
func TestReliabilityFigures(t *testing.T) {
	b, c := judge.BaselineWins, judge.CandidateWins
	var list []judge.Reading
	add := func(n int, guess, person judge.Winner) {
		for range n {
			list = append(list, judge.Reading{Judge: guess, Person: person, Longer: judge.Tie, Orders: &[2]judge.Winner{guess, c}})
		}
	}
	add(20, b, b)
	add(5, b, c)
	add(10, c, b)
	add(15, c, c)
	r := judge.Rely(list)
	close := func(name string, got judge.Share, n int, value, low, high float64) {
		t.Helper()
		if got.N != n || math.Abs(got.Value-value) > 1e-4 || math.Abs(got.Low-low) > 1e-4 || math.Abs(got.High-high) > 1e-4 {
			t.Errorf("%s: %+v, want %v (%v to %v) of %d", name, got, value, low, high, n)
		}
	}
	close("accuracy", r.Judge.Accuracy, 50, 0.7, 0.5625, 0.8090)
	close("kappa", r.Judge.Kappa, 50, 0.4, 0.1249, 0.6180)
	close("longer", r.Longer.Accuracy, 50, 0.5, 0.3664, 0.6336)
	close("swap", r.Swap, 50, 0.5, 0.3664, 0.6336)
	close("beats", r.Beats, 50, 0.7, 0.5625, 0.8090)
	if r := judge.Rely(nil); r.Swap != (judge.Share{High: 1}) || r.Judge.Kappa != (judge.Share{Low: -1, High: 1}) {
		t.Errorf("of nothing something is known: %+v", r)
	}
}
