package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// TestBounds: what a client may not do, and that others are served meanwhile.
func TestBounds(t *testing.T) {
	provider := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 5})
	s := serve(t, fmt.Sprintf(`
server:
  listen: 127.0.0.1:0
  limits: {body: 64KiB, header: 8KiB, header_timeout: 2s, body_timeout: 2s, write_timeout: 2s, idle_timeout: 10m}
providers: {p: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: p, id: m}}
workloads: {w: {model: m}}
`, provider.URL()))
	cs := both(t, s.url)
	served := func(t *testing.T) {
		t.Helper()
		for _, c := range cs {
			if r := ask(t, c, client.Request{Model: "w", Prompt: "hi", Stream: true}); !r.Whole() {
				t.Errorf("somebody else: %v", &r)
			}
		}
	}

	t.Run("body too large", func(t *testing.T) {
		before := provider.Stats().Requests
		for _, c := range cs {
			r := ask(t, c, client.Request{Model: "w", Prompt: strings.Repeat("x", 70<<10)})
			want := "request_too_large"
			if r.Status != http.StatusRequestEntityTooLarge || !strings.Contains(r.Body, want) || c.Claude != strings.HasPrefix(r.Body, `{"type":"error"`) {
				t.Errorf("claude %v: %v", c.Claude, &r)
			}
			if row := s.rows(t)[r.ID()]; row == nil || row.Outcome != ledger.ClientError {
				t.Errorf("row: %+v", row)
			}
			// The same without an announced length.
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+c.Path(), io.LimitReader(endless('x'), 150<<10))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.HTTP.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("chunked: status %d", resp.StatusCode)
			}
		}
		if n := provider.Stats().Requests; n != before {
			t.Errorf("%d of them reached the provider", n-before)
		}
		served(t)
	})

	t.Run("slow body", func(t *testing.T) {
		conn := dial(t, s.url)
		write(t, conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"model\"")
		served(t)
		status := answerOf(t, conn)
		if status != "HTTP/1.1 400 Bad Request" && status != "HTTP/1.1 408 Request Timeout" {
			t.Errorf("a body that never comes: %q", status)
		}
	})

	t.Run("slow header", func(t *testing.T) {
		conn := dial(t, s.url)
		write(t, conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-A: ")
		answerOf(t, conn)
	})

	t.Run("header flood", func(t *testing.T) {
		conn := dial(t, s.url)
		_, err := io.Copy(conn, io.MultiReader(strings.NewReader("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-A: "), io.LimitReader(endless('a'), 64<<20)))
		if err == nil {
			t.Error("64 MiB of header were read")
		}
		served(t)
	})

	t.Run("a client that reads nothing is cut", func(t *testing.T) {
		conn := dial(t, s.url)
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		body := cs[0].Body(client.Request{Model: "w", Prompt: "x\nmock: length 60000", Stream: true})
		write(t, conn, fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		mocktest.Wait(t, provider, func(s mock.Stats) bool { return s.InFlight == 1 })
		served(t)
		mocktest.Wait(t, provider, func(s mock.Stats) bool { return s.InFlight == 0 })
	})

	t.Run("two thousand idle connections", func(t *testing.T) {
		for range 2000 {
			dial(t, s.url)
		}
		served(t)
	})
}

// endless is a reader of one byte for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func dial(t testing.TB, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func write(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// answerOf is the status line that comes, or "" when the connection ends.
func answerOf(t testing.TB, conn net.Conn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatalf("no answer and no end within %v", patience)
	}
	return strings.TrimSpace(line)
}

// TestShed: more than there is room for hears 429 with Retry-After; what was
// accepted, also what had to wait, is served.
func TestShed(t *testing.T) {
	for name, config := range map[string]string{
		"server":   "server: {listen: \"127.0.0.1:0\", limits: {concurrency: 4, queue: 4, queue_wait: 5m}}\nproviders: {p: {preset: vllm, base_url: \"%s/v1\", probe: {enabled: false}}}",
		"provider": "server: {listen: \"127.0.0.1:0\"}\nproviders: {p: {preset: vllm, base_url: \"%s/v1\", max_concurrency: 4, queue: 4, probe: {enabled: false}}}\nretries: {max: 0}",
	} {
		t.Run(name, func(t *testing.T) {
			good := mock.New(mock.Options{Profile: mock.VLLM, Words: 3})
			room := make(chan struct{})
			var now, most atomic.Int64
			provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := now.Add(1)
				defer now.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				<-room // until all that is too much has been told so
				good.ServeHTTP(w, r)
			}))
			defer provider.Close()
			s := serve(t, fmt.Sprintf(config, provider.URL)+"\ntimeouts: {first_token: 5m, total: 10m}\nmodels: {m: {provider: p, id: m}}\nworkloads: {w: {model: m}}\n")
			l := &load{clients: both(t, s.url), next: plainAndStreamed("w")}
			ran := make(chan []*asked)
			go func() { ran <- l.run(t.Context(), 24, 24) }()
			eventually(t, "four are at the provider, four wait, and sixteen are shed", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return len(l.done) == 16 && now.Load() == 4
			})
			close(room)
			all := <-ran
			var ok, shed int
			rows := s.rows(t)
			for _, a := range all {
				row := rows[a.result.ID()]
				switch {
				case a.result.Whole():
					ok++
				case a.result.Status == http.StatusTooManyRequests && a.result.Header.Get("Retry-After") != "" && row != nil && row.Outcome == ledger.Shed:
					shed++
				default:
					t.Errorf("%v, row %+v", a, row)
				}
			}
			if ok != 8 || shed != 16 || most.Load() != 4 {
				t.Errorf("%d served, %d shed, %d at once at the provider; want 8, 16 and 4", ok, shed, most.Load())
			}
		})
	}
}

