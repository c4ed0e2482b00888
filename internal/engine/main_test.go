package engine_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"freehold/internal/engine"
)

// The test binary is also the supervisor, a llama-server that can be told to
// fail, and a freehold that owns an engine and gets killed.
func TestMain(m *testing.M) {
	engine.RunSupervisorIfAsked()
	switch os.Getenv("ENGINE_TEST_MODE") {
	case "server":
		os.Exit(fakeServer(os.Args[1:]))
	case "owner":
		os.Exit(owner())
	}
	os.Exit(m.Run())
}

// fakeServer understands the flags of llama-server that we use.
func fakeServer(args []string) int {
	fs := flag.NewFlagSet("llama-server", flag.ContinueOnError)
	port, alias := fs.Int("port", 0, ""), fs.String("alias", "", "")
	for _, ignored := range []string{"host", "model", "threads", "threads-batch", "parallel", "ctx-size", "n-gpu-layers", "pooling", "batch-size", "ubatch-size"} {
		fs.String(ignored, "", "")
	}
	fs.Bool("jinja", false, "")
	fs.Bool("embedding", false, "")
	exit := fs.Int("fake-exit", -1, "end at once with this code")
	load := fs.Duration("fake-load", 0, "answer 503 for so long")
	deaf := fs.Bool("fake-deaf", false, "ignore SIGTERM")
	starts := fs.String("fake-starts", "", "append a line to this file at each start")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *starts != "" {
		f, err := os.OpenFile(*starts, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return 2
		}
		fmt.Fprintln(f, os.Getpid(), *port)
		f.Close()
	}
	if *exit >= 0 {
		for i := range 30 {
			fmt.Fprintf(os.Stderr, "line %d\n", i)
		}
		fmt.Fprint(os.Stderr, "error: unknown model architecture: 'nope'")
		return *exit
	}
	if *deaf {
		signal.Ignore(syscall.SIGTERM)
	}
	began := time.Now()
	var sick atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if time.Since(began) < *load || sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"data": []map[string]string{{"id": *alias}}})
	})
	mux.HandleFunc("POST /crash", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	mux.HandleFunc("POST /sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(*port))
	if err != nil {
		fmt.Fprintln(os.Stderr, "couldn't bind HTTP server socket, hostname: 127.0.0.1, port:", *port)
		return 1
	}
	return map[bool]int{true: 1}[http.Serve(l, mux) != nil]
}

// owner is a freehold: it starts the engine in $ENGINE_TEST_SPEC, prints its
// status as JSON when it is in the state $ENGINE_TEST_UNTIL, and waits to be
// killed.
func owner() int {
	var spec engine.Spec
	if err := json.Unmarshal([]byte(os.Getenv("ENGINE_TEST_SPEC")), &spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	m := engine.NewManager(engine.Options{Installer: &engine.Installer{Dir: os.Getenv("ENGINE_TEST_CACHE")}})
	p, err := m.Acquire(spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ch, cancel := p.Subscribe()
	defer cancel()
	for st := range ch {
		if st.State == engine.Failed || st.State == engine.Backoff {
			_ = json.NewEncoder(os.Stdout).Encode(ownerWord{State: st.State, Err: st.Err.Error(), Kind: engine.KindOf(st.Err)})
			return 1
		}
		if string(st.State) == os.Getenv("ENGINE_TEST_UNTIL") && (st.PID != 0 || st.Progress.What != "") {
			_ = json.NewEncoder(os.Stdout).Encode(ownerWord{State: st.State, PID: st.PID, BaseURL: st.BaseURL})
			break
		}
	}
	select {}
}

type ownerWord struct {
	State   engine.State
	PID     int
	BaseURL string
	Err     string
	Kind    engine.Kind
}

// startOwner runs an owner and returns it with its word.
func startOwner(t *testing.T, cache string, spec engine.Spec, until engine.State) (*exec.Cmd, ownerWord) {
	t.Helper()
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ENGINE_TEST_MODE=owner", "ENGINE_TEST_CACHE="+cache, "ENGINE_TEST_SPEC="+string(b), "ENGINE_TEST_UNTIL="+string(until))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var w ownerWord
	if err := json.NewDecoder(out).Decode(&w); err != nil {
		t.Fatalf("the owner says nothing: %v", err)
	}
	return cmd, w
}

// living are the processes of a group that are not zombies.
func living(t *testing.T, pgid int) []string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pgid=,stat=,pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for l := range strings.Lines(string(out)) {
		if f := strings.Fields(l); len(f) > 2 && f[0] == strconv.Itoa(pgid) && !strings.HasPrefix(f[1], "Z") {
			found = append(found, strings.TrimSpace(l))
		}
	}
	return found
}

// patience is how long a test waits for what must happen: it ends what hangs,
// and is more than a starved machine needs.
const patience = 2 * time.Minute

// eventually fails the test if ok does not become true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %v: %s", patience, what)
}

// fakeBinary makes a llama-server out of the test binary.
func fakeBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "llama-server")
	script := "#!/bin/sh\nENGINE_TEST_MODE=server exec '" + os.Args[0] + "' \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeSpec is an engine with the fake server and a tiny file as weights.
func fakeSpec(t *testing.T, extra ...string) engine.Spec {
	t.Helper()
	weights := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(weights, tinyGGUF("tiny"), 0o644); err != nil {
		t.Fatal(err)
	}
	return engine.Spec{Name: "fake", Source: weights, Binary: fakeBinary(t), ExtraArgs: extra}
}

// manager makes a Manager that forgives nothing and waits for nothing.
func manager(t *testing.T, change func(*engine.Options)) *engine.Manager {
	t.Helper()
	o := engine.Options{
		Installer: &engine.Installer{Dir: t.TempDir()}, Supervisor: []string{os.Args[0]},
		KillGrace: 3 * time.Second, Backoff: func(int) time.Duration { return time.Millisecond },
	}
	if change != nil {
		change(&o)
	}
	m := engine.NewManager(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

// ready starts an engine and waits for it.
func ready(t *testing.T, m *engine.Manager, s engine.Spec) *engine.Process {
	t.Helper()
	p, err := m.Acquire(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func post(t *testing.T, url string) {
	t.Helper()
	res, err := http.Post(url, "", nil)
	if err == nil {
		res.Body.Close()
	}
}

func startsIn(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
