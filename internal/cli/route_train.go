package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/classify"
	"freehold/internal/classify/learn"
	"freehold/internal/classify/shelf"
)

// trainFlags say what to train on, and where the model goes.
type trainFlags struct {
	data         []string
	traffic      admin.RatedIn
	weak, strong string
	from, name   string
	out          string
	use, force   bool

	cascade string // find the margin of this workload's cascade instead
	target  float64
}

func (p *program) routeTrainCommand() *cobra.Command {
	var f trainFlags
	c := p.changes(p.facts(&cobra.Command{
		Use:   "train --data FILE | --workload W [--weak A --strong B]",
		Short: "Train the routing model on labelled prompts; score it first",
		Long: `train adapts the routing model to prompts of your own, one JSON object a line:
with the task that they ask for, with scores of models, or with both:

  {"prompt": "...", "label": "summarize"}
  {"prompt": "...", "scores": {"phi-4": 0.5, "claude": 1}}

--workload takes prompts that a workload keeps (capture) and whose answers were
rated (POST /v1/feedback): those with a task in the feedback as labels, and with
--weak and --strong as scores. What the strong model would have made of a prompt
that the weak one answered is its mean score. That the prompts are read is in
the history.

Some hundred rows of the traffic at hand do more than many thousand of others;
at least 50 are needed. One part in five of the rows is held out in turn; the
scores on these stand beside those of the model in use. Of tasks that the rows
lack, prompts that freehold brings along show whether they are lost. A model
that is worse is not put in use unless --force says so. Models stand beside the
state, in STATE.routing/; freehold route use previous goes back. The same rows
give the same model.

With --cascade it finds the margin from which answers of a workload's cascade by
logprobs may stand, from answers of the model that is asked first:

  {"margin": 0.62, "correct": true}

"score", 0 to 1, may stand for correct. Without --data it takes answers that
stood and were rated (POST /v1/feedback); margin: 0 lets all stand for a time.
It prints what each margin keeps, and the line for config.yaml.`,
		Example: `  freehold route train --data labelled.jsonl --use
  freehold route train --data graded.jsonl --weak phi-4 --strong claude --use
  freehold route train --workload support --weak phi-4 --strong claude --use
  freehold route train --cascade classify-ticket --data answers.jsonl`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if f.cascade != "" {
				return p.routeTrainCascade(c.Context(), f)
			}
			if c.Flags().Changed("target") {
				return usagef("--target goes with --cascade")
			}
			return p.routeTrain(c.Context(), f)
		},
	}))
	fl := c.Flags()
	fl.StringArrayVar(&f.data, "data", nil, "train on the rows of `FILE`; may be given several times")
	fl.StringVar(&f.traffic.Workload, "workload", "", "train on rated prompts of `WORKLOAD`")
	fl.Var(p.past(&f.traffic.Since), "since", "those from `TIME` on, 30d ago if absent")
	fl.StringVar(&f.weak, "weak", "", "`MODELS` whose scores are those of the cheap one, with commas between")
	fl.StringVar(&f.strong, "strong", "", "`MODELS` whose scores are those of the strong one, in the same order")
	fl.StringVar(&f.from, "from", "", "adapt `MODEL`: embedded, a version, a file, or nothing; if absent, the one in use, or embedded if that one saw these rows")
	fl.StringVar(&f.name, "name", "", "call the model `NAME`")
	fl.StringVar(&f.out, "out", "", "write the model to `FILE` instead of beside the state")
	fl.BoolVar(&f.use, "use", false, "put the model in use if it is not worse, in a running server too")
	fl.BoolVar(&f.force, "force", false, "keep it even if it is worse, or the rows are few")
	fl.StringVar(&f.cascade, "cascade", "", "find the margin for the cascade of `WORKLOAD` instead")
	fl.Float64Var(&f.target, "target", 0.9, "with --cascade: `SHARE` of the answers that stand that must be good")
	return c
}

