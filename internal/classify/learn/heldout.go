package learn

import (
	"math"
	"slices"

	"freehold/internal/classify"
	"freehold/internal/classify/score"
)

// heldOut are the verdicts on rows by models that had not seen them, with the
// calibration of the whole.
func (t *trainer) heldOut(m *classify.Model) []HeldOut {
	var out []HeldOut
	for _, e := range t.rows {
		hard := 0.0
		if e.hard != nil {
			hard = e.hard[0]
		}
		out = append(out, HeldOut{
			File: e.file, Row: e.row, Verdict: m.Judge((*[classify.TaskCount]float64)(e.logits), hard),
			Known: e.known, Fold: e.own, TaskFold: e.group, Pairs: e.pairs,
		})
	}
	return out
}

// remembered are the rows that were held out, as a model keeps them.
func (r *Result) remembered() map[classify.RowID]classify.Recalled {
	out := map[classify.RowID]classify.Recalled{}
	for _, h := range r.Rows {
		x := out[h.Row.id()] // it may be there with scores, or with a label
		if h.Row.Labelled && !h.Known.task {
			x.HasTask, x.Task, x.Simple = true, h.Verdict.Task, h.Verdict.Simple
		}
		if len(h.Pairs) > 0 && !h.Known.complexity {
			x.HasComplexity, x.Complexity = true, h.Verdict.Complexity
		}
		out[h.Row.id()] = x
	}
	return out
}

// Known is how many rows the model that was adapted had learnt from before. They
// could not be held out from it, so no measure is taken on them.
func (r *Result) Known() int {
	n := 0
	for _, h := range r.Rows {
		if h.Known != (known{}) {
			n++
		}
	}
	return n
}

// Comparison is how a new model, one that is in use, and simple rules did on
// the same rows. What a router does not do, or what is not defined, is NaN.
type Comparison struct {
	Data    string
	Measure string
	Rows    int
	New     Spread
	InUse   Spread
	Length  Spread // the longer the prompt, the harder
	Rules   Spread // hand-written ones
	// Seen is how many of the rows the model in use was trained on. They count for
	// it as they came out when they were held out from it.
	Seen int
	// Others: these are no rows, but freehold's prompts of the tasks that the rows
	// lack. Both models may have been trained on them: what is measured is loss.
	Others bool
}

// Spread is a measure over the parts of the rows that were held out in turn:
// the mean, and the interval that holds it with 95 % chance.
type Spread struct{ Mean, Low, High float64 }

// The measures of comparisons.
const (
	MeasureAccuracy = "task accuracy"
	MeasureSimple   = "simple AUC"
	MeasureAPGR     = "APGR"
	MeasureAUC      = "AUC"
)

// Worse reports a measure that decides, and in which the new model is worse
// than the one in use by more than rounding and luck explain.
func (c Comparison) Worse() bool {
	slack := 0.005
	if c.Others {
		slack = 0.02 // there may be few prompts of a task
	}
	return (c.Measure == MeasureAccuracy || c.Measure == MeasureAPGR) && c.New.Mean < c.InUse.Mean-slack
}

// judged is what the model in use makes of a row.
type judged struct {
	task       classify.Task
	simple     float64
	complexity float64
	seen       known
}

// judge asks a model for a row. What it was trained on it cannot be asked: there
// the verdict stands that it remembers.
func judge(m *classify.Model, r *Row) judged {
	v := m.Classify(r.System, r.Prompt)
	out := judged{task: v.Task, simple: v.Simple, complexity: v.Complexity}
	before, _ := m.Recall(r.id())
	if before.HasTask {
		out.task, out.simple, out.seen.task = before.Task, before.Simple, true
	}
	if before.HasComplexity {
		out.complexity, out.seen.complexity = before.Complexity, true
	}
	return out
}

// Compare measures what a training gave, file by file, beside the model in use
// (nil: there is none), on rows that neither had seen.
func (r *Result) Compare(inUse *classify.Model, pairs []Pair) []Comparison {
	var out []Comparison
	for _, f := range r.files() {
		old := map[*Row]judged{}
		var labelled []HeldOut
		scored := make([][]HeldOut, len(pairs))
		for _, h := range r.Rows {
			if h.File != f {
				continue
			}
			if inUse != nil {
				old[h.Row] = judge(inUse, h.Row)
			}
			if h.Row.Labelled && !h.Known.task {
				labelled = append(labelled, h)
			}
			for _, p := range h.Pairs {
				if !h.Known.complexity {
					scored[p] = append(scored[p], h)
				}
			}
		}
		var of []Comparison
		if len(labelled) > 0 {
			of = append(of, compareTasks(labelled, old)...)
		}
		for p, rows := range scored {
			if len(rows) > 0 {
				of = append(of, compareRouters(rows, old, pairs[p])...)
			}
		}
		for i := range of {
			of[i].Data = f.Name()
			if inUse == nil {
				of[i].InUse = none
			}
		}
		out = append(out, of...)
	}
	if c := r.loss(inUse); c != nil && len(out) > 0 {
		out = append(out, *c)
	}
	return out
}

// loss compares how the tasks are told that the rows lack. The model in use is
// asked, whatever it remembers: what the new one is made of knows the prompts too.
func (r *Result) loss(inUse *classify.Model) *Comparison {
	if len(r.Others) == 0 || inUse == nil {
		return nil
	}
	old := map[*Row]judged{}
	for _, h := range r.Others {
		v := inUse.Classify(h.Row.System, h.Row.Prompt)
		old[h.Row] = judged{task: v.Task, simple: v.Simple}
	}
	c := compareTasks(r.Others, old)[0]
	c.Data, c.Others = ReplayName, true
	return &c
}

