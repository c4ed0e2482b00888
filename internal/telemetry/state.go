package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freehold/internal/budget"
	"freehold/internal/cascade"
	"freehold/internal/engine"
	"freehold/internal/health"
	"freehold/internal/ledger"
)

// State is what is looked up when metrics are read.
type State struct {
	Health  func() []health.Status
	Ledger  func() ledger.Stats
	Engines func() []engine.Status
	// Config is the version in use, how many reloads were accepted, and
	// whether the last one was refused.
	Config func() (version string, reloads int64, refused bool)
	// Budgets are the limits in use with what is spent of them, BudgetEvents what
	// they have done to requests since the start.
	Budgets      func() []budget.Status
	BudgetEvents func() map[budget.Event]uint64
	// Refusals are authentications that failed, by reason.
	Refusals func() map[string]int64
	// Rules are the routing rules in use, with what they did.
	Rules func() []Rule
	// Rollouts are those under way.
	Rollouts func() []Rollout
	// Cascades are those of workloads, with what they did since the start.
	Cascades func() []Cascade
	// Detectors are the external detectors in use.
	Detectors func() []Detector
	// KeysRefused counts, by provider, the keys that it refuses.
	KeysRefused func() map[string]int
	// Indexes are the vector indexes that applications reach here.
	Indexes func() []Index
	Version string // of the program
}

// Detector is what an external detector did.
type Detector struct {
	Name            string
	Calls, Failures int64
	Time            time.Duration // of all calls together
}

// Rule is what a routing rule did.
type Rule struct {
	Workload, Name  string
	Dry             bool
	Matches, Errors int64
}

// Rollout is the moving of a workload to another model.
type Rollout struct {
	Workload, From, To, Stage string
	Share                     float64 // of conversations that the new model answers
	Paused                    bool
	Pairs                     int // judged
	Mean, Low, High           float64
	// What became of copies, since the server began, and what they cost in all.
	Copied, Dropped, Failed, Unjudged int64
	USD                               float64
}

// Cascade is what the cascade of a workload did.
type Cascade struct {
	Workload, Model string
	cascade.Stats
}

// stateCollector reads State when it is asked.
type stateCollector struct{ s State }

