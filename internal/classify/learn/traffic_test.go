package learn

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"freehold/internal/classify"
)

var smallLarge = []Pair{{"small", "large"}}

// served is traffic in which the small model fails on couplings.
func served(n int) []Rated {
	var out []Rated
	for i := range n {
		part, score := "seal", 1.0
		if i%3 == 0 {
			part, score = "coupling", 0
		}
		out = append(out, Rated{Prompt: fmt.Sprintf("Setting of the %s of line %d?", part, i), Model: "small", Score: score})
		if i%2 == 0 {
			out = append(out, Rated{Prompt: fmt.Sprintf("Explain alarm %d.", i), Model: "large", Score: 0.8, Task: classify.Reasoning, Labelled: i%4 == 0})
		}
	}
	return out
}

// TestTraffic: what the strong model is worth is its mean, and only prompts that
// the weak one answered teach complexity.
func TestTraffic(t *testing.T) {
	f, err := Traffic("workload:chat", served(60), smallLarge)
	if err != nil {
		t.Fatal(err)
	}
	scored, labelled := 0, 0
	for _, r := range f.Rows {
		if r.Labelled {
			labelled++
		}
		if r.Scores == nil {
			continue
		}
		scored++
		want := 0.0
		if strings.Contains(r.Prompt, "coupling") {
			want = 0.8
		}
		if got := shortfall(&r, smallLarge[0]); math.Abs(got-want) > 1e-9 {
			t.Errorf("%q: shortfall %v, want %v", r.Prompt, got, want)
		}
	}
	if scored != 60 || labelled != 15 || f.Name() != "workload:chat" || len(f.SHA256) != 64 {
		t.Errorf("%d rows with scores, %d with labels, of %s", scored, labelled, f.Name())
	}
}

// TestTrafficTeaches: a model trained on traffic tells its hard prompts from its
// easy ones, and knows that it has seen this traffic when there is more of it.
func TestTrafficTeaches(t *testing.T) {
	base, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Traffic("workload:chat", served(150), smallLarge)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), []*File{f}, Options{From: base, Pairs: smallLarge})
	if err != nil {
		t.Fatal(err)
	}
	easy, hard := r.Model.Classify("", "Setting of the seal of line 777?").Complexity, r.Model.Classify("", "Setting of the coupling of line 777?").Complexity
	if hard < easy+0.3 {
		t.Errorf("complexity %.2f and %.2f", easy, hard)
	}
	more, err := Traffic("workload:chat", served(160), smallLarge)
	if err != nil {
		t.Fatal(err)
	}
	if seen := more.SeenBy(r.Model, base); more.SHA256 == f.SHA256 || seen != len(f.Rows) || more.SeenBy(base, nil) != 0 {
		t.Errorf("seen: %d of the %d rows, by the embedded model %d", seen, len(f.Rows), more.SeenBy(base, nil))
	}
	again, err := Train(t.Context(), []*File{more}, Options{From: r.Model, Pairs: smallLarge})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range again.Model.Header().Data {
		if d.Name == "workload:chat" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the traffic is told %d times: %+v", n, again.Model.Header().Data)
	}
}

// TestTrafficRefuses what is too little, and says how much is needed of what.
func TestTrafficRefuses(t *testing.T) {
	for name, x := range map[string]struct {
		rated []Rated
		pairs []Pair
		want  string
	}{
		"nothing":         {nil, smallLarge, "workload:w has 0 rated answers of small, and at least 50 are needed; none of its requests has both"},
		"few weak":        {served(40), smallLarge, "has 40 rated answers of small, and at least 50 are needed; there are 20 of large"},
		"one of all":      {served(60)[:1], smallLarge, "has 1 rated answer of"},
		"few strong":      {served(60)[:80], []Pair{{"small", "huge"}}, "has 0 rated answers of huge, and at least 20 are needed"},
		"misspelt":        {served(60), []Pair{{"smal", "large"}}, `did you mean "small"?`},
		"labels, but few": {served(60), nil, "has 15 prompts with a task in their feedback, and at least 50 are needed"},
	} {
		if _, err := Traffic("workload:w", x.rated, x.pairs); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// TestTrafficEqual: answers as good as the strong model's are not worse than them by
// what sums of decimals lose.
func TestTrafficEqual(t *testing.T) {
	var rated []Rated
	for i := range 132 {
		for _, model := range []string{"small", "large"} {
			rated = append(rated, Rated{Prompt: fmt.Sprint(model, i), Model: model, Score: 0.9})
		}
	}
	f, err := Traffic("workload:w", rated, smallLarge)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Rows {
		if got := shortfall(&f.Rows[i], smallLarge[0]); got != 0 {
			t.Fatalf("row %d: shortfall %v", i, got)
		}
	}
}

// TestTooFew rows of files are refused, and enough of either kind are not.
func TestTooFew(t *testing.T) {
	rows := func(n int, r Row) []Row {
		var out []Row
		for range n {
			out = append(out, r)
		}
		return out
	}
	labelled, scored := Row{Labelled: true}, Row{Scores: map[string]float64{"small": 0, "large": 1}}
	half := Row{Scores: map[string]float64{"small": 0}}
	for name, x := range map[string]struct {
		rows  []Row
		pairs []Pair
		want  string
	}{
		"one":            {rows(1, labelled), nil, "1 row with a label"},
		"labels":         {rows(50, labelled), nil, ""},
		"of no pair":     {rows(60, half), smallLarge, "the data has 0 rows with scores of both models and 0 with a label"},
		"both too few":   {append(rows(49, labelled), rows(49, scored)...), smallLarge, "49 rows with scores of both models and 49"},
		"scores":         {rows(50, scored), smallLarge, ""},
		"of two kinds":   {append(rows(5, labelled), rows(50, scored)...), smallLarge, ""},
		"nothing at all": {nil, nil, "0 rows"},
	} {
		err := TooFew([]*File{{Rows: x.rows}}, x.pairs)
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// TestShare: the interval of a share does not leave 0 to 1.
func TestShare(t *testing.T) {
	s := spread([]float64{1, 1, 0.9, 1, 0.85})
	if s.High <= 1 {
		t.Fatalf("the interval %v does not go beyond 1", s)
	}
	if got := s.share(); got.High != 1 || got.Low != s.Low || got.Mean != s.Mean {
		t.Errorf("%v became %v", s, got)
	}
	if got := spread([]float64{0.5}).share(); !math.IsNaN(got.Low) || !math.IsNaN(got.High) {
		t.Errorf("no interval became %v", got)
	}
}
