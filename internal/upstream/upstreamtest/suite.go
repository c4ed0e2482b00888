// Package upstreamtest is the contract of package upstream as a suite: Run is
// called for every way an exchange can be carried.
package upstreamtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold/internal/upstream"
)

// Everywhere is a permit for all providers.
type Everywhere struct{}

// Allows says yes.
func (Everywhere) Allows(string) bool { return true }

// Secret is the API key that the suite sends: no error may show it.
const Secret = "sk-very-secret"

// Carrier says how the suite is to reach a server.
type Carrier struct {
	// Secure: servers speak TLS.
	Secure bool
	// Strict: ambiguous framing is refused. net/http settles some of it.
	Strict bool
	// Adjust, if set, changes the target for a server.
	Adjust func(t *testing.T, target *upstream.Target)
}

type suite struct {
	*testing.T
	Carrier
}

// Run runs the suite.
func Run(t *testing.T, c Carrier) {
	for _, tc := range []struct {
		name string
		run  func(*suite)
	}{
		{"round trip", (*suite).roundTrip},
		{"large body", (*suite).largeBody},
		{"framing", (*suite).framing},
		{"broken framing", (*suite).brokenFraming},
		{"reuse", (*suite).reuse},
		{"no reuse", (*suite).noReuse},
		{"stale connection", (*suite).stale},
		{"reset", (*suite).reset},
		{"no redirect", (*suite).noRedirect},
		{"head timeout", (*suite).headTimeout},
		{"idle timeout", (*suite).idleTimeout},
		{"cancel", (*suite).cancel},
		{"close while reading", (*suite).closeWhileReading},
		{"early answer", (*suite).earlyAnswer},
		{"limits", (*suite).limits},
		{"refused", (*suite).refused},
		{"close", (*suite).close},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(&suite{t, c}) })
	}
}

// client makes a client for the server; it is closed with the test.
func (s *suite) client(srv *Server) *upstream.Client {
	s.Helper()
	target := upstream.Target{
		Provider: "acme", BaseURL: srv.URL + "/base", Auth: upstream.AuthBearer,
		Header:   http.Header{"X-Static": {"yes"}},
		TLS:      upstream.TLSConfig{CAPEM: srv.CAPEM},
		Timeouts: upstream.Timeouts{Connect: time.Minute, Head: time.Minute, Idle: time.Minute},
	}
	if s.Adjust != nil {
		s.Adjust(s.T, &target)
	}
	c, err := upstream.New(target)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(c.Close)
	return c
}

func post(body string) *upstream.Call {
	return &upstream.Call{
		Method: "POST", Path: "/chat/completions", Key: upstream.NewKey(Secret), Stream: true,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body),
	}
}

// get sends the call and reads the whole answer.
func get(ctx context.Context, c *upstream.Client, call *upstream.Call) (*upstream.Reply, string, error) {
	r, err := c.Send(ctx, Everywhere{}, call)
	if err != nil {
		return nil, "", err
	}
	b, err := r.ReadAll(64 << 20)
	return r, string(b), err
}

func (s *suite) kind(err error, want upstream.Kind, sent bool) {
	s.Helper()
	var e *upstream.Error
	if !errors.As(err, &e) {
		s.Fatalf("error %v is no *upstream.Error", err)
	}
	if e.Kind != want || e.Sent != sent || e.Provider != "acme" {
		s.Errorf("got kind %v sent %v provider %q (%v), want %v sent %v", e.Kind, e.Sent, e.Provider, err, want, sent)
	}
	if strings.Contains(err.Error(), Secret) {
		s.Errorf("the error shows the key: %v", err)
	}
}

func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// always answers every request with the text.
func always(text string) func(int, *Conn) {
	return func(_ int, c *Conn) {
		for {
			if r, _ := c.Request(); r == nil {
				return
			}
			c.Say(text)
		}
	}
}

