package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// earlyExits is how often in a row an engine may end before it ever was ready;
// then it counts as Failed.
const earlyExits = 3

// steadyAfter is how long an engine must have been ready for its next end to be
// a first one again.
const steadyAfter = time.Minute

// Process is one engine: a sequence of operating system processes, of which at
// most one lives at a time.
type Process struct {
	m    *Manager
	spec Spec
	key  string
	refs int // guarded by m.mu
	log  *slog.Logger

	stopping chan struct{} // closed: drain and stop
	stopOnce sync.Once
	killing  chan struct{} // closed: stop without waiting
	killOnce sync.Once
	restarts chan struct{} // wakes a Failed process
	done     chan struct{} // closed: gone for good
	lines    *lineLog
	autoPort int // chosen for Port 0, kept over restarts

	mu     sync.Mutex
	status Status
	subs   map[chan Status]struct{}
}

func newProcess(m *Manager, s Spec) *Process {
	return &Process{
		m: m, spec: s, key: s.fingerprint(), refs: 1, log: m.opts.Log.With("engine", s.Name),
		stopping: make(chan struct{}), killing: make(chan struct{}), restarts: make(chan struct{}, 1), done: make(chan struct{}),
		lines:  newLineLog(m.opts.Log.With("engine", s.Name)),
		status: Status{Name: s.Name, State: Starting, Since: m.opts.Now()},
		subs:   map[chan Status]struct{}{},
	}
}

// Spec returns what the process was asked to be.
func (p *Process) Spec() Spec { return p.spec }

// Slots is how many requests the process serves at once. What is sent on top
// waits in the engine without limit, so callers keep their own queue.
func (p *Process) Slots() int { return p.spec.Slots() }

// Status returns what is known now.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// BaseURL is http://127.0.0.1:PORT without /v1, empty before the first start.
// It changes only if a port chosen by freehold was taken while the engine was
// down.
func (p *Process) BaseURL() string { return p.Status().BaseURL }

// Ready says that requests may be sent.
func (p *Process) Ready() bool { return p.Status().State == Ready }

// Log returns the engine's last lines, oldest first.
func (p *Process) Log() []string { return p.lines.last(maxLines) }

// Subscribe returns a channel that holds the newest Status whenever it changed,
// beginning with the present one, and a function that ends it. A slow reader
// misses what is in between, never the newest.
func (p *Process) Subscribe() (<-chan Status, func()) {
	ch := make(chan Status, 1)
	p.mu.Lock()
	p.subs[ch] = struct{}{}
	ch <- p.status
	p.mu.Unlock()
	return ch, func() {
		p.mu.Lock()
		delete(p.subs, ch)
		p.mu.Unlock()
	}
}

// update changes the status and tells the subscribers.
func (p *Process) update(change func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.status.State
	change(&p.status)
	if p.status.State != before {
		p.status.Since = p.m.opts.Now()
	}
	for ch := range p.subs {
		select {
		case <-ch:
		default:
		}
		ch <- p.status
	}
}

// enter changes the state; a state entered without an error forgets the last.
func (p *Process) enter(s State, reason string, err error) {
	p.update(func(st *Status) {
		st.State, st.Reason, st.Err, st.Progress, st.RetryAt = s, reason, err, Progress{}, time.Time{}
	})
	level := slog.LevelInfo
	if s == Backoff || s == Failed {
		level = slog.LevelError
	}
	p.log.Log(context.Background(), level, "engine "+string(s), "reason", reason)
}

// WaitReady returns when the process is ready, or with the first failure, or
// when ctx ends.
func (p *Process) WaitReady(ctx context.Context) error {
	ch, cancel := p.Subscribe()
	defer cancel()
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			st := p.Status()
			return &Error{Kind: Unresponsive, What: "the engine is not ready yet: " + string(st.State), Where: p.spec.Name, Err: context.Cause(ctx)}
		case st := <-ch:
			switch {
			case st.State == Ready:
				return nil
			case st.State == Failed, st.State == Backoff && !first:
				return st.Err
			case st.State == Stopping, st.State == Stopped:
				return &Error{Kind: Exited, What: "the engine was stopped", Where: p.spec.Name}
			}
		}
	}
}

// Restart wakes a process in Failed or Backoff up for another try; in any other
// state it does nothing.
func (p *Process) Restart() {
	select {
	case p.restarts <- struct{}{}:
	default:
	}
}

