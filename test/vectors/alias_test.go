package vectors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/llm"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// embed asks for the vector of a text by a workload or model, as numbers or, as OpenAI's
// client does, in base64; nil: there is no answer.
func (s *served) embed(ctx context.Context, name, text string, packed bool) []float64 {
	format := "float"
	if packed {
		format = "base64"
	}
	body, err := json.Marshal(map[string]any{"model": name, "input": text, "encoding_format": format})
	if err != nil {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/v1/embeddings", bytes.NewReader(body))
	if err != nil {
		return nil
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var out struct {
		Data []struct{ Embedding json.RawMessage }
	}
	if json.NewDecoder(resp.Body).Decode(&out) != nil || len(out.Data) != 1 {
		return nil
	}
	var v []float64
	if !packed {
		if json.Unmarshal(out.Data[0].Embedding, &v) != nil {
			return nil
		}
		return v
	}
	var text64 string
	if json.Unmarshal(out.Data[0].Embedding, &text64) != nil {
		return nil
	}
	floats, err := llm.Unpack(text64)
	if err != nil {
		return nil
	}
	for _, f := range floats {
		v = append(v, float64(f))
	}
	return v
}

func fixed(i int) (id, text string) {
	return fmt.Sprintf("old-%d", i), fmt.Sprintf("article %d about subject%d and matter%d", i, i*7, i*13)
}

// TestAliasKilled: applications embed under an alias, write and ask all the time, while
// index and alias go over to another model and back, and freehold is killed at any moment.
// Who asks for a text that is there finds it: by a vector of the other model nobody would,
// since both have the same length and nothing else in common.
func TestAliasKilled(t *testing.T) {
	old, young := mocktest.Start(t, mock.Options{Seed: 1}), mocktest.Start(t, mock.Options{Seed: 2})
	s := newServedWith(t, 384, ", embeddings: {alias: embed, model: young, text: body}", fmt.Sprintf(`
providers:
  one: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}
  two: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}
models:
  aged: {provider: one, id: mock-embed, mode: embedding, price: {input: 1}}
  young: {provider: two, id: mock-embed, mode: embedding, price: {input: 1}}
workloads:
  embed: {model: aged}
`, old.URL(), young.URL()))
	const records = 60
	var before []any
	var queries bytes.Buffer
	for i := range records {
		id, text := fixed(i)
		before = append(before, map[string]any{"id": id, "values": s.embed(t.Context(), "embed", text, false), "metadata": map[string]any{"body": text}})
		fmt.Fprintf(&queries, "{\"query\": %q, \"relevant\": [%q]}\n", text, id)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "queries.jsonl"), queries.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, err := s.ask(t.Context(), "/vectors/upsert", map[string]any{"vectors": before}); code != http.StatusOK || err != nil {
		t.Fatalf("%d %v %v", code, out, err)
	}
	r := rand.New(rand.NewPCG(31, 32))
	var found, again, failed atomic.Int64
	application := func(ctx context.Context, n int, r *rand.Rand) {
		for i := 0; ctx.Err() == nil; i++ {
			at := r.IntN(records)
			id, text := fixed(at)
			path, write := "/query", r.IntN(3) == 0
			if write {
				id, text = fmt.Sprintf("app%d-%d", n, r.IntN(20)), fmt.Sprintf("note %d of application%d with number%d", i, n, r.IntN(1000))
			}
			v := s.embed(context.WithoutCancel(ctx), "embed", text, i%2 == 0)
			if v == nil {
				time.Sleep(5 * time.Millisecond) // it was killed, and begins again
				continue
			}
			in := map[string]any{"vector": v, "topK": 1}
			if write {
				path, in = "/vectors/upsert", map[string]any{"vectors": []any{map[string]any{"id": id, "values": v, "metadata": map[string]any{"body": text}}}}
			}
			code, out, err := s.ask(context.WithoutCancel(ctx), path, in)
			switch {
			case err != nil || code >= http.StatusInternalServerError:
				failed.Add(1)
				time.Sleep(5 * time.Millisecond)
			case code == http.StatusBadRequest && strings.Contains(fmt.Sprint(out), "once more"):
				again.Add(1)
			case code != http.StatusOK:
				t.Errorf("%s: %d %v", path, code, out)
			case !write:
				matches, _ := out["matches"].([]any)
				if len(matches) != 1 || matches[0].(map[string]any)["id"] != id || matches[0].(map[string]any)["score"].(float64) < 0.99 {
					t.Errorf("who asks for %s finds %v", id, matches)
				}
				found.Add(1)
			}
		}
	}
	applications := func(during func()) {
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for n := range 3 {
			seed := r.Uint64()
			all.Go(func() { application(ctx, n, rand.New(rand.NewPCG(seed, uint64(n)))) })
		}
		during()
		stop()
		all.Wait()
	}
	kills := func(n int) {
		for range n {
			time.Sleep(time.Duration(50+r.IntN(300)) * time.Millisecond)
			s.kill()
			s.start()
		}
	}
	if out, err := s.command("vectors", "sync", "docs", "--max-cost", "0.000001 USD", "--yes").CombinedOutput(); err == nil || !strings.Contains(unfolded(out), "to embed by young: 60 texts") || !strings.Contains(unfolded(out), "no text was embedded") {
		t.Errorf("%v\n%s", err, out)
	}
	s.run("vectors", "sync", "docs", "--yes", "--max-cost", "1 USD")
	stands := func(model string) {
		t.Helper()
		if out := s.run("vectors", "status", "docs"); !strings.Contains(out, "embed stands for "+model) {
			t.Errorf("status:\n%s", out)
		}
		if out := s.run("explain", "embed", "text"); !strings.Contains(out, "index docs in phase") || !strings.Contains(out, model) {
			t.Errorf("explain:\n%s", out)
		}
	}
	stands("aged")
	applications(func() { kills(2) })
	if out, err := s.command("vectors", "cutover", "docs").CombinedOutput(); err == nil || !strings.Contains(unfolded(out), "vectors gate") {
		t.Errorf("cut over without a gate: %v\n%s", err, out)
	}
	from, to := "pinecone://"+s.sim.Address()+"/docs", "qdrant://"+s.qdrant.Addr()+"/"+s.to
	if out := s.run("vectors", "gate", "--from", from, "--to", to, "--model-before", "aged", "--queries", "queries.jsonl", "--yes"); !strings.Contains(out, "on record for the cutover of docs: passed") {
		t.Errorf("gate:\n%s", out)
	}
	applications(func() { s.run("vectors", "cutover", "docs", "--reason", "test") })
	if n := again.Load(); n > 0 { // the process has seen each vector that it is asked with
		t.Errorf("%d vectors were not known", n)
	}
	stands("young")
	applications(func() { kills(3) })
	applications(func() { s.run("vectors", "rollback", "docs") })
	stands("aged")
	applications(func() {
		// A kill in the middle of the proof, or of the turn.
		cut := s.command("vectors", "cutover", "docs", "--without-gate", "killed")
		if err := cut.Start(); err != nil {
			t.Error(err)
			return
		}
		kills(1)
		_ = cut.Wait() // it broke off, most likely
	})
	for range 3 {
		out, err := s.command("vectors", "cutover", "docs", "--without-gate", "at the end").CombinedOutput()
		if err == nil || strings.Contains(unfolded(out), "in phase cutover") {
			break
		}
		t.Logf("%v\n%s", err, out)
	}
	stands("young")
	s.run("vectors", "rollback", "docs") // Pinecone has followed now
	for _, v := range s.sim.Records("docs", "") {
		text := v.GetMetadata().GetFields()["body"].GetStringValue()
		want := s.embed(t.Context(), "aged", text, false)
		dot := 0.0
		for i, x := range v.GetValues() {
			dot += float64(x) * want[i]
		}
		if math.Abs(dot-1) > 1e-3 {
			t.Errorf("Pinecone has a vector of %s that is not of its model and text: %v", v.GetId(), dot)
		}
	}
	if out := s.run("vectors", "verify", "--from", from, "--to", to); !strings.Contains(out, "0 differ") {
		t.Errorf("verify:\n%s", out)
	}
	if out := s.run("vectors", "cutover", "docs", "--without-gate", "the proof"); !strings.Contains(out, "all the same") {
		t.Errorf("the stores differ:\n%s", out)
	}
	if out := s.run("history", "list", "--json"); !strings.Contains(out, `"model_before"`) || !strings.Contains(out, `"without_gate"`) {
		t.Errorf("history: %s", out)
	}
	t.Logf("%d queries found what they should, %d were to embed once more, %d failed", found.Load(), again.Load(), failed.Load())
	if found.Load() == 0 {
		t.Error("no query was answered")
	}
	if t.Failed() {
		t.Log(s.log.String())
	}
}

// unfolded is what a command said in one line, however it was folded.
func unfolded(out []byte) string { return strings.Join(strings.Fields(string(out)), " ") }
