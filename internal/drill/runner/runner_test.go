package runner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold/internal/app"
	"freehold/internal/app/apptest"
	"freehold/internal/drill"
	"freehold/internal/drill/runner"
	"freehold/internal/history"
	"freehold/internal/llm"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

var ann = history.Who{Via: "os", Name: "ann"}

const drillConfig = `
server: {listen: 127.0.0.1:0}
retries: {max: 0}
timeouts: {first_token: 2m}
providers:
  cloud: {preset: vllm, base_url: "%s/v1", api_key: k, probe: {enabled: false}}
  local: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  large: {provider: cloud, id: large-weights, continuation: prefill, timeouts: {first_token: LIMIT}}
  small: {provider: local, id: small-weights, continuation: prefill}
workloads:
  w: {model: large, fallbacks: [small]}
  alone: {model: large}
  promised: {model: large, fallbacks: [small], slo: {total: 10m}}
`

type world struct {
	*apptest.Server
	cloud, local *mock.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWithin(t, "2m")
}

// newWorldWithin has another limit to the first token of the cloud.
func newWorldWithin(t *testing.T, limit string) *world {
	t.Helper()
	w := &world{cloud: mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 40}), local: mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 40})}
	w.Server = apptest.Start(t, fmt.Sprintf(strings.Replace(drillConfig, "LIMIT", limit, 1), w.cloud.URL(), w.local.URL()))
	return w
}

func (w *world) ask(t *testing.T, workload string, n int) (status int, model string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"model": workload, "stream": n%2 == 0, "messages": []any{map[string]any{"role": "user", "content": fmt.Sprint("question ", n)}}})
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

// TestKinds: whatever fails, the other model answers, no client sees an error, the
// provider is left alone, and its breaker and key are as they were afterwards.
func TestKinds(t *testing.T) {
	for _, kind := range drill.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			limit := "2m"
			if kind == drill.Slow {
				limit = "300ms"
			}
			w := newWorldWithin(t, limit)
			r := w.App.Drills
			p := drill.Plan{Kind: kind, Providers: []string{"cloud"}, Workload: "w", For: time.Hour, Share: 1, Delay: time.Second, Errors: 1}
			d, err := r.Start(t.Context(), p, ann, "quarterly")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Start(t.Context(), p, ann, ""); err == nil || !strings.Contains(err.Error(), "under way") {
				t.Errorf("a second one: %v", err)
			}
			const n = 6
			for i := range n {
				if status, model := w.ask(t, "w", i); status != 200 {
					t.Errorf("%d from %q", status, model)
				}
			}
			if _, so, ok := r.Now(); !ok || so != (runner.Progress{Hit: n, FailedOver: n}) {
				t.Errorf("%+v, under way %v", so, ok)
			}
			got, err := r.Stop(t.Context(), ann, "seen enough")
			if err != nil || got.State != drill.Stopped || got.ID != d.ID || got.Report == nil {
				t.Fatalf("%+v: %v", got, err)
			}
			rep := got.Report
			if rep.Hit != n || rep.Errors != 0 || rep.FailedOver != n || rep.Verdict != drill.Passed || len(rep.Outside) != 0 || rep.Total.HitP50 == 0 {
				t.Errorf("%+v", rep)
			}
			if by := []drill.Answered{{Model: "small", Deployment: "small@local", Requests: n}}; !slices.Equal(rep.By, by) {
				t.Errorf("answered by %+v", rep.By)
			}
			if (kind == drill.Cut) != (rep.Continued > 0) {
				t.Errorf("%d were continued", rep.Continued)
			}
			if asked := w.cloud.Stats().Requests; (kind == drill.Cut) != (asked > 0) {
				t.Errorf("the provider was asked %d times", asked)
			}
			if status, model := w.ask(t, "w", 1); status != 200 || model != "large" && kind != drill.Slow {
				t.Errorf("after the drill: %d from %s", status, model)
			}
			for _, row := range w.Rows(t) {
				if row.Drill == d.ID && row.Attempts[0].Fault == "" {
					t.Errorf("not failed: %+v", row.Attempts[0])
				}
			}
			list, err := w.App.History.List(t.Context(), history.Filter{})
			if err != nil || list[0].Kind != runner.KindEnd || list[1].Kind != runner.KindStart || !strings.Contains(list[0].Details["evidence"], `"verdict":"passed"`) {
				t.Errorf("the history has %+v: %v", list[:2], err)
			}
		})
	}
}

