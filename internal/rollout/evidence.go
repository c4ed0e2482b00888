package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/sequential"
)

// The error chances of one rollout: what is found between two models that are
// alike, at any look, is at most the sum of those that raise an alarm.
const (
	alphaWorse    = 0.018
	alphaBetter   = 0.003
	alphaSegments = 0.008 // of all segments together
	alphaErrors   = 0.015
	alphaRates    = 0.002 // of refusals, truncations and feedback together
	alphaLatency  = 0.002 // of both latencies together, while both models answer
	alphaAlone    = 0.002 // of both, when the new one answers alone
	stagesAlone   = 3     // the canary's last step, cutover and watch
	// alphaTurned is the chance to call a judge's word one that turns with the order
	// though it does not; nobody is hurt by that.
	alphaTurned = 0.025
	// alphaPass is the chance to take a model that is worse by the margin.
	alphaPass = 0.05
)

// Side is what one model did with a request.
type Side struct {
	Failed     string              `json:"failed,omitempty"` // why there is no answer
	Refused    bool                `json:"refused,omitempty"`
	Truncated  bool                `json:"truncated,omitempty"`
	FirstToken time.Duration       `json:"first_token,omitempty"`
	Total      time.Duration       `json:"total"`
	In         int64               `json:"in"`
	Out        int64               `json:"out"`
	Cost       decimal.NullDecimal `json:"cost"`
}

// Pair is one request that both models answered. It has no texts.
type Pair struct {
	Rollout string    `json:"rollout"`
	Request string    `json:"request"` // id of the client's, or of a row of a file
	Shadow  string    `json:"shadow"`  // id of the copy
	Time    time.Time `json:"time"`

	// Judged: the scores mean something. Otherwise Detail says why they do not.
	Judged     bool    `json:"judged"`
	Difference float64 `json:"difference"` // candidate less baseline, -1 to 1
	Raw        float64 `json:"raw"`        // before control for length
	Baseline   float64 `json:"baseline_score"`
	Candidate  float64 `json:"candidate_score"`
	Similarity float64 `json:"similarity"` // shown only
	Lengths    [2]int  `json:"lengths"`    // of both answers, in characters
	Basis      string  `json:"basis,omitempty"`
	Detail     string  `json:"detail,omitempty"`
	// Consistent: a judging model said the same in both orders; nil: none was asked.
	Consistent *bool `json:"consistent,omitempty"`

	Segments []string `json:"segments,omitempty"` // task=code, language=de, length=1k-4k
	Old      Side     `json:"old"`
	New      Side     `json:"new"`
	// JudgeCost is what judging cost, in US dollars; null: not known.
	JudgeCost decimal.NullDecimal `json:"judge_cost"`
}

// Take puts in what an answer itself says of its end.
func (s *Side) Take(a *judge.Answer) {
	s.Failed, s.Refused, s.Truncated = a.Failure, a.Refused, a.Truncated
}

// Score puts in what a judge said of the two answers.
func (p *Pair) Score(v *judge.Verdict) {
	p.Judged, p.Difference, p.Raw, p.Baseline, p.Candidate = true, v.Difference, v.Raw, v.Baseline, v.Candidate
	p.Basis, p.Detail, p.Similarity = string(v.Basis), v.Detail, v.Similarity.Cosine
	if v.Orders != nil {
		same := v.Orders[0] == v.Orders[1]
		p.Consistent = &same
	}
}

// Outcome is what became of a client's request in a canary.
type Outcome struct {
	Candidate bool // the new model was asked first
	Failed    bool // by the model that was asked first
	// Refused and Truncated are how that model's own answer ended.
	Refused, Truncated bool
	// FirstToken and Total are 0 where another attempt is in them.
	FirstToken, Total time.Duration
}

