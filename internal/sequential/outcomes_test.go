package sequential

import (
	"compress/gzip"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// outcomes are real scores of models at the same prompts.
type outcomes struct {
	tasks  []string
	models []string
	scores map[string][]float64
}

func readOutcomes(t testing.TB, name string) outcomes {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	o := outcomes{models: rows[0][1:], scores: map[string][]float64{}}
	for _, row := range rows[1:] {
		o.tasks = append(o.tasks, row[0])
		for i, m := range o.models {
			v, err := strconv.ParseFloat(row[i+1], 64)
			if err != nil {
				t.Fatal(err)
			}
			o.scores[m] = append(o.scores[m], v)
		}
	}
	return o
}

// pairs are the differences of two models, and the mean of them.
func (o outcomes) pairs(baseline, candidate string) (diffs []float64, mean, variance float64) {
	for i, b := range o.scores[baseline] {
		d := o.scores[candidate][i] - b
		diffs = append(diffs, d)
		mean += d
		variance += d * d
	}
	n := float64(len(diffs))
	mean /= n
	return diffs, mean, variance/n - mean*mean
}

// draw is one run's stream: differences drawn with replacement.
func draw(r *rand.Rand, diffs []float64) func() float64 {
	return func() float64 { return diffs[r.IntN(len(diffs))] }
}

// even is a stream of a candidate that is as good as the baseline, with real
// differences between two models: a coin says which of them is the candidate.
func even(r *rand.Rand, diffs []float64) func() float64 {
	return func() float64 {
		d := diffs[r.IntN(len(diffs))]
		if r.IntN(2) == 0 {
			return -d
		}
		return d
	}
}

type run struct {
	outcome Outcome
	n       int
}

// runs compares over and over, with a look at every difference.
func runs(times, most int, margin float64, l Levels, stream func(r *rand.Rand) func() float64) []run {
	out := make([]run, times)
	for i := range out {
		next := stream(rand.New(rand.NewPCG(uint64(i), 7)))
		c := NewComparison(margin, l)
		for c.N() < most && c.Outcome() == Inconclusive {
			c.Add(next())
		}
		out[i] = run{c.Outcome(), c.N()}
	}
	return out
}

func count(rs []run, o ...Outcome) (n int) {
	for _, r := range rs {
		if slices.Contains(o, r.outcome) {
			n++
		}
	}
	return n
}

func median(rs []run) int {
	ns := make([]int, len(rs))
	for i, r := range rs {
		ns[i] = r.n
	}
	slices.Sort(ns)
	return ns[len(ns)/2]
}

// levels leave a part of the 5 % that a rollout has to its gates and segments.
var levels = Levels{Worse: 0.025, Better: 0.005, Pass: 0.05}

// TestFigures holds what the tests promise, on real outcomes, with a look at
// every pair. docs/rollout.md has the figures.
func TestFigures(t *testing.T) {
	mmlu, router := readOutcomes(t, "mmlu"), readOutcomes(t, "llmrouter")
	for _, p := range []struct {
		of                  outcomes
		baseline, candidate string
		points              float64
		most                int // median of pairs until it is found worse
	}{
		{mmlu, "gpt-4-1106", "mixtral-8x7b", -12, 200},
		{router, "codegemma-7b", "llama3-chatqa-1.5-8b", -12, 200},
		{router, "qwen2.5-7b-instruct", "codegemma-7b", -22, 100},
		{router, "llama-3.3-nemotron-super-49b-v1", "mistral-7b-instruct-v0.3", -21, 100},
	} {
		t.Run(p.candidate+" for "+p.baseline, func(t *testing.T) {
			diffs, mean, variance := p.of.pairs(p.baseline, p.candidate)
			if math.Abs(100*mean-p.points) > 1 {
				t.Fatalf("the candidate is at %.1f points, not %v", 100*mean, p.points)
			}
			rs := runs(1000, 10_000, 0.05, levels, func(r *rand.Rand) func() float64 { return draw(r, diffs) })
			if m := median(rs); m > p.most || count(rs, Worse) < 990 {
				t.Errorf("found worse in %d of 1000 runs, in a median of %d pairs (at most %d)", count(rs, Worse), m, p.most)
			}
			t.Logf("%.1f points, standard deviation %.2f: worse in a median of %d pairs", 100*mean, math.Sqrt(variance), median(rs))

			rs = runs(1000, 10_000, 0.05, levels, func(r *rand.Rand) func() float64 { return even(r, diffs) })
			if n := count(rs, Worse, Better); n > 50 {
				t.Errorf("%d false alarms in 1000 runs of equals", n)
			}
			// The size of a test that is looked at once, with one-sided 5 % and a power of 80 %.
			fixed := math.Pow((1.6449+0.8416)/0.05, 2) * (variance + mean*mean)
			if m := median(rs); float64(m) > 2*fixed || count(rs, Equivalent) < 950 {
				t.Errorf("equal in %d of 1000 runs, in a median of %d pairs; once looked at it takes %.0f", count(rs, Equivalent), m, fixed)
			}
			t.Logf("equals: %d false alarms, equivalent in a median of %d pairs (a fixed size is %.0f)", count(rs, Worse, Better), median(rs), fixed)
		})
	}
}

// TestFalsePass: a candidate that is worse by just the margin passes in at most
// 5 % of the runs, however long they go.
func TestFalsePass(t *testing.T) {
	diffs, mean, _ := readOutcomes(t, "mmlu").pairs("gpt-4-1106", "mixtral-8x7b")
	rs := runs(1000, 3000, -mean, levels, func(r *rand.Rand) func() float64 { return draw(r, diffs) })
	if n := count(rs, Equivalent, Better); n > 50 {
		t.Errorf("%d of 1000 passed", n)
	}
}
