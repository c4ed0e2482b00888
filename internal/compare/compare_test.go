package compare_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/compare"
	"freehold/internal/judge"
	"freehold/internal/purse"
	"freehold/internal/rollout"
	"freehold/internal/sequential"
)

// world answers without any model.
type world struct {
	mu    sync.Mutex
	asked map[string]int // by row and model
	slept []time.Duration
	say   func(row *compare.Row, model string, times int) compare.Asked
	judge func(p judge.Prompt) compare.Asked
}

func (w *world) Ask(ctx context.Context, row *compare.Row, model string) (compare.Asked, error) {
	if err := ctx.Err(); err != nil {
		return compare.Asked{}, err
	}
	w.mu.Lock()
	w.asked[row.ID+"/"+model]++
	n := w.asked[row.ID+"/"+model]
	w.mu.Unlock()
	return w.say(row, model, n), nil
}

func (w *world) Judge(_ context.Context, _ *compare.Row, _ string, p judge.Prompt) (compare.Asked, error) {
	w.mu.Lock()
	w.asked["judge"]++
	w.mu.Unlock()
	return w.judge(p), nil
}

func (w *world) sleep(_ context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slept = append(w.slept, d)
	return nil
}

func (w *world) total() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := 0
	for _, n := range w.asked {
		sum += n
	}
	return sum
}

// text is an answer that cost a thousandth of a dollar.
func text(s string) compare.Asked {
	var a compare.Asked
	a.Text = s
	a.Side = rollout.Side{FirstToken: 20 * time.Millisecond, Total: 100 * time.Millisecond, In: 10, Out: 5, Cost: cost("0.001")}
	return a
}

func cost(s string) decimal.NullDecimal { return decimal.NewNullDecimal(decimal.RequireFromString(s)) }

