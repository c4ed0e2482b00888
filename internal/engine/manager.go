package engine

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// Options of a Manager. All but Installer may be left out.
type Options struct {
	Installer *Installer
	Log       *slog.Logger
	// Supervisor is the command that calls RunSupervisorIfAsked; empty: this
	// program.
	Supervisor []string
	// Idle waits until no request is under way at the named engine, or until
	// ctx ends. It is called when the state is Stopping already.
	Idle func(ctx context.Context, name string) error
	// DrainLimit is how long Idle may take; 0: 30 s.
	DrainLimit time.Duration
	// KillGrace is how long an engine may take to end after SIGTERM; 0: 5 s.
	KillGrace time.Duration
	// StartLimit is how long an engine may load its weights; 0: 15 minutes.
	StartLimit time.Duration
	// ProbeEvery is the time between health probes of a ready engine; 0: 5 s.
	// After six that fail one after the other the engine is restarted.
	ProbeEvery time.Duration
	// Backoff is the wait before try n, from 1; nil: half a second, doubled
	// each time up to 30 s, minus up to half of it at random.
	Backoff func(try int) time.Duration
	// Now tells the time; nil: time.Now.
	Now func() time.Time
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	or := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	or(&o.DrainLimit, 30*time.Second)
	or(&o.KillGrace, 5*time.Second)
	or(&o.StartLimit, 15*time.Minute)
	or(&o.ProbeEvery, 5*time.Second)
	if o.Backoff == nil {
		o.Backoff = func(try int) time.Duration {
			d := min(30*time.Second, 500*time.Millisecond<<min(try-1, 10))
			return d - time.Duration(rand.Int64N(int64(d/2)))
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Manager owns the engine processes of one freehold.
type Manager struct {
	opts Options

	mu     sync.Mutex
	procs  map[string]*Process // by fingerprint
	swept  map[string]bool     // cache directories cleaned of leftovers
	closed bool
}

// NewManager returns a Manager without processes.
func NewManager(o Options) *Manager {
	o.fill()
	return &Manager{opts: o, procs: map[string]*Process{}, swept: map[string]bool{}}
}

// ErrClosed is the answer of a Manager that was closed.
var ErrClosed = errors.New("engines are shutting down")

// Acquire returns the process for a Spec, starting it if there is none. It does
// not wait: the process installs, downloads and loads by itself. Each Acquire
// needs a Release; two configurations that share a Spec share the process.
func (m *Manager) Acquire(s Spec) (*Process, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	key := s.fingerprint()
	if p := m.procs[key]; p != nil {
		p.refs++
		return p, nil
	}
	if dir := m.opts.Installer.at(s.CacheDir).Dir; !m.swept[dir] {
		m.swept[dir] = true
		cache{dir}.endLeftovers(m.opts.Log)
	}
	if len(m.opts.Supervisor) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return nil, &Error{Kind: BadSpec, What: "this program's own path is not known", Err: err}
		}
		m.opts.Supervisor = []string{exe}
	}
	p := newProcess(m, s)
	m.procs[key] = p
	go p.run()
	return p, nil
}

// Release gives back what Acquire returned. When nobody holds the process any
// more it is drained and stopped; Release waits for that until ctx ends (it goes
// on then too).
func (m *Manager) Release(ctx context.Context, p *Process) error {
	m.mu.Lock()
	p.refs--
	last := p.refs <= 0
	if last && m.procs[p.key] == p {
		delete(m.procs, p.key)
	}
	m.mu.Unlock()
	if !last {
		return nil
	}
	p.beginStop()
	return p.waitGone(ctx)
}

// Processes returns what runs now.
func (m *Manager) Processes() []*Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*Process
	for _, p := range m.procs {
		all = append(all, p)
	}
	return all
}

// Close drains and stops all processes, at the same time, and refuses new ones.
// When ctx ends first, those left are killed.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	var all []*Process
	for key, p := range m.procs {
		all = append(all, p)
		delete(m.procs, key)
	}
	m.mu.Unlock()
	for _, p := range all {
		p.beginStop()
	}
	var first error
	for _, p := range all {
		if err := p.waitGone(ctx); err != nil {
			first = err
			p.kill()
			<-p.done
		}
	}
	return first
}
