package ledger_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/ledger"
)

// A sum that does not fit stays at the largest number: it never turns negative.
func TestSumsDoNotWrap(t *testing.T) {
	const most = math.MaxInt64
	huge := ledger.Tokens{In: most, Out: most - 1, Cached: 1, CacheWrite: most, Reasoning: -most}
	want := ledger.Tokens{In: most, Out: most, Cached: 2, CacheWrite: most, Reasoning: math.MinInt64}
	if diff := cmp.Diff(want, huge.Add(huge)); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	row := &ledger.Row{Tokens: huge, BytesIn: most, BytesOut: most, Features: []string{"f"}}
	var one, sums ledger.Sums
	one.Add(row)
	one.Requests = most
	sums.Add(row)
	sums.Merge(&one)
	if sums.Requests != most || sums.BytesIn != most || sums.BytesOut != most || sums.Tokens != want || sums.Features["f"] != 2 {
		t.Errorf("sums: %+v", sums)
	}
}
