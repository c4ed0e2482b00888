package app

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"freehold/internal/config"
	"freehold/internal/engine"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/upstream"
)

// Engines are the local engines of the configuration in use: one process for
// each model that an engine provider serves.
type Engines struct {
	log     *slog.Logger
	dir     string
	resolve func(string) string
	start   bool // false: commands look, and start nothing
	Manager *engine.Manager

	mu      sync.Mutex
	held    []*engine.Process // by the configuration in use
	next    []*engine.Process // by the one that is being built
	senders map[*engine.Process]*engineSender

	leaving sync.WaitGroup  // goroutines of letGo
	closing context.Context // ends with close
	close   context.CancelFunc
}

func newEngines(log *slog.Logger, dir string, resolve func(string) string, start bool) *Engines {
	e := &Engines{log: log, dir: dir, resolve: resolve, start: start, senders: map[*engine.Process]*engineSender{}}
	e.closing, e.close = context.WithCancel(context.Background())
	return e
}

// manager makes the Manager when the first engine is wanted: most
// configurations have none.
func (e *Engines) manager() (*engine.Manager, error) {
	if e.Manager == nil {
		in, err := Installer(e.dir, e.log)
		if err != nil {
			return nil, err
		}
		e.Manager = engine.NewManager(engine.Options{Log: e.log, Installer: in})
	}
	return e.Manager, nil
}

// Slots implements fleet.Engines.
func (e *Engines) Slots(p *config.Provider) int { return engine.Spec{Parallel: p.Parallel}.Slots() }

// Spec is the process of a model at an engine provider. resolve makes the file
// names of the configuration relative to it.
func Spec(resolve func(string) string, p *config.Provider, m *config.Model, d *config.Deployment) engine.Spec {
	source := d.Source
	switch {
	case source == "":
		source = engine.DefaultSource
	case !strings.HasPrefix(source, "hf:") && !strings.HasPrefix(source, "pypi:"):
		source = resolve(source)
	}
	context := p.Context
	if d.Context > 0 {
		context = d.Context
	}
	binary := string(p.Path)
	if binary != "" && filepath.Base(binary) == binary {
		binary = "." + string(filepath.Separator) + binary // this file, and nothing of that name on PATH
	}
	return engine.Spec{
		Name: m.Name, Engine: engine.LlamaCpp, Source: source, Binary: binary, CacheDir: string(p.CacheDir), Port: p.Port,
		Threads: p.Threads, Context: context, Parallel: p.Parallel, GPULayers: p.GPULayers,
		Pooling:   string(p.Pooling),
		Embedding: p.Embedding || m.Mode == config.ModeEmbedding,
	}
}

