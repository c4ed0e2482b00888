package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

func (p *program) captureCommand() *cobra.Command {
	return group("capture", "Show, export and erase prompts and answers that workloads keep",
		`  freehold capture list --workload support-chat --since 24h
  freehold capture show 01936f5e-7c1a-7000-8000-1b2c3d4e5f60 --reason ticket-812
  freehold capture export support-chat --min-score 0.8 train.jsonl
  freehold capture erase --user customer-17 --reason "erasure request"`,
		p.captureListCommand(), p.captureShowCommand(), p.captureExportCommand(), p.captureEraseCommand())
}

// selectsCaptures gives a command the flags that select captured requests.
func (p *program) selectsCaptures(c *cobra.Command, f *admin.CaptureFilter) {
	p.between(c, &f.Since, &f.Until)
	c.Flags().StringVar(&f.Workload, "workload", "", "only of this `WORKLOAD`")
	c.Flags().StringVar(&f.Key, "key", "", "only of this virtual `KEY` (id or name)")
	c.Flags().StringVar(&f.Tenant, "tenant", "", "only of this `TENANT`")
	c.Flags().StringVar(&f.User, "user", "", "only of this end `USER`, as requests name it")
}

func (p *program) captureListCommand() *cobra.Command {
	var f admin.CaptureFilter
	limit := 100
	c := p.changes(p.facts(&cobra.Command{
		Use:   "list",
		Short: "List requests whose texts are kept, newest first",
		Long: `list shows which requests have their prompts and answers kept, and until when,
without the texts. That they were listed, by whom and why, is in the history.`,
		Example: `  freehold capture list --workload support-chat --since 24h`,
		Args:    takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.CaptureList, admin.CapturesIn{CaptureFilter: f, Limit: limit, Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			if len(out.Captures) == 0 {
				p.nothing("no texts are kept", admin.Filter{Workload: f.Workload})
				return nil
			}
			t := table{columns: []column{{head: "REQUEST", keep: true}, {head: "WORKLOAD", below: true}, {head: "OUTCOME"}, {head: "SIZE", right: true}, {head: "UNTIL (UTC)", keep: true, below: true}}}
			for _, r := range out.Captures {
				t.row(r.ID, r.Workload, r.Outcome, size(r.Size), at(r.Expires))
			}
			p.print(&t)
			return nil
		},
	}))
	p.selectsCaptures(c, &f)
	c.Flags().Var(whole(&limit, 1, admin.MaxLimit), "limit", fmt.Sprintf("at most `N` requests, up to %d", admin.MaxLimit))
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
		Args:    takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			out, err := call(c.Context(), p, admin.CaptureShow, admin.CaptureIn{ID: a[0], Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.fields("request", out.ID, "time", at(out.Time)+" UTC", "kept until", at(out.Expires)+" UTC", "workload", out.Workload, "key", out.KeyID,
				"tenant", out.Tenant, "user", out.User, "data classes", strings.Join(out.DataClasses, ", "), "dialect", out.Dialect, "outcome", out.Outcome)
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
	var f admin.CaptureFilter
	c := p.changes(p.facts(&cobra.Command{
		Use:   "erase [REQUEST_ID]",
		Short: "Erase prompts and answers for good",
		Long: `erase deletes the kept texts of one request, or of all that --workload, --key,
--tenant and --user select together, and the comments on them that came as
feedback, and overwrites their place in the state.
The ledger keeps what it has of the requests, which is no text. A key that was
rotated has an id of its own: erase each. Backups of the state are not reached.`,
		Example: `  freehold capture erase 01936f5e-7c1a-7000-8000-1b2c3d4e5f60
  freehold capture erase --user customer-17 --reason "erasure request"`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, a []string) error {
			in := admin.CaptureEraseIn{CaptureFilter: f, Reason: p.reason}
			if len(a) > 0 {
				in.ID = a[0]
			}
			out, err := call(c.Context(), p, admin.CaptureErase, in)
			if err != nil || p.json {
				return p.done(out, err)
			}
			said := "erased the texts of " + plural(out.Erased, "request")
			if out.Erased > 0 {
				said += " (with copies by rollouts)"
			}
			fmt.Fprintln(p.out, said)
			if out.Comments > 0 {
				fmt.Fprintf(p.out, "erased %s on requests\n", plural(out.Comments, "comment"))
			}
			return nil
		},
	}))
	p.selectsCaptures(c, &f)
	return c
}
