package admin_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/mock"
)

const config = `# a comment that stays
server: {listen: 127.0.0.1:0}
providers:
  a: {dialect: openai, base_url: "URL/v1", jurisdiction: EU, api_key: "${env:ADMIN_TEST_KEY}"}
  b: {dialect: openai, base_url: "URL/v1", hosting: self, inside: true}
capture: {key: "${env:ADMIN_TEST_KEY}"}
data_classes:
  eu: {jurisdictions: [EU]}
models:
  m: {provider: a, id: x, price: {input: "1", output: "2"}}
  llama: {provider: b, id: llama-3.1-70b, openness: open}
indexes:
  docs: {from: "pinecone://127.0.0.1:1/docs", to: "qdrant://127.0.0.1:1/docs"}
workloads:
  chat: {model: m, fallbacks: [llama], aliases: [gpt-4o-mini], capture: {enabled: true, retention: 3d}}
  private: {model: llama, fallbacks: [m], data: eu}
`

const secret = "sk-value-of-the-key-that-nobody-may-see"

// world is a server with its admin API, and ways to it.
type world struct {
	app    *app.App
	url    string
	path   string
	socket *admin.Client
}

func start(t *testing.T) *world {
	t.Helper()
	t.Setenv("ADMIN_TEST_KEY", secret)
	t.Setenv("FREEHOLD_CACHE", t.TempDir())
	provider := mock.New(mock.Options{})
	if err := provider.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, provider.Close()) })
	w := &world{path: filepath.Join(t.TempDir(), "config.yaml")}
	check(t, os.WriteFile(w.path, []byte(strings.ReplaceAll(config, "URL", provider.URL())), 0o600))
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan app.Ready, 1), make(chan error, 1)
	go func() {
		ended <- app.Serve(ctx, app.Options{ConfigPath: w.path, Log: slog.New(slog.DiscardHandler)},
			app.Hooks{Admin: admin.Handler, Ready: func(r app.Ready) { ready <- r }})
	}()
	t.Cleanup(func() { stop(); check(t, <-ended) })
	select {
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	case r := <-ready:
		w.app, w.url = r.App, r.URL
	}
	path, err := app.SocketPath(w.app.Config())
	check(t, err)
	w.socket = admin.Unix(path, "tester")
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends one chat request and returns its id.
func (w *world) ask(t *testing.T, model string) string {
	t.Helper()
	resp, err := http.Post(w.url+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"Hi"}]}`))
	check(t, err)
	body, err := io.ReadAll(resp.Body)
	check(t, errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	return resp.Header.Get("X-Request-Id")
}

func call[In, Out any](t *testing.T, r admin.Runner, op admin.Op[In, Out], in In) Out {
	t.Helper()
	out, err := op.Call(t.Context(), r, in)
	if err != nil {
		t.Fatalf("%s: %v", op.Name, err)
	}
	return out
}

// fails wants an error with a code.
func fails[In, Out any](t *testing.T, r admin.Runner, op admin.Op[In, Out], in In, code string) *admin.Error {
	t.Helper()
	_, err := op.Call(t.Context(), r, in)
	var e *admin.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("%s: %v, want an error with code %s", op.Name, err, code)
	}
	return e
}

func TestClass(t *testing.T) {
	for _, c := range []struct {
		openness, hosting string
		want              int
	}{
		{"proprietary", "api", 1}, {"proprietary", "self", 1}, {"proprietary-tuned", "api", 2}, {"", "self", 1},
		{"open", "api", 3}, {"open", "managed", 3}, {"open", "serverless", 4}, {"open", "kubernetes", 4}, {"open", "self", 5},
		{"open", "", 3},
	} {
		if got := admin.Class(c.openness, c.hosting); got != c.want {
			t.Errorf("Class(%q, %q) = %d, want %d", c.openness, c.hosting, got, c.want)
		}
	}
}
