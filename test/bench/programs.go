package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// programs are the paths of what is run.
type programs struct{ freehold, mock, loadgen, revproxy string }

// buildPrograms builds freehold as a release is built, and the programs to
// measure it with.
func buildPrograms(ctx context.Context, freehold string) (programs, error) {
	root, err := os.Getwd()
	if err != nil {
		return programs{}, err
	}
	if _, err := os.Stat(filepath.Join(root, "cmd", "freehold")); err != nil {
		return programs{}, errors.New("run it in the root of the repository: go run ./test/bench")
	}
	module := os.Getenv("FREEHOLD_BENCH")
	if module == "" {
		module = filepath.Join(root, "..", "shared", "bench")
	}
	if _, err := os.Stat(filepath.Join(module, "cmd", "loadgen")); err != nil {
		return programs{}, fmt.Errorf("the programs to measure with are not in %s (%w): set FREEHOLD_BENCH to the Go module that has cmd/mockllm, cmd/loadgen and cmd/revproxy", module, err)
	}
	bin := filepath.Join(root, ".parts", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return programs{}, err
	}
	p := programs{freehold: freehold}
	for name, path := range map[string]*string{"mockllm": &p.mock, "loadgen": &p.loadgen, "revproxy": &p.revproxy} {
		*path = filepath.Join(bin, "bench-"+name)
		if err := build(ctx, module, *path, "./cmd/"+name); err != nil {
			return p, err
		}
	}
	if p.freehold == "" {
		p.freehold = filepath.Join(bin, "bench-freehold")
		err = build(ctx, root, p.freehold, "./cmd/freehold")
	}
	return p, err
}

func build(ctx context.Context, module, to, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", pkg, module, err, out)
	}
	return fromDisk(to)
}

// process is a server under way.
type process struct {
	name string
	at   string // host:port
	cmd  *exec.Cmd
	log  bytes.Buffer // not read before the process has ended
	exit chan error
}

// launch starts a server; its address is among args already. It does not wait
// until it serves.
func launch(ctx context.Context, name, at string, args ...string) (*process, error) {
	p := &process{name: name, at: at, cmd: exec.CommandContext(ctx, args[0], args[1:]...), exit: make(chan error, 1)}
	p.cmd.Stderr, p.cmd.Stdout = &p.log, &p.log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 40 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.exit <- p.cmd.Wait() }()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// wait returns once the server answers path with 200, and looks for it as often
// as every is.
func (p *process) wait(ctx context.Context, path string, every, limit time.Duration) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.at+path, http.NoBody)
	if err != nil {
		return err
	}
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", p.at); err == nil {
			_ = c.Close() // it only asked whether somebody listens
			if r, err := client.Do(ask); err == nil {
				_ = r.Body.Close() // as above
				if r.StatusCode == http.StatusOK {
					return nil
				}
			}
		}
		select {
		case err := <-p.exit:
			p.exit <- err
			return fmt.Errorf("%s ended (%v): %s", p.name, err, tail(p.log.String())) //nolint:errorlint // nil where it ended by its own will
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
	return fmt.Errorf("%s at %s does not answer %s after %v", p.name, p.at, path, limit)
}

// stop ends the process as an operator would and says if that went wrong.
func (p *process) stop() error {
	// A process that is gone already shows in what Wait returned.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.exit:
		p.exit <- err
		var e *exec.ExitError
		if errors.As(err, &e) && e.ExitCode() > 0 {
			return fmt.Errorf("%s: %w: %s", p.name, err, tail(p.log.String()))
		}
		return nil
	case <-time.After(40 * time.Second):
		return errors.Join(fmt.Errorf("%s does not end", p.name), p.cmd.Process.Kill())
	}
}

// tail is the end of a log.
func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " / ")
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startMock starts the mock provider.
func (b *bench) startMock(ctx context.Context) (*process, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := launch(ctx, "mockllm", at, b.programs.mock, "-addr", at)
	if err != nil {
		return nil, err
	}
	return p, p.wait(ctx, "/stats", 5*time.Millisecond, 10*time.Second)
}

// startProxy starts the floor to compare with.
func (b *bench) startProxy(ctx context.Context, mock *process) (*process, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := launch(ctx, "revproxy", at, b.programs.revproxy, "-mode", "rp", "-addr", at, "-upstream", "http://"+mock.at)
	if err != nil {
		return nil, err
	}
	return p, p.wait(ctx, "/stats", 5*time.Millisecond, 10*time.Second)
}

// control changes the mock's settings, given as a query.
func control(ctx context.Context, mock *process, query string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+mock.at+"/control?"+query, nil)
	if err != nil {
		return err
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if err := a.Body.Close(); err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("the mock refuses the settings %q: %s", query, a.Status)
	}
	return nil
}
