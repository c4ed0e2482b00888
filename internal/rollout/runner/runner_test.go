package runner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/app/apptest"
	"freehold/internal/history"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

var ann, bob = history.Who{Via: "key", Name: "ann", Person: "ann"}, history.Who{Via: "key", Name: "bob", Person: "bob"}

// world is a freehold with a workload at one model that may get another.
type world struct {
	*apptest.Server
	old, model, other *mock.Server
}

const worldConfig = `
server: {listen: 127.0.0.1:0}
retries: {max: 0}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
data_classes:
  inner: {inside: true}
providers:
  first: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, inside: true}
  second: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, inside: true}
  outside: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, inside: false}
models:
  old: {provider: first, id: old-weights}
  new: {provider: second, id: new-weights}
  third: {provider: first, id: third-weights}
  far: {provider: outside, id: far-weights}
workloads:
  w: # the workload
    model: old # the line that a cutover edits
  secret: {model: old, data: inner}
  free: {model: old}
`

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		old: mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6}), model: mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6}),
		other: mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6}),
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, worldConfig, w.old.URL(), w.model.URL(), w.other.URL()), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Server = apptest.Serve(t, path)
	t.Cleanup(func() { w.Stop(t) })
	return w
}

// ask asks and returns the status and who answered.
func (w *world) ask(t *testing.T, workload, prompt string, stream bool) (int, string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"model": workload, "stream": stream, "messages": []any{map[string]any{"role": "user", "content": prompt}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(w.URL+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all bytes.Buffer
	if _, err := all.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Freehold-Model")
}

// until waits for a status, asking one thing after another if load is set.
func (w *world) until(t *testing.T, workload string, load func(), ok func(runner.Status) bool) runner.Status {
	t.Helper()
	limit := time.Now().Add(time.Minute)
	for {
		s, err := w.App.Rollouts.Status(t.Context(), workload, "")
		if err != nil {
			t.Fatal(err)
		}
		if ok(s) {
			return s
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: %s, %d pairs, %v clients", s.Where, s.Reason, s.Report.Pairs, s.Report.Clients)
		}
		if load != nil {
			load()
		} else {
			time.Sleep(time.Millisecond)
		}
	}
}

// quick is a plan whose steps take no time.
func quick() rollout.Plan {
	p := rollout.Default()
	p.Shadow.Share, p.Shadow.Concurrency, p.Shadow.Queue, p.Shadow.Least = 1, 2, 64, 10
	p.Margin, p.Latency = 0.3, rollout.Latency{}
	p.Steps = []rollout.Step{{Share: 0.3, Samples: 5}, {Share: 1, Samples: 5}}
	p.Watch = time.Hour
	return p
}

// stages are those that the history has of a workload, the oldest first.
func (w *world) stages(t *testing.T, workload string) []string {
	t.Helper()
	var out []string
	list, err := w.App.History.List(t.Context(), history.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Kind == runner.Kind && r.Subject == workload {
			if r.Details["evidence"] == "" || r.Why == "" {
				t.Errorf("without evidence or reason: %+v", r)
			}
			out = append([]string{r.Details["stage"] + " by " + r.Who.String()}, out...)
		}
	}
	return out
}

// TestWhole: from shadow to watch by itself, and back by hand; config.yaml follows,
// its comments kept; all of it is in the history, and no request fails.
func TestWhole(t *testing.T) {
	w := newWorld(t)
	s, err := w.App.Rollouts.Begin(t.Context(), "w", "new", quick(), ann, "")
	if err != nil || s.Stage != rollout.Shadowing || s.From != "old" {
		t.Fatalf("%+v: %v", s, err)
	}
	n := 0
	load := func() {
		n++
		if status, model := w.ask(t, "w", fmt.Sprintf("question %d", n), n%2 == 0); status != 200 {
			t.Fatalf("request %d: %d from %s", n, status, model)
		}
	}
	st := w.until(t, "w", load, func(s runner.Status) bool { return s.Stage == rollout.Canary })
	if st.Report.Quality.Pairs < 10 || st.Report.Quality.Mean != 0 || st.Report.New.Requests == 0 {
		t.Errorf("after the shadow stage: %+v", st.Report)
	}
	w.until(t, "w", load, func(s runner.Status) bool { return s.Stage == rollout.Watching })
	text, err := os.ReadFile(filepath.Join(w.Dir, "config.yaml"))
	if err != nil || !strings.Contains(string(text), "model: new # the line that a cutover edits") {
		t.Errorf("config.yaml after the cutover: %v\n%s", err, text)
	}
	if _, model := w.ask(t, "w", "after the cutover", false); model != "new" {
		t.Errorf("after the cutover %s answers", model)
	}
	// While it is watched the old model still answers for the new one.
	mocktest.Fail(t, w.model, "500")
	if status, model := w.ask(t, "w", "while the new one fails", true); status != 200 || model != "old" {
		t.Errorf("%d from %s", status, model)
	}
	w.model.Reset()
	begun := time.Now()
	back, err := w.App.Rollouts.Rollback(t.Context(), "w", bob, "nobody likes it")
	took := time.Since(begun)
	if err != nil || back.Stage != rollout.RolledBack {
		t.Fatalf("%s: %v", back.Where(), err)
	}
	if _, model := w.ask(t, "w", "after the rollback", false); model != "old" {
		t.Errorf("after the rollback %s answers", model)
	}
	t.Logf("the rollback took %v", took)
	if text, err := os.ReadFile(filepath.Join(w.Dir, "config.yaml")); err != nil || !strings.Contains(string(text), "model: old # the line") {
		t.Errorf("config.yaml after the rollback: %v\n%s", err, text)
	}
	if end, err := w.App.Rollouts.Status(t.Context(), "w", ""); err != nil || end.Report.Rates[0].New.N < 2 {
		t.Errorf("what the watch measured is gone with its end: %+v, %v", end.Report.Rates, err)
	}
	want := "shadow by key:ann, canary by server:rollout, canary by server:rollout, cutover by server:rollout, watch by server:rollout, returning by key:bob, rolled-back by key:bob"
	if got := strings.Join(w.stages(t, "w"), ", "); got != want {
		t.Errorf("the history has %s", got)
	}
	// The ledger has every request once, and the copies under a name of their own.
	var clients, copies int
	for _, r := range w.Rows(t) {
		switch r.Workload {
		case "w":
			clients++
		case runner.Label("w"):
			copies++
			if r.Part == nil || r.Part.Rollout != s.ID || r.Part.Arm != ledger.Shadow || r.KeyID != "" {
				t.Errorf("a copy is on record as %+v", r.Part)
			}
		}
	}
	if clients != n+3 || copies < 10 {
		t.Errorf("%d requests of clients and %d copies, of %d", clients, copies, n+3)
	}
	if _, err := w.App.Rollouts.Rollback(t.Context(), "w", bob, ""); err == nil || !strings.Contains(err.Error(), "no cutover that could be taken back") {
		t.Errorf("a second rollback: %v", err)
	}
}

// TestWorse: a model that answers otherwise does not get beyond the shadow stage.
func TestWorse(t *testing.T) {
	w := newWorld(t)
	worse := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6, Seed: 99})
	w.Configure(t, fmt.Sprintf(worldConfig, w.old.URL(), worse.URL(), w.other.URL()))
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", quick(), ann, ""); err != nil {
		t.Fatal(err)
	}
	n := 0
	st := w.until(t, "w", func() { n++; w.ask(t, "w", fmt.Sprint("question ", n), false) }, func(s runner.Status) bool { return s.Stage.Ended() })
	if st.Stage != rollout.Aborted || !strings.Contains(st.Reason, "quality is worse") || worse.Stats().Requests == 0 {
		t.Errorf("%s: %s", st.Where, st.Reason)
	}
	for _, r := range w.Rows(t) {
		if r.Workload == "w" && r.Model != "old" {
			t.Errorf("a client was answered by %s", r.Model)
		}
	}
}