func (s *suite) roundTrip() {
	type seen struct {
		r    *http.Request
		body string
	}
	got := make(chan seen, 1)
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		r, b := c.Request()
		got <- seen{r, string(b)}
		c.Say("HTTP/1.1 201 Created\r\nX-Request-Id: r1\r\nx-multi: a\r\nX-Multi: b\r\nContent-Length: 4\r\n\r\nbody")
		c.Gone()
	})
	call := post(`{"a":1}`)
	call.Query = "api-version=1"
	call.Path = "/a%2Fb/c"
	call.Header.Set("Authorization", "Bearer client")
	call.Header.Set("Cookie", "c=1")
	call.Header.Set("Connection", "close")
	call.Header.Set("Transfer-Encoding", "chunked")
	call.Header.Set("X-Static", "overridden")
	r, body, err := get(context.Background(), s.client(srv), call)
	if err != nil {
		s.Fatal(err)
	}
	if r.Status != 201 || body != "body" || r.Header.Get("X-Request-Id") != "r1" || r.Length != 4 ||
		fmt.Sprint(r.Header["X-Multi"]) != "[a b]" || !r.Delimited || r.Reused {
		s.Errorf("reply %+v body %q", r, body)
	}
	in := <-got
	if in.r.Method != "POST" || in.r.RequestURI != "/base/a%2Fb/c?api-version=1" || in.body != `{"a":1}` {
		s.Errorf("request %s %s %q", in.r.Method, in.r.RequestURI, in.body)
	}
	if want := strings.TrimPrefix(strings.TrimPrefix(srv.URL, "https://"), "http://"); in.r.Host != want {
		s.Errorf("host %q, want %q", in.r.Host, want)
	}
	for name, want := range map[string]string{
		"Authorization": "[Bearer " + Secret + "]", "Content-Type": "[application/json]", "X-Static": "[overridden]",
		"Accept-Encoding": "[identity]", "User-Agent": "[freehold]", "Cookie": "[]", "Connection": "[]",
		"Transfer-Encoding": "[]",
	} {
		if v := fmt.Sprint(in.r.Header[name]); v != want {
			s.Errorf("request header %s: %s, want %s", name, v, want)
		}
	}
}

func (s *suite) largeBody() {
	want := strings.Repeat("0123456789abcdef", 3<<20/16)
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		for {
			r, b := c.Request()
			if r == nil {
				return
			}
			c.Say(ok(string(b)))
		}
	})
	c := s.client(srv)
	for _, n := range []int{0, 1, 4095, 32<<10 - 200, 32 << 10, 100_000, len(want)} {
		_, got, err := get(context.Background(), c, post(want[:n]))
		if err != nil || got != want[:n] {
			s.Errorf("%d bytes: got %d back, error %v", n, len(got), err)
		}
	}
}

