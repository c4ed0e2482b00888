package learn

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"freehold/internal/classify"
)

// Pair is a weak model and a strong one, as files name them.
type Pair struct{ Weak, Strong string }

// String implements [fmt.Stringer].
func (p Pair) String() string { return p.Weak + " -> " + p.Strong }

// Options say how to train.
type Options struct {
	Pairs []Pair          // whose scores teach complexity
	From  *classify.Model // what is adapted to the rows; nil: begin from nothing
	Name  string
	Now   time.Time
	// Progress is told what is being done.
	Progress func(what string)
}

// folds is in how many parts rows are split: each part is held out once.
const folds = 5

// The penalties were chosen on splits of the development data, see
// docs/routing.md.
const (
	taskPenalty       = 1
	complexityPenalty = 4
	rounds            = 60
)

// Result is a model with how its rows came out when they were held out.
type Result struct {
	Model *classify.Model
	Rows  []HeldOut
	// Lacking are the tasks that the rows hardly speak of, where they have labels,
	// and Others prompts of these, held out too.
	Lacking []classify.Task
	Others  []HeldOut
}

// HeldOut is a row, and what a model that had not seen it made of it.
type HeldOut struct {
	File     *File
	Row      *Row
	Verdict  classify.Verdict
	Known    known // what the model that was adapted had learnt of it, so that it was not held out
	Fold     int   // the part in which it was held out
	TaskFold int   // and that for tasks, where whole groups are held out
	Pairs    []int // the places in Options.Pairs of those whose scores it has
}

// known is what a model has learnt of a row: its task, how hard it is, or both.
type known struct{ task, complexity bool }

// trainer carries one training.
type trainer struct {
	opt  Options
	rows []*example
	base classify.Weights
	// replayed are prompts beside the rows, see [trainer.replay].
	replayed []*example
}

// example is a row on its way through training.
type example struct {
	file   *File
	row    *Row
	known  known
	vector classify.Vector
	hardX  []classify.Feature // with the tasks
	group  int                // fold of its group, for tasks
	own    int                // fold of its own, for complexity
	pairs  []int
	logits []float64 // of tasks, held out
	hard   []float64 // of complexity, held out

	// Of a prompt that is replayed: what the model that is adapted makes of it.
	before     []float64 // the chances of the tasks
	hardBefore float64
}

// Train makes a model of rows.
func Train(ctx context.Context, files []*File, opt Options) (*Result, error) {
	t := &trainer{opt: opt}
	if opt.Progress == nil {
		t.opt.Progress = func(string) {}
	}
	labelled, scored := t.take(files)
	if labelled+scored == 0 {
		return nil, errors.New("no row has a label, or scores of the models that are asked for")
	}
	if opt.From == nil && labelled == 0 {
		return nil, errors.New("a model that begins from nothing needs rows with labels: it reads complexity from tasks too")
	}
	t.base = classify.NewWeights()
	header := classify.Header{Temperature: 1, Slope: 1}
	if opt.From != nil {
		t.base = opt.From.Weights()
		header = opt.From.Header()
		header.Parent = opt.From.Digest()
	}
	if err := t.replay(); err != nil {
		return nil, err
	}
	header.Name, header.Created = opt.Name, opt.Now.UTC().Truncate(time.Second)

	tasks := &head{classify.TaskCount, t.base.Tasks}
	if labelled > 0 {
		var err error
		if tasks, err = t.tasks(ctx, tasks); err != nil {
			return nil, err
		}
		if fresh := t.fresh(func(e *example) bool { return e.row.Labelled && !e.known.task }); len(fresh) > 0 {
			header.Temperature = temperature(fresh)
		}
	}
	t.seeTasks(tasks)
	hard := &head{1, t.base.Complexity}
	if scored > 0 {
		var err error
		if hard, err = t.complexity(ctx, hard); err != nil {
			return nil, err
		}
		if fresh := t.fresh(func(e *example) bool { return len(e.pairs) > 0 && !e.known.complexity }); len(fresh) > 0 {
			header.Slope, header.Offset = platt(fresh, t.opt.Pairs)
		}
	}
	t.describe(files, &header)
	model, err := classify.New(classify.Weights{Tasks: tasks.w, Complexity: hard.w}, header)
	if err != nil {
		return nil, err
	}
	out := &Result{Rows: t.heldOut(model)}
	if labelled > 0 {
		out.Lacking, out.Others = t.others(model)
	}
	out.Model, err = model.Remember(opt.From, out.remembered())
	return out, err
}