// TestResumes: a runner that begins anew goes on where the last one was, in each
// stage, with the same evidence.
func TestResumes(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.Dir, "config.yaml")
	p := quick()
	p.Shadow.Least, p.Manual = 40, true
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	n := 0
	load := func() { n++; w.ask(t, "w", fmt.Sprint("question ", n), false) }
	again := func(where string, same func(a, b runner.Status) bool) {
		t.Helper()
		was := w.until(t, "w", nil, func(s runner.Status) bool {
			return s.Aside.Copied == int64(s.Report.Pairs) || s.Stage != rollout.Shadowing
		})
		w.Stop(t)
		w.Server = apptest.Serve(t, path)
		is, err := w.App.Rollouts.Status(t.Context(), "w", "")
		if err != nil || is.Where != was.Where || is.ID != was.ID || is.Where != where || !same(was, is) {
			t.Fatalf("was %s with %+v, is %s with %+v: %v", was.Where, was.Report, is.Where, is.Report, err)
		}
	}
	for range 12 {
		load()
	}
	w.until(t, "w", nil, func(s runner.Status) bool { return s.Report.Pairs == 12 })
	again("shadow", func(a, b runner.Status) bool { return b.Report.Quality == a.Report.Quality || b.Report.Pairs == 12 })
	w.until(t, "w", load, func(s runner.Status) bool { return s.Report.Pairs > 12 }) // copies go on
	if _, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil {
		t.Fatal(err)
	}
	w.until(t, "w", load, func(s runner.Status) bool { return s.Report.Clients[1] >= 3 })
	again("canary 30 % (step 1 of 2)", func(a, b runner.Status) bool { return b.Report.Clients[1] >= 3 && b.Report.Pairs >= a.Report.Pairs }) // copies go on
	for range 2 {
		if _, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil {
			t.Fatal(err)
		}
	}
	again("watch", func(_, b runner.Status) bool { return true })
	if _, model := w.ask(t, "w", "hello", false); model != "new" {
		t.Errorf("%s answers", model)
	}
	if _, err := w.App.Rollouts.Rollback(t.Context(), "w", ann, ""); err != nil {
		t.Fatal(err)
	}
	again("rolled-back", func(_, b runner.Status) bool { return true })
}

