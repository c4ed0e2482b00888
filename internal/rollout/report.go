package rollout

import (
	"math"

	"github.com/shopspring/decimal"

	"freehold/internal/sequential"
)

// Report is all that is known, for people and programs. Differences, ends of
// intervals and shares are from -1 to 1; times are in milliseconds.
type Report struct {
	Pairs    int       `json:"pairs"`    // that both models answered
	Judged   int       `json:"judged"`   // of them
	Clients  [2]int    `json:"clients"`  // requests in this step, old and new model
	Quality  Quality   `json:"quality"`  // of all judged pairs
	Segments []Quality `json:"segments"` // by task, language, length
	Rates    []Rate    `json:"rates"`
	Latency  []Times   `json:"latency"`
	Old      Spent     `json:"old"`
	New      Spent     `json:"new"`
	// Swaps are pairs that a model judged in both orders, Consistent those of
	// them in which it said the same.
	Swaps      int `json:"swaps"`
	Consistent int `json:"consistent"`
	// JudgeTurns: the judge's word surely turns with the order of the answers more
	// often than not, so that it says nothing.
	JudgeTurns bool   `json:"judge_turns,omitempty"`
	Breach     string `json:"breach,omitempty"` // the gate that is broken
}

// Quality is a comparison of scores.
type Quality struct {
	Name      string             `json:"name,omitempty"`
	Outcome   sequential.Outcome `json:"outcome"`
	Pairs     int                `json:"pairs"`
	Mean      float64            `json:"mean"`
	Low       float64            `json:"low"` // of 95 % at all looks
	High      float64            `json:"high"`
	Floor     float64            `json:"floor"`               // one-sided, of 95 % at all looks: equivalent is that it is above -margin
	Remaining *int               `json:"remaining,omitempty"` // more pairs, about; absent: not known
}

// Rate is how often something happens.
type Rate struct {
	Name  string  `json:"name"`
	Old   Share   `json:"old"`
	New   Share   `json:"new"`
	Limit float64 `json:"limit"`
	P     float64 `json:"p"` // that holds at every look
	// Tested is false while too little is known of one of the models to tell.
	Tested bool `json:"tested"`
	Broken bool `json:"broken"`
}

// Share is K of N.
type Share struct {
	K float64 `json:"k"` // a part of 1 each where it is no yes or no
	N int     `json:"n"`
}

// Times compares a percentile.
type Times struct {
	Name       string   `json:"name"`
	Percentile float64  `json:"percentile"`
	Old        Quantile `json:"old"`
	New        Quantile `json:"new"`
	Tolerance  float64  `json:"tolerance"`
	// Needs is how many answers of the old model it takes to test.
	Needs int `json:"needs"`
	// Before: the old model does not answer any more; its latencies are its last ones.
	Before bool `json:"before,omitempty"`
	// Tested is false while too little is known of one of the models to tell.
	Tested bool `json:"tested"`
	Broken bool `json:"broken"`
}

// Quantile is a percentile with its interval; what is not known is absent.
type Quantile struct {
	N     int      `json:"n"`
	Value *float64 `json:"value_ms,omitempty"`
	Low   *float64 `json:"low_ms,omitempty"`
	High  *float64 `json:"high_ms,omitempty"`
}

// Spent is what the answers of a model took, of the requests that both answered.
type Spent struct {
	Requests int                 `json:"requests"`
	In       int64               `json:"tokens_in"`
	Out      int64               `json:"tokens_out"`
	Cost     decimal.NullDecimal `json:"cost"` // US dollars; null: not known of all
}

// Report makes the report.
func (e *Evidence) Report() Report {
	r := Report{
		Pairs: e.pairs, Judged: e.judged, Clients: e.clients, Quality: quality("", e.quality), Segments: []Quality{},
		Rates: []Rate{}, Latency: []Times{}, Old: e.money[0].spent(), New: e.money[1].spent(),
		Swaps: e.swaps, Consistent: e.agreed, JudgeTurns: e.turned.Sure(alphaTurned), Breach: e.Breach(),
	}
	for _, s := range e.segments {
		r.Segments = append(r.Segments, quality(s.name, s.Comparison))
	}
	for _, x := range e.rates() {
		r.Rates = append(r.Rates, Rate{Name: x.name, Old: Share{x.k[0], x.n[0]}, New: Share{x.k[1], x.n[1]}, Limit: x.limit(), P: x.bet.P(), Tested: x.tested(), Broken: x.broken()})
	}
	for _, l := range []*latency{&e.first, &e.total} {
		if l.Percentile > 0 {
			r.Latency = append(r.Latency, Times{
				Name: l.name, Percentile: l.Percentile, Old: quantile(l.arms[0]), New: quantile(l.arms[1]),
				Tolerance: l.Tolerance, Needs: l.needs(), Before: l.frozen, Tested: l.tested(), Broken: l.broken(),
			})
		}
	}
	return r
}

func quality(name string, c *sequential.Comparison) Quality {
	q := Quality{Name: name, Outcome: c.Outcome(), Pairs: c.N(), Mean: c.Mean()}
	q.Low, q.High = c.Interval(0.05)
	q.Floor = c.Floor()
	if n, ok := c.Remaining(); ok {
		q.Remaining = &n
	}
	return q
}

func quantile(q *sequential.Quantile) Quantile {
	out := Quantile{N: q.N()}
	known := func(s float64) *float64 {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return nil
		}
		ms := math.Round(1e6*s) / 1e3
		return &ms
	}
	low, high := q.Interval(0.05)
	out.Value, out.Low, out.High = known(q.Value()), known(low), known(high)
	return out
}

func (s *sum) spent() Spent {
	return Spent{Requests: s.n, In: s.in, Out: s.out, Cost: decimal.NullDecimal{Decimal: s.cost, Valid: s.n > 0 && s.priced == s.n}}
}
