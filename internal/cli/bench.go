package cli

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"
)

// benchFlags say how to measure.
type benchFlags struct {
	at          gatewayFlags
	concurrency int
	rest, peak  time.Duration
	prompt      string
	maxTokens   int
	plain       bool
	plot        string
	workload    string
	limit       int // requests in each part; 0: none
}

func (p *program) benchCommand() *cobra.Command {
	f := benchFlags{concurrency: 8, peak: 10 * time.Second, rest: 5 * time.Second, maxTokens: 64}
	c := p.facts(&cobra.Command{
		Use:   "bench [WORKLOAD]",
		Short: "Measure latency and throughput of a workload through the gateway",
		Long: `bench asks a workload through the gateway, as applications do: first one request
at a time (at rest), then many at a time (at peak). It shows the time to the
first content, the gaps between pieces of a stream, whole answers, answers and
tokens per second. Who is told to wait (Retry-After) does, for at most five
seconds, before it asks again. It sends real requests: they cost what they cost.
It ends with 1 if requests failed.`,
		Example: `  freehold bench chat --concurrency 16 --duration 30s
  freehold bench chat --json --plot plots/`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, a []string) error {
			if len(a) > 0 {
				f.workload = a[0]
			}
			return p.bench(c.Context(), f)
		},
	})
	f.at.flags(c)
	fl := c.Flags()
	fl.VarP(whole(&f.concurrency, 1, 10_000), "concurrency", "c", "`N` requests at a time, at peak")
	fl.VarP(span(&f.peak), "duration", "d", "how long to measure at peak; 0: not at all")
	fl.Var(span(&f.rest), "rest", "how long to measure at rest; 0: not at all")
	fl.VarP(whole(&f.limit, 0, math.MaxInt), "requests", "n", "at most `N` requests in each part; 0: no limit")
	fl.StringVar(&f.prompt, "prompt", "Say in a few words what a gateway does.", "ask `TEXT`")
	fl.Var(whole(&f.maxTokens, 0, math.MaxInt), "max-tokens", "at most `N` tokens an answer; 0: the provider's own limit")
	fl.BoolVar(&f.plain, "no-stream", false, "ask for whole answers instead of streams")
	fl.StringVar(&f.plot, "plot", "", "also draw the distributions, as SVG and PNG in `DIR`")
	return c
}

// benched is the whole measurement.
type benched struct {
	Workload  string    `json:"workload"`
	URL       string    `json:"url"`
	Streaming bool      `json:"streaming"`
	MaxTokens int       `json:"max_tokens"`
	Started   time.Time `json:"started"`
	Parts     []*part   `json:"parts"`
	Plots     []string  `json:"plots,omitempty"`
}

// part is one part of it.
type part struct {
	Name            string           `json:"name"`
	Concurrency     int              `json:"concurrency"`
	Seconds         float64          `json:"seconds"`
	Requests        int64            `json:"requests"` // answered or not
	Answered        int64            `json:"answered"`
	Errors          map[string]int64 `json:"errors"`
	RequestsPerSec  float64          `json:"requests_per_second"` // that were answered
	TokensOutPerSec float64          `json:"tokens_out_per_second"`
	TokensOut       int64            `json:"tokens_out"`
	FirstToken      quantiles        `json:"first_token"`
	Gap             quantiles        `json:"gap"`
	Total           quantiles        `json:"total"`

	first, gap, total *hdrhistogram.Histogram
}

// quantiles of a distribution, in milliseconds.
type quantiles struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func quantilesOf(h *hdrhistogram.Histogram) quantiles {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	if h.TotalCount() == 0 {
		return quantiles{}
	}
	return quantiles{h.TotalCount(), ms(h.ValueAtQuantile(50)), ms(h.ValueAtQuantile(90)), ms(h.ValueAtQuantile(99)), ms(h.Max())}
}

func (p *program) bench(ctx context.Context, f benchFlags) (err error) {
	if f.rest == 0 && f.peak == 0 {
		return usagef("--rest 0 and --duration 0 leave nothing to measure")
	}
	if f.workload == "" {
		known, err := p.names(ctx, f.at)
		if err != nil {
			return err
		}
		if f.workload = known.usual(); f.workload == "" {
			return errWhich
		}
	}
	if f.plot != "" { // before anything is measured for nothing
		if err := os.MkdirAll(f.plot, 0o755); err != nil {
			return fmt.Errorf("the plots have no place: %w", err)
		}
	}
	g, err := p.reach(ctx, f.at)
	if err != nil {
		return err
	}
	defer finish(&err, g.stop)
	g.widen(f.concurrency)
	out := benched{Workload: f.workload, URL: g.url, Streaming: !f.plain, MaxTokens: f.maxTokens, Started: p.clock().UTC()}
	q := question{Model: f.workload, Messages: []message{{"user", f.prompt}}, MaxTokens: f.maxTokens, Stream: !f.plain}
	if _, err := g.ask(ctx, q, nil, p.clock, ignore); err != nil {
		return fmt.Errorf("the first request failed, so nothing is measured: %w", err)
	}
	if f.rest > 0 {
		out.Parts = append(out.Parts, p.measure(ctx, g, q, "rest", 1, f.rest, f.limit))
	}
	if f.peak > 0 && ctx.Err() == nil {
		out.Parts = append(out.Parts, p.measure(ctx, g, q, "peak", f.concurrency, f.peak, f.limit))
	}
	if f.plot != "" {
		if out.Plots, err = drawBench(f.plot, &out); err != nil {
			return err
		}
	}
	if p.json {
		err = printJSON(p.out, out)
	} else {
		p.printBench(&out)
	}
	for _, part := range out.Parts {
		if len(part.Errors) > 0 && err == nil {
			err = errNo
		}
	}
	return err
}

