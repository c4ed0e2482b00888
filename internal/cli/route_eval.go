package cli

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/spf13/cobra"

	"freehold/internal/classify/learn"
	"freehold/internal/classify/score"
)

// resamples of the rows, for intervals, and the seed they are drawn with.
const (
	resamples = 1000
	drawSeed  = 20260401
)

// evalFlags say what to score.
type evalFlags struct{ weak, strong, model, plot string }

func (p *program) routeEvalCommand() *cobra.Command {
	var f evalFlags
	c := p.facts(&cobra.Command{
		Use:   "eval --weak A --strong B FILE...",
		Short: "Score the routing model on prompts that two models answered",
		Long: `eval reads prompts with the scores that a weak and a strong model got on them,
one JSON object a line, compressed or not:

  {"prompt": "...", "scores": {"phi-4": 0.5, "claude": 1}}

and shows for the classifier, and for routers that are no better than they look
(random, by length, by hand-written rules):

  APGR    how much of the gap between the models is recovered, averaged over all
          shares of calls to the strong one; 0.5 is what a coin reaches
  CPT(x)  the smallest share of calls to the strong model that recovers x % of
          the gap
  AUC     how well the order tells prompts on which the strong model is better

each with the interval that holds it in 95 of 100 resamples of the rows. Scores
are 0 to 1; larger ones (0 to 10, 0 to 100) are scaled. Where all rows say what
the answers cost, "cost": {"phi-4": 0.0002, "claude": 0.003}, COST(x) is the
mean cost of a prompt at CPT(x), in the unit of the rows.`,
		Example: `  freehold route eval --weak phi-4 --strong claude graded.jsonl.gz
  freehold route eval --weak phi-4 --strong claude a.jsonl b.jsonl --plot c.svg`,
		Args: takes(1, math.MaxInt),
		RunE: func(_ *cobra.Command, a []string) error { return p.routeEval(f, a) },
	})
	fl := c.Flags()
	fl.StringVar(&f.weak, "weak", "", "the `MODEL` to save on, as the scores name it (required)")
	fl.StringVar(&f.strong, "strong", "", "the `MODEL` to compare with (required)")
	fl.StringVar(&f.model, "model", "", "score `MODEL`: embedded, a version or a file (default: the one in use)")
	fl.StringVar(&f.plot, "plot", "", "draw quality against calls to the strong model into `FILE` (.svg or .png)")
	return c
}

// router is one line of the answer. What is not defined is null.
type router struct {
	Router string   `json:"router"`
	APGR   *float64 `json:"apgr"`
	CPT50  *float64 `json:"cpt50"`
	CPT80  *float64 `json:"cpt80"`
	AUC    *float64 `json:"auc"`

	APGR95  *[2]float64 `json:"apgr_95"`
	CPT5095 *[2]float64 `json:"cpt50_95"`
	CPT8095 *[2]float64 `json:"cpt80_95"`
	AUC95   *[2]float64 `json:"auc_95"`

	Cost50 *float64 `json:"cost50,omitempty"`
	Cost80 *float64 `json:"cost80,omitempty"`

	rows  []score.Outcome
	costs []score.Outcome // of the answers, where all rows say it
}

// evaluated is the whole answer.
type evaluated struct {
	Weak          string   `json:"weak"`
	Strong        string   `json:"strong"`
	Model         string   `json:"model"`
	Rows          int      `json:"rows"`
	Trained       int      `json:"trained_rows"` // of them, that the model was trained on
	WeakQuality   float64  `json:"weak_quality"`
	StrongQuality float64  `json:"strong_quality"`
	StrongBetter  float64  `json:"strong_better"`
	WeakBetter    float64  `json:"weak_better"`
	WeakCost      *float64 `json:"weak_cost,omitempty"`
	StrongCost    *float64 `json:"strong_cost,omitempty"`
	Calibration   float64  `json:"calibration_error"`
	Undefined     string   `json:"undefined,omitempty"`
	Routers       []router `json:"routers"`
	Plot          string   `json:"plot,omitempty"`

	priced               int // rows with what both answers cost
	weakPaid, strongPaid float64
}