func newWorld(n int) (*world, *compare.Comparison) {
	w := &world{asked: map[string]int{}, say: func(*compare.Row, string, int) compare.Asked { return text("yes") }}
	c := &compare.Comparison{
		Candidates: []string{"new"}, Asker: w, Sleep: w.sleep, Concurrency: 3, Plan: rollout.Default(), Answered: func() {},
		Prices: map[string]compare.Price{"old": {In: cost("0.0001"), Out: cost("0")}, "new": {In: cost("0.0001"), Out: cost("0")}},
	}
	c.Workload, c.Baseline, c.Settings.Judge = "w", "old", judge.Spec{Kind: judge.Normalised}
	for i := range n {
		c.Rows = append(c.Rows, compare.Row{ID: fmt.Sprint(i), Where: fmt.Sprintf("f:%d", i+1), Request: []byte(`{}`), TokensIn: 10,
			Most: map[string]compare.Most{"old": {USD: cost("0.001"), Tokens: 5}, "new": {USD: cost("0.001"), Tokens: 5}}})
	}
	return w, c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOutcomes(t *testing.T) {
	for name, x := range map[string]struct {
		say     func(row *compare.Row, model string, times int) compare.Asked
		outcome sequential.Outcome
		found   string // in the regression
	}{
		"equal": {func(*compare.Row, string, int) compare.Asked { return text("yes") }, sequential.Equivalent, ""},
		"other": {func(_ *compare.Row, model string, _ int) compare.Asked { return text("the " + model + " one") }, sequential.Worse, "quality is worse"},
		"one segment": {func(row *compare.Row, model string, _ int) compare.Asked {
			a := text("yes")
			a.Segments = []string{"task=easy"}
			if strings.HasSuffix(row.ID, "0") {
				a.Segments = []string{"task=hard"}
				if model == "new" {
					a.Text = "no"
				}
			}
			return a
		}, "", "task=hard is worse"},
		"failing": {func(_ *compare.Row, model string, _ int) compare.Asked {
			a := text("yes")
			if model == "new" {
				a.Failure = "status 500"
			}
			return a
		}, sequential.Worse, "is worse"},
	} {
		t.Run(name, func(t *testing.T) {
			w, c := newWorld(400)
			w.say = x.say
			r, err := c.Run(t.Context())
			check(t, err)
			got := &r.Candidates[0]
			if q := got.Evidence.Quality; x.outcome != "" && q.Outcome != x.outcome {
				t.Errorf("outcome %s: %+v", q.Outcome, q)
			}
			if x.found == "" && got.Regression != "" || !strings.Contains(got.Regression+strings.Join(got.Worse(), "\n"), x.found) {
				t.Errorf("regression %q, worse %q", got.Regression, got.Worse())
			}
			if got.Sound() != (x.found == "") {
				t.Errorf("sound: %v", got.Sound())
			}
			if w.total() != 800 || *r.Baseline.Total.P95 != 100 || *r.Baseline.FirstToken.P50 != 20 || r.Baseline.PerThousand.Decimal.String() != "1" {
				t.Errorf("%d questions, %+v", w.total(), r.Baseline)
			}
			if !r.Spent.USD.Equal(decimal.RequireFromString("0.8")) || r.Spent.Unknown != 0 {
				t.Errorf("spent %+v", r.Spent)
			}
		})
	}
}

// TestResumes ends a comparison in the middle, with half a line as of a process
// that was killed: nothing is asked twice.
func TestResumes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.jsonl")
	w, c := newWorld(50)
	c.Concurrency = 1
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	c.Out, err = compare.Resume(file, c.Settings, c.Rows)
	check(t, err)
	done := 0
	c.Answered = func() {
		if done++; done == 31 {
			cancel()
		}
	}
	if _, err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ends with %v", err)
	}
	check(t, c.Out.Close())
	kept, err := os.ReadFile(file)
	check(t, err)
	check(t, os.WriteFile(file, kept[:len(kept)-7], 0o600)) // the last answer is not whole
	before := w.total()

	c.Answered = func() {}
	c.Out, err = compare.Resume(file, c.Settings, c.Rows)
	check(t, err)
	if q := c.Quote(); q.Questions != 100-before+1 {
		t.Errorf("%d were asked, %d are to come", before, q.Questions)
	}
	r, err := c.Run(t.Context())
	check(t, err)
	check(t, c.Out.Close())
	if n := w.total(); n != 101 || r.Candidates[0].Evidence.Pairs != 50 {
		t.Errorf("%d questions in all, %d pairs", n, r.Candidates[0].Evidence.Pairs)
	}

	// A third time all is there, another candidate aside.
	c.Candidates = append(c.Candidates, "third")
	c.Out, err = compare.Resume(file, c.Settings, c.Rows)
	check(t, err)
	if _, err = c.Run(t.Context()); err != nil || w.total() != 151 {
		t.Errorf("%d questions in all, %v", w.total(), err)
	}
	check(t, c.Out.Close())

	for name, change := range map[string]func(s *compare.Settings, rows []compare.Row){
		"other settings": func(s *compare.Settings, _ []compare.Row) { s.Baseline = "another" },
		"has changed":    func(_ *compare.Settings, rows []compare.Row) { rows[3].Request = []byte(`{"x":1}`) },
	} {
		s, rows := c.Settings, append([]compare.Row(nil), c.Rows...)
		change(&s, rows)
		if _, err := compare.Resume(file, s, rows); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check(t, os.WriteFile(file, []byte("{}\n"), 0o600))
	if _, err := compare.Resume(file, c.Settings, c.Rows); err == nil || !strings.Contains(err.Error(), "no line of results") {
		t.Errorf("a foreign file: %v", err)
	}
}

func TestLimit(t *testing.T) {
	_, c := newWorld(50)
	c.Limit = cost("0.02")
	_, err := c.Run(t.Context())
	var limit *purse.LimitError
	if !errors.As(err, &limit) || limit.Spent.GreaterThan(c.Limit.Decimal) || limit.Spent.LessThan(decimal.RequireFromString("0.015")) {
		t.Errorf("%v", err)
	}
}

