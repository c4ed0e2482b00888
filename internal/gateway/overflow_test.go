package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
)

// busy is a provider that answers once it is let go.
func busy(t *testing.T) (url string, came <-chan struct{}, letGo func()) {
	t.Helper()
	arrived, gate := make(chan struct{}, 100), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"done"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}))
	var once sync.Once
	letGo = func() { once.Do(func() { close(gate) }) }
	t.Cleanup(srv.Close)
	t.Cleanup(letGo)
	return srv.URL, arrived, letGo
}

// When the local model is full, a request goes on to the next deployment; where
// there is none, one with an SLO is told 429 at once, and any other waits.
func TestOverflow(t *testing.T) {
	url, came, letGo := busy(t)
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
retries: {max: 2, base: 1ms}
providers:
  local: {preset: vllm, base_url: "%s/v1", max_concurrency: 1, queue: 4, probe: {enabled: false}}
  cloud: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models: {m: {provider: local}, large: {provider: cloud}}
workloads:
  spread: {model: m, fallbacks: [large]}
  fast: {model: m, slo: {total: 10s}}
  patient: {model: m}
`, url, vllm(t, mock.Options{}).URL()))
	ask := func(workload string) result {
		got, err := client{url: s.URL}.do(context.Background(), workload, "hello", false, "")
		if err != nil {
			t.Error(err)
		}
		return got
	}
	var wg sync.WaitGroup
	later := func(workload string) {
		wg.Go(func() {
			if got := ask(workload); got.Status != 200 || got.Header.Get("X-Freehold-Provider") != "local" {
				t.Errorf("%s: %.300v", workload, got)
			}
		})
	}
	later("patient")
	<-came
	if got := ask("spread"); got.Status != 200 || got.Header.Get("X-Freehold-Provider") != "cloud" || got.Header.Get("X-Freehold-Route") != "fallback after overloaded" {
		t.Errorf("overflow: %.300v, route %q", got, got.Header.Get("X-Freehold-Route"))
	}
	if got := ask("fast"); got.Status != 429 || got.Header.Get("Retry-After") == "" {
		t.Errorf("SLO: %.300v", got)
	}
	later("patient")
	s.WaitRows(t, 2)
	letGo()
	wg.Wait()
}

// A provider outside of its networks is asked once, and the refusal names the rule.
func TestOutsideItsNetworks(t *testing.T) {
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
retries: {max: 2, base: 1ms}
providers: {p: {dialect: openai, base_url: "%s/v1", networks: [10.0.0.0/8], probe: {enabled: false}}}
models: {m: {provider: p}}
`, strings.Replace(vllm(t, mock.Options{}).URL(), "127.0.0.1", "localhost", 1)))
	got := client{url: s.URL}.ask(t, "m", "hello", false, "")
	row := s.WaitRows(t, 1)[0]
	if got.Status != 403 || got.Err != "perimeter" || !strings.Contains(got.Body, "outside of its networks") || len(row.Attempts) != 1 || row.Attempts[0].Sent != 0 {
		t.Errorf("%.300v, attempts %+v", got, row.Attempts)
	}
}

// What a connection failed with is on record, and told to nobody else.
func TestConnectDetail(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
retries: {max: 0}
providers: {p: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: p}}
`, gone.URL))
	got := client{url: s.URL}.ask(t, "m", "hello", false, "")
	row := s.WaitRows(t, 1)[0]
	if got.Status != 503 || strings.Contains(got.Body, "refused") || len(row.Attempts) != 1 || !strings.Contains(row.Attempts[0].Detail, "refused") {
		t.Errorf("%.300v, attempts %+v", got, row.Attempts)
	}
}

// A redirect is called one, with the place that it leads to and no more of the
// address, and is not followed.
func TestRedirectDetail(t *testing.T) {
	var asked atomic.Int64
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "http://127.0.0.1:9/elsewhere?token=t0ken", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(moved.Close)
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
retries: {max: 0}
providers: {p: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: p}}
`, moved.URL))
	got := client{url: s.URL}.ask(t, "m", "hello", false, "")
	row := s.WaitRows(t, 1)[0]
	const want = "a redirect to http://127.0.0.1:9, and none is followed: base_url must be where requests are answered"
	if got.Status < 500 || !strings.Contains(got.Body, "m@p: a redirect, which is not followed") || asked.Load() != 1 ||
		len(row.Attempts) != 1 || row.Attempts[0].Detail != want || row.Attempts[0].Status != 307 {
		t.Errorf("%.300v, asked %d times, attempts %+v", got, asked.Load(), row.Attempts)
	}
}
