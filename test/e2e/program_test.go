package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is freehold, built once for all tests that run it as a process.
var program struct {
	once sync.Once
	dir  string
	err  error
}

func binary(t testing.TB) string {
	t.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "freehold-e2e-"); program.err != nil { //nolint:usetesting // it outlives the test that builds it
			return
		}
		c := exec.Command("go", "build", "-o", filepath.Join(program.dir, "freehold"), "freehold/cmd/freehold")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return filepath.Join(program.dir, "freehold")
}

// process is a freehold of its own.
type process struct {
	*exec.Cmd
	url   string
	log   *logBook
	ready time.Duration // from the start of the process until it served
	ended chan struct{}
	err   error // of its end
}

// launch runs `freehold serve` until the test ends. prefix is a command line in
// front of it, such as prlimit's.
func launch(t testing.TB, path string, env []string, prefix ...string) *process {
	t.Helper()
	argv := slices.Concat(prefix, []string{binary(t), "serve", "--config", path})
	p := &process{Cmd: exec.Command(argv[0], argv[1:]...), log: &logBook{}, ended: make(chan struct{})}
	p.Env = append(os.Environ(), env...)
	p.Stdout, p.Stderr = p.log, p.log
	begun := time.Now()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { p.kill(t) })
	for p.url == "" {
		select {
		case <-p.ended:
			t.Fatalf("freehold ended at once: %v\n%s", p.err, p.log)
		case <-time.After(time.Millisecond):
		}
		if time.Since(begun) > patience {
			t.Fatalf("freehold does not serve:\n%s", p.log)
		}
		p.url = listening(p.log.String())
	}
	p.ready = time.Since(begun)
	return p
}

// listening finds the address in the log's line that says that it serves.
func listening(log string) string {
	for line := range strings.Lines(log) {
		var e struct{ Msg, Listen string }
		if json.Unmarshal([]byte(line), &e) == nil && e.Msg == "serving" {
			return "http://" + e.Listen
		}
	}
	return ""
}

// kill is kill -9.
func (p *process) kill(t testing.TB) {
	t.Helper()
	select {
	case <-p.ended:
		return
	default:
	}
	if err := p.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-p.ended
}

// terminate asks it to end, as service managers do, and expects it to do so well.
func (p *process) terminate(t testing.TB) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
		if p.err != nil {
			t.Errorf("freehold ended with %v:\n%s", p.err, p.log.tail(4000))
		}
	case <-time.After(patience):
		t.Errorf("freehold does not end:\n%s", p.log.tail(4000))
	}
}

// freehold runs another command of the program and returns its output.
func freehold(t testing.TB, path string, args ...string) string {
	t.Helper()
	c := exec.Command(binary(t), append(args, "--config", path)...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("freehold %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

var rssLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)

// rss is a process's resident memory in bytes.
func rss(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("resident memory can only be measured where there is /proc: %v", err)
	}
	m := rssLine.FindSubmatch(status)
	if m == nil {
		t.Fatalf("no VmRSS in /proc/%d/status", pid)
	}
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
