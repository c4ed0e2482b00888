package drill

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/ledger"
)

// Report is what a drill found. Times are in milliseconds.
type Report struct {
	// Requests are those of clients (or made for the drill) in its time and of its
	// workloads, Hit those that it touched.
	Requests int `json:"requests"`
	Hit      int `json:"hit"`
	// FailedOver were answered by somebody else, Continued of them in mid-answer.
	FailedOver int `json:"failed_over"`
	Continued  int `json:"continued"`
	// Errors are hit requests of which the client saw an error, Needed those that
	// only the failing or forbidden provider answered.
	// Stayed are those that a slow provider answered all the same, later.
	Errors int      `json:"errors"`
	Needed int      `json:"needed"`
	Stayed int      `json:"stayed,omitempty"`
	Failed []string `json:"failed,omitempty"` // ids of the first requests with errors
	// Promises are those of the SLOs of hit workloads, when a provider was slow.
	Promises []Promise `json:"promises,omitempty"`
	// By says which models and deployments answered, or ended an answer that was cut.
	By []Answered `json:"by"`
	// Hit requests against the others in the same time, or before it.
	FirstToken Compared `json:"first_token"`
	Total      Compared `json:"total"`
	Cost       Costs    `json:"cost"`
	// Outside lists attempts that sent bytes where the data may not go: none.
	Outside []string `json:"outside"`
	// Quality of those that stood in, by what was compared before; empty: not known.
	Quality []Quality `json:"quality"`
	Verdict Verdict   `json:"verdict"`
	Why     string    `json:"why"`
}

// Verdict says what a drill proves.
type Verdict string

// The verdicts.
const (
	Passed    Verdict = "passed"     // every hit request was answered by somebody else
	NotPassed Verdict = "not passed" // a client saw an error, or only the vendor could answer
	Nothing   Verdict = "nothing"    // no request was hit, or none had to move: nothing is proven
)

// Answered counts the answers of one deployment.
type Answered struct {
	Model      string `json:"model"`
	Deployment string `json:"deployment"`
	Requests   int    `json:"requests"`
}

// Compared is a latency of hit requests and of others; 0 is not known.
type Compared struct {
	HitP50    float64 `json:"hit_p50_ms"`
	HitP95    float64 `json:"hit_p95_ms"`
	OthersP50 float64 `json:"others_p50_ms"`
	OthersP95 float64 `json:"others_p95_ms"`
}

// Costs are mean costs of a request in US dollars, where known of all.
type Costs struct {
	Hit    decimal.NullDecimal `json:"hit"`
	Others decimal.NullDecimal `json:"others"`
}

// Quality is what is known of a stand-in against the model that it stood in for.
type Quality struct {
	From       string    `json:"from"`
	To         string    `json:"to"`
	Rollout    string    `json:"rollout"`
	At         time.Time `json:"at"`
	Pairs      int       `json:"pairs"`
	Mean       float64   `json:"mean"` // -1 to 1, the stand-in less the model
	Low        float64   `json:"low"`
	High       float64   `json:"high"`
	Conclusion string    `json:"conclusion"`
}

// SLO is what a workload promises; a time of 0 is no promise.
type SLO struct {
	FirstToken, Total time.Duration
	Quantile          float64 // of answers that must be within them, 0 to 1
}

// Promise is one time of an SLO with what was measured of hit requests.
type Promise struct {
	Workload   string  `json:"workload"`
	What       string  `json:"what"` // first content, whole answer
	Percentile float64 `json:"percentile"`
	Limit      float64 `json:"limit_ms"`
	Seen       float64 `json:"seen_ms"`
	Kept       bool    `json:"kept"`
}

// Tally makes a report of rows of the ledger.
type Tally struct {
	drill    *Drill
	facts    Facets
	slow     map[string]*slow // by workload
	report   Report
	by       map[[2]string]int
	first    [2][]time.Duration // hit, others
	total    [2][]time.Duration
	cost     [2]decimal.Decimal
	n, known [2]int
}

// slow are the hit requests of one workload whose provider was slow.
type slow struct {
	first, total []time.Duration
	stayed       int
}

// Facets is what rows do not say.
type Facets struct {
	// Forbids says why the data of a request may not go where an attempt of it
	// went, "" where it may.
	Forbids func(*ledger.Row, *ledger.Attempt) string
	// SLO is what a workload promises.
	SLO func(workload string) SLO
}

// NewTally begins one.
func NewTally(d *Drill, f Facets) *Tally {
	return &Tally{drill: d, facts: f, by: map[[2]string]int{}, slow: map[string]*slow{},
		report: Report{By: []Answered{}, Outside: []string{}, Quality: []Quality{}}}
}

// maxListed bounds the ids of requests in a report.
const maxListed = 10

// Add takes a request of the drill's time and workloads.
func (t *Tally) Add(r *ledger.Row) {
	t.report.Requests++
	hit := r.Drill == t.drill.ID
	if hit {
		t.hit(r)
	}
	if r.Outcome == ledger.OK {
		t.measure(r, hit)
	}
}

