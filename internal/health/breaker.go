package health

import (
	"time"
)

// BreakerConfig are the thresholds of a circuit breaker. Zero fields take the
// defaults of DefaultBreaker.
type BreakerConfig struct {
	Consecutive int           // failures in a row that open it
	Ratio       float64       // share of failures in Window that opens it
	MinSamples  int           // least results in Window for Ratio to count
	Window      time.Duration // how far back Ratio looks

	OpenFor    time.Duration // first cool-down after failures; doubles each time
	MaxOpenFor time.Duration
	OursFor    time.Duration // first cool-down after Ours; doubles each time
	MaxOursFor time.Duration
	Jitter     float64       // a cool-down is longer by up to this share
	ResetAfter time.Duration // closed for so long, the next cool-down is the first again

	Trials     int           // trial requests at once while half-open
	CloseAfter int           // successful trials that close it
	TrialLease time.Duration // a trial unheard of for so long is given up

	RateLimitFor time.Duration // cool-down of a 429 without Retry-After
	MaxRetry     time.Duration // longest cool-down that a provider can ask for
}

// DefaultBreaker are the defaults.
var DefaultBreaker = BreakerConfig{
	Consecutive: 5, Ratio: 0.5, MinSamples: 20, Window: 30 * time.Second,
	OpenFor: 5 * time.Second, MaxOpenFor: 2 * time.Minute,
	OursFor: time.Minute, MaxOursFor: 30 * time.Minute,
	Jitter: 0.2, ResetAfter: 5 * time.Minute,
	Trials: 1, CloseAfter: 2, TrialLease: 2 * time.Minute,
	RateLimitFor: time.Second, MaxRetry: time.Hour,
}

