package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"freehold/internal/admin"
	"freehold/internal/app/apptest"
	"freehold/internal/capture"
	"freehold/internal/drill"
	"freehold/internal/history"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// local is the operations on a server, called by ann.
func local(s *apptest.Server) admin.Local {
	return admin.Local{Service: admin.NewService(s.App), Caller: admin.Caller{Who: history.Who{Via: "os", Name: "ann"}, Local: true}}
}

const selfConfig = `
server: {listen: 127.0.0.1:0}
providers:
  claude: {preset: anthropic, base_url: "CLAUDE", api_key: claudes-key, probe: {enabled: false}}
  open: {dialect: openai, base_url: "OPEN/v1", api_key: opens-key, probe: {enabled: false}}
models:
  sonnet: {provider: claude, id: claude-sonnet-4-5}
  vectors: {provider: open, id: text-embedding-3-small, mode: embedding}
  legacy: {provider: open, id: gpt-3.5-turbo-instruct, mode: completion}
workloads:
  claude-sonnet-4-5: {model: sonnet}
  text-embedding-3-small: {model: vectors}
  gpt-3.5-turbo-instruct: {model: legacy}
`

// TestDrillSelf: past the gateway each model is asked in the dialect of its provider,
// for what it makes, with the provider's own key.
func TestDrillSelf(t *testing.T) {
	claude, open := mocktest.Start(t, mock.Options{Profile: mock.Anthropic}), mocktest.Start(t, mock.Options{Profile: mock.OpenAI})
	s := local(apptest.Start(t, strings.NewReplacer("CLAUDE", claude.URL(), "OPEN", open.URL()).Replace(selfConfig)))
	out := call(t, s, admin.DrillSelf, admin.DrillSelfIn{Reason: "ticket 3"})
	if len(out.Workloads) != 3 || out.Record == 0 {
		t.Fatalf("%+v", out)
	}
	for _, x := range out.Workloads {
		if x.Result != admin.SelfWorks || x.Detail != "" || x.Total <= 0 {
			t.Errorf("%+v", x)
		}
	}
	asked := map[string]mock.Request{}
	for _, r := range append(claude.Requests(), open.Requests()...) {
		asked[r.Path] = r
	}
	if len(asked) != 3 {
		t.Fatalf("asked %+v", asked)
	}
	for _, tt := range []struct{ path, header, key, member, model string }{
		{"/v1/messages", "X-Api-Key", "claudes-key", "messages", "claude-sonnet-4-5"},
		{"/v1/embeddings", "Authorization", "Bearer opens-key", "input", "text-embedding-3-small"},
		{"/v1/completions", "Authorization", "Bearer opens-key", "prompt", "gpt-3.5-turbo-instruct"},
	} {
		r := asked[tt.path]
		var body map[string]any
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatalf("%s: %v", tt.path, err)
		}
		if r.Header.Get(tt.header) != tt.key || body[tt.member] == nil || body["model"] != tt.model || r.Problem != "" {
			t.Errorf("%s: key %q, body %s, problem %q", tt.path, r.Header.Get(tt.header), r.Body, r.Problem)
		}
	}

	// What a provider says of a failure is told, in whichever dialect it does.
	mocktest.Fail(t, claude, "529")
	mocktest.Fail(t, open, "401@path=embeddings")
	out = call(t, s, admin.DrillSelf, admin.DrillSelfIn{})
	for _, x := range out.Workloads {
		want := map[string]string{"sonnet": "claude answers 529: ", "vectors": "open answers 401: "}[x.Model]
		if (x.Result == admin.SelfFails) != (want != "") || !strings.HasPrefix(x.Detail, want) || want != "" && len(x.Detail) == len(want) {
			t.Errorf("%+v", x)
		}
	}
}

