package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// serve starts a freehold whose configuration names mocks by %s, in order.
func serve(t *testing.T, config string, mocks ...*mock.Server) *apptest.Server {
	t.Helper()
	urls := make([]any, len(mocks))
	for i, m := range mocks {
		urls[i] = m.URL()
	}
	return apptest.Start(t, fmt.Sprintf(config, urls...))
}

func vllm(t *testing.T, o mock.Options) *mock.Server {
	t.Helper()
	o.Profile = "vllm"
	return mocktest.Start(t, o)
}

// config2 has the provider b as fallback of a. WORKLOAD takes more keys.
const config2 = `
retries: {max: 0}
breaker: {failures: 3, open: 1m}
timeouts: {first_token: 1m}
providers:
  a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  small: {provider: a, id: m, context: 1000}
  large: {provider: b, id: m, context: 100000}
workloads:
  w: {model: small, fallbacks: [large]WORKLOAD}
`

// A prompt that is too long for a model goes to one with a larger context, or
// back to the caller where the workload says so.
func TestContextLength(t *testing.T) {
	const tooLong = "400:code=context_length_exceeded:message=This%20model's%20maximum%20context%20length%20is%201000%20tokens."
	for setting, want := range map[string]int{"": 200, ", on_context_length: return": 400} {
		a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
		s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", setting), a, b)
		mocktest.Fail(t, a, tooLong)
		got := client{url: s.URL}.ask(t, "w", "hi", false, "")
		if got.Status != want {
			t.Errorf("%q: %v", setting, got)
		}
		claude := client{url: s.URL, claude: true}.ask(t, "small", "hi", false, "")
		if claude.Status != 400 || !strings.Contains(claude.Body, "prompt is too long") {
			t.Errorf("Claude Code would not know it: %v", claude)
		}
	}
}

// A content filter's refusal is the caller's, unless the workload has it asked
// elsewhere: as an error, and as a finish reason before anything was shown.
func TestContentFilter(t *testing.T) {
	for setting, want := range map[string]int{"": 400, ", on_content_filter: fallback": 200} {
		a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
		s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", setting), a, b)
		mocktest.Fail(t, a, "400:code=content_filter:message=The%20response%20was%20filtered")
		if got := (client{url: s.URL}).ask(t, "w", "hi", false, ""); got.Status != want {
			t.Errorf("%q: %v", setting, got)
		}
	}
}

// A refusal at the end of a burst, none of which was shown yet: the fallback alone
// answers, and is on record.
func TestContentFilterInABurst(t *testing.T) {
	chunk := func(rest string) string {
		return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,` + rest + "}]}\n\n"
	}
	burst := chunk(`"delta":{"role":"assistant","content":"Part "}`) + chunk(`"delta":{},"finish_reason":"content_filter"`) + "data: [DONE]\n\n"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, burst)
	}))
	t.Cleanup(srv.Close)
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
providers: {a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}, b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a, continuation: prefill}, good: {provider: b, id: m, continuation: prefill}}
workloads: {w: {model: m, fallbacks: [good], on_content_filter: fallback}, alone: {model: m, on_content_filter: fallback}}
`, srv.URL, vllm(t, mock.Options{}).URL()))
	rows := 0
	for _, claude := range []bool{false, true} {
		c := client{url: s.URL, claude: claude}
		for range 5 {
			got := c.ask(t, "w", "hi", true, "")
			rows++
			row := s.WaitRows(t, rows)[0]
			if !got.Whole() || strings.Contains(got.Body, "Part") || row.Model != "good" || len(row.Seams) > 0 || len(row.Attempts) != 2 {
				t.Fatalf("claude %v: %v, body %.400q, by %s, seams %v", claude, got, got.Body, row.Model, row.Seams)
			}
		}
		if got := c.ask(t, "alone", "hi", true, ""); got.Status != 400 || strings.Contains(got.Body, "Part") {
			t.Errorf("alone, claude %v: %v, body %q", claude, got, got.Body)
		}
		rows++
	}
}

// An open breaker costs nothing: the deployment is not asked. With nothing else
// left it is asked after all.
func TestBreaker(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", ""), a, b)
	c := client{url: s.URL}
	mocktest.Fail(t, a, "500")
	for range 6 {
		c.ask(t, "w", "hi", false, "")
	}
	if n := a.Stats().Requests; n != 3 {
		t.Errorf("the broken deployment was asked %d times, want 3", n)
	}
	mocktest.Fail(t, a)
	if got := c.ask(t, "small", "hi", false, ""); got.Status != 200 || a.Stats().Requests != 4 {
		t.Errorf("as the last resort: %v, %d requests", got, a.Stats().Requests)
	}
}

