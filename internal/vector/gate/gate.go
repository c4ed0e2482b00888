// Package gate says whether a knowledge base whose records got vectors of another model
// finds what it should: what queries with known answers find in both, or, where nobody
// knows the answers, how many neighbours of records both have in common.
package gate

import (
	"context"
	"fmt"
	"math/rand/v2"

	"freehold/internal/vector"
)

// Embed makes vectors of texts.
type Embed func(ctx context.Context, texts []string) (vectors [][]float32, why []string, err error)

// Side is a store with the model whose vectors it has.
type Side struct {
	Store  vector.Source
	Vector string // that is searched
	Embed  Embed  // nil: texts cannot be asked for
}

// Options of [Run].
type Options struct {
	Old, New Side
	// Mapping and Namespaces are of the copy that made the new store; Parts is the field
	// that says of which record a piece is.
	Mapping    vector.Mapping
	Namespaces []string
	Parts      string
	// Queries are asked; none: the neighbours of Sample records are looked for.
	Queries []Query
	Sample  int // 0: 100
	K       int // 0: 10
	// Margin is how much worse the new store may be, 0 to 1. Least is how many neighbours
	// must be the same, where no answers are known.
	Margin, Least float64
	Random        *rand.Rand
	// Found is told of each query that both stores were asked what they find, in the order
	// of its likeness: the texts in the field Text of the payloads, K at most; nil: nobody is.
	Found    func(q *Query, old, new []string)
	Text     string
	Progress func(done int)
}

// The outcomes.
const (
	Passed    = "passed"
	Worse     = "worse"
	Undecided = "undecided"
)

// Interval is a mean with the 95 % interval of a bootstrap over queries.
type Interval struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Measure is what both stores reach, 0 to 1, and the difference, query by query.
type Measure struct {
	Old        Interval `json:"old"`
	New        Interval `json:"new"`
	Difference Interval `json:"difference"`
}

