package transfer

import (
	"context"
	"sync"
	"time"
)

// room bounds the bytes of records between reading and writing. What is larger
// than all of it goes alone.
type room struct {
	mu    sync.Mutex
	most  int64
	taken int64
	freed chan struct{} // closed, and made anew, when some is given back
}

func newRoom(most int64) *room { return &room{most: most, freed: make(chan struct{})} }

// take waits for n bytes; false: ctx has ended.
func (r *room) take(ctx context.Context, n int64) bool {
	for {
		r.mu.Lock()
		if r.taken == 0 || r.taken+n <= r.most {
			r.taken += n
			r.mu.Unlock()
			return true
		}
		freed := r.freed
		r.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

func (r *room) give(n int64) {
	r.mu.Lock()
	r.taken -= n
	close(r.freed)
	r.freed = make(chan struct{})
	r.mu.Unlock()
}

// pace is how many writes are under way at once. It rises by one as long as that
// moves more records a second, and is halved when the store asks for less.
type pace struct {
	clock func() time.Time
	most  int

	mu    sync.Mutex
	limit int
	busy  int
	freed chan struct{}

	began   time.Time // of the present window
	records int       // written in it
	best    float64   // records a second, of the window before
	up      bool      // the limit rose after it
	bestAt  int       // the limit that was best
}

// window is how long one number of writes is tried.
const window = time.Second

func newPace(from, most int, clock func() time.Time) *pace {
	return &pace{clock: clock, most: most, limit: from, bestAt: from, freed: make(chan struct{}), began: clock()}
}

// enter waits for a turn; false: ctx has ended.
func (p *pace) enter(ctx context.Context) bool {
	for {
		p.mu.Lock()
		if p.busy < p.limit {
			p.busy++
			p.mu.Unlock()
			return true
		}
		freed := p.freed
		p.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

// leave ends a turn that wrote n records, or not.
func (p *pace) leave(n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	close(p.freed)
	p.freed = make(chan struct{})
	now := p.clock()
	switch {
	case err == nil:
		p.records += n
	case again(err):
		p.limit = max(1, p.limit/2)
		p.begin(now)
		p.best, p.up = 0, false
		return
	}
	if took := now.Sub(p.began); took >= window {
		p.look(float64(p.records) / took.Seconds())
		p.begin(now)
	}
}

// look compares a window's rate with the one before: one write more is kept while
// it brings a twentieth, else it is taken back, and tried again later.
func (p *pace) look(rate float64) {
	switch {
	case p.up && rate < 1.05*p.best:
		p.limit, p.up = max(1, p.limit-1), false
	case p.limit < p.most:
		p.limit, p.up = p.limit+1, true
	default:
		p.up = false
	}
	p.best = rate
}

func (p *pace) begin(now time.Time) { p.began, p.records = now, 0 }
