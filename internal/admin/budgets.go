package admin

import (
	"context"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/budget"
)

// Budget is a limit with what is spent of it in its present period.
type Budget struct {
	Name     string          `json:"name" doc:"as metrics have it: per:name:every"`
	Per      string          `json:"per"`
	Of       string          `json:"of,omitempty" doc:"the one key, workload or model that is limited; empty: each by itself"`
	Every    string          `json:"every"`
	Timezone string          `json:"timezone"`
	Unit     string          `json:"unit" doc:"usd or tokens"`
	Limit    decimal.Decimal `json:"limit"`
	OnExceed string          `json:"on_exceed"`
	Strict   bool            `json:"strict"`
	Since    time.Time       `json:"since" doc:"when the period began"`
	Resets   time.Time       `json:"resets" doc:"when the next one begins"`
	Scopes   []BudgetScope   `json:"scopes" doc:"what has spent something, the largest first"`
}

// BudgetScope is what one key, workload or model, or all together, have spent.
type BudgetScope struct {
	Scope    string          `json:"scope" doc:"a key's id, a workload or a model; empty: all"`
	KeyName  string          `json:"key_name,omitempty"`
	Spent    decimal.Decimal `json:"spent"`
	Reserved decimal.Decimal `json:"reserved" doc:"for requests under way"`
	Left     decimal.Decimal `json:"left"`
	Unpriced int64           `json:"unpriced" doc:"attempts whose cost is not known, and not in spent"`
	Exceeded bool            `json:"exceeded"`
}

// BudgetsOut lists budgets.
type BudgetsOut struct {
	Budgets []Budget `json:"budgets"`
}

func (s *Service) budgets(ctx context.Context, _ Caller, _ None) (BudgetsOut, error) {
	k, err := s.app.BudgetsNow(ctx)
	if err != nil {
		return BudgetsOut{}, err
	}
	list, err := k.Status(ctx, s.app.Clock())
	if err != nil {
		return BudgetsOut{}, err
	}
	out := BudgetsOut{Budgets: []Budget{}}
	for i := range list {
		out.Budgets = append(out.Budgets, s.budget(&list[i]))
	}
	return out, nil
}

func (s *Service) budget(st *budget.Status) Budget {
	amount := func(n int64) decimal.Decimal {
		if st.Unit == budget.Tokens {
			return decimal.NewFromInt(n)
		}
		return decimal.New(n, -12)
	}
	b := Budget{
		Name: st.Meter.String(), Per: string(st.Per), Of: st.Meter.Name, Every: string(st.Every), Timezone: st.Zone, Unit: string(st.Unit),
		Limit: amount(st.Limit), OnExceed: string(st.OnExceed), Strict: st.Strict, Since: st.Start, Resets: st.End, Scopes: []BudgetScope{},
	}
	for _, sc := range st.Scopes {
		shown := BudgetScope{
			Scope: sc.Scope, Spent: amount(sc.Spent), Reserved: amount(sc.Reserved), Left: amount(st.Left(sc.Balance)),
			Unpriced: sc.Unpriced, Exceeded: sc.Spent >= st.Limit,
		}
		if st.Per == budget.PerKey && st.Meter.Name == "" {
			if k, err := s.app.Keys.Get(sc.Scope); err == nil {
				shown.KeyName = k.Name
			}
		}
		b.Scopes = append(b.Scopes, shown)
	}
	return b
}