// fresh are rows of a kind. Calibration is about rows that were really held out.
func (t *trainer) fresh(kind func(*example) bool) []*example {
	var out []*example
	for _, e := range t.rows {
		if kind(e) {
			out = append(out, e)
		}
	}
	return out
}

// take makes examples of rows, and counts those with labels and with scores.
func (t *trainer) take(files []*File) (labelled, scored int) {
	for _, f := range files {
		t.opt.Progress("reading " + f.Name())
		for i := range f.Rows {
			r := &f.Rows[i]
			e := &example{file: f, row: r, own: fold(r.Prompt), group: fold(r.Prompt)}
			if r.Group != "" {
				e.group = fold(r.Group)
			}
			for p, pair := range t.opt.Pairs {
				_, weak := r.Scores[pair.Weak]
				if _, strong := r.Scores[pair.Strong]; weak && strong {
					e.pairs = append(e.pairs, p)
				}
			}
			if !r.Labelled && len(e.pairs) == 0 {
				continue
			}
			if r.Labelled {
				labelled++
			}
			if len(e.pairs) > 0 {
				scored++
			}
			if t.opt.From != nil {
				before, _ := t.opt.From.Recall(r.id())
				e.known = known{before.HasTask, before.HasComplexity}
			}
			e.vector = classify.Read(r.System, r.Prompt)
			t.rows = append(t.rows, e)
		}
	}
	groups := map[string]bool{}
	for _, e := range t.rows {
		if e.row.Labelled {
			groups[e.row.Group] = true
		}
	}
	if len(groups) < 2*folds { // too few to hold out whole ones
		for _, e := range t.rows {
			e.group = e.own
		}
	}
	return labelled, scored
}

// fold is the part that a text is in, whatever else is there.
func fold(text string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	v := h.Sum64()
	v = (v ^ v>>33) * 0xff51afd7ed558ccd
	return int((v ^ v>>33) % folds)
}

// lesson is what one head learns.
type lesson struct {
	what    string
	penalty float64
	part    func(*example) int // in which an example is held out
	rows    func(*example) []sample
	replay  func(*example) sample
	test    func(*example, *head) // lets a head see an example that it had not
}

// tasks fits the head of tasks: for each fold on the others, for its logits,
// and at last on all.
func (t *trainer) tasks(ctx context.Context, prior *head) (*head, error) {
	return t.fitFolds(ctx, prior, lesson{
		what: "tasks", penalty: taskPenalty,
		part: func(e *example) int { return e.group },
		rows: func(e *example) []sample {
			if !e.row.Labelled {
				return nil
			}
			return []sample{{x: e.vector.Features, class: int(e.row.Label), weight: 1}}
		},
		replay: func(e *example) sample {
			return sample{x: e.vector.Features, chances: e.before, weight: replayWeight}
		},
		test: func(e *example, h *head) { e.logits = h.logits(e.vector.Features) },
	})
}

// complexity fits the logistic head in the same way.
func (t *trainer) complexity(ctx context.Context, prior *head) (*head, error) {
	return t.fitFolds(ctx, prior, lesson{
		what: "complexity", penalty: complexityPenalty,
		part: func(e *example) int { return e.own },
		rows: func(e *example) []sample {
			var out []sample
			for _, p := range e.pairs {
				out = append(out, sample{x: e.hardX, chance: shortfall(e.row, t.opt.Pairs[p]), weight: 1})
			}
			return out
		},
		replay: func(e *example) sample {
			return sample{x: e.hardX, chance: e.hardBefore, weight: replayWeight}
		},
		test: func(e *example, h *head) { e.hard = h.logits(e.hardX) },
	})
}

