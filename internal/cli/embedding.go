package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/embed"
	"freehold/internal/meter"
	"freehold/internal/vector"
	"freehold/internal/vector/archive"
	"freehold/internal/vector/plan"
)

// embedFlags say by which model records get new vectors, and of which texts.
type embedFlags struct {
	alias, text, from string
	dimensions        int64
	maxTokens         int64
	chunk, keep       bool
	inputType, vector string

	requests, batch int
	yes             bool
	most            decimal.NullDecimal
	// approve is asked before a model is, with what the texts will take; nil: nobody is.
	approve func(model string, found *plan.EmbedFound) error
}

// add adds what a plan is made of.
func (f *embedFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.alias, "embed", "", "records get vectors of this workload or model, in the place of theirs: `ALIAS`")
	c.Flags().StringVar(&f.text, "text", "", "`FIELD` of the payload that has the text (with --embed)")
	c.Flags().StringVar(&f.from, "text-from", "", "the texts are in the field --text (default text) of this `FILE`, by the same ids")
	c.Flags().StringVar(&f.vector, "vector", "", "the new vector's `NAME` in the target (default: ?vector=NAME of --to, else none)")
	c.Flags().BoolVar(&f.keep, "keep-vectors", false, "copy the source's vectors, too, beside the new one (--vector)")
	f.addTexts(c)
}

func (f *embedFlags) addTexts(c *cobra.Command) {
	c.Flags().Var(whole(&f.dimensions, 1, 1<<20), "dimensions", "ask the model for vectors of `N` numbers")
	c.Flags().Var(whole(&f.maxTokens, 1, 1<<30), "max-token", "texts have at most about `N` tokens: longer ones are refused, or cut by --chunk")
	c.Flags().StringVar(&f.inputType, "input-type", "", "send this input_type, to models that know it: `WORD`, as search_document")
	c.Flags().BoolVar(&f.chunk, "chunk", false, "make several records of a longer text (ID##0, ID##1, ...), between sentences")
}

// addAsk adds how the model is asked.
func (f *embedFlags) addAsk(c *cobra.Command) {
	c.Flags().Var(whole(&f.requests, 1, 256), "requests", "ask the model `N` things at once (default 4)")
	c.Flags().Var(whole(&f.batch, 1, 10_000), "batch", "ask for at most `N` texts at once (default 64)")
	c.Flags().Var(usd(&f.most), "max-cost", "spend at most this `MONEY` on the model, in this run: 5 USD")
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask whether to go on")
}

func (f *embedFlags) given() bool {
	return f.alias != "" || f.text != "" || f.from != "" || f.vector != "" || f.keep
}

// embed is what the flags ask for; only is the one vector of the target that its address
// lets be seen, empty: all.
func (f *embedFlags) embed(only string) (plan.Embed, error) {
	switch {
	case f.keep && only != "":
		return plan.Embed{}, usagef("--keep-vectors with ?vector=%s in --to: the others could not be read there. Name the new vector with --vector %s instead", only, only)
	case f.vector != "" && only != "" && f.vector != only:
		return plan.Embed{}, usagef("--vector is %s, and --to has ?vector=%s", f.vector, only)
	case f.alias == "":
		return plan.Embed{}, usagef("--text and --text-from are for --embed ALIAS: the workload or model that makes vectors of the texts")
	case f.text == "" && f.from == "":
		return plan.Embed{}, usagef("--embed needs --text FIELD: the field of the payload that has the text; or --text-from FILE")
	case f.chunk && f.maxTokens == 0:
		return plan.Embed{}, usagef("--chunk needs --max-token N: how long a text may be")
	}
	return plan.Embed{
		Alias: f.alias, Text: cmp.Or(f.text, "text"), TextFrom: f.from, Vector: cmp.Or(f.vector, only), Dimensions: f.dimensions,
		MaxTokens: f.maxTokens, Chunk: f.chunk, Keep: f.keep, InputType: f.inputType,
	}, nil
}

// embedding is a model that makes vectors of texts, through a server.
type embedding struct {
	texts   *embed.Texts
	model   admin.EmbedPlanOut
	classes []string
	tokens  *meter.Estimator
	stop    func() error
}

// of is the embedding for those who have none, too.
func (m *embedding) of() vector.Embedding {
	if m == nil {
		return nil
	}
	return m.texts
}

func (m *embedding) close() error {
	var err error
	if m.texts.Joined != nil {
		err = m.texts.Joined.Close()
	}
	return errors.Join(err, m.stop())
}

func (m *embedding) verdict() string {
	if len(m.classes) == 0 {
		return "allowed: the texts have no data class"
	}
	return "allowed for " + strings.Join(m.classes, ", ")
}

