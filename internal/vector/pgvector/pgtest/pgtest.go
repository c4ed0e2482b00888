// Package pgtest gives tests a real PostgreSQL with pgvector on loopback
// (test/pgvector/server.py starts it), or, where FREEHOLD_TEST_POSTGRES is set to a
// URL of a superuser's, with its password, that server.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freehold/internal/parttest"
)

// Server is a PostgreSQL server.
type Server struct {
	*parttest.Server        // nil: it is not ours
	Host             string // with its port
	Database, User   string
	Password         string
}

var part = parttest.Part{Name: "pgvector", What: "PostgreSQL"}

const (
	script   = "test/pgvector/server.py"
	password = "a test's password"
)

var shared parttest.Shared[*Server]

// names counts the tables of a test binary.
var names atomic.Int64

// Shared is the server that all tests of a binary use, each with tables of its own:
// see [Server.Name]. [Stop] ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	if at := os.Getenv("FREEHOLD_TEST_POSTGRES"); at != "" {
		return shared.Get(t, func() (*Server, func() error, error) {
			s, err := given(at)
			if err == nil {
				err = s.extend()
			}
			return s, nil, err
		})
	}
	home := part.Find(t)
	return shared.Get(t, func() (*Server, func() error, error) {
		started, err := home.Start(script, "--password", password)
		if err != nil {
			return nil, nil, err
		}
		s := ours(started)
		return s, s.Close, s.extend()
	})
}

// Stop ends the shared server, if there is one: for a TestMain. No test may run any
// more.
func Stop() error { return shared.Stop() }

// Start starts a server for one test, which may crash it and start it again. It is
// never the one of FREEHOLD_TEST_POSTGRES.
func Start(t testing.TB) *Server {
	t.Helper()
	s := ours(part.Find(t).For(t, script, "--password", password))
	if err := s.extend(); err != nil {
		t.Fatal(err)
	}
	return s
}

func ours(s *parttest.Server) *Server {
	return &Server{Server: s, Host: s.Addr(), Database: "postgres", User: "postgres", Password: password}
}

func given(at string) (*Server, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("FREEHOLD_TEST_POSTGRES is no URL: %w", errors.Unwrap(err))
	}
	password, _ := u.User.Password()
	return &Server{Host: u.Host, Database: u.Path[1:], User: u.User.Username(), Password: password}, nil
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
		if s.Server != nil && !s.Runs() {
			return // stopped: its directory goes, too
		}
		if err := s.exec("DROP TABLE IF EXISTS " + pgx.Identifier{name}.Sanitize() + " CASCADE"); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return name
}