// shortfall is by how much the weak model's answer was worse. Where answers are
// right or wrong this is a chance of 0 or 1.
func shortfall(r *Row, p Pair) float64 { return max(0, r.Scores[p.Strong]-r.Scores[p.Weak]) }

// fitFolds fits a head once for each fold, without its rows, and lets them be
// tested; then on all rows. What is adapted replays too.
func (t *trainer) fitFolds(ctx context.Context, prior *head, l lesson) (*head, error) {
	for k := range folds + 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if k < folds {
			t.opt.Progress(fmt.Sprintf("%s: part %d of %d held out", l.what, k+1, folds))
		} else {
			t.opt.Progress(l.what + ": all rows")
		}
		var in []sample
		for _, e := range t.rows {
			if l.part(e) != k {
				in = append(in, l.rows(e)...)
			}
		}
		var again []sample
		for _, e := range t.replayed {
			if l.part(e) != k && t.opt.From != nil {
				again = append(again, l.replay(e))
			}
		}
		h := fit(in, again, prior, l.penalty, rounds)
		if k == folds {
			return h, nil
		}
		for _, list := range [...][]*example{t.rows, t.replayed} {
			for _, e := range list {
				if l.part(e) == k {
					l.test(e, h)
				}
			}
		}
	}
	return prior, nil
}

// seeTasks lets the complexity head see the chances of the tasks.
func (t *trainer) seeTasks(tasks *head) {
	for _, list := range [...][]*example{t.rows, t.replayed} {
		for _, e := range list {
			if len(e.pairs) == 0 && e.before == nil && e.logits != nil {
				continue
			}
			z := tasks.logits(e.vector.Features)
			if e.logits == nil {
				e.logits = slices.Clone(z)
			}
			crossEntropy(z, 0)
			e.hardX = e.vector.WithTasks((*[classify.TaskCount]float64)(z))
		}
	}
}

// temperature is by what task outputs have to be divided so that their chances
// are right on held-out rows.
func temperature(rows []*example) float64 {
	loss := func(log float64) float64 {
		var sum float64
		z := make([]float64, classify.TaskCount)
		for _, e := range rows {
			if !e.row.Labelled {
				continue
			}
			for c, v := range e.logits {
				z[c] = v / math.Exp(log)
			}
			sum += crossEntropy(z, int(e.row.Label))
		}
		return sum
	}
	// Golden section on the logarithm, from 0.2 to 5.
	a, b := math.Log(0.2), math.Log(5)
	const g = 0.6180339887498949
	for range 40 {
		c, d := b-g*(b-a), a+g*(b-a)
		if loss(c) < loss(d) {
			b = d
		} else {
			a = c
		}
	}
	return math.Exp((a + b) / 2)
}

// platt fits slope and offset of the complexity output to held-out rows.
func platt(rows []*example, pairs []Pair) (slope, offset float64) {
	slope = 1
	for range 50 { // Newton's method; the tiny ridge keeps it defined
		const ridge = 1e-3
		g1, g0 := ridge*(slope-1), ridge*offset
		h11, h10, h00 := ridge, 0.0, ridge
		for _, e := range rows {
			for _, p := range e.pairs {
				z := e.hard[0]
				q := 1 / (1 + math.Exp(-slope*z-offset))
				d, v := q-shortfall(e.row, pairs[p]), q*(1-q)
				g1 += float64(d * z)
				g0 += d
				h11 += float64(v * z * z)
				h10 += float64(v * z)
				h00 += v
			}
		}
		det := h11*h00 - h10*h10
		if det < 1e-12 {
			break
		}
		d1, d0 := (h00*g1-h10*g0)/det, (h11*g0-h10*g1)/det
		slope, offset = slope-d1, offset-d0
		if math.Abs(d1)+math.Abs(d0) < 1e-9 {
			break
		}
	}
	// Where the rows say nothing, or the reverse, higher outputs still mean more.
	return min(max(slope, 0.05), 20), offset
}
