package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
)

func (p *program) perimeterCommand() *cobra.Command {
	return group("perimeter", "Show which data went where, and where it may go",
		`  freehold perimeter report --since 30d
  freehold perimeter check --expect perimeter.json`,
		p.perimeterReportCommand(), p.perimeterCheckCommand())
}

func (p *program) perimeterReportCommand() *cobra.Command {
	var in admin.PerimeterReportIn
	c := p.facts(&cobra.Command{
		Use:   "report",
		Short: "Show which data went where",
		Long: `report lists, by data class and tenant, every destination that received bytes of
requests: how many, of how many requests, and when; failed attempts too, if
bytes left for them. It reads the ledger. Region and jurisdiction are those that
the configuration had when the bytes were sent.`,
		Example: `  freehold perimeter report --since 30d
  freehold perimeter report --class restricted --tenant acme --json`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.PerimeterReport, in)
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printPerimeterReport(out)
			return nil
		},
	})
	p.between(c, &in.Since, &in.Until)
	c.Flags().StringVar(&in.Class, "class", "", "only requests that the data `CLASS` governed; - for those that none did")
	c.Flags().StringVar(&in.Tenant, "tenant", "", "only this `TENANT`")
	c.Flags().StringVar(&in.Workload, "workload", "", "only this `WORKLOAD`")
	c.Flags().StringVar(&in.Provider, "provider", "", "only this `PROVIDER`")
	return c
}

func (p *program) printPerimeterReport(out admin.PerimeterReportOut) {
	if out.KeptSince != nil {
		fmt.Fprintf(p.err, "requests before %s UTC are no longer kept\n", at(*out.KeptSince))
	}
	if len(out.Destinations) == 0 {
		fmt.Fprintln(p.err, "no bytes left for anywhere")
		return
	}
	t := table{columns: []column{{head: "CLASS"}, {head: "TENANT"}, {head: "PROVIDER"}, {head: "INSIDE", keep: true}, {head: "LAW"}, {head: "REGION"},
		{head: "REQ", right: true, keep: true}, {head: "BYTES", right: true, keep: true}, {head: "TOK IN", right: true, keep: true, below: true},
		{head: "FAILED", right: true, keep: true, below: true}, {head: "FIRST (UTC)", keep: true, below: true}, {head: "LAST (UTC)", keep: true, below: true}}}
	var forbidden []string
	for _, d := range out.Destinations {
		inside := "no"
		if d.Inside {
			inside = "yes"
		}
		t.row(orNone(d.Class), orNone(d.Tenant), d.Provider, inside, orNone(d.Jurisdiction), orNone(d.Region), count(d.Requests), size(d.Bytes),
			count(d.Tokens.In), count(d.Failed), at(d.First), at(d.Last))
		if d.Forbidden != "" {
			forbidden = append(forbidden, d.Provider+": "+d.Forbidden)
		}
	}
	p.print(&t)
	if len(forbidden) > 0 {
		fmt.Fprintln(p.out, "\ntoday's configuration would not send there")
		for _, f := range forbidden {
			fmt.Fprintln(p.out, "  "+tame(f))
		}
	}
}

func (p *program) perimeterCheckCommand() *cobra.Command {
	var expect string
	c := p.facts(&cobra.Command{
		Use:   "check",
		Short: "Prove from config.yaml where data may go",
		Long: `check works out from config.yaml alone, without asking anybody and without its
secrets, which deployments requests may reach: of each workload, and such that
name a model, a vendor's model or a raw path, and which of an index's stores; of
each tenant, with each data class. It ends with 1 if a data class can go
nowhere, a workload can reach nothing or an index may not have its stores, and
--expect does not have that as such, or if the answer differs from the one in
--expect, which is how a review of config.yaml keeps data from going somewhere
new unseen.`,
		Example: `  freehold perimeter check --json > perimeter.json
  freehold perimeter check --expect perimeter.json`,
		Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			// The file is what is to be proven, not a server that may run with another.
			// Secrets say nothing of where data goes: CI has none.
			cfg, ds := p.lenient()
			if cfg == nil {
				return &app.ConfigError{Diagnostics: ds}
			}
			var expected json.RawMessage
			if expect != "" {
				var err error
				if expected, err = os.ReadFile(expect); err != nil {
					return usagef("--expect: %w", err)
				}
			}
			out, err := admin.CheckPerimeter(cfg, expected, p.clock())
			if err != nil {
				return err
			}
			if p.json {
				err = printJSON(p.out, out)
			} else {
				p.printPerimeterCheck(out)
			}
			if err == nil && !out.OK {
				err = errNo
			}
			return err
		},
	})
	c.Flags().StringVar(&expect, "expect", "", "`FILE` with the answer that is expected, as --json prints it")
	return c
}

// wayOut is what requests of a reach name.
func wayOut(r admin.Reach) string {
	if r.Way == "" {
		return r.Workload
	}
	return map[string]string{"model": "(a model's name)", "vendor": "(a vendor's model)", "relay": "(a raw path)"}[r.Way]
}

func (p *program) printPerimeterCheck(out admin.PerimeterCheckOut) {
	t := table{columns: []column{{head: "WORKLOAD"}, {head: "TENANT"}, {head: "CLASSES"}, {head: "MAY REACH", whole: true}}}
	for _, r := range out.Reach {
		if none := r.Way != "" && len(r.Deployments)+len(r.Forbidden) == 0; r.Added == "" && !none {
			t.row(wayOut(r), orNone(r.Tenant), orNone(strings.Join(r.Classes, ", ")), orNone(strings.Join(r.Deployments, ", ")))
		}
	}
	if len(t.rows) > 0 {
		p.print(&t)
		fmt.Fprintln(p.out)
	}
	t = table{columns: []column{{head: "INDEX"}, {head: "TENANT"}, {head: "CLASSES"}, {head: "MAY REACH", whole: true}, {head: "NOT", whole: true}}}
	for _, x := range out.Indexes {
		if x.Added == "" {
			t.row(x.Index, orNone(x.Tenant), orNone(strings.Join(x.Classes, ", ")), orNone(strings.Join(x.Stores, ", ")), orNone(strings.Join(x.Forbidden, "; ")))
		}
	}
	if len(t.rows) > 0 {
		p.print(&t)
		fmt.Fprintln(p.out)
	}
	t = table{columns: []column{{head: "CLASS"}, {head: "MAY GO TO", whole: true}}}
	for _, c := range out.Classes {
		t.row(c.Class, orNone(strings.Join(c.Providers, ", ")))
	}
	if len(t.rows) > 0 {
		p.print(&t)
	}
	for _, w := range out.Warnings {
		fmt.Fprintln(p.out, wrap("warning: "+tame(w), p.width()-2, "\n  "))
	}
	for _, w := range out.Problems {
		fmt.Fprintln(p.out, wrap("problem: "+tame(w), p.width()-2, "\n  "))
	}
}
