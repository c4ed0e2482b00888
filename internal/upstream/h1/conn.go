package h1

import (
	"errors"
	"io"
	"net"
	"time"
)

// copyLimit is the largest request (head and body) that is copied together for
// one write; above it the two go out as one writev.
const copyLimit = 32 << 10

// writeStep bounds one write of a large body, so that the write limit is one
// of progress, not of size.
const writeStep = 1 << 20

// conn is one connection. It belongs to one request at a time; only abort may
// be called from elsewhere.
type conn struct {
	nc    net.Conn
	pool  *pool
	peek  peeker    // looks for bytes or an end without waiting
	used  bool      // an answer's head has been read on it
	last  time.Time // when it went to the pool
	rb    *[]byte   // bytes read and not yet used are (*rb)[off:]; nil: none
	off   int
	small [64]byte // for a look ahead at the end of a body
}

func newConn(nc net.Conn, p *pool) *conn {
	return &conn{nc: nc, pool: p, peek: newPeeker(nc)}
}

// abort ends the exchange from another goroutine: whatever waits on the
// connection returns, and the server sees the end at once. The owner still
// calls close or fail; closing twice is harmless.
func (c *conn) abort() { c.nc.Close() }

// close closes the connection and gives up its buffer.
func (c *conn) close() {
	c.nc.Close()
	c.release()
}

// release hands the read buffer back when nothing in it is needed.
func (c *conn) release() {
	if c.rb != nil {
		putBuf(c.rb)
		c.rb, c.off = nil, 0
	}
}

// buffered is what has been read and not used.
func (c *conn) buffered() []byte {
	if c.rb == nil {
		return nil
	}
	return (*c.rb)[c.off:]
}

// send writes the head in *wb and the body. n counts the bytes that the kernel
// took.
func (c *conn) send(wb *[]byte, body []byte, limit time.Duration, now func() time.Time) (n int64, err error) {
	if limit > 0 {
		if err := c.nc.SetWriteDeadline(now().Add(limit)); err != nil {
			return 0, err
		}
	} else if c.used {
		if err := c.nc.SetWriteDeadline(time.Time{}); err != nil {
			return 0, err
		}
	}
	if len(*wb)+len(body) <= copyLimit {
		*wb = append(*wb, body...)
		m, err := c.nc.Write(*wb)
		return int64(m), err
	}
	first := body[:min(len(body), writeStep)]
	v := net.Buffers{*wb, first}
	if n, err = v.WriteTo(c.nc); err != nil {
		return n, err
	}
	for rest := body[len(first):]; len(rest) > 0; {
		if limit > 0 {
			if err := c.nc.SetWriteDeadline(now().Add(limit)); err != nil {
				return n, err
			}
		}
		m, err := c.nc.Write(rest[:min(len(rest), writeStep)])
		n += int64(m)
		if err != nil {
			return n, err
		}
		rest = rest[m:]
	}
	return n, nil
}

// limitRead sets how long reads may take in all from now; 0 lifts the limit.
func (c *conn) limitRead(now func() time.Time, limit time.Duration) error {
	if limit <= 0 {
		return c.nc.SetReadDeadline(time.Time{})
	}
	return c.nc.SetReadDeadline(now().Add(limit))
}

// read fills p from the connection. An end is io.ErrUnexpectedEOF: only a body
// that may end with its connection turns it back.
func (c *conn) read(p []byte) (int, error) {
	n, err := c.nc.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
