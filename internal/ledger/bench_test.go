package ledger_test

import (
	"testing"

	"freehold/internal/ledger"
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

// TestRecordingDoesNotAllocate counts the allocations of the whole process, so
// nothing else may run in it, and the buffer is not one of the pool.
func TestRecordingDoesNotAllocate(t *testing.T) {
	l, journal := ledger.Undrained(t.TempDir())
	defer journal.Close()
	start, end, buf := begun(1), plain(1), make([]byte, 0, 4096)
	n := testing.AllocsPerRun(1000, func() {
		must(t, l.BeginIn(&buf, start))
		must(t, l.EndIn(&buf, end))
	})
	if n > 0 {
		t.Errorf("a request takes %v allocations", n)
	}
}
