package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/ledger"
	"freehold/test/client"
)

// asked is one request of a load with what came of it.
type asked struct {
	client.Request
	claude bool
	begun  time.Time
	ended  time.Time
	result client.Result
	err    error
}

func (a *asked) String() string {
	return fmt.Sprintf("claude client %v, stream %v, prompt %q: %v %v", a.claude, a.Stream, a.Prompt, &a.result, a.err)
}

// load is clients at work.
type load struct {
	clients []*client.Client
	// next is the nth request, from 0; the clients take turns.
	next func(n int) client.Request

	n    atomic.Int64
	over atomic.Bool
	mu   sync.Mutex
	done []*asked
}

// run asks until n requests were begun, with so many at once. It returns those.
func (l *load) run(ctx context.Context, n, concurrency int) []*asked {
	l.mu.Lock()
	from := len(l.done)
	l.mu.Unlock()
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	for range concurrency {
		group.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				l.one()
			}
		})
	}
	group.Wait()
	return l.done[from:]
}

// start asks with so many at once until stop is called, which waits for what is
// under way and returns everything that was asked.
func (l *load) start(concurrency int) (stop func() []*asked) {
	var group sync.WaitGroup
	over := &l.over
	for range concurrency {
		group.Go(func() {
			for !over.Load() {
				l.one()
			}
		})
	}
	return func() []*asked {
		over.Store(true)
		group.Wait()
		return l.done
	}
}

func (l *load) one() {
	n := int(l.n.Add(1) - 1)
	c := l.clients[n%len(l.clients)]
	a := &asked{Request: l.next(n), claude: c.Claude, begun: time.Now()}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a.result, a.err = c.Ask(ctx, a.Request)
	a.ended = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, a)
}

// failures reports the first requests without a whole answer.
func failures(t testing.TB, all []*asked) {
	t.Helper()
	n := 0
	for _, a := range all {
		if a.err != nil || !a.result.Whole() {
			if n++; n <= 5 {
				t.Errorf("a client saw a failure: %v", a)
			}
		}
	}
	if n > 0 {
		t.Errorf("%d of %d requests failed", n, len(all))
	}
}

// recorded checks that the ledger has each whole answer once, as OK and with the
// tokens that the client was told.
func recorded(t testing.TB, rows map[string]*ledger.Row, all []*asked) {
	t.Helper()
	for _, a := range all {
		r := rows[a.result.ID()]
		switch {
		case r == nil:
			t.Errorf("not in the ledger: %v", a)
		case r.Outcome != ledger.OK || r.Status != 200 || r.Stream != a.Stream || r.Asked != a.Model:
			t.Errorf("row %s: outcome %s, status %d, stream %v, asked %q: %v", r.ID, r.Outcome, r.Status, r.Stream, r.Asked, a)
		case len(r.Attempts) == 1 && (r.Tokens.Estimated || r.Tokens.In != a.result.In || r.Tokens.Out != a.result.Out):
			t.Errorf("row %s has tokens %+v, its client was told %d and %d: %v", r.ID, r.Tokens, a.result.In, a.result.Out, a)
		}
	}
}
