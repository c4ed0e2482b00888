package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"freehold/internal/ledger"
	"freehold/internal/store/storetest"
)

func TestUsage(t *testing.T) {
	ctx := t.Context()
	l := open(t, t.TempDir(), storetest.NewMemory(), ledger.Options{})
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for n := range 100 {
		r := storetest.Row(n)
		r.Time = day.Add(time.Duration(n) * 30 * time.Minute) // into the third day
		r.Workload = []string{"chat", "mail"}[n%2]
		r.Cost = decimal.NullDecimal{Decimal: decimal.RequireFromString("0.001"), Valid: n%10 != 0}
		r.FirstToken, r.Total = time.Duration(n+1)*time.Millisecond, time.Duration(n+1)*time.Second
		if n%4 == 3 {
			r.Outcome, r.FirstToken, r.Total = ledger.Failed, 0, time.Millisecond
		}
		must(t, l.End(r))
	}
	groups, err := l.Usage(ctx, ledger.Query{GroupBy: []ledger.Dimension{ledger.ByDay, ledger.ByWorkload}})
	must(t, err)
	var got []string
	for _, g := range groups {
		got = append(got, fmt.Sprintf("%s %s: %d requests, %d errors, %s USD and %d unknown",
			g.By[ledger.ByDay], g.By[ledger.ByWorkload], g.Requests, g.Errors, g.Cost, g.CostUnknown))
	}
	want := []string{
		"2026-03-01 chat: 24 requests, 0 errors, 0.019 USD and 5 unknown",
		"2026-03-01 mail: 24 requests, 12 errors, 0.024 USD and 0 unknown",
		"2026-03-02 chat: 24 requests, 0 errors, 0.019 USD and 5 unknown",
		"2026-03-02 mail: 24 requests, 12 errors, 0.024 USD and 0 unknown",
		"2026-03-03 chat: 2 requests, 0 errors, 0.002 USD and 0 unknown",
		"2026-03-03 mail: 2 requests, 1 errors, 0.002 USD and 0 unknown",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	all, err := l.Usage(ctx, ledger.Query{})
	must(t, err)
	if len(all) != 1 || all[0].Requests != 100 || all[0].Outcomes[ledger.Failed] != 25 || all[0].Features["tools"] != 100 {
		t.Fatalf("all: %+v", all)
	}
	// Of the 75 requests that were answered: 1, 2, 3, 5, 6, 7, 9, ... 99.
	for _, p := range []struct {
		name      string
		got, want time.Duration
	}{
		{"first token p50", all[0].FirstToken.P50, 50 * time.Millisecond},
		{"first token p95", all[0].FirstToken.P95, 95 * time.Millisecond},
		{"total p50", all[0].Total.P50, 50 * time.Second},
		{"total p95", all[0].Total.P95, 95 * time.Second},
	} {
		if (p.got - p.want).Abs() > p.want*4/100 {
			t.Errorf("%s = %v, want about %v", p.name, p.got, p.want)
		}
	}

	if none, err := l.Usage(ctx, ledger.Query{Workload: "none"}); err != nil || len(none) != 0 {
		t.Errorf("usage of nothing: %+v, %v", none, err)
	}
	if _, err := l.Usage(ctx, ledger.Query{GroupBy: []ledger.Dimension{"colour"}}); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("grouping by an unknown dimension: %v", err)
	}
}

// TestUsageIsExactAtItsEnds compares usage with a count of the rows, for ranges
// that begin and end anywhere.
func TestUsageIsExactAtItsEnds(t *testing.T) {
	s := storetest.NewMemory()
	now := storetest.Row(400).Time
	l := open(t, t.TempDir(), s, ledger.Options{Clock: func() time.Time { return now }})
	const rows = 400
	for n := range rows {
		must(t, l.End(storetest.Row(n)))
	}
	first := storetest.Row(0).Time
	check := func(t *rapid.T, pruned time.Time) {
		at := func(name string) time.Time {
			if rapid.Bool().Draw(t, name+" open") {
				return time.Time{}
			}
			unit := rapid.SampledFrom([]time.Duration{time.Hour, time.Minute, time.Second}).Draw(t, name+" unit")
			return first.Add(time.Duration(rapid.IntRange(-70, 480).Draw(t, name)) * time.Minute).Truncate(unit)
		}
		q := ledger.Query{Since: at("since"), Until: at("until")}
		since, until := q.Since, q.Until
		if since.Before(pruned) {
			since = since.Truncate(time.Hour)
		}
		if hour := until.Truncate(time.Hour); hour.Before(pruned) && !hour.Equal(until) {
			until = hour.Add(time.Hour)
		}
		var want int64
		for n := range rows {
			at := storetest.Row(n).Time
			if !at.Before(since) && (q.Until.IsZero() || at.Before(until)) {
				want++
			}
		}
		if !q.Until.IsZero() && !q.Since.Before(q.Until) {
			want = 0
		}
		groups, err := l.Usage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		for _, g := range groups {
			got += g.Requests
		}
		if got != want {
			t.Errorf("usage from %v to %v counts %d requests, want %d", q.Since, q.Until, got, want)
		}
	}
	t.Run("with all rows", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { check(t, time.Time{}) })
	})
	t.Run("with old rows removed", func(t *testing.T) {
		l.SetKeep(3 * time.Hour)
		l.PruneNow(t.Context())
		pruned, err := s.Pruned(t.Context())
		must(t, err)
		rapid.Check(t, func(t *rapid.T) { check(t, pruned) })
	})
}
