// Package h1 is a synchronous HTTP/1.1 client over pooled plain connections.
//
// net/http's Transport keeps two goroutines and two 4 KiB buffers for every
// connection and crosses channels on each request. A gateway that speaks to a
// local engine over plain HTTP pays for that more than for anything else. Here
// the caller's goroutine writes the request in one system call and reads the
// answer itself; a connection that waits in the pool or streams slowly owns no
// goroutine and no buffer.
//
// What holds:
//   - A connection is used again only when the answer was read to its framed
//     end, nothing followed it, and both sides keep it alive.
//   - A connection taken from the pool is looked at first: closed, or holding
//     bytes nobody asked for, it is dropped. If the server still closes it
//     before the first byte of an answer, the request is sent once more on a
//     fresh connection.
//   - A body that ends before its framing says so is io.ErrUnexpectedEOF, never
//     a clean io.EOF.
//   - The reading is stricter than net/http's and never differs from it: what
//     RFC 9112 lets a recipient guess (both Content-Length and
//     Transfer-Encoding, folded lines, bare LF) is refused.
//   - Cancelling the context closes the connection at once, whatever the
//     request is doing.
//
// No TLS, no proxies, no redirects, no cookies, no compression.
package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Config says how connections are made and kept. Zero values take the
// defaults named on each field.
type Config struct {
	// Dial opens a connection to the one server of this client. It must obey
	// the context. Required.
	Dial func(ctx context.Context) (net.Conn, error)
	// MaxIdle is the most connections kept without a request; 1024.
	MaxIdle int
	// IdleTimeout closes a connection unused for so long; 90 s.
	IdleTimeout time.Duration
	// MaxHead limits the bytes of one answer's head, interim (1xx) answers
	// included; 64 KiB.
	MaxHead int
	// Now is the clock; time.Now.
	Now func() time.Time
}

// Field is one header line of a request.
type Field struct{ Name, Value string }

// Request is one request. Nothing of it is kept after Do returns.
type Request struct {
	Method string // "GET", "POST", ...
	Target string // origin form: absolute path and query, "/v1/models?x=y"
	Host   string // value of the Host header
	// Auth (unless its name is empty), Fields and Header are sent in this
	// order. Host, Content-Length, Transfer-Encoding and the hop-by-hop names
	// must not be among them.
	Auth   Field
	Fields []Field
	Header http.Header
	// Skip, if set, names what of Header is left out.
	Skip func(name string) bool
	Body []byte

	Connect time.Duration // limit to open a connection; 0: none
	Write   time.Duration // limit on a write that makes no progress; 0: none
	Head    time.Duration // limit from the request written to the whole head read; 0: none
	Idle    time.Duration // limit on silence within the body, see Body.SetIdle; 0: none
}

// Response is the head of an answer with its body still to read.
type Response struct {
	Status int
	Proto  string // "HTTP/1.1" or "HTTP/1.0"
	Header http.Header
	// ContentLength is the length announced, 0 where there can be no body, -1
	// when only the end of the body tells.
	ContentLength int64
	// Delimited is false when the body ends with the connection, so that a cut
	// between two packets looks like the end.
	Delimited bool
	// Reused says that the connection had served a request before.
	Reused bool
	Body   *Body

	body Body
}

// Stage is how far an exchange had come when it failed.
type Stage uint8

// The stages, in the order in which an exchange passes them.
const (
	StageRequest Stage = iota // the request cannot be written as HTTP
	StageDial                 // no connection
	StageWrite                // connection there, request not fully written
	StageWait                 // request written, no byte of an answer
	StageHead                 // some of the head read
	StageBody                 // head whole, body not
)

// Error is any failure of Do or Body.Read.
type Error struct {
	Stage  Stage
	Sent   bool // a byte of the request may have reached the server
	Reused bool // the connection was a pooled one
	Err    error
}

