// Package telemetry shows what the gateway does: Prometheus metrics at
// /metrics, and OpenTelemetry traces and metrics under the GenAI semantic
// conventions. It learns of each request once, from its ledger row at the end.
package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freehold/internal/ledger"
)

// labels of a request's series. The names come from the configuration, but for
// a vendor's own model names; maxSeries bounds those.
type labels struct {
	workload, model, provider, operation, outcome string
}

// maxSeries is how many label combinations of requests, and how many of
// attempts, get series of their own; later ones are counted under "other". A
// combination costs some fifty lines of a scrape, most of them buckets.
const maxSeries = 512

// series are the metrics of one label combination.
type series struct {
	requests        prometheus.Counter
	duration        prometheus.Observer
	firstToken      prometheus.Observer
	in, out, cached prometheus.Counter
	reasoning       prometheus.Counter
	cost, unpriced  prometheus.Counter
	seams           prometheus.Counter
}

// attemptLabels are the labels of an attempt's series.
type attemptLabels struct{ deployment, provider, outcome, fault string }

// counters are the metrics of requests.
type counters struct {
	requests, tokens, cost, unpriced, seams, attempts *prometheus.CounterVec
	duration, firstToken                              *prometheus.HistogramVec

	mu    sync.RWMutex
	known map[labels]*series
	tries map[attemptLabels]prometheus.Counter
}

// Buckets reach from a cached local answer to a long reasoning one, in seconds.
var (
	durationBuckets   = []float64{.01, .025, .05, .1, .2, .35, .5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640}
	firstTokenBuckets = []float64{.005, .01, .025, .05, .1, .15, .2, .3, .5, .75, 1, 2, 4, 8, 15, 30}
)

func newCounters(r prometheus.Registerer) *counters {
	names := []string{"workload", "model", "provider", "operation"}
	withOutcome := append(append([]string{}, names...), "outcome")
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, names)
		r.MustRegister(v)
		return v
	}
	return &counters{
		requests:   counter("freehold_requests_total", "Requests by outcome.", withOutcome...),
		tokens:     counter("freehold_tokens_total", "Tokens by kind: input, output, and of these cached and reasoning.", append(append([]string{}, names...), "kind")...),
		cost:       counter("freehold_cost_usd_total", "Known cost in US dollars. The exact sum is in the ledger.", names...),
		unpriced:   counter("freehold_unpriced_requests_total", "Requests whose cost is not known.", names...),
		seams:      counter("freehold_seams_total", "Answers continued by another deployment after a cut.", names...),
		attempts:   counter("freehold_attempts_total", "Attempts at deployments by outcome and fault.", "deployment", "provider", "outcome", "fault"),
		duration:   histogram("freehold_request_duration_seconds", "Time from a request's arrival to the last byte of its answer.", durationBuckets),
		firstToken: histogram("freehold_first_token_seconds", "Time from a request's arrival to the first content of a streamed answer.", firstTokenBuckets),
		known:      map[labels]*series{},
		tries:      map[attemptLabels]prometheus.Counter{},
	}
}

// series finds or makes the series of a combination.
func (c *counters) series(l labels) *series {
	c.mu.RLock()
	s := c.known[l]
	c.mu.RUnlock()
	if s != nil {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.known[l]; s != nil {
		return s
	}
	if len(c.known) >= maxSeries {
		l.workload, l.model, l.provider = "other", "other", "other"
		if s := c.known[l]; s != nil {
			return s
		}
	}
	v := []string{l.workload, l.model, l.provider, l.operation}
	kind := func(k string) prometheus.Counter { return c.tokens.WithLabelValues(append(v[:4:4], k)...) }
	s = &series{
		requests: c.requests.WithLabelValues(append(v[:4:4], l.outcome)...),
		duration: c.duration.WithLabelValues(v...), firstToken: c.firstToken.WithLabelValues(v...),
		in: kind("input"), out: kind("output"), cached: kind("cached"), reasoning: kind("reasoning"),
		cost: c.cost.WithLabelValues(v...), unpriced: c.unpriced.WithLabelValues(v...), seams: c.seams.WithLabelValues(v...),
	}
	c.known[l] = s
	return s
}

func (c *counters) attempt(l attemptLabels) prometheus.Counter {
	c.mu.RLock()
	n := c.tries[l]
	c.mu.RUnlock()
	if n != nil {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.tries[l]; n != nil {
		return n
	}
	if len(c.tries) >= maxSeries {
		l.deployment, l.provider = "other", "other"
		if n := c.tries[l]; n != nil {
			return n
		}
	}
	n = c.attempts.WithLabelValues(l.deployment, l.provider, l.outcome, l.fault)
	c.tries[l] = n
	return n
}

// count adds a request.
func (c *counters) count(r *ledger.Row) {
	s := c.series(labels{r.Workload, r.Model, r.Provider, r.Operation, string(r.Outcome)})
	s.requests.Inc()
	s.duration.Observe(seconds(r.Total))
	if r.FirstToken > 0 {
		s.firstToken.Observe(seconds(r.FirstToken))
	}
	add(s.in, r.Tokens.In)
	add(s.out, r.Tokens.Out)
	add(s.cached, r.Tokens.Cached)
	add(s.reasoning, r.Tokens.Reasoning)
	if r.Cost.Valid {
		if !r.Cost.Decimal.IsZero() {
			s.cost.Add(r.Cost.Decimal.InexactFloat64())
		}
	} else {
		s.unpriced.Inc()
	}
	add(s.seams, int64(len(r.Seams)))
	for i := range r.Attempts {
		a := &r.Attempts[i]
		c.attempt(attemptLabels{a.Deployment, a.Provider, string(a.Outcome), a.Fault}).Inc()
	}
}

func add(c prometheus.Counter, n int64) {
	if n > 0 {
		c.Add(float64(n))
	}
}

func seconds(d time.Duration) float64 { return d.Seconds() }
