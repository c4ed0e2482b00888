// Package qdranttest gives tests the real Qdrant engine behind a test server on
// loopback (test/qdrant/server.py says what that is), or, where
// FREEHOLD_TEST_QDRANT=host:port is set, a real Qdrant server.
package qdranttest

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
	"strings"
	"sync"
	"testing"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"freehold/internal/engine/enginetest"
)

// Server is a Qdrant server on loopback.
type Server struct {
	Host string
	Port int
	Key  string // that it asks for; empty: none

	home home
	root string // of the repository
	dir  string
	run  *process // nil: stopped, or not ours
}

type process struct {
	cmd    *exec.Cmd
	in     io.Closer
	stderr *bytes.Buffer
}

// home is where scripts/parts has put the interpreter and the packages.
type home struct{ Interpreter, Site string }

var shared struct {
	once sync.Once
	s    *Server
	err  error
}

// Shared is the server that all tests of a binary use, each with collections of
// its own: see [Server.Name]. [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	if at := os.Getenv("FREEHOLD_TEST_QDRANT"); at != "" {
		host, port, err := net.SplitHostPort(at)
		n, bad := strconv.Atoi(port)
		if err = errors.Join(err, bad); err != nil {
			t.Fatalf("FREEHOLD_TEST_QDRANT=%s is not host:port: %v", at, err)
		}
		return &Server{Host: host, Port: n}
	}
	h, root := parts(t)
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "qdrant-") //nolint:usetesting // it outlives the test
		if err != nil {
			shared.err = err
			return
		}
		shared.s = &Server{Host: "127.0.0.1", home: h, root: root, dir: dir}
		shared.err = shared.s.start()
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.s
}

// Stop ends the shared server, if there is one: for a TestMain. No test may run
// any more.
func Stop() error {
	if shared.s == nil {
		return nil
	}
	return errors.Join(shared.s.stop(), os.RemoveAll(shared.s.dir))
}

// Start starts a server for one test, which may stop it and start it again. It
// is never the one of FREEHOLD_TEST_QDRANT.
func Start(t testing.TB, key string) *Server {
	t.Helper()
	h, root := parts(t)
	s := &Server{Host: "127.0.0.1", Key: key, home: h, root: root, dir: t.TempDir()}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	s.Start(t)
	return s
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
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server as a loss of power to it would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.run == nil {
		return
	}
	if err := s.run.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.run.in.Close()
	_ = s.run.cmd.Wait() // it was killed, which is what Wait says
	s.run = nil
}

// parts finds what scripts/parts has installed.
func parts(t testing.TB) (h home, root string) {
	t.Helper()
	cache := enginetest.CacheDir(t)
	data, err := os.ReadFile(filepath.Join(cache, "qdrant.json"))
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist) && os.Getenv("CI") != "true":
		t.Skip("the Qdrant engine is not installed: run `make test`, or `go run ./scripts/parts qdrant`")
	default:
		t.Fatalf("the Qdrant engine is not installed: %v", err)
	}
	if root, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return h, root
		}
		if filepath.Dir(root) == root {
			t.Fatal("qdranttest: no go.mod above the test")
		}
		root = filepath.Dir(root)
	}
}

func (s *Server) start() error {
	args := []string{"-s", "-B", filepath.Join(s.root, "test", "qdrant", "server.py"), "--dir", s.dir, "--port", strconv.Itoa(s.Port), "--api-key", s.Key}
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
	var ready struct{ Port int }
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		in.Close()
		return fmt.Errorf("the Qdrant test server does not start: %w", errors.Join(err, cmd.Wait(), errors.New(p.stderr.String())))
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
		return fmt.Errorf("the Qdrant test server: %w: %s", err, p.stderr)
	}
	return nil
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Name is a name for a collection of the test, which is dropped with it.
func (s *Server) Name(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("%s-%d", strings.NewReplacer("/", "-", "#", "-").Replace(t.Name()), time.Now().UnixNano())
	conn := s.Conn(t)
	t.Cleanup(func() {
		if s.run == nil && s.dir != "" {
			return // stopped: its directory goes, too
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := pb.NewCollectionsClient(conn).Delete(s.WithKey(ctx), &pb.DeleteCollection{CollectionName: name}, grpc.WaitForReady(true)); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return name
}

// WithKey is a context of calls by which the server knows who calls.
func (s *Server) WithKey(ctx context.Context) context.Context {
	if s.Key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "api-key", s.Key)
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
