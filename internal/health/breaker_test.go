package health

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// clock is a time that the test moves.
type clock struct{ t time.Time }

func newClock() *clock                   { return &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }
func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

// fixture is one deployment without jitter, with its events.
type fixture struct {
	*clock
	t      *testing.T
	d      *Deployment
	events []Change
}

func newFixture(t *testing.T, cfg BreakerConfig) *fixture {
	f := &fixture{clock: newClock(), t: t}
	r := New(Options{Now: f.now, Rand: func() float64 { return 0 }, OnChange: func(c Change) { f.events = append(f.events, c) }})
	t.Cleanup(r.Close)
	r.Sync([]Spec{{ID: "a", Name: "acme/m", Breaker: cfg}})
	f.d = r.Get("a")
	return f
}

// do runs one attempt to its end.
func (f *fixture) do(r Result) {
	f.t.Helper()
	a, v := f.d.Begin(f.now())
	if !v.OK {
		f.t.Fatalf("not allowed: %+v", v)
	}
	a.End(f.now(), Outcome{Result: r, Cause: "cause"})
}

func (f *fixture) want(s State, ok bool, until time.Duration) {
	f.t.Helper()
	v := f.d.Check(f.now())
	if v.State != s || v.OK != ok {
		f.t.Fatalf("%+v, want %v ok %v", v, s, ok)
	}
	if until > 0 && !v.Until.Equal(f.now().Add(until)) {
		f.t.Fatalf("until %v from now, want %v", v.Until.Sub(f.now()), until)
	}
}

func TestBreakerConsecutive(t *testing.T) {
	f := newFixture(t, BreakerConfig{})
	for range 3 {
		for range 4 {
			f.do(Failure)
		}
		f.do(Success)
	}
	f.want(Closed, true, 0)
	for range 5 {
		f.want(Closed, true, 0)
		f.do(Failure)
	}
	f.want(Open, false, 5*time.Second)
	f.advance(5*time.Second - 1)
	f.want(Open, false, 1)
	f.advance(1)
	f.want(HalfOpen, true, 0)

	// one trial at once, and looking takes none
	f.want(HalfOpen, true, 0)
	a, v := f.d.Begin(f.now())
	if !v.OK || !v.Trial {
		t.Fatalf("%+v", v)
	}
	f.want(HalfOpen, false, time.Second)
	a.End(f.now(), Outcome{Result: Neutral})
	f.do(Success)
	f.want(HalfOpen, true, 0)
	f.do(Success)
	f.want(Closed, true, 0)

	var states []State
	for i, e := range f.events {
		states = append(states, e.To)
		if e.Seq != uint64(i+1) || e.ID != "a" || e.Name != "acme/m" {
			t.Errorf("event %+v", e)
		}
	}
	if d := cmp.Diff([]State{Open, HalfOpen, Closed}, states); d != "" {
		t.Error(d)
	}
	if f.events[0].Cause != "cause" || !f.events[0].Until.Equal(f.events[0].At.Add(5*time.Second)) {
		t.Errorf("%+v", f.events[0])
	}
}

func TestBreakerRatio(t *testing.T) {
	f := newFixture(t, BreakerConfig{})
	for i := range 19 { // every second one fails: never five in a row
		f.do([]Result{Failure, Success}[i%2])
	}
	f.want(Closed, true, 0)
	f.do(Failure)
	f.want(Open, false, 0)

	f = newFixture(t, BreakerConfig{})
	for i := range 100 { // the same, but too slowly for the window
		f.do([]Result{Failure, Success}[i%2])
		f.advance(2 * time.Second)
	}
	f.want(Closed, true, 0)
}

func TestBreakerOurs(t *testing.T) {
	f := newFixture(t, BreakerConfig{})
	f.do(Ours)
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
		f.want(Open, false, want)
		f.advance(want)
		f.do(Ours)
	}
	f.advance(30 * time.Minute)
	f.do(Success)
	f.do(Success)
	f.want(Closed, true, 0)
	f.do(Ours) // soon after: the cool-down goes on growing
	f.want(Open, false, 30*time.Minute)
	f.advance(30 * time.Minute)
	f.do(Success)
	f.do(Success)
	f.advance(5 * time.Minute)
	f.do(Ours) // long after: it begins anew
	f.want(Open, false, time.Minute)
}

func TestBreakerRateLimited(t *testing.T) {
	f := newFixture(t, BreakerConfig{})
	limited := func(after time.Duration) {
		a, _ := f.d.Begin(f.now())
		b := f.d.Force(f.now())
		a.End(f.now(), Outcome{Result: RateLimited, RetryAfter: after})
		b.End(f.now(), Outcome{Result: RateLimited, RetryAfter: after / 2})
	}
	for range 10 {
		limited(7 * time.Second)
		f.want(Cooling, false, 7*time.Second)
		f.advance(7 * time.Second)
		f.want(Closed, true, 0) // never broken by it
	}
	limited(0)
	f.want(Cooling, false, time.Second)
	f.advance(time.Second)
	limited(48 * time.Hour)
	f.want(Cooling, false, time.Hour)
	if s := f.d.Status(f.now()); s.RateLimited != 24 || s.Failures != 0 || s.State != Cooling || s.Cause != "rate limited" {
		t.Errorf("%+v", s)
	}
}

func TestBreakerRetryAfterOfFailure(t *testing.T) {
	f := newFixture(t, BreakerConfig{Consecutive: 1})
	a, _ := f.d.Begin(f.now())
	a.End(f.now(), Outcome{Result: Failure, RetryAfter: 40 * time.Second})
	f.want(Open, false, 40*time.Second)
}

