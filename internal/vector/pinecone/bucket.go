package pinecone

import (
	"context"
	"sync"
	"time"
)

// bucket lets through so many requests a second, and after a pause as many at once
// as a tenth of a second has.
type bucket struct {
	rate  float64
	clock func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	mu   sync.Mutex
	next time.Time // when the next request may go
}

func newBucket(rate float64, clock func() time.Time, sleep func(context.Context, time.Duration) error) *bucket {
	return &bucket{rate: rate, clock: clock, sleep: sleep}
}

// wait waits for a request's turn. Turns are given in the order of asking.
func (b *bucket) wait(ctx context.Context) error {
	b.mu.Lock()
	now := b.clock()
	if earliest := now.Add(-100 * time.Millisecond); b.next.Before(earliest) {
		b.next = earliest
	}
	turn := b.next
	b.next = turn.Add(time.Duration(float64(time.Second) / b.rate))
	b.mu.Unlock()
	if d := turn.Sub(now); d > 0 {
		return b.sleep(ctx, d)
	}
	return ctx.Err()
}

// pause keeps all requests back for d: the store has asked for that.
func (b *bucket) pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := b.clock().Add(d); b.next.Before(until) {
		b.next = until
	}
}
