//go:build unix

package engine_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"freehold/internal/engine"
	"freehold/internal/leaktest"
)

func TestStartAndStop(t *testing.T) {
	defer leaktest.None(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	m := manager(t, nil)
	s := fakeSpec(t, "--fake-load=200ms")
	p := ready(t, m, s)
	st := p.Status()
	if st.Model.Context != 1234 || !strings.HasPrefix(st.BaseURL, "http://127.0.0.1:") || st.Reason != "" || st.Err != nil {
		t.Errorf("status %+v", st)
	}
	again, err := m.Acquire(s)
	if err != nil || again != p {
		t.Fatalf("the same spec gave another process: %v", err)
	}
	if err := m.Release(t.Context(), again); err != nil || !p.Ready() {
		t.Fatalf("a release of one of two holders: %v, ready %v", err, p.Ready())
	}
	if err := m.Release(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if got := p.Status().State; got != engine.Stopped {
		t.Errorf("state %s", got)
	}
	if left := living(t, st.PID); len(left) > 0 {
		t.Errorf("still alive: %q", left)
	}
}

func TestStopDrains(t *testing.T) {
	release, called := make(chan struct{}), make(chan engine.State, 1)
	var p *engine.Process
	m := manager(t, func(o *engine.Options) {
		o.Idle = func(ctx context.Context, _ string) error {
			called <- p.Status().State
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	p = ready(t, m, fakeSpec(t))
	ended := make(chan error, 1)
	go func() { ended <- m.Release(context.Background(), p) }()
	if st := <-called; st != engine.Stopping {
		t.Errorf("drained in state %s", st)
	}
	if res, err := http.Get(p.BaseURL() + "/health"); err != nil {
		t.Errorf("the engine is gone while requests are under way: %v", err)
	} else {
		res.Body.Close()
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	m := manager(t, func(o *engine.Options) { o.KillGrace = 100 * time.Millisecond })
	p := ready(t, m, fakeSpec(t, "--fake-deaf"))
	pid := p.Status().PID
	if err := m.Release(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if left := living(t, pid); len(left) > 0 {
		t.Errorf("still alive: %q", left)
	}
}

func TestCloseWithoutPatience(t *testing.T) {
	m := engine.NewManager(engine.Options{
		Installer: &engine.Installer{Dir: t.TempDir()}, Supervisor: []string{os.Args[0]},
		Idle: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() },
	})
	p := ready(t, m, fakeSpec(t, "--fake-deaf"))
	pid := p.Status().PID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
	if left := living(t, pid); len(left) > 0 {
		t.Errorf("still alive: %q", left)
	}
	if _, err := m.Acquire(fakeSpec(t)); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("acquire after close: %v", err)
	}
}

func TestCrashRestarts(t *testing.T) {
	starts := filepath.Join(t.TempDir(), "starts")
	var tries atomic.Int64
	m := manager(t, func(o *engine.Options) {
		o.Backoff = func(n int) time.Duration { tries.Store(int64(n)); return time.Millisecond }
	})
	p := ready(t, m, fakeSpec(t, "--fake-starts="+starts))
	base := p.BaseURL()
	for range 2 {
		before := p.Status().Restarts
		post(t, p.BaseURL()+"/crash")
		eventually(t, "the engine is ready again", func() bool { return p.Status().Restarts > before && p.Ready() })
	}
	if p.BaseURL() != base {
		t.Errorf("the address changed from %s to %s", base, p.BaseURL())
	}
	if got := startsIn(t, starts); len(got) != 3 {
		t.Errorf("starts: %q", got)
	}
	if tries.Load() != 2 {
		t.Errorf("the backoff did not grow: try %d", tries.Load())
	}
}

func TestSickEngineRestarts(t *testing.T) {
	m := manager(t, func(o *engine.Options) { o.ProbeEvery = 5 * time.Millisecond })
	p := ready(t, m, fakeSpec(t))
	post(t, p.BaseURL()+"/sick")
	eventually(t, "the engine is ready again", func() bool { return p.Status().Restarts == 1 && p.Ready() })
}

func TestExitAtOnceFails(t *testing.T) {
	starts := filepath.Join(t.TempDir(), "starts")
	m := manager(t, nil)
	p, err := m.Acquire(fakeSpec(t, "--fake-exit=7", "--fake-starts="+starts))
	if err != nil {
		t.Fatal(err)
	}
	err = p.WaitReady(t.Context())
	e, ok := errors.AsType[*engine.Error](err)
	if !ok || e.Kind != engine.Exited || !strings.Contains(e.Error(), "exit status 7") {
		t.Fatalf("got %v", err)
	}
	if len(e.Log) != 20 || e.Log[19] != "error: unknown model architecture: 'nope'" || e.Log[18] != "line 29" {
		t.Errorf("the last 20 lines are %q", e.Log)
	}
	eventually(t, "it gives up", func() bool { return p.Status().State == engine.Failed })
	if got := startsIn(t, starts); len(got) != 3 {
		t.Errorf("it was tried %d times", len(got))
	}
	if r := p.Status().Reason; strings.Contains(r, "\n") || !strings.Contains(r, "exit status 7") {
		t.Errorf("reason %q", r)
	}
	p.Restart()
	eventually(t, "it is tried again when asked", func() bool { return len(startsIn(t, starts)) == 6 })
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := fakeSpec(t)
	s.Port = l.Addr().(*net.TCPAddr).Port
	m := manager(t, nil)
	p, err := m.Acquire(s)
	if err != nil {
		t.Fatal(err)
	}
	err = p.WaitReady(t.Context())
	if !errors.Is(err, engine.PortTaken) || !strings.Contains(err.Error(), strconv.Itoa(s.Port)) {
		t.Fatalf("got %v", err)
	}
	l.Close()
	eventually(t, "it takes the port when it is free", p.Ready)
}

func TestAnotherProgramAnswers(t *testing.T) {
	s := fakeSpec(t)
	s.ExtraArgs = []string{"--alias=other"}
	m := manager(t, nil)
	p, err := m.Acquire(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitReady(t.Context()); !errors.Is(err, engine.Unresponsive) || !strings.Contains(err.Error(), "another program") {
		t.Fatalf("got %v", err)
	}
}

func TestBadSpecs(t *testing.T) {
	m := manager(t, nil)
	good := fakeSpec(t)
	for name, change := range map[string]func(*engine.Spec){
		"no name":        func(s *engine.Spec) { s.Name = "" },
		"another engine": func(s *engine.Spec) { s.Engine = "vllm" },
		"no weights":     func(s *engine.Spec) { s.Source = "" },
		"port":           func(s *engine.Spec) { s.Port = 70000 },
		"pooling":        func(s *engine.Spec) { s.Pooling = "max" },
		"zero byte":      func(s *engine.Spec) { s.ExtraArgs = []string{"a\x00b"} },
	} {
		s := good
		change(&s)
		if _, err := m.Acquire(s); !errors.Is(err, engine.BadSpec) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	s := good
	s.Binary = "/no/such/llama-server"
	p, err := m.Acquire(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitReady(t.Context()); !errors.Is(err, engine.BadSpec) {
		t.Errorf("missing program: %v", err)
	}
}

// However freehold dies, and in whatever state its engine is, the engine dies.
func TestKilledOwnerLeavesNoOrphan(t *testing.T) {
	tests := []struct {
		name  string
		until engine.State
		extra []string
	}{
		{"while loading", engine.Loading, []string{"--fake-load=1h"}},
		{"while ready", engine.Ready, nil},
		{"with an engine deaf to SIGTERM", engine.Ready, []string{"--fake-deaf"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd, w := startOwner(t, t.TempDir(), fakeSpec(t, tt.extra...), tt.until)
			eventually(t, "supervisor and engine are in one group", func() bool { return len(living(t, w.PID)) == 2 })
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the engine is gone", func() bool { return len(living(t, w.PID)) == 0 })
		})
	}
}

// kill -9 in the middle of a download: nothing half-way is in its place, no pip
// is left, and the next one can work.
func TestKilledWhileDownloading(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 on this machine")
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	for k, v := range map[string]string{"PIP_CONFIG_FILE": os.DevNull, "PIP_INDEX_URL": silent.URL, "PIP_FIND_LINKS": "", "http_proxy": "", "HTTP_PROXY": ""} {
		t.Setenv(k, v)
	}
	cache, s := t.TempDir(), fakeSpec(t)
	s.Source = "pypi:m==1"
	cmd, _ := startOwner(t, cache, s, engine.Downloading)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		eventually(t, "pip is gone", func() bool {
			out, err := exec.Command("ps", "-A", "-o", "args=").Output()
			return err == nil && !strings.Contains(string(out), cache)
		})
	}
	if _, err := os.Stat(filepath.Join(cache, "models")); !errors.Is(err, os.ErrNotExist) {
		t.Error("something half-way was put in place")
	}
	t.Setenv("PIP_NO_INDEX", "1")
	in := &engine.Installer{Dir: cache}
	if _, err := in.Weights(t.Context(), s.Source, func(engine.Progress) {}); !errors.Is(err, engine.UnsupportedPlatform) {
		t.Errorf("the next one: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "tmp", "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestCacheDirOfASpec(t *testing.T) {
	m := manager(t, nil)
	s := fakeSpec(t)
	s.CacheDir = t.TempDir()
	ready(t, m, s)
	if found, err := filepath.Glob(filepath.Join(s.CacheDir, "run", "*.json")); err != nil || len(found) != 1 {
		t.Errorf("pid files: %q, %v", found, err)
	}
}

// When the supervisor is killed, the engine goes with it and is started again.
func TestKilledSupervisor(t *testing.T) {
	m := manager(t, nil)
	p := ready(t, m, fakeSpec(t))
	old := p.Status().PID
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another engine serves", func() bool { return p.Ready() && p.Status().PID != old })
	if left := living(t, old); len(left) > 0 {
		t.Errorf("still alive: %q", left)
	}
}

func TestSubscribeShowsTheNewest(t *testing.T) {
	m := manager(t, nil)
	p, err := m.Acquire(fakeSpec(t, "--fake-load=50ms"))
	if err != nil {
		t.Fatal(err)
	}
	ch, cancel := p.Subscribe()
	defer cancel()
	timeout := time.After(patience)
	for {
		select {
		case st := <-ch:
			if st.State == engine.Ready {
				return
			}
		case <-timeout:
			t.Fatal("ready was never shown")
		}
	}
}