func (s *suite) framing() {
	for _, tc := range []struct {
		name, method, raw string
		status            int
		body              string
		length            int64
		delimited         bool
	}{
		{"length", "POST", ok("hello"), 200, "hello", 5, true},
		{"empty", "POST", ok(""), 200, "", 0, true},
		{"chunked", "POST", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", 200, "hello!", -1, true},
		{"trailers", "POST", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n00a\r\n0123456789\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\n", 200, "0123456789", -1, true},
		{"interim", "POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("x"), 200, "x", 1, true},
		{"no content", "POST", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0, true},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, "", 0, true},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200, "", 7, true},
		{"until close", "POST", "HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end", -1, false},
		{"1.0", "POST", "HTTP/1.0 200 OK\r\n\r\nold", 200, "old", -1, false},
		{"1.0 with length", "POST", "HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\nold", 404, "old", 3, true},
		{"same length twice", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2, true},
		{"no reason", "POST", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2, true},
	} {
		s.Run(tc.name, func(t *testing.T) {
			srv := Serve(t, s.Secure, func(_ int, c *Conn) {
				c.Request()
				c.Say(tc.raw)
			})
			call := post("{}")
			if call.Method = tc.method; tc.method != "POST" {
				call.Body = nil
			}
			r, body, err := get(context.Background(), (&suite{t, s.Carrier}).client(srv), call)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != tc.status || body != tc.body || r.Length != tc.length || r.Delimited != tc.delimited {
				t.Errorf("status %d body %q length %d delimited %v", r.Status, body, r.Length, r.Delimited)
			}
		})
	}
}

func (s *suite) brokenFraming() {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tc := range []struct {
		name, raw string
		kind      upstream.Kind
		strict    bool
	}{
		{"garbage", "SSH-2.0-OpenSSH_9.6\r\n\r\n", upstream.Malformed, false},
		{"nothing", "", upstream.Reset, false},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-", upstream.Reset, true},
		{"short body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", upstream.Cut, false},
		{"no last chunk", chunked + "5\r\nhello\r\n", upstream.Cut, false},
		{"half a chunk", chunked + "5\r\nhel", upstream.Cut, false},
		{"half an end", chunked + "5\r\nhello\r\n0\r\n", upstream.Cut, false},
		{"chunk size", chunked + "zz\r\nhello\r\n0\r\n\r\n", upstream.Cut, false},
		{"negative chunk", chunked + "-5\r\nhello\r\n0\r\n\r\n", upstream.Cut, false},
		{"huge chunk", chunked + "fffffffffffffffff\r\nhello", upstream.Cut, false},
		{"chunk too long", chunked + "3\r\nhello\r\n0\r\n\r\n", upstream.Cut, false},
		{"bare LF chunk", chunked + "5\nhello\r\n0\r\n\r\n", upstream.Cut, true},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", upstream.Malformed, false},
		{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", upstream.Malformed, false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", upstream.Malformed, false},
		{"length and chunked", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", upstream.Malformed, true},
		{"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", upstream.Malformed, true},
		{"blank before colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", upstream.Malformed, true},
		{"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", upstream.Malformed, false},
		{"switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", upstream.Malformed, false},
		{"compressed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", upstream.Malformed, false},
		{"endless head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", upstream.Malformed, false},
	} {
		if tc.strict && !s.Strict {
			continue
		}
		s.Run(tc.name, func(t *testing.T) {
			srv := Serve(t, s.Secure, func(_ int, c *Conn) {
				c.Request()
				c.Say(tc.raw)
			})
			sub := &suite{t, s.Carrier}
			_, body, err := get(context.Background(), sub.client(srv), post("{}"))
			if err == nil {
				t.Fatalf("no error, body %q", body)
			}
			sub.kind(err, tc.kind, true)
		})
	}
}

func (s *suite) reuse() {
	for name, raw := range map[string]string{
		"length":  ok("hello"),
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"empty":   "HTTP/1.1 204 No Content\r\n\r\n",
		"1.0":     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
	} {
		s.Run(name, func(t *testing.T) {
			srv := Serve(t, s.Secure, always(raw))
			c := (&suite{t, s.Carrier}).client(srv)
			fresh := 0
			for i := range 5 {
				r, _, err := get(context.Background(), c, post("{}"))
				if err != nil {
					t.Fatal(err)
				}
				if !r.Reused {
					fresh++
				}
				// net/http gives a connection up whose writer did not say within 50 ms
				// that it has written: a starved machine may take longer.
				if s.Strict && r.Reused != (i > 0) {
					t.Errorf("request %d: reused %v", i, r.Reused)
				}
			}
			if n := srv.Conns.Load(); int(n) != fresh || n == 5 || s.Strict && n != 1 {
				t.Errorf("%d connections for 5 requests, %d of them said to be new", n, fresh)
			}
		})
	}
}

func (s *suite) noReuse() {
	answers := map[string]string{
		"close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
		"1.0":   "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
	}
	if s.Strict { // net/http looks for bytes after an answer, but may look too late
		answers["extra bytes"] = ok("x") + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	}
	for name, raw := range answers {
		s.Run(name, func(t *testing.T) {
			srv := Serve(t, s.Secure, always(raw))
			c := (&suite{t, s.Carrier}).client(srv)
			for range 3 {
				r, body, err := get(context.Background(), c, post("{}"))
				if err != nil || body != "x" || r.Reused {
					t.Fatalf("body %q error %v reused %v", body, err, r != nil && r.Reused)
				}
			}
		})
	}
}

func (s *suite) stale() {
	srv := Serve(s, s.Secure, func(n int, c *Conn) {
		c.Request()
		c.Say(ok("x"))
		if n == 1 {
			c.Request() // and closes without an answer
			return
		}
		c.Gone()
	})
	c := s.client(srv)
	for i := range 2 {
		if _, body, err := get(context.Background(), c, post("{}")); err != nil || body != "x" {
			s.Fatalf("request %d: %q, %v", i, body, err)
		}
	}
	if n := srv.Conns.Load(); n != 2 {
		s.Errorf("%d connections", n)
	}
}

func (s *suite) reset() {
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		c.Request()
		c.Reset()
	})
	_, _, err := get(context.Background(), s.client(srv), post("{}"))
	s.kind(err, upstream.Reset, true)
	if n := srv.Conns.Load(); n != 1 {
		s.Errorf("a fresh connection's reset was retried: %d connections", n)
	}
}

