package telemetry_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"freehold/internal/budget"
	"freehold/internal/cascade"
	"freehold/internal/engine"
	"freehold/internal/health"
	"freehold/internal/ledger"
	"freehold/internal/telemetry"
)

func state() telemetry.State {
	return telemetry.State{
		Health: func() []health.Status {
			return []health.Status{{Name: "m@a", State: health.Open, InFlight: 2, FirstToken: health.Percentiles{P50: time.Second, Samples: 3}}}
		},
		Ledger:   func() ledger.Stats { return ledger.Stats{Backlog: 7, Stored: 3} },
		Engines:  func() []engine.Status { return []engine.Status{{Name: "local", State: engine.Ready}} },
		Config:   func() (string, int64, bool) { return "abc", 2, true },
		Refusals: func() map[string]int64 { return map[string]int64{"invalid_key": 4} },
		Rules: func() []telemetry.Rule {
			return []telemetry.Rule{{Workload: "w", Name: "cheap", Dry: true, Matches: 3, Errors: 2}}
		},
		Rollouts: func() []telemetry.Rollout {
			return []telemetry.Rollout{
				{Workload: "w", From: "old", To: "new", Stage: "canary", Share: 0.05, Pairs: 70, Mean: -0.01, Low: -0.04, High: 0.02},
				{Workload: "fresh", From: "old", To: "new", Stage: "shadow", Paused: true},
			}
		},
		Cascades: func() []telemetry.Cascade {
			return []telemetry.Cascade{{Workload: "w", Model: "small", Stats: cascade.Stats{
				Kept: 6, Escalated: map[string]int64{"disagree": 3, "cut": 1}, Passed: 9, Spent: 0.5, Saved: 2.5, Off: true}}}
		},
		Detectors: func() []telemetry.Detector {
			return []telemetry.Detector{{Name: "people", Calls: 7, Failures: 2, Time: 1500 * time.Millisecond}}
		},
		KeysRefused: func() map[string]int { return map[string]int{"far": 2} },
		Indexes: func() []telemetry.Index {
			return []telemetry.Index{
				{Name: "docs", Phase: "sync", Behind: 5, Missed: 1, Lag: 90 * time.Second, Unknown: 2, Refused: 3, Copying: true, Copied: 40, Of: 100, Queries: 10, Failed: 2, Overlap: 0.75},
				{Name: "away"}, {Name: "still", Phase: "own"},
			}
		},
		Budgets: func() []budget.Status {
			chat := budget.Meter{Per: budget.PerWorkload, Name: "chat", Every: budget.Month, Zone: "UTC", Unit: budget.USD}
			spent := []budget.ScopeStatus{{Scope: "chat", Balance: budget.Balance{Spent: 12_500_000_000_000, Reserved: 500_000_000_000}}}
			keys := budget.Status{Rule: budget.Rule{Meter: budget.Meter{Per: budget.PerKey, Every: budget.Day, Zone: "Europe/Berlin", Unit: budget.Tokens}, Limit: 1000, OnExceed: budget.Block}}
			for i := range 150 {
				keys.Scopes = append(keys.Scopes, budget.ScopeStatus{Scope: fmt.Sprintf("k%d", i), Balance: budget.Balance{Spent: int64(1000 - i)}})
			}
			return []budget.Status{
				{Rule: budget.Rule{Meter: chat, Limit: 20_000_000_000_000, OnExceed: budget.Block}, Scopes: spent},
				{Rule: budget.Rule{Meter: chat, Limit: 10_000_000_000_000, OnExceed: budget.Warn}, Scopes: spent}, keys,
			}
		},
		BudgetEvents: func() map[budget.Event]uint64 {
			return map[budget.Event]uint64{{Meter: budget.Meter{Per: budget.PerAll, Every: budget.Hour, Unit: budget.USD}, Action: budget.Fallback}: 3}
		},
		Version: "test",
	}
}

