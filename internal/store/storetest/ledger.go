// Package storetest holds the suites that every implementation of a store
// passes, whatever database it keeps its state in.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"

	"freehold/internal/ledger"
)

// Ledger checks a [ledger.Store]. open returns an empty store; the suite may
// open several in one test.
func Ledger(t *testing.T, open func(t *testing.T) ledger.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, ledger.Store)
	}{
		{"a row comes back whole", rowComesBackWhole},
		{"a request is stored once", storedOnce},
		{"a batch is stored whole or not at all", wholeOrNot},
		{"positions are kept by journal", positions},
		{"rows are selected and paged", selection},
		{"old rows go and rollups stay", pruning},
		{"an iteration can end early", earlyEnd},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	// Each seed is another store, filled by chance.
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("rollups are the sums of the rows, seed %d", seed), func(t *testing.T) {
			rollupsAreSums(t, open(t), rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

// start is the time of the suite's first row.
var start = time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC)

// Row returns a row in which every field has a value of its own, made from n,
// at start plus n minutes.
func Row(n int) *ledger.Row {
	at := start.Add(time.Duration(n) * time.Minute)
	return &ledger.Row{
		ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012x", n), ClientID: "theirs-" + fmt.Sprint(n), Time: at,
		KeyID: "key_1", KeyName: "team a", Tenant: "acme", Workload: "support-chat", Asked: "gpt-4o-mini",
		Model: "llama-3.1-70b", Deployment: "cluster/llama", Provider: "cluster", ProviderModel: "meta-llama/Llama-3.1-70B-Instruct",
		Dialect: "openaichat", Operation: "chat", Stream: true, Status: 200, Outcome: ledger.OK, ErrorCode: "none",
		Tokens: ledger.Tokens{In: 1000 + int64(n), Out: 200, Cached: 512, CacheWrite: 64, Reasoning: 20, Estimated: n%2 == 1},
		Cost:   decimal.NewNullDecimal(decimal.New(123+int64(n), -9)), PriceSource: "catalog", PriceDate: "2026-02-01",
		FirstToken: 300*time.Millisecond + time.Duration(n)*time.Microsecond, Total: 5 * time.Second,
		Route: "rule 2", Plan: "a@p > b@q | not c@r: open", DataClasses: []string{"eu-only", "restricted"},
		Cascade: &ledger.Cascade{Model: "small", By: "logprobs", Attempts: 1, Decision: "escalated", Cause: "margin", Margin: 0.125},
		Part:    &ledger.Part{Rollout: "r1", Arm: ledger.Candidate}, Drill: "d1", RoutingModel: "v0002",
		Detected: []ledger.Detection{{Detector: "pii", Kind: "email", Count: 2, Action: "redact"}},
		Seams:    []ledger.Seam{{Offset: 77, From: "cluster/llama", To: "together/llama", Method: "prefill", Cause: "cut"}},
		Features: []string{"tools", "json_schema"}, Dropped: []string{"logit_bias"}, Conversation: "c0ffee",
		BytesIn: 4096, BytesOut: 1234, ConfigVersion: "17", Tags: []string{"team=a", "größe=✓"},
		Attempts: []ledger.Attempt{
			{
				N: 1, Deployment: "cluster/llama", Provider: "cluster", ProviderModel: "meta", Start: at.Add(time.Millisecond),
				FirstByte: 250 * time.Millisecond, Total: time.Second, Outcome: ledger.Failed, Fault: "cut", Detail: "read: connection reset by peer", Status: 200,
				RequestID: "req_1", Played: true, Sent: 4000, Place: ledger.Place{Region: "eu-central-1", Jurisdiction: "EU", Inside: true}, Tokens: ledger.Tokens{In: 900, Out: 10, Estimated: true},
			},
			{
				N: 2, Deployment: "together/llama", Provider: "together", Cause: "cut", Start: at.Add(time.Second),
				Outcome: ledger.OK, Status: 200, Cost: decimal.NewNullDecimal(decimal.Zero),
			},
		},
	}
}

// rowsEqual are the options under which two rows are compared: money by value.
var rowsEqual = cmp.Options{
	cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
}

// Entries returns rows as they come to a store.
func Entries(t testing.TB, rows ...*ledger.Row) []ledger.Entry {
	t.Helper()
	entries := make([]ledger.Entry, len(rows))
	for i, r := range rows {
		record, err := r.AppendBinary(nil)
		if err == nil {
			entries[i], err = ledger.NewEntry(record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return entries
}

func apply(t testing.TB, s ledger.Store, rows ...*ledger.Row) {
	t.Helper()
	if err := s.Apply(context.Background(), ledger.Batch{Entries: Entries(t, rows...)}); err != nil {
		t.Fatal(err)
	}
}

func collect[T any](t testing.TB, seq iter.Seq2[T, error]) (list []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

func ids(rows []*ledger.Row) []string {
	var list []string
	for _, r := range rows {
		list = append(list, r.ID)
	}
	return list
}

func rowComesBackWhole(t *testing.T, s ledger.Store) {
	ctx := t.Context()
	bare := &ledger.Row{ID: "bare", Time: start, Outcome: ledger.Refused}
	zero := Row(2)
	zero.Cost = decimal.NewNullDecimal(decimal.Zero)
	for _, want := range []*ledger.Row{Row(1), bare, zero} {
		apply(t, s, want)
		got, err := s.Row(ctx, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, rowsEqual); diff != "" {
			t.Errorf("row %s (-want +got):\n%s", want.ID, diff)
		}
	}
	if err := s.Flush(ctx); err != nil {
		t.Error(err)
	}
	if _, err := s.Row(ctx, "absent"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("Row of an absent id: %v, want ErrNotFound", err)
	}
}

func storedOnce(t *testing.T, s ledger.Store) {
	first, second := Row(1), Row(1)
	second.Outcome = ledger.Unknown
	apply(t, s, first, second)
	apply(t, s, second, Row(2), Row(2))
	got := collect(t, s.Rows(t.Context(), ledger.Query{}))
	if diff := cmp.Diff([]*ledger.Row{Row(2), first}, got, rowsEqual); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	var n int64
	for _, r := range collect(t, s.Rollups(t.Context(), ledger.Query{})) {
		n += r.Requests
	}
	if n != 2 {
		t.Errorf("rollups count %d requests, want 2", n)
	}
}

func wholeOrNot(t *testing.T, s ledger.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	batch := ledger.Batch{Entries: Entries(t, Row(1)), Journal: "a", Position: ledger.Position{Segment: 1, Offset: 2}}
	if err := s.Apply(ctx, batch); err == nil {
		t.Fatal("Apply with a canceled context succeeded")
	}
	if rows := collect(t, s.Rows(t.Context(), ledger.Query{})); len(rows) != 0 {
		t.Errorf("%d rows of a batch that failed", len(rows))
	}
	if p, err := s.Position(t.Context(), "a"); err != nil || p != (ledger.Position{}) {
		t.Errorf("position of a batch that failed: %v, %v", p, err)
	}
}

func positions(t *testing.T, s ledger.Store) {
	ctx := t.Context()
	want := map[string]ledger.Position{"a": {Segment: 3, Offset: 1 << 40}, "b": {Segment: 1, Offset: 19}, "c": {}}
	for _, at := range []ledger.Position{{Segment: 1, Offset: 5}, want["a"]} {
		if err := s.Apply(ctx, ledger.Batch{Journal: "a", Position: at}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Apply(ctx, ledger.Batch{Journal: "b", Position: want["b"]}); err != nil {
		t.Fatal(err)
	}
	for journal, want := range want {
		if got, err := s.Position(ctx, journal); err != nil || got != want {
			t.Errorf("position of %s = %v, %v; want %v", journal, got, err, want)
		}
	}
}

func selection(t *testing.T, s ledger.Store) {
	ctx := t.Context()
	var all []*ledger.Row
	for n := range 100 {
		r := Row(n / 2) // two at each time
		r.ID = fmt.Sprintf("%s-%d", r.ID, n%2)
		r.Workload = []string{"chat", "mail"}[n%2]
		r.Model = []string{"llama", "mistral", "phi"}[n%3]
		r.Provider = []string{"cluster", "together"}[n%4/2]
		r.KeyID = []string{"a", "b", "c", "d", "e"}[n%5]
		r.Tenant = []string{"acme", "", "umbrella"}[n%3]
		r.Outcome = []ledger.Outcome{ledger.OK, ledger.Failed}[n/50]
		all = append(all, r)
	}
	apply(t, s, all...)
	for _, q := range []ledger.Query{
		{},
		{Workload: "mail"}, {Model: "phi"}, {Provider: "together"}, {KeyID: "c"}, {Tenant: "acme"}, {Outcome: ledger.Failed},
		{Workload: "chat", KeyID: "a", Outcome: ledger.OK},
		{Since: start.Add(10 * time.Minute)}, {Until: start.Add(10 * time.Minute)},
		{Since: start.Add(10 * time.Minute), Until: start.Add(11 * time.Minute), Workload: "mail"},
		{Workload: "none"},
	} {
		var want []string
		for i := len(all) - 1; i >= 0; i-- {
			if selects(q, all[i]) {
				want = append(want, all[i].ID)
			}
		}
		if diff := cmp.Diff(want, ids(collect(t, s.Rows(ctx, q)))); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
		q.Limit = 7
		var paged []string
		for {
			page := ids(collect(t, s.Rows(ctx, q)))
			paged = append(paged, page...)
			if len(page) < q.Limit {
				break
			}
			q.After = page[len(page)-1]
		}
		if diff := cmp.Diff(want, paged); diff != "" {
			t.Errorf("%+v in pages (-want +got):\n%s", q, diff)
		}
	}
}

func selects(q ledger.Query, r *ledger.Row) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return !r.Time.Before(q.Since) && (q.Until.IsZero() || r.Time.Before(q.Until)) &&
		is(q.Workload, r.Workload) && is(q.Model, r.Model) && is(q.Provider, r.Provider) &&
		is(q.KeyID, r.KeyID) && is(q.Tenant, r.Tenant) && is(string(q.Outcome), string(r.Outcome))
}

func pruning(t *testing.T, s ledger.Store) {
	ctx := t.Context()
	if at, err := s.Pruned(ctx); err != nil || !at.IsZero() {
		t.Errorf("Pruned of a new store: %v, %v", at, err)
	}
	var all []*ledger.Row
	for n := range 10 {
		r := Row(n)
		r.Time = start.Add(time.Duration(n) * time.Hour)
		all = append(all, r)
	}
	apply(t, s, all...)
	before := start.Add(5 * time.Hour).Truncate(time.Hour)
	for _, want := range []int{3, 2, 0} {
		if n, err := s.Prune(ctx, before, 3); err != nil || n != want {
			t.Errorf("Prune = %d, %v; want %d", n, err, want)
		}
	}
	if n, err := s.Prune(ctx, before.Add(-time.Hour), 3); err != nil || n != 0 {
		t.Errorf("Prune of an earlier time = %d, %v; want 0", n, err)
	}
	if at, err := s.Pruned(ctx); err != nil || !at.Equal(before) {
		t.Errorf("Pruned = %v, %v; want %v", at, err, before)
	}
	if rows := collect(t, s.Rows(ctx, ledger.Query{})); len(rows) != 5 || rows[4].Time.Before(before) {
		t.Errorf("%d rows left, want the newest 5", len(rows))
	}
	if rollups := collect(t, s.Rollups(ctx, ledger.Query{})); len(rollups) != 10 {
		t.Errorf("%d rollups left, want 10", len(rollups))
	}
}

func earlyEnd(t *testing.T, s ledger.Store) {
	for n := range 20 {
		apply(t, s, Row(n*60))
	}
	// More often than there can be connections.
	for range 20 {
		for range s.Rows(t.Context(), ledger.Query{}) {
			break
		}
		for range s.Rollups(t.Context(), ledger.Query{}) {
			break
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := s.Row(ctx, Row(0).ID); err != nil {
		t.Error(err)
	}
}

func rollupsAreSums(t *testing.T, s ledger.Store, rng *rand.Rand) {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	var all []*ledger.Row
	for range 1 + rng.IntN(4) {
		var rows []*ledger.Row
		for range rng.IntN(80) {
			r := Row(rng.IntN(240))
			r.ID = fmt.Sprint(rng.IntN(200)) // some twice
			r.Workload, r.Model, r.Provider = pick("", "chat", "mail"), pick("llama", "phi"), pick("", "x")
			r.KeyID, r.Tenant = pick("", "k"), pick("", "acme", "umbrella")
			r.Outcome = ledger.Outcome(pick("ok", "failed"))
			r.Stream = rng.IntN(2) == 0
			r.Tokens = ledger.Tokens{In: rng.Int64N(1e6), Out: rng.Int64N(1e4), Cached: rng.Int64N(100), Estimated: rng.IntN(2) == 0}
			r.Cost = decimal.NullDecimal{Decimal: decimal.New(rng.Int64N(1e12), -12), Valid: rng.IntN(3) > 0}
			r.FirstToken, r.Total = time.Duration(rng.Int64N(1e10)), time.Duration(rng.Int64N(1e12))
			r.Features = [][]string{nil, {"tools"}, {"tools", "images"}}[rng.IntN(3)]
			r.Attempts = r.Attempts[:rng.IntN(3)]
			for i := range r.Attempts {
				a := &r.Attempts[i]
				a.Deployment, a.ProviderModel = pick("llama@x", "phi@x#2", "files@x"), pick("", "id")
				a.Tokens = ledger.Tokens{In: rng.Int64N(2), Out: rng.Int64N(1e4)}
				a.Cost = decimal.NullDecimal{Decimal: decimal.New(rng.Int64N(1e12), -12), Valid: rng.IntN(3) > 0}
			}
			rows = append(rows, r)
		}
		apply(t, s, rows...)
		all = append(all, rows...)
	}
	stored := collect(t, s.Rows(context.Background(), ledger.Query{}))
	distinct := make(map[string]bool)
	for _, r := range all {
		distinct[r.ID] = true
	}
	if len(stored) != len(distinct) {
		t.Fatalf("%d rows stored of %d distinct", len(stored), len(distinct))
	}
	q := ledger.Query{
		Workload: pick("", "chat"), Model: pick("", "phi"), KeyID: pick("", "k"), Tenant: pick("", "acme"),
		Since: start.Truncate(time.Hour).Add(time.Duration(rng.IntN(3)) * time.Hour),
	}
	var selected []*ledger.Row
	for _, r := range stored {
		if selects(q, r) {
			selected = append(selected, r)
		}
	}
	got := make(map[ledger.RollupKey]*ledger.Sums)
	for r, err := range s.Rollups(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if got[r.Key] == nil {
			got[r.Key] = new(ledger.Sums)
		}
		got[r.Key].Merge(&r.Sums)
	}
	opts := cmp.Options{rowsEqual, cmp.Comparer(func(a, b ledger.Histogram) bool {
		x, errX := a.AppendBinary(nil)
		y, errY := b.AppendBinary(nil)
		return errX == nil && errY == nil && string(x) == string(y)
	})}
	if diff := cmp.Diff(ledger.RollUp(Entries(t, selected...)), got, opts); diff != "" {
		t.Errorf("rollups (-of the rows +stored):\n%s", diff)
	}
	spendsAreSums(t, s, stored, q.Since)
}

// spendsAreSums holds that what was spent is what the attempts of rows cost.
func spendsAreSums(t *testing.T, s ledger.Store, rows []*ledger.Row, since time.Time) {
	var later []*ledger.Row
	for _, r := range rows {
		if !r.Time.Before(since) {
			later = append(later, r)
		}
	}
	byKey := func(seq iter.Seq2[*ledger.Spend, error]) map[ledger.SpendKey]*ledger.Spend {
		sums := make(map[ledger.SpendKey]*ledger.Spend)
		for _, s := range collect(t, seq) {
			if sums[s.SpendKey] == nil {
				sums[s.SpendKey] = &ledger.Spend{SpendKey: s.SpendKey}
			}
			sums[s.SpendKey].Add(s)
		}
		return sums
	}
	want := byKey(func(yield func(*ledger.Spend, error) bool) {
		for _, s := range ledger.SpendOf(Entries(t, later...)) {
			if !yield(&s, nil) {
				return
			}
		}
	})
	if diff := cmp.Diff(want, byKey(s.Spends(context.Background(), since)), rowsEqual); diff != "" {
		t.Errorf("spends since %s (-of the rows +stored):\n%s", since, diff)
	}
}
