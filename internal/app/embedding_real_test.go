package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/engine/enginetest"
	"freehold/internal/mock/mocktest"
	"freehold/internal/parttest"
)

// Real weights in the managed engine: MiniLM as sentence-transformers has it, and a
// small model of BGE-M3's shape (unigram vocabulary, CLS). Their vectors are those
// that numpy computes with the same weights.
func TestRealEmbeddingModels(t *testing.T) {
	enginetest.Start(t) // skips where the engine cannot be installed
	dir := t.TempDir()
	part := parttest.Part{Name: "minilm", What: "the weights of MiniLM, and what converts them"}
	cmd := part.Find(t).Command(context.Background(), "test/minilm/weights.py", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the weights cannot be converted: %v: %s", err, out)
	}
	type answer struct {
		Text         string
		Tokens       int
		Vector, Mean []float64
	}
	var want map[string][]answer
	text, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	s := apptest.Start(t, fmt.Sprintf(`
timeouts: {first_token: 2m, total: 5m}
breaker: {failures: 1, rate: 0.01, min_requests: 1}
providers:
  local: {engine: llama.cpp, cache_dir: %q, embedding: true, context: 256, parallel: 1}
models:
  minilm: {provider: local, source: %q, mode: embedding}
  bge: {provider: local, source: %q, mode: embedding, truncate: true}
`, enginetest.CacheDir(t), filepath.Join(dir, "minilm.gguf"), filepath.Join(dir, "tiny-bge.gguf")))
	type vectors struct {
		status    int
		truncated string
		Data      []struct{ Embedding []float64 }
		Usage     struct {
			In int `json:"prompt_tokens"`
		}
		Error struct{ Message, Code string }
	}
	ask := func(model string, texts ...string) vectors {
		body, err := json.Marshal(map[string]any{"model": model, "input": texts})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := mocktest.Client().Post(s.URL+"/v1/embeddings", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		v := vectors{status: resp.StatusCode, truncated: resp.Header.Get("X-Freehold-Truncated")}
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%v in %.200s", err, raw)
		}
		return v
	}
	for model, answers := range want {
		var texts []string
		tokens := 0
		for _, a := range answers {
			texts, tokens = append(texts, a.Text), tokens+a.Tokens
		}
		got := ask(model, texts...)
		if got.status != 200 || len(got.Data) != len(texts) || got.truncated != "" {
			t.Fatalf("%s: %d, %d vectors, %q, %+v", model, got.status, len(got.Data), got.truncated, got.Error)
		}
		if got.Usage.In != tokens {
			t.Errorf("%s: %d tokens, want %d: the engine splits texts in another way", model, got.Usage.In, tokens)
		}
		for i, a := range answers {
			v := got.Data[i].Embedding
			if c := dot(v, a.Vector); c < 0.999 {
				t.Errorf("%s, %.30q: cosine %v to the reference", model, a.Text, c)
			}
			if l := dot(v, v); math.Abs(l-1) > 1e-4 {
				t.Errorf("%s, %.30q: the vector has length %v", model, a.Text, math.Sqrt(l))
			}
			if a.Mean != nil && dot(v, a.Mean) > 0.99 {
				t.Errorf("%s, %.30q: the vector is the mean of all tokens, not the first one's", model, a.Text)
			}
		}
	}
	// One that is too long: refused by name, or cut; and the engine is no worse for it.
	long := strings.Repeat("the cat sat on the mat ", 60)
	if v := ask("minilm", "a cat", long); v.status != 400 || v.Error.Code != "context_length_exceeded" || !strings.Contains(v.Error.Message, "input 1 ") || !strings.Contains(v.Error.Message, "256") {
		t.Errorf("too long: %d %+v", v.status, v.Error)
	}
	if v := ask("bge", "the cat", long); v.status != 200 || v.truncated != "1" || len(v.Data) != 2 {
		t.Errorf("cut: %d %q %+v", v.status, v.truncated, v.Error)
	}
	if v := ask("minilm", want["minilm"][0].Text); v.status != 200 || dot(v.Data[0].Embedding, want["minilm"][0].Vector) < 0.999 {
		t.Errorf("afterwards: %d %+v", v.status, v.Error)
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
