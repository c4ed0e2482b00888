package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// SpendKey is what the attempts of one [Spend] have in common. The hour is that
// in which their requests arrived, the model the one that was asked, whether it
// answered or not.
type SpendKey struct {
	Hour                           time.Time // its beginning, UTC
	KeyID, Tenant, Workload, Model string
}

// Spend is what attempts have used. Unlike a [Rollup] it knows what each model
// cost of requests that asked several, and what is known of the cost of those of
// which not all is.
type Spend struct {
	SpendKey
	Tokens   int64           // read and written
	Cost     decimal.Decimal // US dollars, of the attempts whose cost is known
	Unpriced int64           // attempts whose cost is not
}

// Model is the name of the model that was asked, empty where none was: in a
// request that was relayed unread.
func (a *Attempt) Model() string { return modelOf(a.Deployment, a.ProviderModel) }

// modelOf takes the model out of a deployment's name, which is model@provider,
// or model@provider#2.
func modelOf(deployment, providerModel string) string {
	at := strings.LastIndexByte(deployment, '@')
	if at < 0 || providerModel == "" {
		return ""
	}
	return deployment[:at]
}

// used is what one attempt adds to its spend.
type used struct {
	model  string
	tokens int64
	cost   amount
}

// used reads what an attempt adds to its spend, and no more of it.
func (d *decoder) used() (u used) {
	in := decoder{s: d.text()}
	var deployment, providerModel string
	var t Tokens
	for in.next() {
		switch in.field {
		case fDeployment | fBytes:
			deployment = in.text()
		case fProviderModel | fBytes:
			providerModel = in.text()
		case fCost | fBytes:
			u.cost = in.amount()
		default:
			in.tokens(&t)
		}
	}
	d.fail(in.err)
	u.model, u.tokens = modelOf(deployment, providerModel), plus(t.In, t.Out)
	return u
}

// SpendOf returns what the attempts of entries have used. Stores add it to what
// they have.
func SpendOf(entries []Entry) []Spend {
	type sum struct {
		Spend
		cost amount
	}
	sums := make(map[SpendKey]*sum)
	for i := range entries {
		e := &entries[i]
		for j := range e.used {
			u := &e.used[j]
			if u.tokens == 0 && u.cost.known && u.cost.pico == 0 && u.cost.rest.IsZero() {
				continue
			}
			key := SpendKey{Hour: e.Key.Hour, KeyID: e.Key.KeyID, Tenant: e.Key.Tenant, Workload: e.Key.Workload, Model: u.model}
			s := sums[key]
			if s == nil {
				s = &sum{Spend: Spend{SpendKey: key}}
				sums[key] = s
			}
			s.Tokens = plus(s.Tokens, u.tokens)
			if u.cost.known {
				s.cost.add(&u.cost)
			} else {
				s.Unpriced++
			}
		}
	}
	out := make([]Spend, 0, len(sums))
	for _, s := range sums {
		s.Cost = s.cost.decimal()
		out = append(out, s.Spend)
	}
	return out
}

// Add adds what o has used. The key stays.
func (s *Spend) Add(o *Spend) {
	s.Tokens = plus(s.Tokens, o.Tokens)
	s.Cost = s.Cost.Add(o.Cost)
	s.Unpriced = plus(s.Unpriced, o.Unpriced)
}

// Spent returns what attempts of requests have used that arrived since a time,
// everything journaled before the call included, by key, tenant, workload and
// model; the hours are zero. It is exact where rows are kept; where retention has removed
// them, the hour that the time is in counts whole.
func (l *Ledger) Spent(ctx context.Context, since time.Time) ([]Spend, error) {
	if err := l.Sync(ctx); err != nil {
		return nil, err
	}
	pruned, err := l.store.Pruned(ctx)
	if err != nil {
		return nil, fmt.Errorf("spend: %w", err)
	}
	sums := make(map[SpendKey]*Spend)
	add := func(s *Spend) {
		key := s.SpendKey
		key.Hour = time.Time{}
		if sums[key] == nil {
			sums[key] = &Spend{SpendKey: key}
		}
		sums[key].Add(s)
	}
	whole, edges := split(Query{Since: since}, pruned, l.opts.Clock())
	for s, err := range l.store.Spends(ctx, whole.Since) {
		if err != nil {
			return nil, fmt.Errorf("spend: %w", err)
		}
		add(s)
	}
	for _, edge := range edges {
		for r, err := range l.store.Rows(ctx, edge) {
			if err != nil {
				return nil, fmt.Errorf("spend: %w", err)
			}
			for i := range r.Attempts {
				add(r.spend(&r.Attempts[i]))
			}
		}
	}
	out := make([]Spend, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Spend) int { return a.compare(&b.SpendKey) })
	return out, nil
}

// spend is what one of the row's attempts has used.
func (r *Row) spend(a *Attempt) *Spend {
	s := &Spend{
		SpendKey: SpendKey{Hour: hourOf(r.Time), KeyID: r.KeyID, Tenant: r.Tenant, Workload: r.Workload, Model: a.Model()},
		Tokens:   plus(a.Tokens.In, a.Tokens.Out),
	}
	if s.Cost = a.Cost.Decimal; !a.Cost.Valid {
		s.Cost, s.Unpriced = decimal.Zero, 1
	}
	return s
}

func (k *SpendKey) compare(o *SpendKey) int {
	return slices.Compare([]string{k.KeyID, k.Tenant, k.Workload, k.Model}, []string{o.KeyID, o.Tenant, o.Workload, o.Model})
}
