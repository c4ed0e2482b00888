package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"freehold/internal/ledger"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

func openLedger(t testing.TB) ledger.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "freehold.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return sqlite.NewLedger(db)
}

func TestLedger(t *testing.T) {
	storetest.Ledger(t, func(t *testing.T) ledger.Store { return openLedger(t) })
}

// TestIDsOfAllForms holds that ids which differ in form only are different
// requests, each found by its own.
func TestIDsOfAllForms(t *testing.T) {
	s := openLedger(t)
	usual := storetest.Row(1).ID
	u := uuid.MustParse(usual)
	ids := []string{usual, strings.ToUpper(usual), u.URN(), "{" + usual + "}", strings.ReplaceAll(usual, "-", ""), string(u[:]), "x"}
	for _, id := range ids {
		r := storetest.Row(1)
		r.ID = id
		// Once more in the same batch, and again in the next.
		for range 2 {
			if err := s.Apply(t.Context(), ledger.Batch{Entries: storetest.Entries(t, r, r)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range ids {
		if r, err := s.Row(t.Context(), id); err != nil || r.ID != id {
			t.Errorf("row %q: %+v, %v", id, r, err)
		}
	}
	for r, err := range s.Rollups(t.Context(), ledger.Query{}) {
		if err != nil || r.Requests != int64(len(ids)) {
			t.Errorf("rollup counts %d requests, want %d; %v", r.Requests, len(ids), err)
		}
	}
}

// BenchmarkApply measures what storing one request costs, in batches as the
// ledger makes them under load.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 50, 512} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openLedger(b)
			n := 0
			for b.Loop() {
				batch := ledger.Batch{Journal: "j", Position: ledger.Position{Segment: 1, Offset: int64(n)}}
				for range size {
					n++
					r := storetest.Row(n)
					r.Time = r.Time.Truncate(1 << 40)
					batch.Entries = append(batch.Entries, storetest.Entries(b, r)...)
				}
				if err := s.Apply(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/row")
		})
	}
}
