// Package milvustest gives tests Milvus on loopback: milvus-lite, the small one in
// Python, and [Full], the server itself.
package milvustest

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
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"freehold/internal/engine/enginetest"
	"freehold/internal/vector/milvus/wire"
)

// Server is a Milvus server on loopback.
type Server struct {
	Host string
	Port int
	Lite bool

	home home
	root string // of the repository
	dir  string
	run  *process // nil: stopped
}

type process struct {
	cmd    *exec.Cmd
	in     io.Closer
	stderr *bytes.Buffer
}

// home is where scripts/parts has put the interpreter and the packages.
type home struct{ Interpreter, Site string }

// shared are the servers that all tests of a binary use.
type shared struct {
	once sync.Once
	s    *Server
	err  error
}

var lite, full shared

// Shared is milvus-lite, each test with collections of its own: see [Server.Name].
// [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	h, root := parts(t, "milvus.json", "milvus", "milvus-lite")
	return lite.get(t, h, root, true)
}

// Full is the Milvus server itself, in a network of its own: it needs root, or
// namespaces for all, and is skipped where there are neither.
func Full(t testing.TB) *Server {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("there is a Milvus server for Linux on x86-64 only")
	}
	h, root := parts(t, "milvus-server.json", "milvus-server", "the Milvus server")
	return full.get(t, h, root, false)
}

func (s *shared) get(t testing.TB, h home, root string, lite bool) *Server {
	t.Helper()
	s.once.Do(func() { s.s, s.err = start(h, root, lite) })
	var cannot cannotError
	if errors.As(s.err, &cannot) {
		t.Skip(string(cannot))
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.s
}

// cannotError is why a server cannot run here.
type cannotError string

func (e cannotError) Error() string { return string(e) }

// Stop ends the shared servers: for a TestMain. No test may run any more.
func Stop() error {
	var err error
	for _, s := range []*Server{lite.s, full.s} {
		if s != nil {
			err = errors.Join(err, s.stop(), os.RemoveAll(s.dir))
		}
	}
	return err
}

// Start starts milvus-lite for one test, which may stop it and start it again.
func Start(t testing.TB) *Server {
	t.Helper()
	h, root := parts(t, "milvus.json", "milvus", "milvus-lite")
	s, err := start(h, root, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.stop(), os.RemoveAll(s.dir)); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Start starts the server again, where it was and with what it had.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server as a loss of power to it would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.run.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.run.in.Close()
	_ = s.run.cmd.Wait() // it was killed, which is what Wait says
	s.run = nil
}

// parts finds what scripts/parts has installed.
func parts(t testing.TB, file, part, what string) (h home, root string) {
	t.Helper()
	cache := enginetest.CacheDir(t)
	data, err := os.ReadFile(filepath.Join(cache, file))
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist) && os.Getenv("CI") != "true":
		t.Skipf("%s is not installed: run `make test`, or `go run ./scripts/parts %s`", what, part)
	default:
		t.Fatalf("%s is not installed: %v", what, err)
	}
	if root, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return h, root
		}
		if filepath.Dir(root) == root {
			t.Fatal("milvustest: no go.mod above the test")
		}
		root = filepath.Dir(root)
	}
}

func start(h home, root string, lite bool) (*Server, error) {
	dir, err := os.MkdirTemp("", "milvus-")
	if err != nil {
		return nil, err
	}
	s := &Server{Host: "127.0.0.1", Lite: lite, home: h, root: root, dir: dir}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) start() error {
	script := "full.py"
	if s.Lite {
		script = "lite.py"
	}
	args := []string{"-s", "-B", filepath.Join(s.root, "test", "milvus", script), "--dir", s.dir, "--port", strconv.Itoa(s.Port)}
	// Not under the test's context: it ends when its standard input does, and so
	// with the test binary, however that ends.
	cmd := exec.CommandContext(context.Background(), s.home.Interpreter, args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+s.home.Site, "NO_PROXY=*")
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
		return fmt.Errorf("the Milvus test server does not start: %w", errors.Join(err, cmd.Wait(), errors.New(p.stderr.String())))
	}
	if ready.Skip != "" {
		in.Close()
		return errors.Join(cannotError(ready.Skip), cmd.Wait())
	}
	s.run, s.Port = p, ready.Port
	return nil
}

func (s *Server) stop() error {
	if s.run == nil {
		return nil
	}
	p := s.run
	s.run = nil
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the Milvus test server: %w: %s", err, p.stderr)
	}
	return nil
}

// Client runs test/milvus/client.py: the official Python client.
func Client(t testing.TB, args ...string) {
	t.Helper()
	h, root := parts(t, "milvus.json", "milvus", "the official Python client of Milvus")
	cmd := exec.CommandContext(t.Context(), h.Interpreter, append([]string{"-s", "-B", filepath.Join(root, "test", "milvus", "client.py")}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+h.Site, "NO_PROXY=*")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("client.py %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Name is a name for a collection of the test, which is dropped with it.
func (s *Server) Name(t testing.TB) string {
	t.Helper()
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, t.Name())
	name := fmt.Sprintf("%s_%d", letters, time.Now().UnixNano())
	t.Cleanup(func() {
		if s.run == nil {
			return // stopped: its directory goes, too
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var answer wire.Status
		if err := s.Conn(t).Invoke(ctx, wire.DropCollection, &wire.DropCollectionRequest{Collection: name}, &answer, grpc.WaitForReady(true)); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return name
}

// Conn is a connection to the server, for what a test does beside freehold.
func (s *Server) Conn(t testing.TB) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