// token is what a token of the model costs, in US dollars.
func (m *embedding) token() (out decimal.NullDecimal) {
	if m.model.Price != nil {
		out = perToken(m.model.Price.Input)
	}
	return out
}

// openEmbedding finds the model, and what is known of it. The texts have these data classes.
func (p *program) openEmbedding(ctx context.Context, asked *plan.Embed, f *embedFlags, classes []string) (m *embedding, err error) {
	server, stop, err := p.serving(ctx)
	if err != nil {
		return nil, err
	}
	m = &embedding{classes: classes, tokens: &meter.Estimator{}, stop: stop}
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	if m.model, err = admin.EmbedPlan.Call(ctx, server, admin.EmbedPlanIn{Alias: asked.Alias, Model: asked.Model, DataClasses: classes}); err != nil {
		return nil, err
	}
	if why := m.model.Denied; why != "" {
		return nil, hintedf("freehold perimeter check shows where its requests may go; --data CLASS names the class that the texts have",
			"the texts may not go to the model %s: %s", m.model.Model, why)
	}
	asked.Model = m.model.Model
	if f.most.Valid && !m.token().Valid {
		return nil, hintedf("models.MODEL.price in config.yaml says it", "--max-cost cannot hold what nobody knows the price of: %s", asked.Model)
	}
	in := admin.EmbedAskIn{Alias: asked.Alias, Model: asked.Model, Dimensions: asked.Dimensions, DataClasses: classes, InputType: asked.InputType}
	asker := &embedAsker{server: server, in: in}
	m.texts = &embed.Texts{
		Client: embed.New(embed.Options{
			Asker: asker, Model: asked.Model, Dim: asked.Dim, Batch: f.batch, Concurrency: f.requests, Limit: f.most, Token: m.token(), Sleep: app.Sleep,
		}),
		Vector: asked.Spec(), Field: asked.Text, LeaveOut: asked.LeaveOut, MaxTokens: asked.MaxTokens, Count: m.tokens.Text, Chunked: asked.Chunk,
	}
	if asked.TextFrom != "" {
		a, err := archive.OpenTexts(ctx, asked.TextFrom, "")
		if err != nil {
			return nil, fmt.Errorf("--text-from: %w", err)
		}
		if _, err := a.Describe(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("--text-from: %w", err), a.Close())
		}
		m.texts.Joined = &embed.Joined{Source: a}
	}
	return m, nil
}

// embedder opens the model for a plan. Once it is known what the texts will take, and
// somebody has agreed to that, it is asked once for vectors of texts of our own; not at
// all where dry is set.
func (p *program) embedder(ctx context.Context, e *ends, asked plan.Embed, f *embedFlags, classes []string, dry bool) (*plan.Embedder, error) {
	m, err := p.openEmbedding(ctx, &asked, f, classes)
	if err != nil {
		return nil, err
	}
	e.embedding = m
	if m.texts.Joined != nil {
		source, err := e.source.Describe(ctx)
		if err != nil {
			return nil, fmt.Errorf("the source: %w", err)
		}
		m.texts.Joined.Index = source.Name
		if err := fieldThere(ctx, asked.TextFrom, m.texts.Joined.Source, asked.Text); err != nil {
			return nil, err
		}
	}
	texts, tokens := probes(m.tokens)
	out := &plan.Embedder{Embed: asked, Texts: m.texts, Count: m.tokens.Text, Token: m.token()}
	out.Question.Tokens = tokens
	for _, text := range texts {
		out.Question.Bytes += int64(len(text))
	}
	if dry {
		out.Dim = int(asked.Dimensions)
		return out, nil
	}
	out.Measure = func(ctx context.Context, found *plan.EmbedFound) (*plan.Measured, error) {
		if f.approve != nil {
			if err := f.approve(asked.Model, found); err != nil {
				return nil, err
			}
		}
		begun := p.clock()
		_, why, err := m.texts.Embed(ctx, texts)
		if err == nil && why[0] != "" {
			err = errors.New(why[0])
		}
		if err != nil {
			return nil, fmt.Errorf("the model %s is asked how long its vectors are: %w", asked.Model, err)
		}
		asked.Dim = m.texts.Dim()
		m.texts.Vector = asked.Spec()
		measured := &plan.Measured{Dim: asked.Dim}
		if took := p.clock().Sub(begun); took > 0 {
			at := cmp.Or(f.requests, 4)
			measured.Pace = float64(tokens) * float64(at) / took.Seconds()
			measured.About = fmt.Sprintf("the model: %s tokens in %v by one request, times the %d that are under way: a guess", count(tokens), took.Round(time.Millisecond), at)
		}
		return measured, nil
	}
	return out, nil
}

// probes are texts of a usual length that are nobody's.
func probes(tokens *meter.Estimator) (texts []string, n int64) {
	const times, each = 4, 20
	text := strings.TrimSpace(strings.Repeat(embed.Probe+" ", each))
	for range times {
		texts = append(texts, text)
	}
	return texts, times * tokens.Text(text)
}

