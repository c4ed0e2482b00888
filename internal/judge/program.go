package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// DefaultTimeout is how long a program may take for one sample.
const DefaultTimeout = 30 * time.Second

const (
	maxOutput = 64 << 10 // bytes that a program may print
	maxStderr = 2 << 10  // bytes of the end of its complaints that are shown
	maxGrace  = time.Second
)

// passed are the variables of freehold's own environment that a program gets.
// The others may hold keys.
var passed = []string{"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "USERPROFILE"}

// program asks one of the user's: the sample as JSON on its standard input, the
// scores as JSON on its standard output.
type program struct {
	command []string
	timeout time.Duration
	env     []string
}

func newProgram(spec Spec) (Judge, error) {
	if len(spec.Command) == 0 || spec.Command[0] == "" {
		return nil, errors.New("command is missing: the program and its arguments")
	}
	if spec.Timeout < 0 {
		return nil, fmt.Errorf("timeout is %s: it must be above 0", spec.Timeout)
	}
	p := program{command: spec.Command, timeout: spec.Timeout}
	if p.timeout == 0 {
		p.timeout = DefaultTimeout
	}
	for _, e := range os.Environ() {
		if name, _, ok := strings.Cut(e, "="); ok && slices.Contains(passed, strings.ToUpper(name)) {
			p.env = append(p.env, e)
		}
	}
	for _, e := range spec.Environment {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return nil, fmt.Errorf("environment: %.40q is not NAME=value", e)
		}
		p.env = append(p.env, e)
	}
	return p, nil
}

func (p program) Judge(ctx context.Context, s Sample) (Verdict, error) {
	b, c := s.Baseline.Missing(), s.Candidate.Missing()
	if b != "" && c != "" {
		return unanswered(b, c), nil
	}
	out, err := p.run(ctx, s)
	if err != nil {
		return Verdict{}, err
	}
	if b != "" {
		out.baseline = 0
	}
	if c != "" {
		out.candidate = 0
	}
	basis := Check
	if s.Want != nil {
		basis = Reference
	}
	v := verdict(out.baseline, out.candidate, basis, both(b, c))
	v.Quote = out.detail // in the program's words, and perhaps the answers'
	return v, nil
}

// given is what a program printed.
type given struct {
	baseline, candidate float64
	detail              string
}

func (p program) run(ctx context.Context, s Sample) (given, error) {
	in, err := json.Marshal(s)
	if err != nil {
		return given{}, err
	}
	// The time of this program is told apart from that of the caller.
	late := fmt.Errorf("it was not done after %s", p.timeout)
	limited, cancel := context.WithTimeoutCause(ctx, p.timeout, late)
	defer cancel()
	cmd := exec.CommandContext(limited, p.command[0], p.command[1:]...)
	stdout, stderr := &capped{max: maxOutput}, &tail{max: maxStderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), stdout, stderr
	cmd.Env = p.env
	cmd.WaitDelay = maxGrace // children that keep its output open are not waited for
	ownGroup(cmd)
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		endGroup(cmd)
		err = errors.New("it is done and left a process behind that keeps its output open")
	}
	switch {
	case ctx.Err() != nil:
		return given{}, ctx.Err()
	case limited.Err() != nil:
		err = context.Cause(limited)
	case stdout.over:
		err = fmt.Errorf("it printed more than %d bytes", maxOutput)
	}
	if err != nil {
		return given{}, fmt.Errorf("program %.80q: %w%s", p.command[0], err, stderr.said())
	}
	out, err := readGiven(stdout.b)
	if err != nil {
		return given{}, fmt.Errorf("program %.80q: %w%s", p.command[0], err, stderr.said())
	}
	return out, nil
}

func readGiven(b []byte) (given, error) {
	var out struct {
		Baseline  *float64 `json:"baseline"`
		Candidate *float64 `json:"candidate"`
		Detail    string   `json:"detail"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		return given{}, fmt.Errorf(`it must print {"baseline": 0 to 1, "candidate": 0 to 1} and printed %.120q: %w`, b, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return given{}, fmt.Errorf("it printed more than one JSON object: %.120q", b)
	}
	for _, score := range []*float64{out.Baseline, out.Candidate} {
		if score == nil || !(*score >= 0 && *score <= 1) {
			return given{}, fmt.Errorf("it must print baseline and candidate from 0 to 1, and printed %.120q", b)
		}
	}
	return given{*out.Baseline, *out.Candidate, clip(out.Detail, maxDetail)}, nil
}

// capped keeps a bounded output; what is over it ends the program, which can
// then write no more.
type capped struct {
	b    []byte
	max  int
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if len(c.b)+len(p) > c.max {
		c.over = true
		return 0, errors.New("too much output")
	}
	c.b = append(c.b, p...)
	return len(p), nil
}

// tail keeps the end of what is written.
type tail struct {
	b   []byte
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - t.max; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) said() string {
	text := strings.ToValidUTF8(strings.TrimSpace(string(t.b)), "")
	if text == "" {
		return ""
	}
	return "; it said: " + text
}
