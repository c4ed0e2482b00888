package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/config"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/server"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/connect"
	"freehold/internal/vector/front"
	"freehold/internal/vector/moves"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/plan"
)

// openIndexes serves the indexes of the configuration.
func (a *App) openIndexes(cfg *config.Config) {
	a.fronts = sqlite.NewFronts(a.DB)
	a.Indexes = moves.New(moves.Options{
		Ledger: a.fronts, Copies: sqlite.NewCopies(a.DB), History: a.History, Log: a.Log, Clock: a.Clock, Sleep: Sleep, NewID: newID,
	})
	a.onSwap = append(a.onSwap, func(c *config.Config, _ *fleet.Fleet) { a.Indexes.Use(a.indexSpecs(c)) })
	a.Indexes.Use(a.indexSpecs(cfg))
}

// checkIndexes refuses a configuration whose indexes cannot go on by it.
func (a *App) checkIndexes(ctx context.Context, c *config.Config) error {
	if a.Indexes == nil {
		return nil
	}
	return a.Indexes.Check(ctx, a.indexSpecs(c))
}

func (a *App) indexSpecs(c *config.Config) map[string]moves.Spec {
	specs := make(map[string]moves.Spec, len(c.Indexes))
	for name, x := range c.Indexes {
		specs[name] = a.indexSpec(c, x)
	}
	return specs
}

func (a *App) closeIndexes() {
	if a.Indexes != nil {
		a.Indexes.Close()
		a.fronts.Close()
	}
}

// indexSpec is an index as it is served. Its functions read the configuration that
// was in use when it was made: a changed one makes another.
func (a *App) indexSpec(c *config.Config, x *config.Index) moves.Spec {
	from, to := x.Source, x.Target
	key := fmt.Sprint(from.Address.String(), from.APIKey.Reveal(), from.Networks, to.Address.String(), to.APIKey.Reveal(), to.Networks)
	models := a.indexEmbeddings(c, x)
	if models != nil {
		key += fmt.Sprint(models.Alias, models.Old, models.New, models.Text)
	}
	return moves.Spec{
		Name: x.Name, From: from.Address, To: to.Address, Reads: float64(x.Reads), Shadow: float64(x.Shadow), Key: key,
		Source: func(ctx context.Context, fast bool) (*pinecone.Store, error) {
			s, err := openStore(ctx, from, fast)
			if err != nil {
				return nil, err
			}
			p, ok := s.(*pinecone.Store)
			if !ok { // the configuration was checked
				return nil, errors.Join(fmt.Errorf("%s is no index of Pinecone", from.Address.String()), s.Close())
			}
			return p, nil
		},
		Target:    func(ctx context.Context) (vector.Target, error) { return openStore(ctx, to, false) },
		Perimeter: func() (plan.Perimeter, error) { return a.indexPerimeter(c, x) },
		PermitSource: func() error {
			p, err := fleet.Classes(c).Perimeter(slices.Concat(x.Data, from.Data)...)
			if err != nil {
				return err
			}
			return permitStore(&p, from, a.Clock())
		},
		Embeddings: models,
		ModelOf: func(workload string) string {
			if w := c.Workloads[workload]; w != nil {
				return w.Model
			}
			return ""
		},
	}
}

func openStore(ctx context.Context, s *config.Store, fast bool) (vector.Target, error) {
	key := s.APIKey.Reveal()
	if strings.Contains(key, Unset) {
		return nil, fmt.Errorf("the key of the store %s, %s, is not there", s.Name, s.APIKey.Reference())
	}
	return connect.Open(ctx, s.Address, connect.Options{Getenv: os.Getenv, Key: key, Networks: s.Networks, Fast: fast})
}

// indexPerimeter is whether the records of an index may be at its target.
func (a *App) indexPerimeter(c *config.Config, x *config.Index) (plan.Perimeter, error) {
	end := func(s *config.Store) plan.End { return plan.End{Place: s.Where(), Known: s.Name != ""} }
	rules := plan.Rules{Classes: fleet.Classes(c), Data: append(append([]string{}, x.Data...), x.Source.Data...), Source: end(x.Source), Target: end(x.Target), Now: a.Clock()}
	return rules.Judge()
}

// indexes serve by HTTP, with refusals in Pinecone's words.
type indexes struct {
	*moves.Keeper
	app      *App
	observer Observer
}

// Refuse implements [server.Vectors].
func (i indexes) Refuse(w http.ResponseWriter, r *http.Request, v *server.Visit, f *fault.Error) {
	code := codes.Unavailable
	switch f.Kind {
	case fault.BadRequest:
		code = codes.InvalidArgument
	case fault.Unauthorized:
		code = codes.Unauthenticated
	case fault.Denied, fault.PolicyDenied:
		code = codes.PermissionDenied
	case fault.RateLimited, fault.Shed:
		code = codes.ResourceExhausted
	}
	out := &recorded{ResponseWriter: w}
	front.Refuse(out, r, status.New(code, f.Message), f.RetryAfter)
	if v.Known {
		i.done(r, v, out, &front.Facts{}, f)
	}
}

// Sleep waits, or until ctx ends, and then says why that did.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
