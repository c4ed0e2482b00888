package auth

import (
	"context"
	"sync"
	"time"
)

// MemoryLimiter is a [Limiter] for one process.
//
// It holds an entry for each key family that has used some of its limits and
// not yet got it all back; an entry that has come to rest equals a new one and
// is swept. So memory is bounded by the keys in use within about a minute, and
// always by the known keys.
type MemoryLimiter struct {
	clock func() time.Time

	mu      sync.Mutex
	entries map[string]*entry // by family
	sweepAt int               // sweep when there are so many entries
}

// entry is what one family has used. All fields belong to MemoryLimiter.mu: an
// admission takes well under a microsecond, less than finer locks would.
type entry struct {
	requests, tokens bucket
	running          int64
	limits           Limits // as last seen
}

const minSweep = 1024

// NewMemoryLimiter returns a limiter on which nothing is used.
func NewMemoryLimiter(clock func() time.Time) *MemoryLimiter {
	return &MemoryLimiter{clock: clock, entries: map[string]*entry{}, sweepAt: minSweep}
}

// maxTokens of one request: no model takes or makes more, and sums of it never
// overflow.
const maxTokens = 1 << 40

func clamp(tokens int64) int64 { return min(max(0, tokens), maxTokens) }

// unlimited is the lease of a key without limits.
type unlimited struct{}

func (unlimited) Done(int64) {}

// Admit implements [Limiter]. It never fails but by a [*Denied].
func (m *MemoryLimiter) Admit(_ context.Context, key *Key, tokens int64) (Lease, Facts, error) {
	limits, tokens := key.Limits, clamp(tokens)
	if limits == (Limits{}) {
		return unlimited{}, Facts{}, nil
	}
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entry(key.Family, now)
	e.limits = limits
	e.flow(now)

	if denied := e.refuse(key, tokens); denied != nil {
		return nil, e.facts(), denied
	}
	if limits.RequestsPerMinute > 0 {
		e.requests.take(1)
	}
	if limits.TokensPerMinute > 0 {
		e.tokens.take(tokens)
	}
	e.running++
	return &lease{limiter: m, entry: e, taken: tokens}, e.facts(), nil
}

// refuse says why a request cannot go now, or nil.
func (e *entry) refuse(key *Key, tokens int64) *Denied {
	l := e.limits
	if l.Concurrent > 0 && e.running >= l.Concurrent {
		denied := deny(CodeRateLimited, key.ID, "key %s has %d requests under way, as many as it may: wait for one to end, "+
			"or ask for a higher limit of requests at a time", key, e.running)
		denied.RetryAfter = time.Second // when one ends nobody knows: the shortest wait that clients can express
		return denied
	}
	var wait time.Duration
	var limit int64
	var what string
	if l.RequestsPerMinute > 0 {
		wait, limit, what = e.requests.wait(l.RequestsPerMinute, 1), l.RequestsPerMinute, "requests"
	}
	if l.TokensPerMinute > 0 {
		// Without an estimate, one token must be left: debt is paid first.
		if w := e.tokens.wait(l.TokensPerMinute, max(1, tokens)); w > wait {
			wait, limit, what = w, l.TokensPerMinute, "tokens"
		}
	}
	if wait == 0 {
		return nil
	}
	denied := deny(CodeRateLimited, key.ID, "key %s has used up its %d %s a minute: retry in %v, or ask for a higher limit",
		key, limit, what, roundUp(wait, time.Millisecond))
	denied.RetryAfter = wait
	return denied
}

// entry finds or makes the entry of a family, under m.mu.
func (m *MemoryLimiter) entry(family string, now time.Time) *entry {
	if e := m.entries[family]; e != nil {
		return e
	}
	if len(m.entries) >= m.sweepAt {
		for name, e := range m.entries {
			if e.flow(now); e.atRest() {
				delete(m.entries, name)
			}
		}
		// Sweep again only when the rest has doubled: the cost stays constant
		// for each admission.
		m.sweepAt = max(minSweep, 2*len(m.entries))
	}
	e := &entry{requests: bucket{at: now}, tokens: bucket{at: now}}
	m.entries[family] = e
	return e
}

func (e *entry) flow(now time.Time) {
	e.requests.flow(e.limits.RequestsPerMinute, now)
	e.tokens.flow(e.limits.TokensPerMinute, now)
}

func (e *entry) atRest() bool {
	return e.running == 0 && e.requests.missing == 0 && e.tokens.missing == 0
}

func (e *entry) facts() Facts {
	return Facts{
		Requests: e.requests.window(e.limits.RequestsPerMinute),
		Tokens:   e.tokens.window(e.limits.TokensPerMinute),
	}
}

// lease is one admitted request. Its entry stays in the map while it runs, since
// an entry with running requests is not at rest.
type lease struct {
	limiter *MemoryLimiter
	entry   *entry
	taken   int64
	done    bool
}

func (l *lease) Done(tokens int64) {
	now := l.limiter.clock()
	l.limiter.mu.Lock()
	defer l.limiter.mu.Unlock()
	if l.done {
		return
	}
	l.done = true
	e := l.entry
	e.flow(now)
	e.running--
	if e.limits.TokensPerMinute > 0 {
		e.tokens.take(clamp(tokens) - l.taken)
	}
}