func (s *suite) noRedirect() {
	srv := Serve(s, s.Secure, always("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"))
	r, _, err := get(context.Background(), s.client(srv), post("{}"))
	if err != nil || r.Status != 307 {
		s.Fatalf("%+v, %v", r, err)
	}
}

func (s *suite) headTimeout() {
	gone := make(chan bool, 1)
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		c.Request()
		c.Say("HTTP/1.1 200 OK\r\n")
		c.Gone()
		gone <- true
	})
	call := post("{}")
	call.Timeouts.Head = 50 * time.Millisecond
	start := time.Now()
	_, _, err := get(context.Background(), s.client(srv), call)
	s.kind(err, upstream.HeaderTimeout, true)
	if d := time.Since(start); d < 50*time.Millisecond {
		s.Errorf("timed out after %v", d)
	}
	s.within(gone, "the server did not see the end")
}

// within fails the test if ch does not deliver soon.
func (s *suite) within(ch chan bool, what string) {
	s.Helper()
	select {
	case <-ch:
	case <-time.After(time.Minute):
		s.Error(what)
	}
}

func (s *suite) idleTimeout() {
	gone := make(chan bool, 1)
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		c.Request()
		c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		c.Gone()
		gone <- true
	})
	r, err := s.client(srv).Send(context.Background(), Everywhere{}, post("{}"))
	if err != nil {
		s.Fatal(err)
	}
	defer r.Body.Close()
	r.SetIdle(50 * time.Millisecond)
	var b bytes.Buffer
	start := time.Now()
	_, err = b.ReadFrom(r.Body)
	s.kind(err, upstream.IdleTimeout, true)
	if d := time.Since(start); b.String() != "hello" || d < 50*time.Millisecond {
		s.Errorf("read %q in %v", b.String(), d)
	}
	if _, again := r.Body.Read(make([]byte, 1)); upstream.KindOf(again) != upstream.IdleTimeout {
		s.Errorf("the error does not stay: %v", again)
	}
	s.within(gone, "the server did not see the end")
}

func (s *suite) cancel() {
	for _, where := range []string{"head", "body", "between reads"} {
		s.Run(where, func(t *testing.T) {
			sub := &suite{t, s.Carrier}
			gone, begun := make(chan bool, 1), make(chan bool, 1)
			srv := Serve(t, s.Secure, func(_ int, c *Conn) {
				c.Request()
				if where != "head" {
					c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
				}
				begun <- true
				c.Gone()
				gone <- true
			})
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			left := errors.New("the client left")
			if where != "between reads" {
				go func() {
					<-begun
					cancel(left)
				}()
			}
			r, err := sub.client(srv).Send(ctx, Everywhere{}, post("{}"))
			if where != "head" {
				// the cancel may win over the head's arrival
				if err == nil {
					defer r.Body.Close()
					if where == "between reads" {
						if _, err := io.ReadFull(r.Body, make([]byte, 5)); err != nil {
							t.Fatal(err)
						}
						cancel(left) // nobody reads: the server must see it all the same
						sub.within(gone, "the server did not see the client leave")
						gone <- true
					}
					_, err = io.ReadAll(r.Body)
				}
			}
			sub.kind(err, upstream.Canceled, true)
			if !errors.Is(err, left) {
				t.Errorf("the cause is lost: %v", err)
			}
			sub.within(gone, "the server did not see the client leave")
		})
	}
	s.Run("deadline", func(t *testing.T) {
		sub := &suite{t, s.Carrier}
		over := &passed{Context: context.Background(), done: make(chan struct{})}
		srv := Serve(t, s.Secure, func(_ int, c *Conn) {
			c.Request()
			close(over.done)
			c.Gone()
		})
		_, _, err := get(over, sub.client(srv), post("{}"))
		sub.kind(err, upstream.Deadline, true)
	})
	s.Run("before", func(t *testing.T) {
		sub := &suite{t, s.Carrier}
		srv := Serve(t, s.Secure, func(_ int, c *Conn) { c.Gone() })
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, _, err := get(ctx, sub.client(srv), post("{}"))
		sub.kind(err, upstream.Canceled, false)
		if n := srv.Conns.Load(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// passed is a context whose deadline passes when done is closed, so that a test
// says what has happened by then.
type passed struct {
	context.Context
	done chan struct{}
}

func (c *passed) Done() <-chan struct{} { return c.done }

func (c *passed) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func (s *suite) closeWhileReading() {
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		c.Request()
		c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		c.Gone()
	})
	r, err := s.client(srv).Send(context.Background(), Everywhere{}, post("{}"))
	if err != nil {
		s.Fatal(err)
	}
	half, done := make(chan bool, 1), make(chan error, 1)
	go func() {
		io.ReadFull(r.Body, make([]byte, 5))
		half <- true
		_, err := io.ReadAll(r.Body)
		done <- err
	}()
	<-half
	r.Body.Close()
	s.kind(<-done, upstream.Canceled, true)
}

// earlyAnswer: a server that refuses a large body without reading it is heard.
func (s *suite) earlyAnswer() {
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		c.Read(make([]byte, 1000))
		c.Say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
		c.Gone()
	})
	call := post(strings.Repeat("x", 8<<20))
	r, body, err := get(context.Background(), s.client(srv), call)
	if err != nil || r.Status != 413 || body != "big" {
		s.Fatalf("%v %q %v", r, body, err)
	}
}