// OutcomeOf reads a row of the ledger. ok is false for rows that say nothing of
// the two models: the model was not asked, the client left, it was the client's
// mistake, freehold died meanwhile, or a drill made it fail or wait.
func OutcomeOf(r *ledger.Row, from, to string) (o Outcome, ok bool) {
	if r.Part == nil || r.Part.Arm != ledger.Baseline && r.Part.Arm != ledger.Candidate {
		return o, false
	}
	o.Candidate = r.Part.Arm == ledger.Candidate
	model := from
	if o.Candidate {
		model = to
	}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		if a.Model() != model || a.Played {
			continue
		}
		switch a.Outcome {
		case ledger.OK:
			ok = true
		case ledger.Failed, ledger.Partial:
			o.Failed, ok = true, true
		}
	}
	if !ok || o.Failed || r.Answerer() != model {
		return o, ok
	}
	o.Refused, o.Truncated = judge.Ended(llm.FinishReason(r.Finish))
	if len(r.Attempts) == 1 {
		o.FirstToken, o.Total = r.FirstToken, r.Total
	}
	return o, ok
}

// Evidence is what is known of two models, and what follows from it.
type Evidence struct {
	plan     *Plan
	live     bool // the gates are those of clients' requests, else of pairs
	quality  *sequential.Comparison
	segments []*segment
	errors   rate
	refusals rate
	cuts     rate
	dislikes rate
	first    latency
	total    latency
	money    [2]sum
	pairs    int
	judged   int
	turned   *sequential.Bet // that the judge's word mostly turns with the order
	swaps    int             // pairs of which a model judged both orders
	agreed   int             // and said the same
	clients  [2]int
}

type segment struct {
	name string
	*sequential.Comparison
}

// sum adds up what one model's answers took.
type sum struct {
	n, priced int
	in, out   int64
	cost      decimal.Decimal
}

// NewEvidence of a plan, with nothing seen: that of pairs, until [Evidence.Begin].
func NewEvidence(p *Plan) *Evidence {
	e := &Evidence{plan: p, quality: sequential.NewComparison(p.Margin, sequential.Levels{Worse: alphaWorse, Better: alphaBetter, Pass: alphaPass})}
	e.turned = sequential.NewBet(0, 1, 0.5, sequential.Below)
	e.errors = newRate("errors", p.Errors, p.ErrorRate)
	e.refusals, e.cuts = newRate("refusals", p.Refusals, 0), newRate("truncations", p.Truncations, 0)
	e.dislikes = unmeasured("bad words of people", p.Feedback)
	e.first, e.total = newLatency("first token", p.Latency), newLatency("total", p.Latency)
	e.Begin(&State{Plan: *p, Stage: Shadowing})
	return e
}

// Begin starts the gates of the state's stage and step anew: what a model did at
// 1 % says little of it at 50 %. What is known of quality stays, and of the old
// model. Where that does not answer any more, its latest latencies are those that
// the new one's are compared with.
func (e *Evidence) Begin(s *State) {
	e.live = s.Stage != Shadowing
	e.errors.again(sequential.Share(alphaErrors, s.Epoch+1))
	for _, r := range []*rate{&e.refusals, &e.cuts, &e.dislikes} {
		r.again(sequential.Share(alphaRates/3, s.Epoch+1))
	}
	for _, l := range []*latency{&e.first, &e.total} {
		if s.Alone() {
			l.again(alphaAlone / 2 / stagesAlone)
			l.freeze()
		} else {
			l.again(sequential.Share(alphaLatency/2, s.Epoch+1))
		}
	}
	e.clients = [2]int{}
}

// AddPair takes a pair of copies or of a comparison on a file. Of clients' gates
// it knows what the new model did; what the old one did, clients' requests say.
func (e *Evidence) AddPair(p *Pair) {
	e.pairs++
	e.errors.candidate(p.New.Failed != "")
	if p.New.Failed == "" {
		e.refusals.candidate(p.New.Refused)
		e.cuts.candidate(p.New.Truncated)
	}
	if p.Old.Failed == "" && !e.live {
		e.refusals.baseline(p.Old.Refused)
		e.cuts.baseline(p.Old.Truncated)
	}
	if p.New.Failed == "" && p.Old.Failed == "" {
		if !e.live {
			e.first.add(p.Old.FirstToken, p.New.FirstToken)
			e.total.add(p.Old.Total, p.New.Total)
		}
		e.money[0].add(&p.Old)
		e.money[1].add(&p.New)
	}
	if c := p.Consistent; c != nil {
		e.swaps++
		if *c {
			e.agreed++
		}
		e.turned.Add(number(*c))
	}
	if !p.Judged {
		return
	}
	e.judged++
	e.quality.Add(p.Difference)
	for _, name := range p.Segments {
		e.segment(name).Add(p.Difference)
	}
}

