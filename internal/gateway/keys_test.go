package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// keyed serves a provider with the keys given, before the server at url.
func keyed(t *testing.T, url string, keys ...string) *apptest.Server {
	t.Helper()
	return apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers:
  p: {dialect: openai, base_url: "%s/v1", api_keys: [%s], relay: [moderations], probe: {enabled: false}}
models: {m: {provider: p, id: some-model}}
workloads: {w: {model: m}}
`, url, strings.Join(keys, ", ")))
}

// picky is a provider that accepts only good keys.
func picky(t *testing.T) string {
	return mocktest.Start(t, mock.Options{Profile: "vllm", Words: 12, Keys: []string{"good2", "good3"}}).URL()
}

// A refused key costs the request that finds it out another attempt, later ones
// nothing, and the deployment's breaker stays closed.
func TestRefusedKey(t *testing.T) {
	s := keyed(t, picky(t), "bad1", "good2", "good3")
	c := client{url: s.URL}
	for i := range 3 {
		if got := c.ask(t, "w", "tell me", i%2 == 0, ""); got.Status != 200 || got.Text == "" {
			t.Fatalf("request %d: %v", i, got)
		}
	}
	rows := s.WaitRows(t, 3) // the newest is the first
	for i, row := range rows {
		if want := 1 + i/2; row.Outcome != ledger.OK || len(row.Attempts) != want {
			t.Errorf("row %d: %s, %d attempts, want %d", i, row.Outcome, len(row.Attempts), want)
		}
	}
	first := rows[2].Attempts
	if first[0].Fault != "credentials_refused" || first[0].Detail != "key 1 of 3" || first[1].Cause != first[0].Fault || first[1].Detail != "" {
		t.Errorf("attempts: %+v", first)
	}
	for _, h := range s.App.Health.Snapshot() {
		if h.State.String() != "closed" {
			t.Errorf("%s is %s", h.Name, h.State)
		}
	}
}

// When every key is refused, each was tried once, and the breaker opens.
func TestEveryKeyRefused(t *testing.T) {
	s := keyed(t, picky(t), "bad1", "bad2", "bad3")
	got := client{url: s.URL}.ask(t, "w", "tell me", false, "")
	if got.Status != 502 || !strings.Contains(got.Body, "upstream_credentials") {
		t.Errorf("%v", got)
	}
	row := s.WaitRows(t, 1)[0]
	if len(row.Attempts) != 3 || row.Attempts[2].Detail != "key 3 of 3" {
		t.Errorf("attempts: %+v", row.Attempts)
	}
	for _, h := range s.App.Health.Snapshot() {
		if h.State.String() != "open" {
			t.Errorf("%s is %s", h.Name, h.State)
		}
	}
	// One key after the other is tried again once the breaker lets somebody through.
	for range 2 {
		client{url: s.URL}.ask(t, "w", "tell me", false, "")
	}
	for _, row := range s.WaitRows(t, 3)[:2] {
		if len(row.Attempts) != 1 {
			t.Errorf("attempts while every key is refused: %+v", row.Attempts)
		}
	}
}

// A raw path goes on to the next key too.
func TestRefusedKeyOfRelay(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != `{"input":"x"}` {
			t.Errorf("body %q, error %v", body, err)
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer good") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer provider.Close()
	for _, tc := range []struct {
		keys             []string
		status, attempts int
	}{
		{[]string{"bad1", "bad2", "good3"}, 200, 3},
		{[]string{"bad1", "bad2"}, 502, 2},
		{[]string{"bad1"}, 502, 1},
	} {
		s := keyed(t, provider.URL, tc.keys...)
		r, err := http.Post(s.URL+"/v1/moderations", "application/json", strings.NewReader(`{"input":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
		if r.StatusCode != tc.status {
			t.Errorf("keys %v: status %d, want %d", tc.keys, r.StatusCode, tc.status)
		}
		row := s.WaitRows(t, 1)[0]
		if answered := row.Provider == "p" && row.Deployment == "moderations@p"; answered != (tc.status == 200) {
			t.Errorf("keys %v: status %d, answered by %q at %q", tc.keys, tc.status, row.Deployment, row.Provider)
		}
		if len(row.Attempts) != tc.attempts {
			t.Fatalf("keys %v: attempts %+v", tc.keys, row.Attempts)
		}
		for i, a := range row.Attempts {
			refused := i < tc.attempts-1 || tc.status != 200
			if (a.Fault == "credentials_refused") != refused || refused && len(tc.keys) > 1 && a.Detail != fmt.Sprintf("key %d of %d", i+1, len(tc.keys)) {
				t.Errorf("keys %v: attempt %+v", tc.keys, a)
			}
		}
	}
}

// A key that its provider lets in again counts as refused no more.
func TestAcceptedAgain(t *testing.T) {
	var mended atomic.Bool
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mended.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`)
	}))
	defer provider.Close()
	for path, body := range map[string]string{
		"/v1/moderations":      `{}`,
		"/v1/chat/completions": `{"model":"w","messages":[{"role":"user","content":"Hello"}]}`,
	} {
		mended.Store(false)
		s := keyed(t, provider.URL, "one", "two")
		ask := func() int {
			r, err := http.Post(s.URL+path, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			return r.StatusCode
		}
		keys := s.App.Fleet().Providers["p"].Keys
		if status, left := ask(), keys.Usable(time.Now()); status != 502 || left != 0 {
			t.Errorf("%s: status %d, %d keys left", path, status, left)
		}
		mended.Store(true)
		if status, left := ask(), keys.Usable(time.Now()); status != 200 || left != 1 {
			t.Errorf("%s: status %d, %d keys left", path, status, left)
		}
	}
}

// A rate limited key of a raw path rests, and the answer goes to the client as it is.
func TestLimitedKeyOfRelay(t *testing.T) {
	var keys []string
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Authorization"))
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, "slow down")
	}))
	defer provider.Close()
	s := keyed(t, provider.URL, "one", "two")
	for range 2 {
		r, err := http.Post(s.URL+"/v1/moderations", "application/json", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil || r.StatusCode != 429 || string(text) != "slow down" {
			t.Errorf("%d %q, %v", r.StatusCode, text, err)
		}
	}
	if !slices.Equal(keys, []string{"Bearer one", "Bearer two"}) {
		t.Errorf("asked with %q", keys)
	}
	for _, row := range s.WaitRows(t, 2) {
		if row.Outcome != ledger.ClientError || row.Deployment != "" || row.Attempts[0].Deployment != "moderations@p" {
			t.Errorf("%+v", row)
		}
	}
}
