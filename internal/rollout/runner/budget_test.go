package runner_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"freehold/internal/app"
	"freehold/internal/app/apptest"
	"freehold/internal/gateway"
	"freehold/internal/judge"
	"freehold/internal/llm"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// metered serves a model whose answers are as long as they may be, 8,000 tokens
// where nothing bounds them, with what say says in them.
func metered(t *testing.T, say func() string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := struct {
			MaxTokens int `json:"max_tokens"`
		}{8000}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}],
			"usage":{"prompt_tokens":10,"completion_tokens":%d,"total_tokens":%d}}`, say(), q.MaxTokens, q.MaxTokens+10)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func dollars(s string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(s))
}

// limited asks with a limit of the answer.
func (w *world) limited(t *testing.T, n *int, tokens int) {
	t.Helper()
	*n++
	body := fmt.Sprintf(`{"model":"w","max_tokens":%d,"messages":[{"role":"user","content":"question %d"}]}`, tokens, *n)
	resp, err := http.Post(w.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestBudgetOfEach: a copy counts by what it may cost itself: one that is dear neither
// keeps cheap ones from being made nor ends the copying, and a budget that pays for
// nothing more is not taken.
func TestBudgetOfEach(t *testing.T) {
	w := newWorld(t)
	priced := strings.Replace(worldConfig, "id: new-weights", `id: new-weights, price: {input: "0", output: "1000"}`, 1)
	same := func() string { return "text" }
	w.Configure(t, fmt.Sprintf(priced, metered(t, same), metered(t, same), w.other.URL()))
	p := quick()
	p.Shadow.Concurrency, p.Shadow.Budget, p.Shadow.Least, p.Manual = 1, dollars("1"), 5000, true
	p.Margin, p.Errors = 0.99, 1
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	n, pairs := 0, 0
	ask := func(tokens int, copied bool) {
		t.Helper()
		was := w.until(t, "w", nil, func(runner.Status) bool { return true }).Aside
		w.limited(t, &n, tokens)
		if copied {
			pairs++
		}
		st := w.until(t, "w", nil, func(s runner.Status) bool { return s.Aside.Copied+s.Aside.Dropped > was.Copied+was.Dropped })
		if st.Paused || st.Report.Pairs != pairs {
			t.Fatalf("after request %d of %d tokens: %s: %s; %d pairs, not %d", n, tokens, st.Where, st.Reason, st.Report.Pairs, pairs)
		}
	}
	ask(600, true)
	for range 10 {
		ask(10, true)
	}
	for range 25 {
		ask(600, false)
		ask(10, true)
	}
	st := w.until(t, "w", func() { w.limited(t, &n, 10) }, func(s runner.Status) bool { return s.Paused })
	if !st.Aside.USD.Equal(decimal.RequireFromString("1")) || !st.Aside.Broke || !strings.Contains(st.Reason, "is spent") {
		t.Errorf("%s are spent: %s", st.Aside.USD, st.Reason)
	}
	for _, less := range []string{"0.99", "1.009"} {
		if _, err := w.App.Rollouts.Resume(t.Context(), "w", dollars(less), ann, ""); err == nil || !strings.Contains(err.Error(), "the budget of "+less) {
			t.Errorf("resumed with %s: %v", less, err)
		}
	}
	if s, err := w.App.Rollouts.Resume(t.Context(), "w", dollars("1.01"), ann, ""); err != nil || s.Paused {
		t.Fatalf("%s: %v", s.Where(), err)
	}
	st = w.until(t, "w", func() { w.limited(t, &n, 10) }, func(s runner.Status) bool { return s.Paused })
	if !st.Aside.USD.Equal(decimal.RequireFromString("1.01")) {
		t.Errorf("%s of 1.01 are spent: %s", st.Aside.USD, st.Reason)
	}
}

// TestBudgetAgain: who begins anew knows why nothing is copied any more, and takes no
// budget that does not pay for another copy.
func TestBudgetAgain(t *testing.T) {
	for _, stage := range []rollout.Stage{rollout.Shadowing, rollout.Canary} {
		t.Run(string(stage), func(t *testing.T) {
			w := newWorld(t)
			priced := strings.Replace(worldConfig, "id: new-weights", `id: new-weights, price: {input: "0", output: "1000"}`, 1)
			same := func() string { return "text" }
			w.Configure(t, fmt.Sprintf(priced, metered(t, same), metered(t, same), w.other.URL()))
			p := quick()
			p.Shadow.Concurrency, p.Shadow.Budget, p.Shadow.Least, p.Manual = 1, dollars("1"), 5000, true
			p.Margin, p.Errors, p.Steps = 0.99, 1, []rollout.Step{{Share: 0.0001, Samples: 5000}, {Share: 1}}
			if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
				t.Fatal(err)
			}
			if stage == rollout.Canary {
				if _, err := w.App.Rollouts.Promote(t.Context(), "w", ann, ""); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			load := func() { w.limited(t, &n, 600) }
			load()
			w.until(t, "w", nil, func(s runner.Status) bool { return s.Report.Pairs == 1 })
			before := w.until(t, "w", load, func(s runner.Status) bool { return s.Aside.Broke })
			w.Stop(t)
			w.Server = apptest.Serve(t, filepath.Join(w.Dir, "config.yaml"))
			after := w.until(t, "w", nil, func(runner.Status) bool { return true })
			if !after.Aside.Broke || after.Aside.Muted != before.Aside.Muted || !strings.Contains(after.Aside.Muted, "of the last 20 copies the cheapest may cost 0.6") {
				t.Errorf("after the restart: %+v; before: %q", after.Aside, before.Aside.Muted)
			}
			if m, ok := w.App.Rollouts.Part("w", "conversation"); !ok || m.Shadow {
				t.Errorf("after the restart a request's part is %+v", m)
			}
			for _, less := range []string{"", "1.05", "1.199"} {
				budget, want := decimal.NullDecimal{}, "is spent" // by resume without one
				if less != "" {
					budget, want = dollars(less), "the budget of "+less+" USD does not pay for another copy: 0.6 are spent, and of the last 20 copies"
				} else if stage == rollout.Canary {
					want = "is not paused"
				}
				if _, err := w.App.Rollouts.Resume(t.Context(), "w", budget, ann, ""); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("resumed with %q: %v", less, err)
				}
			}
			s, err := w.App.Rollouts.Resume(t.Context(), "w", dollars("1.2"), ann, "")
			if err != nil || s.Paused || s.Stage != stage || s.Muted != nil {
				t.Fatalf("%s: %v", s.Where(), err)
			}
			w.until(t, "w", load, func(s runner.Status) bool { return s.Report.Pairs == 2 })
		})
	}
}

// TestBudgetHolds: whatever is dear, judges that must be asked again and answers whose
// limit does not reach the model, a budget is not exceeded.
func TestBudgetHolds(t *testing.T) {
	for name, tt := range map[string]struct {
		model, budget, spent string
		judge                judge.Kind
	}{
		"a judge that is asked again":                    {`price: {input: "0", output: "1000"}`, "3", "0", judge.Pairwise},
		"a judge that is asked again, as the money goes": {`price: {input: "0", output: "1000"}`, "9", "8.212", judge.Pairwise},
		"a limit that is dropped":                        {`price: {input: "0", output: "100"}, params: {drop: [max_tokens]}`, "3", "2.4", judge.Normalised},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := quick()
			p.Shadow.Concurrency, p.Shadow.Budget, p.Shadow.Least, p.Manual = 1, dollars(tt.budget), 5000, true
			p.Margin, p.Errors = 0.99, 1
			p.Judge.Kind, p.Judge.Models = tt.judge, []string{"far"}
			asked := 0 // one after the other
			judging := metered(t, func() string {
				if asked++; asked%2 == 1 {
					return "I cannot say"
				}
				return `{"winner": "tie"}`
			})
			priced := strings.NewReplacer("id: new-weights", "id: new-weights, "+tt.model, "id: far-weights", `id: far-weights, price: {input: "0", output: "1000"}`).Replace(worldConfig)
			w.Configure(t, fmt.Sprintf(priced, w.old.URL(), metered(t, func() string { return "text" }), judging))
			if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
				t.Fatal(err)
			}
			n := 0
			st := w.until(t, "w", func() { w.limited(t, &n, 10) }, func(s runner.Status) bool { return s.Paused })
			if !strings.Contains(st.Reason, "the budget of "+tt.budget) || !st.Aside.USD.Equal(decimal.RequireFromString(tt.spent)) {
				t.Errorf("%s of %s are spent: %s", st.Aside.USD, tt.budget, st.Reason)
			}
		})
	}
}

// TestMost: the most that an answer can cost goes by what reaches the model.
func TestMost(t *testing.T) {
	w := newWorld(t)
	call := func(more string) *gateway.Call {
		return &gateway.Call{Op: llm.Chat, Codec: app.Codecs()["openai"], Raw: []byte(`{"model":"w","messages":[{"role":"user","content":"hello"}]` + more + `}`)}
	}
	for name, tt := range map[string]struct {
		model, request string
		out            int64
	}{
		"nothing bounds it":           {"", "", 8192},
		"its limit":                   {"", `,"max_tokens":10`, 10},
		"several answers":             {"", `,"max_tokens":10,"n":3`, 30},
		"a limit that is dropped":     {", params: {drop: [max_tokens]}", `,"max_tokens":10`, 8192},
		"a limit by default":          {", params: {defaults: {max_tokens: 20}}", "", 20},
		"several, of which one stays": {", params: {drop: [n]}", `,"max_tokens":10,"n":3`, 10},
	} {
		t.Run(name, func(t *testing.T) {
			priced := strings.Replace(worldConfig, "id: new-weights", `id: new-weights, price: {input: "0", output: "1000000"}`+tt.model, 1)
			w.Configure(t, fmt.Sprintf(priced, w.old.URL(), w.model.URL(), w.other.URL()))
			got := w.App.Aside.Most("w", "new", call(tt.request))
			if got.Out != tt.out || !got.USD.Valid || got.USD.Decimal.IntPart() != tt.out || got.Why != "" {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := w.App.Aside.Most("w", "old", call("")); got.USD.Valid || !strings.Contains(got.Why, "price of old@first is not known") {
		t.Errorf("without a price: %+v", got)
	}
	if got := w.App.Aside.Most("w", "none", call("")); got.USD.Valid || !strings.Contains(got.Why, "no model none") {
		t.Errorf("of no model: %+v", got)
	}
}
