package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/shopspring/decimal"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/compare"
	"freehold/internal/judge"
	"freehold/internal/purse"
	"freehold/internal/rollout"
	"freehold/internal/sequential"
	"freehold/internal/vector/gate"
)

// The two sides of a comparison of answers, in the place of models.
const (
	byOld = "by the old store"
	byNew = "by the new store"
)

// answersFlags say whether a workload's answers are compared, too.
type answersFlags struct {
	workload string
	judges   []string
	rubric   string
	text     string
	require  string
}

// passages are the texts that both stores find for a query.
type passages struct {
	query    gate.Query
	old, new []string
}

// answering has a workload answer queries by what either store finds.
type answering struct {
	p       *program
	f       *gateFlags
	classes []string // of the texts
	found   []passages
	compare compareFlags
	c       *compare.Comparison
	judges  []string
	model   string // that answers
}

// answersOut is what the comparison of answers came to, for programs.
type answersOut struct {
	Workload string `json:"workload"`
	Model    string `json:"model"`
	Judge    string `json:"judge"`
	// Queries were answered; of Same both stores find the same, so that one answer is both's.
	Queries int `json:"queries"`
	Same    int `json:"same_passages"`
	Without int `json:"without_passages"` // queries for which neither finds a text
	// Outcome of the new store: better, equivalent, worse or undecided.
	Outcome    string          `json:"outcome"`
	Difference gate.Interval   `json:"difference"` // of the judge's scores, -1 to 1
	Margin     float64         `json:"margin"`
	Report     *compare.Report `json:"comparison"`
}

// gatedOut is what a gate prints as JSON.
type gatedOut struct {
	*gate.Report
	Answers *answersOut `json:"answers,omitempty"`
}

// misused says what is wrong with the flags together.
func (f *gateFlags) misused() error {
	a := &f.answers
	switch {
	case a.workload == "" && (len(a.judges) > 0 || a.rubric != "" || a.text != "" || a.require != ""):
		return usagef("--judge-model, --rubric, --text and --require are for --answers WORKLOAD")
	case a.workload != "" && f.queries == "":
		return usagef("--answers needs --queries FILE: what people ask. The texts of records are no questions")
	}
	return nil
}

// openAnswers finds out who answers and who judges, before anything is asked.
func (p *program) openAnswers(ctx context.Context, f *gateFlags, field string, classes []string) (*answering, error) {
	a := &answering{p: p, f: f, classes: classes, compare: compareFlags{
		workload: f.answers.workload, judges: f.answers.judges, rubric: f.answers.rubric, kind: judge.Pairwise, most: f.embed.most, yes: f.embed.yes, classes: classes,
	}}
	if f.answers.text == "" {
		f.answers.text = field
	}
	a.c = &compare.Comparison{Candidates: []string{byNew}, Concurrency: 4, Sleep: app.Sleep, Plan: rollout.Default(), Prices: map[string]compare.Price{}}
	a.c.Workload, a.c.Baseline = f.answers.workload, byOld
	if err := p.judging(&a.compare, a.c); err != nil {
		return nil, err
	}
	if a.judges = f.answers.judges; len(a.judges) == 0 {
		a.judges = a.c.Plan.Judge.Models
	}
	if cfg := p.glance(); len(a.judges) == 0 && cfg != nil && cfg.Workloads[f.answers.workload] == nil && cfg.Models[f.answers.workload] == nil {
		return nil, usagef("--answers %s: the configuration has no such workload", f.answers.workload)
	}
	if len(a.judges) == 0 {
		return nil, usagef("--answers needs --judge-model MODEL: a model that is none of the workload's, or rollouts.%s.judge in config.yaml", f.answers.workload)
	}
	r, done, err := p.runner(ctx)
	if err != nil {
		return nil, err
	}
	defer finish(&err, done)
	out, err := admin.ComparePlan.Call(ctx, r, admin.ComparePlanIn{Workload: f.answers.workload, Judges: a.judges, DataClasses: classes})
	if err != nil {
		return nil, err
	}
	a.model, a.c.JudgeModel, a.c.AnswerTokens = out.Baseline.Model, out.Judge.Model, out.AnswerTokens
	for _, m := range []admin.ComparedModel{out.Baseline, *out.Judge} {
		if m.Denied != "" {
			return nil, hintedf("freehold perimeter check shows where its requests may go; --data CLASS names the class that the texts have",
				"the texts may not go to %s: %s", m.Model, m.Denied)
		}
	}
	price := func(m *admin.ComparedModel) (out compare.Price) {
		if m.Price != nil {
			out = compare.Price{In: perToken(m.Price.Input), Out: perToken(m.Price.Output)}
		}
		return out
	}
	a.c.Prices[byOld], a.c.Prices[byNew], a.c.Prices[out.Judge.Model] = price(&out.Baseline), price(&out.Baseline), price(out.Judge)
	if m := out.JudgeMost; m != nil {
		a.c.JudgeMost = compare.JudgeMost{Most: mostOf(m.CompareMost), Byte: m.Byte}
	}
	return a, err
}