// TestSlowStays: a provider that is slow and is not given up proves nothing, unless
// the workload says how slow is too slow.
func TestSlowStays(t *testing.T) {
	w := newWorld(t)
	for workload, want := range map[string]drill.Verdict{"w": drill.Nothing, "promised": drill.Passed} {
		p := drill.Plan{Kind: drill.Slow, Providers: []string{"cloud"}, Workload: workload, For: time.Hour, Share: 1, Delay: time.Millisecond, Errors: 1}
		if _, err := w.App.Drills.Start(t.Context(), p, ann, ""); err != nil {
			t.Fatal(err)
		}
		if status, model := w.ask(t, workload, 1); status != 200 || model != "large" {
			t.Errorf("%s: %d from %s", workload, status, model)
		}
		if _, so, _ := w.App.Drills.Now(); so.Hit != 1 || so.FailedOver != 0 {
			t.Errorf("%s: %+v", workload, so)
		}
		got, err := w.App.Drills.Stop(t.Context(), ann, "")
		if err != nil || got.Report.Verdict != want || got.Report.Stayed != 1 || got.Report.FailedOver != 0 || (len(got.Report.Promises) == 1) != (workload == "promised") {
			t.Errorf("%s: %+v: %v", workload, got.Report, err)
		}
	}
}

// TestStopsAtAnError: the first error that a client sees ends the drill.
func TestStopsAtAnError(t *testing.T) {
	w := newWorld(t)
	d, err := w.App.Drills.Start(t.Context(), drill.Plan{Kind: drill.Down, Providers: []string{"cloud"}, Workload: "alone", For: time.Hour, Share: 1, Errors: 1}, ann, "")
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := w.ask(t, "alone", 1); status == 200 {
		t.Error("answered without a provider")
	}
	got, err := w.App.Drills.Wait(t.Context(), d.ID)
	if err != nil || got.State != drill.Failed || got.Report.Verdict != drill.NotPassed || got.Report.Errors != 1 || len(got.Report.Failed) != 1 {
		t.Fatalf("%+v %+v: %v", got, got.Report, err)
	}
	if status, _ := w.ask(t, "alone", 2); status != 200 {
		t.Errorf("after the drill: %d", status)
	}
}

// TestExit: without its vendor a workload lives on its fallback; one that has none
// is answered by the vendor all the same, and has not passed.
func TestExit(t *testing.T) {
	for workload, want := range map[string]drill.Verdict{"w": drill.Passed, "alone": drill.NotPassed} {
		w := newWorld(t)
		d, err := w.App.Drills.Start(t.Context(), drill.Plan{Kind: drill.Exit, Providers: []string{"cloud"}, Workload: workload, For: time.Hour, Share: 1, Errors: 1}, ann, "")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			status, model := w.ask(t, workload, i)
			if status != 200 || (model == "small") != (workload == "w") {
				t.Errorf("%s: %d from %s", workload, status, model)
			}
		}
		got, err := w.App.Drills.Stop(t.Context(), ann, "")
		if err != nil || got.Report.Verdict != want || got.Report.Hit != 4 || got.ID != d.ID {
			t.Errorf("%s: %+v: %v", workload, got.Report, err)
		}
	}
}

// TestShare: a share of requests is hit, and no others.
func TestShare(t *testing.T) {
	w := newWorld(t)
	if _, err := w.App.Drills.Start(t.Context(), drill.Plan{Kind: drill.Errors, Providers: []string{"cloud"}, For: time.Hour, Share: 0.2, Errors: 1}, ann, ""); err != nil {
		t.Fatal(err)
	}
	small := 0
	for i := range 200 {
		status, model := w.ask(t, "w", i)
		if status != 200 {
			t.Fatalf("%d from %q", status, model)
		}
		if model == "small" {
			small++
		}
	}
	got, err := w.App.Drills.Stop(t.Context(), ann, "")
	if err != nil || got.Report.Hit != small || small < 15 || small > 70 || got.Report.Requests != 200 {
		t.Errorf("%d of 200 were answered by the other model, %+v: %v", small, got.Report, err)
	}
	if got.Report.Total.OthersP50 == 0 || got.Report.Total.HitP50 == 0 {
		t.Errorf("%+v", got.Report.Total)
	}
}

// TestTimeIsUp: a drill ends by itself, and touches nothing afterwards.
func TestTimeIsUp(t *testing.T) {
	w := newWorld(t)
	d, err := w.App.Drills.Start(t.Context(), drill.Plan{Kind: drill.Down, Providers: []string{"cloud"}, For: 50 * time.Millisecond, Share: 1, Errors: 1}, ann, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.App.Drills.Wait(t.Context(), d.ID)
	if err != nil || got.State != drill.Finished || got.Report.Verdict != drill.Nothing {
		t.Fatalf("%+v: %v", got, err)
	}
	if status, model := w.ask(t, "w", 1); status != 200 || model != "large" {
		t.Errorf("%d from %s", status, model)
	}
}

// TestRefused: what cannot be is refused, all of it at once.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		plan drill.Plan
		want []string
	}{
		{drill.Plan{Kind: "fire", Providers: []string{"cloud"}}, []string{"kind is \"fire\"", "the time is 0s", "the share is 0", "errors that stops it is 0"}},
		{drill.Plan{Kind: drill.Down, Providers: []string{"none"}}, []string{"there is no provider none"}},
		{drill.Plan{Kind: drill.Down, Providers: []string{"cloud"}, Workload: "none"}, []string{"there is no workload none"}},
		{drill.Plan{Kind: drill.Exit, Providers: []string{"cloud"}, For: time.Minute, Share: 1, Errors: 1}, []string{"of one workload"}},
		{drill.Plan{Kind: drill.Slow, Providers: []string{"cloud"}, For: 48 * time.Hour, Share: 1, Errors: 1}, []string{"at most 24h", "the delay is 0s"}},
	} {
		_, err := w.App.Drills.Start(t.Context(), tt.plan, ann, "")
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", tt.plan, err, want)
			}
		}
	}
	if _, err := w.App.Drills.Stop(t.Context(), ann, ""); err == nil {
		t.Error("stopped what there is not")
	}
}

