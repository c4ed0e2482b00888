package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/admin"
)

func TestCompareAsk(t *testing.T) {
	w := start(t)
	hi := json.RawMessage(`{"model":"compare","stream":true,"messages":[{"role":"user","content":"mock: say hello"}]}`)
	ask := func(workload, model string, classes ...string) admin.CompareAskOut {
		return call(t, w.socket, admin.CompareAsk, admin.CompareAskIn{Workload: workload, Model: model, Request: hi, DataClasses: classes})
	}
	got := ask("chat", "llama")
	if got.Text != "hello" || got.Failure != "" || got.NotAsked != "" || got.TokensOut == 0 || got.FirstToken <= 0 || !strings.Contains(got.Conversation, "mock: say hello") {
		t.Errorf("%+v", got)
	}
	if !strings.HasPrefix(strings.Join(got.Segments, " "), "length=under 1 KB") {
		t.Errorf("segments %q", got.Segments)
	}
	row := call(t, w.socket, admin.Why, admin.WhyIn{ID: got.ID})
	if row.Workload != "compare:chat" || row.Model != "llama" || len(row.Attempts) != 1 {
		t.Errorf("on record: %+v", row.Request)
	}

	// The perimeter of the workload holds, and so does that of the one request.
	for _, out := range []admin.CompareAskOut{ask("private", "llama"), ask("chat", "llama", "eu")} {
		if out.NotAsked == "" || out.Text != "" {
			t.Errorf("asked outside: %+v", out)
		}
	}
	if out := ask("private", "m"); out.Text != "hello" {
		t.Errorf("%+v", out)
	}
	// Whose request it was can no longer be told: then nobody is asked.
	for _, in := range []admin.CompareAskIn{{Key: "gone"}, {Tenant: "gone"}} {
		in.Workload, in.Model, in.Request = "chat", "m", hi
		if out := call(t, w.socket, admin.CompareAsk, in); out.NotAsked == "" || out.Text != "" {
			t.Errorf("asked in nobody's name: %+v", out)
		}
	}
	fails(t, w.socket, admin.CompareAsk, admin.CompareAskIn{Workload: "chat", Model: "none", Request: hi}, admin.CodeInvalid)
	local := admin.Local{Service: admin.NewService(w.app)}
	if out := call(t, local, admin.CompareJudge, admin.CompareJudgeIn{Workload: "chat", Model: "llama", User: "mock: say A"}); out.Text != "A" {
		t.Errorf("judge: %+v", out)
	}
	if out := call(t, local, admin.CompareJudge, admin.CompareJudgeIn{Workload: "chat", Model: "llama", User: "x", DataClasses: []string{"eu"}}); out.NotAsked == "" {
		t.Errorf("a judge outside: %+v", out)
	}

	// A limit of the provider is not the model's failure.
	at := strings.TrimSuffix(w.app.Config().Providers["b"].BaseURL, "/v1")
	r, err := http.NewRequest(http.MethodPut, at+"/mock/faults", strings.NewReader("429:90s"))
	check(t, err)
	resp, err := http.DefaultClient.Do(r)
	check(t, err)
	check(t, resp.Body.Close())
	for range 2 { // the second finds the deployment cooling
		if out := ask("chat", "llama"); out.Wait < 60_000 || out.Failure == "" || out.NotAsked != "" {
			t.Errorf("a limit: %+v", out)
		}
	}
}

func TestComparePlan(t *testing.T) {
	w := start(t)
	in := admin.ComparePlanIn{Workload: "private", Models: []string{"m"}, Requests: []json.RawMessage{
		json.RawMessage(`{"model":"x","max_tokens":7,"messages":[{"role":"user","content":"Hi there"}]}`), json.RawMessage(`{"model":"x"}`),
	}}
	got := call(t, w.socket, admin.ComparePlan, in)
	if got.Baseline.Model != "llama" || got.Baseline.Denied == "" || got.Models[0].Denied != "" || got.Models[0].Price == nil {
		t.Errorf("%+v", got)
	}
	if a, b := got.Requests[0], got.Requests[1]; a.TokensIn < 1 || a.MaxTokens != 7 || a.Error != "" || !strings.Contains(b.Error, "messages") {
		t.Errorf("%+v", got.Requests)
	}
	local := call(t, admin.Local{Service: admin.NewService(w.app)}, admin.ComparePlan, in)
	if d := cmp.Diff(got, local); d != "" {
		t.Error(d)
	}
	in.Judges = []string{"llama"}
	if e := fails(t, w.socket, admin.ComparePlan, in, admin.CodeInvalid); !strings.Contains(e.Message, "no model may judge") {
		t.Error(e)
	}
	in.Judges, in.Models = nil, []string{"lama"}
	if e := fails(t, w.socket, admin.ComparePlan, in, admin.CodeInvalid); !strings.Contains(e.Hint, "llama") {
		t.Error(e)
	}
	fails(t, &admin.Client{Base: w.url}, admin.CaptureExport, admin.CaptureExportIn{Workload: "chat"}, admin.CodeDenied)
}
