package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/compare"
	"freehold/internal/judge"
	"freehold/internal/portability"
	"freehold/internal/purse"
	"freehold/internal/regular"
	"freehold/internal/rollout"
)

// compareFlags say what to compare, and how.
type compareFlags struct {
	workload    string
	to          []string
	baseline    string
	file        string
	captured    bool
	recorded    bool
	since       time.Time
	limit       int
	tenant      string
	kind        judge.Kind
	judges      []string
	rubric      string
	margin      float64 // points; 0: not given
	require     string
	concurrency int
	yes         bool
	most        decimal.NullDecimal
	out, plot   string
	portability bool
	classes     []string // of all requests, beside the workload's own
}

func (p *program) compareCommand() *cobra.Command {
	f := compareFlags{concurrency: 4, limit: 200}
	c := p.changes(p.facts(&cobra.Command{
		Use:   "compare WORKLOAD --to MODEL (--file FILE | --captured)",
		Short: "Compare models on a data set, before any traffic goes to them",
		Long: `compare asks the workload's model (the baseline) and other models the same
requests, as the workload would ask them, has the answers judged, and shows
quality, failures, latency, tokens and money of each. A line of the file is a
JSON object with a request and, where it is known, the right answer:

  {"prompt": "2+2?", "expected": "4"}
  {"id": "t7", "messages": [...], "tools": [...], "expected": {"tools": [...]}}

With --captured the workload's own kept requests are asked. What it will cost is
said first; on a terminal it asks whether to go on. It ends with 1 if a model is
worse, or is so in a segment (task, language, length), or if nothing could be
compared, and with 2 if the data set cannot be used.`,
		Example: `  freehold compare support-chat --to llama-3.1-70b --file golden.jsonl
  freehold compare mail --to a --to b --captured --since 7d --judge pairwise \
    --judge-model c --max-cost "5 USD" --out results.jsonl`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			f.workload = a[0]
			if c.Flags().Changed("margin") && f.margin == 0 || f.margin >= 100 {
				return usagef("--margin is %v: it must be above 0 and below 100 points", f.margin)
			}
			return p.compare(c.Context(), &f)
		},
	}))
	fl := c.Flags()
	fl.StringSliceVar(&f.to, "to", nil, "`MODEL` to compare with the workload's; several, each with --to")
	fl.StringVar(&f.file, "file", "", "data set: `FILE` with one JSON object a line; - is standard input")
	fl.BoolVar(&f.captured, "captured", false, "ask what the workload was asked and keeps (its capture must be on)")
	fl.Var(p.past(&f.since), "since", "of what is kept, only from this `TIME` on: 24h, 7d or 2026-01-31")
	fl.Var(whole(&f.limit, 1, 10_000), "limit", "of what is kept, the newest `N`")
	fl.BoolVar(&f.recorded, "recorded", false, "the kept answers are the baseline: the workload's model is not asked again")
	fl.StringVar(&f.baseline, "baseline", "", "`MODEL` to compare with (default: the workload's own)")
	fl.StringVar(&f.tenant, "tenant", "", "ask for the tenant `NAME`, where tenants are known by a header")
	fl.Var(choice(&f.kind, judge.Kinds()...), "judge", "`KIND` of judge (default: that of rollouts.WORKLOAD, else by what is expected): "+strings.Join(texts(judge.Kinds()), ", "))
	fl.StringSliceVar(&f.judges, "judge-model", nil, "`MODEL` that judges (pairwise); of several, the first that may")
	fl.StringVar(&f.rubric, "rubric", "", "`FILE` that says what makes an answer good (pairwise)")
	fl.Var(factor(&f.margin), "margin", "loss of quality that is accepted, in `POINTS` of 100 (default: that of rollouts.WORKLOAD, else 5)")
	fl.Var(choice(&f.require, "not-worse", "equivalent"), "require", "`WHAT` ends with 0: not-worse (default), or equivalent: surely within the margin")
	fl.VarP(whole(&f.concurrency, 1, 256), "concurrency", "c", "`N` rows at a time")
	fl.Var(usd(&f.most), "max-cost", "spend at most this `MONEY`: 5 USD")
	fl.BoolVarP(&f.yes, "yes", "y", false, "do not ask whether to go on")
	fl.StringVar(&f.out, "out", "", "keep answers in `FILE`, and go on from what it has")
	fl.StringVar(&f.plot, "plot", "", "draw quality against cost into `FILE` (.svg or .png)")
	fl.BoolVar(&f.portability, "portability", false, "say more of what breaks or changes at the models")
	return c
}

