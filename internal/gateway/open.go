package gateway

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// open asks one candidate after another until one answers: until a whole plain
// answer is here and judged good, or a stream has its first real content.
func (x *exchange) open(ctx context.Context) (*leg, error) {
	for {
		c, ok := x.next()
		if !ok {
			if err := x.again(ctx); err != nil {
				return nil, err
			}
			continue
		}
		l, err := x.race(ctx, c)
		if err == nil {
			return l, nil
		}
		if ctx.Err() == nil && x.which(c, err) {
			return nil, errWhich
		}
		if err := x.goOn(ctx, c, err); err != nil {
			return nil, err
		}
	}
}

// goOn decides after a failed try whether the next candidate may be asked
// (nil) or the request ends with the error returned.
func (x *exchange) goOn(ctx context.Context, c routing.Candidate, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f := x.faultOf(err)
	switch f.Kind {
	case fault.Storage, fault.Internal:
		return f
	case fault.ProviderRejected, fault.BadRequest:
		return f
	case fault.Quota:
		if x.blocks(f) {
			return f
		}
	case fault.ModelMissing:
		if x.route.Kind == "vendor" { // the caller's own word, not our configuration's
			return &fault.Error{Kind: fault.ModelNotFound, Param: "model", NoRetry: true, Cause: f,
				Message: "provider " + c.Provider.Name + " has no model \"" + x.row.Asked + "\""}
		}
	case fault.ContextLength:
		if !x.route.FallbackOnContext || !x.larger(c.Deployment) {
			return f
		}
	case fault.ContentFilter:
		if !x.route.FallbackOnFilter || !x.more() {
			return f
		}
	case fault.ProviderLimit, fault.Credentials, fault.Billing:
		if x.g.anotherKey(c.Provider, f) {
			x.mu.Lock()
			x.queue = append([]routing.Candidate{c}, x.queue...)
			x.mu.Unlock()
		}
	}
	x.note(c.Deployment, f)
	return nil
}

// larger keeps in the queue only candidates with a larger context than d's (or
// an unknown one) and reports whether there is one.
func (x *exchange) larger(d *fleet.Deployment) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	var keep []routing.Candidate
	for _, c := range x.queue {
		if x.call.Op == llm.Embedding && c.Model != d.Model {
			continue // vectors of another model do not fit to those that are stored
		}
		if c.Context == 0 || c.Context > d.Context {
			keep = append(keep, c)
		}
	}
	x.queue = keep
	return len(keep) > 0
}

// again starts another round over the candidates whose failure may pass, after
// a pause with jitter that honours Retry-After, or says how the request ends.
// A request that an SDK sends again by itself gets no rounds of ours: retries
// would multiply.
func (x *exchange) again(ctx context.Context) error {
	s := &x.call.Fleet.Settings
	rounds := s.RetryMax
	if n, _ := strconv.Atoi(x.call.Header.Get("X-Stainless-Retry-Count")); n > 0 {
		rounds = 0
	}
	var retry []routing.Candidate
	var soonest time.Duration = -1
	for _, c := range x.candidates() {
		f := x.faults[c.Name]
		if f == nil || fault.BlameOf(f.Kind) != fault.Provider || !x.mayTry(c.Deployment) || f.Code == fullCode {
			continue
		}
		if f.Kind == fault.Shed && x.route.SLO != nil || f.Kind == fault.PolicyDenied {
			continue // waiting would break it; what is forbidden stays so
		}
		if f.RetryAfter <= s.RetryCap {
			retry = append(retry, c)
			if soonest < 0 || f.RetryAfter < soonest {
				soonest = f.RetryAfter
			}
		}
	}
	if x.round >= rounds || len(retry) == 0 {
		return x.exhausted()
	}
	pause := min(s.RetryBase<<x.round, s.RetryCap)
	pause = max(soonest, pause/2+time.Duration(x.g.Pick(int(pause/2)+1)))
	if x.g.Clock().Add(pause).After(x.deadline) {
		return x.exhausted()
	}
	x.round++
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	x.queue = retry
	return nil
}