// trained is the whole answer.
type trained struct {
	Version string     `json:"version,omitempty"`
	File    string     `json:"file,omitempty"`
	InUse   bool       `json:"in_use"`
	Worse   []string   `json:"worse,omitempty"`
	Refused bool       `json:"refused"`
	HeldOut []compared `json:"held_out"`
	// Calibration is what chances were worth on the rows held out.
	Calibration []learn.Calibration `json:"calibration"`
	Model       *classify.Header    `json:"model,omitempty"`
	// Lacking are the tasks that labelled rows hardly speak of.
	Lacking []string `json:"tasks_lacking,omitempty"`
}

type compared struct {
	Data    string      `json:"data"`
	Measure string      `json:"measure"`
	Rows    int         `json:"rows"`
	New     *float64    `json:"new"`
	New95   *[2]float64 `json:"new_95"`
	InUse   *float64    `json:"in_use"`
	Length  *float64    `json:"length"`
	Rules   *float64    `json:"rules"`
	Seen    int         `json:"rows_in_use_has_seen,omitempty"`
	Others  bool        `json:"other_tasks,omitempty"` // prompts of tasks that the rows lack
}

const fromNothing = "nothing"

// pairs reads the names of models, weak and strong ones in the same order.
func (f *trainFlags) pairs() ([]learn.Pair, error) {
	if (f.weak == "") != (f.strong == "") {
		return nil, usagef("--weak and --strong go together: complexity is learnt from two models")
	}
	if f.weak == "" {
		return nil, nil
	}
	weak, strong := strings.Split(f.weak, ","), strings.Split(f.strong, ",")
	if len(weak) != len(strong) {
		return nil, usagef("--weak names %s and --strong %d: each needs the other", plural(len(weak), "model"), len(strong))
	}
	out := make([]learn.Pair, len(weak))
	for i := range out {
		out[i] = learn.Pair{Weak: strings.TrimSpace(weak[i]), Strong: strings.TrimSpace(strong[i])}
		if out[i].Weak == out[i].Strong {
			return nil, usagef("--weak and --strong both name %q", out[i].Weak)
		}
	}
	return out, nil
}

func (p *program) routeTrain(ctx context.Context, f trainFlags) error {
	if len(f.data) == 0 && f.traffic.Workload == "" {
		return usagef("freehold route train needs --data FILE or --workload NAME: the prompts to learn from")
	}
	if f.traffic.Workload == "" && !f.traffic.Since.IsZero() {
		return usagef("--since is about the traffic of --workload, and none is given")
	}
	if f.use && f.out != "" {
		return usagef("--use puts a model beside the state in use, and --out writes it elsewhere: give one of them")
	}
	pairs, err := f.pairs()
	if err != nil {
		return err
	}
	s, beside, err := p.shelf()
	if err != nil {
		return err
	}
	if !beside && f.out == "" {
		return hintedf("--out FILE writes the model anywhere", "there is no %s, so no state to keep the model beside", defaultConfig)
	}
	inUse, inUseName, err := p.routingModel("")
	if err != nil && (f.from == "" || !errors.Is(err, classify.ErrModel)) {
		return err
	}
	if err != nil { // a model that is broken, or of another version, can be replaced
		fmt.Fprintln(p.err, "nothing to compare with:", tame(err.Error()))
	}
	from := inUse
	if f.from == fromNothing {
		from = nil
	} else if f.from != "" {
		if from, _, err = p.routingModel(f.from); err != nil {
			return err
		}
	}
	files, err := p.readRows(f.data)
	if err != nil {
		return err
	}
	if err := usefulRows(files, pairs, f.traffic.Workload != ""); err != nil {
		return err
	}
	if f.traffic.Workload == "" && !f.force {
		if err := learn.TooFew(files, pairs); err != nil {
			return fmt.Errorf("%w: what is measured on fewer says nothing; --force trains on them all the same", err)
		}
	}
	if f.traffic.Workload != "" {
		traffic, err := p.ratedRows(ctx, f.traffic, pairs)
		if err != nil {
			return err
		}
		files = append(files, traffic)
	}
	if f.from == "" && inUseName != shelf.Embedded {
		if from, err = p.unspoilt(from, files); err != nil {
			return err
		}
	}
	now, err := p.trainedAt()
	if err != nil {
		return err
	}
	result, err := learn.Train(ctx, files, learn.Options{
		Pairs: pairs, From: from, Name: f.name, Now: now,
		Progress: func(what string) { fmt.Fprintln(p.err, what) },
	})
	if err != nil {
		return err
	}
	all := result.Compare(inUse, pairs)
	if known := result.Known(); len(all) == 0 {
		return hintedf("--from nothing begins anew", "the model that is adapted was trained on all of these rows already: they teach it nothing, and none can be held out")
	} else if known > 0 {
		fmt.Fprintf(p.err, "the model that is adapted was trained on %d of the %s already: these are not among the rows held out\n", known, plural(len(result.Rows), "row"))
	}
	model, err := result.Model.With(learn.Scores(all))
	if err != nil {
		return err
	}
	out := trained{HeldOut: comparedOf(all), Calibration: result.Calibration(pairs)}
	for i := range out.Calibration {
		c := &out.Calibration[i]
		c.Said, c.Was = round4(c.Said), round4(c.Was)
	}
	for i, c := range all {
		if c.Worse() { // in the figures of the table
			of := out.HeldOut[i]
			out.Worse = append(out.Worse, fmt.Sprintf("%s on %s: %s, in use %s", c.Measure, c.Data, within(of.New, nil, 1), within(of.InUse, nil, 1)))
		}
	}
	for _, t := range result.Lacking {
		out.Lacking = append(out.Lacking, t.String())
	}
	out.Refused = len(out.Worse) > 0 && !f.force
	h := model.Header()
	out.Model = &h
	if !out.Refused {
		if err := keep(&out, s, model, f); err != nil {
			return err
		}
		if f.use {
			if err := p.useModel(ctx, out.Version); err != nil {
				return fmt.Errorf("%s is kept, but not in use: %w", out.Version, err)
			}
			out.InUse = true
		}
	}
	if p.json {
		err = printJSON(p.out, out)
	} else {
		p.printTrained(&out)
	}
	switch {
	case err != nil:
		return err
	case out.Refused:
		return errNo
	}
	return nil
}

