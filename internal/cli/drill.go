package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/drill"
)

// drillFlags are the plan of a drill.
type drillFlags struct {
	kind      drill.Kind
	workload  string
	length    time.Duration
	delay     time.Duration
	share     float64
	synthetic bool
	file      string
	requests  int
	report    reportFlags
}

func (p *program) drillCommand() *cobra.Command {
	f := drillFlags{kind: drill.Down, length: 2 * time.Minute, delay: 2 * time.Second, share: 0.05}
	c := p.changes(p.facts(&cobra.Command{
		Use:   "drill PROVIDER",
		Short: "Play a bounded outage of a provider, and prove the failover",
		Long: `drill makes attempts at a provider fail inside freehold, for a share of the
requests and a while; the provider itself and all other requests are left alone.
It stops by itself, at the latest when a client has seen one error; so does
Ctrl-C. Then it shows what happened: requests hit, who answered, what that took
and cost, and whether data stayed in its perimeter. All of it is in the history.
With --synthetic no client's request is touched: freehold asks by itself, the
prompts of --file, else what a workload with capture was asked before, else
harmless ones of its own. It ends with 1 if the drill was not passed, or if
nothing is proven: no request was hit, or a slow provider answered all the same
and its workload has no SLO that says how slow is too slow.`,
		Example: `  freehold drill openai --kind down --share 5% --for 2m
  freehold drill openai --workload support-chat --kind slow --delay 3s
  freehold drill mistral --synthetic -n 20
  freehold drill exit support-chat --md exit.md`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			return p.drill(c, f, admin.DrillStartIn{Kind: string(f.kind), Provider: a[0], Workload: f.workload})
		},
	}))
	fl := c.Flags()
	fl.Var(choice(&f.kind, drill.Kinds()...), "kind", "`KIND` of failure: "+strings.Join(texts(drill.Kinds()), ", "))
	fl.StringVar(&f.workload, "workload", "", "only requests of this `WORKLOAD`")
	fl.Var(span(&f.delay), "delay", "of kind slow: how much later answers begin")
	p.plansDrill(c, &f)
	c.AddCommand(p.drillExitCommand(), p.drillSelfCommand(), p.drillListCommand(), p.drillShowCommand(), p.drillStopCommand())
	return c
}

// plansDrill gives a command the flags that all drills have.
func (p *program) plansDrill(c *cobra.Command, f *drillFlags) {
	fl := c.Flags()
	fl.Var(span(&f.length), "for", "how long, at most")
	fl.Var(portion(&f.share), "share", "`SHARE` of the requests, such as 5%")
	fl.BoolVar(&f.synthetic, "synthetic", false, "let freehold ask by itself; --share is 100% then")
	fl.StringVar(&f.file, "file", "", "of --synthetic: ask what is in `FILE`, a JSON object a line: "+`{"prompt": "..."}, or a request with messages`)
	fl.VarP(whole(&f.requests, 1, 10_000), "requests", "n", "of --synthetic: ask `N` times (default 50, or each line of --file once)")
	f.report.flags(c)
}

// portion is a flag of a share: 5% or 0.05.
func portion(to *float64) pflag.Value {
	return one[float64]{to, "share", func(s string) (float64, error) {
		text, percent := strings.CutSuffix(s, "%")
		v, err := strconv.ParseFloat(text, 64)
		if percent {
			v /= 100
		}
		if err != nil || !(v > 0 && v <= 1) {
			return 0, errors.New("is no share: give 5% or 0.05, above 0 and at most 100%")
		}
		return v, nil
	}}
}

// drill starts one, follows it to its end and shows what came of it.
func (p *program) drill(c *cobra.Command, f drillFlags, in admin.DrillStartIn) (err error) {
	ctx := c.Context()
	for _, name := range []string{"file", "requests"} {
		if c.Flags().Changed(name) && !f.synthetic {
			return usagef("--%s is for --synthetic: give that too", name)
		}
	}
	if c.Flags().Changed("delay") && f.kind != drill.Slow {
		return usagef("--delay is for --kind slow")
	}
	if f.synthetic && !c.Flags().Changed("share") {
		f.share = 1
	}
	in.For, in.Share, in.Synthetic, in.Requests, in.Reason = f.length.String(), f.share, f.synthetic, f.requests, p.reason
	if f.kind == drill.Slow {
		in.Delay = f.delay.String()
	}
	if f.file != "" {
		if in.Prompts, err = jsonLines(f.file); err != nil {
			return err
		}
	}
	s, stop, err := p.drillServer(ctx, f.synthetic)
	if err != nil {
		return err
	}
	defer finish(&err, stop)
	d, err := admin.DrillStart.Call(ctx, s, in)
	if err != nil {
		return err
	}
	out, err := p.follow(ctx, s, d)
	if err != nil {
		return err
	}
	if err := p.writeReport(f.report, &out); err != nil {
		return err
	}
	if p.json {
		err = printJSON(p.out, out)
	} else {
		p.printDrill(&out)
	}
	if err == nil && (out.Report == nil || out.Report.Verdict != drill.Passed) {
		err = errNo
	}
	return err
}

// drillServer is the running server. A synthetic drill needs none: one is started
// for it.
func (p *program) drillServer(ctx context.Context, synthetic bool) (s *admin.Client, stop func() error, err error) {
	stop = func() error { return nil }
	if s = p.server(ctx); s != nil {
		return s, stop, nil
	}
	if cfg, ds := p.load(); cfg == nil {
		return nil, stop, &app.ConfigError{Diagnostics: ds}
	}
	if !synthetic {
		return nil, stop, &admin.Error{Code: admin.CodeNoServer, Message: "no server runs: a drill is of requests that it serves",
			Hint: "freehold serve, or give --synthetic"}
	}
	fmt.Fprintln(p.err, "no server runs: one is started for this command")
	if stop, err = p.serveFor(context.WithoutCancel(ctx)); err != nil { // Ctrl-C ends the drill first
		return nil, nil, err
	}
	if s = p.server(ctx); s == nil {
		return nil, stop, errors.Join(errors.New("the server cannot be reached by commands"), stop())
	}
	return s, stop, nil
}
