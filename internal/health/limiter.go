package health

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// LimiterConfig bounds what runs at once on a deployment and what waits.
type LimiterConfig struct {
	Concurrent int           // requests at once; 0: no limit
	Queue      int           // requests that may wait
	MaxWait    time.Duration // shed when the wait is likely to be longer; 0: no such limit
}

// ShedError says that a request was not taken: it would have waited too long,
// or there is no room to wait.
type ShedError struct {
	Wait   time.Duration // estimate until there is a place
	Queued int           // requests waiting before it
}

func (e *ShedError) Error() string {
	return fmt.Sprintf("all places taken, %d requests waiting: try again in %s", e.Queued, e.Wait.Round(time.Millisecond))
}

// waiter is a request in the queue; it runs in its own goroutine.
type waiter struct {
	ready      chan struct{} // closed when a place is its own
	prev, next *waiter
}

// Limiter is a bounded number of places with a bounded queue, first come, first
// served.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	cfg     LimiterConfig
	running int
	queued  int
	first   *waiter
	last    *waiter
	service float64 // moving average of the time a place is held, ns
}

// NewLimiter returns a limiter that reads the time from now.
func NewLimiter(cfg LimiterConfig, now func() time.Time) *Limiter {
	return &Limiter{cfg: cfg, now: now}
}

// Resize changes the limits. More places go to those who wait; fewer take hold
// as places come back. Nobody in the queue is thrown out.
func (l *Limiter) Resize(cfg LimiterConfig) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cfg = cfg
	l.grant()
}

// Acquire waits for a place. release gives it back and may be called more than
// once. The error is a *ShedError, at once, or the context's.
func (l *Limiter) Acquire(ctx context.Context) (release func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	l.mu.Lock()
	if l.queued == 0 && l.free() {
		l.running++
		l.mu.Unlock()
		return l.releaser(), nil
	}
	wait := l.estimate()
	if l.queued >= l.cfg.Queue || l.cfg.MaxWait > 0 && wait > l.cfg.MaxWait {
		err := &ShedError{wait, l.queued}
		l.mu.Unlock()
		return nil, err
	}
	w := &waiter{ready: make(chan struct{})}
	l.push(w)
	l.mu.Unlock()

	select {
	case <-w.ready:
		return l.releaser(), nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.ready: // the place came in the same moment: hand it on
		l.running--
		l.grant()
	default:
		l.remove(w)
	}
	return nil, context.Cause(ctx)
}

func (l *Limiter) free() bool { return l.cfg.Concurrent <= 0 || l.running < l.cfg.Concurrent }

// estimate is how long a request that comes now would wait: the queue before
// it, served at the average pace. 1 s while nothing is known.
func (l *Limiter) estimate() time.Duration {
	s := l.service
	if s == 0 {
		s = float64(time.Second)
	}
	return time.Duration(s * float64(l.queued+1) / float64(max(l.cfg.Concurrent, 1)))
}

func (l *Limiter) releaser() func() {
	var once sync.Once
	start := l.now()
	return func() { once.Do(func() { l.release(l.now().Sub(start)) }) }
}

func (l *Limiter) release(held time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.service == 0 {
		l.service = float64(held)
	}
	l.service += 0.1 * (float64(held) - l.service)
	l.running--
	l.grant()
}

// grant gives free places to those who wait longest.
func (l *Limiter) grant() {
	for l.first != nil && l.free() {
		w := l.first
		l.remove(w)
		l.running++
		close(w.ready)
	}
}

func (l *Limiter) push(w *waiter) {
	w.prev = l.last
	if l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
	l.queued++
}

func (l *Limiter) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.prev, w.next = nil, nil
	l.queued--
}

// Load is what runs and what waits.
func (l *Limiter) Load() (running, queued, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, l.queued, l.cfg.Concurrent
}