// TestSynthetic: freehold asks by itself; the clients of the same workload are left
// alone, and the drill ends when all is asked.
func TestSynthetic(t *testing.T) {
	for _, tt := range []struct {
		kind     drill.Kind
		workload string
		want     drill.Verdict
	}{
		{drill.Down, "w", drill.Passed}, {drill.Cut, "w", drill.Passed}, {drill.Down, "alone", drill.NotPassed},
		{drill.Exit, "w", drill.Passed}, {drill.Exit, "alone", drill.NotPassed},
	} {
		t.Run(string(tt.kind)+"/"+tt.workload, func(t *testing.T) {
			w := newWorld(t)
			var prompts []runner.Prompt
			for i := range 12 {
				prompts = append(prompts, runner.Prompt{Workload: tt.workload, Op: llm.Chat, Codec: app.Codecs()["openai"], Body: drill.ChatPrompt(i)})
			}
			p := drill.Plan{Kind: tt.kind, Providers: []string{"cloud"}, Workload: tt.workload, For: time.Hour, Share: 1, Errors: 1}
			d, err := w.App.Drills.Rehearse(t.Context(), p, prompts, ann, "")
			if err != nil {
				t.Fatal(err)
			}
			if status, model := w.ask(t, tt.workload, 1); status != 200 || model != "large" {
				t.Errorf("a client got %d from %s", status, model)
			}
			got, err := w.App.Drills.Wait(t.Context(), d.ID)
			if err != nil || got.Report.Verdict != tt.want {
				t.Fatalf("%+v %+v: %v", got, got.Report, err)
			}
			if tt.want == drill.Passed && (got.State != drill.Finished || got.Report.Hit != 12 || got.Report.Requests != 12 || got.Report.FailedOver != 12) {
				t.Errorf("%+v %+v", got, got.Report)
			}
			if tt.kind == drill.Down && tt.want == drill.NotPassed && got.State != drill.Failed {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestSyntheticShare: what is not hit is what the hit ones are compared with.
func TestSyntheticShare(t *testing.T) {
	w := newWorld(t)
	var prompts []runner.Prompt
	for i := range 60 {
		prompts = append(prompts, runner.Prompt{Workload: "w", Op: llm.Chat, Codec: app.Codecs()["openai"], Body: drill.ChatPrompt(i)})
	}
	d, err := w.App.Drills.Rehearse(t.Context(), drill.Plan{Kind: drill.Down, Providers: []string{"cloud"}, For: time.Hour, Share: 0.5, Errors: 1}, prompts, ann, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.App.Drills.Wait(t.Context(), d.ID)
	if err != nil || got.Report.Requests != 60 || got.Report.Hit < 5 || got.Report.Hit > 55 || got.Report.Total.OthersP50 == 0 {
		t.Errorf("%+v: %v", got.Report, err)
	}
}

// TestUnderLoad: drills of all requests begin and end under load, one kind after
// another, and no client ever sees an error.
func TestUnderLoad(t *testing.T) {
	w := newWorld(t)
	over, answers := make(chan struct{}), make(chan int)
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := c; ; i += 8 {
				status, _ := w.ask(t, "w", i)
				select {
				case <-over:
					return
				case answers <- status:
				}
			}
		})
	}
	for _, kind := range append(drill.Kinds(), drill.Exit) {
		p := drill.Plan{Kind: kind, Providers: []string{"cloud"}, Workload: "w", For: time.Hour, Share: 1, Delay: 50 * time.Millisecond, Errors: 1}
		d, err := w.App.Drills.Start(t.Context(), p, ann, "")
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			if status := <-answers; status != http.StatusOK {
				t.Errorf("%s: a client got %d", kind, status)
			}
		}
		got, err := w.App.Drills.Stop(t.Context(), ann, "")
		if err != nil {
			if got, err = w.App.Drills.Wait(t.Context(), d.ID); err != nil {
				t.Fatal(err)
			}
		}
		want := drill.Passed
		if kind == drill.Slow {
			want = drill.Nothing // no limit is as short as the delay, and there is no SLO
		}
		if got.State != drill.Stopped || got.Report.Errors != 0 || got.Report.Hit == 0 || got.Report.Verdict != want {
			t.Errorf("%s: %s, %+v", kind, got.State, got.Report)
		}
	}
	close(over)
	clients.Wait()
}
