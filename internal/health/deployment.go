package health

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Deployment is what is known of one deployment. It is safe for concurrent use.
type Deployment struct {
	id     string
	notify func(Change)
	limit  *Limiter

	inFlight atomic.Int64
	// fine is true while the breaker is closed, nothing cools and no probe
	// fails: then nothing else needs to be read.
	fine atomic.Bool

	mu         sync.Mutex
	name       string
	b          breaker
	p          prober
	firstToken histogram
	total      histogram
	state      State // as last told to notify
	cause      string
	since      time.Time
	seq        uint64
	counts     [RateLimited + 1]uint64
}

// prober is what probes have found.
type prober struct {
	rise, fall int
	good, bad  int // in a row
	down       bool
	last       time.Time
	next       time.Time // when the next one is due, about
	err        string
}

func newDeployment(id string, cfg BreakerConfig, o *Options) *Deployment {
	d := &Deployment{
		id: id, notify: o.OnChange, limit: NewLimiter(LimiterConfig{}, o.Now),
		b: breaker{cfg: cfg.withDefaults(), rand: o.Rand},
	}
	d.fine.Store(true)
	return d
}

// ID is the identity under which the deployment was made.
func (d *Deployment) ID() string { return d.id }

// Check says whether a request may go to the deployment, without taking a
// trial's place: for plans.
func (d *Deployment) Check(now time.Time) Verdict {
	if d.fine.Load() {
		return Verdict{OK: true}
	}
	d.mu.Lock()
	v := d.verdict(now, false)
	change := d.settle(now)
	d.mu.Unlock()
	d.tell(change)
	return v
}

// verdict puts the probe before the breaker. mu is held.
func (d *Deployment) verdict(now time.Time, take bool) Verdict {
	if d.p.down {
		return d.look(now)
	}
	return d.b.allow(now, take)
}

// look is the verdict as it stands, without the places of trials. mu is held.
func (d *Deployment) look(now time.Time) Verdict {
	if d.p.down {
		return Verdict{State: Down, Cause: d.p.err, Until: d.p.next}
	}
	return d.b.verdict(now)
}

// Acquire waits for a place where the deployment has a limit. See
// Limiter.Acquire.
func (d *Deployment) Acquire(ctx context.Context, short bool) (release func(), err error) {
	return d.limit.Acquire(ctx, short)
}

// Attempt is one request under way. Its zero value ends without effect.
type Attempt struct {
	d     *Deployment
	epoch uint32
	trial bool
}

// Begin opens an attempt if the deployment may be tried; otherwise the verdict
// says why not. End must follow.
func (d *Deployment) Begin(now time.Time) (Attempt, Verdict) {
	d.mu.Lock()
	v := d.verdict(now, true)
	epoch := d.b.epoch
	change := d.settle(now)
	d.mu.Unlock()
	d.tell(change)
	if !v.OK {
		return Attempt{}, v
	}
	d.inFlight.Add(1)
	return Attempt{d, epoch, v.Trial}, v
}

// Force opens an attempt whatever the state: the last resort when nothing else
// is left. It counts as a trial only where one is free.
func (d *Deployment) Force(now time.Time) Attempt {
	d.mu.Lock()
	v := d.b.allow(now, true)
	a := Attempt{d, d.b.epoch, v.Trial}
	d.mu.Unlock()
	d.inFlight.Add(1)
	return a
}

// End says what came of the attempt. Only the first call counts.
func (a *Attempt) End(now time.Time, o Outcome) {
	d := a.d
	if d == nil {
		return
	}
	a.d = nil
	d.inFlight.Add(-1)
	d.mu.Lock()
	d.counts[o.Result]++
	if o.Result == Success {
		if o.FirstToken > 0 {
			d.firstToken.add(now, o.FirstToken)
		}
		if o.Total > 0 {
			d.total.add(now, o.Total)
		}
	}
	d.b.report(now, a.epoch, a.trial, o)
	change := d.settle(now)
	d.mu.Unlock()
	d.tell(change)
}

// probed takes in the result of one probe; next is when the following one is
// due.
func (d *Deployment) probed(now, next time.Time, err error) {
	d.mu.Lock()
	p := &d.p
	p.last, p.next = now, next
	if err != nil {
		p.good, p.err = 0, "probe: "+err.Error()
		if p.bad++; p.bad >= p.fall {
			p.down = true
		}
	} else {
		p.bad, p.err = 0, ""
		// Up after being down, the breaker need not wait either: what it
		// closed for is over. A refusal of ours is not seen by a probe.
		if p.good++; p.good >= p.rise && p.down {
			p.down = false
			if !d.b.ours {
				d.b.hint(now)
			}
		}
	}
	change := d.settle(now)
	d.mu.Unlock()
	d.tell(change)
}

// settle brings the state told to others up to date. mu is held.
func (d *Deployment) settle(now time.Time) *Change {
	v := d.look(now)
	d.fine.Store(v.State == Closed)
	if v.State == HalfOpen {
		v.Cause, v.Until = d.b.cause, time.Time{}
	}
	d.cause = v.Cause
	if v.State == d.state {
		return nil
	}
	d.seq++
	c := &Change{
		ID: d.id, Name: d.name, From: d.state, To: v.State,
		Cause: v.Cause, At: now, Until: v.Until, Seq: d.seq,
	}
	d.state, d.since = v.State, now
	return c
}

func (d *Deployment) tell(c *Change) {
	if c != nil && d.notify != nil {
		d.notify(*c)
	}
}

// FirstToken is the q-quantile (0 to 1) of the recent times to the first token,
// 0 without samples: what hedging waits for.
func (d *Deployment) FirstToken(now time.Time, q float64) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.firstToken.age(now)
	return d.firstToken.quantile(q)
}

// Total is the q-quantile of the recent whole times, 0 without samples.
func (d *Deployment) Total(now time.Time, q float64) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total.age(now)
	return d.total.quantile(q)
}

// InFlight is the number of attempts under way.
func (d *Deployment) InFlight() int { return int(d.inFlight.Load()) }

// Queued is the number of requests that wait for a place.
func (d *Deployment) Queued() int {
	_, queued, _ := d.limit.Load()
	return queued
}

// Status is the whole picture.
func (d *Deployment) Status(now time.Time) Status {
	running, queued, limit := d.limit.Load()
	d.mu.Lock()
	change := d.settle(now)
	v := d.look(now)
	d.firstToken.age(now)
	d.total.age(now)
	s := Status{
		ID: d.id, Name: d.name, State: v.State, Cause: d.cause, Since: d.since, Until: v.Until,
		InFlight: d.InFlight(), Limit: limit, Running: running, Queued: queued,
		FirstToken: d.firstToken.percentiles(), Total: d.total.percentiles(),
		Probed: d.p.last, ProbeError: d.p.err,
		Successes: d.counts[Success], Failures: d.counts[Failure] + d.counts[Ours], RateLimited: d.counts[RateLimited],
	}
	d.mu.Unlock()
	d.tell(change)
	return s
}
