package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"freehold/internal/admin"
	"freehold/internal/config"
	"freehold/internal/judge"
)

func (p *program) rolloutCommand() *cobra.Command {
	c := group("rollout", "Move a workload from one model to another, with evidence",
		`  freehold rollout start support-chat --to llama-3.1-70b
  freehold rollout status support-chat --watch
  freehold rollout rollback support-chat --reason ticket-812`,
		p.rolloutStartCommand(), p.rolloutStatusCommand(),
		p.rolloutChangeCommand("promote", "Go to the next stage or step, or approve the cutover",
			`promote does not wait for evidence: the rollout goes to its next stage or step.
At a cutover that takes several people (workloads.W.approvals) it is an
approval. Each person shows an administration key of their own by the variable
FREEHOLD_ADMIN_KEY, here or, with --server, from another machine; keys of one
name are one person's.`, admin.RolloutPromote),
		p.rolloutChangeCommand("pause", "Keep a rollout where it is",
			`pause keeps the share of the canary as it is and ends the copying of requests.
Nothing follows by itself but what protects clients: a broken gate still ends
the rollout, or takes a cutover back.`, admin.RolloutPause),
		p.rolloutResumeCommand(),
		p.rolloutChangeCommand("abort", "End a rollout before its cutover",
			`abort gives all requests to the old model again, at once. What is known stays:
freehold rollout report shows it.`, admin.RolloutAbort),
		p.rolloutChangeCommand("rollback", "Take the old model back, also long after the cutover",
			`rollback gives all requests to the old model again, at once, and writes it into
the configuration. It also works weeks after the rollout was done, as long as
the workload is still at the model to which it led.`, admin.RolloutBack),
		p.rolloutLabelCommand(), p.rolloutReportCommand())
	c.PersistentFlags().Var(base(&p.remote, "/admin/v1"), "server", "`URL` of a server elsewhere, with an administration key in $"+adminKey)
	return c
}

// share is a flag of a share: 5% or 0.05.
func share(to *float64) pflag.Value {
	return one[float64]{to, "share", func(s string) (float64, error) {
		v, err := config.ParseShare(s)
		if err != nil || v < 0 || v > 1 {
			return 0, errors.New("is no share: give 5% or 0.05")
		}
		return float64(v), nil
	}}
}

// shares is a flag of several shares.
type shares struct{ to *[]float64 }

// Set implements [pflag.Value].
func (f shares) Set(s string) error {
	*f.to = nil
	for part := range strings.SplitSeq(s, ",") {
		var v float64
		if err := share(&v).Set(strings.TrimSpace(part)); err != nil {
			return errors.New("are no shares: give 1%,5%,20%,100%")
		}
		*f.to = append(*f.to, v)
	}
	return nil
}

// String implements [pflag.Value].
func (f shares) String() string { return "" }

// Type implements [pflag.Value].
func (f shares) Type() string { return "shares" }

func (p *program) rolloutStartCommand() *cobra.Command {
	var in admin.RolloutStartIn
	var shadow, margin float64
	var step, watch time.Duration
	var samples int
	var manual bool
	var kind judge.Kind
	c := p.changes(p.facts(&cobra.Command{
		Use:   "start WORKLOAD [--to MODEL]",
		Short: "Start to move a workload to another model",
		Long: `start begins a rollout by the plan of rollouts.WORKLOAD in config.yaml, or by
the default one; flags take the place of what it says. First it shows what of
the workload's recorded traffic would break or change at the new model; what
breaks keeps it from starting, unless --yes. --check shows that, says whatever
else would keep it from starting, and starts nothing.

The new model is asked the same beside clients' requests (shadow), then answers
a growing share of conversations (canary), then is written into config.yaml
(cutover) and watched. What breaks a gate ends it, or takes it back, by itself.`,
		Example: `  freehold rollout start support-chat --to llama-3.1-70b --reason ticket-812
  freehold rollout start mail --to llama-3.1-70b --shadow 20% \
    --steps 5%,50%,100% --step-time 2h --samples 200 --margin 3%`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			in.Workload, in.Reason, in.Judge = a[0], p.reason, string(kind)
			set := func(name string, to func()) {
				if c.Flags().Changed(name) {
					to()
				}
			}
			set("shadow", func() { in.Shadow = &shadow })
			set("margin", func() { in.Margin = &margin })
			set("samples", func() { in.Samples = &samples })
			set("manual", func() { in.Manual = &manual })
			set("step-time", func() { s := step.Seconds(); in.StepSeconds = &s })
			set("watch", func() { s := watch.Seconds(); in.Watch = &s })
			if in.Check || !p.json {
				if err := p.checkRollout(c.Context(), in); err != nil || in.Check {
					return err
				}
			}
			out, err := call(c.Context(), p, admin.RolloutStart, in)
			if err != nil || p.json {
				return p.done(out, err)
			}
			fmt.Fprintln(p.out)
			p.printRollout(out.Rollout)
			return nil
		},
	}))
	f := c.Flags()
	f.StringVar(&in.To, "to", "", "the new `MODEL` (default: rollouts.WORKLOAD.to)")
	f.Var(share(&shadow), "shadow", "copy this `SHARE` of requests; 0: no shadow stage, and nothing is known of quality")
	f.Var(shares{&in.Steps}, "steps", "`SHARES` of conversations of the canary's steps: 1%,5%,20%,50%,100%")
	f.Var(span(&step), "step-time", "each step lasts at least this `TIME`")
	f.Var(whole(&samples, 0, 1_000_000), "samples", "each step has at least `N` requests of the new model")
	f.Var(share(&margin), "margin", "accept this loss of quality: a `SHARE` such as 5%")
	f.Var(span(&watch), "watch", "watch the cutover for this `TIME`")
	f.BoolVar(&manual, "manual", false, "nothing follows without freehold rollout promote")
	f.Var(choice(&kind, judge.Kinds()...), "judge", "`KIND` of judge: "+strings.Join(texts(judge.Kinds()), ", "))
	f.BoolVar(&in.Check, "check", false, "show what would break or be refused, and start nothing")
	f.BoolVarP(&in.Yes, "yes", "y", false, "start in spite of what breaks")
	return c
}

