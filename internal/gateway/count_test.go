package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/health"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// Tokens are counted by the provider where it can, else estimated here; the
// estimate sends nothing anywhere and says that it is one.
func TestCountTokens(t *testing.T) {
	claude := mocktest.Start(t, mock.Options{Profile: "anthropic"})
	open := mocktest.Start(t, mock.Options{Profile: "vllm"})
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  claude: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
  open: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  c: {provider: claude, id: claude-3-5-sonnet-20241022}
  o: {provider: open, id: m}
`, claude.URL(), open.URL()))
	for model, estimated := range map[string]string{"c": "", "o": "true"} {
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"one two three four five six"}]}`, model)
		resp, err := mocktest.Client().Post(s.URL+"/v1/messages/count_tokens", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Tokens int64 `json:"input_tokens"`
		}
		err = json.NewDecoder(resp.Body).Decode(&answer)
		if cerr := resp.Body.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		if resp.StatusCode != http.StatusOK || answer.Tokens < 6 || answer.Tokens > 40 || resp.Header.Get("X-Freehold-Estimated") != estimated {
			t.Errorf("%s: status %d, %d tokens, estimated %q", model, resp.StatusCode, answer.Tokens, resp.Header.Get("X-Freehold-Estimated"))
		}
	}
	if n := open.Stats().Requests; n != 0 {
		t.Errorf("%d requests left for an estimate", n)
	}
	if rows := s.Rows(t); len(rows) != 2 {
		t.Errorf("%d rows", len(rows))
	}
}

// A llama.cpp server counts itself; where it does not, its failure costs nothing
// but the exact number.
func TestCountTokensAtEngine(t *testing.T) {
	asked := make(chan string, 1)
	var answer atomic.Pointer[string] // empty: not found
	says := func(body string) { answer.Store(&body) }
	says(`{"input_tokens":23,"object":"response.input_tokens"}`)
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked <- r.URL.Path + " " + string(body)
		if text := *answer.Load(); text == "" {
			w.WriteHeader(http.StatusNotFound)
		} else {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, text)
		}
	}))
	defer engine.Close()
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
breaker: {failures: 1}
providers: {l: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: l, id: some}}
workloads: {w: {model: m, params: {defaults: {temperature: 0.5}}}}
`, engine.URL))
	count := func() (tokens int64, estimated bool) {
		body := `{"model":"w","system":"Be brief.","messages":[{"role":"user","content":"one two three"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`
		resp, err := mocktest.Client().Post(s.URL+"/v1/messages/count_tokens", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Tokens int64 `json:"input_tokens"`
		}
		err = json.NewDecoder(resp.Body).Decode(&out)
		if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp.StatusCode, err)
		}
		return out.Tokens, resp.Header.Get("X-Freehold-Estimated") == "true"
	}
	if n, estimated := count(); n != 23 || estimated {
		t.Errorf("%d tokens, estimated %v", n, estimated)
	}
	got := <-asked
	for _, part := range []string{"/v1/chat/completions/input_tokens ", `"role":"system","content":"Be brief."`, `"one two three"`, `"tools":[`} {
		if !strings.Contains(got, part) {
			t.Errorf("asked %s, without %s", got, part)
		}
	}
	// An older server has no such path, which is no fault of the model behind it.
	says("")
	for range 3 {
		n, estimated := count()
		<-asked
		if n < 5 || n > 60 || !estimated {
			t.Errorf("%d tokens, estimated %v", n, estimated)
		}
	}
	h := s.App.Health.Snapshot()
	if len(h) != 1 || h[0].State != health.Closed || h[0].Total.Samples != 0 {
		t.Errorf("health: %+v", h)
	}
	for i, row := range s.WaitRows(t, 4) { // the newest first
		if row.Outcome != ledger.OK || (row.Route == "estimated here") != (i < 3) || (row.Deployment == "") != (i < 3) || len(row.Attempts) != 1 {
			t.Errorf("%+v", row)
		}
	}
	says(`{"tokens":3}`)
	if _, estimated := count(); !estimated {
		t.Error("an answer without a count is one")
	}
}
