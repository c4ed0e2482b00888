//go:build unix

package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"freehold/internal/ledger"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRequest measures all that recording a request costs under load:
// processor time on its path and behind it (journal, store and rollups), and
// bytes of the state file.
func BenchmarkRequest(b *testing.B) {
	for _, workloads := range []int{1, 20} {
		b.Run(fmt.Sprintf("%d-workloads", workloads), func(b *testing.B) { benchmarkRequest(b, workloads) })
	}
}

func benchmarkRequest(b *testing.B, workloads int) {
	const batch = 250 // 500 requests/s
	path := filepath.Join(b.TempDir(), "freehold.db")
	db, err := sqlite.Open(b.Context(), path)
	must(b, err)
	l := open(b, b.TempDir(), sqlite.NewLedger(db), ledger.Options{})
	names := make([]string, workloads)
	for i := range names {
		names[i] = fmt.Sprint("workload-", i)
	}
	start, end := begun(1), plain(1)
	at := storetest.Row(0).Time
	var front, behind time.Duration
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		ids := make([]string, batch)
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7()).String()
		}
		began := cpu(b)
		for i, id := range ids {
			at = at.Add(2 * time.Millisecond)
			start.ID, end.ID, start.Time, end.Time = id, id, at, at
			end.Workload = names[i%workloads]
			end.Total = time.Duration(1+i%97) * 31 * time.Millisecond
			if err := errors.Join(l.Begin(start), l.End(end)); err != nil {
				b.Fatal(err)
			}
		}
		journaled := cpu(b)
		must(b, l.Sync(b.Context()))
		front += journaled - began
		behind += cpu(b) - journaled
		n += batch
	}
	must(b, l.Close())
	must(b, db.Close())
	info, err := os.Stat(path)
	must(b, err)
	b.ReportMetric(float64(front.Nanoseconds())/float64(n), "path-ns/req")
	b.ReportMetric(float64(behind.Nanoseconds())/float64(n), "behind-ns/req")
	b.ReportMetric(float64(info.Size())/float64(n), "disk-B/req")
}
