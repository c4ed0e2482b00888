package drill

import (
	"cmp"
	"slices"
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
	Errors int      `json:"errors"`
	Needed int      `json:"needed"`
	Failed []string `json:"failed,omitempty"` // ids of the first requests with errors
	// By says which models and deployments answered.
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
	Nothing   Verdict = "nothing"    // no request was hit: nothing is proven
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

// Tally makes a report of rows of the ledger.
type Tally struct {
	drill    *Drill
	forbids  func(r *ledger.Row, a *ledger.Attempt) string
	report   Report
	by       map[[2]string]int
	first    [2][]time.Duration // hit, others
	total    [2][]time.Duration
	cost     [2]decimal.Decimal
	n, known [2]int
}

// NewTally begins one. forbids says why the data of a request may not go where an
// attempt of it went, "" where it may.
func NewTally(d *Drill, forbids func(*ledger.Row, *ledger.Attempt) string) *Tally {
	return &Tally{drill: d, forbids: forbids, by: map[[2]string]int{},
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
		if why := t.forbids(r, a); a.Sent > 0 && why != "" && len(rep.Outside) < maxListed {
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
	t.by[[2]string{r.Model, r.Deployment}]++
	switch {
	case slices.Contains(t.drill.Plan.Providers, r.Provider) && len(r.Seams) == 0 && t.drill.Plan.Kind != Slow:
		rep.Needed++
	case slices.Contains(t.drill.Plan.Providers, r.Provider) && len(r.Seams) == 0:
		// Slow, and not slow enough to be given up: it may be answered there.
	default:
		rep.FailedOver++
	}
	if len(r.Seams) > 0 {
		rep.Continued++
	}
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
	r.judge(t.drill)
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
	return float64(of[min(len(of)-1, int(p*float64(len(of))))].Microseconds()) / 1000
}
