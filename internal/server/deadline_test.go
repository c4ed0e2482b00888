package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// A connection that is used again after write_timeout serves all the same: a
// deadline is for one write, not for the connection.
func TestConnectionOutlivesWriteTimeout(t *testing.T) {
	const timeout = 400 * time.Millisecond // a starved machine may pause between a deadline and its write
	m := mocktest.Start(t, mock.Options{Profile: "vllm", Words: 2})
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0, limits: {write_timeout: %s}}
providers: {a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a, id: m}}
`, timeout, m.URL()))
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	ask := func(stream bool) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			return c.Post(s.URL+"/v1/chat/completions", "application/json",
				strings.NewReader(fmt.Sprintf(`{"model":"m","stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream)))
		}
	}
	get := func(path string) func() (*http.Response, error) {
		return func() (*http.Response, error) { return c.Get(s.URL + path) }
	}
	// The mock takes longer than the limit before and between events.
	mocktest.Fail(t, m, "slow:450ms:first=500ms")
	for i, do := range []func() (*http.Response, error){ask(false), get("/v1/models"), get("/health/ready"), get("/nowhere"), ask(true), get("/v1/models")} {
		resp, err := do()
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		var b strings.Builder
		if err := resp.Write(&b); err != nil {
			t.Fatalf("request %d, after %q: %v", i, b.String(), err)
		}
		// The limit is the kernel's business: only real time passes it.
		<-time.After(timeout + timeout/4)
	}
}