func ignore(string) error { return nil }

// measure asks with n requests at a time until the time is over or the limit
// is reached. Requests under way at the end are let to end, and counted.
func (p *program) measure(ctx context.Context, g *gateway, q question, name string, n int, d time.Duration, limit int) *part {
	fmt.Fprintf(p.err, "%s: %s at a time for %s\n", name, plural(n, "request"), d)
	out := &part{Name: name, Concurrency: n, Errors: map[string]int64{}, first: histogram(), gap: histogram(), total: histogram()}
	start := p.clock()
	var mu sync.Mutex
	left := limit
	more := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil || p.clock().Sub(start) >= d || limit > 0 && left == 0 {
			return false
		}
		left--
		return true
	}
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			for more() {
				r, err := g.ask(ctx, q, nil, p.clock, ignore)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				out.add(r, err, q.Stream)
				mu.Unlock()
				if err != nil {
					pause(ctx, min(retryAfter(r), maxPause, d-p.clock().Sub(start)))
				}
			}
		})
	}
	wait.Wait()
	out.Seconds = p.clock().Sub(start).Seconds()
	if out.Seconds > 0 {
		out.RequestsPerSec = round2(float64(out.Answered) / out.Seconds)
		out.TokensOutPerSec = round2(float64(out.TokensOut) / out.Seconds)
	}
	out.FirstToken, out.Gap, out.Total = quantilesOf(out.first), quantilesOf(out.gap), quantilesOf(out.total)
	return out
}

// maxPause is how long a client of the measurement waits at most for its next
// request, whatever it is told.
const maxPause = 5 * time.Second

// retryAfter is how long an answer asks its client to wait.
func retryAfter(r *reply) time.Duration {
	if r == nil {
		return 0
	}
	s, err := strconv.ParseFloat(r.Header.Get("Retry-After"), 64)
	if err != nil || !(s > 0) {
		return 0
	}
	return time.Duration(min(s, maxPause.Seconds()) * float64(time.Second))
}

// pause waits, no longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// histogram holds microseconds up to an hour, to three digits.
func histogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3)
}

func (t *part) add(r *reply, err error, stream bool) {
	t.Requests++
	if err != nil {
		t.Errors[errorName(err)]++
		return
	}
	t.Answered++
	t.TokensOut += r.Usage.Out
	record(t.total, r.Total)
	if !stream {
		return
	}
	if r.FirstToken > 0 {
		record(t.first, r.FirstToken)
	}
	for _, gap := range r.Gaps {
		record(t.gap, gap)
	}
}

// record counts a duration; one beyond the histogram counts as its end.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	us := min(max(d.Microseconds(), 1), h.HighestTrackableValue())
	// Within the bounds it cannot fail.
	_ = h.RecordValue(us)
}

func round2(v float64) float64 { return float64(int64(v*100+0.5)) / 100 }

func (p *program) printBench(b *benched) {
	fmt.Fprintf(p.out, "workload %s through %s\n\n", b.Workload, b.URL)
	t := table{columns: []column{{head: "PART", keep: true}, {head: "AT A TIME", right: true, keep: true}, {head: "REQUESTS", right: true, keep: true}, {head: "ERRORS", right: true, keep: true},
		{head: "ANSWERS/S", right: true, keep: true}, {head: "TOKENS OUT/S", right: true, keep: true}}}
	lines := table{columns: []column{{head: "PART", keep: true}, {head: "WHAT", keep: true}, {head: "COUNT", right: true, keep: true}, {head: "P50", right: true, keep: true},
		{head: "P90", right: true, keep: true}, {head: "P99", right: true, keep: true}, {head: "MAX", right: true, keep: true}}}
	for _, x := range b.Parts {
		errs := int64(0)
		for _, n := range x.Errors {
			errs += n
		}
		t.row(x.Name, strconv.Itoa(x.Concurrency), count(x.Requests), count(errs), strconv.FormatFloat(x.RequestsPerSec, 'f', 1, 64), strconv.FormatFloat(x.TokensOutPerSec, 'f', 1, 64))
		for _, l := range []struct {
			name string
			q    quantiles
		}{{"first content", x.FirstToken}, {"gap between pieces", x.Gap}, {"whole answer", x.Total}} {
			if l.q.Count > 0 {
				lines.row(x.Name, l.name, count(l.q.Count), millis(l.q.P50), millis(l.q.P90), millis(l.q.P99), millis(l.q.Max))
			}
		}
	}
	p.print(&t)
	fmt.Fprintln(p.out)
	p.print(&lines)
	for _, x := range b.Parts {
		for _, name := range slices.Sorted(maps.Keys(x.Errors)) {
			fmt.Fprintf(p.out, "\n%s: %s failed with %s\n", tame(x.Name), plural(int(x.Errors[name]), "request"), tame(name))
		}
	}
	for _, f := range b.Plots {
		fmt.Fprintln(p.out, "drew", f)
	}
}
