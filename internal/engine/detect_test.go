package engine

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// server answers the given paths with the given bodies, and 404 else.
func server(t *testing.T, bodies map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestDetect(t *testing.T) {
	models := func(owner string) map[string]string {
		return map[string]string{"/v1/models": `{"object":"list","data":[{"id":"b","owned_by":"` + owner + `"},{"id":"a","owned_by":"` + owner + `"}]}`}
	}
	tests := []struct {
		name    string
		bodies  map[string]string
		assumed string
		want    []Found // BaseURL is filled in
	}{
		{"llama.cpp on vLLM's port", models("llamacpp"), "vllm", []Found{{Preset: "llama.cpp", Models: []string{"a", "b"}}}},
		{"vllm", models("vllm"), "vllm", []Found{{Preset: "vllm", Models: []string{"a", "b"}}}},
		{"sglang", models("sglang"), "vllm", []Found{{Preset: "sglang", Models: []string{"a", "b"}}}},
		{"lmstudio", models("organization_owner"), "lmstudio", []Found{{Preset: "lmstudio", Models: []string{"a", "b"}}}},
		{"ollama", models("library"), "ollama", []Found{{Preset: "ollama", Models: []string{"a", "b"}}}},
		{"ollama without models", map[string]string{"/v1/models": `{"object":"list","data":null}`}, "ollama", []Found{{Preset: "ollama"}}},
		{"old ollama", map[string]string{"/api/tags": `{"models":[{"name":"phi4:latest"}]}`}, "ollama", []Found{{Preset: "ollama", Models: []string{"phi4:latest"}}}},
		{"a web server", map[string]string{"/v1/models": `<html>`}, "llama.cpp", nil},
		{"another API", map[string]string{"/v1/models": `{"ok":true}`, "/api/tags": `{}`}, "llama.cpp", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := server(t, tt.bodies)
			for i := range tt.want {
				tt.want[i].BaseURL = "http://" + addr + "/v1"
			}
			got := detect(t.Context(), []candidate{{addr, tt.assumed}}, time.Minute)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("detect (-want +got):\n%s", diff)
			}
		})
	}
}

// A program that accepts and never answers holds nobody up.
func TestDetectSilentServer(t *testing.T) {
	t.Parallel() // it waits for the limit, which a slow machine must not need
	silent := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-silent:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(silent)
	addr := server(t, map[string]string{"/v1/models": `{"object":"list","data":[{"id":"m"}]}`})
	got := detect(t.Context(), []candidate{{strings.TrimPrefix(s.URL, "http://"), "vllm"}, {addr, "tgi"}, {"127.0.0.1:1", "ollama"}}, 3*time.Second)
	want := []Found{{Preset: "tgi", BaseURL: "http://" + addr + "/v1", Models: []string{"m"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("detect (-want +got):\n%s", diff)
	}
}
