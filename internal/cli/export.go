package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/config"
	"freehold/internal/leave"
	"freehold/internal/suggest"
)

func (p *program) exportCommand() *cobra.Command {
	return group("export", "Write down what applications and data need to leave freehold",
		`  freehold export env support-chat
  freehold export litellm --out litellm.yaml
  freehold export csv --since 30d --out requests.csv`,
		p.exportEnvCommand(), p.exportLiteLLMCommand(), p.exportCSVCommand())
}

// into gives a command its --out; write puts a text there, or on standard output.
func (p *program) into(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "out", "", "write to `FILE`")
}

func (p *program) write(file string, to func(io.Writer) error) (err error) {
	if file == "" {
		return to(p.out)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer finish(&err, f.Close)
	return to(f)
}

// wholeConfig is the configuration; its secrets need not be there.
func (p *program) wholeConfig() (*config.Config, error) {
	if cfg := p.glance(); cfg != nil {
		return cfg, nil
	}
	_, ds := p.load()
	return nil, &app.ConfigError{Diagnostics: ds}
}

func (p *program) exportEnvCommand() *cobra.Command {
	var file string
	c := p.facts(&cobra.Command{
		Use:   "env [WORKLOAD]",
		Short: "Write how applications ask providers themselves, as shell lines",
		Long: `env writes, for each workload, the shell lines that its application needs to ask
the first usable provider itself: base URL, model, and which variable or file
has the key, never the key. What else would change is said beside it.`,
		Example: `  freehold export env
  freehold export env support-chat --out direct.env`,
		Args: takes(0, 1),
		RunE: func(_ *cobra.Command, a []string) error {
			cfg, err := p.wholeConfig()
			if err != nil {
				return err
			}
			names := slices.Sorted(maps.Keys(cfg.Workloads))
			if len(a) > 0 {
				if cfg.Workloads[a[0]] == nil {
					return hintedf(suggest.Hint(a[0], names), "there is no workload %q", a[0])
				}
				names = a
			}
			var all []leave.Access
			for _, name := range names {
				all = append(all, leave.Of(cfg, name, p.clock()))
			}
			return p.write(file, func(w io.Writer) error {
				if p.json {
					return printJSON(w, map[string]any{"workloads": all})
				}
				_, err := io.WriteString(w, leave.Env(all))
				return err
			})
		},
	})
	p.into(c, &file)
	return c
}

func (p *program) exportLiteLLMCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "litellm",
		Short: "Write the configuration for the proxy of LiteLLM",
		Long: `litellm writes a config.yaml for LiteLLM's proxy, with the same workloads,
models, deployments and fallbacks; keys are references to the environment.
Comments at its head say what has no equivalent there.`,
		Example: `  freehold export litellm --out litellm.yaml`,
		Args:    takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := p.wholeConfig()
			if err != nil {
				return err
			}
			text, err := leave.LiteLLM(cfg, p.clock())
			if err != nil {
				return err
			}
			return p.write(file, func(w io.Writer) error {
				_, err := w.Write(text)
				return err
			})
		},
	}
	p.into(c, &file)
	return c
}

func (p *program) exportCSVCommand() *cobra.Command {
	var file string
	var f admin.Filter
	c := &cobra.Command{
		Use:   "csv",
		Short: "Write the ledger's requests as CSV",
		Long: `csv writes single requests of the ledger, newest first, a line each, as RFC 4180
says: a header, times in UTC, costs in exact decimals. A cost that is not known
is empty. There are no prompts and no answers in the ledger. A text that a
spreadsheet would take for a formula has a ' before it.`,
		Example: `  freehold export csv --out requests.csv
  freehold export csv --since 30d --workload support-chat > chat.csv`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.write(file, func(w io.Writer) error { return p.exportCSV(c.Context(), f, w) })
		},
	}
	p.selects(c, &f)
	p.into(c, &file)
	return c
}

var csvHead = []string{
	"request_id", "time", "workload", "asked", "model", "deployment", "provider", "provider_model", "outcome", "status", "error_code", "dialect", "operation", "stream",
	"tokens_in", "tokens_out", "tokens_cached", "tokens_cache_write", "tokens_reasoning", "tokens_estimated", "cost", "currency", "cost_source", "cost_date",
	"first_token_ms", "total_ms", "attempts", "seams", "key_id", "key", "tenant", "tags", "route", "drill", "config_version", "client_request_id",
}

// exportCSV writes the requests page by page.
func (p *program) exportCSV(ctx context.Context, f admin.Filter, w io.Writer) (err error) {
	r, done, err := p.runner(ctx)
	if err != nil {
		return err
	}
	defer finish(&err, done)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(csvHead); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := admin.Requests.Call(ctx, r, admin.RequestsIn{Filter: f, Limit: admin.MaxLimit, After: after})
		if err != nil {
			return errors.Join(err, fmt.Errorf("the file ends early"))
		}
		for i := range page.Requests {
			if err := out.Write(csvRow(&page.Requests[i])); err != nil {
				return err
			}
		}
		if out.Flush(); out.Error() != nil {
			return out.Error()
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

func csvRow(r *admin.Request) []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	ms := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	cost := ""
	if r.Cost.Valid {
		cost = r.Cost.Decimal.String()
	}
	return []string{
		inert(r.ID), r.Time.UTC().Format(time.RFC3339Nano), inert(r.Workload), inert(r.Asked), inert(r.Model), inert(r.Deployment), inert(r.Provider), inert(r.ProviderModel),
		r.Outcome, strconv.Itoa(r.Status), r.ErrorCode,
		r.Dialect, r.Operation, strconv.FormatBool(r.Stream), n(r.Tokens.In), n(r.Tokens.Out), n(r.Tokens.Cached), n(r.Tokens.CacheWrite), n(r.Tokens.Reasoning),
		strconv.FormatBool(r.Tokens.Estimated), cost, r.Currency, r.CostSource, r.CostDate, ms(r.FirstToken), ms(r.Total), strconv.Itoa(r.Attempts), strconv.Itoa(r.Seams),
		inert(r.KeyID), inert(r.Key), inert(r.Tenant), inert(strings.Join(r.Tags, ",")), inert(r.Route), inert(r.Drill), inert(r.ConfigVersion), inert(r.ClientID),
	}
}

// inert is a text that no spreadsheet takes for a formula: applications choose names,
// tags and ids, and who opens the file runs what they chose.
func inert(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
