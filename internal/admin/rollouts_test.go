package admin_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/admin"
	"freehold/internal/capture"
	"freehold/internal/history"
	"freehold/internal/rollout/runner"
)

func ptr[T any](v T) *T { return &v }

// quickly starts a rollout of chat to llama whose steps take no time.
func quickly() admin.RolloutStartIn {
	return admin.RolloutStartIn{Workload: "chat", To: "llama", Shadow: ptr(1.0), Steps: []float64{1}, StepSeconds: ptr(0.0), Samples: ptr(1), Reason: "ticket 9"}
}

// pairs waits until so many pairs of chat are known, asking for them.
func (w *world) pairs(t *testing.T, n int) []string {
	t.Helper()
	var ids []string
	for range n {
		ids = append(ids, w.ask(t, "chat"))
	}
	limit := time.Now().Add(time.Minute)
	for call(t, w.socket, admin.RolloutStatusOf, admin.RolloutIn{Workload: "chat"}).Report.Pairs < n {
		if time.Now().After(limit) {
			t.Fatalf("%d pairs did not come", n)
		}
		time.Sleep(time.Millisecond) // another goroutine of the server: there is nothing to wait on
	}
	return ids
}

func TestRollout(t *testing.T) {
	w := start(t)
	if all := call(t, w.socket, admin.RolloutList, admin.RolloutsIn{}); len(all.Rollouts) != 0 {
		t.Fatalf("%+v", all)
	}
	fails(t, w.socket, admin.RolloutStatusOf, admin.RolloutIn{Workload: "chat"}, admin.CodeConflict)
	e := fails(t, w.socket, admin.RolloutStatusOf, admin.RolloutIn{Workload: "chta"}, admin.CodeInvalid)
	if !strings.Contains(e.Hint, `"chat"`) {
		t.Errorf("%s (%s)", e.Message, e.Hint)
	}
	out := call(t, w.socket, admin.RolloutStart, quickly())
	if !out.Started || out.Rollout.Stage != "shadow" || out.Rollout.From != "m" || out.Rollout.By != "os:tester" || out.Rollout.Reason != "ticket 9" ||
		out.Rollout.Plan.Shadow.Share != 1 || out.Rollout.Next.Pairs == nil || *out.Rollout.Next.Pairs != 50 || out.Portability.To != "llama" {
		t.Errorf("%+v", out)
	}
	second := fails(t, w.socket, admin.RolloutStart, quickly(), admin.CodeConflict)
	if second.Status != http.StatusConflict || !strings.Contains(second.Message, "under way") || !strings.Contains(second.Hint, "rollout abort chat") {
		t.Errorf("%+v", second)
	}
	ids := w.pairs(t, 6)
	st := call(t, w.socket, admin.RolloutStatusOf, admin.RolloutIn{Workload: "chat"})
	if st.Report.Judged != 6 || st.Next.Days == nil || st.Report.Quality.Mean != 0 || st.Share != 0 || st.Shadow != 1 {
		t.Errorf("%+v", st)
	}
	fitsDocument(t, admin.RolloutStatusOf.Operation, st)

	pairs := call(t, w.socket, admin.RolloutPairs, admin.RolloutPairsIn{RolloutIn: admin.RolloutIn{Workload: "chat"}})
	if len(pairs.Pairs) != 6 || !pairs.Pairs[0].Judged || pairs.Pairs[0].Old.Total <= 0 || pairs.Pairs[0].Shadow == "" {
		t.Fatalf("%+v", pairs)
	}
	fitsDocument(t, admin.RolloutPairs.Operation, pairs)

	say := admin.RolloutLabelIn{RolloutIn: admin.RolloutIn{Workload: "chat"}, Request: ids[0], Winner: "candidate"}
	if got := call(t, w.socket, admin.RolloutLabelOf, say); got.By != "os:tester" || got.ID != st.ID {
		t.Errorf("%+v", got)
	}
	say.Winner = "new"
	fails(t, w.socket, admin.RolloutLabelOf, say, admin.CodeInvalid)
	say.Winner, say.Request = "tie", "nobody"
	fails(t, w.socket, admin.RolloutLabelOf, say, admin.CodeNotFound)

	change := admin.RolloutChangeIn{Workload: "chat", Reason: "ticket 10"}
	if got := call(t, w.socket, admin.RolloutPause, change); !got.Paused || !strings.Contains(got.Next.What, "rollout resume chat") {
		t.Errorf("%+v", got)
	}
	fails(t, w.socket, admin.RolloutPause, change, admin.CodeConflict)
	if got := call(t, w.socket, admin.RolloutResume, change); got.Paused {
		t.Errorf("%+v", got)
	}
	if got := call(t, w.socket, admin.RolloutPromote, change); got.Stage != "canary" || got.Step != 1 || got.Share != 1 || got.Next.Requests == nil {
		t.Errorf("%+v", got)
	}
	fails(t, w.socket, admin.RolloutPromote, admin.RolloutChangeIn{Workload: "chta"}, admin.CodeInvalid)
	if got := call(t, w.socket, admin.RolloutAbort, change); got.Stage != "aborted" || got.Ended == nil || got.Next.What != "" {
		t.Errorf("%+v", got)
	}
	fails(t, w.socket, admin.RolloutAbort, change, admin.CodeConflict)
	fails(t, w.socket, admin.RolloutBack, change, admin.CodeConflict)

	report := call(t, w.socket, admin.RolloutReport, admin.RolloutIn{Workload: "chat"})
	fitsDocument(t, admin.RolloutReport.Operation, report)
	var is []string
	for _, x := range report.Transitions {
		is = append(is, x.Is)
	}
	want := []string{"shadow", "shadow, paused", "shadow", "canary 100 % (step 1 of 1)", "aborted"}
	if diff := cmp.Diff(want, is); diff != "" {
		t.Error(diff)
	}
	if report.Shadowed.Pairs != 6 || len(report.Totals[1]) != 6 || len(report.Course) != 6 || report.Transitions[0].Was != "" || report.Transitions[3].Pairs != 6 {
		t.Errorf("%+v", report)
	}
	// 1 USD for a million tokens in, 2 out, of the old model; the new one has no price.
	if !report.Money.Old.Valid || report.Money.Old.Decimal.Sign() <= 0 || report.Money.New.Valid {
		t.Errorf("%+v", report.Money)
	}
	records := call(t, w.socket, admin.HistoryList, admin.HistoryIn{Kind: []string{string(runner.Kind)}}).Records
	if len(records) != 5 || records[0].Who.String() != "os:tester" || records[0].Why != "ticket 10" {
		t.Errorf("%+v", records)
	}
	if all := call(t, w.socket, admin.RolloutList, admin.RolloutsIn{Workload: "chat"}); len(all.Rollouts) != 1 || all.Rollouts[0].Stage != "aborted" {
		t.Errorf("%+v", all)
	}
}

