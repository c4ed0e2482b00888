package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

// filter are the flags that select requests.
type filter struct {
	admin.Filter
	since, until string
}

func (f *filter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.since, "since", "", "from `TIME` on: 24h or 7d ago, 2026-01-31, 2026-01-31T15:04:05Z")
	c.Flags().StringVar(&f.until, "until", "", "before `TIME`")
	c.Flags().StringVar(&f.Workload, "workload", "", "only this `WORKLOAD`")
	c.Flags().StringVar(&f.Model, "model", "", "only this `MODEL`")
	c.Flags().StringVar(&f.Provider, "provider", "", "only this `PROVIDER`")
	c.Flags().StringVar(&f.Key, "key", "", "only this virtual `KEY` (id or name)")
	c.Flags().StringVar(&f.Outcome, "outcome", "", "only this `OUTCOME`: ok, partial, client_error, refused, shed, canceled, failed, unknown")
}

func (f *filter) read(p *program) (err error) {
	if f.Since, err = when("since", f.since, p.clock()); err != nil {
		return err
	}
	f.Until, err = when("until", f.until, p.clock())
	return err
}

func (p *program) usageCommand() *cobra.Command {
	var f filter
	var by []string
	var single bool
	var limit int
	var after string
	c := p.facts(&cobra.Command{
		Use:   "usage",
		Short: "Show requests, tokens, money and latency",
		Long: `usage sums up the ledger, by workload, model, provider, key, outcome, day or
hour; with --requests it lists single requests, newest first. Costs are exact;
a cost that is not known is shown as ?, and counted apart, never as 0.`,
		Example: `  freehold usage --since 7d --by day,model
  freehold usage --requests --outcome failed --limit 20
  freehold usage --requests --json`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.read(p); err != nil {
				return err
			}
			if single {
				if c.Flags().Changed("by") {
					return usagef("--by groups sums, --requests lists single requests: give one of them")
				}
				out, err := call(c.Context(), p, admin.Requests, admin.RequestsIn{Filter: f.Filter, Limit: limit, After: after})
				if err != nil || p.json {
					return p.done(out, err)
				}
				p.printRequests(out)
				return nil
			}
			out, err := call(c.Context(), p, admin.Usage, admin.UsageIn{Filter: f.Filter, By: by})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printUsage(out, by)
			return nil
		},
	})
	f.flags(c)
	c.Flags().StringSliceVar(&by, "by", []string{"workload", "model"}, "group by workload, model, provider, key, outcome, day, hour")
	c.Flags().BoolVar(&single, "requests", false, "list single requests")
	c.Flags().IntVar(&limit, "limit", 100, "at most `N` requests")
	c.Flags().StringVar(&after, "after", "", "the page behind the request with this `ID`")
	return c
}

func (p *program) printRequests(out admin.RequestsOut) {
	if len(out.Requests) == 0 {
		fmt.Fprintln(p.err, "no requests")
		return
	}
	t := table{columns: []column{{head: "REQUEST", keep: true}, {head: "WORKLOAD"}, {head: "DEPLOYMENT"}, {head: "OUTCOME", keep: true},
		{head: "TOTAL", right: true, keep: true}, {head: "COST USD", right: true, keep: true}}}
	for _, r := range out.Requests {
		name := r.Workload
		if name == "" {
			name = r.Asked
		}
		t.row(r.ID, orNone(name), orNone(r.Deployment), r.Outcome, millis(r.Total), strings.TrimSuffix(costOf(r.Cost, r.Currency), " "+r.Currency))
	}
	p.print(&t)
	if out.Next != "" {
		fmt.Fprintf(p.err, "there may be more: --after %s\n", out.Next)
	}
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

func (p *program) printUsage(out admin.UsageOut, by []string) {
	if out.Sum == nil {
		fmt.Fprintln(p.err, "no requests")
		return
	}
	var t table
	for _, b := range by {
		t.columns = append(t.columns, column{head: strings.ToUpper(b)})
	}
	if len(by) == 0 {
		t.columns = append(t.columns, column{})
	}
	t.columns = append(t.columns, column{head: "REQ", right: true, keep: true}, column{head: "ERR", right: true, keep: true},
		column{head: "TOK IN", right: true, keep: true}, column{head: "TOK OUT", right: true, keep: true},
		column{head: "COST", right: true, keep: true}, column{head: "P95", right: true, keep: true})
	add := func(names []string, g *admin.Group) {
		cost := money(g.Cost, g.Currency)
		if g.CostUnknown > 0 && g.Cost.IsZero() {
			cost = unknown
		} else if g.CostUnknown > 0 {
			cost += "+?"
		}
		t.row(append(names, count(g.Requests), count(g.Errors), count(g.Tokens.In), count(g.Tokens.Out), cost, latency(g.Total.P95))...)
	}
	for i := range out.Groups {
		g := &out.Groups[i]
		var names []string
		for _, b := range by {
			v := g.By[b]
			if b == "key" && g.KeyName != "" {
				v = g.KeyName
			}
			names = append(names, orNone(v))
		}
		add(names, g)
	}
	total := make([]string, max(len(by), 1))
	total[0] = "total"
	add(total, out.Sum)
	p.print(&t)
	if out.Sum.CostUnknown > 0 {
		fmt.Fprintf(p.err, "?: the cost of %s is not known: their model has no price\n", plural(int(out.Sum.CostUnknown), "request"))
	}
}