// unspoilt is the model to adapt: the one in use, or the embedded one where more
// than one row in ten is known to the one in use alone. What is held out from the
// new model would not be held out from what it is made of.
func (p *program) unspoilt(inUse *classify.Model, files []*learn.File) (*classify.Model, error) {
	embedded, err := classify.Embedded()
	if err != nil {
		return nil, err
	}
	seen, all := 0, 0
	for _, f := range files {
		seen += f.SeenBy(inUse, embedded)
		all += len(f.Rows)
	}
	if 10*seen <= all {
		return inUse, nil
	}
	fmt.Fprintln(p.err, "the model in use was trained on such rows already, so the embedded one is adapted instead; --from says otherwise")
	return embedded, nil
}

// trainedAt is the time that the model bears: now, or what is set where builds
// have to be the same byte by byte.
func (p *program) trainedAt() (time.Time, error) {
	text := p.getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return p.clock(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, usagef("$SOURCE_DATE_EPOCH is %q, which is no number of seconds", text)
	}
	return time.Unix(n, 0), nil
}

// ratedRows are the rows of a workload's traffic.
func (p *program) ratedRows(ctx context.Context, in admin.RatedIn, pairs []learn.Pair) (*learn.File, error) {
	if in.Since.IsZero() {
		in.Since = p.clock().AddDate(0, 0, -30)
	}
	in.Reason = p.reason
	out, err := call(ctx, p, admin.CaptureRated, in)
	if err != nil {
		return nil, err
	}
	rated := make([]learn.Rated, len(out.Prompts))
	for i, r := range out.Prompts {
		rated[i] = learn.Rated{System: r.System, Prompt: r.Prompt, Model: r.Model, Score: r.Score}
		rated[i].Task, rated[i].Labelled = classify.ParseTask(r.Task)
	}
	if out.LeftOut > 0 {
		fmt.Fprintf(p.err, "%s of %s left out: too long, beyond the newest 10,000, or not readable with this capture.key\n",
			plural(out.LeftOut, "rated prompt"), tame(in.Workload))
	}
	return learn.Traffic("workload:"+in.Workload, rated, pairs)
}

