package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

func gatewayFor(t *testing.T, server string) (*apptest.Server, *mock.Server) {
	t.Helper()
	m := mocktest.Start(t, mock.Options{Profile: "openai"})
	return apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0%s}
providers: {a: {preset: openai, base_url: "%s/v1", api_key: k, relay: [files, images], probe: {enabled: false}}}
models: {m: {provider: a, id: m}}
`, server, m.URL())), m
}

// A refusal does not wait for a body that may never come, and a body that was
// begun has its time.
func TestSlowBodies(t *testing.T) {
	s, _ := gatewayFor(t, ", auth: keys, limits: {body_timeout: 200ms, header_timeout: 1s}")
	for _, path := range []string{"/v1/chat/completions", "/nowhere", "/v1/files"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", path)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if resp.StatusCode < 400 || !resp.Close {
			t.Errorf("%s: status %d, closes %v", path, resp.StatusCode, resp.Close)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An ordinary client gets its 413: it sends all before it reads.
func TestTooLarge(t *testing.T) {
	s, _ := gatewayFor(t, ", limits: {body: 1MiB}")
	resp, err := mocktest.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(strings.Repeat("x", 3<<19)))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

// Without keys a web page of another site is refused; one of this machine is not.
func TestForeignOrigin(t *testing.T) {
	s, m := gatewayFor(t, "")
	for origin, want := range map[string]int{"": 200, "http://localhost:3000": 200, "https://evil.example": 403, "null": 403} {
		req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := mocktest.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Errorf("origin %q: status %d, want %d", origin, resp.StatusCode, want)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := m.Stats().Requests; n != 2 {
		t.Errorf("the provider saw %d requests, want 2", n)
	}
}

// A relayed path stays in its family, has its time, and our credentials'
// refusal is never the caller's.
func TestRelayBounds(t *testing.T) {
	var asked atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if strings.HasSuffix(r.URL.Path, "/silent") {
			if _, err := io.Copy(io.Discard, r.Body); err == nil { // else its leaving is not noticed
				<-r.Context().Done()
			}
			return
		}
		http.Error(w, `{"error":{"message":"bad key sk-canary"}}`, http.StatusUnauthorized)
	}))
	defer provider.Close()
	s := apptest.Start(t, fmt.Sprintf(`
providers: {a: {preset: openai, base_url: "%s/v1", api_key: k, relay: [files, images], probe: {enabled: false}}}
models: {}
`, provider.URL))
	post := func(path, limit string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, s.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = path
		req.Header.Set("X-Freehold-Timeout-Ms", limit)
		resp, err := mocktest.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		return resp.StatusCode
	}
	for _, path := range []string{"/v1/images/..%2fchat%2fcompletions", "/v1/images/../chat/completions", "/v1/images/%2e%2e/x", "/v1/files/a%5cb"} {
		if got := post(path, "60000"); got != http.StatusBadRequest {
			t.Errorf("%s: status %d", path, got)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests left their family", n)
	}
	if got := post("/v1/images/generations", "60000"); got != http.StatusBadGateway {
		t.Errorf("our key refused: status %d", got)
	}
	if got := post("/v1/images/silent", "300"); got != http.StatusGatewayTimeout {
		t.Errorf("a silent provider: status %d", got)
	}
}
