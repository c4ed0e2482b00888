package health

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiterOrderAndShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{Concurrent: 1, Queue: 3}, time.Now)
		release, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				release, err := l.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				release()
			})
			synctest.Wait()
		}
		_, err = l.Acquire(t.Context())
		var shed *ShedError
		if !errors.As(err, &shed) || shed.Queued != 3 || shed.Wait != 4*time.Second {
			t.Fatalf("%#v", err)
		}
		time.Sleep(2 * time.Second)
		release()
		release() // twice gives one place back
		wg.Wait()
		if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 2 {
			t.Errorf("served in order %v", order)
		}
		if r, q, n := l.Load(); r != 0 || q != 0 || n != 1 {
			t.Errorf("%d running, %d queued, limit %d", r, q, n)
		}
	})
}

func TestLimiterMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{Concurrent: 2, Queue: 100, MaxWait: 3 * time.Second}, time.Now)
		for range 2 { // each place is held for 4 s: one in two seconds
			r, _ := l.Acquire(t.Context())
			time.Sleep(4 * time.Second)
			r()
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if r, err := l.Acquire(ctx); err == nil {
					defer r()
					<-ctx.Done()
				}
			})
			synctest.Wait()
		}
		_, err := l.Acquire(ctx)
		var shed *ShedError
		if !errors.As(err, &shed) || shed.Wait != 4*time.Second || shed.Queued != 1 {
			t.Errorf("%#v", err)
		}
		cancel()
		wg.Wait()
		if r, q, _ := l.Load(); r != 0 || q != 0 {
			t.Errorf("%d running, %d queued", r, q)
		}
	})
}

func TestLimiterCancelAndResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{Concurrent: 1, Queue: 10}, time.Now)
		hold, _ := l.Acquire(t.Context())
		left := errors.New("left")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		var served atomic.Int32
		for i := range 5 {
			c := t.Context()
			if i%2 == 0 {
				c = ctx
			}
			wg.Go(func() {
				release, err := l.Acquire(c)
				if c == ctx {
					if !errors.Is(err, left) {
						t.Errorf("%v", err)
					}
					return
				}
				served.Add(1)
				<-t.Context().Done()
				release()
			})
			synctest.Wait()
		}
		cancel(left)
		synctest.Wait()
		if r, q, _ := l.Load(); r != 1 || q != 2 {
			t.Fatalf("%d running, %d queued", r, q)
		}
		l.Resize(LimiterConfig{Concurrent: 3, Queue: 10})
		synctest.Wait()
		if served.Load() != 2 {
			t.Fatalf("%d served after the limit grew", served.Load())
		}
		l.Resize(LimiterConfig{Concurrent: 1, Queue: 0})
		hold()
		if _, err := l.Acquire(t.Context()); err == nil {
			t.Error("a place beyond the smaller limit")
		}
		l.Resize(LimiterConfig{})
		if r, err := l.Acquire(t.Context()); err != nil {
			t.Error("no limit, and yet", err)
		} else {
			r()
		}
		t.Cleanup(wg.Wait)
	})
}

// Under chaos no more than the limit run, nothing is lost and no place leaks.
func TestLimiterChaos(t *testing.T) {
	l := NewLimiter(LimiterConfig{Concurrent: 4, Queue: 20}, time.Now)
	var running, most, got, shed, canceled atomic.Int32
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if i%3 == 0 {
				go cancel()
			}
			defer cancel()
			release, err := l.Acquire(ctx)
			var s *ShedError
			switch {
			case errors.As(err, &s):
				shed.Add(1)
				return
			case err != nil:
				canceled.Add(1)
				return
			}
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			got.Add(1)
			running.Add(-1)
			release()
		})
	}
	wg.Wait()
	if most.Load() > 4 || got.Load()+shed.Load()+canceled.Load() != 400 || got.Load() == 0 {
		t.Errorf("most %d, got %d, shed %d, canceled %d", most.Load(), got.Load(), shed.Load(), canceled.Load())
	}
	if r, q, _ := l.Load(); r != 0 || q != 0 {
		t.Errorf("%d running, %d queued", r, q)
	}
}