// Several keys of a provider: one that is rate limited is left alone while
// another has room.
func TestKeysRotate(t *testing.T) {
	a := vllm(t, mock.Options{Keys: []string{"k1", "k2"}})
	s := serve(t, `
retries: {max: 0}
providers: {a: {preset: openai, base_url: "%s/v1", api_keys: [k1, k2], probe: {enabled: false}}}
models: {m: {provider: a, id: m}}
`, a)
	c := client{url: s.URL}
	mocktest.Fail(t, a, "429@key=k1:60s")
	for range 3 {
		if got := c.ask(t, "m", "hi", false, ""); got.Status != 200 {
			t.Fatal(got)
		}
	}
	if n := a.Stats().Requests; n != 4 {
		t.Errorf("%d requests, want 4: one that was limited, and three with the other key", n)
	}
	mocktest.Fail(t, a, "429:60s")
	got := c.ask(t, "m", "hi", false, "")
	if got.Status != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("all keys limited: %v, Retry-After %q", got, got.Header.Get("Retry-After"))
	}
}

// Rounds of retries are ours where there is one deployment; an SDK's own are
// not multiplied.
func TestRounds(t *testing.T) {
	a := vllm(t, mock.Options{})
	s := serve(t, `
retries: {max: 2, base: 1ms, cap: 5ms}
breaker: {failures: 100}
providers: {a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a, id: m}}
`, a)
	mocktest.Fail(t, a, "500@1-2")
	if got := (client{url: s.URL}).ask(t, "m", "hi", false, ""); got.Status != 200 || got.Header.Get("X-Freehold-Attempts") != "3" {
		t.Errorf("%v after %s attempts", got, got.Header.Get("X-Freehold-Attempts"))
	}
	mocktest.Fail(t, a, "500")
	before := a.Stats().Requests
	sdk := client{url: s.URL, header: http.Header{"X-Stainless-Retry-Count": {"1"}}}
	if got := sdk.ask(t, "m", "hi", false, ""); got.Status != 503 || a.Stats().Requests != before+1 {
		t.Errorf("an SDK's retry was multiplied: %v, %d requests", got, a.Stats().Requests-before)
	}
	mocktest.Fail(t, a, "400")
	before = a.Stats().Requests
	if got := (client{url: s.URL}).ask(t, "m", "hi", false, ""); got.Status != 400 || a.Stats().Requests != before+1 {
		t.Errorf("a request at fault was sent again: %v", got)
	}
}

// A plain call to a silent provider is not given up but asked beside it; a
// hedge does the same for streams. The loser is freed, and one row says all.
func TestHedge(t *testing.T) {
	for name, c := range map[string]struct {
		stream bool
		config string
		cause  string
	}{
		"late plain answer": {false, ", timeouts: {first_token: 100ms}", "late"},
		"hedged stream":     {true, ", hedge: {after: 50ms, max_share: 1}", "hedge"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
			s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", c.config), a, b)
			mocktest.Fail(t, a, "stall")
			got := client{url: s.URL}.ask(t, "w", "hi", c.stream, "")
			if got.Status != 200 || !got.Ended || got.Header.Get("X-Freehold-Model") != "large" {
				t.Errorf("%v by %s", got, got.Header.Get("X-Freehold-Model"))
			}
			mocktest.Wait(t, a, func(st mock.Stats) bool { return st.InFlight == 0 })
			rows := s.Rows(t)
			if len(rows) != 1 || rows[0].Outcome != ledger.OK || len(rows[0].Attempts) != 2 || rows[0].Attempts[1].Cause != c.cause {
				t.Errorf("rows: %+v", rows)
			}
		})
	}
}

// JSON answers are held until they are whole where the workload says so.
func TestHoldStructured(t *testing.T) {
	format := `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"]}}}`
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", ", hold: structured"), a, b)
	c := client{url: s.URL}
	want := c.ask(t, "large", "hi", true, format)
	for at := 0; at < 100; at += 11 {
		mocktest.Fail(t, a, fmt.Sprintf("cut:%d%%", at))
		if got := c.ask(t, "w", "hi", true, format); got.Text != want.Text || got.Err != "" || !got.Ended {
			t.Errorf("cut at %d%%: %v, want %v", at, got, want)
		}
	}
}

// Several choices and logprobs cannot be continued: the client is told.
func TestNotContinued(t *testing.T) {
	for _, extra := range []string{`,"n":2`, `,"logprobs":true`} {
		a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
		s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", ""), a, b)
		mocktest.Fail(t, a, "cut:70%")
		got := client{url: s.URL}.ask(t, "w", "hi", true, extra)
		if got.Status != 200 || got.Err == "" || got.Ended || got.Finish != "" {
			t.Errorf("%s: %v", extra, got)
		}
		if row := s.Rows(t)[0]; row.Outcome != ledger.Partial {
			t.Errorf("%s: outcome %s", extra, row.Outcome)
		}
	}
}

