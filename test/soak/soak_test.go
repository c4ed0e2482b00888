// Package soak holds freehold under load for as long as it is told, with every
// fault and with reloads, and proves that nothing grows.
//
// FREEHOLD_SOAK=5m (or -soak.for) says how long; without it the run is short,
// and shows only that the soak itself works.
package soak

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

var (
	length  = flag.Duration("soak.for", 0, "length of the soak; $FREEHOLD_SOAK if absent")
	clients = flag.Int("soak.clients", 32, "requests at once")
	pace    = flag.Duration("soak.pace", 20*time.Millisecond, "mean pause of a client between requests")
)

// patience is how long a client waits for an answer, and the test for freehold:
// it ends what hangs, and is more than a starved machine needs.
const patience = 5 * time.Minute

// short is the length of a run that nobody asked for: it proves no flatness.
const short = 6 * time.Second

func duration(t *testing.T) time.Duration {
	if *length > 0 {
		return *length
	}
	if text := os.Getenv("FREEHOLD_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			t.Fatalf("FREEHOLD_SOAK=%s: give a duration such as 5m", text)
		}
		return d
	}
	return short
}

// faults of the providers; each is on for a while.
var faults = []string{
	"", "", "cut@%5", "500@%3", "429@%4:1s", "stall@%50", "garbage@%6", "reset@%7", "401@%40", "slow@%10:5ms", "cutclean@%9",
	"errorevent@%8:3e", "empty@%11", "refuse@%60:300ms", "stall@%40:4e", "badutf8@%13", "hugeevent@%400:1048576",
}

func TestSoak(t *testing.T) {
	d := duration(t)
	one := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 20, Keep: 1})
	two := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 20, Keep: 1})
	three := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 20, Keep: 1})
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	configure(t, path, 0, one, two, three)
	p := start(t, path)

	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tr := &http.Transport{MaxIdleConnsPerHost: *clients}
	defer tr.CloseIdleConnections()
	w := &work{http: &http.Client{Transport: tr}, url: p.url}
	var group sync.WaitGroup
	for n := range *clients {
		group.Go(func() { w.run(ctx, uint64(n)) })
	}
	group.Go(func() {
		random := rand.New(rand.NewPCG(5, 5))
		for n := 1; pause(ctx, max(d/150, 200*time.Millisecond)); n++ {
			// The third provider is always well: no client may see a failure.
			mocktest.Fail(t, one, faults[random.IntN(len(faults))])
			mocktest.Fail(t, two, faults[random.IntN(len(faults))])
			if n%3 == 0 {
				configure(t, path, n, one, two, three)
			}
		}
	})

	var all []sample
	begun := time.Now()
	t.Logf("%8s %9s %7s %8s %9s %10s %7s %5s %11s", "time", "requests", "failed", "rss KiB", "heap KiB", "goroutines", "threads", "fds", "journal KiB")
	for pause(ctx, max(d/60, 100*time.Millisecond)) {
		s := p.sample(t, dir)
		s.at, s.requests = time.Since(begun), w.answered.Load()
		all = append(all, s)
		if len(all)%5 == 0 {
			t.Logf("%8s %9d %7d %8d %9d %10d %7d %5d %11d", s.at.Round(time.Second), s.requests, w.failed.Load(),
				s.rss>>10, s.heap>>10, s.routines, s.threads, s.fds, s.state>>10)
		}
	}
	group.Wait()
	w.report(t)
	p.checkLedger(t, w)
	flat(t, d, all)
	p.stop(t)
}

// pause waits; false once ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// configure writes generation n of the configuration. They differ in models,
// providers and limits; each fourth is broken, which must change nothing.
func configure(t testing.TB, path string, n int, one, two, three *mock.Server) {
	model := []string{"one", "two", "three"}[n%3]
	text := fmt.Sprintf(`# generation %d
server: {listen: 127.0.0.1:0, log: {level: error}}
timeouts: {connect: 1m, first_token: %dms, idle: 500ms, total: 5m}
breaker: {open: 200ms, max_open: 1s}
providers:
  p-one: {preset: vllm, base_url: "%s/v1", probe: {every: 1s}}
  p-two: {preset: anthropic, base_url: "%s", api_key: "${env:SOAK_KEY}", probe: {enabled: false}}
  p-three: {preset: vllm, base_url: "%s/v1", timeouts: {first_token: 2m, idle: 2m}} # always well, however busy the machine
models:
  one: {provider: p-one, id: m-%d, continuation: prefill}
  two: {provider: p-two, id: claude-3-5-sonnet-20241022, continuation: prefill}
  three: {provider: p-three, id: m, continuation: prefill}
  spare: {deployments: [{provider: p-one, id: spare-%d}, {provider: p-three, id: spare}]}
workloads:
  w: {model: %s, fallbacks: [%s]}
  tools: {model: one, fallbacks: [two, three]}
  direct: {model: spare, fallbacks: [three]}
`, n, 500+n%5, one.URL(), two.URL(), three.URL(), n%4, n%7, model, strings.Join(others(model), ", "))
	if n%4 == 3 {
		text += "broken: [\n"
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Error(err)
		return
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Error(err)
	}
}

