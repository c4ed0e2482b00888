package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/embed"
	"freehold/internal/regular"
	"freehold/internal/vector/gate"
	"freehold/internal/vector/plan"
)

// gateFlags say what a gate asks.
type gateFlags struct {
	vectorFlags
	old, queries  string
	oldVector     string
	k, sample     int
	margin, least float64
	answers       answersFlags
}

func (p *program) vectorsGateCommand() *cobra.Command {
	f := gateFlags{k: 10, sample: 100, margin: 2, least: 40}
	c := p.facts(&cobra.Command{
		Use:   "gate (--plan FILE | --from URL --to URL)",
		Short: "Say whether vectors of another model find what they should",
		Long: `gate compares a store with one whose records got vectors of another model (copy
--embed), before it takes the other's place. With --queries both are asked, each
by its own model, what people ask; a line of the file has a query and which
records answer it, by their ids in the old store or in the new one, all alike or
by grade:

  {"query": "how do I return a parcel?", "relevant": ["kb-17", "kb-4"]}
  {"text": "opening hours", "relevant": {"kb-2": 2, "kb-90": 1}}

nDCG and recall of the first ten are compared query by query. It passes where
the 95 % interval of the difference (a bootstrap) is above what --margin
accepts. Where nobody knows the answers it looks for neighbours of records, or
of queries without "relevant": how many of the old store's the new one finds.
That is weaker: two good models find different things, and two bad ones the
same. Fewer than ten questions decide nothing. The exit status is 1 unless it
passes.

With --answers a workload answers the queries (at most --sample of them) twice,
by the texts that either store finds, and a model judges the pairs in both
orders, as in freehold compare: better, equivalent, worse or undecided, with an
interval. --require makes that part of the exit status. --max-cost holds for all
that is asked.`,
		Example: `  freehold vectors gate --plan plan.yaml --model-before old-embed \
    --queries queries.jsonl
  freehold vectors gate --plan plan.yaml
  freehold vectors gate --plan plan.yaml --model-before old-embed \
    --queries queries.jsonl --answers support --judge-model large \
    --max-cost "5 USD" --require not-worse`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return p.gate(c.Context(), &f) },
	})
	f.add(c)
	c.Flags().StringVar(&f.plan, "plan", "", "the plan in `FILE`, by which was copied")
	c.Flags().StringVar(&f.old, "model-before", "", "workload or model that made the vectors of the old store: `ALIAS` (with --queries)")
	c.Flags().StringVar(&f.queries, "queries", "", "ask the queries in `FILE`, one JSON object a line; - is standard input")
	c.Flags().StringVar(&f.oldVector, "vector-before", "", "`NAME` of the old store's vector, where it has several")
	c.Flags().Var(whole(&f.k, 1, 1000), "k", "look at the first `N`")
	c.Flags().Var(whole(&f.sample, 1, 10_000), "sample", "look for the neighbours of `N` records, without --queries; with --answers, answer `N` queries")
	c.Flags().Var(factor(&f.margin), "margin", "loss of nDCG and recall that is accepted, in `POINTS` of 100")
	c.Flags().Var(factor(&f.least), "min-overlap", "share of the neighbours that must be the same, in `POINTS` of 100, where no answers are known")
	c.Flags().StringVar(&f.answers.workload, "answers", "", "have `WORKLOAD` answer the queries by what either store finds, and compare that")
	c.Flags().StringSliceVar(&f.answers.judges, "judge-model", nil, "`MODEL` that compares the answers; of several, the first that may")
	c.Flags().StringVar(&f.answers.rubric, "rubric", "", "`FILE` that says what makes an answer good")
	c.Flags().StringVar(&f.answers.text, "text", "", "`FIELD` of the payload that is answered by (default: that of the plan)")
	c.Flags().Var(choice(&f.answers.require, "not-worse", "equivalent"), "require", "`WHAT` of the answers ends with 0: not-worse, or equivalent (default: any)")
	f.embed.addAsk(c)
	return c
}

