package telemetry

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freehold/internal/ledger"
)

// Index is a vector index that applications reach here.
type Index struct {
	Name, Phase string // no phase: it is not open
	// Behind counts writes that the store which follows has not yet, Missed those of
	// them that wait for their record to be fetched. Lag is how long the oldest waits.
	Behind, Missed int64
	Lag            time.Duration
	// Unknown counts writes of which it is not known whether the authority has them,
	// Refused those that the store which follows cannot hold.
	Unknown, Refused int64
	// Copying: a copy is under way, with Copied of Of records done.
	Copying    bool
	Copied, Of int64
	// Queries is how many of both stores were compared, Failed how many of the second
	// one failed. Overlap is the mean of those that did not.
	Queries, Failed int64
	Overlap         float64
}

// indexCounters are the metrics of requests of indexes.
type indexCounters struct {
	requests        *prometheus.CounterVec
	duration, added *prometheus.HistogramVec
}

// Buckets of indexes reach from a store on this machine to one that is away, in seconds.
var (
	indexBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	addedBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 2.5}
)

func newIndexCounters(r prometheus.Registerer) *indexCounters {
	names := []string{"index", "operation", "side"}
	c := &indexCounters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "freehold_index_requests_total",
			Help: "Requests of vector indexes, by the side that answered (pinecone, store, none) and the HTTP status."}, append(names, "status")),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "freehold_index_request_duration_seconds",
			Help: "Time from a request of an index to its answer.", Buckets: indexBuckets}, names),
		added: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "freehold_index_added_seconds",
			Help: "Of that, what was not spent waiting for a store: freehold's own time.", Buckets: addedBuckets}, names),
	}
	r.MustRegister(c.requests, c.duration, c.added)
	return c
}

// count adds a request. Its labels are those of the configuration and of the contract:
// what a client names otherwise is "other".
func (c *indexCounters) count(r *ledger.Row) {
	name, ok := strings.CutPrefix(r.Workload, "index:")
	if !ok {
		name = "other"
	}
	op, side := r.Operation, "none"
	if op == "" {
		op = "other"
	}
	waited := time.Duration(0)
	for i := range r.Attempts {
		waited += r.Attempts[i].Total
		if side = "store"; r.Attempts[i].Deployment == "pinecone" {
			side = "pinecone"
		}
	}
	c.requests.WithLabelValues(name, op, side, strconv.Itoa(r.Status)).Inc()
	c.duration.WithLabelValues(name, op, side).Observe(seconds(r.Total))
	if side != "none" {
		c.added.WithLabelValues(name, op, side).Observe(seconds(max(0, r.Total-waited)))
	}
}

// The descriptions of what is looked up of indexes.
var (
	descIndexPhase   = desc("freehold_index_phase", "1 for the phase that an index is in: relay, sync, cutover, own; closed: it is not served.", "index", "phase")
	descIndexBehind  = desc("freehold_index_behind_writes", "Writes that the store which follows has not yet.", "index")
	descIndexMissed  = desc("freehold_index_missed_writes", "Of these, writes that wait for their record to be fetched.", "index")
	descIndexLag     = desc("freehold_index_lag_seconds", "How long the oldest write that has not followed waits.", "index")
	descIndexUnknown = desc("freehold_index_unknown_writes", "Writes of which it is not known whether the store that answers has them; they are tried again.", "index")
	descIndexRefused = desc("freehold_index_refused_writes", "Writes that the store which follows cannot hold.", "index")
	descIndexCopied  = desc("freehold_index_copied_records", "Records done by the copy that is under way.", "index")
	descIndexOf      = desc("freehold_index_copy_records", "Records that the copy under way has to do, as far as they are known.", "index")
	descIndexShadows = desc("freehold_index_shadow_queries_total", "Queries that both stores were asked, by result: compared, failed.", "index", "result")
	descIndexOverlap = desc("freehold_index_shadow_overlap", "Mean share of the neighbours that both stores found, 0 to 1.", "index")
)

var indexDescs = []*prometheus.Desc{
	descIndexPhase, descIndexBehind, descIndexMissed, descIndexLag, descIndexUnknown, descIndexRefused, descIndexCopied, descIndexOf, descIndexShadows, descIndexOverlap,
}

// indexes shows where indexes are on their way.
func (c stateCollector) indexes(gauge func(*prometheus.Desc, float64, ...string), counter func(*prometheus.Desc, int64, ...string)) {
	for _, x := range c.s.Indexes() {
		if x.Phase == "" {
			gauge(descIndexPhase, 1, x.Name, "closed")
			continue
		}
		gauge(descIndexPhase, 1, x.Name, x.Phase)
		gauge(descIndexBehind, float64(x.Behind), x.Name)
		gauge(descIndexMissed, float64(x.Missed), x.Name)
		gauge(descIndexLag, x.Lag.Seconds(), x.Name)
		gauge(descIndexUnknown, float64(x.Unknown), x.Name)
		gauge(descIndexRefused, float64(x.Refused), x.Name)
		if x.Copying {
			gauge(descIndexCopied, float64(x.Copied), x.Name)
			gauge(descIndexOf, float64(x.Of), x.Name)
		}
		counter(descIndexShadows, x.Queries-x.Failed, x.Name, "compared")
		counter(descIndexShadows, x.Failed, x.Name, "failed")
		if x.Queries > x.Failed {
			gauge(descIndexOverlap, x.Overlap, x.Name)
		}
	}
}