func (e *Error) Error() string { return "h1: " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ProtocolError says that what came is not the HTTP/1.1 this package accepts.
// Its text is fixed: nothing that the server sent is quoted.
type ProtocolError string

func (e ProtocolError) Error() string { return "malformed answer: " + string(e) }

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("client is closed")

// Client sends requests to one server. It is safe for concurrent use.
type Client struct {
	cfg  Config
	pool pool
}

// New returns a client for the server that cfg.Dial reaches.
func New(cfg Config) *Client {
	if cfg.MaxIdle == 0 {
		cfg.MaxIdle = 1024
	}
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = 90 * time.Second
	}
	if cfg.MaxHead == 0 {
		cfg.MaxHead = 64 << 10
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Client{cfg: cfg, pool: pool{max: cfg.MaxIdle, ttl: cfg.IdleTimeout, now: cfg.Now}}
}

// Close closes what is idle and refuses new requests; exchanges under way run
// to their end and their connections are closed then.
func (c *Client) Close() { c.pool.close() }

// Idle is the number of connections waiting in the pool.
func (c *Client) Idle() int { return c.pool.len() }

// Do sends the request and reads the head of the answer. A non-nil error is an
// *Error. The caller must Close the body, or read it to io.EOF.
func (c *Client) Do(ctx context.Context, req *Request) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Stage: StageDial, Err: context.Cause(ctx)}
	}
	wb := getBuf()
	defer putBuf(wb)
	head, err := appendHead((*wb)[:0], req)
	*wb = head
	if err != nil {
		return nil, &Error{Stage: StageRequest, Err: err}
	}
	cn, closed := c.pool.get()
	if closed {
		return nil, &Error{Stage: StageDial, Err: ErrClosed}
	}
	if cn != nil {
		resp, err := c.exchange(ctx, cn, req, wb)
		if err == nil || !stale(err) || ctx.Err() != nil {
			return resp, err
		}
		*wb = (*wb)[:len(head)]
	}
	if cn, err = c.dial(ctx, req.Connect); err != nil {
		return nil, &Error{Stage: StageDial, Err: err}
	}
	return c.exchange(ctx, cn, req, wb)
}

// stale reports whether a pooled connection turned out to be closed by the
// server before it can have answered.
func stale(err error) bool {
	var e *Error
	if !errors.As(err, &e) || !e.Reused || e.Stage > StageWait {
		return false
	}
	return errors.Is(e.Err, io.ErrUnexpectedEOF) || errors.Is(e.Err, syscall.ECONNRESET) || errors.Is(e.Err, syscall.EPIPE)
}

func (c *Client) dial(ctx context.Context, limit time.Duration) (*conn, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	// Connecting takes a deep stack, which this goroutine would then keep for as
	// long as its answer lasts: of thousands of slow streams, 8 KiB each.
	var nc net.Conn
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err = c.cfg.Dial(ctx)
	}()
	<-done
	if err != nil {
		return nil, err
	}
	return newConn(nc, &c.pool), nil
}

// exchange writes the request on cn and reads the head of the answer. It owns
// cn until the body takes it over.
func (c *Client) exchange(ctx context.Context, cn *conn, req *Request, wb *[]byte) (*Response, error) {
	resp := &Response{Reused: cn.used}
	b := &resp.body
	b.cn, b.ctx, b.now = cn, ctx, c.cfg.Now
	resp.Body = b
	if ctx.Done() != nil {
		b.stop = context.AfterFunc(ctx, cn.abort)
	}
	fail := func(stage Stage, sent bool, err error) (*Response, error) {
		b.fail()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, &Error{Stage: stage, Sent: sent, Reused: resp.Reused, Err: err}
	}
	n, werr := cn.send(wb, req.Body, req.Write, c.cfg.Now)
	limit := req.Head
	if werr != nil {
		// A server that refuses a large body answers and closes while it is
		// still being written: what it said is worth more than the broken pipe.
		if n == 0 || ctx.Err() != nil {
			return fail(StageWrite, n > 0, werr)
		}
		limit = earlyAnswer
	}
	if err := cn.limitRead(c.cfg.Now, limit); err != nil {
		return fail(StageWait, true, err)
	}
	stage, err := cn.readHead(resp, req.Method, c.cfg.MaxHead)
	if err != nil {
		if werr != nil {
			stage, err = StageWrite, werr
		}
		return fail(stage, true, err)
	}
	cn.used = true
	if werr != nil {
		b.keep = false
	}
	b.begin(resp, req.Idle)
	return resp, nil
}

// earlyAnswer is how long an answer is waited for after the request could not
// be written to its end.
const earlyAnswer = 50 * time.Millisecond

const bufSize = 4 << 10

// bufs holds the buffers for heads, both ways. A body larger than maxKept does
// not leave its buffer behind.
var bufs = sync.Pool{New: func() any { b := make([]byte, 0, bufSize); return &b }}

const maxKept = 64 << 10

func getBuf() *[]byte { return bufs.Get().(*[]byte) }

func putBuf(b *[]byte) {
	if cap(*b) <= maxKept {
		*b = (*b)[:0]
		bufs.Put(b)
	}
}