func (p *program) gate(ctx context.Context, f *gateFlags) (err error) {
	if err := f.misused(); err != nil {
		return err
	}
	e, planned, err := p.openPlanned(ctx, &f.vectorFlags)
	if err != nil {
		return err
	}
	defer finish(&err, e.close)
	last, _, err := p.lastVectors(ctx, e)
	switch {
	case err != nil:
		return err
	case last == nil:
		return usagef("there is no copy from %s to %s on record here: copy with --embed first", e.fromURL, e.toURL)
	case last.Embed == nil:
		return usagef("the copy from %s to %s kept the vectors that the records had: there is no other model to be judged", e.fromURL, e.toURL)
	case planned != nil && !last.Alike(planned):
		return usagef("--plan: the last copy of these stores was by another plan")
	case planned != nil:
		last.Data, last.AllowForbidden = planned.Data, planned.AllowForbidden
	}
	if err := p.permitted(e, last, f.data); err != nil {
		return err
	}
	o := gate.Options{
		New: gate.Side{Store: e.target, Vector: last.Embed.Vector}, Mapping: last.Mapping, Namespaces: last.All(), K: f.k, Sample: f.sample,
		Margin: f.margin / 100, Least: f.least / 100, Random: rand.New(rand.NewPCG(1, 2)), // the same answers give the same outcome
	}
	if last.Embed.Chunk {
		o.Parts = embed.FieldOf
	}
	if o.Old, err = p.oldSide(ctx, e, f.oldVector); err != nil {
		return err
	}
	spent := func() decimal.Decimal { return decimal.Zero }
	var answers *answering
	if f.queries != "" {
		verdict, err := p.perimeterOf(e, slices.Concat(last.Data, f.data))
		if err != nil {
			return err
		}
		if f.answers.workload != "" {
			if answers, err = p.openAnswers(ctx, f, last.Embed.Text, verdict.Classes); err != nil {
				return err
			}
			o.Found, o.Text = answers.take, f.answers.text
		}
		var done func() error
		if done, spent, err = p.askBoth(ctx, f, last, verdict.Classes, &o); err != nil {
			return err
		}
		defer finish(&err, done)
	}
	out := gatedOut{}
	if out.Report, err = p.gated(ctx, f, o); err != nil {
		return err
	}
	if answers != nil {
		if out.Answers, err = answers.run(ctx, spent()); err != nil {
			return err
		}
	}
	if p.json {
		err = p.done(out, nil)
	} else {
		p.printGate(out.Report)
		if out.Answers != nil {
			out.Answers.print(p)
		}
	}
	if err == nil {
		err = p.judged(ctx, e, last, out.Report)
	}
	if err == nil && (out.Outcome != gate.Passed || out.Answers != nil && out.Answers.fails(f.answers.require)) {
		err = errNo
	}
	return err
}

// judged puts on record what was found, for the cutover of an index that asks for it.
func (p *program) judged(ctx context.Context, e *ends, last *plan.Plan, r *gate.Report) error {
	if e.cfg == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Indexes)) {
		x := e.cfg.Indexes[name]
		if x.Embeddings == nil || x.Embeddings.Model != last.Embed.Model || !x.Source.Address.Same(&e.from.at) || !x.Target.Address.Same(&e.to.at) {
			continue
		}
		s, err := p.indexServer(ctx)
		if err == nil {
			_, err = admin.IndexJudged.Call(ctx, s, admin.IndexJudgedIn{Index: name, Outcome: r.Outcome, Why: r.Why})
		}
		if err != nil {
			return fmt.Errorf("what was found is not on record, and the cutover of %s asks for it: %w", tame(name), err)
		}
		fmt.Fprintf(p.err, "on record for the cutover of %s: %s\n", tame(name), r.Outcome)
	}
	return nil
}

func (p *program) gated(ctx context.Context, f *gateFlags, o gate.Options) (*gate.Report, error) {
	n := f.sample
	if len(o.Queries) > 0 {
		n = len(o.Queries)
	}
	show := p.newVectorProgress("gate", int64(n))
	defer show.close()
	o.Progress = func(done int) { show.set(int64(done), int64(n), 0) }
	return gate.Run(ctx, o)
}

// oldSide is the source, with the vector that is compared.
func (p *program) oldSide(ctx context.Context, e *ends, name string) (gate.Side, error) {
	d, err := e.source.Describe(ctx)
	if err != nil {
		return gate.Side{}, fmt.Errorf("the old store: %w", err)
	}
	if name == "" {
		if len(d.Vectors) != 1 {
			return gate.Side{}, usagef("the old store has %s: name the one that is compared with --vector-before", vectorsOf(d.Vectors))
		}
		name = d.Vectors[0].Name
	}
	return gate.Side{Store: e.source, Vector: name}, nil
}

