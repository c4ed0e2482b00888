package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"freehold/internal/ledger"
	"freehold/internal/store/storetest"
)

// TestSpent holds what was spent against the attempts of the rows: by the model
// that was asked, also of requests that nobody answered and of those of which a
// part has no price.
func TestSpent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := open(t, t.TempDir(), storetest.NewMemory(), ledger.Options{})
		day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		since := day.Add(time.Duration(rapid.IntRange(0, 48).Draw(rt, "half hours")) * 30 * time.Minute)
		want := map[ledger.SpendKey]ledger.Spend{}
		for n := range rapid.IntRange(0, 30).Draw(rt, "rows") {
			r := storetest.Row(n)
			r.Time = day.Add(time.Duration(rapid.IntRange(0, 24*60).Draw(rt, "minute")) * time.Minute)
			r.Tenant = rapid.SampledFrom([]string{"", "acme"}).Draw(rt, "tenant")
			r.KeyID = rapid.SampledFrom([]string{"", "k"}).Draw(rt, "key")
			r.Model, r.Attempts = "llama", nil
			for range rapid.IntRange(0, 3).Draw(rt, "attempts") {
				model := rapid.SampledFrom([]string{"llama", "phi", "claude@20240620"}).Draw(rt, "model")
				a := ledger.Attempt{
					N: len(r.Attempts) + 1, Deployment: model + "@x", Provider: "x", ProviderModel: "id", Outcome: ledger.Failed,
					Tokens: ledger.Tokens{In: rapid.Int64Range(0, 100).Draw(rt, "in"), Out: rapid.Int64Range(0, 9).Draw(rt, "out"), Cached: 7},
					Cost:   decimal.NullDecimal{Valid: rapid.Bool().Draw(rt, "priced")},
				}
				if a.Cost.Valid {
					a.Cost.Decimal = decimal.New(rapid.Int64Range(0, 1e9).Draw(rt, "cost"), -12)
				}
				r.Attempts = append(r.Attempts, a)
				if r.Time.Before(since) || a.Tokens.In+a.Tokens.Out == 0 && a.Cost.Valid && a.Cost.Decimal.IsZero() {
					continue
				}
				key := ledger.SpendKey{KeyID: r.KeyID, Tenant: r.Tenant, Workload: r.Workload, Model: model}
				s := want[key]
				s.SpendKey, s.Tokens, s.Cost = key, s.Tokens+a.Tokens.In+a.Tokens.Out, s.Cost.Add(a.Cost.Decimal)
				if !a.Cost.Valid {
					s.Unpriced++
				}
				want[key] = s
			}
			must(t, l.End(r))
		}
		spends, err := l.Spent(t.Context(), since)
		if err != nil {
			rt.Fatal(err)
		}
		got := map[ledger.SpendKey]ledger.Spend{}
		for _, s := range spends {
			if _, twice := got[s.SpendKey]; twice {
				rt.Errorf("%+v comes twice", s.SpendKey)
			}
			if s.Tokens != 0 || !s.Cost.IsZero() || s.Unpriced != 0 {
				got[s.SpendKey] = s
			}
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(decimal.Decimal.Equal)); diff != "" {
			rt.Fatalf("since %s (-want +got):\n%s", since, diff)
		}
	})
}

// What a killed process left open is spent as it was estimated, on the model
// that was asked.
func TestSpentOfTheLost(t *testing.T) {
	dir, store := t.TempDir(), storetest.NewMemory()
	l := open(t, dir, store, ledger.Options{})
	r := storetest.Row(1)
	r.Outcome, r.Model = "", ""
	r.Attempts = []ledger.Attempt{
		{N: 1, Deployment: "llama@x", ProviderModel: "id", Outcome: ledger.Failed, Tokens: ledger.Tokens{In: 5}, Cost: decimal.NewNullDecimal(decimal.New(3, -6))},
		{N: 2, Deployment: "phi@y", ProviderModel: "id", Estimate: ledger.Estimate{TokensIn: 100, TokensOut: 10, PriceIn: "0.000001", PriceOut: "0.000002"}},
	}
	must(t, l.Begin(r))
	must(t, l.Close())
	l = open(t, dir, store, ledger.Options{})
	spends, err := l.Spent(t.Context(), r.Time)
	must(t, err)
	key := ledger.SpendKey{KeyID: r.KeyID, Tenant: r.Tenant, Workload: r.Workload}
	llama, phi := key, key
	llama.Model, phi.Model = "llama", "phi"
	want := []ledger.Spend{
		{SpendKey: llama, Tokens: 5, Cost: decimal.New(3, -6)},
		{SpendKey: phi, Tokens: 110, Cost: decimal.New(120, -6)},
	}
	if diff := cmp.Diff(want, spends, cmp.Comparer(decimal.Decimal.Equal)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
