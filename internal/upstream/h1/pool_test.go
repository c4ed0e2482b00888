package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"freehold/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// pipes is a server on in-memory connections, for tests in a bubble.
type pipes struct {
	handle func(net.Conn)
	dialed int
	delay  time.Duration
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	p.dialed++
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(p.delay):
	}
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		p.handle(server)
	}()
	return client, nil
}

// answer reads requests without a body and answers each with raw.
func answer(raw string) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			io.WriteString(c, raw)
		}
	}
}

func get(t *testing.T, c *Client) *Response {
	t.Helper()
	r, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/", Host: "h"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const small = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestIdleExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{handle: answer(small)}
		c := New(Config{Dial: p.dial, IdleTimeout: time.Minute})
		defer c.Close()
		a, b := get(t, c), get(t, c)
		io.ReadAll(a.Body)
		time.Sleep(30 * time.Second)
		io.ReadAll(b.Body)
		check := func(idle int) {
			t.Helper()
			synctest.Wait()
			if n := c.Idle(); n != idle {
				t.Fatalf("%d idle, want %d", n, idle)
			}
		}
		check(2)
		time.Sleep(30 * time.Second) // the first one's minute is over
		check(1)
		io.ReadAll(get(t, c).Body) // the other one is used again, and its time anew
		time.Sleep(59 * time.Second)
		check(1)
		time.Sleep(time.Second)
		check(0)
		if p.dialed != 2 {
			t.Errorf("%d dials", p.dialed)
		}
	})
}

func TestMaxIdleAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{handle: answer(small)}
		c := New(Config{Dial: p.dial, MaxIdle: 2})
		var all []*Response
		for range 4 {
			all = append(all, get(t, c))
		}
		for _, r := range all[:3] {
			io.ReadAll(r.Body)
		}
		if n := c.Idle(); n != 2 {
			t.Errorf("%d idle", n)
		}
		c.Close()
		if _, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/", Host: "h"}); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		if b, err := io.ReadAll(all[3].Body); err != nil || string(b) != "ok" {
			t.Errorf("under way: %q, %v", b, err)
		}
		if n := c.Idle(); n != 0 {
			t.Errorf("%d idle after Close", n)
		}
	})
}

// Each limit ends the exchange at its own time and stage.
func TestLimits(t *testing.T) {
	deaf := func(net.Conn) { time.Sleep(time.Minute) }
	mute := func(c net.Conn) { io.Copy(io.Discard, c) }
	silent := func(c net.Conn) {
		c.Read(make([]byte, 4096))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		io.Copy(io.Discard, c)
	}
	for name, tc := range map[string]struct {
		p     pipes
		req   Request
		after time.Duration
		stage Stage
		sent  bool
	}{
		"connect": {pipes{handle: mute, delay: time.Hour}, Request{Connect: 3 * time.Second}, 3 * time.Second, StageDial, false},
		"write":   {pipes{handle: deaf}, Request{Write: 4 * time.Second}, 4 * time.Second, StageWrite, false},
		"head":    {pipes{handle: mute}, Request{Head: 5 * time.Second}, 5 * time.Second, StageWait, true},
		"idle":    {pipes{handle: silent}, Request{Head: time.Second, Idle: 16 * time.Second}, 17 * time.Second, StageBody, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, req := tc.p, tc.req
				req.Method, req.Target, req.Host = "GET", "/", "h"
				c := New(Config{Dial: p.dial})
				start := time.Now()
				resp, err := c.Do(t.Context(), &req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				var e *Error
				if !errors.As(err, &e) || e.Stage != tc.stage || e.Sent != tc.sent {
					t.Fatalf("%#v", err)
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				if d := time.Since(start); d != tc.after {
					t.Errorf("after %v, want %v", d, tc.after)
				}
				time.Sleep(time.Hour) // the server's part ends
			})
		})
	}
}

// A body that keeps talking is never cut, however long it takes; the limit for
// the head does not reach into it; silence is borne for as long as promised.
func TestIdleIsAboutSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{handle: func(c net.Conn) {
			c.Read(make([]byte, 4096))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range 50 {
				time.Sleep(9999 * time.Millisecond)
				io.WriteString(c, "1\r\nx\r\n")
			}
			time.Sleep(time.Hour)
			io.WriteString(c, "0\r\n\r\n")
		}}
		c := New(Config{Dial: p.dial})
		defer c.Close()
		resp, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/", Host: "h", Head: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.SetIdle(10 * time.Second)
		b := make([]byte, 50)
		if _, err := io.ReadFull(resp.Body, b); err != nil {
			t.Fatal(err)
		}
		resp.Body.SetIdle(0)
		if n, err := resp.Body.Read(b); n != 0 || err != io.EOF {
			t.Fatalf("%d, %v", n, err)
		}
	})
}