// What began before the breaker opened says nothing afterwards, however late
// it ends.
func TestBreakerLateReports(t *testing.T) {
	f := newFixture(t, BreakerConfig{Consecutive: 1})
	var old []Attempt
	for range 10 {
		a, _ := f.d.Begin(f.now())
		old = append(old, a)
	}
	f.do(Failure)
	for i := range old {
		old[i].End(f.now(), Outcome{Result: []Result{Success, Failure, Ours}[i%3]})
		old[i].End(f.now(), Outcome{Result: Failure}) // twice counts once
	}
	f.want(Open, false, 5*time.Second)
	if n := f.d.InFlight(); n != 0 {
		t.Errorf("%d in flight", n)
	}
}

// A trial that never ends does not keep the deployment out for ever, and gives
// no place back when it ends after all.
func TestBreakerLostTrial(t *testing.T) {
	f := newFixture(t, BreakerConfig{Consecutive: 1})
	f.do(Failure)
	f.advance(5 * time.Second)
	lost, _ := f.d.Begin(f.now())
	f.advance(2*time.Minute - 1)
	f.want(HalfOpen, false, 0)
	f.advance(1)
	f.want(HalfOpen, true, 0)
	second, v := f.d.Begin(f.now())
	if !v.OK {
		t.Fatal(v)
	}
	lost.End(f.now(), Outcome{Result: Failure})
	f.want(HalfOpen, false, 0)
	second.End(f.now(), Outcome{Result: Success})
	f.do(Success)
	f.want(Closed, true, 0)
}

func TestForce(t *testing.T) {
	f := newFixture(t, BreakerConfig{Consecutive: 1})
	f.do(Failure)
	for range 3 { // failing again prolongs nothing
		a := f.d.Force(f.now())
		a.End(f.now(), Outcome{Result: Failure})
		f.want(Open, false, 5*time.Second)
	}
	for range 2 { // working again is news
		a := f.d.Force(f.now())
		a.End(f.now(), Outcome{Result: Success})
	}
	f.want(Closed, true, 0)
}

// Whatever happens in whatever order: no attempt before a cool-down is over, no
// more trials than allowed, cool-downs within their bounds, closing only after
// enough successes, and always a way back.
func TestBreakerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := BreakerConfig{
			Consecutive: rapid.IntRange(1, 4).Draw(t, "consecutive"),
			Trials:      rapid.IntRange(1, 3).Draw(t, "trials"),
			CloseAfter:  rapid.IntRange(1, 3).Draw(t, "closeAfter"),
			TrialLease:  1000 * time.Hour,
		}.withDefaults()
		b := &breaker{cfg: cfg, rand: func() float64 { return 0.999 }}
		type attempt struct {
			epoch uint32
			trial bool
		}
		c := newClock()
		var under []attempt
		passed := 0
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			c.advance(time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "wait")))
			if rapid.Bool().Draw(t, "begin") {
				v := b.allow(c.t, true)
				if v.OK && (c.t.Before(b.cool) || b.broken && c.t.Before(b.until)) {
					t.Fatalf("let through before the cool-down is over: %+v", v)
				}
				if !v.OK && !v.Until.After(c.t) {
					t.Fatalf("refused without a later time: %+v", v)
				}
				if v.OK != (v.State == Closed || v.Trial) {
					t.Fatalf("%+v", v)
				}
				if v.OK {
					under = append(under, attempt{b.epoch, v.Trial})
				}
			} else if len(under) > 0 {
				i := rapid.IntRange(0, len(under)-1).Draw(t, "which")
				a := under[i]
				under = append(under[:i], under[i+1:]...)
				o := Outcome{Result: Result(rapid.IntRange(0, int(RateLimited)).Draw(t, "result"))}
				wasBroken, epoch := b.broken, b.epoch
				if wasBroken && a.epoch == epoch && o.Result == Success {
					passed++
				}
				b.report(c.t, a.epoch, a.trial, o)
				switch {
				case b.epoch == epoch:
				case b.broken:
					if d := b.until.Sub(c.t); d < cfg.OpenFor || d > time.Duration(1.2*float64(cfg.MaxOursFor)) {
						t.Fatalf("cool-down of %v", d)
					}
					passed = 0
				default:
					if !wasBroken || passed != cfg.CloseAfter {
						t.Fatalf("closed after %d successes", passed)
					}
					passed = 0
				}
				if o.Result == Ours && a.epoch == epoch && !b.broken {
					t.Fatal("a refusal of ours left it closed")
				}
			}
			open := 0
			for _, a := range under {
				if a.trial && a.epoch == b.epoch {
					open++
				}
			}
			if open != b.trials || open > cfg.Trials {
				t.Fatalf("%d trials under way, %d counted, %d allowed", open, b.trials, cfg.Trials)
			}
		}
		for _, a := range under { // all end well, then it comes back
			b.report(c.t, a.epoch, a.trial, Outcome{Result: Neutral})
		}
		for range cfg.CloseAfter {
			c.advance(2 * time.Hour)
			v := b.allow(c.t, true)
			if !v.OK {
				t.Fatalf("no way back: %+v", v)
			}
			b.report(c.t, b.epoch, v.Trial, Outcome{Result: Success})
		}
		if v := b.allow(c.t, false); v.State != Closed {
			t.Fatalf("%+v", v)
		}
	})
}