const capturedConfig = `
server: {listen: 127.0.0.1:0}
capture: {key: "${env:DRILL_TEST_KEY}"}
providers:
  cloud: {dialect: openai, base_url: "CLOUD/v1", hosting: api, probe: {enabled: false}}
  spare: {dialect: openai, base_url: "SPARE/v1", hosting: self, probe: {enabled: false}}
models:
  large: {provider: cloud}
  small: {provider: spare}
workloads:
  kept: {model: large, fallbacks: [small], capture: {enabled: true}}
  unkept: {model: large, fallbacks: [small]}
`

// TestDrillCaptured: a synthetic drill asks again what its workload keeps, whatever
// dialect it came in, and only what was answered; the reading is in the history, and
// what is asked is not kept a second time.
func TestDrillCaptured(t *testing.T) {
	t.Setenv("DRILL_TEST_KEY", secret)
	cloud, spare := mocktest.Start(t, mock.Options{}), mocktest.Start(t, mock.Options{})
	server := apptest.Start(t, strings.NewReplacer("CLOUD", cloud.URL(), "SPARE", spare.URL()).Replace(capturedConfig))
	s := local(server)
	post := func(path, body string, want int) {
		t.Helper()
		resp, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
		check(t, err)
		check(t, resp.Body.Close())
		if resp.StatusCode != want {
			t.Fatalf("%s: %d", path, resp.StatusCode)
		}
	}
	post("/v1/chat/completions", `{"model":"kept","messages":[{"role":"user","content":"the first"}]}`, 200)
	post("/v1/messages", `{"model":"kept","max_tokens":50,"messages":[{"role":"user","content":"the second"}]}`, 200)
	post("/v1/chat/completions", `{"model":"kept","n":0,"messages":[{"role":"user","content":"the wrong one"}]}`, 400)
	post("/v1/chat/completions", `{"model":"unkept","messages":[{"role":"user","content":"the private one"}]}`, 200)
	server.WaitRows(t, 4)
	cloud.Reset()

	in := admin.DrillStartIn{Kind: "down", Provider: "cloud", Workload: "kept", For: "1h", Share: 1, Synthetic: true, Requests: 6}
	d := call(t, s, admin.DrillStart, in)
	got := call(t, s, admin.DrillShow, admin.DrillIn{ID: d.ID, WaitSeconds: 60})
	if got.Report == nil || got.Report.Verdict != drill.Passed || got.Report.Hit != 6 || got.Report.FailedOver != 6 {
		t.Fatalf("%+v %+v", got.Drill, got.Report)
	}
	seen := map[string]int{}
	for _, r := range spare.Requests() {
		for _, text := range []string{"the first", "the second", "the wrong one", "the private one"} {
			if strings.Contains(string(r.Body), text) {
				seen[text]++
			}
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(map[string]int{"the first": 3, "the second": 3}) || cloud.Stats().Requests != 0 {
		t.Errorf("asked %v, and the provider that is down %d times", seen, cloud.Stats().Requests)
	}
	reads := call(t, s, admin.HistoryList, admin.HistoryIn{Kind: []string{string(capture.KindRead)}}).Records
	if len(reads) == 0 || reads[0].Who.Name != "ann" || reads[0].Why != "for a drill" {
		t.Errorf("the history has %+v", reads)
	}
	if kept := call(t, s, admin.CaptureList, admin.CapturesIn{}).Captures; len(kept) != 3 {
		t.Errorf("%d requests are kept, want the 3 of clients", len(kept))
	}

	// Where nothing is kept it asks what is its own.
	in.Workload, in.Reason = "unkept", "yearly"
	d = call(t, s, admin.DrillStart, in)
	call(t, s, admin.DrillShow, admin.DrillIn{ID: d.ID, WaitSeconds: 60})
	for _, r := range spare.Requests()[6:] {
		if strings.Contains(string(r.Body), "the private one") {
			t.Errorf("asked %s", r.Body)
		}
	}
	if again := call(t, s, admin.HistoryList, admin.HistoryIn{Kind: []string{string(capture.KindRead)}}).Records; len(again) != len(reads) {
		t.Errorf("texts were read: %+v", again[0])
	}
}
