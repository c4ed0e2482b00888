package mock

import (
	"context"
	"time"
)

// Clock tells and passes time, so that tests can own it.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is time.Now.
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep waits on a timer.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Latency is how long an answer takes.
type Latency struct {
	// FirstToken passes before the response head.
	FirstToken time.Duration
	// PerToken passes before each streamed piece after the first; a plain
	// answer waits for all its tokens at once.
	PerToken time.Duration
	// Jitter is the most that is added to each of them, by seed.
	Jitter time.Duration
}

func (l Latency) add(d time.Duration, key uint64) time.Duration {
	if l.Jitter > 0 && d > 0 {
		d += time.Duration(mix(key) % uint64(l.Jitter))
	}
	return d
}
