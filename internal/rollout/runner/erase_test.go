package runner_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/capture"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/internal/rollout/runner"
)

const keptConfig = `
server: {listen: 127.0.0.1:0}
retries: {max: 0}
capture: {key: "${env:RUNNER_TEST_KEY}"}
providers:
  first: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, inside: true}
  second: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, inside: true}
models:
  old: {provider: first, id: old-weights}
  new: {provider: second, id: new-weights}
workloads:
  w: {model: old, capture: {enabled: true}}
`

// TestErasedUnderWay: nothing is kept of a copy whose request was erased while the new
// model was still answering it, nor of one that came to no pair.
func TestErasedUnderWay(t *testing.T) {
	t.Setenv("RUNNER_TEST_KEY", "aa23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	old := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6})
	asked, answer := make(chan struct{}, 8), make(chan struct{}, 8)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-answer
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"x","object":"chat.completion","model":"new-weights","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"an answer"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}))
	defer slow.Close()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, keptConfig, old.URL(), slow.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{Server: apptest.Serve(t, path), old: old}
	defer w.Stop(t)
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", quick(), ann, ""); err != nil {
		t.Fatal(err)
	}
	by := capture.By{Who: ann}
	kept := func() (ids []string) {
		t.Helper()
		list, err := w.App.Captures.List(t.Context(), capture.Filter{}, by)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			ids = append(ids, list[i].Workload)
		}
		return ids
	}
	paired := func(n int) {
		t.Helper()
		w.until(t, "w", nil, func(s runner.Status) bool { return s.Report.Pairs == n })
	}

	stays, _ := w.question(t, 1)
	<-asked
	answer <- struct{}{}
	paired(1)
	erased, _ := w.question(t, 2)
	<-asked
	if n, err := w.App.Captures.Erase(t.Context(), capture.Filter{ID: erased}, by); err != nil || n.Texts != 1 {
		t.Fatalf("%+v erased: %v", n, err)
	}
	answer <- struct{}{}
	paired(2)
	w.until(t, "w", nil, func(runner.Status) bool { return len(kept()) == 2 }) // the pair is seen a moment before
	if got := fmt.Sprint(kept()); got != "[rollout:w w]" {
		t.Errorf("kept: %s", got)
	}

	// A copy that is given up leaves nothing, for nothing would lead to it.
	w.question(t, 3)
	<-asked
	w.App.Rollouts.Close()
	answer <- struct{}{}
	if got := fmt.Sprint(kept()); got != "[w rollout:w w]" {
		t.Errorf("kept after the end: %s", got)
	}
	if _, err := w.App.Captures.Read(t.Context(), stays, by); err != nil {
		t.Error(err)
	}
}
