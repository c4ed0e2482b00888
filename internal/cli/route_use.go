package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/classify/shelf"
)

func (p *program) routeUseCommand() *cobra.Command {
	return p.changes(p.facts(&cobra.Command{
		Use:   "use [VERSION | previous]",
		Short: "Show the routing models, or put another one in use",
		Long: `use puts a routing model in use: a version that freehold route train has kept
beside the state, embedded (the one that comes with freehold), or previous (the
one before). That is in the history before it takes effect, and a running server
takes it at once. Without one it lists what there is.`,
		Example: `  freehold route use
  freehold route use v0002 --reason "scored better on tickets"
  freehold route use previous`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, a []string) error {
			s, ok, err := p.shelf()
			if err != nil {
				return err
			}
			if !ok {
				return usagef("there is no %s: routing models are kept beside its state", defaultConfig)
			}
			if len(a) == 0 && c.Flags().Changed("reason") {
				return usagef("--reason is for a change, and no version is named: freehold route use VERSION --reason WHY")
			}
			if len(a) == 1 {
				if err := p.useModel(c.Context(), a[0]); err != nil {
					return err
				}
			}
			return p.listModels(s)
		},
	}))
}

// useModel puts a routing model in use, in the running server too, and says from
// when on it answers.
func (p *program) useModel(ctx context.Context, name string) error {
	c := p.server(ctx)
	if c == nil {
		cfg, _, err := p.stateThere()
		if err != nil {
			return err
		}
		change, err := app.UseRoutingModelOf(ctx, cfg, p.clock, name, p.reason)
		if err == nil && !p.inUse(change.From, change.To) {
			fmt.Fprintln(p.err, "no server runs: it takes the model when it starts")
		}
		return err
	}
	took, err := admin.RouteUse.Call(ctx, c, admin.RouteUseIn{Version: name, Reason: p.reason})
	if err != nil {
		return err
	}
	if !p.inUse(took.Before, took.Version) {
		fmt.Fprintln(p.err, "the running server has taken", tame(took.Version))
	}
	return nil
}

// inUse says so where a model was in use before.
func (p *program) inUse(before, now string) bool {
	if before == now {
		fmt.Fprintln(p.err, tame(now), "is already in use: nothing changed, and nothing is on record")
	}
	return before == now
}

// shelved is one routing model.
type shelved struct {
	Version string `json:"version"`
	InUse   bool   `json:"in_use"`
	Before  bool   `json:"previous"`
	Name    string `json:"name,omitempty"`
	Created string `json:"created,omitempty"`
	Rows    int    `json:"rows"`
	Error   string `json:"error,omitempty"`
	scores  string
}

func (p *program) listModels(s shelf.Shelf) error {
	versions, err := s.Versions()
	if err != nil {
		return err
	}
	now, before, err := s.InUse()
	if err != nil {
		return err
	}
	out := []shelved{}
	for _, v := range append([]string{shelf.Embedded}, versions...) {
		x := shelved{Version: v, InUse: v == now, Before: v == before && v != now}
		m, err := s.Model(v)
		if err != nil {
			x.Error = strings.TrimPrefix(err.Error(), s.Dir()+string(filepath.Separator))
		} else {
			h := m.Header()
			x.Name, x.Created = h.Name, h.Created.Format("2006-01-02")
			for _, d := range h.Data {
				x.Rows += d.Rows
			}
			var scores []string
			for _, sc := range h.HeldOut {
				if sc.Measure != "AUC" {
					scores = append(scores, fmt.Sprintf("%s %s %.3f", sc.Data, sc.Measure, sc.Value))
				}
			}
			x.scores = strings.Join(scores, ", ")
		}
		out = append(out, x)
	}
	if p.json {
		return printJSON(p.out, map[string]any{"models": out})
	}
	t := table{columns: []column{{head: "VERSION", keep: true}, {head: "", keep: true}, {head: "NAME"}, {head: "CREATED", keep: true}, {head: "ROWS", right: true, keep: true}, {head: "HELD-OUT SCORES", below: true}}}
	for _, x := range out {
		mark := ""
		switch {
		case x.InUse:
			mark = "in use"
		case x.Before:
			mark = "previous"
		}
		if x.Error != "" {
			x.scores = x.Error
		}
		t.row(x.Version, mark, orNone(x.Name), orNone(x.Created), count(int64(x.Rows)), orNone(x.scores))
	}
	p.print(&t)
	return nil
}