// TestMonsters: providers that answer without end are given up within bounded
// memory, and the fallback answers instead.
func TestMonsters(t *testing.T) {
	good := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 5})
	forever := func(piece string) func(w http.ResponseWriter, r *http.Request) {
		block := []byte(strings.Repeat(piece, 1+(64<<10)/len(piece)))
		return func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
	}
	monsters := map[string]http.HandlerFunc{
		"body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000000000000")
			forever(" ")(w, r)
		},
		"chunked": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			forever(" ")(w, r)
		},
		"event": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			if _, err := io.WriteString(w, "data: "); err == nil {
				forever("x")(w, r)
			}
		},
		"comments": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			forever(": still thinking\n\n")(w, r)
		},
		"arguments": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			head := `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{"}}]},"finish_reason":null}]}` + "\n\n"
			if _, err := io.WriteString(w, head); err == nil {
				forever(`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"`+strings.Repeat("a", 1000)+`"}}]},"finish_reason":null}]}`+"\n\n")(w, r)
			}
		},
		"error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			forever("x")(w, r)
		},
	}
	var config strings.Builder
	config.WriteString("timeouts: {connect: 1m, first_token: 1s, idle: 1s, total: 3m}\nretries: {max: 0}\nproviders:\n")
	fmt.Fprintf(&config, "  good: {preset: vllm, base_url: \"%s/v1\", probe: {enabled: false}, timeouts: {first_token: 1m, idle: 1m}}\n", good.URL())
	models, workloads := "  good: {provider: good, id: m}\n", ""
	add := func(name, url string) {
		fmt.Fprintf(&config, "  p-%s: {preset: vllm, base_url: \"%s/v1\", probe: {enabled: false}}\n", name, url)
		models += fmt.Sprintf("  m-%s: {provider: p-%s, id: m}\n", name, name)
		workloads += fmt.Sprintf("  %s: {model: m-%s, fallbacks: [good]}\n", name, name)
	}
	names := []string{"headers"}
	for name, h := range monsters {
		srv := httptest.NewServer(h)
		defer srv.Close()
		add(name, srv.URL)
		names = append(names, name)
	}
	add("headers", headersForever(t))
	path := writeConfig(t, t.TempDir(), config.String()+"models:\n"+models+"workloads:\n"+workloads)
	p := launch(t, path, nil)
	cs := both(t, p.url)
	for _, c := range cs {
		ask(t, c, client.Request{Model: "good", Prompt: "hi"})
	}
	before := rss(t, p.Process.Pid)
	tools := []any{map[string]any{"type": "function", "function": map[string]any{"name": "f", "parameters": map[string]any{"type": "object"}}}}
	for _, name := range names {
		for _, stream := range []bool{false, true} {
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() {
					q := client.Request{Model: name, Prompt: "hi", Stream: stream}
					if name == "arguments" {
						q.Members = map[string]any{"tools": tools}
					}
					r := ask(t, cs[0], q)
					if !r.Whole() || r.Header.Get("X-Freehold-Provider") != "good" {
						t.Errorf("%s, stream %v: %v", name, stream, &r)
					}
				})
			}
			group.Wait()
			if now := rss(t, p.Process.Pid); now > before+monsterMemory {
				t.Errorf("%s, stream %v: resident memory grew from %d to %d MiB", name, stream, before>>20, now>>20)
			}
		}
	}
	t.Logf("resident memory: %d MiB before, %d MiB after", before>>20, rss(t, p.Process.Pid)>>20)
}

// monsterMemory is how much three endless answers at a time may add: 64 MiB each,
// twice while their buffers grow, and as much again that is not collected yet
// of each case before.
const monsterMemory = 3 << 29

// headersForever is the address of a server whose header never ends.
func headersForever(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			group.Go(func() {
				defer conn.Close()
				line := bytes.Repeat([]byte("X-More: and more\r\n"), 1000)
				_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
				for err == nil {
					_, err = conn.Write(line)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		group.Wait()
	})
	return "http://" + l.Addr().String()
}
