package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"freehold/internal/config"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/policy"
	"freehold/internal/server"
	"freehold/internal/vector/front"
)

// bound decides which stores of an index a request may reach, by the data classes of its
// header, its key and its tenant: what [gateway.Gateway] does for models.
func (i indexes) bound(r *http.Request, v *server.Visit) (context.Context, *fault.Error) {
	f := i.app.Fleet()
	tenant, err := f.Tenants.Find(v.Caller.KeyID, v.Caller.KeyName, r.Header)
	if err != nil {
		var t *fleet.TenantError
		errors.As(err, &t)
		return nil, &fault.Error{Kind: fault.PolicyDenied, Code: t.Code, Message: t.Message, NoRetry: true, Cause: err}
	}
	p, err := f.Classes.For(tenant, slices.Concat(v.Caller.Classes, v.Classes)...)
	if err != nil {
		return nil, &fault.Error{Kind: fault.BadRequest, Code: "unknown_data_class", Message: err.Error(), NoRetry: true, Cause: err}
	}
	v.Governing = p.Names()
	c := i.app.Config()
	x := c.Indexes[i.Keeper.Index(r)]
	if x == nil {
		return front.Bind(r.Context(), func(front.Side) error { return errors.New("policy denied: the index is no longer configured") }), nil
	}
	return front.Bind(r.Context(), func(side front.Side) error {
		now := i.app.Clock()
		s := x.Source
		if side == front.AtStore {
			s = x.Target
		}
		if err := permitStore(&p, s, now); err != nil || x.Embeddings == nil {
			return err
		}
		model := x.Embeddings.Model
		if side == front.AtPinecone {
			model = c.Workloads[x.Embeddings.Alias].Model
		}
		return permitModel(&p, f.Models[model], now)
	}), nil
}

// permitStore says why a perimeter keeps records from a store, in words for clients:
// they know its name, and not where it is.
func permitStore(p *policy.Perimeter, s *config.Store, now time.Time) error {
	place := s.Where()
	permit, why := p.Permit(place, now)
	if permit.Allows(place.Provider) {
		return nil
	}
	if s.Name == "" {
		why = strings.ReplaceAll(why, place.Provider, s.Address.Store) + "; nothing is known of it, since it is not under stores: in config.yaml"
	}
	return fmt.Errorf("policy denied: the store %s may not be asked: %s", cmp.Or(s.Name, s.Address.Store), why)
}

// permitModel says why a model may not have the texts of records. Vectors may be made of
// them later, when nothing is known of the request any more: so each of the model's
// deployments must be one that may.
func permitModel(p *policy.Perimeter, m *fleet.Model, now time.Time) error {
	if m == nil {
		return nil // nobody can be asked
	}
	for _, d := range m.Deployments {
		if permit, why := p.Permit(d.Provider.Place, now); !permit.Allows(d.Provider.Place.Provider) {
			return fmt.Errorf("policy denied: the model %s, which makes the vectors of a store of the index, may not have the texts: %s: %s", m.Name, d.Name, why)
		}
	}
	return nil
}
