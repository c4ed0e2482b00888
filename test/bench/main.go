// Command bench measures freehold against its budgets: processor time, latency
// and memory beside a tuned net/http reverse proxy in front of the same mock
// provider, and the path through the local engine.
//
//	go run ./test/bench [-quick] [-only REGEXP] [-pairs N] [-d 2s] [-json] [-write]
//
// Machines are noisy, so nothing here is one number from one run: freehold and
// the proxy take turns, each turn gives one ratio, and what counts is the median
// of them, shown between the smallest and the largest. It needs Linux (/proc).
//
// The programs to measure with (mockllm, loadgen, revproxy) are not part of this
// repository: $FREEHOLD_BENCH names the Go module that has them, by default
// ../shared/bench. They are built into .parts/bin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	quick, json, write bool
	only               *regexp.Regexp
	pairs              int
	duration           time.Duration
	freehold           string
	verbose            bool
}

// docs is the page whose generated part -write replaces.
const docs = "docs/benchmarks.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse() (options, error) {
	var o options
	var only string
	flag.BoolVar(&o.quick, "quick", false, "about a minute: short turns, few of them, no 10,000 streams")
	flag.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flag.BoolVar(&o.write, "write", false, "put the figures into "+docs)
	flag.StringVar(&only, "only", "", "measure the figures whose name matches this `REGEXP`")
	flag.IntVar(&o.pairs, "pairs", 0, "turns of each figure (default 5, 3 with -quick)")
	flag.DurationVar(&o.duration, "d", 0, "measured time of a turn (default 2s, 500ms with -quick)")
	flag.StringVar(&o.freehold, "freehold", "", "measure this `PROGRAM` instead of building ./cmd/freehold")
	flag.BoolVar(&o.verbose, "v", false, "tell every turn on standard error")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.write && only != "" {
		return o, errors.New("-write is for all figures: leave out -only")
	}
	if o.pairs == 0 {
		o.pairs = 5
		if o.quick {
			o.pairs = 3
		}
	}
	if o.duration == 0 {
		o.duration = 2 * time.Second
		if o.quick {
			o.duration = 500 * time.Millisecond
		}
	}
	return o, nil
}

func run(ctx context.Context) (err error) {
	o, err := parse()
	if err != nil {
		return err
	}
	machine, err := describeMachine()
	if err != nil {
		return err
	}
	p, err := buildPrograms(ctx, o.freehold)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "freehold-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	b := &bench{options: o, programs: p, dir: dir}
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"start", b.start}, {"load", b.load}, {"shadow", b.shadow}, {"streams", b.streams}, {"local", b.local}, {"overload", b.overload},
	} {
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	report := Report{Machine: machine, Quick: o.quick, Pairs: o.pairs, Seconds: o.duration.Seconds(), Figures: b.figures}
	if o.write {
		if err := report.writeInto(docs); err != nil {
			return err
		}
	}
	if o.json {
		return report.json(os.Stdout)
	}
	return report.text(os.Stdout)
}

// bench is one run of the program.
type bench struct {
	options
	programs programs
	dir      string // for states and configurations; gone at the end
	figures  []Figure
	peak     float64 // MiB resident over all turns of freehold under load
}

// wanted reports whether a figure is to be measured.
func (b *bench) wanted(name string) bool { return b.only.MatchString(name) }

// add takes a figure into the report.
func (b *bench) add(f Figure) {
	f.judge()
	b.figures = append(b.figures, f)
	fmt.Fprintln(os.Stderr, "bench:", f.line())
}

// tell reports a turn, if asked for.
func (b *bench) tell(format string, args ...any) {
	if b.verbose {
		fmt.Fprintf(os.Stderr, "  "+format+"\n", args...)
	}
}

// path is a file of this run.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