func (p *program) routeEval(f evalFlags, paths []string) error {
	switch ext := filepath.Ext(f.plot); {
	case f.weak == "" || f.strong == "":
		return usagef("freehold route eval needs --weak MODEL and --strong MODEL: the names that the scores have")
	case f.weak == f.strong:
		return usagef("--weak and --strong are both %q: there is nothing to choose between", f.weak)
	case f.plot != "" && ext != ".svg" && ext != ".png":
		return usagef("--plot %q ends neither in .svg nor in .png", f.plot)
	}
	m, name, err := p.routingModel(f.model)
	if err != nil {
		return err
	}
	files, err := p.readRows(paths)
	if err != nil {
		return err
	}
	out := evaluated{Weak: f.weak, Strong: f.strong, Model: name, Trained: p.sayTrained(m, files)}
	routers := [4]router{{Router: "classifier"}, {Router: "random"}, {Router: "length"}, {Router: "rules"}}
	var chance, worse []float64
	var wrong []error
	for _, file := range files {
		for i := range file.Rows {
			r := &file.Rows[i]
			o, err := outcome(file, r, f)
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			_, byRule := score.Rules(r.Prompt)
			v := m.Classify(r.System, r.Prompt)
			for k, s := range [4]float64{v.Complexity, 0, float64(len(r.Prompt)), byRule} {
				o.Score = s
				routers[k].rows = append(routers[k].rows, o)
				routers[k].costs = append(routers[k].costs, score.Outcome{Score: s, Weak: r.Cost[f.weak], Strong: r.Cost[f.strong]})
			}
			chance, worse = append(chance, v.Complexity), append(worse, max(0, o.Strong-o.Weak))
			out.add(o)
			out.pay(r.Cost, f)
		}
	}
	if len(wrong) > 0 {
		return few(wrong)
	}
	out.finish()
	if out.priced > 0 && !out.costed() {
		fmt.Fprintf(p.err, "%d of the %s do not say what both answers cost, so costs are left out\n", out.Rows-out.priced, plural(out.Rows, "row"))
	}
	out.Calibration = round4(score.CalibrationError(chance, worse))
	for i := range routers {
		routers[i].measure(out.costed())
	}
	out.Routers = routers[:]
	if f.plot != "" {
		if err := drawRouters(f.plot, &out); err != nil {
			return err
		}
		out.Plot = f.plot
	}
	if p.json {
		return printJSON(p.out, out)
	}
	p.printEval(&out)
	return nil
}

// outcome is how both models did on a row.
func outcome(file *learn.File, r *learn.Row, f evalFlags) (score.Outcome, error) {
	weak, ok := r.Scores[f.weak]
	if !ok {
		return score.Outcome{}, noSuchModel(file, r, f.weak)
	}
	strong, ok := r.Scores[f.strong]
	if !ok {
		return score.Outcome{}, noSuchModel(file, r, f.strong)
	}
	return score.Outcome{Weak: weak, Strong: strong}, nil
}

// few joins the first of many errors.
func few(wrong []error) error {
	const most = 10
	if len(wrong) > most {
		wrong = append(wrong[:most:most], fmt.Errorf("and %d more rows", len(wrong)-most))
	}
	return errors.Join(wrong...)
}

func (e *evaluated) add(o score.Outcome) {
	e.Rows++
	e.WeakQuality += o.Weak
	e.StrongQuality += o.Strong
	switch {
	case o.Strong > o.Weak:
		e.StrongBetter++
	case o.Strong < o.Weak:
		e.WeakBetter++
	}
}

// costed reports rows that all say what both answers cost.
func (e *evaluated) costed() bool { return e.Rows > 0 && e.priced == e.Rows }

// pay counts what both answers to a prompt cost, if the row says it.
func (e *evaluated) pay(cost map[string]float64, f evalFlags) {
	weak, ok := cost[f.weak]
	strong, both := cost[f.strong]
	if ok && both {
		e.priced++
		e.weakPaid += weak
		e.strongPaid += strong
	}
}

func (e *evaluated) finish() {
	n := float64(e.Rows)
	if e.costed() {
		weak, strong := e.weakPaid/n, e.strongPaid/n
		e.WeakCost, e.StrongCost = &weak, &strong
	}
	for _, v := range []*float64{&e.WeakQuality, &e.StrongQuality, &e.StrongBetter, &e.WeakBetter} {
		*v /= n
	}
	switch {
	case e.StrongQuality <= e.WeakQuality:
		e.Undefined = fmt.Sprintf("%s is not better than %s on these rows (%.3f against %.3f): there is no gap to recover, so APGR and CPT are not defined",
			e.Strong, e.Weak, e.StrongQuality, e.WeakQuality)
	case e.StrongBetter == 1:
		e.Undefined = e.Strong + " is better on every row: there is nothing to tell apart, so AUC is not defined"
	}
}

