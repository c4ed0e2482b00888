package health

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiterOrderAndShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{Concurrent: 1, Queue: 3}, time.Now)
		release, err := l.Acquire(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				release, err := l.Acquire(t.Context(), false)
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
		_, err = l.Acquire(t.Context(), false)
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
		l := NewLimiter(LimiterConfig{Concurrent: 2, Queue: 100, MaxWait: 5 * time.Second}, time.Now)
		for range 2 { // each place is held for 4 s
			r, _ := l.Acquire(t.Context(), false)
			time.Sleep(4 * time.Second)
			r()
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if r, err := l.Acquire(ctx, false); err == nil {
					defer r()
					<-ctx.Done()
				}
			})
			synctest.Wait()
		}
		_, err := l.Acquire(ctx, false)
		var shed *ShedError
		if !errors.As(err, &shed) || shed.Wait != 8*time.Second || shed.Queued != 2 {
			t.Errorf("%#v", err)
		}
		cancel()
		wg.Wait()
		if r, q, _ := l.Load(); r != 0 || q != 0 {
			t.Errorf("%d running, %d queued", r, q)
		}
	})
}

// Whoever need not wait is sent on after a moment; whoever must waits as long as
// the limit allows, and nobody longer than its deadline.
func TestLimiterPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{Concurrent: 1, Queue: 100, MaxWait: time.Minute}, time.Now)
		for range 20 {
			r, _ := l.Acquire(t.Context(), false)
			time.Sleep(6 * time.Second)
			r()
		}
		hold, _ := l.Acquire(t.Context(), false)
		var shed *ShedError
		wait := func(ctx context.Context, short bool) time.Duration {
			start := time.Now()
			if _, err := l.Acquire(ctx, short); !errors.As(err, &shed) {
				t.Errorf("%v", err)
			}
			return time.Since(start)
		}
		if took := wait(t.Context(), true); took != 0 || shed.Wait != 6*time.Second {
			t.Errorf("a wait of %v was tried for %v", shed.Wait, took)
		}
		short, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		if took := wait(short, false); took != 0 {
			t.Errorf("a wait of %v with 3 s left was tried for %v", shed.Wait, took)
		}
		time.Sleep(5500 * time.Millisecond) // half a second is left, it seems
		if took := wait(t.Context(), true); took < 900*time.Millisecond || took > 1100*time.Millisecond {
			t.Errorf("somebody else would have been there, and it waited %v", took)
		}
		if took := wait(t.Context(), false); took != time.Minute {
			t.Errorf("it waited %v", took)
		}
		hold()
		if r, err := l.Acquire(t.Context(), true); err != nil {
			t.Error(err)
		} else {
			r()
		}
		l.Resize(LimiterConfig{Concurrent: 1, Queue: 100, MaxWait: time.Minute, ShortWait: 15 * time.Second})
		hold, _ = l.Acquire(t.Context(), false)
		if took := wait(t.Context(), true); took != 15*time.Second {
			t.Errorf("with a limit of its own it waited %v", took)
		}
		hold()
	})
}

// At twice what it can serve, what a deployment accepts takes at most 1.2 times
// as long, in 95 of 100 cases, as with an empty queue; and its places are not
// left empty for it.
func TestLimiterAtTwiceTheCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, requests = 4, 20_000
		r := rand.New(rand.NewPCG(7, 7))
		l := NewLimiter(LimiterConfig{Concurrent: places, Queue: 4 * places, MaxWait: 10 * time.Second}, time.Now)
		service := func() time.Duration { // between half a second and two, few take three
			d := time.Duration(float64(time.Second) * math.Exp2(2*r.Float64()-1))
			if r.IntN(40) == 0 {
				d = 3 * time.Second
			}
			return d
		}
		var mu sync.Mutex
		var alone, took []time.Duration
		var wg sync.WaitGroup
		var busy time.Duration
		start := time.Now()
		for range requests {
			time.Sleep(time.Duration(r.ExpFloat64() * float64(time.Second) * 1.13 / (2 * places)))
			d, came := service(), time.Now()
			wg.Go(func() {
				release, err := l.Acquire(t.Context(), true)
				if err != nil {
					return
				}
				time.Sleep(d)
				release()
				mu.Lock()
				defer mu.Unlock()
				alone, took, busy = append(alone, d), append(took, time.Since(came)), busy+d
			})
		}
		all := time.Since(start)
		wg.Wait()
		p95 := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)*95/100] }
		a, b := p95(alone), p95(took)
		t.Logf("p95 %v with an empty queue, %v at twice the capacity; %d of %d served, places in use %.0f %%", a, b, len(took), requests, 100*busy.Seconds()/all.Seconds()/places)
		if b > a*12/10 || busy < all*places*85/100 {
			t.Errorf("p95 %v with an empty queue, %v at twice the capacity; in use %v of %v", a, b, busy, all*places)
		}
	})
}

func TestLimiterCancelAndResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{Concurrent: 1, Queue: 10}, time.Now)
		hold, _ := l.Acquire(t.Context(), false)
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
				release, err := l.Acquire(c, false)
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
		if _, err := l.Acquire(t.Context(), false); err == nil {
			t.Error("a place beyond the smaller limit")
		}
		l.Resize(LimiterConfig{})
		if r, err := l.Acquire(t.Context(), false); err != nil {
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
			release, err := l.Acquire(ctx, false)
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
