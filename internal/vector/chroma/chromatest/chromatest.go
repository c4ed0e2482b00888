// Package chromatest gives tests a real Chroma server on loopback
// (test/chroma/server.py starts it).
package chromatest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/engine/enginetest"
)

// Server is a Chroma server.
type Server struct {
	Host string // with its port

	home home
	root string // of the repository
	dir  string
	run  *process // nil: stopped
}

type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr *bytes.Buffer
}

// home is where scripts/parts has put the interpreter and the packages.
type home struct{ Interpreter, Site string }

var shared struct {
	once sync.Once
	s    *Server
	err  error
}

// names counts the collections of a test binary.
var names atomic.Int64

// Shared is the server that all tests of a binary use, each with collections of
// its own:
// see [Server.Name]. [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	h, root := parts(t)
	shared.once.Do(func() { shared.s, shared.err = fresh(h, root) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.s
}

// Stop ends the shared server, if there is one: for a TestMain. No test may run any
// more.
func Stop() error {
	if shared.s == nil {
		return nil
	}
	return errors.Join(shared.s.stop(""), os.RemoveAll(shared.s.dir))
}

// Start starts a server for one test, which may crash it and start it again.
func Start(t testing.TB) *Server {
	t.Helper()
	h, root := parts(t)
	s, err := fresh(h, root)
	t.Cleanup(func() {
		if err := errors.Join(s.stop(""), os.RemoveAll(s.dir)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Start starts the server again, where it was and with what it had.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Crash ends the server as a loss of power to it would.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.stop("crash\n"); err != nil {
		t.Fatal(err)
	}
}

func fresh(h home, root string) (*Server, error) {
	dir, err := os.MkdirTemp("", "chroma-")
	s := &Server{home: h, root: root, dir: dir}
	if err == nil {
		err = s.start()
	}
	return s, err
}

// parts finds what scripts/parts has installed.
func parts(t testing.TB) (h home, root string) {
	t.Helper()
	cache := enginetest.CacheDir(t)
	data, err := os.ReadFile(filepath.Join(cache, "chroma.json"))
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist) && os.Getenv("CI") != "true":
		t.Skip("Chroma is not installed: run `make test`, or `go run ./scripts/parts chroma`")
	default:
		t.Fatalf("Chroma is not installed: %v", err)
	}
	if root, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return h, root
		}
		if filepath.Dir(root) == root {
			t.Fatal("chromatest: no go.mod above the test")
		}
		root = filepath.Dir(root)
	}
}

func (s *Server) start() error {
	args := []string{"-s", "-B", filepath.Join(s.root, "test", "chroma", "server.py"), "--dir", s.dir}
	if s.Host != "" {
		args = append(args, "--port", s.Host[len("127.0.0.1:"):])
	}
	// Not under the test's context: it ends when its standard input does, and so
	// with the test binary, however that ends.
	cmd := exec.CommandContext(context.Background(), s.home.Interpreter, args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+s.home.Site)
	p := &process{cmd: cmd, stderr: &bytes.Buffer{}}
	cmd.Stderr = p.stderr
	cmd.WaitDelay = 10 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	p.in = in
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var ready struct{ Port int }
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		in.Close()
		return fmt.Errorf("the Chroma server does not start: %w", errors.Join(err, cmd.Wait(), errors.New(p.stderr.String())))
	}
	s.run, s.Host = p, "127.0.0.1:"+strconv.Itoa(ready.Port)
	return nil
}

func (s *Server) stop(how string) error {
	if s.run == nil {
		return nil
	}
	p := s.run
	s.run = nil
	_, err := io.WriteString(p.in, how)
	if err = errors.Join(err, p.in.Close(), p.cmd.Wait()); err != nil {
		return fmt.Errorf("the Chroma server: %w: %s", err, p.stderr)
	}
	return nil
}

// Name is a name for a collection of the test.
func (s *Server) Name(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("test-%d", names.Add(1))
}
