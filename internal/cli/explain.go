package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
)

func (p *program) explainCommand() *cobra.Command {
	var classes []string
	dialect := "openai"
	c := p.facts(&cobra.Command{
		Use:   "explain WORKLOAD [PROMPT | FILE | -]",
		Short: "Show who would answer, without sending anything",
		Long: `explain plans a request as the gateway would, and sends nothing: who may answer,
in which order, and what excluded every other deployment. The request is a
prompt, a file with one, or a file with a whole JSON request; - reads standard
input. It ends with 1 if the request would be refused.`,
		Example: `  freehold explain chat "Summarize this ticket"
  freehold explain support-chat request.json --data-class restricted`,
		Args: takes(1, 2),
		RunE: func(c *cobra.Command, a []string) error {
			in := admin.ExplainIn{Workload: a[0], DataClasses: classes, Dialect: dialect}
			if len(a) > 1 {
				text, err := p.prompt(a[1])
				if err != nil {
					return err
				}
				if json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimSpace(text), "{") {
					in.Body = json.RawMessage(text)
				} else {
					in.Prompt = text
				}
			}
			out, err := call(c.Context(), p, admin.Explain, in)
			if err != nil {
				return err
			}
			if p.json {
				err = printJSON(p.out, out)
			} else {
				p.printExplain(out)
			}
			if err == nil && out.Refused != nil {
				err = errNo
			}
			return err
		},
	})
	c.Flags().StringSliceVar(&classes, "data-class", nil, "add a data `CLASS` to the request")
	c.Flags().Var(choice(&dialect, slices.Sorted(maps.Keys(app.Codecs()))...), "dialect", "`DIALECT` of a JSON request: openai or anthropic")
	return c
}

// prompt reads an argument that is a text, the name of a file with one, or -.
func (p *program) prompt(arg string) (string, error) {
	if arg == "-" {
		text, err := io.ReadAll(p.in)
		return string(text), err
	}
	if len(arg) < 4096 && !strings.Contains(arg, "\n") {
		text, err := os.ReadFile(arg)
		if err == nil {
			return string(text), nil
		}
		if !errors.Is(err, os.ErrNotExist) && exists(arg) {
			return "", usagef("%q cannot be read as a prompt or a request: %w", arg, err)
		}
	}
	return arg, nil
}

func (p *program) printExplain(e admin.ExplainOut) {
	kind := e.Kind
	if kind == "alias" {
		kind = "alias of workload " + e.Workload
	}
	p.fields("asked", e.Asked, "is a", kind, "data classes", strings.Join(e.DataClasses, ", "),
		"features", strings.Join(e.Features, ", "), "prompt", "about "+plural(int(e.PromptTokens), "token"))
	if len(e.Candidates) > 0 {
		fmt.Fprintln(p.out)
		t := table{columns: []column{{head: "#", right: true, keep: true}, {head: "DEPLOYMENT"}, {head: "BECAUSE"}, {head: "CL", right: true, keep: true, below: true},
			{head: "HEALTH", keep: true, below: true}, {head: "PRICE IN/OUT PER 1M", right: true, keep: true, below: true}}}
		for _, c := range e.Candidates {
			t.row(strconv.Itoa(c.Order), c.Name, c.Reason, strconv.Itoa(c.Class), c.Health.State, price(c.Price))
		}
		p.print(&t)
	}
	if len(e.Excluded) > 0 {
		fmt.Fprintln(p.out, "\nnot asked")
		for _, x := range e.Excluded {
			by := ""
			if x.Policy {
				by = "forbidden: "
			}
			fmt.Fprintf(p.out, "  %s: %s%s\n", tame(x.Deployment), by, tame(x.Reason))
		}
	}
	if r := e.Refused; r != nil {
		fmt.Fprintf(p.out, "\nrefused with %s: %s\n", tame(r.Code), tameLines(r.Message))
		if r.Hint != "" {
			fmt.Fprintln(p.out, "  hint:", tameLines(r.Hint))
		}
	}
	if !e.Live {
		fmt.Fprintln(p.err, "no server runs: health is not known")
	}
}
