package admin_test

import (
	"testing"
	"time"

	"freehold/internal/admin"
	"freehold/internal/capture"
	"freehold/internal/feedback"
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

	fails(t, w.socket, admin.CaptureRated, admin.RatedIn{}, admin.CodeInvalid)
	fails(t, w.socket, admin.CaptureRated, admin.RatedIn{Workload: "nothing"}, admin.CodeInvalid)
	fails(t, &admin.Client{Base: w.url}, admin.CaptureRated, admin.RatedIn{Workload: "chat"}, admin.CodeDenied)
}