// openPlannedEmbedding opens the model of a plan, where it has one that is not open yet.
func (p *program) openPlannedEmbedding(ctx context.Context, e *ends, pl *plan.Plan, f *embedFlags, data []string) (err error) {
	if pl.Embed == nil || e.embedding != nil {
		return nil
	}
	classes := slices.Concat(pl.Data, data)
	if !e.local {
		verdict, err := p.perimeterOf(e, classes)
		if err != nil {
			return err
		}
		classes = verdict.Classes
	}
	asked := *pl.Embed
	if e.embedding, err = p.openEmbedding(ctx, &asked, f, classes); err == nil && e.embedding.texts.Joined != nil {
		e.embedding.texts.Joined.Index = pl.Mapping.Index
	}
	return err
}

// embedAsker asks through the administration of a server.
type embedAsker struct {
	server admin.Runner
	in     admin.EmbedAskIn
}

// Ask implements [embed.Asker].
func (a *embedAsker) Ask(ctx context.Context, texts []string) (embed.Answer, error) {
	in := a.in
	in.Input = texts
	away := &vector.Error{Trouble: vector.Unavailable, Store: "the model " + in.Model, Doing: "embed"}
	out, err := admin.EmbedAsk.Call(ctx, a.server, in)
	var refused *admin.Error
	switch {
	case errors.As(err, &refused):
		return embed.Answer{}, fmt.Errorf("the model %s: %w", in.Model, err)
	case err != nil:
		away.Message, away.Cause = "the server does not answer", err
		return embed.Answer{}, away
	case out.NotAsked != "":
		return embed.Answer{}, fmt.Errorf("the texts may not go to the model %s: %s", in.Model, out.NotAsked)
	case out.Failure != "":
		away.Message = out.Failure
		return embed.Answer{}, away
	}
	vectors, err := out.Unpacked()
	return embed.Answer{Vectors: vectors, Tokens: out.TokensIn, Cost: out.Cost, Refused: out.Refused, Wait: milliseconds(out.Wait)}, err
}

// agreed opens the model, says what embedding will cost, and asks whether to go on where
// the copy has not begun.
func (w *copyWork) agreed(ctx context.Context, id string) error {
	if w.plan.Embed == nil {
		return nil
	}
	f := &w.flags.embed
	if err := w.p.openPlannedEmbedding(ctx, w.e, w.plan, f, w.flags.data); err != nil {
		return err
	}
	tally, err := w.journal.Tally(ctx, id)
	q := w.plan.Found.Embed
	switch {
	case err != nil || tally.Units > 0:
		return err
	case w.approved:
		if q.Seconds >= 1 {
			fmt.Fprintf(w.p.err, "time: about %s\n", spoken(q.Seconds))
		}
		return nil
	case q == nil: // a plan made by hand
		return w.p.goOn(f.yes, f.most)
	}
	return w.approve(w.plan.Embed.Model, q)
}

// approve says what embedding will cost, and asks whether to go on: nobody was asked yet.
func (w *copyWork) approve(model string, q *plan.EmbedFound) error {
	f := &w.flags.embed
	fmt.Fprintln(w.p.err, wrap(tame("to embed by "+model+": "+embedQuote(q)), w.p.width()-2, "\n  "))
	if f.most.Valid && q.USD.Valid && q.USD.Decimal.GreaterThan(f.most.Decimal) {
		return hintedf("a higher --max-cost makes room", "it would cost about %s, and --max-cost is %s: nothing was asked", money(q.USD.Decimal, "USD"), money(f.most.Decimal, "USD"))
	}
	free := q.USD.Valid && q.USD.Decimal.IsZero()
	w.approved = true
	return w.p.goOn(f.yes || free, f.most)
}

// spoken is a length of time in whole seconds.
func spoken(seconds float64) string {
	return (time.Duration(seconds*1000) * time.Millisecond).Round(time.Second).String()
}

// embedQuote is what embedding will take, in words.
func embedQuote(q *plan.EmbedFound) string {
	out := fmt.Sprintf("%s, about %s (at most %s)", plural(int(q.Texts), "text"), plural(int(q.Tokens), "token"), count(q.MostTokens))
	if q.USD.Valid {
		out += fmt.Sprintf(", about %s (at most %s)", money(q.USD.Decimal, "USD"), money(q.MostUSD.Decimal, "USD"))
	} else {
		out += ", at a price that is not known"
	}
	if q.Seconds >= 1 {
		out += ", about " + spoken(q.Seconds)
	}
	if q.Missing > 0 {
		out += fmt.Sprintf("; about %s without one that can be embedded", plural(int(q.Missing), "record"))
	}
	return out
}
