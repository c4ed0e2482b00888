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
	MaxWait    time.Duration // the longest wait; 0: no such limit
	// ShortWait is the longest wait of a request that had rather go elsewhere, or
	// nowhere, than wait; 0: a sixth of the time that 95 % of the requests take, as the histogram has
	// it, which is up to a sixteenth too much. Then 95 % of what is served here
	// take, waiting included, at most 1.2 times as long as they would with an empty
	// queue, however many come.
	ShortWait time.Duration
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

// turn is a request that waits for a place or has one. A waiting one runs in its
// own goroutine.
type turn struct {
	l          *Limiter
	ready      chan struct{} // closed when a place is its own; nil: it did not wait
	start      time.Time     // of having the place
	over       bool          // the place was given back
	prev, next *turn
}

// line is requests one behind the other.
type line struct {
	first, last *turn
	n           int
}

func (q *line) push(t *turn) {
	t.prev = q.last
	if q.last != nil {
		q.last.next = t
	} else {
		q.first = t
	}
	q.last = t
	q.n++
}

func (q *line) remove(t *turn) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		q.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		q.last = t.prev
	}
	t.prev, t.next = nil, nil
	q.n--
}

// Limiter is a bounded number of places with a bounded queue, first come, first
// served.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	cfg     LimiterConfig
	running int       // places taken, those of waiters that do not know it yet among them
	waiting line      // by the time when they came
	placed  line      // by the time when they began
	service float64   // moving average of the time a place is held, ns
	held    histogram // of that time
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

// Acquire waits for a place, for a short time only if the request has no time to
// lose. release gives the place back and may be called more than once. The error
// is a *ShedError, at once where the wait is likely to be too long for the limits
// or for the context's deadline; or the context's.
func (l *Limiter) Acquire(ctx context.Context, short bool) (release func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t, now := &turn{l: l}, l.now()
	l.mu.Lock()
	if l.waiting.n == 0 && l.free() {
		l.running++
		l.take(t, now)
		l.mu.Unlock()
		return t.release, nil
	}
	wait, limit := l.estimate(now), l.patience(now, short)
	if by, ok := ctx.Deadline(); ok {
		if left := by.Sub(now); limit == 0 || left < limit {
			limit = left
		}
	}
	if l.waiting.n >= l.cfg.Queue || limit > 0 && wait > limit {
		err := &ShedError{wait, l.waiting.n}
		l.mu.Unlock()
		return nil, err
	}
	t.ready = make(chan struct{})
	l.waiting.push(t)
	l.mu.Unlock()

	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-t.ready:
		now := l.now()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.take(t, now)
		return t.release, nil
	case <-ctx.Done():
	case <-late:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-t.ready: // the place came in the same moment
		if ctx.Err() == nil {
			l.take(t, l.now())
			return t.release, nil
		}
		l.running--
		l.grant()
	default:
		l.waiting.remove(t)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, &ShedError{l.estimate(l.now()), l.waiting.n}
}

func (l *Limiter) free() bool { return l.cfg.Concurrent <= 0 || l.running < l.cfg.Concurrent }

// unknown is the time that a place is held while nothing is known of it.
const unknown = time.Second

// shortShare is the part of a request's time that a short wait takes: see
// LimiterConfig.
const shortShare = 6

// patience is how long a request waits at most; 0: for ever.
func (l *Limiter) patience(now time.Time, short bool) time.Duration {
	d := l.cfg.MaxWait
	if !short {
		return d
	}
	wait := l.cfg.ShortWait
	if wait <= 0 {
		wait = unknown / shortShare
		l.held.age(now)
		if p95 := l.held.quantile(0.95); p95 > 0 {
			wait = p95 / shortShare
		}
	}
	if d > 0 {
		wait = min(wait, d)
	}
	return wait
}

// estimate is how long a request that comes now would wait: until as many of
// those that run have ended as are before it, the oldest first, each after the
// average time.
func (l *Limiter) estimate(now time.Time) time.Duration {
	s := time.Duration(l.service)
	if s == 0 {
		s = unknown
	}
	places := max(l.cfg.Concurrent, 1)
	wait := s * time.Duration(l.waiting.n/places)
	t := l.placed.first
	for n := l.waiting.n % places; n > 0 && t != nil; n-- {
		t = t.next
	}
	if t != nil {
		s -= now.Sub(t.start)
	}
	return wait + max(s, 0)
}

// take begins a turn whose place is counted already.
func (l *Limiter) take(t *turn, now time.Time) {
	t.start = now
	l.placed.push(t)
}

func (t *turn) release() {
	l := t.l
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.over {
		return
	}
	t.over = true
	l.placed.remove(t)
	held := now.Sub(t.start)
	if l.service == 0 {
		l.service = float64(held)
	}
	l.service += 0.1 * (float64(held) - l.service)
	if l.cfg.Concurrent > 0 {
		l.held.add(now, held)
	}
	l.running--
	l.grant()
}

// grant gives free places to those who wait longest.
func (l *Limiter) grant() {
	for l.waiting.n > 0 && l.free() {
		t := l.waiting.first
		l.waiting.remove(t)
		l.running++
		close(t.ready)
	}
}

// Load is what runs and what waits.
func (l *Limiter) Load() (running, queued, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, l.waiting.n, l.cfg.Concurrent
}