// candidates are all that may be asked: the plan's, or in mid-answer those
// that can continue it.
func (x *exchange) candidates() []routing.Candidate {
	if x.resume != nil {
		return x.resume.candidates
	}
	return x.plan.Candidates
}

var errHedged = errors.New("another deployment answered first")

// race tries a candidate. When hedging is on and its first content is late, or
// a plain answer has not begun within the first-token limit, the next candidate
// is tried beside it; the first good answer wins. A plain answer is never given
// up for being late alone: only its length may be at fault.
func (x *exchange) race(ctx context.Context, c routing.Candidate) (*leg, error) {
	delay, cause := x.hedgeDelay(c)
	if delay <= 0 || !x.more() {
		return x.try(ctx, c, "")
	}
	first, stopFirst := context.WithCancelCause(ctx)
	second := &rival{done: make(chan struct{})}
	timer := time.AfterFunc(delay, func() { second.run(ctx, x, cause, stopFirst) })
	l, err := x.try(first, c, "")
	if timer.Stop() {
		if err != nil {
			stopFirst(nil)
			return nil, err
		}
		l.stop = stopFirst
		return l, nil
	}
	if err == nil {
		second.lose()
		l.stop = stopFirst
		return l, nil
	}
	<-second.done
	stopFirst(nil)
	if second.leg != nil {
		if ctx.Err() == nil && !errors.Is(context.Cause(first), errHedged) {
			x.note(c.Deployment, x.faultOf(err))
		}
		return second.leg, nil
	}
	if second.asked {
		if e := x.goOn(ctx, second.candidate, second.err); e != nil {
			return nil, e
		}
	}
	return nil, err
}

// rival is the second attempt of a race.
type rival struct {
	mu   sync.Mutex
	stop context.CancelCauseFunc
	lost bool

	done      chan struct{} // closed when what follows is settled
	asked     bool
	candidate routing.Candidate
	leg       *leg
	err       error
}

func (r *rival) run(ctx context.Context, x *exchange, cause string, stopFirst context.CancelCauseFunc) {
	defer close(r.done)
	ctx, stop := context.WithCancelCause(ctx)
	r.mu.Lock()
	r.stop = stop
	lost := r.lost
	r.mu.Unlock()
	if lost {
		stop(errHedged)
		return
	}
	if r.candidate, r.asked = x.next(); !r.asked {
		stop(nil)
		return
	}
	if cause == "hedge" {
		x.g.hedged.Add(1)
	}
	if r.leg, r.err = x.try(ctx, r.candidate, cause); r.err != nil {
		stop(nil)
		return
	}
	r.leg.stop = stop
	stopFirst(errHedged)
}

// lose ends the rival because the first attempt has won, and waits for it: two
// attempts must not write one row at once.
func (r *rival) lose() {
	r.mu.Lock()
	r.lost = true
	if r.stop != nil {
		r.stop(errHedged)
	}
	r.mu.Unlock()
	<-r.done
	if r.leg != nil {
		r.leg.abandon()
	}
}

// hedgeDelay says after which wait the next candidate is tried beside c.
func (x *exchange) hedgeDelay(c routing.Candidate) (time.Duration, string) {
	var d time.Duration
	if h := x.route.Hedge; h.On() && x.g.mayHedge(h) {
		d = h.After
		if h.Percentile > 0 {
			d = c.Health.FirstToken(x.g.Clock(), h.Percentile/100)
		}
	}
	if !x.streams(c.Deployment, nil) {
		if late := x.timeouts(c.Deployment).FirstToken; d <= 0 || late > 0 && late < d {
			return late, "late"
		}
	}
	return d, "hedge"
}

// mayHedge keeps hedges within their share of requests, counted over this
// process's life.
func (g *Gateway) mayHedge(h fleet.Hedge) bool {
	asked := g.hedgeable.Add(1)
	if h.MaxShare > 0 && float64(g.hedged.Load()) >= h.MaxShare*float64(asked) {
		return false
	}
	return true
}

// timeouts are the limits of an attempt at d.
func (x *exchange) timeouts(d *fleet.Deployment) fleet.Timeouts { return d.Timeouts.Over(x.route.Own) }