// files are those with rows, in their order.
func (r *Result) files() []*File {
	var out []*File
	for _, h := range r.Rows {
		if len(out) == 0 || out[len(out)-1] != h.File {
			out = append(out, h.File)
		}
	}
	return out
}

var none = Spread{math.NaN(), math.NaN(), math.NaN()}

func compareTasks(rows []HeldOut, old map[*Row]judged) []Comparison {
	type judge func(HeldOut) (classify.Task, float64)
	by := func(verdict judge, measure func(score.Tasks) float64) Spread {
		var parts [folds][]score.Judged
		for _, h := range rows {
			task, simple := verdict(h)
			parts[h.TaskFold] = append(parts[h.TaskFold], score.Judged{Label: h.Row.Label, Task: task, Simple: simple})
		}
		var values []float64
		for _, part := range parts {
			if len(part) > 0 {
				values = append(values, measure(score.Judge(part, 0, 0)))
			}
		}
		return spread(values).share()
	}
	mine := func(h HeldOut) (classify.Task, float64) { return h.Verdict.Task, h.Verdict.Simple }
	used := func(h HeldOut) (classify.Task, float64) { return old[h.Row].task, old[h.Row].simple }
	ruled := func(h HeldOut) (classify.Task, float64) {
		task, _ := score.Rules(h.Row.Prompt)
		if task.Simple() {
			return task, 1
		}
		return task, 0
	}
	accuracy := func(t score.Tasks) float64 { return t.Accuracy.Value }
	simple := func(t score.Tasks) float64 { return t.Simple.Value }
	seen := 0
	for _, h := range rows {
		if old[h.Row].seen.task {
			seen++
		}
	}
	return []Comparison{
		{Measure: MeasureAccuracy, Rows: len(rows), Seen: seen, New: by(mine, accuracy), InUse: by(used, accuracy), Length: none, Rules: by(ruled, accuracy)},
		{Measure: MeasureSimple, Rows: len(rows), Seen: seen, New: by(mine, simple), InUse: by(used, simple), Length: none, Rules: by(ruled, simple)},
	}
}

func compareRouters(rows []HeldOut, old map[*Row]judged, pair Pair) []Comparison {
	by := func(hard func(HeldOut) float64) (apgr, auc Spread) {
		var parts [folds][]score.Outcome
		for _, h := range rows {
			parts[h.Fold] = append(parts[h.Fold], score.Outcome{Score: hard(h), Weak: h.Row.Scores[pair.Weak], Strong: h.Row.Scores[pair.Strong]})
		}
		var a, b []float64
		for _, part := range parts {
			if len(part) > 0 {
				m := score.Route(part, 0, 0)
				a, b = append(a, m.APGR.Value), append(b, m.AUC.Value)
			}
		}
		return spread(a), spread(b).share()
	}
	seen := 0
	for _, h := range rows {
		if old[h.Row].seen.complexity {
			seen++
		}
	}
	apgr := Comparison{Measure: MeasureAPGR, Rows: len(rows), Seen: seen}
	auc := Comparison{Measure: MeasureAUC, Rows: len(rows), Seen: seen}
	apgr.New, auc.New = by(func(h HeldOut) float64 { return h.Verdict.Complexity })
	apgr.InUse, auc.InUse = by(func(h HeldOut) float64 { return old[h.Row].complexity })
	apgr.Length, auc.Length = by(func(h HeldOut) float64 { return float64(len(h.Row.Prompt)) })
	apgr.Rules, auc.Rules = by(func(h HeldOut) float64 { _, v := score.Rules(h.Row.Prompt); return v })
	return []Comparison{apgr, auc}
}

// spread is the mean of values with its interval, by Student's t.
func spread(values []float64) Spread {
	var sum, n float64
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return none
	}
	s := Spread{Mean: sum / n, Low: math.NaN(), High: math.NaN()}
	var squares float64
	for _, v := range values {
		if !math.IsNaN(v) {
			squares += (v - s.Mean) * (v - s.Mean)
		}
	}
	if t := [folds + 1]float64{2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}[int(n)]; t > 0 {
		half := t * math.Sqrt(squares/(n-1)/n)
		s.Low, s.High = s.Mean-half, s.Mean+half
	}
	return s
}

// share ends the interval of what is a share, or a chance, at 0 and 1. (APGR is
// none: where the weak model is the better one at times, it can be over 1.)
func (s Spread) share() Spread {
	s.Low, s.High = max(s.Low, 0), min(s.High, 1)
	return s
}

// Scores are the comparisons as a model's header keeps them.
func Scores(all []Comparison) []classify.Score {
	var out []classify.Score
	for _, c := range all {
		if !c.Others && !math.IsNaN(c.New.Mean) {
			out = append(out, classify.Score{Data: c.Data, Measure: c.Measure, Value: math.Round(c.New.Mean*1e4) / 1e4, Rows: c.Rows})
		}
	}
	return out
}

// describe puts the files and their rows into the header.
func (t *trainer) describe(files []*File, h *classify.Header) {
	for _, f := range files {
		n := 0
		for _, e := range t.rows {
			if e.file == f {
				n++
			}
		}
		if n == 0 {
			continue
		}
		if f.Growing { // of what was there before, only the newest is told
			h.Data = slices.DeleteFunc(h.Data, func(d classify.Data) bool { return d.Name == f.Name() })
		}
		d := classify.Data{Name: f.Name(), Rows: n, SHA256: f.SHA256}
		d.Source, d.Licence, d.Date = provenance(f.SHA256)
		h.Data = append(h.Data, d)
	}
}
