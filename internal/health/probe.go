package health

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ProbeSpec is how a deployment is looked at while nobody asks for it.
type ProbeSpec struct {
	// Run makes one probe; nil: none. Its error is shown to people and must
	// hold no secret.
	Run func(ctx context.Context) error
	// Key makes deployments with the same one share a probe: those of one
	// provider, say. Empty: the deployment has its own.
	Key      string
	Interval time.Duration // between two probes; 15 s
	Timeout  time.Duration // of one; 5 s
	Jitter   float64       // an interval is shorter or longer by up to this share; 0.1
	Rise     int           // successes in a row that bring it up; 2
	Fall     int           // failures in a row that bring it down; 3
}

func (p ProbeSpec) withDefaults() ProbeSpec {
	orDefault(&p.Interval, 15*time.Second)
	orDefault(&p.Timeout, 5*time.Second)
	orDefault(&p.Jitter, 0.1)
	orDefault(&p.Rise, 2)
	orDefault(&p.Fall, 3)
	return p
}

// probeLoop runs one probe for the deployments that share it.
type probeLoop struct {
	stop context.CancelFunc
	now  atomic.Pointer[probeTarget] // what the next round uses
}

type probeTarget struct {
	spec ProbeSpec
	deps []*Deployment
}

// syncProbes starts loops for new keys and ends those of keys no longer there.
// A loop that stays goes on in its rhythm with the new spec. mu is held.
func (r *Registry) syncProbes(specs []Spec, deps map[string]*Deployment) {
	want := map[string]*probeTarget{}
	for _, s := range specs {
		if s.Probe.Run == nil {
			continue
		}
		key := "key " + s.Probe.Key
		if s.Probe.Key == "" {
			key = "id " + s.ID
		}
		if want[key] == nil {
			want[key] = &probeTarget{spec: s.Probe.withDefaults()}
		}
		want[key].deps = append(want[key].deps, deps[s.ID])
	}
	for key, l := range r.probes {
		if want[key] == nil {
			l.stop()
			delete(r.probes, key)
		}
	}
	if r.ctx.Err() != nil {
		return
	}
	for key, t := range want {
		if l := r.probes[key]; l != nil {
			l.now.Store(t)
			continue
		}
		l := &probeLoop{}
		l.now.Store(t)
		var ctx context.Context
		ctx, l.stop = context.WithCancel(r.ctx)
		r.probes[key] = l
		r.wg.Go(func() { r.loop(ctx, l) })
	}
}

// loop probes until its context ends. The first probe comes within a tenth of
// the interval, so that a start does not reach all providers in one moment.
func (r *Registry) loop(ctx context.Context, l *probeLoop) {
	defer l.stop()
	wait := time.Duration(r.opts.Rand() * float64(l.now.Load().spec.Interval) / 10)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		t := l.now.Load()
		err := r.probe(ctx, t.spec)
		if ctx.Err() != nil {
			return
		}
		wait := time.Duration(float64(t.spec.Interval) * (1 + t.spec.Jitter*(2*r.opts.Rand()-1)))
		now := r.opts.Now()
		for _, d := range l.now.Load().deps {
			d.probed(now, now.Add(wait), err)
		}
		timer.Reset(wait)
	}
}

var errProbeTimeout = errors.New("no answer in time")

func (r *Registry) probe(ctx context.Context, s ProbeSpec) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, errProbeTimeout)
	defer cancel()
	err := s.Run(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