// TestRolloutStartRefused: what cannot be a plan, and what would break.
func TestRolloutStartRefused(t *testing.T) {
	w := start(t)
	for _, change := range []func(*admin.RolloutStartIn){
		func(in *admin.RolloutStartIn) { in.To = "" },
		func(in *admin.RolloutStartIn) { in.To = "lama" },
		func(in *admin.RolloutStartIn) { in.Workload = "nothing" },
		func(in *admin.RolloutStartIn) { in.Judge = "taste" },
		func(in *admin.RolloutStartIn) { in.Steps = []float64{0.5} },
		func(in *admin.RolloutStartIn) { in.Margin = ptr(2.0) },
	} {
		in := quickly()
		change(&in)
		fails(t, w.socket, admin.RolloutStart, in, admin.CodeInvalid)
	}
	in := quickly()
	in.To = "m"
	fails(t, w.socket, admin.RolloutStart, in, admin.CodeConflict)
	in = quickly()
	in.Judge = "pairwise"
	fails(t, w.socket, admin.RolloutStart, in, admin.CodeConflict) // no model is named that could judge
	in = quickly()
	in.Check = true
	if out := call(t, w.socket, admin.RolloutStart, in); out.Started || out.Rollout != nil || out.Plan.Judge != "normalised" {
		t.Errorf("%+v", out)
	}
	if all := call(t, w.socket, admin.RolloutList, admin.RolloutsIn{}); len(all.Rollouts) != 0 {
		t.Errorf("%+v", all)
	}
	// The recorded requests of private go where m may not.
	w.ask(t, "private")
	in = quickly()
	in.Workload, in.To = "private", "m"
	out := call(t, w.socket, admin.RolloutStart, admin.RolloutStartIn{Workload: "private", To: "m", Check: true})
	if out.Portability.Requests != 1 {
		t.Errorf("%+v", out.Portability)
	}
}

