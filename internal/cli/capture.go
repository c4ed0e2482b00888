package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

func (p *program) captureCommand() *cobra.Command {
	return group("capture", "Show and erase prompts and answers that workloads keep",
		`  freehold capture list --workload support-chat --since 24h
  freehold capture show 01936f5e-7c1a-7000-8000-1b2c3d4e5f60 --reason ticket-812
  freehold capture erase --user customer-17 --reason "erasure request"`,
		p.captureListCommand(), p.captureShowCommand(), p.captureEraseCommand())
}

// captureFilter are the flags that select captured requests.
type captureFilter struct {
	admin.CaptureFilter
	since, until string
}

func (f *captureFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.Workload, "workload", "", "only of this `WORKLOAD`")
	c.Flags().StringVar(&f.Key, "key", "", "only of this virtual `KEY` (id or name)")
	c.Flags().StringVar(&f.User, "user", "", "only of this end `USER`, as requests name it")
	c.Flags().StringVar(&f.since, "since", "", "from `TIME` on: 24h or 7d ago, 2026-01-31")
	c.Flags().StringVar(&f.until, "until", "", "before `TIME`")
}

func (f *captureFilter) read(p *program) (err error) {
	if f.Since, err = when("since", f.since, p.clock()); err != nil {
		return err
	}
	f.Until, err = when("until", f.until, p.clock())
	return err
}

func (p *program) captureListCommand() *cobra.Command {
	var f captureFilter
	var limit int
	c := p.changes(p.facts(&cobra.Command{
		Use:   "list",
		Short: "List requests whose texts are kept, newest first",
		Long: `list shows which requests have their prompts and answers kept, and until when,
without the texts. That they were listed, by whom and why, is in the history.`,
		Example: `  freehold capture list --workload support-chat --since 24h`,
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.read(p); err != nil {
				return err
			}
			out, err := call(c.Context(), p, admin.CaptureList, admin.CapturesIn{CaptureFilter: f.CaptureFilter, Limit: limit, Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			if len(out.Captures) == 0 {
				fmt.Fprintln(p.err, "no texts are kept")
				return nil
			}
			t := table{columns: []column{{head: "REQUEST", keep: true}, {head: "WORKLOAD"}, {head: "OUTCOME"}, {head: "SIZE", right: true}, {head: "UNTIL (UTC)"}}}
			for _, r := range out.Captures {
				t.row(r.ID, r.Workload, r.Outcome, size(r.Size), at(r.Expires))
			}
			p.print(&t)
			return nil
		},
	}))
	f.flags(c)
	c.Flags().IntVar(&limit, "limit", 100, "at most `N` requests")
	return c
}

func (p *program) captureShowCommand() *cobra.Command {
	return p.changes(p.facts(&cobra.Command{
		Use:   "show REQUEST_ID",
		Short: "Show the prompt and the answer of a request",
		Long: `show prints the body of a request and its answer as they were kept. That they
were read, by whom and why, is in the history. Without a running server it needs
the key of capture.key in this environment.`,
		Example: `  freehold capture show 01936f5e-7c1a-7000-8000-1b2c3d4e5f60 --reason ticket-812`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			out, err := call(c.Context(), p, admin.CaptureShow, admin.CaptureIn{ID: a[0], Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.fields("request", out.ID, "time", at(out.Time)+" UTC", "kept until", at(out.Expires)+" UTC", "workload", out.Workload, "key", out.KeyID,
				"user", out.User, "data classes", strings.Join(out.DataClasses, ", "), "dialect", out.Dialect, "outcome", out.Outcome)
			p.printText("request", out.Request)
			p.printText("answer", out.Answer)
			return nil
		},
	}))
}

func (p *program) printText(what string, t admin.CaptureText) {
	note := ""
	if t.Cut {
		note = ", the beginning of it"
	}
	fmt.Fprintf(p.out, "\n--- %s (%s%s)\n%s\n", what, size(t.Size), note, tameLines(t.Text))
}

func (p *program) captureEraseCommand() *cobra.Command {
	var f captureFilter
	c := p.changes(p.facts(&cobra.Command{
		Use:   "erase [REQUEST_ID]",
		Short: "Erase prompts and answers for good",
		Long: `erase deletes the kept texts of one request, or of all that --workload, --key
and --user select together, and overwrites their place in the state. The ledger
keeps what it has of the requests, which is no text. A key that was rotated has
an id of its own: erase each. Backups of the state are not reached.`,
		Example: `  freehold capture erase 01936f5e-7c1a-7000-8000-1b2c3d4e5f60
  freehold capture erase --user customer-17 --reason "erasure request"`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			if err := f.read(p); err != nil {
				return err
			}
			in := admin.CaptureEraseIn{CaptureFilter: f.CaptureFilter, Reason: p.reason}
			if len(a) > 0 {
				in.ID = a[0]
			}
			out, err := call(c.Context(), p, admin.CaptureErase, in)
			if err != nil || p.json {
				return p.done(out, err)
			}
			fmt.Fprintf(p.out, "erased the texts of %s\n", plural(out.Erased, "request"))
			return nil
		},
	}))
	f.flags(c)
	return c
}
