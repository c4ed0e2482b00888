package e2e

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/engine"
	"freehold/internal/engine/enginetest"
	"freehold/internal/ledger"
	"freehold/test/client"
)

// server is freehold within this process.
type server struct {
	*app.App
	url, path string // path of config.yaml
	log       *logBook
	stop      context.CancelFunc
	ended     chan error
	once      sync.Once
}

// serve serves a configuration until the test ends. server.listen, if it is not
// said, is a free loopback port.
func serve(t testing.TB, config string) *server {
	t.Helper()
	return serveFile(t, writeConfig(t, t.TempDir(), config), "")
}

func writeConfig(t testing.TB, dir, config string) string {
	t.Helper()
	if !strings.Contains(config, "server:") {
		config = "server: {listen: 127.0.0.1:0}\n" + config
	}
	path := filepath.Join(dir, "config.yaml")
	replace(t, path, []byte(config))
	return path
}

// replace puts a file in place as a whole, as editors and config.Save do.
func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

// serveFile serves path with engines from cache until the test ends, or halt.
func serveFile(t testing.TB, path, cache string) *server {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &server{path: path, log: &logBook{}, stop: stop, ended: make(chan error, 1)}
	ready := make(chan app.Ready, 1)
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	go func() {
		s.ended <- app.Serve(ctx, app.Options{ConfigPath: path, CacheDir: cache, Log: log},
			app.Hooks{Admin: admin.Handler, Ready: func(r app.Ready) { ready <- r }})
	}()
	select {
	case r := <-ready:
		s.App, s.url = r.App, r.URL
	case err := <-s.ended:
		stop()
		t.Fatalf("freehold does not start: %v", err)
	case <-time.After(patience):
		stop()
		t.Fatalf("freehold does not start:\n%s", s.log)
	}
	t.Cleanup(func() { s.halt(t) })
	return s
}

// engineInstalled gets the engine and its default weights, or skips the test
// where that cannot be and CI is not true. It returns their cache.
func engineInstalled(t testing.TB) string {
	t.Helper()
	in := &engine.Installer{Dir: enginetest.CacheDir(t)}
	_, err := in.Engine(t.Context(), enginetest.Spec(), nil)
	enginetest.Check(t, err)
	_, err = in.Weights(t.Context(), engine.DefaultSource, nil)
	enginetest.Check(t, err)
	return in.Dir
}

// engineReady waits for the server's engines.
func (s *server) engineReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, p := range s.Engines.Manager.Processes() {
		enginetest.Check(t, p.WaitReady(ctx))
	}
}

// halt ends the server, and fails the test when it does not end well.
func (s *server) halt(t testing.TB) {
	t.Helper()
	s.once.Do(func() {
		s.stop()
		if err := <-s.ended; err != nil {
			t.Errorf("freehold ended with: %v", err)
		}
		if t.Failed() {
			t.Logf("the end of its log:\n%s", s.log.tail(4000))
		}
	})
}

// rows are the ledger's rows by request id. A request that is on record twice
// fails the test.
func (s *server) rows(t testing.TB) map[string]*ledger.Row {
	t.Helper()
	all, err := s.Ledger.Requests(context.Background(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return byID(t, all)
}

func byID(t testing.TB, rows []*ledger.Row) map[string]*ledger.Row {
	t.Helper()
	out := make(map[string]*ledger.Row, len(rows))
	for _, r := range rows {
		if out[r.ID] != nil {
			t.Errorf("request %s is in the ledger twice", r.ID)
		}
		out[r.ID] = r
	}
	return out
}

// clients are an OpenAI and an Anthropic client of url. Their connections end
// with the test.
func clients(t testing.TB, url string) (openAI, claude *client.Client) {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 128}
	t.Cleanup(tr.CloseIdleConnections)
	h := &http.Client{Transport: tr}
	return &client.Client{URL: url, HTTP: h}, &client.Client{URL: url, HTTP: h, Claude: true}
}

// both are the two clients, for tests that hold in each dialect.
func both(t testing.TB, url string) []*client.Client {
	a, b := clients(t, url)
	return []*client.Client{a, b}
}

// ask is Ask for what must come through the connection whole.
func ask(t testing.TB, c *client.Client, q client.Request) client.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := c.Ask(ctx, q)
	if err != nil {
		t.Fatalf("%+v: %v (%v)", q, err, &r)
	}
	return r
}

// get returns the body of a GET.
func get(t testing.TB, h *http.Client, url string, header http.Header) (int, string) {
	t.Helper()
	return send(t, h, http.MethodGet, url, header, "")
}

func send(t testing.TB, h *http.Client, method, url string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := h.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// patience is how long a test waits for what must happen: it ends what hangs,
// and is more than a starved machine needs.
const patience = 5 * time.Minute

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// logBook keeps a server's log.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBook) tail(n int) string {
	s := l.String()
	return s[max(0, len(s)-n):]
}
