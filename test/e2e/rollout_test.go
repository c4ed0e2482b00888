package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// moved is a freehold as a process, with a workload that is moved from one
// provider to another.
type moved struct {
	*process
	path string
	asks int
}

const movedConfig = `# The rollout test.
providers:
  cloud: {preset: anthropic, base_url: "%s", probe: {enabled: false}}
  cluster: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  rented: {provider: cloud, id: claude-3-5-sonnet-20241022, price: {input: "3", output: "15"}}
  owned: {provider: cluster, id: some-model, price: {input: "0.2", output: "0.2"}}
workloads:
  w:
    model: rented # the line
rollouts:
  w:
    to: owned
    shadow: {share: 100%%, least: 10, concurrency: 2}
    judge: {kind: normalised}
    margin: 30%%
    gates: {latency: {percentile: 0}}
    manual: true
    watch: 1h
    steps: [{share: 30%%, for: 1ms, samples: 5}, {share: 100%%, for: 1ms, samples: 5}]
`

func newMoved(t *testing.T) *moved {
	t.Helper()
	cloud := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 6})
	cluster := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6})
	m := &moved{path: writeConfig(t, t.TempDir(), fmt.Sprintf(movedConfig, cloud.URL(), cluster.URL()))}
	m.process = launch(t, m.path, nil)
	return m
}

// do asks for an operation of the administration.
func (m *moved) do(t *testing.T, method, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, m.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d: %v\n%s", method, path, resp.StatusCode, err, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatalf("%s: %v\n%s", path, err, answer)
	}
}

func (m *moved) status(t *testing.T) (s admin.RolloutStatus) {
	t.Helper()
	m.do(t, http.MethodGet, "/admin/v1/rollouts/w", nil, &s)
	return s
}

// ask asks one thing and says which model answered.
func (m *moved) ask(t *testing.T) string {
	t.Helper()
	m.asks++
	r := ask(t, both(t, m.url)[m.asks%2], client.Request{Model: "w", Prompt: fmt.Sprint("question ", m.asks), Stream: m.asks%3 == 0})
	if !r.Whole() {
		t.Fatalf("request %d: %v", m.asks, &r)
	}
	return r.Header.Get("X-Freehold-Model")
}

// killed kills freehold with -9, starts it again, and checks that the rollout is
// where it was, with what was known.
func (m *moved) killed(t *testing.T, where string) {
	t.Helper()
	was := m.status(t)
	m.kill(t)
	m.process = launch(t, m.path, nil)
	is := m.status(t)
	if is.ID != was.ID || is.Where != was.Where || !strings.HasPrefix(is.Where, where) || is.Report.Pairs < was.Report.Pairs || is.Report.Clients[1] < was.Report.Clients[1] {
		t.Fatalf("killed as %s with %d pairs and %v clients, it goes on as %s with %d and %v",
			was.Where, was.Report.Pairs, was.Report.Clients, is.Where, is.Report.Pairs, is.Report.Clients)
	}
	t.Logf("%s: %d pairs, %v clients", is.Where, is.Report.Pairs, is.Report.Clients)
}

// TestRolloutSurvivesKill kills freehold with -9 in each stage of a rollout from a
// cloud's API to a model of one's own: it goes on where it was, no request is lost,
// and the way back works.
func TestRolloutSurvivesKill(t *testing.T) {
	m := newMoved(t)
	var out admin.RolloutStartOut
	m.do(t, http.MethodPost, "/admin/v1/rollouts", admin.RolloutStartIn{Workload: "w", Reason: "own it"}, &out)
	if !out.Started || out.Rollout.Stage != "shadow" {
		t.Fatalf("%+v", out)
	}
	for range 12 {
		if by := m.ask(t); by != "rented" {
			t.Fatalf("while it is shadowed %s answers", by)
		}
	}
	eventually(t, "the copies are compared", func() bool { return m.status(t).Report.Pairs == 12 })
	m.killed(t, "shadow")

	promote := func() {
		t.Helper()
		var s admin.RolloutStatus
		m.do(t, http.MethodPost, "/admin/v1/rollouts/w/promote", map[string]string{}, &s)
	}
	promote()
	both := map[string]int{}
	eventually(t, "both models have answered", func() bool {
		both[m.ask(t)]++
		return both["rented"] > 3 && both["owned"] > 3
	})
	eventually(t, "they are counted", func() bool { c := m.status(t).Report.Clients; return c[0]+c[1] == both["rented"]+both["owned"] })
	m.killed(t, "canary 30 %")
	promote()
	if by := m.ask(t); by != "owned" {
		t.Errorf("at 100 %% %s answers", by)
	}
	m.killed(t, "canary 100 %")
	promote()
	m.killed(t, "watch")
	if by := m.ask(t); by != "owned" {
		t.Errorf("after the cutover %s answers", by)
	}
	m.line(t, "model: owned # the line")

	begun := time.Now()
	var s admin.RolloutStatus
	m.do(t, http.MethodPost, "/admin/v1/rollouts/w/rollback", map[string]string{"reason": "a drill"}, &s)
	t.Logf("the rollback took %v", time.Since(begun))
	if s.Stage != "rolled-back" {
		t.Errorf("%s: %s", s.Where, s.Reason)
	}
	m.killed(t, "rolled-back")
	if by := m.ask(t); by != "rented" {
		t.Errorf("after the rollback %s answers", by)
	}
	m.line(t, "model: rented # the line")
	m.terminate(t)
	if out := freehold(t, m.path, "history", "verify"); !strings.Contains(out, "holds") && !strings.Contains(out, "records") {
		t.Errorf("the history: %s", out)
	}
	a, err := app.Open(t.Context(), app.Options{ConfigPath: m.path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	rows, err := a.Ledger.Requests(t.Context(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	clients := 0
	for _, r := range rows {
		if r.Workload == "w" && r.Outcome == ledger.OK {
			clients++
		}
	}
	if clients != m.asks {
		t.Errorf("the ledger has %d answers of %d", clients, m.asks)
	}
}

// line expects config.yaml to have a line.
func (m *moved) line(t *testing.T, want string) {
	t.Helper()
	if text, err := os.ReadFile(m.path); err != nil || !strings.Contains(string(text), want) {
		t.Errorf("config.yaml lacks %q: %v\n%s", want, err, text)
	}
}