// measure takes a whole answer's times and cost.
func (t *Tally) measure(r *ledger.Row, hit bool) {
	i := 1
	if hit {
		i = 0
	}
	if r.FirstToken > 0 {
		t.first[i] = append(t.first[i], r.FirstToken)
	}
	t.total[i] = append(t.total[i], r.Total)
	if t.n[i]++; r.Cost.Valid {
		t.known[i]++
		t.cost[i] = t.cost[i].Add(r.Cost.Decimal)
	}
}

func (t *Tally) hit(r *ledger.Row) {
	rep := &t.report
	rep.Hit++
	for i := range r.Attempts {
		a := &r.Attempts[i]
		if why := t.facts.Forbids(r, a); a.Sent > 0 && why != "" && len(rep.Outside) < maxListed {
			rep.Outside = append(rep.Outside, r.ID+": "+a.Deployment+": "+why)
		}
	}
	switch {
	case r.Outcome.Err() || r.Outcome == ledger.Refused || r.Outcome == ledger.Shed:
		if rep.Errors++; len(rep.Failed) < maxListed {
			rep.Failed = append(rep.Failed, r.ID)
		}
		return
	case r.Outcome != ledger.OK:
		return // the client left, or was at fault
	}
	model, deployment, provider := finisher(r)
	t.by[[2]string{model, deployment}]++
	there := slices.Contains(t.drill.Plan.Providers, provider)
	switch {
	case !there:
		rep.FailedOver++
	case t.drill.Plan.Kind == Slow: // and not slow enough to be given up
		rep.Stayed++
	default:
		rep.Needed++
	}
	if len(r.Seams) > 0 {
		rep.Continued++
	}
	if t.drill.Plan.Kind == Slow {
		t.slowed(r, there)
	}
}

// slowed takes the times of a request whose provider was slow.
func (t *Tally) slowed(r *ledger.Row, stayed bool) {
	s := t.slow[r.Workload]
	if s == nil {
		s = &slow{}
		t.slow[r.Workload] = s
	}
	if r.FirstToken > 0 {
		s.first = append(s.first, r.FirstToken)
	}
	s.total = append(s.total, r.Total)
	if stayed {
		s.stayed++
	}
}

// finisher is who ended an answer: who began it, or who took it up last.
func finisher(r *ledger.Row) (model, deployment, provider string) {
	if len(r.Seams) == 0 {
		return r.Model, r.Deployment, r.Provider
	}
	deployment = r.Seams[len(r.Seams)-1].To
	model, _, _ = strings.Cut(deployment, "@")
	for i := range r.Attempts {
		if r.Attempts[i].Deployment == deployment {
			provider = r.Attempts[i].Provider
		}
	}
	return model, deployment, provider
}

// FinishedBy is the provider that ended a request's answer.
func FinishedBy(r *ledger.Row) string {
	_, _, provider := finisher(r)
	return provider
}

// promises holds hit requests against the SLOs. unjudged are those of workloads that
// have none, and that the slow provider answered.
func (t *Tally) promises(r *Report) (unjudged int) {
	for _, name := range slices.Sorted(maps.Keys(t.slow)) {
		s, slo := t.slow[name], t.facts.SLO(name)
		if slo.FirstToken == 0 && slo.Total == 0 {
			unjudged += s.stayed
		}
		for _, x := range []struct {
			what  string
			limit time.Duration
			seen  []time.Duration
		}{{"first content", slo.FirstToken, s.first}, {"whole answer", slo.Total, s.total}} {
			if x.limit > 0 && len(x.seen) > 0 {
				p := Promise{Workload: name, What: x.what, Percentile: 100 * slo.Quantile, Limit: milliseconds(x.limit), Seen: percentile(x.seen, slo.Quantile)}
				p.Kept = p.Seen <= p.Limit
				r.Promises = append(r.Promises, p)
			}
		}
	}
	return unjudged
}

// Done sums up.
func (t *Tally) Done() Report {
	r := t.report
	for k, n := range t.by {
		r.By = append(r.By, Answered{k[0], k[1], n})
	}
	slices.SortFunc(r.By, func(a, b Answered) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Deployment, b.Deployment))
	})
	r.FirstToken, r.Total = compared(t.first), compared(t.total)
	r.Cost = Costs{t.mean(0), t.mean(1)}
	r.judge(t.drill, t.promises(&r))
	return r
}

func (t *Tally) mean(i int) decimal.NullDecimal {
	if t.n[i] == 0 || t.known[i] < t.n[i] {
		return decimal.NullDecimal{}
	}
	return decimal.NullDecimal{Decimal: t.cost[i].Div(decimal.NewFromInt(int64(t.n[i]))), Valid: true}
}

func compared(of [2][]time.Duration) Compared {
	return Compared{percentile(of[0], 0.5), percentile(of[0], 0.95), percentile(of[1], 0.5), percentile(of[1], 0.95)}
}

// percentile is the nearest rank, in milliseconds.
func percentile(of []time.Duration, p float64) float64 {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return milliseconds(of[min(len(of)-1, int(p*float64(len(of))))])
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