func row(i int) *ledger.Row {
	return &ledger.Row{
		ID: "id", Time: time.Unix(1_800_000_000, 0), Workload: fmt.Sprintf("w%d", i), Asked: "w", Model: "m", Provider: "a", Operation: "chat",
		Status: 200, Outcome: ledger.OK, Tokens: ledger.Tokens{In: 10, Out: 5, Cached: 4},
		Cost: decimal.NewNullDecimal(decimal.RequireFromString("0.25")), FirstToken: 50 * time.Millisecond, Total: time.Second,
		Seams: []ledger.Seam{{}},
		Attempts: []ledger.Attempt{
			{N: 1, Deployment: "m@b", Provider: "b", Outcome: ledger.Failed, Fault: "cut", Start: time.Unix(1_800_000_000, 0), Total: time.Millisecond},
			{N: 2, Deployment: "m@a", Provider: "a", Outcome: ledger.OK, Start: time.Unix(1_800_000_000, 0), Total: time.Second},
		},
	}
}

func scrape(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	tel, err := telemetry.New(context.Background(), telemetry.Options{State: state(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tel.Done(row(0), nil)
	tel.Done(row(0), nil)
	unpriced := row(0)
	unpriced.Cost = decimal.NullDecimal{}
	unpriced.Outcome = ledger.Failed
	tel.Done(unpriced, nil)
	got := scrape(t, tel)
	for _, want := range []string{
		`freehold_requests_total{model="m",operation="chat",outcome="ok",provider="a",workload="w0"} 2`,
		`freehold_requests_total{model="m",operation="chat",outcome="failed",provider="a",workload="w0"} 1`,
		`freehold_tokens_total{kind="cached",model="m",operation="chat",provider="a",workload="w0"} 12`,
		`freehold_tokens_total{kind="output",model="m",operation="chat",provider="a",workload="w0"} 15`,
		`freehold_cost_usd_total{model="m",operation="chat",provider="a",workload="w0"} 0.5`,
		`freehold_unpriced_requests_total{model="m",operation="chat",provider="a",workload="w0"} 1`,
		`freehold_seams_total{model="m",operation="chat",provider="a",workload="w0"} 3`,
		`freehold_attempts_total{deployment="m@b",fault="cut",outcome="failed",provider="b"} 3`,
		`freehold_first_token_seconds_bucket{model="m",operation="chat",provider="a",workload="w0",le="0.05"} 3`,
		`freehold_request_duration_seconds_count{model="m",operation="chat",provider="a",workload="w0"} 3`,
		`freehold_deployment_state{deployment="m@a",state="open"} 1`,
		`freehold_deployment_in_flight{deployment="m@a"} 2`,
		`freehold_deployment_first_token_seconds{deployment="m@a",quantile="0.5"} 1`,
		`freehold_ledger_backlog_bytes 7`, `freehold_engine_state{engine="local",state="ready"} 1`,
		`freehold_budget_limit{budget="workload:chat:month",on_exceed="block",unit="usd"} 20`,
		`freehold_budget_limit{budget="workload:chat:month",on_exceed="warn",unit="usd"} 10`,
		`freehold_budget_spent{budget="workload:chat:month",scope="chat",unit="usd"} 12.5`,
		`freehold_budget_reserved{budget="workload:chat:month",scope="chat",unit="usd"} 0.5`,
		`freehold_budget_limit{budget="key:day@Europe/Berlin",on_exceed="block",unit="tokens"} 1000`,
		`freehold_budget_spent{budget="key:day@Europe/Berlin",scope="k99",unit="tokens"} 901`,
		`freehold_budget_exceeded_total{budget="all:hour",on_exceed="fallback",unit="usd"} 3`,
		`freehold_config_refused 1`, `freehold_config_info{version="abc"} 1`, `freehold_auth_refusals_total{reason="invalid_key"} 4`,
		`freehold_rollout_share{from="old",to="new",workload="w"} 0.05`, `freehold_rollout_stage{stage="canary",workload="w"} 1`,
		`freehold_rollout_pairs{workload="w"} 70`, `freehold_rollout_quality{workload="w"} -0.01`, `freehold_rollout_quality_low{workload="w"} -0.04`,
		`freehold_rollout_quality_high{workload="w"} 0.02`, `freehold_rollout_paused{workload="fresh"} 1`, `freehold_rollout_pairs{workload="fresh"} 0`,
		`freehold_cascade_kept_total{model="small",workload="w"} 6`, `freehold_cascade_escalated_total{cause="disagree",model="small",workload="w"} 3`,
		`freehold_cascade_escalated_total{cause="cut",model="small",workload="w"} 1`, `freehold_cascade_passed_total{model="small",workload="w"} 9`,
		`freehold_cascade_off{model="small",workload="w"} 1`, `freehold_cascade_cost_usd_total{model="small",workload="w"} 0.5`,
		`freehold_cascade_saved_usd_total{model="small",workload="w"} 2.5`,
		`freehold_provider_keys_refused{provider="far"} 2`,
		`freehold_detector_calls_total{detector="people"} 7`, `freehold_detector_failures_total{detector="people"} 2`,
		`freehold_detector_seconds_total{detector="people"} 1.5`,
		`freehold_rule_matches_total{dry="true",rule="cheap",workload="w"} 3`, `freehold_rule_errors_total{rule="cheap",workload="w"} 2`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("missing %s", want)
		}
	}
	if strings.Contains(got, `scope="k100"`) {
		t.Error("a budget of many keys has series without end")
	}
	if t.Failed() {
		t.Log(got)
	}
}

// Names that clients invent do not make series without end.
func TestSeriesAreBounded(t *testing.T) {
	tel, err := telemetry.New(context.Background(), telemetry.Options{State: state(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	const n = 600
	for i := range n {
		r := row(i)
		r.Attempts[0].Deployment = fmt.Sprintf("d%d", i)
		tel.Done(r, nil)
	}
	got := scrape(t, tel)
	if c := strings.Count(got, "freehold_requests_total{"); c > 520 {
		t.Errorf("%d series of requests", c)
	}
	if c := strings.Count(got, "freehold_attempts_total{"); c > 520 {
		t.Errorf("%d series of attempts", c)
	}
	if c := strings.Count(got, "freehold_request_duration_seconds_bucket{"); c > 520*18 {
		t.Errorf("%d buckets of durations", c)
	}
	if !strings.Contains(got, fmt.Sprintf(`freehold_requests_total{model="other",operation="chat",outcome="ok",provider="other",workload="other"} %d`, n-512)) {
		t.Error("what has no series of its own is not counted under other")
	}
}

// collector is an OTLP/HTTP receiver.
type collector struct {
	mu      sync.Mutex
	spans   traces.ExportTraceServiceRequest
	metrics metrics.ExportMetricsServiceRequest
	header  http.Header
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = r.Header
	var to proto.Message = &c.metrics
	if r.URL.Path == "/v1/traces" {
		to = &c.spans
	}
	if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(body, to); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func TestOTel(t *testing.T) {
	c := &collector{}
	srv := httptest.NewServer(c)
	defer srv.Close()
	ctx := context.Background()
	tel, err := telemetry.New(ctx, telemetry.Options{State: state(), Log: slog.New(slog.DiscardHandler), OTel: &telemetry.OTelOptions{
		Endpoint: srv.URL, Headers: map[string]string{"authorization": "x"}, Traces: true, Metrics: true, Sample: 1, Service: "fh", Version: "test",
	}})
	if err != nil {
		t.Fatal(err)
	}
	tel.Done(row(0), http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}})
	if err := tel.Close(ctx); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.header.Get("Authorization") != "x" {
		t.Error("the configured headers were not sent")
	}
	var names, ops []string
	for _, r := range c.spans.ResourceSpans {
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				names = append(names, span.Name)
				ops = append(ops, value(span.Attributes, "gen_ai.operation.name")+" "+value(span.Attributes, "gen_ai.provider.name"))
				if fmt.Sprintf("%x", span.TraceId) != "0af7651916cd43dd8448eb211c80319c" {
					t.Errorf("span %s is not in the caller's trace", span.Name)
				}
			}
		}
	}
	slices.Sort(names)
	if len(names) != 3 || !slices.Contains(names, "chat w") || !slices.Contains(ops, "chat b") {
		t.Errorf("spans %q, %q", names, ops)
	}
	var sums []string
	for _, r := range c.metrics.ResourceMetrics {
		for _, s := range r.ScopeMetrics {
			for _, m := range s.Metrics {
				sums = append(sums, m.Name)
			}
		}
	}
	slices.Sort(sums)
	if want := []string{"gen_ai.client.operation.duration", "gen_ai.client.token.usage", "gen_ai.server.time_to_first_token"}; !slices.Equal(sums, want) {
		t.Errorf("metrics %q, want %q", sums, want)
	}
}

func value(attrs []*common.KeyValue, key string) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestIndexMetrics: requests of indexes have the labels of the configuration and of the
// contract only, and what is freehold's own time is told apart.
func TestIndexMetrics(t *testing.T) {
	tel, err := telemetry.New(context.Background(), telemetry.Options{State: state(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	asked := func(workload, op, deployment string, status int, total, waited time.Duration) {
		r := &ledger.Row{ID: "id", Workload: workload, Asked: "whatever", Operation: op, Status: status, Total: total}
		if deployment != "" {
			r.Attempts = []ledger.Attempt{{N: 1, Deployment: deployment, Total: waited}}
		}
		tel.DoneIndex(r)
	}
	asked("index:docs", "query", "qdrant", 200, 4*time.Millisecond, 3200*time.Microsecond)
	asked("index:docs", "query", "pinecone", 503, 30*time.Millisecond, 40*time.Millisecond)
	asked("index:docs", "query", "", 400, time.Millisecond, 0)
	asked("", "", "", 404, time.Millisecond, 0)
	got := scrape(t, tel)
	for _, want := range []string{
		`freehold_index_requests_total{index="docs",operation="query",side="store",status="200"} 1`,
		`freehold_index_requests_total{index="docs",operation="query",side="pinecone",status="503"} 1`,
		`freehold_index_requests_total{index="docs",operation="query",side="none",status="400"} 1`,
		`freehold_index_requests_total{index="other",operation="other",side="none",status="404"} 1`,
		`freehold_index_request_duration_seconds_bucket{index="docs",operation="query",side="store",le="0.0025"} 0`,
		`freehold_index_request_duration_seconds_bucket{index="docs",operation="query",side="store",le="0.005"} 1`,
		`freehold_index_added_seconds_bucket{index="docs",operation="query",side="store",le="0.0005"} 0`,
		`freehold_index_added_seconds_bucket{index="docs",operation="query",side="store",le="0.001"} 1`,
		`freehold_index_added_seconds_sum{index="docs",operation="query",side="pinecone"} 0`,
		`freehold_index_phase{index="docs",phase="sync"} 1`,
		`freehold_index_phase{index="away",phase="closed"} 1`,
		`freehold_index_behind_writes{index="docs"} 5`,
		`freehold_index_missed_writes{index="docs"} 1`,
		`freehold_index_lag_seconds{index="docs"} 90`,
		`freehold_index_unknown_writes{index="docs"} 2`,
		`freehold_index_refused_writes{index="docs"} 3`,
		`freehold_index_copied_records{index="docs"} 40`,
		`freehold_index_copy_records{index="docs"} 100`,
		`freehold_index_shadow_queries_total{index="docs",result="compared"} 8`,
		`freehold_index_shadow_queries_total{index="docs",result="failed"} 2`,
		`freehold_index_shadow_overlap{index="docs"} 0.75`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, none := range []string{
		`behind_writes{index="away"}`, `copied_records{index="still"}`, `shadow_overlap{index="still"}`, "whatever",
		`freehold_index_added_seconds_bucket{index="docs",operation="query",side="none"`,
	} {
		if strings.Contains(got, none) {
			t.Errorf("%s is shown", none)
		}
	}
}