// TestRolloutApprovals: only a key of their own tells people apart, also on the
// local socket, and its successor is the same person's.
func TestRolloutApprovals(t *testing.T) {
	w := start(t)
	call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "workloads.chat.approvals", Value: 2})
	with := func(key admin.KeyIssued) *admin.Client {
		c := *w.socket
		c.Key = key.Key
		return &c
	}
	key := call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "ann", Admin: true})
	in := quickly()
	in.Shadow = ptr(0.0)
	if got := call(t, with(key), admin.RolloutStart, in); got.Rollout.By != "key:"+"fh_"+key.ID+" (ann)" || len(got.Rollout.Wanted) != 1 {
		t.Errorf("%+v", got.Rollout)
	}
	change := admin.RolloutChangeIn{Workload: "chat"}
	if got := call(t, w.socket, admin.RolloutPromote, change); got.Stage != "cutover" || got.Next.People != 1 || got.Approvals != 2 ||
		!strings.Contains(got.Next.What, "FREEHOLD_ADMIN_KEY=KEY freehold rollout promote chat") {
		t.Fatalf("%+v", got)
	}
	next := call(t, w.socket, admin.KeysRotate, admin.KeysRotateIn{ID: key.ID})
	for who, c := range map[string]*admin.Client{"ann has approved": with(next), "os:tester can be anybody": w.socket, "http:loopback can be anybody": {Base: w.url}, "http:loopback can be": {Base: w.url, Key: "any"}} {
		if no := fails(t, c, admin.RolloutPromote, change, admin.CodeConflict); !strings.Contains(no.Message, who) {
			t.Error(no.Message)
		}
	}
	fails(t, with(key), admin.RolloutPromote, change, "expired_key")
	fails(t, with(call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "app"})), admin.RolloutPromote, change, "scope_denied")
	bob := call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "bob", Admin: true})
	got := call(t, &admin.Client{Base: w.url, Key: bob.Key}, admin.RolloutPromote, change)
	if got.Stage != "watch" || len(got.Wanted) != 2 || !strings.Contains(got.Wanted[1], "bob") || w.app.Config().Workloads["chat"].Model != "llama" {
		t.Errorf("%+v", got)
	}
	got = call(t, w.socket, admin.RolloutBack, change)
	if got.Stage != "rolled-back" || w.app.Config().Workloads["chat"].Model != "m" {
		t.Errorf("%+v", got)
	}
	if last := got.Passed[len(got.Passed)-1].Where; last != "watch" {
		t.Errorf("nothing is measured on the way back, and the last stage left is %q", last)
	}
}

// TestRolloutBackWhileBroken: a file that cannot be edited keeps nobody at the new
// model, and what is left to do is said.
func TestRolloutBackWhileBroken(t *testing.T) {
	w := start(t)
	in := quickly()
	in.Shadow, in.Manual = ptr(0.0), ptr(true)
	call(t, w.socket, admin.RolloutStart, in)
	change := admin.RolloutChangeIn{Workload: "chat"}
	if got := call(t, w.socket, admin.RolloutPromote, change); got.Stage != "watch" || got.Held {
		t.Fatalf("%+v", got)
	}
	whole, err := os.ReadFile(w.path)
	check(t, err)
	check(t, os.WriteFile(w.path, append(whole, "\n]: {"...), 0o600))
	no := fails(t, w.socket, admin.RolloutBack, change, admin.CodeConflict)
	if !strings.Contains(no.Message, "requests of workload chat go to m now") || !strings.Contains(no.Message, "is tried again") || !strings.Contains(no.Hint, "freehold check") {
		t.Errorf("%+v", no)
	}
	if got := call(t, w.socket, admin.RolloutStatusOf, admin.RolloutIn{Workload: "chat"}); got.Stage != "returning" || !strings.Contains(got.Error, "is tried again") {
		t.Errorf("%+v", got)
	}
}

// TestRolloutHeld: where the file is not written, the cutover is in effect, and the
// status has the patch.
func TestRolloutHeld(t *testing.T) {
	w := start(t)
	call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "server.config_writes", Value: "propose"})
	in := quickly()
	in.Shadow, in.Manual = ptr(0.0), ptr(true)
	call(t, w.socket, admin.RolloutStart, in)
	got := call(t, w.socket, admin.RolloutPromote, admin.RolloutChangeIn{Workload: "chat"})
	if got.Stage != "watch" || !got.Held || !strings.Contains(got.Patch, "-  chat: {model: m,") || !strings.Contains(got.Patch, "+  chat: {model: llama,") ||
		got.File != w.path || !strings.HasPrefix(got.Patch, "--- a/"+filepath.Base(w.path)+"\n") {
		t.Errorf("%+v", got)
	}
	fitsDocument(t, admin.RolloutStatusOf.Operation, got)
	if file, err := os.ReadFile(w.path); err != nil || !strings.Contains(string(file), "chat: {model: m,") {
		t.Errorf("%s: %v", file, err)
	}
}