// A slow model is not taken for a dead one: the stream is kept alive in the
// client's dialect, for as long as it takes.
func TestKeepAlive(t *testing.T) {
	for _, claude := range []bool{false, true} {
		seen := make(chan struct{})
		provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-seen:
			case <-r.Context().Done():
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[`+
				`{"index":0,"delta":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
		}))
		t.Cleanup(provider.Close)
		s := apptest.Start(t, `
server: {listen: 127.0.0.1:0, keep_alive: 20ms}
providers: {a: {preset: vllm, base_url: "`+provider.URL+`/v1", probe: {enabled: false}}}
models: {m: {provider: a, timeouts: {first_token: 1m}}}
`)
		path, body, want := "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`, ": keep-alive"
		if claude {
			path, body, want = "/v1/messages", `{"model":"m","stream":true,"max_tokens":99,"messages":[{"role":"user","content":"hi"}]}`, "event: ping"
		}
		resp, err := mocktest.Client().Post(s.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var rest strings.Builder
		alive := 0
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if lines.Text() == want {
				if alive++; alive == 3 {
					close(seen)
				}
			}
			rest.WriteString(lines.Text() + "\n")
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if alive < 3 || !strings.Contains(rest.String(), "Yes.") ||
			!strings.Contains(rest.String(), "[DONE]") && !strings.Contains(rest.String(), "message_stop") {
			t.Errorf("%d keep-alives in:\n%s", alive, rest.String())
		}
	}
}

// A vendor's own name goes to the provider that owns it; one that the vendor
// does not know is the caller's 404, and breaks nothing.
func TestVendorNames(t *testing.T) {
	a := mocktest.Start(t, mock.Options{Profile: "openai", Models: []string{"gpt-4o"}})
	s := serve(t, `
providers: {openai: {preset: openai, base_url: "%s/v1", api_key: k, probe: {enabled: false}}}
models: {}
`, a)
	c := client{url: s.URL}
	if got := c.ask(t, "gpt-4o", "hi", false, ""); got.Status != 200 || got.Header.Get("X-Freehold-Provider") != "openai" {
		t.Errorf("gpt-4o: %v", got)
	}
	if got := c.ask(t, "gpt-9", "hi", false, ""); got.Status != 404 || got.Err != "model_not_found" {
		t.Errorf("gpt-9: %v", got)
	}
	if got := c.ask(t, "llama", "hi", false, ""); got.Status != 404 || got.Err != "model_not_found" {
		t.Errorf("llama: %v", got)
	}
	if got := c.ask(t, "gpt-4o", "hi", false, ""); got.Status != 200 {
		t.Errorf("gpt-4o after the others: %v", got)
	}
}

// A parameter that the vendor's dialect lacks is refused here, by its name, and
// not there; or dropped, and said, where the configuration allows it.
func TestVendorLacksParameter(t *testing.T) {
	for _, members := range []string{`,"top_k":5`, `,"thinking":{"type":"enabled","budget_tokens":2000}`} {
		param, _, _ := strings.Cut(members[2:], `"`)
		for _, drop := range []bool{false, true} {
			a := mocktest.Start(t, mock.Options{Profile: "openai", Models: []string{"gpt-4o"}})
			s := serve(t, fmt.Sprintf("server: {listen: 127.0.0.1:0, drop_unsupported: %v}", drop)+`
providers: {openai: {preset: openai, base_url: "%s/v1", api_key: k, probe: {enabled: false}}}
models: {}
`, a)
			got := client{url: s.URL, claude: true}.ask(t, "gpt-4o", "hi", false, members)
			if drop && (got.Status != 200 || got.Header.Get("X-Freehold-Dropped") != param) {
				t.Errorf("dropping %s: %v, dropped %q", param, got, got.Header.Get("X-Freehold-Dropped"))
			}
			if !drop && (got.Status != 400 || !strings.Contains(got.Body, `"param":"`+param+`"`) || a.Stats().Requests != 0) {
				t.Errorf("%s: %v, %d requests", param, got, a.Stats().Requests)
			}
		}
	}
}

// The client's own limit ends a request, also in mid-answer.
func TestDeadline(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", ""), a, b)
	c := client{url: s.URL, header: http.Header{"X-Freehold-Timeout-Ms": {"200"}}}
	mocktest.Fail(t, a, "stall")
	mocktest.Fail(t, b, "stall")
	if got := c.ask(t, "w", "hi", false, ""); got.Status != 504 || got.Err != "deadline_exceeded" {
		t.Errorf("plain: %v", got)
	}
	mocktest.Fail(t, a, "stall:3e")
	if got, err := c.do(context.Background(), "small", "hi", true, ""); err != nil || got.Err != "deadline_exceeded" || got.Ended {
		t.Errorf("stream: %v, %v", got, err)
	}
}
