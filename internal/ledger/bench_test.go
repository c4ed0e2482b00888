package ledger_test

import (
	"path/filepath"
	"testing"

	"freehold/internal/ledger"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

// plain returns the row of an ordinary request: one attempt, no seam.
func plain(n int) *ledger.Row {
	r := storetest.Row(n)
	r.Seams, r.Dropped, r.Attempts = nil, nil, r.Attempts[:1]
	r.Attempts[0].Outcome, r.Attempts[0].Fault = ledger.OK, ""
	return r
}

// BenchmarkRecord measures what a request pays before it is sent and before its
// last byte. The store takes nothing meanwhile.
func BenchmarkRecord(b *testing.B) {
	l := open(b, b.TempDir(), storetest.NewMemory(), ledger.Options{})
	b.Run("begin", func(b *testing.B) {
		r := begun(1)
		b.ReportAllocs()
		for b.Loop() {
			must(b, l.Begin(r))
		}
	})
	b.Run("end", func(b *testing.B) {
		r := plain(1)
		b.ReportAllocs()
		for b.Loop() {
			must(b, l.End(r))
		}
	})
}

// BenchmarkRequest measures all that recording a request costs, on its path and
// behind it, under load: journal, store and rollups.
func BenchmarkRequest(b *testing.B) {
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "freehold.db"))
	must(b, err)
	b.Cleanup(func() { must(b, db.Close()) })
	l := open(b, b.TempDir(), sqlite.NewLedger(db), ledger.Options{})
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		start, end := begun(1), plain(n)
		start.ID = end.ID
		start.Time, end.Time = storetest.Row(0).Time, storetest.Row(0).Time
		must(b, l.Begin(start))
		must(b, l.End(end))
		if n%250 == 0 { // 500 requests/s
			must(b, l.Sync(b.Context()))
		}
	}
	must(b, l.Sync(b.Context()))
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	l := open(t, t.TempDir(), storetest.NewMemory(), ledger.Options{})
	start, end := begun(1), plain(1)
	n := testing.AllocsPerRun(200, func() {
		must(t, l.Begin(start))
		must(t, l.End(end))
	})
	// The cost of the row and that of its attempt become text.
	if n > 4 {
		t.Errorf("a request takes %v allocations, want at most 4", n)
	}
}
