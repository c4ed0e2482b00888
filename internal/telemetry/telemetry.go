package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"freehold/internal/ledger"
)

// Options of a Telemetry.
type Options struct {
	State State
	// OTel exports traces and metrics; nil exports nothing.
	OTel *OTelOptions
	Log  *slog.Logger
}

// Telemetry observes requests.
type Telemetry struct {
	counters *counters
	indexes  *indexCounters
	handler  http.Handler
	otel     *otel
}

// New returns a Telemetry with a registry of its own.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	r := prometheus.NewRegistry()
	r.MustRegister(stateCollector{o.State}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	t := &Telemetry{
		counters: newCounters(r), indexes: newIndexCounters(r),
		handler: promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)}),
	}
	if o.OTel != nil {
		var err error
		if t.otel, err = newOTel(ctx, *o.OTel); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Done counts a request, and traces it where traces are exported.
func (t *Telemetry) Done(r *ledger.Row, h http.Header) {
	t.counters.count(r)
	if t.otel != nil {
		t.otel.done(r, h)
	}
}

// DoneIndex counts a request of a vector index.
func (t *Telemetry) DoneIndex(r *ledger.Row) { t.indexes.count(r) }

// Metrics is the handler of /metrics.
func (t *Telemetry) Metrics() http.Handler { return t.handler }

// Close sends what is not exported yet.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.otel == nil {
		return nil
	}
	return errors.Join(t.otel.close(ctx))
}
