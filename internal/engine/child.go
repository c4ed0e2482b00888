package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// child is one operating system process with its group.
type child struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it was waited for
	err  error         // of Wait; read after gone
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// spawn starts a command in its own group, holding the pipe whose end tells it
// that freehold is gone.
func (p *Process) spawn(cmd command) (*child, error) {
	path, args, env := cmd.path, cmd.args, environment()
	if cmd.supervised {
		args = append(append(append([]string{}, p.m.opts.Supervisor[1:]...), cmd.path), cmd.args...)
		path = p.m.opts.Supervisor[0]
		env = append(env, supervisorMark+"=1")
	}
	c := &child{cmd: exec.Command(path, args...), gone: make(chan struct{})}
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = env, p.lines, p.lines
	c.cmd.WaitDelay = 2 * time.Second
	prepareChild(c.cmd)
	// Closed by Wait, or by the kernel at our end.
	if _, err := c.cmd.StdinPipe(); err != nil {
		return nil, &Error{Kind: InstallFailed, What: "the engine cannot be started", Where: path, Err: err}
	}
	p.lines.reset()
	started := make(chan error)
	go func() {
		// The kernel's word for "my parent died" is "the thread that started
		// me ended": this one stays until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = c.cmd.Wait()
		p.lines.flush()
		// Whatever the engine started goes with it.
		_ = killTree(c.cmd.Process)
		close(c.gone)
	}()
	if err := <-started; err != nil {
		return nil, &Error{Kind: InstallFailed, What: "the engine cannot be started", Where: path, Do: "check that the program is there and may be run", Err: err}
	}
	return c, nil
}

// attend watches a running child: until it is ready, while it is, and to its
// end. The child is gone when it returns.
func (p *Process) attend(ctx context.Context, c *child, base string) (time.Duration, error) {
	p.enter(Loading, "", nil)
	loadCtx, cancel := context.WithTimeout(ctx, p.m.opts.StartLimit)
	defer cancel()
	probe := newProbe(base, p.spec.Name)
	loaded := make(chan error, 1)
	go func() { loaded <- probe.untilReady(loadCtx) }()
	select {
	case <-c.gone:
		cancel()
		<-loaded //nolint:errcheck // that the child is gone says more
		return 0, p.exited(c)
	case err := <-loaded:
		if ctx.Err() != nil {
			p.end(c, false)
			return 0, context.Cause(ctx)
		}
		if err != nil {
			p.end(c, false)
			return 0, &Error{Kind: Unresponsive, What: "the engine does not become ready", Where: p.spec.Name, Log: p.lines.last(20), Err: err}
		}
	}
	since := time.Now()
	p.enter(Ready, "", nil)
	sick := make(chan error, 1)
	watchCtx, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := probe.whileHealthy(watchCtx, p.m.opts.ProbeEvery); err != nil {
			sick <- err
		}
	}()
	defer func() { stopWatch(); <-watched }()
	select {
	case <-c.gone:
		return time.Since(since), p.exited(c)
	case err := <-sick:
		p.end(c, false)
		return time.Since(since), &Error{Kind: Unresponsive, What: "the engine no longer answers its health probe", Where: p.spec.Name, Log: p.lines.last(20), Err: err}
	case <-ctx.Done():
		p.end(c, true)
		return time.Since(since), context.Cause(ctx)
	}
}

// end stops the child: drained if it served, then SIGTERM, then SIGKILL.
func (p *Process) end(c *child, drain bool) {
	o := p.m.opts
	if drain {
		p.enter(Stopping, "", nil)
		p.drain(c)
	}
	if err := terminateTree(c.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.log.Warn("the engine cannot be told to end", "err", err)
	}
	grace := time.NewTimer(o.KillGrace)
	defer grace.Stop()
	select {
	case <-c.gone:
		return
	case <-grace.C:
	case <-p.killing:
	}
	if err := killTree(c.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.log.Warn("the engine cannot be killed", "err", err)
	}
	<-c.gone
}

// drain waits for the requests under way, at most DrainLimit.
func (p *Process) drain(c *child) {
	if p.m.opts.Idle == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.m.opts.DrainLimit)
	defer cancel()
	idle := make(chan error, 1)
	go func() { idle <- p.m.opts.Idle(ctx, p.spec.Name) }()
	select {
	case err := <-idle:
		if err != nil {
			p.log.Warn("the engine is stopped with requests under way", "err", err)
		}
	case <-c.gone:
	case <-p.killing:
	case <-ctx.Done():
		p.log.Warn("the engine is stopped with requests under way", "waited", p.m.opts.DrainLimit)
	}
}

// exited says how the child ended, in words.
func (p *Process) exited(c *child) error {
	log := p.lines.last(20)
	for _, l := range log {
		if strings.Contains(l, "couldn't bind") || strings.Contains(l, "Address already in use") {
			err := p.portTaken(portOf(p.BaseURL()), nil)
			return err
		}
	}
	how := "it ended by itself"
	if c.err != nil {
		how = c.err.Error()
	}
	do := "see the engine's last lines"
	if strings.Contains(how, "killed") {
		do = "it was killed from outside: the usual reason is a lack of memory; use a smaller model or context"
	}
	return &Error{Kind: Exited, What: "the engine ended: " + how, Where: "engine " + p.spec.Name, Do: do, Log: log}
}

func portOf(base string) (port int) {
	_, _ = fmt.Sscanf(base, "http://127.0.0.1:%d", &port)
	return port
}

// maxLines is how many of an engine's lines are kept.
const maxLines = 200

// maxLine cuts lines that never end.
const maxLine = 4096

// lineLog takes what an engine prints, keeps the last lines and passes them on.
type lineLog struct {
	log *slog.Logger

	mu    sync.Mutex
	tail  []byte
	lines []string
}

func newLineLog(log *slog.Logger) *lineLog { return &lineLog{log: log} }

// Write implements io.Writer.
func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range b {
		if c == '\n' || len(l.tail) >= maxLine {
			l.add()
		}
		if c != '\n' && c != '\r' {
			l.tail = append(l.tail, c)
		}
	}
	return len(b), nil
}

func (l *lineLog) add() {
	line := strings.ToValidUTF8(strings.TrimSpace(string(l.tail)), "?")
	l.tail = l.tail[:0]
	if line == "" {
		return
	}
	if len(l.lines) == maxLines {
		l.lines = append(l.lines[:0], l.lines[1:]...)
	}
	l.lines = append(l.lines, line)
	l.log.Debug("engine says", "line", line)
}

// flush ends a line that was cut by the end of the process.
func (l *lineLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add()
}

func (l *lineLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail, l.lines = nil, nil
}

func (l *lineLog) last(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines[max(0, len(l.lines)-n):]...)
}
