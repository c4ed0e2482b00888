package compare

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
	"freehold/internal/purse"
	"freehold/internal/rollout"
)

// Answer is what one model answered to a row.
type Answer struct {
	judge.Answer
	Request string       `json:"request_id"`
	Side    rollout.Side `json:"side"`
	// Conversation and Segments are the row's, as who was asked has read it.
	Conversation string   `json:"conversation,omitempty"`
	Segments     []string `json:"segments,omitempty"`
}

// Asked is what came of a question.
type Asked struct {
	Answer
	// NotAsked is why the model was not asked: the row's data may not go there.
	NotAsked string
	// Wait is not 0 where a limit or a breaker was met: nobody was asked yet.
	Wait time.Duration
}

// Asker asks models. An error is one that will not pass.
type Asker interface {
	Ask(ctx context.Context, row *Row, model string) (Asked, error)
	Judge(ctx context.Context, row *Row, model string, p judge.Prompt) (Asked, error)
}

// Comparison is a comparison of models on a data set.
type Comparison struct {
	Settings
	Rows       []Row
	Candidates []string

	Asker Asker
	// Sleep waits, or until ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Concurrency is how many rows are under way at once.
	Concurrency int
	Limit       decimal.NullDecimal // most that it may cost, in US dollars; not valid: none
	Prices      map[string]Price    // by model
	JudgeMost   JudgeMost           // of JudgeModel
	// AnswerTokens is how long the workload's answers are; 0: not known.
	AnswerTokens int64
	// Plan has the margin and the gates; latency is shown and no gate.
	Plan rollout.Plan
	// Answered is told of each answer that came, and of each that was there already.
	Answered func()
	Out      *Results // nil: nothing is kept
}

// asked are the models that are asked.
func (c *Comparison) asked() []string {
	if c.Baseline == Recorded {
		return c.Candidates
	}
	return append([]string{c.Baseline}, c.Candidates...)
}

// outcome is what became of one row.
type outcome struct {
	baseline *Answer
	// Of each candidate: its answer, what was said of the pair, and why it was not
	// asked.
	answers  []*Answer
	verdicts []Verdict
	denied   []string
}

