// Package pgtest gives tests a real PostgreSQL with pgvector on loopback
// (test/pgvector/server.py starts it), or, where FREEHOLD_TEST_POSTGRES is set to a
// URL of a superuser's, with its password, that server.
package pgtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freehold/internal/engine/enginetest"
)

// Server is a PostgreSQL server.
type Server struct {
	Host           string // with its port
	Database, User string
	Password       string

	home home
	root string // of the repository
	dir  string
	run  *process // nil: stopped, or not ours
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

// names counts the tables of a test binary.
var names atomic.Int64

// Shared is the server that all tests of a binary use, each with tables of its own:
// see [Server.Name]. [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	var h home
	var root string
	if os.Getenv("FREEHOLD_TEST_POSTGRES") == "" {
		h, root = parts(t)
	}
	shared.once.Do(func() {
		if at := os.Getenv("FREEHOLD_TEST_POSTGRES"); at != "" {
			shared.s, shared.err = given(at)
		} else {
			shared.s, shared.err = fresh(h, root)
		}
		if shared.err == nil {
			shared.err = shared.s.extend()
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.s
}

// Stop ends the shared server, if there is one: for a TestMain. No test may run any
// more.
func Stop() error {
	if shared.s == nil || shared.s.dir == "" {
		return nil
	}
	return errors.Join(shared.s.stop(""), os.RemoveAll(shared.s.dir))
}

// Start starts a server for one test, which may crash it and start it again. It is
// never the one of FREEHOLD_TEST_POSTGRES.
func Start(t testing.TB) *Server {
	t.Helper()
	h, root := parts(t)
	s, err := fresh(h, root)
	t.Cleanup(func() {
		if err := errors.Join(s.stop(""), os.RemoveAll(s.dir)); err != nil {
			t.Error(err)
		}
	})
	if err == nil {
		err = s.extend()
	}
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

func given(at string) (*Server, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("FREEHOLD_TEST_POSTGRES is no URL: %w", errors.Unwrap(err))
	}
	password, _ := u.User.Password()
	return &Server{Host: u.Host, Database: u.Path[1:], User: u.User.Username(), Password: password}, nil
}

func fresh(h home, root string) (*Server, error) {
	// Not a test's own directory: the server runs as a user who may not look into that.
	dir, err := os.MkdirTemp("", "pgvector-")
	s := &Server{Database: "postgres", User: "postgres", Password: "a test's password", home: h, root: root, dir: dir}
	if err == nil {
		err = s.start()
	}
	return s, err
}

// parts finds what scripts/parts has installed.
func parts(t testing.TB) (h home, root string) {
	t.Helper()
	cache := enginetest.CacheDir(t)
	data, err := os.ReadFile(filepath.Join(cache, "pgvector.json"))
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist) && os.Getenv("CI") != "true":
		t.Skip("PostgreSQL is not installed: run `make test`, or `go run ./scripts/parts pgvector`")
	default:
		t.Fatalf("PostgreSQL is not installed: %v", err)
	}
	if root, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return h, root
		}
		if filepath.Dir(root) == root {
			t.Fatal("pgtest: no go.mod above the test")
		}
		root = filepath.Dir(root)
	}
}

func (s *Server) start() error {
	args := []string{"-s", "-B", filepath.Join(s.root, "test", "pgvector", "server.py"), "--dir", s.dir, "--password", s.Password}
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
		return fmt.Errorf("PostgreSQL does not start: %w", errors.Join(err, cmd.Wait(), errors.New(p.stderr.String())))
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
		return fmt.Errorf("PostgreSQL: %w: %s", err, p.stderr)
	}
	return nil
}

func (s *Server) extend() error {
	return s.exec("CREATE EXTENSION IF NOT EXISTS vector")
}

func (s *Server) exec(sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	u := url.URL{Scheme: "postgres", Host: s.Host, Path: "/" + s.Database, User: url.UserPassword(s.User, s.Password), RawQuery: "sslmode=disable"}
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql, args...)
	return errors.Join(err, conn.Close(ctx))
}

// Exec runs statements beside freehold.
func (s *Server) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if err := s.exec(sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Name is a name for a table of the test, which is dropped with it. It is none that
// does without quotes.
func (s *Server) Name(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf(`Table "%d" of %.40s`, names.Add(1), filepath.Base(t.Name()))
	t.Cleanup(func() {
		if s.run == nil && s.dir != "" {
			return // stopped: its directory goes, too
		}
		if err := s.exec("DROP TABLE IF EXISTS " + pgx.Identifier{name}.Sanitize() + " CASCADE"); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return name
}