// TestLimitOfMost: what counts before a question is the most that it can cost, and
// what it did cost once it is answered; so the limit is not exceeded, and is made use
// of. A judge that is asked again is in it.
func TestLimitOfMost(t *testing.T) {
	for name, tt := range map[string]struct {
		most, real, limit string
		least             string // that is spent
		judged            bool
	}{
		"as dear as it can be":   {"0.05", "0.05", "0.12", "0.1", false},
		"cheaper than it can be": {"0.05", "0.001", "0.07", "0.02", false},
		"a judge asked again":    {"0.001", "0.001", "0.1", "0.05", true},
	} {
		t.Run(name, func(t *testing.T) {
			w, c := newWorld(200)
			for i := range c.Rows {
				c.Rows[i].Most = map[string]compare.Most{"old": {USD: cost(tt.most), Tokens: 5}, "new": {USD: cost(tt.most), Tokens: 5}}
			}
			w.say = func(_ *compare.Row, model string, _ int) compare.Asked {
				a := text("from " + model)
				a.Side.Cost = cost(tt.real)
				return a
			}
			c.Limit = cost(tt.limit)
			if tt.judged {
				c.Settings.Judge, c.JudgeModel = judge.Spec{Kind: judge.Pairwise}, "third"
				c.JudgeMost = compare.JudgeMost{Most: compare.Most{USD: cost("0.01")}}
				w.judge = func(judge.Prompt) compare.Asked {
					a := text("A is nicer")
					a.Side.Cost = cost("0.01")
					return a
				}
				if q := c.Quote(); q.Judgings != 400 || q.Again != 400 || q.Most.String() != "8.4" {
					t.Errorf("%+v", q)
				}
			}
			_, err := c.Run(t.Context())
			var limit *purse.LimitError
			if !errors.As(err, &limit) || limit.Spent.GreaterThan(c.Limit.Decimal) || limit.Spent.LessThan(decimal.RequireFromString(tt.least)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestWaits holds that a limit of the provider is waited for, and that a model
// that stays behind one has failed.
func TestWaits(t *testing.T) {
	w, c := newWorld(5)
	busy := func() compare.Asked {
		return compare.Asked{Wait: 7 * time.Second, Answer: compare.Answer{Answer: judge.Answer{Failure: "status 429"}}}
	}
	w.say = func(row *compare.Row, model string, times int) compare.Asked {
		if model == "new" && (row.ID == "4" || row.ID == "1" && times < 3) {
			return busy()
		}
		return text("yes")
	}
	r, err := c.Run(t.Context())
	check(t, err)
	if got := r.Candidates[0]; got.Failures != 1 || got.Answers != 5 {
		t.Errorf("%+v", got.Measured)
	}
	if n := w.asked["1/new"]; n != 3 || len(w.slept) < 3 || w.slept[0] != 7*time.Second {
		t.Errorf("%d questions, slept %v", n, w.slept)
	}
}

func TestNotAsked(t *testing.T) {
	w, c := newWorld(5)
	w.say = func(row *compare.Row, model string, _ int) compare.Asked {
		if model == "new" && row.ID == "2" {
			return compare.Asked{NotAsked: "the data may not go there"}
		}
		return text("yes")
	}
	r, err := c.Run(t.Context())
	check(t, err)
	if got := r.Candidates[0]; got.NotAsked != 1 || got.Answers != 4 || got.Evidence.Pairs != 4 || !strings.Contains(got.Why, "f:3: not asked: the data may not") {
		t.Errorf("%+v", got)
	}
}

// TestFailed: where every answer failed nothing is known, and it is said why.
func TestFailed(t *testing.T) {
	w, c := newWorld(3)
	c.Concurrency = 1
	w.say = func(row *compare.Row, model string, _ int) compare.Asked {
		var a compare.Asked
		if model == "new" || row.ID == "1" {
			a.Failure = model + ": cut at " + row.ID
		} else {
			a = text("yes")
		}
		return a
	}
	r, err := c.Run(t.Context())
	check(t, err)
	if got := r.Candidates[0]; !got.Failed() || got.LastFailure != "new: cut at 2" {
		t.Errorf("%+v", got.Measured)
	}
	if got := r.Baseline; got.Failed() || got.Failures != 1 || got.LastFailure != "old: cut at 1" {
		t.Errorf("%+v", got)
	}
}

// TestPairwise has a model judge: what it costs is held to the limit and counted,
// and what it cannot say is no score.
func TestPairwise(t *testing.T) {
	w, c := newWorld(30)
	c.Settings.Judge, c.JudgeModel = judge.Spec{Kind: judge.Pairwise}, "third"
	c.Prices["third"] = compare.Price{In: cost("0.000001"), Out: cost("0")}
	w.say = func(row *compare.Row, model string, _ int) compare.Asked {
		if model == "new" && row.ID != "7" {
			return text("right")
		}
		return text("wrong")
	}
	w.judge = func(p judge.Prompt) compare.Asked {
		a, b := strings.Index(p.User, "right"), strings.Index(p.User, "wrong")
		if a < b {
			return text(`{"winner": "A"}`)
		}
		return text(`{"winner": "B"}`)
	}
	if q := c.Quote(); q.Judgings != 60 || len(q.Unknown) != 0 {
		t.Errorf("%+v", q)
	}
	r, err := c.Run(t.Context())
	check(t, err)
	e := r.Candidates[0].Evidence
	if e.Swaps != 29 || e.Consistent != 29 || e.Quality.Outcome != sequential.Better || w.asked["judge"] != 58 {
		t.Errorf("%d of %d, %+v, %d questions", e.Consistent, e.Swaps, e.Quality, w.asked["judge"])
	}
	if want := decimal.RequireFromString("0.118"); !r.Spent.USD.Equal(want) {
		t.Errorf("spent %s, not %s", r.Spent.USD, want)
	}
	w.judge = func(judge.Prompt) compare.Asked { return text("A is nicer") }
	r, err = c.Run(t.Context())
	check(t, err)
	if got := r.Candidates[0]; got.Unjudged != 29 || got.Evidence.Judged != 1 || !strings.Contains(got.Why, "did not name a winner") {
		t.Errorf("%+v", got)
	}
}

func TestRead(t *testing.T) {
	rows, err := compare.Read("f", strings.NewReader("\xef\xbb\xbf{\"id\": 7, \"prompt\": \"a\"}\n\n"+
		`{"messages": [], "expected": 4.5, "temperature": 0, "stream": false, "feedback": {"m": 0.5}}`+"\n"+
		`{"prompt": "b", "expected": {"json": {"a": 1}}}`))
	check(t, err)
	if len(rows) != 3 || rows[0].ID != "7" || rows[1].ID != "line-3" || *rows[1].Want.Number != 4.5 || rows[1].Scores["m"] != 0.5 || string(rows[2].Want.JSON) != `{"a": 1}` {
		t.Errorf("%+v", rows)
	}
	if got := string(rows[0].Request); got != `{"messages":[{"content":"a","role":"user"}],"model":"compare","stream":true}` {
		t.Error(got)
	}
	if got := string(rows[1].Request); !strings.Contains(got, `"stream":false`) || !strings.Contains(got, `"temperature":0`) {
		t.Error(got)
	}
	if _, err := compare.KindOf(rows); err == nil || !strings.Contains(err.Error(), "numeric as in f:3, json as in f:4") {
		t.Errorf("%v", err)
	}
	if kind, err := compare.KindOf(rows[2:]); kind != judge.JSON || err != nil {
		t.Errorf("%s, %v", kind, err)
	}
	for line, want := range map[string]string{
		`[1]`:                                   "f:1: it is no JSON object",
		`{"prompt": "a", "messages": []}`:       "it has both messages and prompt",
		`{"prompt": 1}`:                         "prompt: it must be a text",
		`{"prompt": "a", "id": ""}`:             "id: it must be a text or a number",
		`{"prompt": "a", "n": 2}`:               "n: answers are judged one by one",
		`{"prompt": "a", "expected": null}`:     "expected: it must be",
		`{"prompt": "a", "expected": []}`:       "expected: a list must be",
		`{"prompt": "a", "expected": {"x": 1}}`: `unknown field "x"`,
		`{"prompt": "a", "feedback": {"m": 2}}`: "must be from 0 to 1",
		``:                                      "there is no line in it",
	} {
		if _, err := compare.Read("f", strings.NewReader(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := compare.Read("f", strings.NewReader(strings.Repeat("{}\n", 30))); err == nil || !strings.Contains(err.Error(), "and 10 more lines") {
		t.Errorf("%v", err)
	}
}
