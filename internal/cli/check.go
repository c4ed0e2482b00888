package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freehold"
	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/config"
)

// checked is what check found.
type checked struct {
	OK          bool                `json:"ok"`
	Config      string              `json:"config"`
	Diagnostics []config.Diagnostic `json:"diagnostics"`
	Drift       []admin.Drift       `json:"drift"`
	Probes      []probed            `json:"probes,omitempty"`
}

func (p *program) checkCommand() *cobra.Command {
	var probe, schema, example bool
	c := p.facts(&cobra.Command{
		Use:   "check",
		Short: "Validate config.yaml",
		Long: `check reports every problem of config.yaml with its place, certificates that do
not load among them, and warns of rules, fallbacks and deployments that can
never be used, and of certificates that have expired. With --probe it also calls
every provider (a list of models, or its health; no tokens are spent). It ends
with 2 if the configuration is wrong, with 1 if a probe fails. What there is to
configure it prints with --example, and for editors with --schema.`,
		Example: `  freehold check
  freehold check --probe --config staging.yaml
  freehold check --schema > config.schema.json`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case schema && example:
				return usagef("--schema and --example are two files: give one of them")
			case schema:
				_, err := p.out.Write(freehold.Schema)
				return err
			case example:
				_, err := p.out.Write(freehold.Example)
				return err
			}
			cfg, ds := p.load()
			out := checked{OK: cfg != nil, Config: p.configPath(), Diagnostics: []config.Diagnostic{}, Drift: []admin.Drift{}}
			out.Diagnostics = append(out.Diagnostics, ds...)
			if !p.json && len(ds) > 0 {
				fmt.Fprintln(p.out, strings.TrimRight(ds.String(), "\n"))
			}
			var err error
			if cfg != nil {
				if out.Drift, err = p.drift(c.Context(), cfg); err != nil {
					return err
				}
			}
			if cfg != nil && probe {
				if out.Probes, err = p.probe(c.Context(), cfg); err != nil {
					return err
				}
				for _, r := range out.Probes {
					out.OK = out.OK && r.OK
				}
			}
			return p.printChecked(out, cfg, probe)
		},
	})
	c.Flags().BoolVar(&probe, "probe", false, "call every provider")
	c.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of config.yaml instead")
	c.Flags().BoolVar(&example, "example", false, "print a config.yaml with every key, explained, instead")
	return c
}

func (p *program) printChecked(out checked, cfg *config.Config, probe bool) error {
	switch {
	case p.json:
		if err := printJSON(p.out, out); err != nil {
			return err
		}
	case cfg != nil:
		p.printDrift(out.Drift)
		if probe {
			p.printProbes(out.Probes)
		}
		if out.OK {
			fmt.Fprintf(p.out, "%s is valid: %s, %s, %s\n", out.Config,
				plural(len(cfg.Providers), "provider"), plural(len(cfg.Models), "model"), plural(len(cfg.Workloads), "workload"))
		}
	}
	switch {
	case cfg == nil:
		return usageError{error: errNo}
	case !out.OK:
		return errNo
	}
	return nil
}

// drift lists the changes that are held apart from the file. Without a state
// there are none, and none is made by asking.
func (p *program) drift(ctx context.Context, cfg *config.Config) ([]admin.Drift, error) {
	state, err := app.ServedState(cfg)
	if err != nil || !exists(state) {
		return []admin.Drift{}, err
	}
	out, err := call(ctx, p, admin.ConfigDrift, admin.None{})
	var bad *app.ConfigError
	if errors.As(err, &bad) {
		return nil, fmt.Errorf("with the changes that are held apart from it, the configuration is not valid:\n%w", err)
	}
	return out.Drift, err
}
