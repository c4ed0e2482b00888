package transfer_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
	"freehold/internal/vector/vectortest"

	"freehold/internal/store/sqlite"
)

// made is a source of so many records, which are made when they are read. It lists
// ids, as Pinecone does: that is what costs a journal the most.
type made struct {
	*vectortest.Memory
	count   int
	vectors [64][]float32
}

func newMade(count, dim int) *made {
	m := &made{Memory: vectortest.NewMemory(), count: count}
	for i := range m.vectors {
		m.vectors[i] = make([]float32, dim)
		for j := range m.vectors[i] {
			m.vectors[i][j] = float32(i*j%97) / 97
		}
	}
	return m
}

func (m *made) Units(_ context.Context, ns, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		from, _ := strconv.Atoi(after) // "" is 0
		for ; from < m.count; from += size {
			u := vector.Unit{Namespace: ns, Count: min(size, m.count-from), Next: strconv.Itoa(from + size)}
			for i := range u.Count {
				u.IDs = append(u.IDs, fmt.Sprintf("document-%09d", from+i))
			}
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (m *made) Read(_ context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		records := make([]vector.Record, len(u.IDs))
		for i, id := range u.IDs {
			records[i] = vector.Record{
				ID: vector.IDOf(id), Namespace: u.Namespace, Vectors: []vector.Vector{{Dense: append([]float32(nil), m.vectors[i%len(m.vectors)]...)}},
				Payload: vector.NewPayload([]vector.Field{{Name: "year", Value: vector.FloatOf(float64(1900 + i%100))}, {Name: "text", Value: vector.TextOf("about " + id)}}),
			}
		}
		yield(records, nil)
	}
}

// taken takes whatever comes and keeps nothing.
type taken struct{ *vectortest.Memory }

func (taken) Put(context.Context, string, []vector.Record) error { return nil }

// BenchmarkMillions copies b.N records of 384 numbers between stores that cost
// nothing, so that what is measured is the copy itself:
//
//	go test -run '^$' -bench Millions -benchtime 10000000x ./internal/vector/transfer
func BenchmarkMillions(b *testing.B) {
	const dim = 384
	source, target := newMade(b.N, dim), taken{vectortest.NewMemory()}
	path := filepath.Join(b.TempDir(), "state.db")
	db, err := sqlite.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	o := transfer.Options{
		Source: source, Target: target, Namespaces: []string{""}, ID: "copy-1", Journal: sqlite.NewCopies(db),
		Mapping: vector.Mapping{Index: "i", IDs: vector.KeepIDs}, Log: slog.New(slog.DiscardHandler), Clock: time.Now, Jitter: func() float64 { return 0.5 },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	before := processor(b)
	b.ResetTimer()
	tally, err := transfer.Run(b.Context(), o)
	b.StopTimer()
	if err != nil || tally.Copied != int64(b.N) {
		b.Fatalf("%+v, %v", tally, err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric((processor(b)-before).Seconds()/float64(b.N)*100_000, "cpu-s/100k")
	if peak, ok := resident(); ok {
		b.ReportMetric(peak, "peak-MiB")
	}
	if file, err := os.Stat(path); err == nil {
		b.ReportMetric(float64(file.Size())/float64(b.N), "state-B/record")
	}
}

// processor is the time that this process had, user and system.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the most memory that this process had, in MiB, where Linux tells it.
func resident() (float64, bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err == nil
		}
	}
	return 0, false
}