// usefulRows refuses scores of models that no row has, and pairs that nobody
// named. With traffic, pairs may be about that alone.
func usefulRows(files []*learn.File, pairs []learn.Pair, traffic bool) error {
	var scored *learn.File
	found := make([]bool, len(pairs))
	for _, f := range files {
		for i := range f.Rows {
			r := &f.Rows[i]
			if r.Scores != nil && scored == nil {
				scored = f
			}
			for j, p := range pairs {
				_, weak := r.Scores[p.Weak]
				_, strong := r.Scores[p.Strong]
				found[j] = found[j] || weak && strong
			}
		}
	}
	if scored != nil && len(pairs) == 0 {
		return usagef("%s has scores of models: --weak and --strong say between which of them to choose", scored.Path)
	}
	for j, p := range pairs {
		if found[j] {
			continue
		}
		if traffic {
			continue
		}
		if scored == nil {
			return errors.New("no row has scores, so complexity cannot be learnt: leave out --weak and --strong")
		}
		r := &scored.Rows[0]
		name := p.Weak
		if _, ok := r.Scores[name]; ok {
			name = p.Strong
		}
		return noSuchModel(scored, r, name)
	}
	return nil
}

// keep writes the model where it belongs.
func keep(out *trained, s shelf.Shelf, m *classify.Model, f trainFlags) error {
	if f.out != "" {
		file, err := m.Bytes()
		if err != nil {
			return err
		}
		out.File = f.out
		return shelf.Write(f.out, file)
	}
	var err error
	if out.Version, err = s.Add(m); err != nil {
		return err
	}
	out.File = filepath.Join(s.Dir(), out.Version+".bin")
	return nil
}

func comparedOf(all []learn.Comparison) []compared {
	number := func(v float64) *float64 {
		if math.IsNaN(v) {
			return nil
		}
		v = round4(v)
		return &v
	}
	out := []compared{}
	for _, c := range all {
		x := compared{
			Data: c.Data, Measure: c.Measure, Rows: c.Rows, New: number(c.New.Mean), InUse: number(c.InUse.Mean),
			Length: number(c.Length.Mean), Rules: number(c.Rules.Mean), Seen: c.Seen, Others: c.Others,
		}
		if !math.IsNaN(c.New.Low) {
			x.New95 = &[2]float64{round4(c.New.Low), round4(c.New.High)}
		}
		out = append(out, x)
	}
	return out
}

func (p *program) printTrained(t *trained) {
	fmt.Fprintln(p.out, "on rows held out, mean of five parts (95 % interval)")
	tab := table{columns: []column{{head: "DATA"}, {head: "MEASURE", keep: true}, {head: "ROWS", right: true, keep: true}, {head: "NEW", keep: true}, {head: "IN USE", right: true, keep: true}, {head: "LENGTH", right: true, keep: true}, {head: "RULES", right: true, keep: true}}}
	seen := false
	for _, c := range t.HeldOut {
		inUse := within(c.InUse, nil, 1)
		if c.Seen > 0 {
			seen = true
			inUse += "*"
		}
		tab.row(c.Data, c.Measure, strconv.Itoa(c.Rows), within(c.New, c.New95, 1), inUse, within(c.Length, nil, 1), within(c.Rules, nil, 1))
	}
	p.print(&tab)
	if seen {
		fmt.Fprintln(p.out, "* was trained on some of these rows, which count as they came out when they were held out from it")
	}
	if n := len(t.Lacking); n > 0 {
		p.say(fmt.Sprintf("%s: %d of %d have fewer than %d rows (%s); freehold's own prompts show whether they are lost", learn.ReplayName, n, classify.TaskCount, learn.FewOfTask, strings.Join(t.Lacking, ", ")))
	}
	for _, w := range t.Worse {
		fmt.Fprintln(p.err, "worse:", tame(w))
	}
	switch {
	case t.Refused:
		fmt.Fprintln(p.err, "not kept, because it is worse than the model in use; --force keeps it all the same")
	case t.InUse:
		fmt.Fprintf(p.out, "\n%s is in use; freehold route use previous goes back\n", t.Version)
	case t.Version != "":
		fmt.Fprintf(p.out, "\n%s is kept; freehold route use %s puts it in use\n", t.Version, t.Version)
	default:
		fmt.Fprintf(p.out, "\nwritten: %s\n", tame(t.File))
	}
}