// Streams and idle connections hold no buffer.
func TestBuffersAreGivenBack(t *testing.T) {
	p := &pipes{handle: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")}
	c := New(Config{Dial: p.dial})
	defer c.Close()
	r := get(t, c)
	if r.Body.cn.rb != nil {
		t.Error("a stream holds a head's buffer")
	}
	r.Body.Close()

	p.handle = answer(small)
	r = get(t, c)
	cn := r.Body.cn
	io.ReadAll(r.Body)
	if cn.rb != nil || c.Idle() != 1 {
		t.Error("an idle connection holds a buffer")
	}
}

// A reader of events that stops at its own end mark and closes keeps the
// connection, if the end of the chunks is there.
func TestCloseBeforeTheLastChunk(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tc := range []struct {
		first, rest string
		idle        int
	}{
		{"6\r\n[DONE]\r\n0\r\n\r\n", "", 1},
		{"6\r\n[DONE]", "\r\n0\r\n\r\n", 1},
		{"6\r\n[DONE]\r\n0\r\n", "", 0},
		{"6\r\n[DONE]", "\r\n1\r\nx\r\n0\r\n\r\n", 0},
		{"6\r\n[DONE]\r\n0\r\n\r\nHTTP/1.1 ", "", 0},
	} {
		t.Run(fmt.Sprintf("%q", tc.first+"|"+tc.rest), func(t *testing.T) {
			c := New(Config{Dial: func(ctx context.Context) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
			}})
			defer c.Close()
			accepted := make(chan net.Conn)
			go func() {
				s, err := ln.Accept()
				if err != nil {
					t.Error(err)
				}
				http.ReadRequest(bufio.NewReader(s))
				io.WriteString(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+tc.first)
				accepted <- s
			}()
			r := get(t, c)
			s := <-accepted
			defer s.Close()
			if _, err := io.ReadFull(r.Body, make([]byte, 6)); err != nil {
				t.Fatal(err)
			}
			io.WriteString(s, tc.rest) // loopback: there when write returns
			r.Body.Close()
			if n := c.Idle(); n != tc.idle {
				t.Errorf("%d idle, want %d", n, tc.idle)
			}
		})
	}
}

func TestRequestBytes(t *testing.T) {
	conn := &tape{r: bytes.NewReader([]byte(small)), piece: pieces(4096)}
	c := New(Config{Dial: func(context.Context) (net.Conn, error) { return conn, nil }})
	defer c.Close()
	r, err := c.Do(t.Context(), &Request{
		Method: "POST", Target: "/v1/x?y=z", Host: "h:1", Auth: Field{"Authorization", "Bearer k"},
		Fields: []Field{{"A", "1"}}, Header: http.Header{"B": {"2", "3"}, "Cookie": {"c"}},
		Skip: func(name string) bool { return name == "Cookie" }, Body: []byte("{}"),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	want := "POST /v1/x?y=z HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer k\r\nA: 1\r\nB: 2\r\nB: 3\r\nContent-Length: 2\r\n\r\n{}"
	if got := conn.written.String(); got != want {
		t.Errorf("%q", got)
	}
}

func TestBadRequests(t *testing.T) {
	c := New(Config{Dial: func(context.Context) (net.Conn, error) { t.Error("dialed"); return nil, net.ErrClosed }})
	ok := Request{Method: "GET", Target: "/", Host: "h"}
	for name, change := range map[string]func(*Request){
		"method":       func(r *Request) { r.Method = "GET /" },
		"target":       func(r *Request) { r.Target = "/ HTTP/1.1\r\nX: y" },
		"absolute":     func(r *Request) { r.Target = "http://other/" },
		"host":         func(r *Request) { r.Host = "h\r\nX: y" },
		"no host":      func(r *Request) { r.Host = "" },
		"field":        func(r *Request) { r.Fields = []Field{{"A", "b\nc"}} },
		"name":         func(r *Request) { r.Fields = []Field{{"A: b\r\nC", "d"}} },
		"length":       func(r *Request) { r.Header = http.Header{"Content-Length": {"7"}} },
		"other length": func(r *Request) { r.Header = http.Header{"content-length": {"7"}} },
		"coding":       func(r *Request) { r.Auth = Field{"Transfer-Encoding", "chunked"} },
		"expect":       func(r *Request) { r.Header = http.Header{"Expect": {"100-continue"}} },
	} {
		req := ok
		change(&req)
		_, err := c.Do(t.Context(), &req)
		var e *Error
		if !errors.As(err, &e) || e.Stage != StageRequest || e.Sent {
			t.Errorf("%s: %v", name, err)
		}
	}
}