// The descriptions of what is looked up.
var (
	descState         = desc("freehold_deployment_state", "1 for the state a deployment is in: closed, half-open, cooling, open, down.", "deployment", "state")
	descInFlight      = desc("freehold_deployment_in_flight", "Requests under way at a deployment.", "deployment")
	descQueued        = desc("freehold_deployment_queued", "Requests that wait for a place at a deployment.", "deployment")
	descFirst         = desc("freehold_deployment_first_token_seconds", "Recent time to the first content, by quantile.", "deployment", "quantile")
	descBacklog       = desc("freehold_ledger_backlog_bytes", "Journal that is not in the store yet.")
	descLag           = desc("freehold_ledger_lag_seconds", "How long the oldest request that is not in the store has waited.")
	descFailing       = desc("freehold_ledger_failing", "1 while the journal cannot be written: requests are refused.")
	descStored        = desc("freehold_ledger_rows_total", "Rows stored since the start.")
	descLost          = desc("freehold_ledger_lost_total", "Requests of an earlier process that never ended.")
	descDamaged       = desc("freehold_ledger_damaged_total", "Places in the journal that could not be read.")
	descEngine        = desc("freehold_engine_state", "1 for the state a local engine is in.", "engine", "state")
	descRestarts      = desc("freehold_engine_restarts_total", "Restarts of a local engine.", "engine")
	descConfig        = desc("freehold_config_info", "The configuration in use.", "version")
	descReloads       = desc("freehold_config_reloads_total", "Reloads that were accepted.")
	descRefused       = desc("freehold_config_refused", "1 while the file on disk is refused and an earlier configuration is in use.")
	descDenied        = desc("freehold_auth_refusals_total", "Requests refused for their key, by reason.", "reason")
	descMatches       = desc("freehold_rule_matches_total", "Requests that a routing rule matched; a dry one is counted only.", "workload", "rule", "dry")
	descFailed        = desc("freehold_rule_errors_total", "Requests for which a routing rule could not be evaluated.", "workload", "rule")
	descLimit         = desc("freehold_budget_limit", "What may be spent in a period, in US dollars or tokens.", "budget", "unit", "on_exceed")
	descSpent         = desc("freehold_budget_spent", "What is spent in the present period, by scope: a key, workload, model. The exact sum is in the ledger.", "budget", "unit", "scope")
	descReserved      = desc("freehold_budget_reserved", "What is reserved for requests under way.", "budget", "unit", "scope")
	descExceeded      = desc("freehold_budget_exceeded_total", "Requests that a budget had no room for.", "budget", "unit", "on_exceed")
	descRolloutShare  = desc("freehold_rollout_share", "Share of conversations that the new model of a rollout answers, 0 to 1.", "workload", "from", "to")
	descRolloutStage  = desc("freehold_rollout_stage", "1 for the stage that a rollout under way is in.", "workload", "stage")
	descRolloutPaused = desc("freehold_rollout_paused", "1 while a rollout is paused.", "workload")
	descRolloutPairs  = desc("freehold_rollout_pairs", "Judged pairs that a rollout rests on.", "workload")
	descRolloutCopies = desc("freehold_rollout_copies", "Requests that were copied to the new model of a rollout under way, by result, since the server began.", "workload", "result")
	descRolloutUSD    = desc("freehold_rollout_copies_usd", "What copies and judging of a rollout under way have cost, in US dollars.", "workload")
	descRolloutMean   = desc("freehold_rollout_quality", "Mean difference of quality, new model less old one, -1 to 1.", "workload")
	descRolloutLow    = desc("freehold_rollout_quality_low", "Lower end of its 95 % interval, which holds at every look.", "workload")
	descRolloutHigh   = desc("freehold_rollout_quality_high", "Upper end of its 95 % interval, which holds at every look.", "workload")

	descKept      = desc("freehold_cascade_kept_total", "Answers of a cascade's model that stood.", "workload", "model")
	descEscalated = desc("freehold_cascade_escalated_total", "Requests that went on from a cascade to the workload's own plan, by cause.", "workload", "model", "cause")
	descPassed    = desc("freehold_cascade_passed_total", "Requests that were not asked because the cascade is off.", "workload", "model")
	descOff       = desc("freehold_cascade_off", "1 while a cascade is off because it does not pay.", "workload", "model")
	descCascaded  = desc("freehold_cascade_cost_usd_total", "Cost of a cascade's attempts, in US dollars, where both prices are known.", "workload", "model")
	descSpared    = desc("freehold_cascade_saved_usd_total", "What the answers that stood would have cost at the workload's own model, in US dollars, where both prices are known.", "workload", "model")
	descAsked     = desc("freehold_detector_calls_total", "Requests for which an external detector was asked.", "detector")
	descSilent    = desc("freehold_detector_failures_total", "Requests for which an external detector gave no answer that could be used.", "detector")
	descLooked    = desc("freehold_detector_seconds_total", "Time that requests have waited for an external detector.", "detector")
	descKeys      = desc("freehold_provider_keys_refused", "Keys of a provider that it refuses, and that are set aside for a while.", "provider")
	descBuild     = desc("freehold_build_info", "This program.", "version")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descState, descInFlight, descQueued, descFirst, descBacklog, descLag, descFailing, descStored, descLost,
		descDamaged, descEngine, descRestarts, descConfig, descReloads, descRefused, descDenied, descMatches, descFailed,
		descLimit, descSpent, descReserved, descExceeded,
		descKept, descEscalated, descPassed, descOff, descCascaded, descSpared, descAsked, descSilent, descLooked, descKeys, descBuild,
	} {
		ch <- d
	}
	for _, d := range indexDescs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	seen := map[string]bool{}
	for _, s := range c.s.Health() {
		if seen[s.Name] {
			continue // while a reload changes a deployment, both have its name
		}
		seen[s.Name] = true
		gauge(descState, 1, s.Name, s.State.String())
		gauge(descInFlight, float64(s.InFlight), s.Name)
		gauge(descQueued, float64(s.Queued), s.Name)
		if s.FirstToken.Samples > 0 {
			for q, d := range map[string]time.Duration{"0.5": s.FirstToken.P50, "0.95": s.FirstToken.P95, "0.99": s.FirstToken.P99} {
				gauge(descFirst, d.Seconds(), s.Name, q)
			}
		}
	}
	l := c.s.Ledger()
	gauge(descBacklog, float64(l.Backlog))
	gauge(descLag, l.Lag.Seconds())
	gauge(descFailing, flag(l.Failing))
	counter(descStored, l.Stored)
	counter(descLost, l.Lost)
	counter(descDamaged, l.Damaged)
	for _, e := range c.s.Engines() {
		gauge(descEngine, 1, e.Name, string(e.State))
		counter(descRestarts, int64(e.Restarts), e.Name)
	}
	version, reloads, refused := c.s.Config()
	gauge(descConfig, 1, version)
	counter(descReloads, reloads)
	gauge(descRefused, flag(refused))
	for reason, n := range c.s.Refusals() {
		counter(descDenied, n, reason)
	}
	for _, r := range c.s.Rules() {
		counter(descMatches, r.Matches, r.Workload, r.Name, strconv.FormatBool(r.Dry))
		counter(descFailed, r.Errors, r.Workload, r.Name)
	}
	for _, r := range c.s.Rollouts() {
		paused := 0.0
		if r.Paused {
			paused = 1
		}
		gauge(descRolloutShare, r.Share, r.Workload, r.From, r.To)
		gauge(descRolloutStage, 1, r.Workload, r.Stage)
		gauge(descRolloutPaused, paused, r.Workload)
		gauge(descRolloutPairs, float64(r.Pairs), r.Workload)
		for result, n := range map[string]int64{"judged": r.Copied - r.Unjudged, "unjudged": r.Unjudged, "failed": r.Failed, "dropped": r.Dropped} {
			gauge(descRolloutCopies, float64(n), r.Workload, result)
		}
		gauge(descRolloutUSD, r.USD, r.Workload)
		if r.Pairs > 0 {
			gauge(descRolloutMean, r.Mean, r.Workload)
			gauge(descRolloutLow, r.Low, r.Workload)
			gauge(descRolloutHigh, r.High, r.Workload)
		}
	}
	for _, k := range c.s.Cascades() {
		counter(descKept, k.Kept, k.Workload, k.Model)
		for cause, n := range k.Escalated {
			counter(descEscalated, n, k.Workload, k.Model, cause)
		}
		counter(descPassed, k.Passed, k.Workload, k.Model)
		gauge(descOff, flag(k.Off), k.Workload, k.Model)
		ch <- prometheus.MustNewConstMetric(descCascaded, prometheus.CounterValue, k.Spent, k.Workload, k.Model)
		ch <- prometheus.MustNewConstMetric(descSpared, prometheus.CounterValue, k.Saved, k.Workload, k.Model)
	}
	for _, d := range c.s.Detectors() {
		counter(descAsked, d.Calls, d.Name)
		counter(descSilent, d.Failures, d.Name)
		ch <- prometheus.MustNewConstMetric(descLooked, prometheus.CounterValue, d.Time.Seconds(), d.Name)
	}
	for name, n := range c.s.KeysRefused() {
		gauge(descKeys, float64(n), name)
	}
	c.indexes(gauge, counter)
	c.budgets(gauge, counter)
	gauge(descBuild, 1, c.s.Version)
}

// maxScopes is how many scopes of a budget have series: those that spend most.
const maxScopes = 100

// budgets shows limits, and what each meter counts once.
func (c stateCollector) budgets(gauge func(*prometheus.Desc, float64, ...string), counter func(*prometheus.Desc, int64, ...string)) {
	list := c.s.Budgets()
	seen := map[budget.Meter]bool{}
	for i := range list {
		b := &list[i]
		part := 1.0
		if b.Unit == budget.USD {
			part = budget.PerUSD
		}
		name, unit := b.Meter.String(), string(b.Unit)
		gauge(descLimit, float64(b.Limit)/part, name, unit, string(b.OnExceed))
		if seen[b.Meter] {
			continue
		}
		seen[b.Meter] = true
		for _, s := range b.Scopes[:min(len(b.Scopes), maxScopes)] {
			gauge(descSpent, float64(s.Spent)/part, name, unit, s.Scope)
			gauge(descReserved, float64(s.Reserved)/part, name, unit, s.Scope)
		}
	}
	for e, n := range c.s.BudgetEvents() {
		counter(descExceeded, int64(n), e.Meter.String(), string(e.Meter.Unit), string(e.Action))
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