// TestRefused: what cannot be started or done is refused, and says why.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	r := w.App.Rollouts
	pairwise := quick()
	pairwise.Judge.Kind, pairwise.Judge.Models = "pairwise", []string{"new", "old", "far"}
	odd := quick()
	odd.Margin = 0
	for _, tt := range []struct {
		workload, to string
		plan         rollout.Plan
		want         string
	}{
		{"none", "new", quick(), "there is no workload none"}, {"w", "none", quick(), "there is no model none"},
		{"w", "old", quick(), "at model old already"}, {"w", "new", odd, "margin is 0"},
		{"secret", "new", pairwise, "no model may judge"},
	} {
		if _, err := r.Begin(ctx, tt.workload, tt.to, tt.plan, ann, ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s to %s: %v, want %q", tt.workload, tt.to, err, tt.want)
		}
	}
	if _, err := r.Begin(ctx, "w", "new", pairwise, ann, ""); err != nil {
		t.Errorf("a judge that is no contestant: %v", err)
	}
	if _, err := r.Begin(ctx, "w", "third", quick(), ann, ""); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := r.Resume(ctx, "w", decimal.NullDecimal{}, ann, ""); err == nil {
		t.Error("resumed what was not paused")
	}
	if s, err := r.Pause(ctx, "w", ann, "lunch"); err != nil || !s.Paused || s.Reason != "lunch" {
		t.Errorf("%+v: %v", s, err)
	}
	if s, err := r.Resume(ctx, "w", decimal.NullDecimal{}, ann, ""); err != nil || s.Paused {
		t.Errorf("%+v: %v", s, err)
	}
	if s, err := r.Abort(ctx, "w", ann, ""); err != nil || s.Stage != rollout.Aborted {
		t.Errorf("%+v: %v", s, err)
	}
	for name, f := range map[string]func(context.Context, string, history.Who, string) (rollout.State, error){"promote": r.Promote, "pause": r.Pause, "abort": r.Abort, "rollback": r.Rollback} {
		if _, err := f(ctx, "w", ann, ""); err == nil {
			t.Errorf("%s of what has ended", name)
		}
		if _, err := f(ctx, "free", ann, ""); err == nil || !strings.Contains(err.Error(), "no rollout") {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
}

// TestApprovals: with two wanted, the one who started does not cut over alone.
func TestApprovals(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Approvals, p.Steps = 0, 2, []rollout.Step{{Share: 1}}
	r := w.App.Rollouts
	if _, err := r.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	st := w.until(t, "w", nil, func(s runner.Status) bool { return s.Stage == rollout.Cutover })
	if st.Where != "cutover, waits for 1 more to approve" || w.App.Config().Workloads["w"].Model != "old" {
		t.Errorf("%s, config.yaml has %s", st.Where, w.App.Config().Workloads["w"].Model)
	}
	if _, err := r.Promote(t.Context(), "w", ann, ""); err == nil || !strings.Contains(err.Error(), "has approved") {
		t.Errorf("the same person twice: %v", err)
	}
	for _, name := range []string{"ann", " Ann "} {
		successor := history.Who{Via: "key", Name: "of ann, rotated", Person: name}
		if _, err := r.Promote(t.Context(), "w", successor, ""); err == nil || !strings.Contains(err.Error(), name+" has approved") {
			t.Errorf("the same person by another key, of %q: %v", name, err)
		}
	}
	if _, err := r.Promote(t.Context(), "w", history.Who{Via: "os", Name: "ann"}, ""); err == nil || !strings.Contains(err.Error(), "can be anybody") {
		t.Errorf("by the local socket: %v", err)
	}
	if s, err := r.Promote(t.Context(), "w", bob, ""); err != nil || s.Stage != rollout.Watching {
		t.Errorf("%s: %v", s.Where(), err)
	}
}

// TestApprovalsOfSteps: who promotes a step has not approved the cutover.
func TestApprovalsOfSteps(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Approvals, p.Manual = 0, 2, true
	r := w.App.Rollouts
	if _, err := r.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	for range p.Steps {
		if s, err := r.Promote(t.Context(), "w", bob, ""); err != nil || s.Missing() != 1 {
			t.Fatalf("%s: %v", s.Where(), err)
		}
	}
	if s, err := r.Promote(t.Context(), "w", bob, ""); err != nil || s.Stage != rollout.Watching {
		t.Errorf("%s: %v", s.Where(), err)
	}
}

// TestApprovalsRaised: what the configuration wants by now counts where it is more,
// and no longer when it is taken back.
func TestApprovalsRaised(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Approvals, p.Manual, p.Steps = 0, 1, true, []rollout.Step{{Share: 1}}
	r := w.App.Rollouts
	if _, err := r.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	set := func(n string) {
		t.Helper()
		if _, err := w.App.Edit(t.Context(), "workloads.w.approvals", json.RawMessage(n), ann, ""); err != nil {
			t.Fatal(err)
		}
	}
	set("3")
	s, err := r.Promote(t.Context(), "w", ann, "")
	if err != nil || s.Stage != rollout.Cutover || s.Missing() != 2 || w.App.Config().Workloads["w"].Model != "old" {
		t.Fatalf("%s: %v", s.Where(), err)
	}
	if st, err := r.Status(t.Context(), "w", ""); err != nil || st.Where != "cutover, waits for 2 more to approve" {
		t.Errorf("%s: %v", st.Where, err)
	}
	if all, err := r.List(t.Context(), "w"); err != nil || all[0].Missing() != 2 {
		t.Errorf("%+v: %v", all, err)
	}
	set("2")
	if s, err := r.Promote(t.Context(), "w", bob, ""); err != nil || s.Stage != rollout.Watching {
		t.Errorf("%s: %v", s.Where(), err)
	}
}

// TestSticky: a conversation stays on its side, and goes over for good when the
// share grows.
func TestSticky(t *testing.T) {
	over := 0
	for i := range 10_000 {
		at := runner.Place("r", fmt.Sprint("conversation ", i))
		if at != runner.Place("r", fmt.Sprint("conversation ", i)) || at < 0 || at >= 1 {
			t.Fatal(at)
		}
		if at < 0.05 {
			over++
		}
	}
	if over < 400 || over > 600 {
		t.Errorf("%d of 10,000 conversations are in 5 %%", over)
	}
}

// TestPerimeter: copies and questions to judges go no further than the request.
func TestPerimeter(t *testing.T) {
	w := newWorld(t)
	if _, err := w.App.Rollouts.Begin(t.Context(), "secret", "far", quick(), ann, ""); err == nil || !strings.Contains(err.Error(), "not inside") {
		t.Errorf("to a model that the workload's data may never reach: %v", err)
	}
	// A single request may be more secret than its workload.
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "far", quick(), ann, ""); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		req, err := http.NewRequest("POST", w.URL+"/v1/chat/completions", strings.NewReader(fmt.Sprintf(`{"model":"w","messages":[{"role":"user","content":"question %d"}]}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Freehold-Data-Class", "inner")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("X-Freehold-Model") != "old" {
			t.Fatalf("%d from %s", resp.StatusCode, resp.Header.Get("X-Freehold-Model"))
		}
	}
	w.until(t, "w", nil, func(s runner.Status) bool { return s.Aside.Failed+s.Aside.Dropped == 20 })
	if n := w.other.Stats().Requests; n != 0 {
		t.Errorf("%d requests left the perimeter", n)
	}
}

// TestRollbackUnderLoad: with many clients asking, no request fails, and those that
// begin after the rollback returned are answered by the old model.
func TestRollbackUnderLoad(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Steps = 0, []rollout.Step{{Share: 1}}
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	w.until(t, "w", nil, func(s runner.Status) bool { return s.Stage == rollout.Watching })
	var back, over atomic.Bool
	var before, after atomic.Int64
	var clients sync.WaitGroup
	for c := range 16 {
		clients.Go(func() {
			for n := 0; !over.Load(); n++ {
				was := back.Load()
				status, model := w.ask(t, "w", fmt.Sprintf("client %d, question %d", c, n), n%2 == 0)
				switch {
				case status != 200:
					t.Errorf("%d from %q", status, model)
					return
				case was && model != "old":
					t.Errorf("%s answers a request that was made after the rollback", model)
					return
				case was:
					after.Add(1)
				default:
					before.Add(1)
				}
			}
		})
	}
	for before.Load() < 200 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	begun := time.Now()
	s, err := w.App.Rollouts.Rollback(t.Context(), "w", bob, "")
	took := time.Since(begun)
	back.Store(true)
	if err != nil || s.Stage != rollout.RolledBack {
		t.Errorf("%s: %v", s.Where(), err)
	}
	for after.Load() < 200 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	over.Store(true)
	clients.Wait()
	t.Logf("the rollback took %v beside 16 clients; %d requests before it, %d after", took, before.Load(), after.Load())
}

// TestReloads: a reload leaves a rollout alone, unless what it is about has gone.
func TestReloads(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Steps = 0, []rollout.Step{{Share: 0.5, For: time.Hour}, {Share: 1}}
	s, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, "")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(worldConfig, w.old.URL(), w.model.URL(), w.other.URL())
	w.Configure(t, text+"# another line\n")
	sides := map[string]bool{}
	for n := range 40 {
		_, model := w.ask(t, "w", fmt.Sprint("question ", n), false)
		sides[model] = true
	}
	st := w.until(t, "w", nil, func(s runner.Status) bool { return s.Report.Clients[0]+s.Report.Clients[1] == 40 })
	if st.ID != s.ID || st.Paused || !sides["old"] || !sides["new"] {
		t.Errorf("%s: %s, answered by %v", st.Where, st.Reason, sides)
	}
	w.Configure(t, strings.Replace(text, "  new: {", "  newer: {", 1))
	st = w.until(t, "w", nil, func(s runner.Status) bool { return s.Paused })
	if !strings.Contains(st.Reason, "no model new any more") {
		t.Errorf("%s: %s", st.Where, st.Reason)
	}
	if status, model := w.ask(t, "w", "hello", false); status != 200 || model != "old" {
		t.Errorf("%d from %s", status, model)
	}
	w.Configure(t, text)
	if s, err := w.App.Rollouts.Resume(t.Context(), "w", decimal.NullDecimal{}, ann, ""); err != nil || s.Paused {
		t.Errorf("%s: %v", s.Where(), err)
	}
	w.Configure(t, strings.Replace(text, "model: old # the line", "model: third # the line", 1))
	st = w.until(t, "w", nil, func(s runner.Status) bool { return s.Paused })
	if !strings.Contains(st.Reason, "neither old nor new") {
		t.Errorf("%s: %s", st.Where, st.Reason)
	}
}