func (s *suite) limits() {
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		for {
			r, _ := c.Request()
			if r == nil {
				return
			}
			if r.Header.Get("X-Chunked") != "" {
				c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n")
			} else {
				c.Say(ok("hello world"))
			}
		}
	})
	c := s.client(srv)
	for _, chunked := range []bool{false, true} {
		for limit, want := range map[int64]upstream.Kind{10: upstream.TooLarge, 11: 0, 12: 0} {
			call := post("{}")
			if chunked {
				call.Header.Set("X-Chunked", "1")
			}
			r, err := c.Send(context.Background(), Everywhere{}, call)
			if err != nil {
				s.Fatal(err)
			}
			b, err := r.ReadAll(limit)
			if upstream.KindOf(err) != want || want == 0 && string(b) != "hello world" {
				s.Errorf("chunked %v limit %d: %q, %v", chunked, limit, b, err)
			}
		}
	}
}

type nowhere struct{}

func (nowhere) Allows(p string) bool { return p != "acme" }

func (s *suite) refused() {
	srv := Serve(s, s.Secure, always(ok("x")))
	c := s.client(srv)
	for _, p := range []upstream.Permit{nil, nowhere{}} {
		_, err := c.Send(context.Background(), p, post("{}"))
		s.kind(err, upstream.Refused, false)
	}
	for name, change := range map[string]func(*upstream.Call){
		"method":    func(c *upstream.Call) { c.Method = "POST / HTTP/1.1\r\nX: y\r\n\r\nGET" },
		"path":      func(c *upstream.Call) { c.Path = "/x HTTP/1.1\r\n" },
		"authority": func(c *upstream.Call) { c.Path = "@evil.example/x" },
		"climbing":  func(c *upstream.Call) { c.Path = "/a/%2e%2E/x" },
		"query":     func(c *upstream.Call) { c.Query = "a=b c" },
		"header":    func(c *upstream.Call) { c.Header = http.Header{"X": {"a\r\nY: b"}} },
		"name":      func(c *upstream.Call) { c.Header = http.Header{"X: y\r\nZ": {"a"}} },
		"key":       func(c *upstream.Call) { c.Key = upstream.NewKey(Secret + "\nX: y") },
	} {
		call := post("{}")
		change(call)
		_, err := c.Send(context.Background(), Everywhere{}, call)
		if upstream.KindOf(err) != upstream.Invalid {
			s.Errorf("%s: %v", name, err)
		} else {
			s.kind(err, upstream.Invalid, false)
		}
	}
	if n := srv.Conns.Load(); n != 0 {
		s.Errorf("%d connections", n)
	}
}

// close: what is under way runs to its end, nothing new begins.
func (s *suite) close() {
	more := make(chan bool)
	srv := Serve(s, s.Secure, func(_ int, c *Conn) {
		c.Request()
		c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		<-more
		c.Say("world")
		c.Gone()
	})
	c := s.client(srv)
	r, err := c.Send(context.Background(), Everywhere{}, post("{}"))
	if err != nil {
		s.Fatal(err)
	}
	c.Close()
	_, _, err = get(context.Background(), c, post("{}"))
	s.kind(err, upstream.Canceled, false)
	close(more)
	if b, err := r.ReadAll(100); err != nil || string(b) != "helloworld" {
		s.Errorf("%q, %v", b, err)
	}
}
