package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// stage is how far the watched exchange has come.
type stage uint8

const (
	inConnect stage = iota
	inHead
	inBody
	over
)

// watch cancels a call when its present stage takes too long. The functions of
// a trace may run late: what belongs to a stage already left is ignored.
type watch struct {
	mu     sync.Mutex
	timer  *time.Timer
	stage  stage
	at     time.Time // zero: no limit now
	cause  error
	cancel context.CancelCauseFunc
}

func (w *watch) start(d time.Duration, cause error, cancel context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.cause, w.cancel = time.Now().Add(d), cause, cancel
	w.timer = time.AfterFunc(d, w.fire)
}

// limit enters the stage with a limit from now.
func (w *watch) limit(s stage, d time.Duration, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s < w.stage {
		return
	}
	w.stage, w.at, w.cause = s, time.Now().Add(d), cause
	w.timer.Reset(d)
}

// enter enters the stage without a limit.
func (w *watch) enter(s stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stage, w.at = max(s, w.stage), time.Time{}
	w.timer.Stop()
}

func (w *watch) fire() {
	w.mu.Lock()
	cause, due := w.cause, !w.at.IsZero() && !time.Now().Before(w.at)
	w.mu.Unlock()
	if due { // else the stage changed while the timer went off
		w.cancel(cause)
	}
}

// detachable lends a call's bytes to net/http, whose writer may still read them
// after the round trip is over, and can take them back at any moment.
type detachable struct {
	mu       sync.Mutex
	bytes    []byte
	gone     bool
	progress func()
}

func (d *detachable) detach() {
	d.mu.Lock()
	d.bytes, d.gone = nil, true
	d.mu.Unlock()
}

func (d *detachable) reader() io.ReadCloser {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &lent{d: d, r: *bytes.NewReader(d.bytes)}
}

type lent struct {
	d *detachable
	r bytes.Reader
}

func (l *lent) Read(p []byte) (int, error) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.d.gone {
		return 0, errors.New("the call is over")
	}
	n, err := l.r.Read(p)
	if n > 0 {
		l.d.progress()
	}
	return n, err
}

func (l *lent) Close() error { return nil }
