package health

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options come from outside.
type Options struct {
	Now  func() time.Time // time.Now
	Rand func() float64   // in [0,1); math/rand/v2's
	// OnChange is told of every change of state, from the goroutine that
	// caused it; it must be quick.
	OnChange func(Change)
}

// Spec is one deployment of a configuration.
type Spec struct {
	// ID is the identity: a hash of all that makes it another deployment
	// (provider, endpoint, credentials, model id). The same ID after a reload
	// is the same deployment.
	ID      string
	Name    string // for people: "provider/model"
	Breaker BreakerConfig
	Limit   LimiterConfig
	Probe   ProbeSpec
}

// Registry holds the deployments of the running configuration. It is safe for
// concurrent use.
type Registry struct {
	opts Options
	deps atomic.Pointer[map[string]*Deployment]

	mu     sync.Mutex // Sync and Close
	probes map[string]*probeLoop
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

// New returns an empty registry. Close ends its probes.
func New(o Options) *Registry {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	r := &Registry{opts: o, probes: map[string]*probeLoop{}}
	r.deps.Store(&map[string]*Deployment{})
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Close stops all probes and waits for them. Deployments may still be used.
func (r *Registry) Close() {
	r.stop()
	r.mu.Lock()
	clear(r.probes)
	r.mu.Unlock()
	r.wg.Wait()
}

// Get returns the deployment of this identity, or nil.
func (r *Registry) Get(id string) *Deployment { return (*r.deps.Load())[id] }

// Sync makes the registry hold exactly these deployments. Those whose identity
// is known keep their state, latencies and queue and take over the new limits,
// thresholds and probes; attempts under way on those that go can still end.
func (r *Registry) Sync(specs []Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.deps.Load()
	deps := make(map[string]*Deployment, len(specs))
	for _, s := range specs {
		d := old[s.ID]
		if d == nil {
			d = newDeployment(s.ID, s.Breaker, &r.opts)
		}
		d.adopt(s)
		deps[s.ID] = d
	}
	r.deps.Store(&deps)
	r.syncProbes(specs, deps)
}

// adopt takes over what a reload may change.
func (d *Deployment) adopt(s Spec) {
	d.limit.Resize(s.Limit)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name = s.Name
	d.b.cfg = s.Breaker.withDefaults()
	probe := s.Probe.withDefaults()
	d.p.rise, d.p.fall = probe.Rise, probe.Fall
	if probe.Run == nil {
		d.p = prober{}
		d.fine.Store(false) // the next look settles it
	}
}

// Snapshot is the status of all deployments, by name.
func (r *Registry) Snapshot() []Status {
	now := r.opts.Now()
	var out []Status
	for d := range maps.Values(*r.deps.Load()) {
		out = append(out, d.Status(now))
	}
	slices.SortFunc(out, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Add returns the deployment of this identity, making it if it is new: for
// deployments that no configuration lists, which are not probed. The caller
// bounds how many identities there are; the next Sync forgets those it does
// not name.
func (r *Registry) Add(s Spec) *Deployment {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.deps.Load()
	if d := old[s.ID]; d != nil {
		return d
	}
	d := newDeployment(s.ID, s.Breaker, &r.opts)
	d.adopt(s)
	deps := maps.Clone(old)
	deps[s.ID] = d
	r.deps.Store(&deps)
	return d
}
