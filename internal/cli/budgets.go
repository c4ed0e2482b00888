package cli

import (
	"fmt"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

func (p *program) budgetsCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:   "budgets",
		Short: "Show budgets, and what is spent and reserved of them",
		Long: `budgets shows each limit of config.yaml with what has been spent of it since its
present period began: by key, workload, model or tenant where each has its own.
What is reserved is for requests under way, of strict budgets. A mark (!) stands
behind what has reached its limit; the command ends with 0 all the same.`,
		Example: `  freehold usage budgets
  freehold usage budgets --json`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.Budgets, admin.None{})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printBudgets(out)
			return nil
		},
	})
}

func (p *program) printBudgets(out admin.BudgetsOut) {
	if len(out.Budgets) == 0 {
		fmt.Fprintln(p.err, "no budgets: budgets in config.yaml sets limits")
		return
	}
	t := table{columns: []column{{head: "BUDGET"}, {head: "OF"}, {head: "SPENT", right: true, keep: true},
		{head: "RESERVED", right: true, keep: true, below: true}, {head: "LIMIT", right: true, keep: true},
		{head: "ON EXCEED", keep: true, below: true}, {head: "RESETS (UTC)", keep: true, below: true}}}
	unpriced := int64(0)
	for i := range out.Budgets {
		b := &out.Budgets[i]
		amount := func(d decimal.Decimal) string {
			if b.Unit == "tokens" {
				return count(d.IntPart()) + " tokens"
			}
			return money(d, "USD")
		}
		does := b.OnExceed
		if b.Strict {
			does += ", strict"
		}
		if len(b.Scopes) == 0 {
			t.row(b.Name, "each", none, none, amount(b.Limit), does, at(b.Resets))
		}
		for _, s := range b.Scopes {
			of := s.Scope
			switch {
			case s.KeyName != "":
				of = s.KeyName
			case b.Per == "all":
				of = "all"
			}
			spent := amount(s.Spent)
			if s.Exceeded {
				spent += " !"
			}
			t.row(b.Name, of, spent, amount(s.Reserved), amount(b.Limit), does, at(b.Resets))
			unpriced += s.Unpriced
		}
	}
	p.print(&t)
	if unpriced > 0 {
		fmt.Fprintf(p.err, "the cost of %s is not known, and not in what is spent: their model has no price\n", plural(int(unpriced), "attempt"))
	}
}