// Sender implements fleet.Engines: it takes hold of the process, which starts
// by itself.
func (e *Engines) Sender(p *config.Provider, m *config.Model, d *config.Deployment) fleet.Sender {
	if !e.start {
		return failing{m.Name, errors.New("no server runs")}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	mgr, err := e.manager()
	if err != nil {
		return failing{m.Name, err}
	}
	proc, err := mgr.Acquire(Spec(e.resolve, p, m, d))
	if err != nil {
		return failing{m.Name, err}
	}
	e.next = append(e.next, proc)
	s := e.senders[proc]
	if s == nil {
		s = &engineSender{provider: p.Name, proc: proc}
		e.senders[proc] = s
	}
	return s
}

// Commit makes the engines of the fleet just built those in use, and lets the
// others go in the background, each once busy says that no request of the
// previous fleet is under way there: a reload changes no stream. It waits for
// that at most for limit.
func (e *Engines) Commit(limit time.Duration, busy func(*engine.Process) bool) {
	e.mu.Lock()
	gone, kept := e.held, e.next
	e.held, e.next = kept, nil
	e.mu.Unlock()
	for _, p := range gone {
		e.letGo(p, limit, func() bool { return !slices.Contains(kept, p) && busy(p) })
	}
}

// Discard lets the engines go that a fleet took hold of which is given up.
func (e *Engines) Discard() {
	e.mu.Lock()
	gone := e.next
	e.next = nil
	e.mu.Unlock()
	for _, p := range gone {
		e.letGo(p, 0, func() bool { return false })
	}
}

// letGo gives up a hold on p in the background.
func (e *Engines) letGo(p *engine.Process, limit time.Duration, busy func() bool) {
	e.leaving.Go(func() {
		ctx, cancel := context.WithTimeout(e.closing, limit)
		defer cancel()
		for busy() && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(busyPoll):
			}
		}
		// An engine ends within its grace, so Close may wait for this.
		if err := e.Manager.Release(context.WithoutCancel(ctx), p); err != nil {
			e.log.Error("engine did not stop", "engine", p.Spec().Name, "error", err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if p.Status().State.Final() {
			delete(e.senders, p)
		}
	})
}

// busyPoll is how often an engine that is to go is looked at.
const busyPoll = 50 * time.Millisecond

// busyIn reports whether requests of a fleet are under way at an engine.
func busyIn(f *fleet.Fleet, now func() time.Time) func(*engine.Process) bool {
	return func(p *engine.Process) bool {
		for _, d := range f.Deployments() {
			if s, ok := d.Sender.(*engineSender); ok && s.proc == p && d.Health.Status(now()).InFlight > 0 {
				return true
			}
		}
		return false
	}
}

// Status lists the engines.
func (e *Engines) Status() []engine.Status {
	e.mu.Lock()
	mgr := e.Manager
	e.mu.Unlock()
	if mgr == nil {
		return nil
	}
	var out []engine.Status
	for _, p := range mgr.Processes() {
		out = append(out, p.Status())
	}
	return out
}

// Close stops all engines.
func (e *Engines) Close(ctx context.Context) error {
	e.mu.Lock()
	mgr := e.Manager
	e.mu.Unlock()
	e.close()
	e.leaving.Wait()
	if mgr == nil {
		return nil
	}
	return mgr.Close(ctx)
}

// engineSender reaches an engine while it is ready; its port may change when
// it is restarted.
type engineSender struct {
	provider string
	proc     *engine.Process

	mu     sync.Mutex
	base   string
	client *upstream.Client
}

// startWait is how long a request waits at most for an engine that starts: it
// is asked then only because nobody else may answer.
const startWait = 30 * time.Second

// Send implements fleet.Sender.
func (s *engineSender) Send(ctx context.Context, p upstream.Permit, call *upstream.Call) (*upstream.Reply, error) {
	switch s.proc.Status().State {
	case engine.Installing, engine.Downloading, engine.Starting, engine.Loading:
		limit := startWait
		if head := call.Timeouts.Head; head > 0 {
			limit = min(limit, head)
		}
		wait, stop := context.WithTimeout(ctx, limit)
		_ = s.proc.WaitReady(wait) // what the engine is then decides
		stop()
	}
	c, err := s.current()
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, p, call)
}

func (s *engineSender) status() engine.Status { return s.proc.Status() }

// Unready implements fleet.Unready.
func (s *engineSender) Unready() string { return unready(s.proc.Status()) }

// Lacks implements fleet.Limited: the engine drops tools in silence where the
// chat template of the weights does not know them.
func (s *engineSender) Lacks() llm.Features {
	if m := s.proc.Status().Model; m.Path != "" && !m.Tools {
		return llm.FeatureTools
	}
	return 0
}

func unready(st engine.Status) string {
	if st.State == engine.Ready {
		return ""
	}
	why := "the engine is " + string(st.State)
	if st.Reason != "" {
		why += ": " + st.Reason
	}
	return why
}

func (s *engineSender) current() (*upstream.Client, error) {
	st := s.proc.Status()
	if why := unready(st); why != "" {
		return nil, &fault.Error{Kind: fault.EngineUnready, Provider: s.provider, Message: why}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil || s.base != st.BaseURL {
		c, err := upstream.New(upstream.Target{
			Provider: s.provider, BaseURL: st.BaseURL + "/v1",
			Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		})
		if err != nil {
			return nil, err
		}
		if s.client != nil {
			s.client.Close()
		}
		s.base, s.client = st.BaseURL, c
	}
	return s.client, nil
}

// failing is the way to an engine that cannot be.
type failing struct {
	name string
	err  error
}

func (f failing) status() engine.Status {
	return engine.Status{Name: f.name, State: engine.Failed, Reason: f.err.Error(), Err: f.err}
}

func (f failing) Send(context.Context, upstream.Permit, *upstream.Call) (*upstream.Reply, error) {
	return nil, &fault.Error{Kind: fault.EngineUnready, Message: f.err.Error(), Cause: f.err}
}