// segment is the comparison of a segment. Each has its part of the error chance
// of all, in the order in which they turn up.
func (e *Evidence) segment(name string) *segment {
	i := slices.IndexFunc(e.segments, func(s *segment) bool { return s.name == name })
	if i < 0 {
		i = len(e.segments)
		level := sequential.Share(alphaSegments, i+1)
		e.segments = append(e.segments, &segment{name, sequential.NewComparison(e.plan.Margin,
			sequential.Levels{Worse: level, Better: alphaPass, Pass: alphaPass})})
	}
	return e.segments[i]
}

// AddOutcome takes what became of a client's request. Beside pairs it tells how
// often the old model fails, and how long it takes.
func (e *Evidence) AddOutcome(o Outcome) {
	if !o.Candidate {
		e.errors.baseline(o.Failed)
		e.first.remember(o.FirstToken)
		e.total.remember(o.Total)
	}
	if !e.live {
		return
	}
	if o.Candidate {
		e.errors.candidate(o.Failed)
		e.clients[1]++
		if !o.Failed {
			e.refusals.candidate(o.Refused)
			e.cuts.candidate(o.Truncated)
		}
		e.first.add(0, o.FirstToken)
		e.total.add(0, o.Total)
		return
	}
	e.clients[0]++
	if !o.Failed {
		e.refusals.baseline(o.Refused)
		e.cuts.baseline(o.Truncated)
	}
	e.first.add(o.FirstToken, 0)
	e.total.add(o.Total, 0)
}

// Remember takes latencies of the old model from before the rollout, the oldest first.
func (e *Evidence) Remember(firstToken, total time.Duration) {
	e.first.remember(firstToken)
	e.total.remember(total)
}

// AddFeedback takes a person's score of an answer to a client's request, 0 to 1.
func (e *Evidence) AddFeedback(candidate bool, score float64) {
	if candidate {
		e.dislikes.new(1 - score)
	} else {
		e.dislikes.old(1 - score)
	}
}

// rates are the gates on how often something happens.
func (e *Evidence) rates() []*rate {
	return []*rate{&e.errors, &e.refusals, &e.cuts, &e.dislikes}
}

func (s *sum) add(side *Side) {
	s.n++
	s.in += side.In
	s.out += side.Out
	if side.Cost.Valid {
		s.priced++
		s.cost = s.cost.Add(side.Cost.Decimal)
	}
}

// untested names the latencies of which too little is known yet, to be said beside
// what is known.
func (e *Evidence) untested() string {
	var names []string
	for _, l := range []*latency{&e.first, &e.total} {
		if l.Percentile > 0 && l.arms[1].N() > 0 && !l.tested() {
			names = append(names, l.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; p%g of %s is not tested yet", e.plan.Latency.Percentile, strings.Join(names, " and "))
}

// Breach says which gate the new model has broken, "" for none.
func (e *Evidence) Breach() string {
	if e.quality.Outcome() == sequential.Worse {
		low, high := e.quality.Interval(0.05)
		return fmt.Sprintf("quality is worse: %+.1f points (95 %%: %+.1f to %+.1f) after %d pairs", 100*e.quality.Mean(), 100*low, 100*high, e.quality.N())
	}
	for _, s := range e.segments {
		if s.Outcome() == sequential.Worse {
			return fmt.Sprintf("quality of %s is worse: %+.1f points after %d pairs", s.name, 100*s.Mean(), s.N())
		}
	}
	for _, r := range e.rates() {
		if r.broken() {
			return r.why()
		}
	}
	for _, l := range []*latency{&e.first, &e.total} {
		if l.broken() {
			return l.why()
		}
	}
	return ""
}
