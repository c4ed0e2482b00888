package sdk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold/internal/app"
	"freehold/internal/auth"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// world is freehold with its providers.
type world struct {
	url, key string // http://host:port and a virtual key
	provider string // the providers' dialect
	// primary answers first; backup where a check has a fallback; thinker is
	// the provider that shows its thinking.
	primary, backup, thinker *mock.Server
}

const providerKey = "provider-key"

// models of the providers, by dialect: ordinary ones with all features.
var models = map[string]string{"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5"}

// start serves freehold with one workload for each check: with providers of
// its own, so that the failures of one check leave no breaker open for another.
func start(t *testing.T, provider string, checks []check) *world {
	t.Helper()
	w := &world{provider: provider}
	options := func(p mock.Profile) mock.Options {
		return mock.Options{Profile: p, Seed: 7, Keys: []string{providerKey}, SplitWrites: true, Lenient: []string{"x_new_member"}}
	}
	profile, thinker := mock.OpenAI, mock.VLLM
	if provider == "anthropic" {
		profile, thinker = mock.Anthropic, mock.Anthropic
	}
	w.primary, w.backup = mocktest.Start(t, options(profile)), mocktest.Start(t, options(profile))
	w.thinker = mocktest.Start(t, options(thinker))
	strange := httptest.NewServer(http.HandlerFunc(strangeAnswer))
	t.Cleanup(strange.Close)

	var b strings.Builder
	place := func(name, url, preset, more string) {
		if preset != "anthropic" {
			url += "/v1"
		}
		fmt.Fprintf(&b, "  %s: {preset: %s, base_url: %q, api_key: %s, probe: {enabled: false}%s}\n", name, preset, url, providerKey, more)
	}
	b.WriteString("server: {listen: \"127.0.0.1:0\", auth: keys}\nstate: sqlite:freehold.db\n")
	b.WriteString("timeouts: {connect: 1m, first_token: 2m, idle: 2m, total: 5m}\nproviders:\n")
	for _, c := range checks {
		switch c.upstream {
		case "thinker":
			preset := "vllm"
			if provider == "anthropic" {
				preset = "anthropic"
			}
			place("p-"+c.name, w.thinker.URL(), preset, "")
		case "strange":
			place("p-"+c.name, strange.URL, provider, "")
		default:
			more := ""
			if c.mode == "embedding" {
				more = ", batches: {inputs: 7}"
			}
			place("p-"+c.name, w.primary.URL(), provider, more)
		}
		if c.fallback {
			place("b-"+c.name, w.backup.URL(), provider, "")
		}
	}
	id := models[provider]
	b.WriteString("models:\n")
	for _, c := range checks {
		mode := ""
		if c.mode != "" {
			mode = ", mode: " + c.mode
		}
		fmt.Fprintf(&b, "  m-%s: {provider: p-%s, id: %s%s}\n", c.name, c.name, id, mode)
		if c.fallback {
			fmt.Fprintf(&b, "  n-%s: {provider: b-%s, id: %s%s}\n", c.name, c.name, id, mode)
		}
	}
	b.WriteString("workloads:\n")
	for _, c := range checks {
		more := ""
		if c.fallback {
			more = ", fallbacks: [n-" + c.name + "]"
		}
		if c.workload != "" {
			more += ", " + c.workload
		}
		fmt.Fprintf(&b, "  %s: {model: m-%s%s}\n", c.name, c.name, more)
	}
	w.serve(t, b.String(), "")
	return w
}

// serve runs freehold with a configuration, as `freehold serve` does, until the
// test ends.
func (w *world) serve(t *testing.T, config, cache string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan app.Ready, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		ended <- app.Serve(ctx, app.Options{ConfigPath: file, CacheDir: cache, Log: slog.New(slog.DiscardHandler)},
			app.Hooks{Ready: func(r app.Ready) { ready <- r }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("freehold: %v", err)
		}
	})
	select {
	case r := <-ready:
		_, key, err := r.App.Keys.Create(ctx, auth.Request{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		w.url, w.key = r.URL, key
	case err := <-ended:
		ended <- nil
		t.Fatalf("freehold does not start: %v", err)
	}
}

// mocks are the providers; all but the backup have requests of one check only.
func (w *world) mocks() []*mock.Server { return []*mock.Server{w.primary, w.thinker, w.backup} }

// rest sets everything back after a check.
func (w *world) rest() {
	for _, m := range w.mocks() {
		m.SetFaults()
		m.Reset()
	}
}

// leaver is the context of a call. Where the client is to leave while it waits,
// it ends once the provider is at work.
func (w *world) leaver(t *testing.T, s step) (context.Context, context.CancelFunc) {
	ctx, leave := context.WithCancel(t.Context())
	if s.LeaveWaiting {
		go func() {
			defer leave()
			_ = w.primary.Wait(ctx, func(s mock.Stats) bool { return s.InFlight > 0 }) // or the call has ended
		}()
	}
	return ctx, leave
}

// left waits until the provider no longer works on any request. That must be at
// once when the client has left: not when an answer of 20 s or a limit of
// minutes is over. (A starved machine needs its time all the same.)
func (w *world) left(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.primary.Wait(ctx, func(s mock.Stats) bool { return s.Requests > 0 && s.InFlight == 0 }); err != nil {
		t.Errorf("the provider is still busy after the client has left: %+v", w.primary.Stats())
	}
	if s := w.primary.Stats(); s.Canceled != 1 || s.Completed != 0 {
		t.Errorf("the provider's request did not end as canceled: %+v", s)
	}
}

// strangeAnswer is a provider with members and headers that nobody documents.
func strangeAnswer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Set-Cookie", "session=secret")
	h.Set("X-Ratelimit-Remaining-Requests", "41")
	h.Set("Anthropic-Ratelimit-Requests-Remaining", "41")
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return // a client that left fails its own check
	}
	file := "strange/openai"
	if strings.HasSuffix(r.URL.Path, "/messages") {
		file = "strange/anthropic"
	}
	if bytes.Contains(asked, []byte(`"stream":true`)) {
		h.Set("Content-Type", "text/event-stream")
		file += ".sse"
	} else {
		h.Set("Content-Type", "application/json")
		file += ".json"
	}
	body, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body) // a client that left fails its own check
}
