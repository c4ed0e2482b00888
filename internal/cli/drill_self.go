package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

func (p *program) drillSelfCommand() *cobra.Command {
	return p.changes(p.facts(&cobra.Command{
		Use:   "self [WORKLOAD]",
		Short: "Ask providers without the gateway: could applications do so?",
		Long: `self sends, for each workload, one tiny harmless request straight to the first
deployment that export env names, past the gateway and only where the workload's
data may go. It says what works as it is, what an application must change first,
what does not work, and what nobody does without freehold. The result is in the
history. It ends with 1 if a workload could not go on.`,
		Example: `  freehold drill self
  freehold drill self support-chat --json`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, a []string) error {
			in := admin.DrillSelfIn{Reason: p.reason}
			if len(a) > 0 {
				in.Workload = a[0]
			}
			out, err := call(c.Context(), p, admin.DrillSelf, in)
			if err != nil {
				return err
			}
			if p.json {
				err = printJSON(p.out, out)
			} else {
				p.printSelf(&out)
			}
			for i := range out.Workloads {
				if err == nil && out.Workloads[i].Result == admin.SelfFails {
					err = errNo
				}
			}
			return err
		},
	}))
}

func (p *program) printSelf(out *admin.DrillSelfOut) {
	for i := range out.Workloads {
		t := &out.Workloads[i]
		said := map[string]string{admin.SelfWorks: "works as it is", admin.SelfChanges: "works, with changes", admin.SelfFails: "does not work"}[t.Result]
		if t.None == "" {
			said += fmt.Sprintf(": %s at %s", t.ID, t.Provider)
		}
		line := func(head, text string) {
			if text != "" {
				fmt.Fprintf(p.out, "  %-8s%s\n", head, wrap(tame(text), p.width()-10, "\n          "))
			}
		}
		fmt.Fprintln(p.out, wrap(tame(t.Workload+" "+said), p.width(), "\n  "))
		line("why", t.Detail)
		line("change", strings.Join(t.Changes, "; "))
		line("lost", strings.Join(t.Lost, "; "))
	}
	fmt.Fprintf(p.out, "record %d of the history\n", out.Record)
}
