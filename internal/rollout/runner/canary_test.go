package runner_test

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// TestWorseInCanary: copies go on while the old model answers, so that a model that
// was let into its canary too early is ended by its quality. By what it ended stays
// to be seen, also by who begins anew.
func TestWorseInCanary(t *testing.T) {
	w := newWorld(t)
	worse := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6, Seed: 99})
	w.Configure(t, fmt.Sprintf(worldConfig, w.old.URL(), worse.URL(), w.other.URL()))
	p := quick()
	p.Shadow.Concurrency = 1 // no other pair comes between the one that ends it and its end
	p.Steps = []rollout.Step{{Share: 0.3, For: time.Hour, Samples: 1}, {Share: 1}}
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	if s, err := w.App.Rollouts.Promote(t.Context(), "w", ann, "in a hurry"); err != nil || s.Stage != rollout.Canary {
		t.Fatalf("%s: %v", s.Where(), err)
	}
	n := 0
	st := w.until(t, "w", func() { n++; w.ask(t, "w", fmt.Sprint("question ", n), false) }, func(s runner.Status) bool { return s.Stage.Ended() })
	if st.Stage != rollout.Aborted || !strings.Contains(st.Reason, "quality is worse") || st.Report.Clients[1] == 0 || st.Report.Breach != st.Reason {
		t.Errorf("%s: %s; %+v", st.Where, st.Reason, st.Report)
	}
	for _, r := range w.Rows(t) {
		if r.Workload == runner.Label("w") && r.Part.Arm != ledger.Shadow {
			t.Errorf("a copy is on record as %+v", r.Part)
		}
	}
	w.Stop(t)
	w.Server = apptest.Serve(t, filepath.Join(w.Dir, "config.yaml"))
	if again := w.until(t, "w", nil, func(runner.Status) bool { return true }); !reflect.DeepEqual(again.Report, st.Report) {
		t.Errorf("known after the restart: %+v, before: %+v", again.Report, st.Report)
	}
}

// TestOldLatencyStays: where the old model does not answer any more, its last
// latencies are compared with, also by who begins anew.
func TestOldLatencyStays(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Manual, p.Latency = 0, true, rollout.Latency{Percentile: 50, Tolerance: 100}
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	n := 0
	load := func() { n++; w.ask(t, "w", fmt.Sprint("question ", n), true) }
	w.until(t, "w", load, func(s runner.Status) bool { return s.Report.Clients[0] >= 30 && s.Report.Clients[1] >= 5 })
	for range 2 {
		if _, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil {
			t.Fatal(err)
		}
	}
	st := w.until(t, "w", load, func(s runner.Status) bool { return s.Stage == rollout.Watching && s.Report.Clients[1] >= 20 })
	total := st.Report.Latency[1]
	if !total.Before || !total.Tested || total.Old.N < 30 || total.New.N < 20 {
		t.Errorf("%+v", total)
	}
	w.Stop(t)
	w.Server = apptest.Serve(t, filepath.Join(w.Dir, "config.yaml"))
	again := w.until(t, "w", nil, func(runner.Status) bool { return true }).Report.Latency[1]
	// The ledger keeps times to the microsecond.
	if !again.Before || again.Old.N != total.Old.N || math.Abs(*again.Old.Value-*total.Old.Value) > 0.002 {
		t.Errorf("after the restart %+v, before %+v", again, total)
	}
}

// TestBrokenCanary: a new model that fails at 30 % is taken back before it has
// touched many requests, and no client has seen an error.
func TestBrokenCanary(t *testing.T) {
	w := newWorld(t)
	mocktest.Fail(t, w.model, "500@p0.3")
	p := quick()
	p.Shadow.Share, p.Steps = 0, []rollout.Step{{Share: 0.05, For: time.Hour, Samples: 1000}, {Share: 1}}
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	n := 0
	st := w.until(t, "w", func() {
		n++
		if status, model := w.ask(t, "w", fmt.Sprint("question ", n), n%2 == 0); status != 200 {
			t.Fatalf("request %d: %d from %q", n, status, model)
		}
	}, func(s runner.Status) bool { return s.Stage.Ended() })
	touched := 0
	for _, r := range w.Rows(t) {
		if r.Part != nil && r.Part.Arm == ledger.Candidate {
			touched++
		}
	}
	t.Logf("%d of %d requests were sent to the new model before it was taken back: %s", touched, n, st.Reason)
	if st.Stage != rollout.Aborted || !strings.Contains(st.Reason, "too many errors") || touched > 30 {
		t.Errorf("%s (%s) after %d requests", st.Where, st.Reason, touched)
	}
}
