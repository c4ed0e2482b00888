// Package parttest gives tests the Python packages that scripts/parts has installed, and
// servers on loopback that run in them.
package parttest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"freehold/internal/engine/enginetest"
)

// Part is a set of packages.
type Part struct {
	Name string // of scripts/parts: qdrant, milvus-server, ...
	What string // to people
}

// Home is where a part is, and the repository that scripts are in.
type Home struct {
	Interpreter, Site string

	what, root string
}

// Find finds a part. Where it is not installed the test is skipped, and fails in CI.
func (p Part) Find(t testing.TB) *Home {
	t.Helper()
	h := &Home{what: p.What}
	data, err := os.ReadFile(filepath.Join(enginetest.CacheDir(t), p.Name+".json"))
	if err == nil {
		err = json.Unmarshal(data, h)
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist) && os.Getenv("CI") != "true":
		t.Skipf("%s is not installed: run `make test`, or `go run ./scripts/parts %s`", p.What, p.Name)
	default:
		t.Fatalf("%s is not installed: %v", p.What, err)
	}
	if h.root, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(h.root, "go.mod")); err == nil {
			return h
		}
		if filepath.Dir(h.root) == h.root {
			t.Fatal("parttest: no go.mod above the test")
		}
		h.root = filepath.Dir(h.root)
	}
}

// Command runs a script of the repository in the part's packages.
func (h *Home) Command(ctx context.Context, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.Interpreter, append([]string{"-s", "-B", filepath.Join(h.root, script)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+h.Site, "NO_PROXY=*")
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// Server is a script that serves at a port of loopback, in a directory of its own. It
// takes --dir and --port, writes {"port": N} when it is ready, or {"skip": "why"}, and
// ends when its standard input does; a line "crash" there ends it as a loss of power.
type Server struct {
	Port int

	home   *Home
	script string
	args   []string
	dir    string

	// Of one that runs.
	cmd    *exec.Cmd // nil: stopped
	in     io.WriteCloser
	stderr *bytes.Buffer
}

// CannotError is why a server cannot run here.
type CannotError string

func (e CannotError) Error() string { return string(e) }

// Start starts a server, which outlives the test: see [Server.Close].
func (h *Home) Start(script string, args ...string) (*Server, error) {
	// Not a test's own directory: a server may run as a user who may not look into that.
	dir, err := os.MkdirTemp("", "freehold-test-")
	if err != nil {
		return nil, err
	}
	s := &Server{home: h, script: script, args: args, dir: dir}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// For starts a server for one test, which may stop it and start it again.
func (h *Home) For(t testing.TB, script string, args ...string) *Server {
	t.Helper()
	s, err := h.Start(script, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *Server) start() error {
	// Not under the test's context: it ends when its standard input does, and so
	// with the test binary, however that ends.
	cmd := s.home.Command(context.Background(), s.script, append([]string{"--dir", s.dir, "--port", strconv.Itoa(s.Port)}, s.args...)...)
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var ready struct {
		Port int
		Skip string
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		in.Close()
		return fmt.Errorf("%s does not start: %w", s.home.what, errors.Join(err, cmd.Wait(), errors.New(stderr.String())))
	}
	if ready.Skip != "" {
		in.Close()
		return errors.Join(CannotError(ready.Skip), cmd.Wait())
	}
	s.cmd, s.in, s.stderr, s.Port = cmd, in, stderr, ready.Port
	return nil
}

func (s *Server) stop(how string) error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	_, err := io.WriteString(s.in, how)
	if err = errors.Join(err, s.in.Close(), cmd.Wait()); err != nil {
		return fmt.Errorf("%s: %w: %s", s.home.what, err, s.stderr)
	}
	return nil
}

// Start starts the server again, where it was and with what it had.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server in order.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(""); err != nil {
		t.Fatal(err)
	}
}

// Crash has the server end itself, with all that it started, as a loss of power would.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.stop("crash\n"); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server's process as a loss of power would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.in.Close()
	_ = s.cmd.Wait() // it was killed, which is what Wait says
	s.cmd = nil
}

// Close ends the server, and takes away what it had.
func (s *Server) Close() error { return errors.Join(s.stop(""), os.RemoveAll(s.dir)) }

// Runs reports whether the server has not been stopped.
func (s *Server) Runs() bool { return s.cmd != nil }

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Shared is a server that all tests of a binary use.
type Shared[S any] struct {
	once sync.Once
	s    S
	err  error
	end  func() error // nil: there is none, or it is not ours
}

// Get starts the server the first time, by start, which says how it is ended. Where it
// cannot run the test is skipped.
func (s *Shared[S]) Get(t testing.TB, start func() (S, func() error, error)) S {
	t.Helper()
	s.once.Do(func() { s.s, s.end, s.err = start() })
	var cannot CannotError
	if errors.As(s.err, &cannot) {
		t.Skip(string(cannot))
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.s
}

// Stop ends the server, if there is one: for a TestMain. No test may run any more.
func (s *Shared[S]) Stop() error {
	if s.end == nil {
		return nil
	}
	return s.end()
}
