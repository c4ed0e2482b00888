package cli

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/config"
	"freehold/internal/history"
)

func (p *program) historyCommand() *cobra.Command {
	return group("history", "Show and verify the record of changes",
		`  freehold history list --since 30d
  freehold history verify`,
		p.historyListCommand(), p.historyShowCommand(), p.historyVerifyCommand())
}

func (p *program) historyListCommand() *cobra.Command {
	in := admin.HistoryIn{Limit: 100}
	c := p.facts(&cobra.Command{
		Use:     "list",
		Short:   "List changes, newest first",
		Example: `  freehold history list --kind key.create,key.revoke`,
		Args:    takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.HistoryList, in)
			if err != nil || p.json {
				return p.done(out, err)
			}
			t := table{columns: []column{{head: "SEQ", right: true, keep: true}, {head: "TIME (UTC)", keep: true}, {head: "WHAT", keep: true},
				{head: "SUBJECT"}, {head: "WHO", below: true}, {head: "WHY", below: true}}}
			for _, r := range out.Records {
				t.row(strconv.FormatInt(r.Seq, 10), at(r.Time), string(r.Kind), short(r.Subject), r.Who.String(), orNone(r.Why))
			}
			if len(t.rows) == 0 {
				fmt.Fprintln(p.err, "no changes on record")
			} else {
				p.print(&t)
			}
			p.printDrift(out.Drift)
			if out.DriftUnknown != "" {
				fmt.Fprintln(p.err, tameLines(out.DriftUnknown))
			}
			return nil
		},
	})
	c.Flags().Var(newChoices(&in.Kind, admin.HistoryKinds()...), "kind", "only these `KINDS`, with commas between: "+strings.Join(texts(admin.HistoryKinds()), ", "))
	c.Flags().StringVar(&in.Subject, "subject", "", "only changes of this `SUBJECT`: a file, a key's id, a path")
	p.between(c, &in.Since, &in.Until)
	c.Flags().Var(whole(&in.Limit, 1, admin.MaxLimit), "limit", fmt.Sprintf("at most `N` changes, up to %d", admin.MaxLimit))
	return c
}

// short leaves of a path its file name.
func short(subject string) string {
	if filepath.IsAbs(subject) {
		return filepath.Base(subject)
	}
	return orNone(subject)
}

// printDrift says which changes the file does not have.
func (p *program) printDrift(drift []admin.Drift) {
	for _, d := range drift {
		if d.Agrees {
			continue
		}
		file, held := d.File, d.Held
		if file == "" {
			file = "nothing"
		}
		if held == "" {
			held = "taken out"
		}
		fmt.Fprintf(p.err, "drift: %s is %s, the file says %s\n", tame(d.Path), tame(held), tame(file))
	}
}

func (p *program) historyShowCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:     "show SEQ",
		Short:   "Show one change with its diff",
		Example: `  freehold history show 12`,
		Args:    takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			seq, err := strconv.ParseInt(a[0], 10, 64)
			if err != nil || seq < 1 {
				return usagef("%q is not the number of a change; freehold history list shows them", a[0])
			}
			r, err := call(c.Context(), p, admin.HistoryShow, admin.HistoryShowIn{Seq: seq})
			if err != nil || p.json {
				return p.done(r, err)
			}
			p.printRecord(r)
			return nil
		},
	})
}

func (p *program) printRecord(r history.Record) {
	p.fields("change", strconv.FormatInt(r.Seq, 10), "time", at(r.Time)+" UTC", "what", string(r.Kind), "subject", r.Subject,
		"who", r.Who.String(), "why", r.Why, "config hash", r.ConfigHash)
	if r.ConfigVersion > 0 {
		p.fields("config number", strconv.FormatInt(r.ConfigVersion, 10))
	}
	if g := r.Git; g != nil {
		commit := g.Commit
		if g.Dirty {
			commit += " (the file differs)"
		}
		p.fields("git", commit, "git author", g.Author)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Details)) {
		p.fields(name, r.Details[name])
	}
	p.fields("hash", r.Hash)
	if r.Diff != "" {
		fmt.Fprint(p.out, "\n"+tameLines(r.Diff))
	}
}

func (p *program) historyVerifyCommand() *cobra.Command {
	var in admin.HistoryVerifyIn
	c := p.facts(&cobra.Command{
		Use:   "verify",
		Short: "Check that no record was altered, removed or put in",
		Long: `verify recomputes every hash and signature of the history. It reads the state
itself and does not ask the server. With copies of checkpoints that were kept
elsewhere (--outside) it also finds a history that was written anew or set back;
without any it says "self-attested". It ends with 1 if anything is wrong.`,
		Example: `  freehold history verify
  freehold history verify --outside /mnt/elsewhere/freehold-checkpoints`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, path, err := p.stateThere()
			if err != nil {
				return err
			}
			if p.warned && len(in.Outside) == 0 && cfg.Server.History.CheckpointCopy == "" {
				fmt.Fprintln(p.err, "copies of checkpoints that it may name are not looked at: --outside names them")
			}
			out, err := p.verified(c.Context(), cfg, in)
			if err != nil {
				return err
			}
			if p.json {
				err = printJSON(p.out, out)
			} else {
				p.sayLines(out.Text)
				if out.Records == 0 {
					fmt.Fprintln(p.err, "the state that was read is "+path)
				}
			}
			if err == nil && !out.OK {
				err = errNo
			}
			return err
		},
	})
	c.Flags().StringSliceVar(&in.Outside, "outside", nil, "`FILE` or directory with copies of checkpoints")
	c.Flags().StringSliceVar(&in.Keys, "key", nil, "public `KEY` to trust, as verify --json prints it")
	return c
}

// verified verifies the history of a configuration's state.
func (p *program) verified(ctx context.Context, cfg *config.Config, in admin.HistoryVerifyIn) (out admin.HistoryVerifyOut, err error) {
	l, done, err := app.OpenHistory(ctx, cfg, p.clock)
	if err != nil {
		return out, err
	}
	defer finish(&err, done)
	return admin.VerifyHistory(ctx, l, in)
}
