package h1

import (
	"bytes"
	"context"
	"io"
	"net"
	"time"
)

// tape is a connection whose server's bytes are known beforehand and come in
// pieces; it ends after them.
type tape struct {
	r       *bytes.Reader
	piece   func() int // size of the next piece
	written bytes.Buffer
	closed  bool
}

func (t *tape) Read(p []byte) (int, error) {
	if t.closed {
		return 0, net.ErrClosed
	}
	return t.r.Read(p[:min(len(p), max(t.piece(), 1))])
}

func (t *tape) Write(p []byte) (int, error) {
	if t.closed {
		return 0, net.ErrClosed
	}
	return t.written.Write(p)
}

func (t *tape) Close() error                     { t.closed = true; return nil }
func (t *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// pieces cycles through sizes.
func pieces(sizes ...int) func() int {
	i := -1
	return func() int {
		i++
		return sizes[i%len(sizes)]
	}
}

// reading is what came of one exchange.
type reading struct {
	resp *Response
	body string
	err  error // of Do or of the body; io.EOF never
	kept bool  // the connection went to the pool
	left int   // bytes of the tape not read
}

// play reads the tape as the answer to one request, through reads of the body
// of size buf.
func play(method, raw string, buf int, piece func() int) reading {
	conn := &tape{r: bytes.NewReader([]byte(raw)), piece: piece}
	c := New(Config{Dial: func(context.Context) (net.Conn, error) { return conn, nil }})
	defer c.Close()
	req := &Request{Method: method, Target: "/", Host: "h"}
	if method == "POST" {
		req.Body = []byte("{}")
	}
	resp, err := c.Do(context.Background(), req)
	if err != nil {
		return reading{err: err}
	}
	out := reading{resp: resp}
	p := make([]byte, buf)
	for {
		n, err := resp.Body.Read(p)
		out.body += string(p[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			out.err = err
			break
		}
	}
	resp.Body.Close()
	out.kept, out.left = c.Idle() == 1, conn.r.Len()
	return out
}
