package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminalKey is where a script keeps its terminal.
type terminalKey struct{}

// terminalOf is a command that runs on a terminal of its own.
type terminalOf struct {
	cmd    *exec.Cmd
	master *os.File
	read   chan struct{} // closed when all is read

	mu      sync.Mutex
	text    []byte // that was not expected yet
	all     []byte
	changed chan struct{} // closed and replaced at more text
}

// scriptEnv are the variables of scripts that a command on a terminal has, too.
var scriptEnv = []string{"PATH", "HOME", "TMPDIR", "USER", "FREEHOLD_CACHE", "LISTEN", "MOCK_URL", "ONE", "TWO"}

// tty runs a command on a terminal: tty start COMMAND..., tty expect REGEXP,
// tty send TEXT, tty end CODE. All that it showed is the output of the last.
func tty(ts *testscript.TestScript, _ bool, a []string) {
	held := ts.Value(terminalKey{}).(**terminalOf)
	switch a[0] {
	case "start":
		t, err := startOnTerminal(ts, a[1:])
		ts.Check(err)
		*held = t
	case "expect":
		(*held).expect(ts, regexp.MustCompile(a[1]))
	case "send":
		text, err := strconv.Unquote(`"` + a[1] + `"`)
		ts.Check(err)
		_, err = (*held).master.WriteString(text)
		ts.Check(err)
	case "end":
		(*held).end(ts, a[1])
	default:
		ts.Fatalf("tty %s", a[0])
	}
}

func startOnTerminal(ts *testscript.TestScript, args []string) (*terminalOf, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	var n int
	raw, err := master.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			n, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, errors.Join(err, master.Close())
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	t := &terminalOf{cmd: exec.Command(args[0], args[1:]...), master: master, read: make(chan struct{}), changed: make(chan struct{})}
	t.cmd.Dir, t.cmd.Env = ts.MkAbs("."), []string{"TERM=xterm"}
	for _, name := range scriptEnv {
		t.cmd.Env = append(t.cmd.Env, name+"="+ts.Getenv(name))
	}
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = slave, slave, slave
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := errors.Join(t.cmd.Start(), slave.Close()); err != nil {
		return nil, errors.Join(err, master.Close())
	}
	ts.Defer(func() {
		_ = t.cmd.Process.Kill() // it has ended, unless the script failed
		_ = master.Close()
	})
	go t.readAll()
	return t, nil
}

// readAll reads until nobody has the terminal open any more.
func (t *terminalOf) readAll() {
	defer close(t.read)
	part := make([]byte, 4096)
	for {
		n, err := t.master.Read(part)
		t.mu.Lock()
		t.text, t.all = append(t.text, part[:n]...), append(t.all, part[:n]...)
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until the text behind what was expected last matches.
func (t *terminalOf) expect(ts *testscript.TestScript, re *regexp.Regexp) {
	limit := time.After(2 * time.Minute)
	for {
		t.mu.Lock()
		at, text, changed := re.FindIndex(t.text), string(t.text), t.changed
		if at != nil {
			t.text = t.text[at[1]:]
		}
		t.mu.Unlock()
		if at != nil {
			return
		}
		select {
		case <-changed:
		case <-t.read:
			if t.mu.Lock(); re.Match(t.text) {
				t.mu.Unlock()
				continue
			}
			t.mu.Unlock()
			ts.Fatalf("it ended without %s: %q", re, text)
		case <-limit:
			ts.Fatalf("no match for %s in %q", re, text)
		}
	}
}

// end waits for the command's end.
func (t *terminalOf) end(ts *testscript.TestScript, code string) {
	select {
	case <-t.read:
	case <-time.After(2 * time.Minute):
		ts.Fatalf("it does not end: %q", t.all)
	}
	var ended *exec.ExitError
	if err := t.cmd.Wait(); err != nil && !errors.As(err, &ended) {
		ts.Fatalf("%v", err)
	}
	_, err := ts.Stdout().Write(t.all)
	ts.Check(err)
	if got := strconv.Itoa(t.cmd.ProcessState.ExitCode()); got != code {
		ts.Fatalf("ended with %s, not %s: %q", got, code, t.all)
	}
}

// withTerminal gives a script a place for its terminal.
func withTerminal(e *testscript.Env) {
	var held *terminalOf
	e.Values[terminalKey{}] = &held
}
