package app

import (
	"context"
	"time"

	"freehold/internal/auth"
	"freehold/internal/config"
	"freehold/internal/telemetry"
)

// observe makes the metrics and traces of a served configuration.
func (a *App) observe(ctx context.Context, cfg *config.Config) (Observer, error) {
	return telemetry.New(ctx, telemetry.Options{Log: a.Log, OTel: otel(cfg.Server.Telemetry), State: telemetry.State{
		Health: a.Health.Snapshot, Ledger: a.Ledger.Stats, Engines: a.Engines.Status, Version: Version,
		Budgets: a.budgetStatus, BudgetEvents: a.Budgets.Events,
		Config:   func() (string, int64, bool) { return a.Fleet().Version, a.reloads.Load(), a.Refused() != nil },
		Refusals: func() map[string]int64 { return byName(a.Keys.Refusals()) },
		Rules:    a.rules,
		Rollouts: a.rollouts,
		Cascades: a.cascades, Detectors: a.detectors, KeysRefused: a.keysRefused, Indexes: a.indexFigures,
	}})
}

// keysRefused counts the keys that each provider with several of them refuses.
func (a *App) keysRefused() map[string]int {
	out, now := map[string]int{}, a.Clock()
	for name, p := range a.Fleet().Providers {
		if n := p.Keys.Len(); n > 1 {
			out[name] = n - p.Keys.Usable(now)
		}
	}
	return out
}

// detectors are the external detectors in use, with what they did.
func (a *App) detectors() []telemetry.Detector {
	var out []telemetry.Detector
	for name, e := range a.Fleet().Externals {
		s := e.Stats()
		out = append(out, telemetry.Detector{Name: name, Calls: s.Calls, Failures: s.Failures, Time: s.Time})
	}
	return out
}

// rules are the routing rules in use, with what they did.
func (a *App) rules() []telemetry.Rule {
	var out []telemetry.Rule
	f := a.Fleet()
	for _, name := range f.WorkloadNames() {
		for _, r := range f.Workloads[name].Rules {
			out = append(out, telemetry.Rule{
				Workload: name, Name: r.Name, Dry: r.Dry, Matches: r.Counts.Matches.Load(), Errors: r.Counts.Errors.Load(),
			})
		}
	}
	return out
}

// rollouts are those under way.
func (a *App) rollouts() []telemetry.Rollout {
	var out []telemetry.Rollout
	if a.Rollouts == nil {
		return nil // not yet taken up
	}
	for _, s := range a.Rollouts.Active() {
		share, _ := s.Share()
		q, a := &s.Report.Quality, &s.Aside
		out = append(out, telemetry.Rollout{
			Workload: s.Workload, From: s.From, To: s.To, Stage: string(s.Stage), Share: share, Paused: s.Paused, Pairs: q.Pairs, Mean: q.Mean, Low: q.Low, High: q.High,
			Copied: a.Copied, Dropped: a.Dropped, Failed: a.Failed, Unjudged: a.Unjudged, USD: a.USD.InexactFloat64(),
		})
	}
	return out
}

// cascades are those of the workloads in use, with what they did.
func (a *App) cascades() []telemetry.Cascade {
	var out []telemetry.Cascade
	f := a.Fleet()
	for _, name := range f.WorkloadNames() {
		if k := f.Workloads[name].Cascade; k != nil {
			out = append(out, telemetry.Cascade{Workload: name, Model: k.Model.Name, Stats: k.Switch.Stats()})
		}
	}
	return out
}

// statusTime is how long the state may take to say where an index is, for metrics.
const statusTime = 5 * time.Second

// indexFigures are where the indexes are on their way.
func (a *App) indexFigures() []telemetry.Index {
	if a.Indexes == nil {
		return nil // not yet opened
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTime)
	defer cancel()
	var out []telemetry.Index
	for _, name := range a.Indexes.Names() {
		s, err := a.Indexes.Status(ctx, name)
		if err != nil { // it is gone since, or the state is busy
			a.Log.Warn("metrics of an index are left out", "index", name, "error", err)
			continue
		}
		x := telemetry.Index{
			Name: name, Phase: string(s.Move.Phase), Behind: s.Lag.Acknowledged, Missed: s.Lag.Missed, Unknown: s.Lag.Begun, Refused: s.Lag.Refused,
			Queries: s.Shadows.Queries, Failed: s.Shadows.Failed, Overlap: s.Shadows.Mean(),
		}
		if !s.Lag.Oldest.IsZero() {
			x.Lag = max(0, a.Clock().Sub(s.Lag.Oldest))
		}
		if s.Why != "" {
			x.Phase = ""
		}
		if j := s.Job; j != nil && j.Kind == "fill" && j.Ended.IsZero() {
			x.Copying, x.Copied, x.Of = true, j.Records, j.Of
		}
		out = append(out, x)
	}
	return out
}

func byName(counts map[auth.Code]int64) map[string]int64 {
	out := make(map[string]int64, len(counts))
	for code, n := range counts {
		out[string(code)] = n
	}
	return out
}

// otel is what is exported, nil where nothing is.
func otel(t config.Telemetry) *telemetry.OTelOptions {
	if t.OTLP == "" {
		return nil
	}
	headers := make(map[string]string, len(t.Headers))
	for name, v := range t.Headers {
		headers[name] = v.Reveal()
	}
	return &telemetry.OTelOptions{
		Endpoint: t.OTLP, Headers: headers, Traces: t.Traces, Metrics: t.Metrics, Sample: t.Sample,
		Service: t.ServiceName, Version: Version,
	}
}
