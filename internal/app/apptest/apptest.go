// Package apptest starts a whole freehold inside a test, as `freehold serve`
// does, on a loopback port and with its state in a temporary directory.
package apptest

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold/internal/app"
	"freehold/internal/ledger"
)

// Server is a freehold under test.
type Server struct {
	URL string
	App *app.App
	Dir string // of config.yaml and state

	stop    context.CancelFunc
	done    chan error
	settled *settled
}

// settled counts the requests that are on record.
type settled struct {
	mu    sync.Mutex
	n     int
	waits []chan struct{} // closed at the next one
}

// Done implements app.Observer.
func (s *settled) Done(*ledger.Row, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	for _, w := range s.waits {
		close(w)
	}
	s.waits = nil
}

// DoneIndex implements app.Observer.
func (s *settled) DoneIndex(r *ledger.Row) { s.Done(r, nil) }

// Metrics implements app.Observer.
func (s *settled) Metrics() http.Handler { return nil }

// Close implements app.Observer.
func (s *settled) Close(context.Context) error { return nil }

// next returns the count, and a channel that is closed when it changes.
func (s *settled) next() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := make(chan struct{})
	s.waits = append(s.waits, w)
	return s.n, w
}

// WaitRows waits until n requests are on record, and returns them.
func (s *Server) WaitRows(t testing.TB, n int) []*ledger.Row {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		have, changed := s.settled.next()
		if have >= n {
			return s.Rows(t)
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%d requests are on record after a minute, want %d", have, n)
		}
	}
}

// Start serves a configuration until the test ends. A server section that it
// lacks is added; server.listen, if it is not said, is a free loopback port.
func Start(t testing.TB, config string) *Server {
	t.Helper()
	dir := t.TempDir()
	if !strings.Contains(config, "server:") {
		config = "server: {listen: 127.0.0.1:0}\n" + config
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Serve(t, path)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Serve serves a file until Stop.
func Serve(t testing.TB, path string) *Server {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{Dir: filepath.Dir(path), stop: stop, done: make(chan error, 1), settled: &settled{}}
	ready := make(chan app.Ready, 1)
	log := slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	go func() {
		s.done <- app.Serve(ctx, app.Options{ConfigPath: path, Log: log}, app.Hooks{
			Ready:   func(r app.Ready) { ready <- r },
			Observe: func(context.Context, *app.App) (app.Observer, error) { return s.settled, nil },
		})
	}()
	select {
	case r := <-ready:
		s.URL, s.App = r.URL, r.App
	case err := <-s.done:
		stop()
		t.Fatalf("freehold did not start: %v", err)
	case <-time.After(time.Minute):
		stop()
		t.Fatal("freehold did not start in a minute")
	}
	return s
}

// Stop ends the server and fails the test when it does not end well.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("freehold ended with: %v", err)
	}
}

// Rows are the ledger's rows, newest first.
func (s *Server) Rows(t testing.TB) []*ledger.Row {
	t.Helper()
	rows, err := s.App.Ledger.Requests(context.Background(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Configure writes config.yaml anew and takes it into use.
func (s *Server) Configure(t testing.TB, config string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.App.Reload(context.Background(), s.App.Who, "test"); err != nil {
		t.Fatal(err)
	}
}

// logWriter puts log lines into the test's own log.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}