func orDefault[T int | float64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (c BreakerConfig) withDefaults() BreakerConfig {
	d := DefaultBreaker
	orDefault(&c.Consecutive, d.Consecutive)
	orDefault(&c.Ratio, d.Ratio)
	orDefault(&c.MinSamples, d.MinSamples)
	orDefault(&c.Window, d.Window)
	orDefault(&c.OpenFor, d.OpenFor)
	orDefault(&c.MaxOpenFor, d.MaxOpenFor)
	orDefault(&c.OursFor, d.OursFor)
	orDefault(&c.MaxOursFor, d.MaxOursFor)
	orDefault(&c.Jitter, d.Jitter)
	orDefault(&c.ResetAfter, d.ResetAfter)
	orDefault(&c.Trials, d.Trials)
	orDefault(&c.CloseAfter, d.CloseAfter)
	orDefault(&c.TrialLease, d.TrialLease)
	orDefault(&c.RateLimitFor, d.RateLimitFor)
	orDefault(&c.MaxRetry, d.MaxRetry)
	return c
}

// trialPause is the wait suggested while all trial places are taken.
const trialPause = time.Second

// breaker is the state machine alone: no lock, no clock. Half-open is not a
// state of its own: it is being broken with the cool-down over.
type breaker struct {
	cfg  BreakerConfig
	rand func() float64 // in [0,1)

	broken bool
	ours   bool // by a refusal of our credentials, billing or model name
	cause  string
	until  time.Time // end of the cool-down
	level  int       // openings without a long enough closed time between
	closed time.Time // when it last closed

	trials int       // trial requests under way
	trial  time.Time // when the last one began
	passed int       // successful trials

	cool time.Time // end of a rate limit

	// epoch counts openings and closings. What began in another epoch says
	// nothing about this one.
	epoch  uint32
	inRow  int
	window window
}

// allow says whether a request may go; take also takes a trial's place.
func (b *breaker) allow(now time.Time, take bool) Verdict {
	v := b.verdict(now)
	if v.State == HalfOpen && now.Sub(b.trial) >= b.cfg.TrialLease && b.trials > 0 {
		if !take {
			return Verdict{OK: true, Trial: true, State: HalfOpen}
		}
		b.trials = 0
		b.epoch++ // what was given up must not give its place back
		v = b.verdict(now)
	}
	if v.Trial && take {
		b.trials++
		b.trial = now
	}
	return v
}

func (b *breaker) verdict(now time.Time) Verdict {
	switch {
	case b.broken && now.Before(b.until):
		return Verdict{State: Open, Cause: b.cause, Until: later(b.until, b.cool)}
	case now.Before(b.cool):
		return Verdict{State: Cooling, Cause: "rate limited", Until: b.cool}
	case b.broken && b.trials >= b.cfg.Trials:
		return Verdict{State: HalfOpen, Cause: b.cause, Until: now.Add(trialPause)}
	case b.broken:
		return Verdict{OK: true, Trial: true, State: HalfOpen}
	}
	return Verdict{OK: true, State: Closed}
}

// report takes in the end of an attempt that began in epoch.
func (b *breaker) report(now time.Time, epoch uint32, trial bool, o Outcome) {
	if o.Result == RateLimited {
		wait := o.RetryAfter
		if wait <= 0 {
			wait = b.cfg.RateLimitFor
		}
		b.cool = later(b.cool, now.Add(min(wait, b.cfg.MaxRetry)))
	}
	if epoch != b.epoch {
		return
	}
	if trial {
		b.trials--
	} else if b.broken && o.Result != Success {
		return // forced through while open: that it still fails is no news
	}
	switch o.Result {
	case Ours:
		b.open(now, o, b.cfg.OursFor, b.cfg.MaxOursFor)
	case Failure:
		b.inRow++
		b.window.add(now, b.cfg.Window, false)
		if b.broken || b.inRow >= b.cfg.Consecutive || b.window.failing(now, &b.cfg) {
			b.open(now, o, b.cfg.OpenFor, b.cfg.MaxOpenFor)
		}
	case Success:
		b.inRow = 0
		b.window.add(now, b.cfg.Window, true)
		if b.passed++; b.broken && b.passed >= b.cfg.CloseAfter {
			b.close(now)
		}
	}
}

func (b *breaker) open(now time.Time, o Outcome, first, most time.Duration) {
	if !b.broken && now.Sub(b.closed) >= b.cfg.ResetAfter {
		b.level = 0
	}
	d := most
	if b.level < 30 && first<<b.level < most && first<<b.level > 0 {
		d = first << b.level
	}
	d = max(d, min(o.RetryAfter, b.cfg.MaxRetry))
	d += time.Duration(b.rand() * b.cfg.Jitter * float64(d))
	b.level++
	b.broken, b.ours, b.cause, b.until = true, o.Result == Ours, o.Cause, now.Add(d)
	b.fresh()
}

func (b *breaker) close(now time.Time) {
	b.broken, b.ours, b.cause, b.closed = false, false, "", now
	b.fresh()
}

// fresh begins an epoch.
func (b *breaker) fresh() {
	b.epoch++
	b.trials, b.passed, b.inRow = 0, 0, 0
	b.window = window{}
}

// hint ends a cool-down early: a probe has seen it work.
func (b *breaker) hint(now time.Time) {
	if b.broken && now.Before(b.until) {
		b.until = now
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// parts is how many parts of a window are counted apart.
const parts = 10

// window counts results over the recent past, in a ring of time slices.
type window struct {
	at   int64 // number of the newest part
	good [parts]int32
	bad  [parts]int32
}

func (w *window) advance(now time.Time, span time.Duration) {
	at := now.UnixNano() / max(int64(span)/parts, 1)
	if at-w.at >= parts {
		*w = window{at: at}
	}
	for w.at < at {
		w.at++
		i := int(w.at % parts)
		w.good[i], w.bad[i] = 0, 0
	}
}

func (w *window) add(now time.Time, span time.Duration, good bool) {
	w.advance(now, span)
	i := int(w.at % parts)
	if good {
		w.good[i]++
	} else {
		w.bad[i]++
	}
}

func (w *window) failing(now time.Time, cfg *BreakerConfig) bool {
	w.advance(now, cfg.Window)
	var good, bad int
	for i := range parts {
		good += int(w.good[i])
		bad += int(w.bad[i])
	}
	n := good + bad
	return n >= cfg.MinSamples && float64(bad) >= cfg.Ratio*float64(n)
}
