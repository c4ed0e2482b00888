package h1

import (
	"sync"
	"time"
)

// pool keeps idle connections, the latest used on top, so that under falling
// load the oldest ones expire. One timer runs while anything is idle.
type pool struct {
	max int
	ttl time.Duration
	now func() time.Time

	mu     sync.Mutex
	idle   []*conn // in the order of their last use
	sweep  *time.Timer
	closed bool
}

// get returns an idle connection that looks alive, or nil.
func (p *pool) get() (c *conn, closed bool) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, true
		}
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil, false
		}
		c = p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if c.peek.quiet() {
			return c, false
		}
		c.close()
	}
}

// put takes a connection whose exchange is over, or closes it if there is no
// room.
func (p *pool) put(c *conn) {
	c.release()
	now := p.now()
	c.last = now
	p.mu.Lock()
	if p.closed || len(p.idle) >= p.max {
		p.mu.Unlock()
		c.close()
		return
	}
	p.idle = append(p.idle, c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.ttl, p.expire)
	}
	p.mu.Unlock()
}

// expire closes what has been idle for the whole time and comes back when the
// next one will have been.
func (p *pool) expire() {
	p.mu.Lock()
	now := p.now()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].last) >= p.ttl {
		n++
	}
	old := append([]*conn(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	clear(p.idle[len(p.idle) : len(p.idle)+n])
	p.sweep = nil
	if len(p.idle) > 0 && !p.closed {
		p.sweep = time.AfterFunc(p.idle[0].last.Add(p.ttl).Sub(now), p.expire)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

func (p *pool) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}