// Report is what a gate found.
type Report struct {
	Outcome string `json:"outcome"`
	Why     string `json:"why"`
	K       int    `json:"k"`
	// Queries were compared; Left could not be, and Reasons say why of the first.
	Queries int      `json:"queries"`
	Left    int      `json:"left_out,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
	Labels  bool     `json:"labels"` // answers are known
	NDCG    *Measure `json:"ndcg,omitempty"`
	Recall  *Measure `json:"recall,omitempty"`
	// Overlap is the share of the old store's neighbours that the new one finds.
	Overlap *Interval `json:"overlap,omitempty"`
	Margin  float64   `json:"margin,omitempty"`
	Least   float64   `json:"least,omitempty"`
}

// mostReasons is how many reasons are told.
const mostReasons = 20

// gating is a gate under way.
type gating struct {
	Options
	report Report
	old    *vector.Description
	new    *vector.Description
}

// Run asks both stores.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.K <= 0 {
		o.K = 10
	}
	if o.Sample <= 0 {
		o.Sample = 100
	}
	if o.Progress == nil {
		o.Progress = func(int) {}
	}
	g := &gating{Options: o, report: Report{K: o.K}}
	var err error
	if g.old, err = o.Old.Store.Describe(ctx); err != nil {
		return nil, fmt.Errorf("the old store: %w", err)
	}
	if g.new, err = o.New.Store.Describe(ctx); err != nil {
		return nil, fmt.Errorf("the new store: %w", err)
	}
	for _, side := range []struct {
		what string
		d    *vector.Description
		name string
	}{{"old", g.old, o.Old.Vector}, {"new", g.new, o.New.Vector}} {
		if v := side.d.Vector(side.name); v == nil || v.Form != vector.Dense {
			return nil, fmt.Errorf("the %s store has no dense vector %q", side.what, side.name)
		}
	}
	if len(o.Queries) > 0 {
		err = g.queries(ctx)
	} else {
		err = g.neighbours(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &g.report, ctx.Err()
}

// leave says that something could not be compared.
func (g *gating) leave(format string, args ...any) {
	g.report.Left++
	if len(g.report.Reasons) < mostReasons {
		g.report.Reasons = append(g.report.Reasons, fmt.Sprintf(format, args...))
	}
}

// queries asks both stores for what queries should find.
func (g *gating) queries(ctx context.Context) error {
	if err := g.known(ctx); err != nil {
		return err
	}
	if len(g.Queries) == 0 {
		g.overlapping(nil)
		return nil
	}
	old, new, err := g.vectors(ctx)
	if err != nil {
		return err
	}
	var ndcg, recall [2][]float64
	var overlaps []float64
	for i := range g.Queries {
		q := &g.Queries[i]
		if old[i] == nil || new[i] == nil {
			continue // it was told why
		}
		a, before, err := g.find(ctx, false, q.Namespace, old[i], "")
		if err != nil {
			return err
		}
		b, now, err := g.find(ctx, true, q.Namespace, new[i], "")
		if err != nil {
			return err
		}
		if g.Found != nil {
			g.Found(q, before, now)
		}
		if len(q.Relevant) > 0 {
			for k, found := range [][]string{a, b} {
				ndcg[k] = append(ndcg[k], NDCG(found, q.Relevant, g.K))
				recall[k] = append(recall[k], Recall(found, q.Relevant))
			}
		} else if len(a) > 0 {
			overlaps = append(overlaps, overlap(a, b))
		}
		g.report.Queries++
		g.Progress(i + 1)
	}
	if g.report.Labels = len(ndcg[0]) > 0; g.report.Labels {
		g.report.Queries = len(ndcg[0])
		g.report.NDCG, g.report.Recall = g.measure(ndcg), g.measure(recall)
		g.labelled()
		return nil
	}
	g.overlapping(overlaps)
	return nil
}

// vectors are those of all queries, by both models.
func (g *gating) vectors(ctx context.Context) (old, new [][]float32, err error) {
	texts := make([]string, len(g.Queries))
	for i := range g.Queries {
		texts[i] = g.Queries[i].Text
	}
	out := [2][][]float32{}
	for k, side := range []struct {
		what string
		Side
		d *vector.Description
	}{{"old", g.Old, g.old}, {"new", g.New, g.new}} {
		var why []string
		if side.Embed == nil {
			return nil, nil, fmt.Errorf("queries are texts, and the %s store has no model that makes vectors of them", side.what)
		}
		if out[k], why, err = side.Embed(ctx, texts); err != nil {
			return nil, nil, err
		}
		dim := side.d.Vector(side.Vector).Dim
		for i, v := range out[k] {
			if v == nil {
				g.leave("%s: the %s model: %s", g.Queries[i].Where, side.what, why[i])
			} else if len(v) != dim {
				return nil, nil, fmt.Errorf("the model of the %s store makes vectors of %d numbers, and the store's have %d: it is another one than made them", side.what, len(v), dim)
			}
		}
	}
	return out[0], out[1], nil
}

// measure compares both sides, query by query.
func (g *gating) measure(of [2][]float64) *Measure {
	differences := make([]float64, len(of[0]))
	for i := range differences {
		differences[i] = of[1][i] - of[0][i]
	}
	return &Measure{g.interval(of[0]), g.interval(of[1]), g.interval(differences)}
}

// labelled decides by what is known to be right.
func (g *gating) labelled() {
	r := &g.report
	r.Margin = g.Margin
	if few := g.few(); few != "" {
		r.Outcome, r.Why = Undecided, few
		return
	}
	if r.NDCG.Old.Mean == 0 && r.NDCG.New.Mean == 0 {
		r.Outcome, r.Why = Undecided, "neither store finds any of the answers: are they right, and is --model-before the old store's?"
		return
	}
	low, high := min(r.NDCG.Difference.Low, r.Recall.Difference.Low), min(r.NDCG.Difference.High, r.Recall.Difference.High)
	switch {
	case low >= -g.Margin:
		r.Outcome, r.Why = Passed, fmt.Sprintf("the new store is at most %.3f worse, and %.3f is accepted", max(0, -low), g.Margin)
	case high < -g.Margin:
		r.Outcome, r.Why = Worse, fmt.Sprintf("the new store is at least %.3f worse, and %.3f is accepted", -high, g.Margin)
	default:
		r.Outcome, r.Why = Undecided, fmt.Sprintf("the new store may be %.3f worse, and %.3f is accepted: more queries decide it", -low, g.Margin)
	}
}

// leastQueries is how many queries, or records, can decide anything.
const leastQueries = 10

// few says that what was compared is too little, "" where it is not.
func (g *gating) few() string {
	if g.report.Queries >= leastQueries {
		return ""
	}
	return fmt.Sprintf("%d compared, and fewer than %d decide nothing", g.report.Queries, leastQueries)
}

// overlapping decides by how many neighbours are the same.
func (g *gating) overlapping(overlaps []float64) {
	r := &g.report
	r.Queries, r.Least = len(overlaps), g.Least
	if len(overlaps) == 0 {
		r.Outcome, r.Why = Undecided, "nothing could be compared"
		return
	}
	x := g.interval(overlaps)
	r.Overlap = &x
	if few := g.few(); few != "" {
		r.Outcome, r.Why = Undecided, few
		return
	}
	weak := "; that both find the same does not say that it is right: queries with known answers do"
	switch {
	case x.Low >= g.Least:
		r.Outcome, r.Why = Passed, fmt.Sprintf("the new store finds %.3f of the old one's neighbours or more, and %.3f must be", x.Low, g.Least)+weak
	case x.High < g.Least:
		r.Outcome, r.Why = Worse, fmt.Sprintf("the new store finds %.3f of the old one's neighbours at most, and %.3f must be", x.High, g.Least)+weak
	default:
		r.Outcome, r.Why = Undecided, fmt.Sprintf("the new store may find only %.3f of the old one's neighbours, and %.3f must be", x.Low, g.Least)+weak
	}
}
