package health

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"freehold/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func half() float64 { return 0.5 }

// A deployment goes down after Fall failures in a row and up after Rise
// successes in a row.
func TestProbeHysteresis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		var runs atomic.Int32
		r := New(Options{Rand: half})
		defer r.Close()
		spec := Spec{ID: "a", Name: "n", Probe: ProbeSpec{Run: func(context.Context) error {
			runs.Add(1)
			if failing.Load() {
				return errors.New("status 503")
			}
			return nil
		}}}
		r.Sync([]Spec{spec})
		d := r.Get("a")
		start := time.Now()
		state := func(at time.Duration, want State) {
			t.Helper()
			time.Sleep(time.Until(start.Add(at)))
			synctest.Wait()
			if v := d.Check(time.Now()); v.State != want || v.OK != (want == Closed) {
				t.Fatalf("at %v: %+v, want %v", at, v, want)
			}
		}
		first := 750 * time.Millisecond // half of a tenth of 15 s
		state(first, Closed)
		if n := runs.Load(); n != 1 {
			t.Fatalf("%d probes", n)
		}
		failing.Store(true)
		state(first+30*time.Second, Closed) // two failures
		failing.Store(false)
		state(first+45*time.Second, Closed)
		failing.Store(true)
		state(first+75*time.Second, Closed)
		state(first+90*time.Second, Down) // three in a row
		v := d.Check(time.Now())
		if v.Cause != "probe: status 503" || !v.Until.Equal(start.Add(first+105*time.Second)) {
			t.Errorf("%+v", v)
		}
		if s := d.Status(time.Now()); s.State != Down || s.ProbeError == "" || !s.Since.Equal(time.Now()) {
			t.Errorf("%+v", s)
		}
		failing.Store(false)
		state(first+105*time.Second, Down)
		state(first+120*time.Second, Closed) // two in a row
		if n := runs.Load(); n != 9 {
			t.Errorf("%d probes", n)
		}
	})
}

// A probe that comes up again ends the cool-down of a broken deployment, but
// not of one whose credentials were refused.
func TestProbeHint(t *testing.T) {
	for _, tc := range []struct {
		result Result
		want   State
	}{{Failure, HalfOpen}, {Ours, Open}} {
		f := newFixture(t, BreakerConfig{Consecutive: 1, OpenFor: time.Hour, OursFor: time.Hour})
		f.d.p.rise, f.d.p.fall = 2, 1
		f.do(tc.result)
		fault := errors.New("connect")
		f.d.probed(f.now(), f.now(), fault)
		f.want(Down, false, 0)
		f.d.probed(f.now(), f.now(), nil)
		f.d.probed(f.now(), f.now(), nil)
		f.want(tc.want, tc.want == HalfOpen, 0)
	}
}

func TestProbeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{Rand: half})
		r.Sync([]Spec{{ID: "a", Probe: ProbeSpec{Fall: 1, Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}})
		time.Sleep(750*time.Millisecond + 5*time.Second)
		synctest.Wait()
		if v := r.Get("a").Check(time.Now()); v.State != Down || v.Cause != "probe: no answer in time" {
			t.Errorf("%+v", v)
		}
		r.Close() // in the middle of nothing: returns at once
		if v := r.Get("a").Check(time.Now()); v.State != Down {
			t.Errorf("%+v", v)
		}
	})
}

// A reload keeps what is known of unchanged deployments and runs the new probe
// in the old rhythm; shared probes run once; what goes stops being probed.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{Rand: half})
		defer r.Close()
		ran := make(chan string, 10)
		probe := func(name, key string) ProbeSpec {
			return ProbeSpec{Key: key, Run: func(context.Context) error { ran <- name; return nil }}
		}
		r.Sync([]Spec{
			{ID: "a", Name: "a", Breaker: BreakerConfig{Consecutive: 1}, Probe: probe("old", "p")},
			{ID: "b", Name: "b", Probe: probe("old", "p")},
			{ID: "c", Name: "c", Probe: probe("c", "")},
		})
		a, c := r.Get("a"), r.Get("c")
		at, _ := a.Begin(time.Now())
		at.End(time.Now(), Outcome{Result: Failure, Cause: "status 500"})
		under, _ := c.Begin(time.Now())
		time.Sleep(time.Second)
		synctest.Wait()
		if len(ran) != 2 {
			t.Fatalf("%d probes run", len(ran))
		}
		<-ran
		<-ran
		r.Sync([]Spec{
			{ID: "a", Name: "renamed", Limit: LimiterConfig{Concurrent: 3}, Probe: probe("new", "p")},
			{ID: "d", Name: "d"},
		})
		under.End(time.Now(), Outcome{Result: Success})
		if r.Get("a") != a || r.Get("b") != nil || r.Get("c") != nil || r.Get("d") == nil {
			t.Fatal("wrong deployments after Sync")
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n, name := len(ran), <-ran; n != 1 || name != "new" {
			t.Errorf("%d probes run after Sync, the first %q", n, name)
		}
		s := r.Snapshot()
		if len(s) != 2 || s[0].Name != "d" || s[1].Name != "renamed" || s[1].Failures != 1 || s[1].Limit != 3 || s[1].State != HalfOpen || s[1].Cause != "status 500" {
			t.Errorf("%+v", s)
		}
		if time.Since(s[1].Probed) > time.Second {
			t.Errorf("last probe at %v", s[1].Probed)
		}
	})
}

// A deployment that was down by its probe comes back when a reload drops the
// probe.
func TestSyncDropsProbe(t *testing.T) {
	f := newClock()
	r := New(Options{Now: f.now, Rand: half})
	defer r.Close()
	r.Sync([]Spec{{ID: "a"}})
	d := r.Get("a")
	d.p.fall = 1
	d.probed(f.t, f.t, errors.New("x"))
	if d.Check(f.t).OK {
		t.Fatal("not down")
	}
	r.Sync([]Spec{{ID: "a"}})
	if v := d.Check(f.t); !v.OK {
		t.Fatalf("%+v", v)
	}
}

func BenchmarkAttempt(b *testing.B) {
	r := New(Options{})
	defer r.Close()
	r.Sync([]Spec{{ID: "a"}})
	d := r.Get("a")
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if !d.Check(now).OK {
			b.Fatal()
		}
		a, _ := d.Begin(now)
		a.End(now, Outcome{Result: Success, FirstToken: time.Millisecond, Total: time.Second})
	}
}

func TestAdd(t *testing.T) {
	r := New(Options{})
	defer r.Close()
	r.Sync([]Spec{{ID: "listed", Name: "listed"}})
	a := r.Add(Spec{ID: "vendor", Name: "gpt-4o@openai"})
	if a == nil || r.Get("vendor") != a || r.Get("listed") == nil {
		t.Fatal("Add did not keep the new deployment beside the listed one")
	}
	if r.Add(Spec{ID: "vendor", Name: "gpt-4o@openai"}) != a {
		t.Error("Add of a known identity made another deployment")
	}
	r.Sync([]Spec{{ID: "listed", Name: "listed"}})
	if r.Get("vendor") != nil {
		t.Error("Sync kept a deployment that it does not name")
	}
}
