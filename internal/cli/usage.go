package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/ledger"
	"freehold/internal/suggest"
)

// between gives a command the flags of a time to look at, in UTC.
func (p *program) between(c *cobra.Command, since, until *time.Time) {
	c.Flags().Var(p.past(since), "since", "from `TIME` on: 24h or 7d ago, 2026-01-31, 2026-01-31T15:04:05Z (UTC)")
	c.Flags().Var(p.past(until), "until", "before `TIME`")
}

// selects gives a command the flags that select requests.
func (p *program) selects(c *cobra.Command, f *admin.Filter) {
	p.between(c, &f.Since, &f.Until)
	c.Flags().StringVar(&f.Workload, "workload", "", "only this `WORKLOAD`")
	c.Flags().StringVar(&f.Model, "model", "", "only this `MODEL`")
	c.Flags().StringVar(&f.Provider, "provider", "", "only this `PROVIDER`")
	c.Flags().StringVar(&f.Key, "key", "", "only this virtual `KEY` (id or name)")
	c.Flags().StringVar(&f.Tenant, "tenant", "", "only this `TENANT`")
	c.Flags().Var(choice(&f.Outcome, texts(ledger.Outcomes())...), "outcome", "only this `OUTCOME`: "+strings.Join(texts(ledger.Outcomes()), ", "))
}

func (p *program) usageCommand() *cobra.Command {
	var f admin.Filter
	var single bool
	var after string
	by, limit := []string{"workload", "model"}, 100
	c := p.facts(&cobra.Command{
		Use:   "usage",
		Short: "Show requests, tokens, money and latency",
		Long: `usage sums up the ledger, by workload, model, provider, key, tenant, outcome,
day or hour; with --requests it lists single requests, newest first. Costs are
exact; a cost that is not known is shown as ?, and counted apart, never as 0.`,
		Example: `  freehold usage --since 7d --by day,model
  freehold usage --requests --outcome failed --limit 20
  freehold usage --requests --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			if single {
				if c.Flags().Changed("by") {
					return usagef("--by groups sums, --requests lists single requests: give one of them")
				}
				out, err := call(c.Context(), p, admin.Requests, admin.RequestsIn{Filter: f, Limit: limit, After: after})
				if err != nil || p.json {
					return p.done(out, err)
				}
				p.printRequests(out, f)
				return nil
			}
			for _, name := range []string{"limit", "after"} {
				if c.Flags().Changed(name) {
					return usagef("--%s is for single requests: give --requests too", name)
				}
			}
			out, err := call(c.Context(), p, admin.Usage, admin.UsageIn{Filter: f, By: by})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printUsage(out, by, f)
			return nil
		},
	})
	c.AddCommand(p.budgetsCommand())
	p.selects(c, &f)
	c.Flags().Var(newChoices(&by, ledger.Dimensions()...), "by", "group by `WORDS`, with commas between: "+strings.Join(texts(ledger.Dimensions()), ", "))
	c.Flags().BoolVar(&single, "requests", false, "list single requests")
	c.Flags().Var(whole(&limit, 1, admin.MaxLimit), "limit", fmt.Sprintf("of --requests: at most `N`, up to %d", admin.MaxLimit))
	c.Flags().StringVar(&after, "after", "", "of --requests: the page behind the request with this `ID`")
	return c
}

// nothing says that no requests are selected, and whether a name in the filter
// is none of the configuration: there may still be requests of one that was.
func (p *program) nothing(what string, f admin.Filter) {
	fmt.Fprintln(p.err, what)
	cfg := p.glance()
	if cfg == nil {
		return
	}
	for _, x := range []struct {
		kind, name string
		known      []string
	}{
		{"workload", f.Workload, slices.Sorted(maps.Keys(cfg.Workloads))},
		{"model", f.Model, slices.Sorted(maps.Keys(cfg.Models))},
		{"provider", f.Provider, slices.Sorted(maps.Keys(cfg.Providers))},
		{"tenant", f.Tenant, slices.Sorted(maps.Keys(cfg.Tenants))},
	} {
		if x.name == "" || slices.Contains(x.known, x.name) {
			continue
		}
		fmt.Fprintf(p.err, "%s has no %s %q", p.configPath(), x.kind, tame(x.name))
		if near := suggest.Nearest(x.name, x.known); near != "" {
			fmt.Fprintf(p.err, "; did you mean %q?", near)
		}
		fmt.Fprintln(p.err)
	}
}

func (p *program) printRequests(out admin.RequestsOut, f admin.Filter) {
	if len(out.Requests) == 0 {
		p.nothing("no requests", f)
		return
	}
	t := table{columns: []column{{head: "REQUEST", keep: true}, {head: "TIME (UTC)", keep: true, below: true}, {head: "WORKLOAD", below: true},
		{head: "DEPLOYMENT", below: true}, {head: "OUTCOME", keep: true}, {head: "TOTAL", right: true, keep: true}, {head: "COST USD", right: true, keep: true}}}
	for _, r := range out.Requests {
		name := r.Workload
		if name == "" {
			name = r.Asked
		}
		t.row(r.ID, at(r.Time), orNone(name), orNone(r.Deployment), r.Outcome, millis(r.Total), strings.TrimSuffix(costOf(r.Cost, r.Currency), " "+r.Currency))
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

func (p *program) printUsage(out admin.UsageOut, by []string, f admin.Filter) {
	if out.Sum == nil {
		p.nothing("no requests", f)
		return
	}
	var t table
	for _, b := range by {
		t.columns = append(t.columns, column{head: strings.ToUpper(b)})
	}
	if len(by) == 0 {
		t.columns = append(t.columns, column{})
	}
	for _, head := range []string{"REQ", "ERR", "TOK IN", "TOK OUT", "COST", "P95"} {
		t.columns = append(t.columns, column{head: head, right: true, keep: true, below: true})
	}
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
		fmt.Fprintf(p.err, "?: the cost of %s is not known: their model has no price, or Pinecone answered for an index\n", plural(int(out.Sum.CostUnknown), "request"))
	}
}