// TestRolloutTexts: both answers can be read where the workload keeps texts, that
// is in the history, and the copy is erased with its request.
func TestRolloutTexts(t *testing.T) {
	w := start(t)
	call(t, w.socket, admin.RolloutStart, quickly())
	ids := w.pairs(t, 2)
	in := admin.RolloutPairsIn{RolloutIn: admin.RolloutIn{Workload: "chat"}, Texts: true, Reason: "to label"}
	list := call(t, w.socket, admin.RolloutPairs, in)
	if len(list.Pairs) != 2 {
		t.Fatalf("%+v", list)
	}
	read := admin.RolloutTextsIn{RolloutIn: in.RolloutIn, Request: ids[0], Reason: "to label"}
	texts := call(t, w.socket, admin.RolloutTexts, read)
	if !strings.Contains(texts.Conversation, "Hi") || texts.Old == "" || texts.New != texts.Old || strings.Contains(texts.New, "{") {
		t.Errorf("%+v", texts)
	}
	fitsDocument(t, admin.RolloutTexts.Operation, texts)
	reads := call(t, w.socket, admin.HistoryList, admin.HistoryIn{Kind: []string{string(capture.KindRead)}}).Records
	if len(reads) != 2 || reads[0].Why != "to label" || reads[0].Kind != history.Kind("capture.read") {
		t.Errorf("%+v", reads)
	}
	fails(t, &admin.Client{Base: w.url}, admin.RolloutTexts, read, admin.CodeDenied)
	fails(t, &admin.Client{Base: w.url}, admin.RolloutPairs, in, admin.CodeDenied)
	unknown := read
	unknown.Request = "nothing"
	fails(t, w.socket, admin.RolloutTexts, unknown, admin.CodeNotFound)

	call(t, w.socket, admin.RolloutLabelOf, admin.RolloutLabelIn{RolloutIn: in.RolloutIn, Request: ids[1], Winner: "tie"})
	if list := call(t, w.socket, admin.RolloutPairs, in); len(list.Pairs) != 1 || list.Pairs[0].Request != ids[0] {
		t.Errorf("what is labelled is asked again: %+v", list)
	}
	if out := call(t, w.socket, admin.CaptureErase, admin.CaptureEraseIn{ID: ids[0]}); out.Erased != 2 {
		t.Errorf("erased %d", out.Erased)
	}
	fails(t, w.socket, admin.RolloutTexts, read, admin.CodeNotFound)
	if out := call(t, w.socket, admin.CaptureErase, admin.CaptureEraseIn{CaptureFilter: admin.CaptureFilter{Workload: "chat"}}); out.Erased != 2 {
		t.Errorf("erased %d", out.Erased)
	}
	if list := call(t, w.socket, admin.CaptureList, admin.CapturesIn{}); len(list.Captures) != 0 {
		t.Errorf("left: %+v", list)
	}
}

// TestRolloutBroke: where the budget is spent the status says the command that is not
// refused.
func TestRolloutBroke(t *testing.T) {
	w := start(t)
	call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "models.llama.price", Value: map[string]any{"input": "1", "output": "2"}})
	call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "rollouts.chat", Value: map[string]any{"to": "llama", "shadow": map[string]any{"budget": "0.000001 USD"}}})
	call(t, w.socket, admin.RolloutStart, quickly())
	var st admin.RolloutStatus
	for limit := time.Now().Add(time.Minute); !st.Paused; st = call(t, w.socket, admin.RolloutStatusOf, admin.RolloutIn{Workload: "chat"}) {
		if w.ask(t, "chat"); time.Now().After(limit) {
			t.Fatalf("it does not pause: %+v", st)
		}
	}
	if !st.Aside.Broke || !strings.Contains(st.Reason, "does not pay for a copy") || !strings.Contains(st.Next.What, "freehold rollout resume chat --budget USD") {
		t.Errorf("%+v", st)
	}
	fitsDocument(t, admin.RolloutStatusOf.Operation, st)
	change := admin.RolloutChangeIn{Workload: "chat"}
	fails(t, w.socket, admin.RolloutResume, change, admin.CodeConflict)
	change.Budget = "0.000002"
	if no := fails(t, w.socket, admin.RolloutResume, change, admin.CodeConflict); !strings.Contains(no.Message, "does not pay for another copy") {
		t.Errorf("%+v", no)
	}
	change.Budget = "20"
	if got := call(t, w.socket, admin.RolloutResume, change); got.Paused || got.Aside.Broke {
		t.Errorf("%+v", got)
	}
}