// checkRollout says what of the traffic would break, and whatever would keep the
// rollout from starting, as starting it does.
func (p *program) checkRollout(ctx context.Context, in admin.RolloutStartIn) error {
	only := in.Check
	in.Check = true
	out, err := call(ctx, p, admin.RolloutStart, in)
	switch {
	case err != nil:
		return err
	case !p.json:
		p.printPortability(p.out, &out.Portability)
	default:
		if err := printJSON(p.out, out); err != nil {
			return err
		}
	}
	if no := out.Refused; no != nil {
		return &admin.Error{Code: admin.CodeConflict, Message: no.Message, Hint: no.Hint}
	}
	if only && !p.json {
		fmt.Fprintln(p.out, "nothing keeps it from starting")
	}
	return nil
}

// printPortability says what a switch of the model would break or change.
func (p *program) printPortability(w io.Writer, out *admin.PortabilityOut) {
	fmt.Fprintf(w, "portability to %s: %s", tame(out.To), plural(int(out.Requests), "recorded request"))
	shown := 0
	for _, x := range out.Findings {
		if x.Severity == "fine" {
			continue
		}
		if shown++; shown == 1 {
			fmt.Fprintln(w)
		}
		line := fmt.Sprintf("%s: %s %s (%s): %s", x.Severity, x.Kind, x.Name, plural(int(x.Requests), "request"), x.What)
		if x.Do != "" {
			line += "; " + x.Do
		}
		fmt.Fprintln(w, "  "+wrap(tame(line), p.width()-4, "\n    "))
	}
	if shown == 0 {
		fmt.Fprintln(w, ", nothing of them breaks or changes")
	}
}

func (p *program) rolloutChangeCommand(use, short, long string, op admin.Op[admin.RolloutChangeIn, admin.RolloutStatus], more ...func(*admin.RolloutChangeIn)) *cobra.Command {
	return p.changes(p.facts(&cobra.Command{
		Use: use + " WORKLOAD", Short: short, Long: long,
		Example: "  freehold rollout " + use + " support-chat --reason ticket-812",
		Args:    takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			in := admin.RolloutChangeIn{Workload: a[0], Reason: p.reason}
			for _, change := range more {
				change(&in)
			}
			out, err := call(c.Context(), p, op, in)
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printRolloutHead(&out)
			return nil
		},
	}))
}

// sayStill says of what goes on by itself that it does not, where no server runs.
func (p *program) sayStill(ctx context.Context) {
	if p.server(ctx) == nil {
		fmt.Fprintln(p.err, "no server runs: what is shown was kept, and nothing goes on until freehold serve")
	}
}

func (p *program) rolloutResumeCommand() *cobra.Command {
	var budget string
	c := p.rolloutChangeCommand("resume", "Let a paused rollout go on",
		`resume lets a rollout go on that was paused by hand, or by itself: since its
budget was spent, since its judge did not answer, or since no decision came of
its pairs. One whose budget is spent takes another with --budget USD.`, admin.RolloutResume, func(in *admin.RolloutChangeIn) { in.Budget = budget })
	c.Flags().StringVar(&budget, "budget", "", "copies and judging may cost this much in all, in `USD`")
	return c
}

// watching is how often a live status is drawn.
const watching = time.Second

func (p *program) rolloutStatusCommand() *cobra.Command {
	var in admin.RolloutIn
	var live bool
	c := p.facts(&cobra.Command{
		Use:   "status [WORKLOAD]",
		Short: "Show rollouts: where they are, and what they wait for",
		Long: `status shows the last rollout of a workload: its stage, what is missing to go
on, the difference of quality with an interval that holds at every look (95 %),
by segment too, how often answers fail, and latencies. Without a workload it
lists all rollouts. --watch draws it anew each second until it has ended.`,
		Example: `  freehold rollout status
  freehold rollout status support-chat --watch`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, a []string) error {
			if len(a) == 0 {
				if live || in.ID != "" {
					return usagef("name the workload")
				}
				out, err := call(c.Context(), p, admin.RolloutList, admin.RolloutsIn{})
				if err != nil || p.json {
					return p.done(out, err)
				}
				p.printRollouts(out)
				if slices.ContainsFunc(out.Rollouts, func(r admin.Rollout) bool { return r.Ended == nil }) {
					p.sayStill(c.Context())
				}
				return nil
			}
			if in.Workload = a[0]; live && (p.json || !terminal(p.out)) {
				return usagef("--watch draws on a terminal, and this is none")
			}
			for {
				out, err := call(c.Context(), p, admin.RolloutStatusOf, in)
				if err != nil || p.json {
					return p.done(out, err)
				}
				if live {
					fmt.Fprint(p.out, "\x1b[H\x1b[2J")
				}
				p.printRollout(&out)
				if out.Ended == nil {
					p.sayStill(c.Context())
				}
				if !live || out.Ended != nil {
					return nil
				}
				select {
				case <-c.Context().Done(): // to be interrupted is how a look ends
					return nil
				case <-time.After(watching):
				}
			}
		},
	})
	c.Flags().BoolVar(&live, "watch", false, "draw it anew each second")
	c.Flags().StringVar(&in.ID, "rollout", "", "of an earlier one: its `ID`")
	return c
}
