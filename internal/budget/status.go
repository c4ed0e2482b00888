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

// Status returns all rules in their order, each with the scopes that have
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
