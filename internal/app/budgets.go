package app

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"freehold/internal/budget"
	"freehold/internal/config"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/meter"
	"freehold/internal/rollout/aside"
	"freehold/internal/rule"
)

// useBudgets takes the budgets of a configuration into use, and counts what its
// routing rules ask for.
func (a *App) useBudgets(ctx context.Context, k *budget.Keeper, cfg *config.Config, f *fleet.Fleet) error {
	rules, err := budgetRules(cfg)
	if err != nil {
		return err
	}
	for _, scope := range spendScopes(f) {
		rules = append(rules, budget.Rule{Meter: today(scope, f), Location: f.Settings.Location, Limit: math.MaxInt64, OnExceed: budget.Watch})
	}
	return k.Use(ctx, rules, func(ctx context.Context, since time.Time) ([]budget.Past, error) { return a.spent(ctx, f, since) })
}

// spendScopes are the scopes of which rules of a fleet read what was spent today.
func spendScopes(f *fleet.Fleet) []string {
	var scopes []string
	for _, name := range f.WorkloadNames() {
		for _, r := range f.Workloads[name].Rules {
			for _, l := range r.Condition.Live() {
				if l.Kind == rule.SpendToday && !slices.Contains(scopes, l.Target) {
					scopes = append(scopes, l.Target)
				}
			}
		}
	}
	return scopes
}

// today is the meter of what is spent today by workload, by key or by all.
func today(scope string, f *fleet.Fleet) budget.Meter {
	return budget.Meter{Per: budget.Per(scope), Every: budget.Day, Zone: f.Settings.Location.String(), Unit: budget.USD}
}

// spentToday is what routing rules are told.
func (a *App) spentToday(k *budget.Keeper) func(scope, workload, keyID string) (float64, bool) {
	return func(scope, workload, keyID string) (float64, bool) {
		n, ok := k.Spent(context.Background(), today(scope, a.Fleet()), a.subject(keyID, "", workload))
		return float64(n) / budget.PerUSD, ok
	}
}

// BudgetsNow are the budgets with what is spent of them: those in use where this
// App serves, else as the ledger has them.
func (a *App) BudgetsNow(ctx context.Context) (*budget.Keeper, error) {
	if a.Budgets != nil {
		return a.Budgets, nil
	}
	k := budget.New(budget.NewMemory(), a.Clock, a.Log)
	return k, a.useBudgets(ctx, k, a.Config(), a.Fleet())
}

// budgetStatus are the budgets for metrics, which leave out what they cannot have.
func (a *App) budgetStatus() []budget.Status {
	list, err := a.Budgets.Status(context.Background(), a.Clock())
	if err != nil {
		a.Log.Warn("metrics of budgets are left out", "error", err)
	}
	return list
}

// budgetRules are a configuration's budgets as they are held to.
func budgetRules(cfg *config.Config) ([]budget.Rule, error) {
	rules := make([]budget.Rule, 0, len(cfg.Budgets))
	for i := range cfg.Budgets {
		b := &cfg.Budgets[i]
		loc, err := b.Location()
		if err != nil {
			return nil, fmt.Errorf("budgets.%d: %w", i, err)
		}
		r := budget.Rule{
			Meter:    budget.Meter{Per: budget.Per(b.Per), Name: b.Name, Every: budget.Every(b.Every), Zone: b.Timezone, Unit: budget.USD},
			Location: loc, Limit: meter.Pico(b.Limit.Amount), OnExceed: budget.Action(b.OnExceed), Strict: b.Strict, Cap: int64(b.MaxTokens),
		}
		if b.Limit.Tokens {
			r.Unit, r.Limit = budget.Tokens, b.Limit.Amount.IntPart()
		}
		if r.Every == budget.Hour {
			r.Zone = "UTC" // hours are UTC's, see budget.Every
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// spent is what the ledger has on record, as budgets count it with the workloads of f.
func (a *App) spent(ctx context.Context, f *fleet.Fleet, since time.Time) ([]budget.Past, error) {
	list, err := a.Ledger.Spent(ctx, since)
	if err != nil {
		return nil, err
	}
	past := make([]budget.Past, len(list))
	for i := range list {
		past[i] = a.past(f, &list[i])
	}
	return past, nil
}

func (a *App) past(f *fleet.Fleet, s *ledger.Spend) budget.Past {
	workload := s.Workload
	if w, ok := aside.Counted(f, workload); ok {
		workload = w
	}
	return budget.Past{
		Subject:  a.subject(s.KeyID, s.Tenant, workload),
		Use:      budget.Use{Model: s.Model, Money: meter.Pico(s.Cost), Priced: true, Tokens: s.Tokens},
		Unpriced: s.Unpriced,
	}
}

// subject is who asked, with a key that was rotated as the one it was first.
func (a *App) subject(keyID, tenant, workload string) budget.Subject {
	s := budget.Subject{Key: keyID, Tenant: tenant, Workload: workload}
	if key, err := a.Keys.Get(keyID); err == nil {
		s.Key, s.KeyName = key.Family, key.Name
	}
	return s
}
