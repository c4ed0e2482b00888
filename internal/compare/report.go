package compare

import (
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
	"freehold/internal/rollout"
	"freehold/internal/sequential"
)

// Report is what a comparison came to. Scores and differences are from 0 and -1
// to 1, times in milliseconds.
type Report struct {
	Settings
	Rows       int         `json:"rows"`
	Margin     float64     `json:"margin"`
	Baseline   Measured    `json:"baseline_answers"`
	Candidates []Candidate `json:"candidates"`
	Spent      Spent       `json:"spent"` // by this run
}

// Spent is what was paid.
type Spent struct {
	USD     decimal.Decimal `json:"usd"`
	Unknown int             `json:"unknown"` // answers whose cost is not known, which count as expected
}

// Measured are the answers of one model.
type Measured struct {
	Model       string              `json:"model"`
	Answers     int                 `json:"answers"` // that it was asked for
	Failures    int                 `json:"failures"`
	LastFailure string              `json:"last_failure,omitempty"` // why the last of them failed
	Refusals    int                 `json:"refusals"`
	Truncations int                 `json:"truncations"`
	NotAsked    int                 `json:"not_asked"` // the rows' data may not go there
	Score       *float64            `json:"score"`     // mean; null: nothing was judged
	FirstToken  Times               `json:"first_token"`
	Total       Times               `json:"total"`
	TokensIn    float64             `json:"tokens_in"` // mean, of answers that did not fail
	TokensOut   float64             `json:"tokens_out"`
	PerThousand decimal.NullDecimal `json:"cost_per_1000"` // requests, in US dollars; null: not known of all
}

// Failed reports whether it was asked, and every answer failed.
func (m *Measured) Failed() bool { return m.Answers > 0 && m.Failures == m.Answers }

// Times are quantiles; null: nothing was measured.
type Times struct {
	P50 *float64 `json:"p50_ms"`
	P95 *float64 `json:"p95_ms"`
}

// Candidate is a model against the baseline.
type Candidate struct {
	Measured
	Evidence rollout.Report `json:"evidence"`
	Unjudged int            `json:"unjudged"`
	// Why is why the first of them was not judged, or not asked.
	Why string `json:"why,omitempty"`
	// Regression is the reason not to take the model; empty: none was found.
	Regression string `json:"regression,omitempty"`
}

func (r *running) report() *Report {
	out := &Report{Settings: r.Settings, Rows: len(r.Rows), Margin: r.Plan.Margin, Candidates: []Candidate{}}
	out.Spent.USD, out.Spent.Unknown = r.purse.Spent()
	base := tally{model: r.Settings.Baseline}
	for i := range r.outcomes {
		base.add(r.outcomes[i].baseline)
	}
	for k, model := range r.Candidates {
		c, scores := r.candidate(k, model, base.share())
		out.Candidates = append(out.Candidates, c)
		if k == 0 { // against what is right, all say the same of the baseline
			base.scores = scores
		}
	}
	out.Baseline = base.measured()
	return out
}

// candidate is the report of one, with the baseline's scores.
func (r *running) candidate(k int, model string, failed float64) (Candidate, []float64) {
	plan := r.Plan
	plan.ErrorRate, plan.Latency = failed, rollout.Latency{}
	e := rollout.NewEvidence(&plan)
	var control judge.LengthControl
	var c Candidate
	t, baseline := tally{model: model}, []float64{}
	for i := range r.outcomes {
		p := r.pair(i, k, &control)
		if p == nil {
			t.notAsked++
			if c.Why == "" {
				c.Why = r.Rows[i].Where + ": not asked: " + r.outcomes[i].denied[k]
			}
			continue
		}
		t.add(r.outcomes[i].answers[k])
		e.AddPair(p)
		if p.Judged {
			t.scores, baseline = append(t.scores, p.Candidate), append(baseline, p.Baseline)
			continue
		}
		if c.Unjudged++; c.Why == "" {
			c.Why = r.Rows[i].Where + ": " + p.Detail
		}
	}
	c.Measured, c.Evidence = t.measured(), e.Report()
	c.Regression = c.Evidence.Breach
	return c, baseline
}

// Sound reports whether the candidate is surely not worse than the margin allows.
func (c *Candidate) Sound() bool {
	o := c.Evidence.Quality.Outcome
	return c.Regression == "" && (o == sequential.Better || o == sequential.Equivalent)
}

// Worse lists the segments in which the candidate is worse.
func (c *Candidate) Worse() []string {
	var out []string
	for _, s := range c.Evidence.Segments {
		if s.Outcome == sequential.Worse {
			out = append(out, fmt.Sprintf("%s is worse: %+.1f points (95 %%: %+.1f to %+.1f) after %d pairs", s.Name, 100*s.Mean, 100*s.Low, 100*s.High, s.Pairs))
		}
	}
	return out
}

// tally adds up the answers of a model.
type tally struct {
	model                                         string
	answers, failed, refused, truncated, notAsked int
	first, total                                  []time.Duration
	in, out                                       int64
	cost                                          decimal.Decimal
	priced                                        int
	scores                                        []float64
	why                                           string // the last answer failed
}

func (t *tally) add(a *Answer) {
	t.answers++
	if a.Side.Cost.Valid {
		t.priced++
		t.cost = t.cost.Add(a.Side.Cost.Decimal)
	}
	if a.Failure != "" {
		t.failed++
		t.why = a.Failure
		return
	}
	if a.Refused {
		t.refused++
	}
	if a.Truncated {
		t.truncated++
	}
	t.in, t.out = t.in+a.Side.In, t.out+a.Side.Out
	if a.Side.FirstToken > 0 {
		t.first = append(t.first, a.Side.FirstToken)
	}
	if a.Side.Total > 0 { // of a recorded answer it may not be known
		t.total = append(t.total, a.Side.Total)
	}
}

// share of answers that failed.
func (t *tally) share() float64 { return float64(t.failed) / float64(max(1, t.answers)) }

func (t *tally) measured() Measured {
	m := Measured{
		Model: t.model, Answers: t.answers, Failures: t.failed, LastFailure: t.why, Refusals: t.refused, Truncations: t.truncated, NotAsked: t.notAsked,
		FirstToken: times(t.first), Total: times(t.total),
	}
	if n := float64(t.answers - t.failed); n > 0 {
		m.TokensIn, m.TokensOut = float64(t.in)/n, float64(t.out)/n
	}
	if t.answers > 0 && t.priced == t.answers {
		m.PerThousand = decimal.NewNullDecimal(t.cost.Shift(3).Div(decimal.NewFromInt(int64(t.answers))).Round(9))
	}
	if len(t.scores) > 0 {
		sum := 0.0
		for _, s := range t.scores {
			sum += s
		}
		sum /= float64(len(t.scores))
		m.Score = &sum
	}
	return m
}

// times are the quantiles by nearest rank.
func times(d []time.Duration) Times {
	if len(d) == 0 {
		return Times{}
	}
	slices.Sort(d)
	at := func(percent int) *float64 {
		ms := float64(d[(len(d)*percent+99)/100-1].Microseconds()) / 1000
		return &ms
	}
	return Times{at(50), at(95)}
}
