package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"strings"
)

// event is one line of go test -json (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// report shows go test's output as it would be without -json and -v, and
// counts.
type report struct {
	out            io.Writer
	held           map[string][]string // output of a test under way
	passed, failed int
	skips          []skip
}

type skip struct{ Package, Test, Reason string }

func newReport(out io.Writer) *report { return &report{out: out, held: map[string][]string{}} }

func (r *report) add(e event) {
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "output", "build-output":
		switch {
		case e.Test != "":
			r.held[key] = append(r.held[key], e.Output)
		case e.Output != "PASS\n": // go test shows it only with -v
			fmt.Fprint(r.out, e.Output)
		}
	case "pass":
		if e.Test != "" {
			r.passed++
		}
		delete(r.held, key)
	case "fail":
		if e.Test != "" {
			r.failed++
			r.show(r.held[key])
		}
		delete(r.held, key)
	case "skip":
		if e.Test != "" {
			r.skips = append(r.skips, skip{e.Package, e.Test, reason(r.held[key])})
		}
		delete(r.held, key)
	}
}

// show writes a failed test's output without the lines that only -v has.
func (r *report) show(lines []string) {
	for _, l := range lines {
		if strings.HasPrefix(l, "=== ") {
			continue
		}
		fmt.Fprint(r.out, l)
	}
}

var (
	place  = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)
	status = regexp.MustCompile(`^\s*(---|===) `)
)

// reason is what a test said when it skipped.
func reason(lines []string) string {
	var said []string
	for _, l := range lines {
		if status.MatchString(l) {
			continue
		}
		if l = strings.TrimSpace(place.ReplaceAllString(l, "")); l != "" {
			said = append(said, l)
		}
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, " ")
}

// close shows tests that never ended, what skipped, and the count. It returns
// how many skips a CI run may not have.
func (r *report) close(allowed map[string]string, ci bool) (bad int) {
	// A crash or a timeout ends a package without its tests' own results; what
	// they had said is what explains it.
	for _, key := range sorted(r.held) {
		r.show(r.held[key])
	}
	for _, s := range r.skips {
		note := ""
		if why, ok := allowed[s.Package+" "+s.Test]; ok {
			note = " [allowed: " + why + "]"
		} else if ci {
			note = " [not allowed in CI]"
			bad++
		}
		fmt.Fprintf(r.out, "skipped: %s %s: %s%s\n", s.Package, s.Test, s.Reason, note)
	}
	fmt.Fprintf(r.out, "tests: %d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skips))
	return bad
}

func sorted(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// readAllowed reads lines of PACKAGE TEST REASON...; # begins a comment.
func readAllowed(file string) (map[string]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	allowed := map[string]string{}
	for n, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		f := strings.SplitN(line, " ", 3)
		if len(f) < 3 {
			return nil, fmt.Errorf("%s:%d: want PACKAGE TEST REASON", file, n+1)
		}
		allowed[f[0]+" "+f[1]] = f[2]
	}
	return allowed, nil
}