// take keeps what both stores find for a query.
func (a *answering) take(q *gate.Query, old, new []string) {
	a.found = append(a.found, passages{*q, slices.Clone(old), slices.Clone(new)})
}

// request asks a question with what was found.
func request(question string, found []string) (json.RawMessage, error) {
	var b strings.Builder
	b.WriteString("Answer the question by the passages. Where they do not say it, say so.\n\n")
	for i, text := range found {
		fmt.Fprintf(&b, "[%d] %s\n\n", i+1, text)
	}
	b.WriteString("Question: " + question)
	return json.Marshal(map[string]any{
		"model": "compare", "stream": true, "messages": []map[string]string{{"role": "user", "content": b.String()}},
	})
}

// run has the questions answered and the answers compared. spent is what the gate has
// paid before, by the same --max-cost.
func (a *answering) run(ctx context.Context, spent decimal.Decimal) (out *answersOut, err error) {
	p, c := a.p, a.c
	out = &answersOut{Workload: c.Workload, Model: a.model, Judge: c.JudgeModel, Margin: c.Plan.Margin}
	asker := &passageAsker{model: a.model, question: map[string]string{}, request: map[string]json.RawMessage{}, first: map[string]compare.Asked{}}
	if err := a.rows(ctx, asker, out); err != nil {
		return nil, err
	}
	q := c.Quote()
	a.say(q, out)
	if a.compare.most.Valid {
		a.compare.most.Decimal = decimal.Max(decimal.Zero, a.compare.most.Decimal.Sub(spent))
	}
	c.Limit = a.compare.most
	if err := p.agreed(&a.compare, q); err != nil {
		return nil, err
	}
	server, stop, err := p.serving(ctx)
	if err != nil {
		return nil, err
	}
	defer finish(&err, stop)
	progress := p.newCounter("answers", 2*len(c.Rows))
	defer progress.close()
	asker.asideAsker = asideAsker{server, c.Workload, p.clock}
	c.Asker, c.Answered = asker, progress.add
	if out.Report, err = c.Run(ctx); err != nil {
		var limit *purse.LimitError
		if errors.As(err, &limit) {
			err = &admin.Error{Code: admin.CodeConflict, Message: err.Error(), Hint: "a higher --max-cost, or a lower --sample, makes room"}
		}
		return nil, err
	}
	quality := &out.Report.Candidates[0].Evidence.Quality
	out.Difference = gate.Interval{Mean: quality.Mean, Low: quality.Low, High: quality.High}
	if out.Outcome = string(quality.Outcome); quality.Outcome == sequential.Inconclusive || quality.Pairs == 0 {
		out.Outcome = gate.Undecided
	}
	return out, nil
}

