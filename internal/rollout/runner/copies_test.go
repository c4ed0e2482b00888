package runner_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// judged is a world in which the models differ and another one judges: it answers
// with this status and text, whatever it is asked.
func judged(t *testing.T, status int, text string) (*world, rollout.Plan) {
	t.Helper()
	w := newWorld(t)
	worse := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6, Seed: 99})
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, fmt.Sprintf(`{"id":"1","object":"chat.completion","created":1,"model":"j","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}`, text))
	}))
	t.Cleanup(model.Close)
	w.Configure(t, fmt.Sprintf(worldConfig, w.old.URL(), worse.URL(), model.URL))
	p := quick()
	p.Judge.Kind, p.Judge.Models = judge.Pairwise, []string{"far"}
	return w, p
}

// config is the text of config.yaml.
func (w *world) config(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.Dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bounded is load whose answers have a limit.
func (w *world) bounded(t *testing.T) func() {
	n := 0
	return func() {
		n++
		resp, err := http.Post(w.URL+"/v1/chat/completions", "application/json", strings.NewReader(fmt.Sprintf(`{"model":"w","max_tokens":20,"messages":[{"role":"user","content":"question %d"}]}`, n)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
}

func (w *world) load(t *testing.T) func() {
	n := 0
	return func() { n++; w.ask(t, "w", fmt.Sprint("question ", n), n%2 == 0) }
}

// TestJudgeTurns: a judge whose word goes by the order of the answers finds all of
// them alike, and does not let a rollout go on.
func TestJudgeTurns(t *testing.T) {
	w, p := judged(t, 200, `{"winner": "A"}`)
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	st := w.until(t, "w", w.load(t), func(s runner.Status) bool { return s.Paused || s.Stage != rollout.Shadowing })
	if st.Stage != rollout.Shadowing || !strings.Contains(st.Reason, "cannot be relied on") || !st.Report.JudgeTurns {
		t.Errorf("%s: %s; %+v", st.Where, st.Reason, st.Report)
	}
	if s, err := w.App.Rollouts.Promote(t.Context(), "w", ann, "I have read the answers"); err != nil || s.Stage != rollout.Canary || s.Paused {
		t.Errorf("%s: %v", s.Where(), err)
	}
}

// TestJudgeAway: a judge that never answers ends the copying, which costs, and the
// rollout says why it waits.
func TestJudgeAway(t *testing.T) {
	w, p := judged(t, 500, "no")
	p.Shadow.Concurrency = 1
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	st := w.until(t, "w", w.load(t), func(s runner.Status) bool { return s.Paused })
	if !strings.Contains(st.Reason, "the last 20 copies could not be judged") || st.Aside.Unjudged != 20 || st.Aside.LastFailure == "" {
		t.Errorf("%s: %+v", st.Reason, st.Aside)
	}
	if s, err := w.App.Rollouts.Resume(t.Context(), "w", decimal.NullDecimal{}, ann, "it is back"); err != nil || s.Paused {
		t.Errorf("%s: %v", s.Where(), err)
	}
}

// TestBudget: copies and judging never cost more than they may, however many are
// under way, and a rollout that has spent all goes on with another budget only.
func TestBudget(t *testing.T) {
	w, p := judged(t, 200, `{"winner": "tie"}`)
	p.Shadow.Concurrency, p.Shadow.Budget, p.Shadow.Least = 16, dollars("0.5"), 5000
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err == nil || !strings.Contains(err.Error(), "nobody knows what new@second costs") {
		t.Errorf("a budget without prices: %v", err)
	}
	priced := strings.NewReplacer("id: new-weights", `id: new-weights, price: {input: "1000", output: "1000"}`, "id: far-weights", `id: far-weights, price: {input: "10", output: "10"}`)
	w.Configure(t, priced.Replace(w.config(t)))
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	load := w.bounded(t)
	for budget := 1; ; budget++ {
		st := w.until(t, "w", load, func(s runner.Status) bool { return s.Paused })
		most := decimal.NewFromInt(int64(budget)).Div(decimal.NewFromInt(2))
		if st.Aside.USD.GreaterThan(most) || !st.Aside.USD.IsPositive() || !strings.Contains(st.Reason, "is spent") || st.Aside.Muted != st.Reason {
			t.Fatalf("%s of %s: %s", st.Aside.USD, most, st.Reason)
		}
		if budget == 3 {
			break
		}
		if _, err := w.App.Rollouts.Resume(t.Context(), "w", decimal.NullDecimal{}, ann, ""); err == nil || !strings.Contains(err.Error(), "is spent") {
			t.Errorf("resumed without money: %v", err)
		}
		if s, err := w.App.Rollouts.Resume(t.Context(), "w", decimal.NewNullDecimal(most.Add(decimal.RequireFromString("0.5"))), ann, ""); err != nil || s.Paused {
			t.Fatalf("%s: %v", s.Where(), err)
		}
	}
	// In a canary requests go on telling without copies.
	if s, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil || s.Stage != rollout.Canary {
		t.Fatalf("%s: %v", s.Where(), err)
	}
}

// TestElsewhere: while the configuration names a third model nothing goes on, by
// hand either, and a rollout that is paused does not write it.
func TestElsewhere(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Steps = 0, []rollout.Step{{Share: 1, For: time.Hour, Samples: 1}}
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	was := w.config(t)
	w.Configure(t, strings.Replace(was, "model: old # the", "model: third # the", 1))
	st := w.until(t, "w", nil, func(s runner.Status) bool { return s.Paused })
	if _, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err == nil || !strings.Contains(err.Error(), "names third") {
		t.Errorf("%s: %v", st.Where, err)
	}
	w.Configure(t, was)
	w.App.Rollouts.Tick(t.Context())
	if st = w.until(t, "w", nil, func(runner.Status) bool { return true }); !st.Paused || w.App.Config().Workloads["w"].Model != "old" {
		t.Errorf("%s, and the configuration names %s", st.Where, w.App.Config().Workloads["w"].Model)
	}
	if s, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil || s.Stage != rollout.Watching || s.Paused {
		t.Errorf("%s: %v", s.Where(), err)
	}
}
