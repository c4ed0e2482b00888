package archive_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/archive"
)

// BenchmarkCopy copies from archive to archive, by four readers that write, too.
// CPU-s/100k is the time of all processors for 100,000 records of 384 numbers.
func BenchmarkCopy(b *testing.B) {
	const n = 20_000
	d := &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 384, Metric: vector.Cosine}}}
	sources := map[string]string{}
	for _, form := range []string{"jsonl", "parquet"} {
		sources[form] = filepath.Join(b.TempDir(), "source."+form)
		a := opened(b, sources[form])
		if err := a.Create(b.Context(), d); err != nil {
			b.Fatal(err)
		}
		for at := 0; at < n; at += 1000 {
			if err := a.Put(b.Context(), "", benchRecords(at, at+1000)); err != nil {
				b.Fatal(err)
			}
		}
		if err := a.Finish(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for _, from := range []string{"jsonl", "parquet"} {
		for _, to := range []string{"jsonl", "parquet"} {
			b.Run(from+" to "+to, func(b *testing.B) {
				before := cpu(b)
				for i := 0; b.Loop(); i++ {
					source, target := opened(b, sources[from]), opened(b, filepath.Join(b.TempDir(), fmt.Sprint(i)+"."+to))
					if err := target.Create(b.Context(), d); err != nil {
						b.Fatal(err)
					}
					copyAll(b, source, target)
				}
				b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)*100_000/n, "CPU-s/100k")
			})
		}
	}
}

func opened(b *testing.B, path string) *archive.Archive {
	b.Helper()
	a, err := archive.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { a.Close() })
	return a
}

func copyAll(b *testing.B, source, target *archive.Archive) {
	b.Helper()
	units := make(chan vector.Unit)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for u := range units {
				for records, err := range source.Read(b.Context(), u) {
					if err == nil {
						err = target.Put(b.Context(), "", records)
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	for u, err := range source.Units(b.Context(), "", "", 1000) {
		if err != nil {
			b.Fatal(err)
		}
		units <- u
	}
	close(units)
	all.Wait()
	if err := target.Finish(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// cpu is the time that all processors have worked for this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchRecords(from, to int) []vector.Record {
	var out []vector.Record
	for i := from; i < to; i++ {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		v := make([]float32, 384)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		out = append(out, vector.Record{ID: vector.IDOf("doc-" + strconv.Itoa(i)), Vectors: []vector.Vector{{Dense: v}}, Payload: vector.NewPayload([]vector.Field{
			{Name: "year", Value: vector.IntOf(int64(1990 + i%30))}, {Name: "text", Value: vector.TextOf(fmt.Sprintf("some words of document %d, as they are found in knowledge bases", i))},
		})})
	}
	return out
}