// measure fills in the measures, and what they cost.
func (r *router) measure(costed bool) {
	m := score.Route(r.rows, resamples, drawSeed)
	for _, x := range []struct {
		from score.Interval
		v    **float64
		in   **[2]float64
	}{{m.APGR, &r.APGR, &r.APGR95}, {m.CPT50, &r.CPT50, &r.CPT5095}, {m.CPT80, &r.CPT80, &r.CPT8095}, {m.AUC, &r.AUC, &r.AUC95}} {
		if !math.IsNaN(x.from.Value) {
			v := round4(x.from.Value)
			*x.v = &v
		}
		if !math.IsNaN(x.from.Low) {
			*x.in = &[2]float64{round4(x.from.Low), round4(x.from.High)}
		}
	}
	for _, x := range []struct {
		share float64
		v     **float64
	}{{m.CPT50.Value, &r.Cost50}, {m.CPT80.Value, &r.Cost80}} {
		if costed && !math.IsNaN(x.share) {
			v := score.Mean(r.costs, x.share)
			*x.v = &v
		}
	}
}

func round4(v float64) float64 { return math.Round(v*1e4) / 1e4 }

func (p *program) printEval(e *evaluated) {
	p.fields("prompts", count(int64(e.Rows)), "weak", fmt.Sprintf("%s, mean score %.3f", e.Weak, e.WeakQuality),
		"strong", fmt.Sprintf("%s, mean score %.3f", e.Strong, e.StrongQuality),
		"better", fmt.Sprintf("strong on %.1f %% of the prompts, weak on %.1f %%", 100*e.StrongBetter, 100*e.WeakBetter),
		"routing model", e.Model)
	fmt.Fprintln(p.out)
	t := table{columns: []column{{head: "ROUTER", keep: true}, {head: "APGR (95 %)", keep: true}, {head: "CPT(50)", keep: true}, {head: "CPT(80)", keep: true}, {head: "AUC", keep: true}}}
	for _, r := range e.Routers {
		t.row(r.Router, within(r.APGR, r.APGR95, 1), within(r.CPT50, r.CPT5095, 100), within(r.CPT80, r.CPT8095, 100), within(r.AUC, r.AUC95, 1))
	}
	p.print(&t)
	if e.costed() {
		fmt.Fprintln(p.out)
		t := table{columns: []column{{head: "MEAN COST OF A PROMPT", keep: true}, {head: "COST(50)", right: true, keep: true}, {head: "COST(80)", right: true, keep: true}}}
		for _, r := range e.Routers {
			t.row(r.Router, costCell(r.Cost50), costCell(r.Cost80))
		}
		t.row("all to "+e.Weak, costCell(e.WeakCost), costCell(e.WeakCost))
		t.row("all to "+e.Strong, costCell(e.StrongCost), costCell(e.StrongCost))
		p.print(&t)
	}
	fmt.Fprintf(p.out, "\ncomplexity and the share of answers that were worse differ by %.3f on average\n", e.Calibration)
	if e.Undefined != "" {
		fmt.Fprintln(p.err, tameLines(e.Undefined))
	}
	if e.Plot != "" {
		fmt.Fprintln(p.err, "drawn:", tame(e.Plot))
	}
}

// cost shows an amount of which the unit is not known.
func costCell(v *float64) string {
	if v == nil {
		return none
	}
	return fmt.Sprintf("%.4g", *v)
}

// within shows a measure with its interval; as a share in percent if times is 100.
func within(v *float64, in *[2]float64, times float64) string {
	switch {
	case v == nil:
		return none
	case times == 100 && in == nil:
		return fmt.Sprintf("%.0f %%", 100**v)
	case times == 100:
		return fmt.Sprintf("%.0f %% (%.0f-%.0f)", 100**v, 100*in[0], 100*in[1])
	case in == nil:
		return fmt.Sprintf("%.3f", *v)
	}
	return fmt.Sprintf("%.3f (%.3f-%.3f)", *v, in[0], in[1])
}
