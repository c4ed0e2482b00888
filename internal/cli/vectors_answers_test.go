package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/admin"
	"freehold/internal/compare"
	"freehold/internal/judge"
	"freehold/internal/rollout"
	"freehold/internal/vector/gate"
)

// answerer answers with the first passage that it is given, and judges the longer answer
// to be better.
type answerer struct {
	mu             sync.Mutex
	asked, judged  int
	classes, shown string
}

// Run implements [admin.Runner].
func (a *answerer) Run(_ context.Context, op *admin.Operation, in, out any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	cost := decimal.NewNullDecimal(decimal.RequireFromString("0.001"))
	switch op.Name {
	case admin.CompareAsk.Name:
		q := in.(admin.CompareAskIn)
		a.asked++
		a.classes = fmt.Sprint(q.Model, q.DataClasses)
		var body struct{ Messages []struct{ Content string } }
		if err := json.Unmarshal(q.Request, &body); err != nil {
			return err
		}
		_, rest, _ := strings.Cut(body.Messages[0].Content, "[1] ")
		text, _, _ := strings.Cut(rest, "\n")
		*out.(*admin.CompareAskOut) = admin.CompareAskOut{CompareAnswer: admin.CompareAnswer{Answer: judge.Answer{Text: text}, Cost: cost}, Conversation: body.Messages[0].Content, Segments: []string{}}
	case admin.CompareJudge.Name:
		q := in.(admin.CompareJudgeIn)
		a.judged++
		a.shown += q.User
		winner := "A"
		if at := strings.Index(q.User, "the right one, which is longer"); at > strings.Index(q.User, "another") {
			winner = "B"
		}
		*out.(*admin.CompareJudgeOut) = admin.CompareJudgeOut{CompareAnswer: admin.CompareAnswer{Answer: judge.Answer{Text: `{"winner":"` + winner + `"}`}, Cost: cost}}
	default:
		return fmt.Errorf("unexpected operation %s", op.Name)
	}
	return nil
}

// TestAnswers: the same model answers by what either store finds, and is judged in both
// orders by a model that sees no passages; where both find the same it is asked once.
func TestAnswers(t *testing.T) {
	const right, wrong = "the right one, which is longer", "another"
	for want, found := range map[string][2]string{"worse": {right, wrong}, "better": {wrong, right}, "equivalent": {right, right}} {
		runner := &answerer{}
		asker := &passageAsker{asideAsker: asideAsker{server: runner, workload: "w", clock: time.Now}, model: "m", question: map[string]string{}, request: map[string]json.RawMessage{}, first: map[string]compare.Asked{}}
		c := &compare.Comparison{
			Candidates: []string{byNew}, Concurrency: 3, Plan: rollout.Default(), Asker: asker, Answered: func() {},
			Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		}
		c.Workload, c.Baseline, c.Judge, c.JudgeModel = "w", byOld, judge.Spec{Kind: judge.Pairwise}, "j"
		const n = 400
		for i := range n {
			row := compare.Row{ID: fmt.Sprint(i), Where: fmt.Sprint("q:", i), Classes: []string{"secret"}}
			var err error
			if row.Request, err = request("what?", []string{found[0], "a passage of the old store"}); err != nil {
				t.Fatal(err)
			}
			second := "a passage of the new store"
			if want == "equivalent" {
				second = "a passage of the old store"
			}
			if asker.request[row.ID], err = request("what?", []string{found[1], second}); err != nil {
				t.Fatal(err)
			}
			asker.question[row.ID] = "what?"
			c.Rows = append(c.Rows, row)
		}
		report, err := c.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q := report.Candidates[0].Evidence.Quality
		asked, judged, spent := 2*n, 2*n, "1.6"
		if want == "equivalent" { // one answer is both's, and nobody need judge it
			asked, judged, spent = n, 0, "0.4"
		}
		if string(q.Outcome) != want || q.Pairs != n || runner.asked != asked || runner.judged != judged || report.Spent.USD.String() != spent {
			t.Errorf("%s: %+v; asked %d, judged %d, spent %s", want, q, runner.asked, runner.judged, report.Spent.USD)
		}
		if runner.classes != "m[secret]" || strings.Contains(runner.shown, "passage") {
			t.Errorf("%s: asked as %s; the judge saw %.300q", want, runner.classes, runner.shown)
		}
		if open := (&answersOut{Outcome: gate.Undecided, Report: report}); !open.fails("not-worse") || open.fails("") {
			t.Errorf("%s: nothing was decided, and that passes as not worse", want)
		}
		out := answersOut{Outcome: want, Report: report}
		for require, fails := range map[string]bool{"": false, "not-worse": want == "worse", "equivalent": want == "worse"} {
			if got := out.fails(require); got != fails {
				t.Errorf("%s with --require %q: fails %v", want, require, got)
			}
		}
	}
}
