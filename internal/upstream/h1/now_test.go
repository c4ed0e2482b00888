//go:build unix

package h1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// served gives a body of chunks from a real socket, whose server sends and ends
// when the test says so.
func served(t *testing.T) (b *Body, send func(string), end func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}})
	far := make(chan net.Conn, 1)
	go func() {
		defer l.Close()
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
			close(far)
			return
		}
		// Unread bytes would make the close below a reset.
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"); err != nil {
			t.Error(err)
		}
		far <- nc
	}()
	resp, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/", Host: "h"})
	if err != nil {
		t.Fatal(err)
	}
	nc := <-far
	t.Cleanup(func() { resp.Body.Close(); nc.Close(); c.Close() })
	send = func(s string) {
		if _, err := io.WriteString(nc, s); err != nil {
			t.Error(err)
		}
	}
	return resp.Body, send, func() { nc.Close() }
}

// soon repeats ReadNow until it has something: loopback is fast, not instant.
func soon(t *testing.T, b *Body) (string, error) {
	t.Helper()
	p := make([]byte, 64)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if n, err := b.ReadNow(p); n > 0 || err != nil {
			return string(p[:n]), err
		}
	}
	t.Fatal("ReadNow finds nothing")
	return "", nil
}

func TestReadNow(t *testing.T) {
	b, send, _ := served(t)
	p := make([]byte, 64)
	if n, err := b.ReadNow(p); n != 0 || err != nil {
		t.Fatalf("of nothing ReadNow gives %d bytes, error %v", n, err)
	}
	send("4\r\nfour\r\n3\r\nth")
	if got, err := soon(t, b); got != "fourth" || err != nil {
		t.Fatalf("%q, error %v", got, err)
	}
	send("r\r\n") // Read goes on where ReadNow stopped
	if n, err := b.Read(p); string(p[:n]) != "r" || err != nil {
		t.Fatalf("%q, error %v", p[:n], err)
	}
	send("3\r\nend\r\n0\r\n\r\n")
	if got, err := soon(t, b); got != "end" || err != io.EOF {
		t.Fatalf("%q, error %v", got, err)
	}
	if b.cn.pool.len() != 1 {
		t.Error("the connection does not serve again")
	}
	if n, err := b.ReadNow(p); n != 0 || err != nil {
		t.Errorf("after the end ReadNow gives %d bytes, error %v", n, err)
	}
	if _, err := b.Read(p); err != io.EOF {
		t.Errorf("after the end Read says %v", err)
	}
}

// A cut is Read's to tell, and is told as one.
func TestReadNowOfACut(t *testing.T) {
	b, send, end := served(t)
	send("4\r\nfour\r\n")
	if got, err := soon(t, b); got != "four" || err != nil {
		t.Fatalf("%q, error %v", got, err)
	}
	end()
	p := make([]byte, 64)
	if _, err := b.Read(p); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut is %v", err)
	}
}

func TestReadNowOfGarbage(t *testing.T) {
	b, send, _ := served(t)
	send("zz\r\n")
	var bad ProtocolError
	if got, err := soon(t, b); got != "" || !errors.As(err, &bad) {
		t.Fatalf("%q, error %v", got, err)
	}
	if _, err := b.Read(make([]byte, 8)); !errors.As(err, &bad) {
		t.Errorf("Read after it: %v", err)
	}
}