func (p *Process) beginStop() { p.stopOnce.Do(func() { close(p.stopping) }) }

func (p *Process) kill() { p.killOnce.Do(func() { close(p.killing) }) }

func (p *Process) waitGone(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("engine %s has not ended yet: %w", p.spec.Name, context.Cause(ctx))
	}
}

var errStopping = errors.New("the engine is being stopped")

// run is the life of the process from Acquire to its end.
func (p *Process) run() {
	defer close(p.done)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		select {
		case <-p.stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	try, early := 0, 0
	for {
		readyFor, err := p.live(ctx)
		if ctx.Err() != nil {
			p.enter(Stopped, "", nil)
			return
		}
		if readyFor > 0 {
			early = 0
		} else if errors.Is(err, Exited) {
			early++
		}
		if readyFor >= steadyAfter {
			try = 0
		}
		try++
		if KindOf(err).lasting() || early >= earlyExits {
			early = 0
			p.fail(ctx, err)
		} else {
			p.backoff(ctx, err, p.m.opts.Backoff(try))
		}
		p.update(func(st *Status) { st.Restarts++ })
	}
}

// fail waits until somebody asks for another try, or the end.
func (p *Process) fail(ctx context.Context, err error) {
	p.forgetRestart()
	p.enter(Failed, reasonOf(err), err)
	select {
	case <-ctx.Done():
	case <-p.restarts:
	}
}

// backoff waits before the next try.
func (p *Process) backoff(ctx context.Context, err error, wait time.Duration) {
	p.forgetRestart()
	p.enter(Backoff, reasonOf(err), err)
	p.update(func(st *Status) { st.RetryAt = p.m.opts.Now().Add(wait) })
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-p.restarts:
	}
}

// forgetRestart drops what was asked for while the process ran.
func (p *Process) forgetRestart() {
	select {
	case <-p.restarts:
	default:
	}
}

// reasonOf is the first line of an error: the log lines are in Err.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

// live goes once through the states from Installing to the end of the operating
// system process, and says how long it was ready.
func (p *Process) live(ctx context.Context) (time.Duration, error) {
	in := p.m.opts.Installer.at(p.spec.CacheDir)
	report := func(g Progress) { p.update(func(st *Status) { st.Progress = g }) }
	p.enter(Installing, "", nil)
	rt, err := in.Engine(ctx, p.spec, report)
	if err != nil {
		return 0, err
	}
	p.enter(Downloading, "", nil)
	w, err := in.Weights(ctx, p.spec.Source, report)
	if err != nil {
		return 0, err
	}
	port, err := p.port(ctx)
	if err != nil {
		return 0, err
	}
	cmd, err := commandFor(p.spec, rt, w, port)
	if err != nil {
		return 0, err
	}
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	p.enter(Starting, "", nil)
	p.update(func(st *Status) { st.Model, st.Engine, st.BaseURL = w, rt.String(), base })
	child, err := p.spawn(cmd)
	if err != nil {
		return 0, err
	}
	forget, err := cache{in.Dir}.notePID(child.pid(), p.spec.Name, port)
	if err != nil {
		// The engine serves all the same; freehold's end will end it.
		p.log.Warn("the engine's pid file cannot be written", "err", err)
	}
	defer forget()
	p.update(func(st *Status) { st.PID = child.pid() })
	defer p.update(func(st *Status) { st.PID = 0 })
	return p.attend(ctx, child, base)
}

// port chooses the port and makes sure that it is free.
func (p *Process) port(ctx context.Context) (int, error) {
	try := func(port int) (int, error) {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return 0, err
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port, nil
	}
	if p.spec.Port != 0 {
		_, err := try(p.spec.Port)
		if err != nil {
			return 0, p.portTaken(p.spec.Port, err)
		}
		return p.spec.Port, nil
	}
	if p.autoPort != 0 {
		if _, err := try(p.autoPort); err == nil {
			return p.autoPort, nil
		}
	}
	port, err := try(0)
	if err != nil {
		return 0, &Error{Kind: PortTaken, What: "no loopback port is free", Where: p.spec.Name, Err: err}
	}
	p.autoPort = port
	return port, nil
}

func (p *Process) portTaken(port int, err error) error {
	return &Error{
		Kind: PortTaken, What: "port " + strconv.Itoa(port) + " is taken by another program", Where: "engine " + p.spec.Name,
		Do: "end that program, or set another port (0 takes a free one)", Err: err,
	}
}