// Run asks and judges. Where it ends early, by ctx, the limit or an error, the
// error says so, and what was there until then is in the results file.
func (c *Comparison) Run(ctx context.Context) (*Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &running{Comparison: c, purse: purse.Purse{Limit: c.Limit}, outcomes: make([]outcome, len(c.Rows))}
	if c.Settings.Judge.Kind != judge.Pairwise {
		var err error
		if run.plain, err = judge.New(c.Settings.Judge, judge.Means{}); err != nil {
			return nil, err
		}
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, c.Concurrency) {
		workers.Go(func() {
			for i := range next {
				if err := run.row(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range c.Rows {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return run.report(), nil
}

// running is a comparison under way.
type running struct {
	*Comparison
	plain    judge.Judge // nil: each row has its own
	purse    purse.Purse
	outcomes []outcome
}

// row asks all models one row, and has the answers judged.
func (r *running) row(ctx context.Context, i int) error {
	row, o := &r.Rows[i], &r.outcomes[i]
	o.answers, o.verdicts, o.denied = make([]*Answer, len(r.Candidates)), make([]Verdict, len(r.Candidates)), make([]string, len(r.Candidates))
	o.baseline = row.Recorded
	if r.Baseline != Recorded {
		a, denied, err := r.ask(ctx, row, r.Baseline)
		if err != nil {
			return err
		}
		if denied != "" {
			return fmt.Errorf("%s: the baseline %s may not be asked: %s", row.Where, r.Baseline, denied)
		}
		o.baseline = a
	}
	for k, model := range r.Candidates {
		var err error
		if o.answers[k], o.denied[k], err = r.ask(ctx, row, model); err != nil {
			return err
		}
		if o.answers[k] == nil {
			continue
		}
		if o.verdicts[k], err = r.verdict(ctx, row, o, k); err != nil {
			return err
		}
	}
	return nil
}

// maxWaits is how often a question waits for a limit or a breaker, and maxWait
// how long each time.
const (
	maxWaits = 20
	maxWait  = 2 * time.Minute
)

// ask asks one model, once there is room for the question.
func (r *running) ask(ctx context.Context, row *Row, model string) (*Answer, string, error) {
	if a, ok := r.Out.answer(row, model); ok {
		r.Answered()
		return &a, "", nil
	}
	asked, err := r.patiently(ctx, row.Most[model].USD, func() (Asked, error) { return r.Asker.Ask(ctx, row, model) })
	if err != nil {
		return nil, "", fmt.Errorf("%s: %s: %w", row.Where, model, err)
	}
	r.Answered()
	if asked.NotAsked != "" {
		return nil, asked.NotAsked, nil
	}
	return &asked.Answer, "", r.Out.keep(row, model, &asked.Answer, nil)
}

func (r *running) patiently(ctx context.Context, most decimal.NullDecimal, ask func() (Asked, error)) (Asked, error) {
	for waits := 0; ; waits++ {
		if err := ctx.Err(); err != nil {
			return Asked{}, context.Cause(ctx)
		}
		if err := r.purse.Take(ctx, most); err != nil {
			return Asked{}, err
		}
		asked, err := ask()
		if err != nil || asked.NotAsked != "" || asked.Wait > 0 && asked.Side.In == 0 {
			asked.Side.Cost = decimal.NewNullDecimal(decimal.Zero)
		}
		r.purse.Settle(most, asked.Side.Cost)
		if err != nil || asked.Wait <= 0 || waits == maxWaits {
			return asked, err
		}
		if err := r.Sleep(ctx, min(asked.Wait, maxWait)); err != nil {
			return asked, err
		}
	}
}

// verdict has the kth candidate's answer judged.
func (r *running) verdict(ctx context.Context, row *Row, o *outcome, k int) (Verdict, error) {
	model := r.Candidates[k]
	if v, ok := r.Out.verdict(row, model); ok {
		return v, nil
	}
	s := judge.Sample{ID: row.ID, Conversation: o.answers[k].Conversation, Want: row.Want, Baseline: o.baseline.Answer, Candidate: o.answers[k].Answer}
	if r.Settings.Judge.Kind == judge.Feedback {
		s.Feedback = &judge.Scores{Baseline: score(row, r.Baseline), Candidate: score(row, model)}
	}
	v := Verdict{Cost: decimal.NewNullDecimal(decimal.Zero)}
	j, asker := r.plain, &asker{r: r, row: row, verdict: &v}
	if j == nil {
		var err error
		if j, err = judge.New(r.Settings.Judge, judge.Means{Asker: asker, Random: rand.Reader}); err != nil {
			return v, err
		}
	}
	said, err := j.Judge(ctx, s)
	switch {
	case asker.stop != nil:
		return v, asker.stop
	case ctx.Err() != nil:
		return v, context.Cause(ctx)
	case err != nil:
		v.Failed = err.Error()
	default:
		v.Verdict = said
	}
	return v, r.Out.keep(row, model, nil, &v)
}

func score(row *Row, model string) *float64 {
	if v, ok := row.Scores[model]; ok {
		return &v
	}
	return nil
}

// asker asks the judging model about one pair.
type asker struct {
	r       *running
	row     *Row
	verdict *Verdict
	stop    error // what ends the whole comparison
}

// Ask implements [judge.Asker].
func (a *asker) Ask(ctx context.Context, p judge.Prompt) (string, error) {
	most := a.r.JudgeMost.cost(int64(len(p.System) + len(p.User)))
	asked, err := a.r.patiently(ctx, most, func() (Asked, error) { return a.r.Asker.Judge(ctx, a.row, a.r.JudgeModel, p) })
	if err != nil {
		a.stop = fmt.Errorf("%s: the judge %s: %w", a.row.Where, a.r.JudgeModel, err)
		return "", a.stop
	}
	if c := asked.Side.Cost; c.Valid && a.verdict.Cost.Valid {
		a.verdict.Cost.Decimal = a.verdict.Cost.Decimal.Add(c.Decimal)
	} else {
		a.verdict.Cost.Valid = false
	}
	switch {
	case asked.NotAsked != "":
		return "", errors.New("it may not see the texts: " + asked.NotAsked)
	case asked.Failure != "":
		return "", errors.New(asked.Failure)
	}
	return asked.Text, nil
}

// pair is a row's two answers for the evidence; nil where there are none.
func (r *running) pair(i, k int, control *judge.LengthControl) *rollout.Pair {
	row, o := &r.Rows[i], &r.outcomes[i]
	a := o.answers[k]
	if a == nil {
		return nil
	}
	v := &o.verdicts[k]
	p := &rollout.Pair{
		Request: row.ID, Shadow: a.Request, Segments: slices.Clone(a.Segments), Lengths: [2]int{o.baseline.Length(), a.Length()},
		Old: o.baseline.Side, New: a.Side, JudgeCost: v.Cost,
	}
	p.Old.Take(&o.baseline.Answer)
	p.New.Take(&a.Answer)
	if v.Failed != "" {
		p.Detail = "not judged: " + v.Failed
		return p
	}
	p.Score(&v.Verdict)
	if r.Settings.Judge.Kind == judge.Pairwise && v.Basis != judge.Unanswered {
		p.Difference = control.Add(p.Lengths[0], p.Lengths[1], p.Raw)
	}
	return p
}
