package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"freehold/internal/classify"
	"freehold/internal/classify/score"
)

// TestMinimize holds the solver on a problem whose answer is known, and that is
// badly scaled.
func TestMinimize(t *testing.T) {
	got := lbfgs([]float64{5, -3, 2}, func(x, g []float64) float64 {
		var sum float64
		for i, k := range []float64{1, 100, 0.01} {
			d := x[i] - float64(i)
			g[i] = k * d
			sum += k * d * d / 2
		}
		return sum
	}, 200)
	for i, v := range got {
		if math.Abs(v-float64(i)) > 1e-2 {
			t.Errorf("x[%d] is %v", i, v)
		}
	}
}

// TestGradient holds the gradients of both heads against differences.
func TestGradient(t *testing.T) {
	x := []classify.Feature{{Index: 0, Value: 0.5}, {Index: 1, Value: -1}, {Index: 2, Value: 1}}
	for _, k := range []int{1, 3} {
		chances, fixed := []float64{0.3}, []float64{-0.4}
		if k == 3 {
			chances, fixed = []float64{0.2, 0.5, 0.3}, []float64{0.1, 0, 0.7}
		}
		p := problem{
			samples: []sample{
				{x: x, class: k - 1, chance: 0.3, weight: 2}, {x: x[1:], class: 0, chance: 1, weight: 1},
				{x: x[:2], chances: chances, chance: 0.6, weight: 0.5, fixed: fixed},
			},
			compact: []int32{1, 2, 3}, k: k, penalty: []float64{0.7, 0.7, 0.07}, prior: make([]float64, 3*k),
		}
		w := make([]float64, 3*k)
		for i := range w {
			w[i], p.prior[i] = math.Sin(float64(i+1)), 0.1*float64(i)
		}
		g, ignored := make([]float64, 3*k), make([]float64, 3*k)
		p.loss(w, g)
		for i := range w {
			const h = 1e-6
			w[i] += h
			up := p.loss(w, ignored)
			w[i] -= 2 * h
			down := p.loss(w, ignored)
			w[i] += h
			if d := (up - down) / (2 * h); math.Abs(d-g[i]) > 1e-5 {
				t.Errorf("%d classes: gradient[%d] is %v, and the difference %v", k, i, g[i], d)
			}
		}
	}
}

// workshop writes tickets of a trade that no training data knows. Whether the
// cheap model does worse depends on words that mean nothing elsewhere.
func workshop(n int, seed uint64) *File {
	r := rand.New(rand.NewPCG(seed, 1))
	parts := []struct {
		name string
		hard float64
	}{{"zwill coupling", 0.95}, {"brenk valve", 0.9}, {"tarn spindle", 0.85}, {"olmic seal", 0.1}, {"quist lever", 0.05}, {"farl gasket", 0.15}}
	asks := []struct {
		text string
		add  float64
	}{{"Give the setting for the %s at %d bar.", 0.05}, {"The %s hums since shift %d, what is to be done?", 0}, {"Which oil does the %s of line %d take?", -0.1}, {"%s worn on press %d. Next step?", 0}}
	f := &File{Path: "workshop.jsonl", Scale: 1}
	for i := range n {
		p, a := parts[r.IntN(len(parts))], asks[r.IntN(len(asks))]
		row := Row{Prompt: fmt.Sprintf(a.text, p.name, r.IntN(90)) + strings.Repeat(" Please answer briefly.", r.IntN(3)), Line: i + 1, Scores: map[string]float64{"small": 1, "large": 1}}
		if r.Float64() < p.hard+a.add {
			row.Scores["small"] = 0
		}
		f.Rows = append(f.Rows, row)
	}
	return f
}

var workshopPair = []Pair{{"small", "large"}}

func apgr(m *classify.Model, f *File) float64 {
	var out []score.Outcome
	for _, r := range f.Rows {
		out = append(out, score.Outcome{Score: m.Classify(r.System, r.Prompt).Complexity, Weak: r.Scores["small"], Strong: r.Scores["large"]})
	}
	return score.Route(out, 0, 0).APGR.Value
}

