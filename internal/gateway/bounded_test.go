package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock"
)

// endless is a provider whose answers do not end, but for "short" ones.
func endless(t *testing.T) string {
	t.Helper()
	const head = `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":`
	words := strings.Repeat("word ", 2000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		ask := string(body)
		stream := strings.Contains(ask, `"stream":true`)
		before, piece, after := `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"`, words, `"}}]}`
		if stream {
			before, piece = "", "data: "+head+`{"content":"`+words+`"},"finish_reason":null}]}`+"\n\n"
			after = "data: " + head + `{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
		}
		switch {
		case stream && strings.Contains(ask, "call a tool"):
			before = "data: " + head + `{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"\""}}]},"finish_reason":null}]}` + "\n\n"
			piece = "data: " + head + `{"tool_calls":[{"index":0,"function":{"arguments":"` + words + `"}}]},"finish_reason":null}]}` + "\n\n"
		case stream && strings.Contains(ask, "one event"):
			before, piece = "data: "+head+`{"content":"`, words
		}
		if stream {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		_, err = io.WriteString(w, before)
		for n := 0; err == nil; n++ {
			if n > 50 && strings.Contains(ask, "short") { // half a megabyte
				_, _ = io.WriteString(w, after)
				return
			}
			_, err = io.WriteString(w, piece)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// Answers that do not end share what memory they may take: each is told so, the
// provider is not blamed, and what was taken is given back.
func TestAnswersAreBoundedTogether(t *testing.T) {
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0, limits: {answers: 4MiB}}
retries: {max: 2, base: 1ms}
breaker: {failures: 2}
providers:
  a: {preset: vllm, base_url: "%[1]s/v1", probe: {enabled: false}}
  b: {preset: llama.cpp, base_url: "%[1]s/v1", probe: {enabled: false}}
  good: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models: {m: {provider: a}, assembled: {provider: b}, good: {provider: good}}
workloads: {w: {model: m, fallbacks: [good]}}
`, endless(t), vllm(t, mock.Options{}).URL()))
	const tools = `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
	const claudeTools = `,"tools":[{"name":"f","input_schema":{"type":"object"}}]`
	cases := []struct {
		model, prompt string
		claude, tools bool
		stream        bool
	}{
		{model: "m", prompt: "plain"},
		{model: "m", prompt: "plain", claude: true},
		{model: "assembled", prompt: "plain"},
		{model: "m", prompt: "call a tool", tools: true, stream: true},
		{model: "m", prompt: "call a tool", tools: true, stream: true, claude: true},
		{model: "m", prompt: "one event", stream: true},
	}
	var wg sync.WaitGroup
	for range 2 {
		for _, c := range cases {
			wg.Go(func() {
				extra := ""
				if c.tools {
					extra = tools
					if c.claude {
						extra = claudeTools
					}
				}
				got := client{url: s.URL, claude: c.claude}.ask(t, c.model, c.prompt, c.stream, extra)
				if got.Status != 429 || got.Err != "answers_too_large" || got.Header.Get("Retry-After") != "1" {
					t.Errorf("%+v: %.300v", c, got)
				}
			})
		}
	}
	wg.Wait()
	rows := s.WaitRows(t, 2*len(cases))
	for _, r := range rows {
		if r.Outcome != ledger.Shed || len(r.Attempts) != 1 {
			t.Errorf("outcome %s after %d attempts", r.Outcome, len(r.Attempts))
		}
	}
	if got := (client{url: s.URL}).ask(t, "w", "plain", false, ""); got.Status != 200 || got.Header.Get("X-Freehold-Model") != "good" {
		t.Errorf("with a fallback whose answer is small: %.300v", got)
	}
	for _, claude := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			got := client{url: s.URL, claude: claude}.ask(t, "m", "short", stream, "")
			if got.Status != 200 || got.Err != "" || !got.Ended || len(got.Text) < 500_000 {
				t.Errorf("afterwards, claude client %v, stream %v: %.300v", claude, stream, got)
			}
		}
	}
}

// A stream that is shown as it comes is not cut for want of memory: only what is
// kept of it to go on elsewhere is bounded.
func TestStreamGoesOnWithoutRoom(t *testing.T) {
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0, limits: {answers: 100KiB}}
providers: {a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a}}
`, endless(t)))
	for _, claude := range []bool{false, true} {
		if got := (client{url: s.URL, claude: claude}).ask(t, "m", "short", true, ""); got.Err != "" || !got.Ended || len(got.Text) < 500_000 {
			t.Errorf("claude client %v: %.300v", claude, got)
		}
	}
}
