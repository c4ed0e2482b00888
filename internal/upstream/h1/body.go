package h1

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type bodyMode uint8

const (
	modeNone    bodyMode = iota // no body
	modeLength                  // left bytes to come
	modeChunked                 // the last chunk ends it
	modeClose                   // the connection's end ends it
)

const (
	bodyOpen   int32 = iota // the connection is ours
	bodyEnded               // read to its end or failed: the connection is gone
	bodyClosed              // closed early
)

// ErrBodyClosed is returned by Read after Close.
var ErrBodyClosed = errors.New("read of a closed body")

// Body is the body of one answer. One goroutine reads; Close may come from
// another. The last bytes may come together with io.EOF.
type Body struct {
	cn   *conn
	ctx  context.Context
	stop func() bool // ends the watch on ctx; false: the connection was aborted
	now  func() time.Time

	mode bodyMode
	keep bool  // the connection may serve again after a clean end
	left int64 // modeLength
	ch   chunker

	idle  time.Duration
	armed time.Time // when the read deadline was last set

	mu    sync.Mutex // held by Read
	state atomic.Int32
	err   error // what Read says after the end
}

// begin takes over the connection after the head. An answer without a body
// gives it back at once.
func (b *Body) begin(resp *Response, idle time.Duration) {
	b.idle = idle
	if b.mode == modeNone {
		_ = b.end(len(b.cn.buffered()) == 0) // io.EOF, which the first Read says
		return
	}
	if idle <= 0 {
		// The limit for the head must not cut the body. An error here is a
		// closed connection, which Read will meet too.
		_ = b.cn.limitRead(b.now, 0)
	}
}

// SetIdle limits the silence that a Read bears to between d and d+d/16; 0 lifts
// the limit. Not to be called while Read runs.
func (b *Body) SetIdle(d time.Duration) {
	if b.state.Load() != bodyOpen {
		return
	}
	b.idle, b.armed = d, time.Time{}
	if d <= 0 {
		_ = b.cn.limitRead(b.now, 0) // as in begin
	}
}

// arm moves the read deadline. Under a steady flow it does so once in d/16
// only: the deadline is that much later, never earlier than promised.
func (b *Body) arm() error {
	if b.idle <= 0 {
		return nil
	}
	now, slack := b.now(), b.idle/16
	if !b.armed.IsZero() && now.Sub(b.armed) <= slack {
		return nil
	}
	b.armed = now
	return b.cn.nc.SetReadDeadline(now.Add(b.idle + slack))
}

// Read reads what has come. After a failure it repeats its *Error, after the
// end io.EOF.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Load() != bodyOpen {
		if b.err != nil {
			return 0, b.err
		}
		return 0, ErrBodyClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	switch b.mode {
	case modeLength:
		return b.readLength(p)
	case modeChunked:
		return b.readChunked(p)
	default:
		n, err := b.next(p)
		if n > 0 {
			return n, nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, b.end(false)
		}
		return 0, b.failed(err)
	}
}

// ReadNow reads what is there already and does not wait: 0 and no error say
// that nothing is, or that only Read can tell. Of a stream in a burst it takes
// what came while the last piece was looked at.
func (b *Body) ReadNow(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Load() != bodyOpen || b.mode != modeChunked || len(p) == 0 || len(b.cn.buffered()) > 0 {
		return 0, nil
	}
	n, err := b.cn.peek.now(p)
	if err != nil {
		// A socket tells an error once. Everything else Read meets again.
		if errno := syscall.Errno(0); errors.As(err, &errno) && errno != syscall.EAGAIN {
			return 0, b.failed(err)
		}
		return 0, nil
	}
	w, r, done, err := b.ch.decode(p[:n])
	switch {
	case err != nil:
		return 0, b.failed(err) // as in readChunked
	case done:
		return w, b.end(r == n)
	}
	return w, nil
}

func (b *Body) readLength(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.next(p)
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, b.end(len(b.cn.buffered()) == 0)
	case n > 0:
		return n, nil
	}
	return 0, b.failed(err)
}

func (b *Body) readChunked(p []byte) (int, error) {
	for {
		n, err := b.next(p)
		w, r, done, derr := b.ch.decode(p[:n])
		switch {
		case derr != nil:
			// What precedes the fault in these bytes is withheld: the framing
			// that delivered it cannot be trusted.
			return 0, b.failed(derr)
		case done:
			return w, b.end(r == n && len(b.cn.buffered()) == 0)
		case w > 0:
			return w, nil
		case err != nil:
			return 0, b.failed(err)
		}
	}
}

// next fills p from the buffer, or else from the connection. It drops the
// buffer when it is used up.
func (b *Body) next(p []byte) (int, error) {
	if rest := b.cn.buffered(); len(rest) > 0 {
		n := copy(p, rest)
		if b.cn.off += n; n == len(rest) {
			b.cn.release()
		}
		return n, nil
	}
	if err := b.arm(); err != nil {
		return 0, err
	}
	n, err := b.cn.read(p)
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	return n, err
}

// end gives the connection up after a whole body: to the pool if clean says
// that nothing followed.
func (b *Body) end(clean bool) error {
	b.err = io.EOF
	if !b.state.CompareAndSwap(bodyOpen, bodyEnded) {
		b.cn.release() // Close came first and has closed it
		return io.EOF
	}
	cn := b.cn
	if b.unwatch() && clean && b.keep {
		cn.pool.put(cn)
	} else {
		cn.close()
	}
	return io.EOF
}

// failed closes the connection and returns the error that Read repeats.
func (b *Body) failed(err error) error {
	if b.state.Load() == bodyClosed {
		err = ErrBodyClosed
	} else if b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	b.err = &Error{Stage: StageBody, Sent: true, Err: err}
	b.state.CompareAndSwap(bodyOpen, bodyEnded)
	b.fail()
	return b.err
}

// fail ends the exchange without a whole answer.
func (b *Body) fail() {
	b.unwatch()
	b.cn.close()
}

// unwatch reports whether the context has left the connection alone.
func (b *Body) unwatch() bool { return b.stop == nil || b.stop() }

// Close gives the body up. Before its end that closes the connection, except
// when all that is missing is the end mark of the last chunk and it has come.
func (b *Body) Close() error {
	if b.state.Load() != bodyOpen {
		return nil
	}
	if !b.mu.TryLock() { // a Read is waiting: wake it, it cleans up
		if b.state.CompareAndSwap(bodyOpen, bodyClosed) {
			b.unwatch()
			b.cn.abort()
		}
		return nil
	}
	defer b.mu.Unlock()
	if b.mode == modeChunked && b.ended() {
		_ = b.end(true) // io.EOF, which nobody waits for any more
		return nil
	}
	if b.state.CompareAndSwap(bodyOpen, bodyClosed) {
		b.fail()
	}
	return nil
}

// ended looks, without waiting, whether the end of the chunks is all that is
// left: a reader of events stops at its own end mark, one read too early.
func (b *Body) ended() bool {
	if b.ch.st == chunkData {
		return false
	}
	var p [64]byte
	n := copy(p[:], b.cn.buffered())
	if n > 0 {
		b.cn.off += n
	} else {
		m, err := b.cn.peek.now(b.cn.small[:])
		if err != nil {
			return false
		}
		n = copy(p[:], b.cn.small[:m])
	}
	w, r, done, err := b.ch.decode(p[:n])
	return done && err == nil && w == 0 && r == n && len(b.cn.buffered()) == 0
}