// TestOwnLabels: between trades a model transfers badly; 300 labels of the own
// one reach most of what many more do.
func TestOwnLabels(t *testing.T) {
	base, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	test := workshop(1000, 99)
	before := apgr(base, test)
	train := func(n int) *Result {
		r, err := Train(t.Context(), []*File{workshop(n, uint64(n))}, Options{Pairs: workshopPair, From: base, Name: "own"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	few := train(300)
	some, many := apgr(few.Model, test), apgr(train(1500).Model, test)
	t.Logf("APGR %.3f before, %.3f with 300 labels, %.3f with 1500", before, some, many)
	if some < before+0.1 || some-before < 0.8*(many-before) {
		t.Errorf("APGR %.3f before, %.3f with 300 labels, %.3f with 1500", before, some, many)
	}
	// What training says of itself on held-out rows is what new rows show.
	c := few.Compare(base, workshopPair)
	if len(c) != 2 || c[0].Measure != MeasureAPGR || math.Abs(c[0].New.Mean-some) > 0.05 || c[0].Seen > 0 || c[0].Worse() {
		t.Errorf("comparison %+v, on new rows %.3f", c, some)
	}
	// Complexity is a chance: where it says 0.8, about 8 of 10 are worse.
	var chance, worse []float64
	for _, r := range test.Rows {
		chance = append(chance, few.Model.Classify("", r.Prompt).Complexity)
		worse = append(worse, shortfall(&r, workshopPair[0]))
	}
	if e := score.CalibrationError(chance, worse); e > 0.1 {
		t.Errorf("chances are off by %.3f on average", e)
	}
	// Elsewhere complexity is about what it was, though half of these rows are hard.
	var moved float64
	elsewhere := labels(t, 10)
	for _, r := range elsewhere.Rows {
		moved += few.Model.Classify(r.System, r.Prompt).Complexity - base.Classify(r.System, r.Prompt).Complexity
	}
	if moved /= float64(len(elsewhere.Rows)); math.Abs(moved) > 0.15 {
		t.Errorf("the complexity of other prompts moved by %.3f", moved)
	}
	// Tasks were not taught, so they are as before.
	if a, b := base.Classify("", "Translate to Dutch: hello"), few.Model.Classify("", "Translate to Dutch: hello"); a.Task != b.Task || math.Abs(a.Confidence-b.Confidence) > 0.02 {
		t.Errorf("tasks changed: %+v, %+v", a, b)
	}
	h := few.Model.Header()
	if h.Parent != base.Digest() || h.Name != "own" || h.Data[len(h.Data)-1].Name != "workshop" || h.Data[len(h.Data)-1].Rows != 300 {
		t.Errorf("header %+v", h)
	}
}

// TestGrown: a file that more rows were appended to is compared as if the model
// in use had seen none of it; and a model that has is adapted without a figure on
// what it knows.
func TestGrown(t *testing.T) {
	base, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	// Nothing can be learnt of these rows, but they can be learnt by heart.
	r := rand.New(rand.NewPCG(7, 7))
	all := &File{Path: "coins.jsonl", Scale: 1}
	for i := range 300 {
		row := Row{Prompt: "Ticket", Line: i + 1, Scores: map[string]float64{"small": float64(r.IntN(2)), "large": 1}}
		for range 8 {
			row.Prompt += " " + string([]byte{'x', 'a' + byte(r.IntN(26)), 'a' + byte(r.IntN(26)), 'a' + byte(r.IntN(26))})
		}
		all.Rows = append(all.Rows, row)
	}
	before := &File{Path: all.Path, Scale: 1, Rows: all.Rows[:240]}
	train := func(f *File, from *classify.Model) *Result {
		t.Helper()
		r, err := Train(t.Context(), []*File{f}, Options{Pairs: workshopPair, From: from})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	inUse := train(before, base).Model
	grown := train(all, base)
	c := grown.Compare(inUse, workshopPair)[0]
	if c.Rows != 300 || c.Seen != 240 || math.Abs(c.InUse.Mean-0.5) > 0.1 || math.Abs(c.New.Mean-0.5) > 0.1 || grown.Known() != 0 {
		t.Errorf("%+v", c)
	}
	// What it makes of rows that it was trained on would be another thing.
	var out []score.Outcome
	for _, r := range before.Rows {
		out = append(out, score.Outcome{Score: inUse.Classify("", r.Prompt).Complexity, Weak: r.Scores["small"], Strong: 1})
	}
	if told := score.Route(out, 0, 0).APGR.Value; told < 0.7 {
		t.Errorf("on rows of its training it has APGR %.3f: this test shows nothing", told)
	}
	// A part of the rows, under another name: known all the same.
	part := &File{Path: "part.jsonl", Scale: 1, Rows: all.Rows[100:200]}
	if c := train(part, base).Compare(inUse, workshopPair)[0]; c.Seen != 100 || part.SeenBy(inUse, base) != 100 {
		t.Errorf("%+v, seen %d", c, part.SeenBy(inUse, base))
	}
	adapted := train(all, inUse)
	if c := adapted.Compare(inUse, workshopPair)[0]; c.Rows != 60 || c.Seen != 0 || adapted.Known() != 240 {
		t.Errorf("%+v, %d known", c, adapted.Known())
	}
	if n := all.SeenBy(adapted.Model, base); n != 300 {
		t.Errorf("the adapted model knows %d rows", n)
	}
	if c := train(before, inUse).Compare(inUse, workshopPair); len(c) != 0 {
		t.Errorf("measured on rows that were not held out: %+v", c)
	}
}

// office asks for three tasks in few wordings, each about jumbled notes.
func office(n int) *File {
	r := rand.New(rand.NewPCG(3, 3))
	asks := []struct {
		text string
		task classify.Task
	}{
		{"One-paragraph overview of the memo", classify.Summarize}, {"Boil the notes down", classify.Summarize},
		{"Get the total amount", classify.Extract}, {"Name all the people in it", classify.Extract},
		{"Which desk does this go to?", classify.Classification}, {"Urgent, normal or low?", classify.Classification},
	}
	words := strings.Fields("the is a for that hi what prove how to write of and forklift printer invoice was waited in on room Monday wants because her two seven")
	f := &File{Path: "office.jsonl", Scale: 1}
	for i := range n {
		ask := asks[i%len(asks)]
		row := Row{Label: ask.task, Labelled: true, Group: ask.text, Prompt: ask.text + "\n\n", Line: i + 1}
		for range 12 {
			row.Prompt += words[r.IntN(len(words))] + " "
		}
		f.Rows = append(f.Rows, row)
	}
	return f
}

// TestOtherTasks: labels of three tasks teach these, and leave the other eight. A
// model that has lost them is worse, whatever it makes of the rows.
func TestOtherTasks(t *testing.T) {
	base, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	f := office(60)
	r, err := Train(t.Context(), []*File{f}, Options{From: base})
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, row := range f.Rows {
		if r.Model.Classify("", row.Prompt).Task == row.Label {
			right++
		}
	}
	if right < 57 {
		t.Errorf("%d of 60 rows learnt", right)
	}
	for prompt, want := range map[string]classify.Task{
		"Prove that the square root of 2 is irrational.": classify.Maths,
		"Translate this letter into German: Dear Sir":    classify.Translate,
		"hi": classify.ChatQA,
		"Write a Python function that reverses a linked list.":   classify.Code,
		"Write a short poem about the sea in autumn, in rhymes.": classify.Write,
	} {
		if was, is := base.Classify("", prompt), r.Model.Classify("", prompt); was.Task != want || is.Task != want {
			t.Errorf("%q: %v before, %v after, want %v", prompt, was.Task, is.Task, want)
		}
	}
	if len(r.Lacking) != 8 || r.Lacking[0] != classify.Translate || len(r.Others) < 300 {
		t.Errorf("lacking %v, %d others", r.Lacking, len(r.Others))
	}
	c := r.Compare(base, nil)
	last := c[len(c)-1]
	if !last.Others || last.Worse() || last.New.Mean < 0.98 || last.Rows != len(r.Others) {
		t.Errorf("%+v", last)
	}
	if s := Scores(c); len(s) != 1 || s[0].Data != "office" {
		t.Errorf("prompts that the model was trained on count as held out: %+v", s)
	}
	anew, err := Train(t.Context(), []*File{f}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c = anew.Compare(base, nil)
	if last := c[len(c)-1]; !last.Others || !last.Worse() || last.New.Mean > 0.1 {
		t.Errorf("it knows three tasks and is not worse: %+v", last)
	}
}

// labels are the first rows of the project's own prompts.
func labels(t *testing.T, every int) *File {
	t.Helper()
	f, err := Read("../data/prompts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	g := *f
	g.Rows = nil
	for i, r := range f.Rows {
		if i%every == 0 {
			g.Rows = append(g.Rows, r)
		}
	}
	return &g
}

// TestSame: the same rows give the same model, on however many processors.
func TestSame(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	var digests []string
	for _, procs := range []int{1, 4} {
		before := runtime.GOMAXPROCS(procs)
		r, err := Train(t.Context(), []*File{labels(t, 80), workshop(30, 5)}, Options{Pairs: workshopPair, Now: at})
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, r.Model.Digest())
	}
	if digests[0] != digests[1] {
		t.Errorf("models differ: %v", digests)
	}
}

// TestProvenance: the project's own prompts are described as they are.
func TestProvenance(t *testing.T) {
	f := labels(t, 1)
	if _, licence, _ := provenance(f.SHA256); licence != "Apache-2.0" {
		t.Errorf("prompts.jsonl was changed: enter its SHA-256 %s in provenance.go, and train the weights anew (scripts/weights)", f.SHA256)
	}
	languages, tasks := map[string]bool{}, map[classify.Task]int{}
	for _, r := range f.Rows {
		language, _, _ := strings.Cut(r.Group, ":")
		languages[language] = true
		tasks[r.Label]++
	}
	if len(languages) < 10 || len(tasks) != classify.TaskCount {
		t.Errorf("languages %v, tasks %v", languages, tasks)
	}
}

// TestTrainRefuses what there is nothing to learn from.
func TestTrainRefuses(t *testing.T) {
	base, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		file *File
		opt  Options
		want string
	}{
		"no labels":        {workshop(10, 1), Options{From: base}, "no row has a label"},
		"scores of others": {workshop(10, 1), Options{From: base, Pairs: []Pair{{"a", "b"}}}, "no row has a label"},
		"from nothing":     {workshop(10, 1), Options{Pairs: workshopPair}, "needs rows with labels"},
	} {
		if _, err := Train(t.Context(), []*File{x.file}, x.opt); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// TestFewRows: a handful of rows, all of one kind, changes little and breaks
// nothing.
func TestFewRows(t *testing.T) {
	base, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	f := &File{Path: "one.jsonl", Scale: 1, Rows: []Row{{Prompt: "tldr", Label: classify.Summarize, Labelled: true}, {Prompt: "x", Scores: map[string]float64{"small": 1, "large": 1}}}}
	r, err := Train(t.Context(), []*File{f}, Options{From: base, Pairs: workshopPair})
	if err != nil {
		t.Fatal(err)
	}
	v := r.Model.Classify("", "Translate this letter into German: Dear Sir")
	if v.Task != classify.Translate || math.IsNaN(v.Complexity) {
		t.Errorf("%+v", v)
	}
	for _, c := range r.Compare(base, workshopPair) {
		if c.Measure == MeasureAPGR && !math.IsNaN(c.New.Mean) {
			t.Errorf("no gap, and yet APGR %v", c.New)
		}
	}
}
