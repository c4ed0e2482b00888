package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

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
