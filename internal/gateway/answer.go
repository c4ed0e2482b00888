package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"freehold/internal/dialect"
	"freehold/internal/fault"
)

var errClientGone = errors.New("the client is gone")

// answer is the way to the client.
type answer struct {
	w       http.ResponseWriter
	ctl     *http.ResponseController
	codec   dialect.Codec
	timeout time.Duration
	shared  bool // HTTP/2: see idle

	mu      sync.Mutex // keep-alives are written from a timer
	started bool       // the status line is out
	dirty   bool       // written but not flushed
	sent    int64
	armed   time.Time // when the write deadline was last set
	scratch []byte

	timer *time.Timer
	every time.Duration
	wrote bool // since the last tick
	done  bool
}

func newAnswer(w http.ResponseWriter, c dialect.Codec, timeout time.Duration) *answer {
	_, shared := w.(http.Pusher)
	return &answer{w: w, ctl: http.NewResponseController(w), codec: c, timeout: timeout, shared: shared}
}

func (a *answer) begun() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.started
}

// keepAlive writes the dialect's keep-alive whenever nothing was written for
// every, so that proxies on the way do not take a slow model for a dead one.
func (a *answer) keepAlive(every time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.every = every
	a.timer = time.AfterFunc(every, a.tick)
}

func (a *answer) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return
	}
	if !a.wrote {
		// A failure shows at the next write of the answer itself.
		_ = a.writeLocked(a.codec.KeepAlive())
		_ = a.flushLocked()
	}
	a.wrote = false
	a.timer.Reset(a.every)
}

// header sets headers of the answer, unless it has begun.
func (a *answer) header(set func(http.Header)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.started {
		set(a.w.Header())
	}
}

// stop ends keep-alives.
func (a *answer) stop() {
	if a.timer == nil {
		return
	}
	a.mu.Lock()
	a.done = true
	a.mu.Unlock()
	a.timer.Stop()
}

// write adds to the stream.
func (a *answer) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrote = true
	return a.writeLocked(b)
}

func (a *answer) writeLocked(b []byte) error {
	if !a.started {
		a.started = true
		h := a.w.Header()
		h["Content-Type"] = eventStream
		h["Cache-Control"] = noCache
		h["X-Accel-Buffering"] = noBuffering
		a.w.WriteHeader(http.StatusOK)
	}
	a.deadline()
	n, err := a.w.Write(b)
	a.sent += int64(n)
	a.dirty = true
	if err != nil {
		return errClientGone
	}
	return nil
}

var (
	eventStream = []string{"text/event-stream; charset=utf-8"}
	noCache     = []string{"no-cache"}
	noBuffering = []string{"no"}
	jsonType    = []string{"application/json"}
)

// deadline gives the client time for the next write: timeout, or an eighth more,
// so that a steady stream moves its timer now and then and not with every write.
// Writers that cannot have deadlines (tests) do without.
func (a *answer) deadline() {
	if a.timeout <= 0 {
		return
	}
	now, slack := time.Now(), a.timeout/8
	if !a.armed.IsZero() && now.Sub(a.armed) <= slack {
		return
	}
	a.armed = now
	_ = a.ctl.SetWriteDeadline(now.Add(a.timeout + slack))
}

// idle takes the deadline away while nothing is being written. On HTTP/1 one
// that passes in a pause does no harm and is moved before the next write; on
// HTTP/2 it would reset the stream.
func (a *answer) idle() {
	if a.shared && !a.armed.IsZero() {
		a.armed = time.Time{}
		_ = a.ctl.SetWriteDeadline(time.Time{})
	}
}

func (a *answer) flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.flushLocked()
}

func (a *answer) flushLocked() error {
	if !a.dirty {
		return nil
	}
	a.dirty = false
	if err := a.ctl.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errClientGone
	}
	a.idle()
	return nil
}

// fail ends a stream that has begun with an error event.
func (a *answer) fail(event []byte) {
	if a.write(event) == nil {
		_ = a.flush() // the client is told as far as it still listens
	}
}

// whole writes a plain answer.
func (a *answer) whole(body []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.started = true
	h := a.w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	a.deadline()
	a.w.WriteHeader(http.StatusOK)
	n, err := a.w.Write(body)
	a.sent += int64(n)
	if err != nil {
		return errClientGone
	}
	return nil
}

// plainError writes an error answer. Whether a retry makes sense is said in
// the headers that the official SDKs obey.
func (a *answer) plainError(status int, body []byte, f *fault.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.started = true
	a.deadline()
	WriteError(a.w, status, body, f)
}

// WriteError writes an error answer with its retry headers.
func WriteError(w http.ResponseWriter, status int, body []byte, f *fault.Error) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	if f.NoRetry {
		h.Set("X-Should-Retry", "false")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to tell if it fails
}
