package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freehold/internal/app/apptest"
	"freehold/internal/health"
	"freehold/internal/mock/mocktest"
)

// mistake is how a provider answers a request that is at fault.
type mistake struct {
	status int
	body   string
}

// mistakes by the provider's dialect; SOME stands for words that vary.
var mistakes = map[string][]mistake{
	"openai": {
		{400, `{"error":{"message":"SOME","type":"invalid_request_error","param":"temperature","code":null}}`},
		{400, `{"error":{"message":"SOME maximum context length is 10 tokens","type":"invalid_request_error","code":"context_length_exceeded"}}`},
		{400, `{"error":{"message":"SOME","type":"exceed_context_size_error","code":400,"n_prompt_tokens":9,"n_ctx":8}}`},
		{400, `{"error":{"message":"SOME was filtered","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`},
		{403, `{"error":{"message":"SOME","code":"content_policy_violation"}}`},
		{413, `{"error":{"message":"SOME is too large"}}`},
		{413, `<html>SOME</html>`},
		{422, `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"SOME"}]}`},
		{422, "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096 SOME\",\"error_type\":\"validation\"}"},
		{400, ``},
		// llama.cpp tells these as failures of its own.
		{500, `{"error":{"code":500,"message":"input (401 tokens) is too large to process. increase the physical batch size (current batch size: 256)","type":"server_error"}}`},
		{500, `{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`},
		{500, `{"error":{"code":500,"message":"audio input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`},
		{500, `{"error":{"code":500,"message":"Failed to parse tools: Missing tool function: SOME; tools = []","type":"server_error"}}`},
		{500, `{"error":{"code":500,"message":"Failed to parse tools: Unsupported tool type: SOME; tools = []","type":"server_error"}}`},
		{500, `{"error":{"code":500,"message":"Failed to parse messages: key 'SOME' not found","type":"server_error"}}`},
		{500, `{"error":{"code":500,"message":"Unknown reasoning format: SOME","type":"server_error"}}`},
	},
	"anthropic": {
		{400, `{"type":"error","error":{"type":"invalid_request_error","message":"SOME"}}`},
		{400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum SOME"}}`},
		{413, `{"type":"error","error":{"type":"request_too_large","message":"SOME"}}`},
		{422, `{"type":"error","error":{"type":"invalid_request_error","message":"SOME"}}`},
	},
}

// refuser is a provider that answers as it was told last.
type refuser struct {
	*httptest.Server
	mu sync.Mutex
	mistake
}

func newRefuser(t *testing.T) *refuser {
	t.Helper()
	r := &refuser{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *refuser) answer(m mistake) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mistake = m
}

// bodies of requests by path.
var bodies = map[string]string{
	"/v1/chat/completions": `{"model":%q,"messages":[{"role":"user","content":"hi"}],"stream":%v}`,
	"/v1/completions":      `{"model":%q,"prompt":["hi","ho"],"stream":%v}`,
	"/v1/messages":         `{"model":%q,"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":%v}`,
	"/v1/embeddings":       `{"model":%q,"input":"hi","user":"%v"}`,
}

// A client's mistake is told to the client and never counts for or against the
// deployment that found it: with the most nervous of breakers, closed or being
// tried again after a failure, nothing moves.
func TestMistakesMoveNoBreaker(t *testing.T) {
	openai, claude := newRefuser(t), newRefuser(t)
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
breaker: {failures: 1, rate: 0.01, min_requests: 1, open: 1ms, max_open: 1ms, successes: 1}
providers:
  o: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}
  a: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  chat: {deployments: [{provider: o, id: m}, {provider: a, id: m}]}
  embed: {provider: o, id: e, mode: embedding}
  claude: {provider: a, id: m}
`, openai.URL, claude.URL))
	states := func() map[string]health.Status {
		out := map[string]health.Status{}
		for _, d := range s.App.Fleet().Deployments() {
			st := d.Health.Status(time.Now())
			out[d.Name] = health.Status{State: st.State, Cause: st.Cause, Successes: st.Successes, Failures: st.Failures}
		}
		return out
	}
	ask := func(t rapid.TB, path, model string, stream bool) (int, string) {
		resp, err := mocktest.Client().Post(s.URL+path, "application/json", strings.NewReader(fmt.Sprintf(bodies[path], model, stream)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	property := func(t *rapid.T) {
		words := rapid.StringMatching(`[a-z ]{0,20}`).Draw(t, "words")
		draw := func(dialect string) mistake {
			m := rapid.SampledFrom(mistakes[dialect]).Draw(t, dialect)
			m.body = strings.ReplaceAll(m.body, "SOME", words)
			return m
		}
		openai.answer(draw("openai"))
		claude.answer(draw("anthropic"))
		path := rapid.SampledFrom([]string{"/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/embeddings"}).Draw(t, "path")
		model := rapid.SampledFrom([]string{"chat", "claude"}).Draw(t, "model")
		if path == "/v1/embeddings" {
			model = "embed"
		}
		before := states()
		status, body := ask(t, path, model, rapid.Bool().Draw(t, "stream"))
		if status < 400 || status > 499 {
			t.Errorf("the client is told %d %s", status, body)
		}
		for name, now := range states() {
			if now != before[name] {
				t.Errorf("%s moved from %+v to %+v", name, before[name], now)
			}
		}
	}
	t.Run("closed", rapid.MakeCheck(property))
	openai.answer(mistake{500, `{"error":{"message":"Compute error.","code":500}}`})
	claude.answer(mistake{500, `{}`})
	for path, model := range map[string]string{"/v1/chat/completions": "chat", "/v1/embeddings": "embed", "/v1/messages": "claude"} {
		if status, body := ask(t, path, model, false); status != http.StatusServiceUnavailable {
			t.Fatalf("a failure is told as %d %s", status, body)
		}
	}
	for limit := time.Now().Add(time.Minute); ; {
		half := 0
		for _, st := range states() {
			if st.State == health.HalfOpen {
				half++
			}
		}
		if half == len(s.App.Fleet().Deployments()) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the breakers are not half-open: %+v", states())
		}
	}
	t.Run("half-open", rapid.MakeCheck(property))
}