// rows are the questions, each with what the old store finds; the asker knows what the
// new one does.
func (a *answering) rows(ctx context.Context, asker *passageAsker, out *answersOut) (err error) {
	var old, new []compare.Row
	for _, x := range a.sampled() {
		if len(x.old)+len(x.new) == 0 {
			out.Without++
			continue
		}
		row := compare.Row{ID: x.query.Where, Where: x.query.Where, Classes: a.classes}
		if row.Request, err = request(x.query.Text, x.old); err != nil {
			return err
		}
		other := row
		if other.Request, err = request(x.query.Text, x.new); err != nil {
			return err
		}
		if bytes.Equal(row.Request, other.Request) {
			out.Same++
		}
		asker.question[row.ID], asker.request[row.ID] = x.query.Text, other.Request
		old, new = append(old, row), append(new, other)
	}
	if len(old) == 0 {
		return &admin.Error{Code: admin.CodeConflict, Hint: "--text names the field of the payload that has the text",
			Message: fmt.Sprintf("no record that was found has a text in the field %q: there is nothing to answer by", a.f.answers.text)}
	}
	out.Queries = len(old)
	r, done, err := a.p.runner(ctx)
	if err != nil {
		return err
	}
	defer finish(&err, done)
	measured := &compare.Comparison{Rows: slices.Concat(old, new)}
	if _, err = a.p.planned(ctx, r, &a.compare, measured, a.judges); err != nil {
		return err
	}
	for i := range old {
		x, y := &measured.Rows[i], &measured.Rows[len(old)+i]
		x.TokensIn, x.MaxTokens = max(x.TokensIn, y.TokensIn), max(x.MaxTokens, y.MaxTokens)
		x.Most = map[string]compare.Most{byOld: x.Most[a.model], byNew: y.Most[a.model]}
	}
	a.c.Rows = measured.Rows[:len(old)]
	return nil
}

// sampled are as many of the queries as were asked for, spread over all of them.
func (a *answering) sampled() []passages {
	n := min(a.f.sample, len(a.found))
	out := make([]passages, 0, n)
	for i := range n {
		out = append(out, a.found[i*len(a.found)/n])
	}
	return out
}

// say says what will be asked, and what it will cost.
func (a *answering) say(q compare.Quote, out *answersOut) {
	most := money(q.Most, "USD")
	if n := len(q.Unbounded); n > 0 {
		most += fmt.Sprintf(" and %s of unknown cost", plural(n, "question"))
	}
	fmt.Fprintln(a.p.err, wrap(tame(fmt.Sprintf("to answer: %s by %s of workload %s, with what either store finds, compared by %s in both orders: about %s, at most %s",
		plural(out.Queries, "question"), a.model, out.Workload, out.Judge, money(q.USD, "USD"), most)), a.p.width()-2, "\n  "))
}

// fails reports whether the answers are such that the command is to fail.
func (o *answersOut) fails(require string) bool {
	switch require {
	case "not-worse":
		return o.Outcome == string(sequential.Worse) || o.Outcome == gate.Undecided
	case "equivalent":
		return !o.Report.Candidates[0].Sound()
	}
	return false
}

// print shows what came of the answers.
func (o *answersOut) print(p *program) {
	fmt.Fprintln(p.out)
	p.wrapped("answers", fmt.Sprintf("%s: %s by %s of workload %s", o.Outcome, plural(o.Queries, "question"), o.Model, o.Workload))
	if o.Same > 0 {
		p.wrapped("same", plural(o.Same, "question")+" for which both stores find the same passages")
	}
	if o.Without > 0 {
		p.wrapped("without", plural(o.Without, "question")+" for which neither store finds a text")
	}
	fmt.Fprintln(p.out)
	p.printCompared(o.Report)
}

// passageAsker asks one model with what either store finds.
type passageAsker struct {
	asideAsker
	model    string
	question map[string]string          // of a row
	request  map[string]json.RawMessage // with what the new store finds

	mu    sync.Mutex
	first map[string]compare.Asked // answers by what the old store finds
}

// Ask implements [compare.Asker].
func (a *passageAsker) Ask(ctx context.Context, row *compare.Row, side string) (compare.Asked, error) {
	as := *row
	if side == byNew {
		if as.Request = a.request[row.ID]; bytes.Equal(as.Request, row.Request) {
			if asked, ok := a.answered(row.ID); ok {
				return asked, nil
			}
		}
	}
	asked, err := a.asideAsker.Ask(ctx, &as, a.model)
	if err != nil || asked.NotAsked != "" || asked.Wait > 0 {
		return asked, err
	}
	asked.Conversation = "user: " + a.question[row.ID] // the judge sees no passages, which would tell the sides apart
	if side == byOld {
		a.mu.Lock()
		a.first[row.ID] = asked
		a.mu.Unlock()
	}
	return asked, nil
}

// answered is the answer by what the old store finds, once more: it cost nothing.
func (a *passageAsker) answered(id string) (compare.Asked, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked, ok := a.first[id]
	asked.Side.Cost = decimal.NewNullDecimal(decimal.Zero)
	return asked, ok
}
