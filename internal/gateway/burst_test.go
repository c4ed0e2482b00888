package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"freehold/internal/app/apptest"
)

// What came whole before a provider's garbage is the client's, also when both
// came in one piece.
func TestBurstBeforeFailure(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		const head = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,`
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, head+`"delta":{"role":"assistant","content":""},"finish_reason":null}]}`+"\n\n"+
			head+`"delta":{"content":"Good"},"finish_reason":null}]}`+"\n\n"+
			head+`"delta":{"content":" morning"},"finish_reason":null}]}`+"\n\n"+
			"data: {\"id\":\n\n")
	}))
	t.Cleanup(provider.Close)
	s := apptest.Start(t, `
retries: {max: 0}
providers:
  a: {preset: vllm, base_url: "`+provider.URL+`/v1", probe: {enabled: false}}
models: {m: {provider: a}}
workloads: {w: {model: m, continue: "off"}}
`)
	for _, claude := range []bool{false, true} {
		got := client{url: s.URL, claude: claude}.ask(t, "w", "hi", true, "")
		if got.Text != "Good morning" || got.Err == "" || got.Finish != "" {
			t.Errorf("claude client %v: %v", claude, got)
		}
	}
}
