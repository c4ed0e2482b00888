package budget

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is a rule with what its scopes have spent in the present period.
type Status struct {
	Rule
	Start, End time.Time // of the period
	Scopes     []ScopeStatus
}

// ScopeStatus is one account of a rule.
type ScopeStatus struct {
	Scope string
	Balance
}

// Left is what may yet be spent, not less than nothing.
func (s *Status) Left(b Balance) int64 {
	return max(0, plus(plus(s.Limit, -b.Spent), -b.Reserved))
}

// Status returns all rules that limit, in their order, each with the scopes that have
// spent something, the largest first; the one scope of a rule that names it is
// always there.
func (k *Keeper) Status(ctx context.Context, now time.Time) ([]Status, error) {
	if !k.On() {
		return nil, nil
	}
	all, err := k.state.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("budgets: %w", err)
	}
	var out []Status
	for _, r := range k.set.Load().rules {
		if r.OnExceed == Watch {
			continue
		}
		st := Status{Rule: r}
		st.Start, st.End = r.Every.Period(now, r.Location)
		for i := range all {
			if a := &all[i]; a.Meter == r.Meter && a.Start == st.Start.Unix() {
				st.Scopes = append(st.Scopes, ScopeStatus{a.Scope, a.Balance})
			}
		}
		if len(st.Scopes) == 0 && (r.Name != "" || r.Per == PerAll) {
			st.Scopes = []ScopeStatus{{Scope: r.Name}}
		}
		slices.SortFunc(st.Scopes, func(a, b ScopeStatus) int {
			return cmp.Or(cmp.Compare(b.Spent, a.Spent), strings.Compare(a.Scope, b.Scope))
		})
		out = append(out, st)
	}
	return out, nil
}

// Spent is what a meter in use has counted of a subject in the present period;
// ok is false where no rule counts it.
func (k *Keeper) Spent(ctx context.Context, id Meter, s Subject) (amount int64, ok bool) {
	if !k.On() {
		return 0, false
	}
	meters := k.set.Load().meters
	i := slices.IndexFunc(meters, func(m meter) bool { return m.Meter == id })
	if i < 0 {
		return 0, false
	}
	m := &meters[i]
	scope, ok := m.scope(&s, "")
	if !ok {
		return 0, false
	}
	b, err := k.state.Balance(ctx, m.account(scope, k.clock()))
	if err != nil {
		k.log.Error("budgets: what is spent cannot be read", "meter", id.String(), "error", err)
		return 0, false
	}
	return b.Spent, true
}
