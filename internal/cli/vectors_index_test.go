package cli

import (
	"testing"
	"time"

	"freehold/internal/admin"
	"freehold/internal/vector"
	"freehold/internal/vector/front"
)

// TestDifferenceOf: what should be there need not be what Pinecone has.
func TestDifferenceOf(t *testing.T) {
	d := vector.Difference{ID: "a", What: "vector ", Want: "[1 2]", Got: "[3 4]"}
	if got := differenceOf(&d); got != "  __default__ a: vector: the new store should have [1 2], and has [3 4]" {
		t.Error(got)
	}
}

// TestUnreached: work that is gone without an error has not been done.
func TestUnreached(t *testing.T) {
	now := time.Now()
	failed := &admin.IndexWork{Ended: &now, Error: "the stores differ"}
	for _, test := range []struct {
		what string
		x    admin.Index
		to   front.Phase
		ok   bool
	}{
		{"cut over", admin.Index{Phase: "cutover", Filled: &now}, front.Cut, true},
		{"a server that began anew", admin.Index{Phase: "sync", Filled: &now}, front.Cut, false},
		{"a cutover that failed says so itself", admin.Index{Phase: "sync", Filled: &now, Work: failed}, front.Cut, true},
		{"filled", admin.Index{Phase: "sync", Filled: &now}, front.Sync, true},
		{"not filled", admin.Index{Phase: "sync"}, front.Sync, false},
		{"ended by someone else", admin.Index{Phase: "relay", Filled: &now}, front.Sync, false},
	} {
		if err := unreached(&test.x, test.to); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}