// usd is a flag of an amount of money.
type usdFlag struct{ to *decimal.NullDecimal }

func usd(to *decimal.NullDecimal) usdFlag { return usdFlag{to} }

// Set implements [pflag.Value].
func (f usdFlag) Set(s string) error {
	d, err := decimal.NewFromString(strings.TrimSpace(strings.TrimSuffix(s, "USD")))
	if err != nil || d.IsNegative() {
		return errors.New("is no amount: give 5 USD")
	}
	*f.to = decimal.NewNullDecimal(d)
	return nil
}

// String implements [pflag.Value].
func (f usdFlag) String() string {
	if f.to == nil || !f.to.Valid {
		return ""
	}
	return f.to.Decimal.String() + " USD"
}

// Type implements [pflag.Value].
func (f usdFlag) Type() string { return "money" }

// misused says what is wrong with the flags together.
func (f *compareFlags) misused() error {
	ext := filepath.Ext(f.plot)
	twice := func(names []string) string {
		for i, n := range names {
			if slices.Contains(names[:i], n) {
				return n
			}
		}
		return ""
	}
	switch {
	case len(f.to) == 0:
		return usagef("freehold compare needs --to MODEL: the model to compare with the workload's")
	case twice(f.to) != "":
		return usagef("--to names %s twice", twice(f.to))
	case f.baseline != "" && slices.Contains(f.to, f.baseline):
		return usagef("%s is both --baseline and --to: there is nothing to compare", f.baseline)
	case (f.file == "") == !f.captured:
		return usagef("freehold compare needs --file FILE or --captured, and not both")
	case f.file != "" && (f.recorded || !f.since.IsZero()):
		return usagef("--recorded and --since are for --captured")
	case f.captured && f.tenant != "":
		return usagef("--tenant is for --file: what is kept is asked for the tenant whose it was")
	case f.recorded && f.baseline != "":
		return usagef("--recorded and --baseline are two baselines: give one")
	case f.plot != "" && ext != ".svg" && ext != ".png":
		return usagef("--plot %q ends neither in .svg nor in .png", f.plot)
	}
	return nil
}

func (p *program) compare(ctx context.Context, f *compareFlags) (err error) {
	if err := f.misused(); err != nil {
		return err
	}
	c, portable, err := p.prepared(ctx, f)
	if err != nil {
		return err
	}
	if f.out != "" {
		if c.Out, err = compare.Resume(f.out, c.Settings, c.Rows); err != nil {
			return unusable(err)
		}
		defer finish(&err, c.Out.Close)
	}
	q := c.Quote()
	p.printQuote(c, q)
	if err := p.agreed(f, q); err != nil {
		return err
	}
	r, err := p.compared(ctx, f, c, q)
	if err != nil {
		return p.keptAnyway(f, err)
	}
	if f.plot != "" {
		if err := drawCompared(f.plot, r); err != nil {
			return err
		}
	}
	if p.json {
		err = printJSON(p.out, comparedOut{r, portable})
	} else {
		p.printCompared(r)
	}
	if err != nil {
		return err
	}
	for i := range r.Candidates {
		switch x := &r.Candidates[i]; {
		case x.Regression != "":
			return errNo
		case x.Failed():
			return fmt.Errorf("no answer could be compared: %s", x.LastFailure)
		case f.require == "equivalent" && !x.Sound():
			return errNo
		case x.Evidence.Judged == 0:
			return fmt.Errorf("no answer of %s could be judged: %s", x.Model, x.Why)
		}
	}
	return nil
}

// comparedOut is what --json prints.
type comparedOut struct {
	*compare.Report
	// Portability says of each candidate what of the workload's traffic would break.
	Portability []admin.PortabilityOut `json:"portability"`
}

// moreRoom is what to do where --max-cost does not pay for what is to be asked.
const moreRoom = "a max_tokens in the data set, or a higher --max-cost, makes room"

// keptAnyway adds to why it ended early how to go on.
func (p *program) keptAnyway(f *compareFlags, err error) error {
	if f.out != "" {
		fmt.Fprintf(p.err, "what was answered until now is in %s: the same command goes on from there\n", f.out)
	}
	if limit := (*purse.LimitError)(nil); errors.As(err, &limit) {
		return &admin.Error{Code: admin.CodeConflict, Message: err.Error(), Hint: moreRoom}
	}
	return err
}

