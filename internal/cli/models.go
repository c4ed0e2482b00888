package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

func (p *program) modelsCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:   "models",
		Short: "List models with class, health, price and latency",
		Long: `models lists each model's deployments: the sovereignty class (1 pure API to 5
self-hosted), health now, price of a million tokens in and out, and the 95th
percentile of whole answers in the last 24 hours.`,
		Example: `  freehold models
  freehold models --json`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.Models, admin.None{})
			if err != nil || p.json {
				return p.done(out, err)
			}
			t := table{columns: []column{{head: "MODEL"}, {head: "PROVIDER"}, {head: "CL", right: true, keep: true, below: true}, {head: "HEALTH", keep: true, below: true},
				{head: "PRICE IN/OUT PER 1M", right: true, keep: true, below: true}, {head: "P95", right: true, keep: true, below: true}, {head: "24H", right: true, keep: true, below: true}}}
			for _, m := range out.Models {
				for _, d := range m.Deployments {
					t.row(m.Name, d.Provider, strconv.Itoa(d.Class), d.Health.State, price(d.Price), latency(d.Traffic.Total.P95), count(d.Traffic.Requests))
				}
			}
			if len(t.rows) == 0 {
				fmt.Fprintln(p.err, "no models: add some under models: in", p.configPath())
				return nil
			}
			p.print(&t)
			return nil
		},
	})
}

// done ends a command that prints JSON, or failed.
func (p *program) done(out any, err error) error {
	if err != nil {
		return err
	}
	return printJSON(p.out, out)
}

func (p *program) workloadsCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:   "workloads",
		Short: "List workloads with class, health, price and latency",
		Long: `workloads lists what applications can ask for: the model that answers, how many
fallbacks it has, its sovereignty class (1 pure API, 2 fine-tuned proprietary,
3 open weights managed, 4 open weights on an own cluster, 5 self-hosted), health
now, price of a million tokens in and out, and the 95th percentile of whole
answers in the last 24 hours.`,
		Example: `  freehold workloads
  freehold workloads --json`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.Workloads, admin.None{})
			if err != nil || p.json {
				return p.done(out, err)
			}
			t := table{columns: []column{{head: "WORKLOAD"}, {head: "MODEL"}, {head: "FB", right: true, keep: true, below: true}, {head: "CL", right: true, keep: true, below: true},
				{head: "HEALTH", keep: true, below: true}, {head: "PRICE IN/OUT PER 1M", right: true, keep: true, below: true}, {head: "P95", right: true, keep: true, below: true}}}
			for _, w := range out.Workloads {
				t.row(w.Name, w.Model, strconv.Itoa(len(w.Fallbacks)), strconv.Itoa(w.Class), w.State, price(w.Price), latency(w.Traffic.Total.P95))
			}
			if len(t.rows) == 0 {
				fmt.Fprintln(p.err, "no workloads: add some under workloads: in", p.configPath())
				return nil
			}
			p.print(&t)
			for _, w := range out.Workloads {
				if w.CascadeOff != "" {
					fmt.Fprintf(p.out, "\n%s: cascade off, %s is not asked first: %s\n", tame(w.Name), tame(w.Cascade), tame(w.CascadeOff))
				}
			}
			return nil
		},
	})
}