func others(model string) (out []string) {
	for _, m := range []string{"one", "two", "three"} {
		if m != model {
			out = append(out, m)
		}
	}
	return out
}

// work is what the clients do and see.
type work struct {
	http                          *http.Client
	url                           string
	answered, failed, left, wrong atomic.Int64

	mu    sync.Mutex
	first []string // failures
}

// run asks in all ways until ctx ends.
func (w *work) run(ctx context.Context, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for pause(ctx, time.Duration(random.ExpFloat64()*float64(*pace))) {
		c := client.Client{URL: w.url, HTTP: w.http, Claude: random.IntN(2) == 0}
		q := client.Request{Model: []string{"w", "w", "w", "direct", "one"}[random.IntN(5)], Prompt: fmt.Sprintf("tell me about %d", random.IntN(1000)),
			Stream: random.IntN(2) == 0}
		switch random.IntN(40) {
		case 0: // a large body
			q.Prompt += strings.Repeat(" and more", 20_000)
		case 1: // a client's mistake
			w.mistake(&c, q)
			continue
		case 2: // a client that leaves
			w.leave(&c, q, random)
			continue
		}
		if q.Model == "one" {
			q.Model = "tools"
		}
		limited, cancel := context.WithTimeout(context.Background(), patience)
		r, err := c.Ask(limited, q)
		cancel()
		w.answered.Add(1)
		if err != nil || !r.Whole() {
			w.fail(fmt.Sprintf("claude %v, %.80v: %v %v", c.Claude, q, &r, err))
		}
	}
}

func (w *work) fail(text string) {
	w.failed.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.first) < 10 {
		w.first = append(w.first, text)
	}
}

func (w *work) mistake(c *client.Client, q client.Request) {
	q.Model = "no-such-model"
	r, err := c.Ask(context.Background(), q)
	w.wrong.Add(1)
	if err != nil || r.Status != http.StatusNotFound {
		w.fail(fmt.Sprintf("a mistake: %v %v", &r, err))
	}
}

func (w *work) leave(c *client.Client, q client.Request, random *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(4000))*time.Microsecond)
	defer cancel()
	if _, err := c.Ask(ctx, q); err != nil {
		w.left.Add(1)
	} else {
		w.answered.Add(1)
	}
}

func (w *work) report(t *testing.T) {
	t.Helper()
	t.Logf("%d answered, %d left early, %d mistakes told, %d failed", w.answered.Load(), w.left.Load(), w.wrong.Load(), w.failed.Load())
	for _, f := range w.first {
		t.Errorf("a client saw a failure: %s", f)
	}
	if w.answered.Load() == 0 {
		t.Error("nothing was asked")
	}
}

// process is the freehold under load.
type process struct {
	cmd *exec.Cmd
	url string
	out *output
}

// output keeps what a process says until it serves, and its last words.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if len(o.text) > 64<<10 {
		o.text = append([]byte(nil), o.text[32<<10:]...)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// start builds and runs freehold. Where it listens it says on the socket for
// commands, since its log tells of errors only.
func start(t *testing.T, path string) *process {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "freehold")
	build := exec.Command("go", "build", "-o", bin, "freehold/cmd/freehold")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p := &process{cmd: exec.Command(bin, "serve", "--config", path), out: &output{}}
	p.cmd.Env = append(os.Environ(), "SOAK_KEY=k")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill() // it may have ended by itself
			_ = p.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("freehold's last words:\n%s", p.out)
		}
	})
	for end := time.Now().Add(patience); p.url == ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("freehold does not serve:\n%s", p.out)
		}
		p.url = socketURL(path)
	}
	return p
}

// stop ends it as a service manager does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("freehold ended with %v", err)
	}
	if took := time.Since(begun); took > 25*time.Second { // requests under way would have 30 s
		t.Errorf("with nothing under way it took %v to end", took)
	}
}

// checkLedger compares the ledger with what the clients saw. Who left may or may
// not have been noticed as gone before the end.
func (p *process) checkLedger(t *testing.T, w *work) {
	t.Helper()
	resp, err := http.Get(p.url + "/admin/v1/usage")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var usage struct {
		Total struct {
			Requests int64
			Outcomes map[string]int64
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&usage); err != nil {
		t.Fatal(err)
	}
	ok := usage.Total.Outcomes["ok"]
	if seen := w.answered.Load() - w.failed.Load(); ok < seen || ok > seen+w.left.Load() || usage.Total.Outcomes["unknown"] != 0 {
		t.Errorf("the ledger has %v, clients saw %d whole answers, %d left", usage.Total, seen, w.left.Load())
	}
}
