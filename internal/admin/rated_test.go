package admin_test

import (
	"testing"
	"time"

	"freehold/internal/admin"
	"freehold/internal/capture"
	"freehold/internal/drill"
	"freehold/internal/feedback"
	"freehold/internal/history"
	"freehold/internal/ledger"
)

// TestRated: prompts of a workload that were kept and rated are there with the
// model that answered; that they were read is on record, once.
func TestRated(t *testing.T) {
	w := start(t)
	rate := func(id string, score float64, task string) {
		t.Helper()
		check(t, w.app.Ledger.Sync(t.Context()))
		_, err := w.app.Feedback.PutFeedback(t.Context(), feedback.Feedback{Request: id, Time: time.Now(), Score: score, Task: task, Comment: "private"})
		check(t, err)
	}
	first, second := w.ask(t, "chat"), w.ask(t, "chat")
	w.ask(t, "chat") // kept, and not rated
	other := w.ask(t, "private")
	rate(first, 0.25, "code")
	rate(second, 1, "")
	rate(other, 1, "") // rated, and not kept
	row, err := w.app.Ledger.Request(t.Context(), first)
	check(t, err)

	out := call(t, w.socket, admin.CaptureRated, admin.RatedIn{Workload: "chat", Since: time.Now().Add(-time.Hour), Reason: "training"})
	want := []admin.RatedPrompt{
		{ID: second, Model: row.Model, Prompt: "Hi", Score: 1},
		{ID: first, Model: row.Model, Prompt: "Hi", Score: 0.25, Task: "code"},
	}
	if row.Model == "" || len(out.Prompts) != 2 || out.Prompts[0] != want[0] || out.Prompts[1] != want[1] || out.LeftOut != 0 {
		t.Errorf("rated: %+v, want %+v", out, want)
	}
	fitsDocument(t, admin.CaptureRated.Operation, out)
	if out := call(t, w.socket, admin.CaptureRated, admin.RatedIn{Workload: "chat", Until: row.Time}); len(out.Prompts) != 0 {
		t.Errorf("before the first: %+v", out)
	}
	fails(t, w.socket, admin.CaptureRated, admin.RatedIn{Workload: "private"}, admin.CodeInvalid) // its capture is off
	got := call(t, w.socket, admin.HistoryList, admin.HistoryIn{Kind: []string{string(capture.KindRead)}}).Records
	if len(got) != 1 || got[0].Why != "training" || got[0].Subject != "chat" || got[0].Details["requests"] != "2" {
		t.Errorf("history: %+v", got)
	}

	// What a drill did to an answer teaches nothing of the model.
	plan := drill.Plan{Kind: drill.Slow, Providers: []string{"a"}, For: time.Hour, Share: 1, Delay: time.Millisecond, Errors: 1}
	_, err = w.app.Drills.Start(t.Context(), plan, history.Who{Name: "ann"}, "")
	check(t, err)
	slowed := w.ask(t, "chat")
	_, err = w.app.Drills.Stop(t.Context(), history.Who{Name: "ann"}, "")
	check(t, err)
	rate(slowed, 0, "")
	if why := call(t, w.socket, admin.Why, admin.WhyIn{ID: slowed}); !why.Attempts[0].Played || why.Drill == "" {
		t.Errorf("in a drill: %+v", why)
	}
	if out := call(t, w.socket, admin.CaptureRated, admin.RatedIn{Workload: "chat"}); len(out.Prompts) != 2 || out.LeftOut != 1 {
		t.Errorf("with one in a drill: %+v", out)
	}
	kept := call(t, w.socket, admin.CaptureExport, admin.CaptureExportIn{Workload: "chat"}).Exchanges
	for _, x := range kept {
		if played := x.ID == slowed; played != (x.Answer.Total == 0) || (x.Score != nil) != (x.ID == first || x.ID == second) {
			t.Errorf("kept: %+v", x)
		}
	}
	if len(kept) != 4 {
		t.Errorf("%d are kept", len(kept))
	}

	fails(t, w.socket, admin.CaptureRated, admin.RatedIn{}, admin.CodeInvalid)
	fails(t, w.socket, admin.CaptureRated, admin.RatedIn{Workload: "nothing"}, admin.CodeInvalid)
	fails(t, &admin.Client{Base: w.url}, admin.CaptureRated, admin.RatedIn{Workload: "chat"}, admin.CodeDenied)
}

// TestCascadedRated: a cascade learns from scores of its answers, but of those that a
// drill made fail or wait.
func TestCascadedRated(t *testing.T) {
	w := start(t)
	for _, id := range []string{"by-itself", "played"} {
		check(t, w.app.Ledger.End(&ledger.Row{
			ID: id, Time: time.Now(), Workload: "chat", Outcome: ledger.OK, Cascade: &ledger.Cascade{Model: "llama", By: "logprobs", Attempts: 1, Decision: "kept", Margin: 0.5},
			Attempts: []ledger.Attempt{{N: 1, Outcome: ledger.OK, Played: id == "played"}},
		}))
		check(t, w.app.Ledger.Sync(t.Context()))
		_, err := w.app.Feedback.PutFeedback(t.Context(), feedback.Feedback{Request: id, Time: time.Now(), Score: 1})
		check(t, err)
	}
	got := call(t, w.socket, admin.Cascaded, admin.CascadedIn{Workload: "chat"}).Answers
	if len(got) != 1 || got[0] != (admin.CascadedAnswer{ID: "by-itself", Workload: "chat", Margin: 0.5, Score: 1}) {
		t.Errorf("%+v", got)
	}
}