// askBoth reads the queries and opens both models. spent is what they have cost until now.
func (p *program) askBoth(ctx context.Context, f *gateFlags, last *plan.Plan, classes []string, o *gate.Options) (done func() error, spent func() decimal.Decimal, err error) {
	if f.old == "" {
		return nil, nil, usagef("--queries needs --model-before ALIAS: the model that made the old store's vectors")
	}
	name, from := "standard input", p.in
	if f.queries != "-" {
		h, _, err := regular.Open(f.queries)
		if err != nil {
			return nil, nil, usagef("the queries cannot be read: %w", err)
		}
		defer h.Close()
		name, from = f.queries, h
	}
	if o.Queries, err = gate.ReadQueries(name, from); err != nil {
		return nil, nil, unusable(err)
	}
	var open []*embedding
	done = func() (err error) {
		for _, m := range slices.Backward(open) {
			err = errors.Join(err, m.close())
		}
		return err
	}
	tokens := decimal.Zero
	for _, side := range []struct {
		to    *gate.Side
		asked plan.Embed
	}{{&o.Old, plan.Embed{Alias: f.old}}, {&o.New, plan.Embed{Alias: last.Embed.Alias, Model: last.Embed.Model, Dim: last.Embed.Dim, Dimensions: last.Embed.Dimensions, InputType: strings.ReplaceAll(last.Embed.InputType, "document", "query")}}} {
		m, err := p.openEmbedding(ctx, &side.asked, &f.embed, classes)
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		open = append(open, m)
		side.to.Embed = m.texts.Embed
		for i := range o.Queries {
			tokens = tokens.Add(m.token().Decimal.Mul(decimal.NewFromInt(m.tokens.Text(o.Queries[i].Text))))
		}
	}
	fmt.Fprintf(p.err, "to ask: %s to two models, about %s\n", plural(len(o.Queries), "question"), money(tokens, "USD"))
	if f.embed.most.Valid && tokens.GreaterThan(f.embed.most.Decimal) {
		return nil, nil, errors.Join(hintedf("a higher --max-cost makes room", "it would cost about %s, and --max-cost is %s: nothing was asked", money(tokens, "USD"), money(f.embed.most.Decimal, "USD")), done())
	}
	if err := p.goOn(f.embed.yes || tokens.IsZero(), f.embed.most); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	spent = func() (sum decimal.Decimal) {
		for _, m := range open {
			sum = sum.Add(m.texts.Spent().USD)
		}
		return sum
	}
	return done, spent, nil
}

// printGate shows what a gate found.
func (p *program) printGate(r *gate.Report) {
	p.wrapped("outcome", r.Outcome+": "+r.Why)
	what := "neighbours of %s, the first %d of each"
	if r.Labels {
		what = "%s with known answers, the first %d found for each"
	}
	p.wrapped("compared", fmt.Sprintf(what, plural(r.Queries, "question"), r.K))
	if r.Left > 0 {
		p.wrapped("left out", count(int64(r.Left)))
		for _, why := range r.Reasons {
			p.wrapped("", why)
		}
	}
	if r.Overlap != nil {
		p.wrapped("overlap", intervalText(*r.Overlap))
	}
	if !r.Labels {
		return
	}
	fmt.Fprintln(p.out)
	t := table{columns: []column{{head: "MEASURE", keep: true}, {head: "OLD", keep: true}, {head: "NEW", keep: true}, {head: "DIFFERENCE (95 %)", keep: true}}}
	for _, m := range []struct {
		name string
		of   *gate.Measure
	}{{"nDCG", r.NDCG}, {"recall", r.Recall}} {
		t.row(fmt.Sprintf("%s@%d", m.name, r.K), fmt.Sprintf("%.3f", m.of.Old.Mean), fmt.Sprintf("%.3f", m.of.New.Mean), intervalText(m.of.Difference))
	}
	p.print(&t)
}

func intervalText(i gate.Interval) string {
	return fmt.Sprintf("%+.3f (%+.3f to %+.3f)", i.Mean, i.Low, i.High)
}
