// Package budgettest holds the suite that every [budget.State] passes.
package budgettest

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/budget"
)

// Account returns an account of its own for each n.
func Account(n int64) budget.Account {
	return budget.Account{
		Meter: budget.Meter{Per: budget.PerWorkload, Every: budget.Day, Zone: "UTC", Unit: budget.USD},
		Start: 1_767_225_600 + n*86_400, Scope: "chat",
	}
}

// Test runs the suite. open returns a fresh, empty state each time.
func Test(t *testing.T, open func(t *testing.T) budget.State) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, budget.State)
	}{
		{"accounts are apart", apart},
		{"all claims or none", allOrNone},
		{"what is reserved comes back", comesBack},
		{"a limit may be used up and not exceeded", limits},
		{"seeds count as spent", seeds},
		{"a sweep keeps what is reserved", sweeps},
		{"large amounts do not wrap around", large},
		{"nobody gets more than there is", concurrent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func has(t testing.TB, s budget.State, a budget.Account, want budget.Balance) {
	t.Helper()
	if b, err := s.Balance(t.Context(), a); err != nil || b != want {
		t.Errorf("%s %d %s has %+v, %v; want %+v", a.Meter, a.Start, a.Scope, b, err, want)
	}
}

// reserve reserves an amount of one account and reports whether there was room.
func reserve(t testing.TB, s budget.State, a budget.Account, amount, limit int64) bool {
	t.Helper()
	refused, _, err := s.Reserve(context.Background(), []budget.Claim{{Account: a, Amount: amount, Limit: limit}})
	if err != nil {
		t.Error(err)
	}
	return refused < 0
}

func apart(t *testing.T, s budget.State) {
	first := Account(0)
	scope, period, meter := first, first, first
	scope.Scope, period.Start, meter.Unit = "mail", first.Start+86_400, budget.Tokens
	want := map[budget.Account]budget.Balance{}
	for i, a := range []budget.Account{first, scope, period, meter} {
		has(t, s, a, budget.Balance{})
		b := budget.Balance{Spent: int64(i + 1), Reserved: int64(10 * i), Unpriced: int64(i)}
		must(t, s.Post(t.Context(), []budget.Posting{{Account: a, Balance: b}}))
		want[a] = b
	}
	all, err := s.All(t.Context())
	must(t, err)
	got := map[budget.Account]budget.Balance{}
	for _, p := range all {
		got[p.Account] = p.Balance
		has(t, s, p.Account, want[p.Account])
	}
	if diff := cmp.Diff(want, got); diff != "" || len(all) != len(want) {
		t.Errorf("all %d accounts (-want +got):\n%s", len(all), diff)
	}
}

func allOrNone(t *testing.T, s budget.State) {
	a, b := Account(1), Account(2)
	must(t, s.Post(t.Context(), []budget.Posting{{Account: b, Balance: budget.Balance{Spent: 60, Reserved: 5, Unpriced: 2}}}))
	refused, have, err := s.Reserve(t.Context(), []budget.Claim{{Account: a, Amount: 40, Limit: 100}, {Account: b, Amount: 40, Limit: 100}})
	if err != nil || refused != 1 || have != (budget.Balance{Spent: 60, Reserved: 5, Unpriced: 2}) {
		t.Errorf("Reserve = %d, %+v, %v; want the second claim refused", refused, have, err)
	}
	has(t, s, a, budget.Balance{})
	refused, _, err = s.Reserve(t.Context(), []budget.Claim{{Account: a, Amount: 40, Limit: 100}, {Account: b, Amount: 35, Limit: 100}})
	if err != nil || refused != -1 {
		t.Errorf("Reserve = %d, %v; want none refused", refused, err)
	}
	has(t, s, a, budget.Balance{Reserved: 40})
	has(t, s, b, budget.Balance{Spent: 60, Reserved: 40, Unpriced: 2})
}

func comesBack(t *testing.T, s budget.State) {
	a := Account(3)
	if !reserve(t, s, a, 50, 100) {
		t.Fatal("no room in an empty account")
	}
	must(t, s.Post(t.Context(), []budget.Posting{{Account: a, Balance: budget.Balance{Reserved: -20}}}))
	has(t, s, a, budget.Balance{Reserved: 30})
	must(t, s.Post(t.Context(), []budget.Posting{
		{Account: a, Balance: budget.Balance{Reserved: -30}},
		{Account: a, Balance: budget.Balance{Spent: 30}},
	}))
	has(t, s, a, budget.Balance{Spent: 30})
	// More than was reserved is not given back, nor to who has nothing.
	must(t, s.Post(t.Context(), []budget.Posting{
		{Account: a, Balance: budget.Balance{Reserved: -1}},
		{Account: Account(4), Balance: budget.Balance{Reserved: -1}},
	}))
	has(t, s, a, budget.Balance{Spent: 30})
	has(t, s, Account(4), budget.Balance{})
}

func limits(t *testing.T, s budget.State) {
	a := Account(5)
	must(t, s.Post(t.Context(), []budget.Posting{{Account: a, Balance: budget.Balance{Spent: 70}}}))
	for _, c := range []struct {
		amount, limit int64
		want          bool
	}{{31, 100, false}, {30, 100, true}, {1, 100, false}, {0, 100, true}, {0, 99, false}, {5, 105, true}} {
		if got := reserve(t, s, a, c.amount, c.limit); got != c.want {
			t.Errorf("reserving %d of %d: %v, want %v", c.amount, c.limit, got, c.want)
		}
	}
	has(t, s, a, budget.Balance{Spent: 70, Reserved: 35})
}

func seeds(t *testing.T, s budget.State) {
	a, b := Account(6), Account(7)
	must(t, s.Seed(t.Context(), []budget.Posting{
		{Account: a, Balance: budget.Balance{Spent: 90, Unpriced: 3}}, {Account: b, Balance: budget.Balance{Spent: 1}},
	}))
	has(t, s, a, budget.Balance{Spent: 90, Unpriced: 3})
	has(t, s, b, budget.Balance{Spent: 1})
	if reserve(t, s, a, 11, 100) || !reserve(t, s, a, 10, 100) {
		t.Error("what was seeded does not count")
	}
	must(t, s.Post(t.Context(), []budget.Posting{{Account: a, Balance: budget.Balance{Spent: 4, Reserved: -10, Unpriced: 1}}}))
	has(t, s, a, budget.Balance{Spent: 94, Unpriced: 4})
}

func sweeps(t *testing.T, s budget.State) {
	old, open, now := Account(8), Account(9), Account(10)
	for _, a := range []budget.Account{old, open, now} {
		must(t, s.Post(t.Context(), []budget.Posting{{Account: a, Balance: budget.Balance{Spent: 7}}}))
	}
	reserve(t, s, open, 1, 100)
	must(t, s.Sweep(t.Context(), func(a budget.Account) bool { return a.Start < now.Start }))
	has(t, s, old, budget.Balance{})
	has(t, s, open, budget.Balance{Spent: 7, Reserved: 1})
	has(t, s, now, budget.Balance{Spent: 7})
}

func large(t *testing.T, s budget.State) {
	a := Account(11)
	must(t, s.Post(t.Context(), []budget.Posting{{Account: a, Balance: budget.Balance{Spent: math.MaxInt64 - 5}}}))
	if reserve(t, s, a, math.MaxInt64/2, math.MaxInt64-1) {
		t.Error("more was reserved than there can be")
	}
	must(t, s.Post(t.Context(), []budget.Posting{{Account: a, Balance: budget.Balance{Spent: 50}}}))
	if b, err := s.Balance(t.Context(), a); err != nil || b.Spent < math.MaxInt64-5 {
		t.Errorf("spent is %d, %v after more than there is room for", b.Spent, err)
	}
}

// concurrent lets many reserve, use less and give back of two accounts that they
// share, and holds that neither ever has more than its limit.
func concurrent(t *testing.T, s budget.State) {
	const limit, workers, tries = 1000, 16, 200
	a, b := Account(12), Account(13)
	var mu sync.Mutex
	used := map[budget.Account]int64{}
	var group sync.WaitGroup
	for w := range uint64(workers) {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(w, 1))
			for range tries {
				bound := 1 + rng.Int64N(40)
				claims := []budget.Claim{{Account: a, Amount: bound, Limit: limit}, {Account: b, Amount: bound, Limit: limit / 2}}
				claims = claims[:1+rng.IntN(2)]
				refused, _, err := s.Reserve(context.Background(), claims)
				if err != nil {
					t.Error(err)
					return
				}
				if refused >= 0 {
					continue
				}
				actual := rng.Int64N(bound + 1)
				var changes []budget.Posting
				mu.Lock()
				for _, c := range claims {
					changes = append(changes, budget.Posting{Account: c.Account, Balance: budget.Balance{Spent: actual, Reserved: -bound}})
					used[c.Account] += actual
				}
				mu.Unlock()
				if err := s.Post(context.Background(), changes); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	most := map[budget.Account]int64{a: limit, b: limit / 2}
	for account := range maps.Keys(most) {
		has(t, s, account, budget.Balance{Spent: used[account]})
		if used[account] > most[account] || used[account] == 0 {
			t.Errorf("%d were used of %d", used[account], most[account])
		}
	}
}