// prepared reads the data set, and finds out what the comparison would be, and what
// of the workload's traffic would break at each candidate.
func (p *program) prepared(ctx context.Context, f *compareFlags) (c *compare.Comparison, portable []admin.PortabilityOut, err error) {
	c = &compare.Comparison{
		Candidates: f.to, Concurrency: f.concurrency, Limit: f.most, Sleep: app.Sleep, Plan: rollout.Default(), Prices: map[string]compare.Price{},
	}
	c.Workload = f.workload
	r, done, err := p.runner(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer finish(&err, done)
	if c.Rows, err = p.rows(ctx, r, f); err != nil {
		return nil, nil, err
	}
	if err := p.judging(f, c); err != nil {
		return nil, nil, err
	}
	judges := f.judges
	if c.Judge.Kind != judge.Pairwise {
		judges = nil
	} else if len(judges) == 0 {
		judges = c.Plan.Judge.Models
	}
	if c.Judge.Kind == judge.Pairwise && len(judges) == 0 {
		return nil, nil, usagef("--judge pairwise needs --judge-model MODEL: a model that is none of those compared")
	}
	plan, err := p.planned(ctx, r, f, c, judges)
	if err != nil {
		return nil, nil, err
	}
	c.Baseline = plan.Baseline.Model
	if f.recorded {
		c.Baseline = compare.Recorded
	}
	models := plan.Models
	if !f.recorded {
		models = append(models, plan.Baseline)
	}
	if plan.Judge != nil {
		c.JudgeModel = plan.Judge.Model
		models = append(models, *plan.Judge)
	}
	for _, m := range models {
		if m.Denied != "" {
			return nil, nil, hintedf("freehold perimeter check shows where its requests may go", "the data of workload %s may not go to %s: %s", f.workload, m.Model, m.Denied)
		}
		if x := m.Price; x != nil {
			c.Prices[m.Model] = compare.Price{In: perToken(x.Input), Out: perToken(x.Output)}
		}
	}
	if slices.Contains(f.to, c.Baseline) {
		return nil, nil, usagef("%s is the model that workload %s has: name another one with --to, or --baseline", c.Baseline, f.workload)
	}
	if m := plan.JudgeMost; m != nil {
		c.JudgeMost = compare.JudgeMost{Most: mostOf(m.CompareMost), Byte: m.Byte}
	}
	c.AnswerTokens = plan.AnswerTokens
	portable, err = p.portable(ctx, r, f)
	return c, portable, err
}

func perToken(million decimal.NullDecimal) decimal.NullDecimal {
	million.Decimal = million.Decimal.Shift(-6)
	return million
}

// rows are the data set.
func (p *program) rows(ctx context.Context, r admin.Runner, f *compareFlags) ([]compare.Row, error) {
	if f.captured {
		return p.capturedRows(ctx, r, f)
	}
	name, from := "standard input", p.in
	if f.file != "-" {
		h, _, err := regular.Open(f.file)
		if err != nil {
			return nil, usagef("the data set cannot be read: %w", err)
		}
		defer h.Close()
		name, from = f.file, h
	}
	rows, err := compare.Read(name, from)
	for i := range rows {
		rows[i].Tenant = f.tenant
	}
	return rows, unusable(err)
}

// unusable makes what is wrong with a data set a mistake of the caller's: exit
// code 1 would say that a model is worse.
func unusable(err error) error {
	if err != nil {
		return usagef("%w", err)
	}
	return nil
}

func (p *program) capturedRows(ctx context.Context, r admin.Runner, f *compareFlags) ([]compare.Row, error) {
	out, err := admin.CaptureExport.Call(ctx, r, admin.CaptureExportIn{Workload: f.workload, Since: f.since, Limit: f.limit, Reason: p.reason})
	var refused *admin.Error
	if errors.As(err, &refused) && refused.Code == admin.CodeConflict { // nothing can be read of what is kept
		return nil, hintedf(refused.Hint, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	p.sayLeftOut(out.LeftOut)
	if len(out.Exchanges) == 0 {
		return nil, hintedf("workloads."+f.workload+".capture: {enabled: true} keeps them from then on", "workload %s keeps no request that could be asked again", f.workload)
	}
	var rows []compare.Row
	for i := range out.Exchanges {
		x := &out.Exchanges[i]
		row := compare.Row{ID: x.ID, Where: "request " + x.ID, Request: x.Request, Classes: x.DataClasses, Key: x.KeyID, Tenant: x.Tenant}
		a := compare.Asked{Answer: answered(&x.Answer, x.ID)}
		row.Recorded = &a.Answer
		if x.Score != nil {
			row.Scores = map[string]float64{compare.Recorded: *x.Score}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (p *program) sayLeftOut(n int) {
	if n > 0 {
		fmt.Fprintf(p.err, "%s left out: cut, no chat, sealed with another key, or more than one answer holds\n", plural(n, "kept request"))
	}
}

// judging chooses how answers are judged: by the flags, else as the workload's
// rollout would, else by what is expected.
func (p *program) judging(f *compareFlags, c *compare.Comparison) error {
	configured := false
	if cfg := p.glance(); cfg != nil && cfg.Rollouts[f.workload] != nil {
		c.Plan, _ = app.RolloutPlan(cfg, f.workload)
		configured = true
	}
	if f.margin > 0 {
		c.Plan.Margin = f.margin / 100
	}
	switch {
	case f.kind != "" && configured && c.Plan.Judge.Kind == f.kind:
		c.Judge = c.Plan.Judge.Spec
	case f.kind != "":
		c.Judge = judge.Spec{Kind: f.kind}
	case len(f.judges) > 0 || f.rubric != "":
		c.Judge = judge.Spec{Kind: judge.Pairwise}
	case configured:
		c.Judge = c.Plan.Judge.Spec
	default:
		kind, err := compare.KindOf(c.Rows)
		if err != nil {
			return hintedf("say how to judge with --judge", "%w", err)
		}
		c.Judge = judge.Spec{Kind: kind}
	}
	if f.rubric != "" {
		if c.Judge.Kind != judge.Pairwise {
			return usagef("--rubric is for --judge pairwise")
		}
		text, err := os.ReadFile(f.rubric)
		if err != nil {
			return usagef("the rubric cannot be read: %w", err)
		}
		c.Judge.Rubric = string(text)
	}
	if len(f.judges) > 0 && c.Judge.Kind != judge.Pairwise {
		return usagef("--judge-model is for --judge pairwise")
	}
	if c.Judge.Kind == judge.Pairwise {
		return nil
	}
	if _, err := judge.New(c.Judge, judge.Means{}); err != nil {
		return hintedf("rollouts."+f.workload+".judge in config.yaml has the options of a judge", "--judge %s: %w", c.Judge.Kind, err)
	}
	return nil
}

// planBatch is how many bytes of requests are measured at once.
const planBatch = 2 << 20

// planned has all rows measured. What is wrong with them is told all at once.
func (p *program) planned(ctx context.Context, r admin.Runner, f *compareFlags, c *compare.Comparison, judges []string) (out admin.ComparePlanOut, err error) {
	var wrong []error
	for from := 0; from < len(c.Rows); {
		in := admin.ComparePlanIn{Workload: f.workload, Models: f.to, Baseline: f.baseline, Judges: judges, DataClasses: f.classes}
		to, size := from, 0
		for to < len(c.Rows) && (to == from || size+len(c.Rows[to].Request) <= planBatch) {
			in.Requests = append(in.Requests, c.Rows[to].Request)
			size += len(c.Rows[to].Request)
			to++
		}
		if out, err = admin.ComparePlan.Call(ctx, r, in); err != nil {
			return out, err
		}
		for i, x := range out.Requests {
			row := &c.Rows[from+i]
			row.TokensIn, row.MaxTokens, row.Most = x.TokensIn, x.MaxTokens, map[string]compare.Most{}
			for model, most := range x.Most {
				row.Most[model] = mostOf(most)
			}
			if x.Error != "" {
				wrong = append(wrong, fmt.Errorf("%s: %s", row.Where, x.Error))
			}
		}
		from = to
	}
	if len(wrong) > 0 {
		return out, unusable(few(wrong))
	}
	return out, nil
}

func mostOf(m admin.CompareMost) compare.Most {
	return compare.Most{USD: m.USD, Tokens: m.TokensOut, Why: m.Why}
}

// printQuote says what will be asked, and what it will cost.
func (p *program) printQuote(c *compare.Comparison, q compare.Quote) {
	answers := "512 tokens, or the request's limit"
	if c.AnswerTokens > 0 {
		answers = count(c.AnswerTokens) + " tokens, as in the last 30 days"
	}
	judged := string(c.Judge.Kind)
	if c.JudgeModel != "" {
		judged += " by " + c.JudgeModel
	}
	say := func(format string, args ...any) {
		fmt.Fprintln(p.err, wrap(tame(fmt.Sprintf(format, args...)), p.width()-2, "\n  "))
	}
	say("%s of workload %s: %s with %s, judged: %s", plural(len(c.Rows), "request"), c.Workload, strings.Join(c.Candidates, ", "), c.Baseline, judged)
	toAsk := plural(q.Questions, "question") + " to models"
	if q.Judgings > 0 {
		toAsk += fmt.Sprintf(", %s to the judge and up to %s more", count(int64(q.Judgings)), count(int64(q.Again)))
	}
	say("to ask: %s", toAsk)
	most := money(q.Most, "USD")
	if n := len(q.Unbounded); n > 0 {
		most += fmt.Sprintf(" and %s of unknown cost", plural(n, "question"))
	}
	say("cost: about %s, with answers of %s; at most %s", money(q.USD, "USD"), answers, most)
	if len(q.Unknown) > 0 {
		say("the price of %s is not known, and not in it", strings.Join(q.Unknown, ", "))
	}
}

// agreed asks whether to go on, where there is somebody to ask.
func (p *program) agreed(f *compareFlags, q compare.Quote) error {
	free := q.USD.IsZero() && len(q.Unknown) == 0
	switch {
	case f.most.Valid && len(q.Unknown) > 0:
		return hintedf("models.MODEL.price in config.yaml says it", "--max-cost cannot hold what nobody knows the price of: %s", strings.Join(q.Unknown, ", "))
	case f.most.Valid && len(q.Unbounded) > 0:
		return hintedf("max_tokens and a known context bound most requests; without --max-cost they are asked whatever they cost",
			"--max-cost cannot hold: of %s nobody knows the most that it costs, the first is %s", plural(len(q.Unbounded), "question"), q.Unbounded[0])
	case f.most.Valid && q.USD.GreaterThan(f.most.Decimal):
		return hintedf(moreRoom, "it would cost about %s, and --max-cost is %s: nothing was asked", money(q.USD, "USD"), money(f.most.Decimal, "USD"))
	case q.Questions+q.Judgings == 0:
		return nil
	}
	return p.goOn(f.yes || free, f.most)
}

// compared asks, through the running server or one that is started for it.
func (p *program) compared(ctx context.Context, f *compareFlags, c *compare.Comparison, q compare.Quote) (r *compare.Report, err error) {
	var server admin.Runner
	if q.Questions+q.Judgings > 0 {
		s, stop, failed := p.serving(ctx)
		if failed != nil {
			return nil, failed
		}
		defer finish(&err, stop)
		server = s
	}
	asked := len(c.Candidates)
	if c.Baseline != compare.Recorded {
		asked++
	}
	progress := p.newCounter("answers", asked*len(c.Rows))
	defer progress.close()
	c.Asker, c.Answered = &asideAsker{server, c.Workload, p.clock}, progress.add
	return c.Run(ctx)
}

// portable says what of the workload's traffic would break at the candidates.
func (p *program) portable(ctx context.Context, server admin.Runner, f *compareFlags) (all []admin.PortabilityOut, err error) {
	for _, model := range f.to {
		out, err := admin.Portability.Call(ctx, server, admin.PortabilityIn{Workload: f.workload, To: model, Since: f.since})
		if err != nil {
			return nil, err
		}
		all = append(all, out)
		if !f.portability {
			fmt.Fprintln(p.err, wrap(tame(portableInShort(&out)), p.width()-2, "\n  "))
			continue
		}
		p.printPortability(p.err, &out)
		fmt.Fprintln(p.err)
	}
	return all, nil
}

// portableInShort names what breaks and what changes, with counts.
func portableInShort(out *admin.PortabilityOut) string {
	said := fmt.Sprintf("portability to %s: %s", out.To, plural(int(out.Requests), "recorded request"))
	found := false
	for _, severity := range []portability.Severity{portability.Breaks, portability.Changes} {
		var names []string
		for _, x := range out.Findings {
			if x.Severity == string(severity) {
				names = append(names, fmt.Sprintf("%s %s (%s)", x.Kind, x.Name, count(x.Requests)))
			}
		}
		if len(names) > 0 {
			found = true
			said += "; " + string(severity) + ": " + strings.Join(names, ", ")
		}
	}
	if !found {
		return said + ", nothing of them breaks or changes"
	}
	return said + "; --portability says how"
}
