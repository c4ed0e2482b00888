package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
)

func (p *program) keysCommand() *cobra.Command {
	return group("keys", "Issue, list, revoke and rotate virtual keys",
		`  freehold keys create shop --workload support-chat --rpm 600
  freehold keys list`,
		p.keysCreateCommand(), p.keysListCommand(), p.keysRevokeCommand(), p.keysRotateCommand())
}

func (p *program) keysCreateCommand() *cobra.Command {
	var in admin.KeysCreateIn
	c := p.changes(p.facts(&cobra.Command{
		Use:   "create NAME",
		Short: "Issue a key; it is shown this once",
		Long: `create issues a virtual key and prints it: that text exists nowhere else and
cannot be shown again. Without --workload the key may call all workloads (an
--admin key: none).`,
		Example: `  freehold keys create shop --workload support-chat --reason "new shop"
  freehold keys create ops --admin --expires 90d
  freehold keys create ci --json`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			in.Name, in.Reason = a[0], p.reason
			out, err := call(c.Context(), p, admin.KeysCreate, in)
			if err != nil || p.json {
				return p.done(out, err)
			}
			return p.printIssued(out)
		},
	}))
	f := c.Flags()
	f.StringSliceVar(&in.Workloads, "workload", nil, "`NAME` of a workload that it may call, index:NAME of a vector index, or the beginning of names and a *")
	f.BoolVar(&in.Models, "models", false, "it may also ask for models by name")
	f.BoolVar(&in.Admin, "admin", false, "it may administer")
	f.Var(p.coming(&in.Expires), "expires", "`WHEN` it ends: in 90d or 24h, 2026-12-31")
	f.Var(whole(&in.RPM, 0, math.MaxInt64), "rpm", "at most `N` requests per minute; 0: no limit")
	f.Var(whole(&in.TPM, 0, math.MaxInt64), "tpm", "at most `N` tokens per minute; 0: no limit")
	f.Var(whole(&in.Concurrent, 0, math.MaxInt64), "concurrent", "at most `N` requests at a time; 0: no limit")
	f.StringSliceVar(&in.Tags, "tag", nil, "`TAG` of its requests in the ledger")
	f.StringSliceVar(&in.DataClasses, "data-class", nil, "data `CLASS` added to its requests: can only tighten")
	return c
}

func (p *program) printIssued(k admin.KeyIssued) error {
	fmt.Fprintln(p.out, k.Key)
	fmt.Fprintf(p.err, "key %s (%s); keep it now, it cannot be shown again\n", k.ID, tame(k.Name))
	if k.Expires != nil {
		fmt.Fprintf(p.err, "it ends at %s UTC\n", at(*k.Expires))
	}
	if k.Replaces != "" && k.OldExpires != nil {
		fmt.Fprintf(p.err, "the key %s that it replaces ends at %s UTC\n", k.Replaces, at(*k.OldExpires))
	}
	return nil
}

func (p *program) keysListCommand() *cobra.Command {
	var all bool
	c := p.facts(&cobra.Command{
		Use:     "list",
		Short:   "List keys",
		Example: "  freehold keys list --all",
		Args:    takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := call(c.Context(), p, admin.KeysList, admin.None{})
			if err != nil {
				return err
			}
			shown := admin.KeysOut{Keys: []admin.Key{}}
			for _, k := range out.Keys {
				if all || k.State == "active" {
					shown.Keys = append(shown.Keys, k)
				}
			}
			if p.json {
				return printJSON(p.out, shown)
			}
			if len(shown.Keys) == 0 {
				fmt.Fprintln(p.err, "no keys; freehold keys create NAME issues one")
				return nil
			}
			p.printKeys(shown.Keys)
			return nil
		},
	})
	c.Flags().BoolVar(&all, "all", false, "also revoked and expired ones")
	return c
}

// printKeys lists keys. What few keys have is a column only where one has it.
func (p *program) printKeys(keys []admin.Key) {
	t := table{columns: []column{{head: "ID", keep: true}, {head: "NAME"}, {head: "STATE", keep: true}, {head: "MAY CALL", below: true}, {head: "EXPIRES (UTC)", keep: true}}}
	var more []func(admin.Key) string
	for _, x := range []struct {
		head string
		of   func(admin.Key) string
	}{
		{"LIMITS", limits},
		{"DATA CLASSES", func(k admin.Key) string { return strings.Join(k.DataClasses, ", ") }},
		{"TAGS", func(k admin.Key) string { return strings.Join(k.Tags, ", ") }},
	} {
		if slices.ContainsFunc(keys, func(k admin.Key) bool { return x.of(k) != "" }) {
			t.columns, more = append(t.columns, column{head: x.head, below: true}), append(more, x.of)
		}
	}
	for _, k := range keys {
		expires := none
		if k.Expires != nil {
			expires = k.Expires.UTC().Format("2006-01-02 15:04")
		}
		cells := []string{k.ID, k.Name, k.State, scope(k), expires}
		for _, of := range more {
			cells = append(cells, orNone(of(k)))
		}
		t.row(cells...)
	}
	p.print(&t)
}

// limits says how much a key may ask for.
func limits(k admin.Key) string {
	var parts []string
	for _, l := range []struct {
		n    int64
		unit string
	}{{k.RPM, "requests/min"}, {k.TPM, "tokens/min"}, {k.Concurrent, "at once"}} {
		if l.n > 0 {
			parts = append(parts, count(l.n)+" "+l.unit)
		}
	}
	return strings.Join(parts, ", ")
}

// scope says what a key may call.
func scope(k admin.Key) string {
	parts := append([]string(nil), k.Workloads...)
	if k.Models {
		parts = append(parts, "models")
	}
	if k.Admin {
		parts = append(parts, "admin")
	}
	return orNone(strings.Join(parts, ", "))
}

func (p *program) keysRevokeCommand() *cobra.Command {
	return p.changes(p.facts(&cobra.Command{
		Use:     "revoke ID",
		Short:   "End a key for good",
		Example: `  freehold keys revoke 7Hq2mZ --reason "leaked in a log"`,
		Args:    takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			out, err := call(c.Context(), p, admin.KeysRevoke, admin.KeysRevokeIn{ID: a[0], Reason: p.reason})
			if err != nil {
				return err
			}
			if p.json {
				err = printJSON(p.out, out)
			} else {
				fmt.Fprintf(p.out, "revoked %s (%s)\n", out.ID, tame(out.Name))
			}
			if err == nil && out.Warning != "" {
				fmt.Fprintln(p.err, "WARNING:", tameLines(out.Warning))
				err = errNo
			}
			return err
		},
	}))
}

func (p *program) keysRotateCommand() *cobra.Command {
	var overlap time.Duration
	c := p.changes(p.facts(&cobra.Command{
		Use:     "rotate ID",
		Short:   "Issue a successor of a key",
		Example: `  freehold keys rotate 7Hq2mZ --overlap 24h`,
		Args:    takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			out, err := call(c.Context(), p, admin.KeysRotate, admin.KeysRotateIn{ID: a[0], Overlap: overlap.String(), Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			return p.printIssued(out)
		},
	}))
	c.Flags().Var(span(&overlap), "overlap", "how long the old key works beside the new one; 0: it ends at once")
	return c
}
