package vectors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/pgvector/pgtest"
	"freehold/internal/vector/qdrant/qdranttest"
)

var (
	beside = flag.String("beside", "", "qdrant/migration, the program, to be measured in the same run")
	size   = flag.Float64("size", 1, "of the collections that are copied, as a share")
)

// BenchmarkCopy measures copies by the program, and by qdrant/migration where -beside
// names it: from one and the same source, into a new collection each, in turns. It is
// run once (-benchtime 1x). Metrics are:
//
//   - memory/s: records that the target takes from this process, by four writers;
//   - freehold/s: that the program copies until the target has the last one. Making
//     the target's index comes after that, and is said apart, in seconds: with
//     qdrant/migration a server begins it by itself, and the test server never;
//   - default/s, best/s: by qdrant/migration as it is, and with its best setting of some;
//   - CPU-s/100k, MiB: CPU time and the most resident memory of the program;
//   - verify/copy: verification's time as a share of the copy's, index included.
func BenchmarkCopy(b *testing.B) {
	w := newWorld(b)
	for _, c := range []struct {
		from, to string
		n, dim   int
	}{
		{"qdrant", "qdrant", 100_000, 384},
		{"qdrant", "qdrant", 50_000, 1024},
		{"pinecone", "qdrant", 50_000, 384},
		{"postgres", "qdrant", 50_000, 384},
		{"postgres", "postgres", 100_000, 384},
		{"milvus", "milvus", 20_000, 384},
		{"parquet", "parquet", 50_000, 384},
	} {
		n := int(float64(c.n) * *size)
		b.Run(fmt.Sprintf("%s to %s, %dx%d", c.from, c.to, n, c.dim), func(b *testing.B) {
			from := *w
			if c.from == "qdrant" { // the source is another server than the target
				from.qdrant = qdranttest.Start(b, "")
			}
			source := from.place(b, c.from)
			w.next = from.next
			if took := w.pour(b, source, c.from, n, c.dim, 1); took == 0 {
				b.Fatal("nothing was written")
			}
			for b.Loop() {
				w.race(b, c.from, c.to, source, n, c.dim)
			}
		})
	}
}

// race lets each have the source copied once.
func (w *world) race(b *testing.B, from, to, source string, n, dim int) {
	if to != "parquet" { // one that writes it is enough
		took := w.pour(b, w.place(b, to), to, n, dim, 4)
		b.ReportMetric(float64(n)/took.Seconds(), "memory/s")
	}
	target := w.place(b, to)
	copied := w.timed(b, binary(b), "vectors", "copy", "--json", "--no-verify", "--from", source, "--to", target)
	var said struct {
		Seconds  float64 `json:"seconds"`
		Indexing float64 `json:"indexing_seconds"`
	}
	if err := json.Unmarshal(copied.out, &said); err != nil {
		b.Fatalf("%v\n%s", err, copied.out)
	}
	b.ReportMetric(float64(n)/said.Seconds, "freehold/s")
	b.ReportMetric(said.Indexing, "index-s")
	b.ReportMetric(copied.cpu.Seconds()*100_000/float64(n), "CPU-s/100k")
	b.ReportMetric(copied.mib, "MiB")
	verified := w.timed(b, binary(b), "vectors", "verify", "--from", source, "--to", target)
	b.ReportMetric(verified.took.Seconds()/copied.took.Seconds(), "verify/copy")
	if *beside == "" || to != "qdrant" {
		return
	}
	best := 0.0
	for _, set := range [][]string{nil, {"--migration.batch-size=100"}, {"--migration.batch-size=500"}, {"--migration.batch-size=1000", "--migration.num-workers=4"}} {
		args := w.migration(b, from, source, set)
		if args == nil {
			continue
		}
		it := w.timed(b, *beside, args...)
		rate := float64(n) / it.took.Seconds()
		b.Logf("qdrant/migration %s: %.0f/s, %.2f CPU-s/100k, %.0f MiB", strings.Join(set, " "), rate, it.cpu.Seconds()*100_000/float64(n), it.mib)
		if set == nil {
			b.ReportMetric(rate, "default/s")
		}
		best = max(best, rate)
	}
	b.ReportMetric(best, "best/s")
}

// migration is how qdrant/migration is told of a source; nil: it has no such setting.
func (w *world) migration(b *testing.B, from, source string, set []string) []string {
	b.Helper()
	at, err := url.Parse(source)
	if err != nil {
		b.Fatal(err)
	}
	target, name := w.place(b, "qdrant"), strings.TrimPrefix(at.Path, "/")
	target = target[strings.LastIndexByte(target, '/')+1:]
	server := "http://" + w.qdrant.Addr()
	switch from {
	case "qdrant":
		return append([]string{"qdrant", "--source.url", "http://" + at.Host, "--source.collection", name, "--target.url", server, "--target.collection", target, "--migration.offsets-collection", "_offsets-" + target}, set...)
	case "pinecone":
		if set != nil && set[0] != "--migration.batch-size=100" {
			return nil // it lists so many ids, at most 100, and asks one question at a time
		}
		return append([]string{"pinecone", "--pinecone.index-name", name, "--pinecone.index-host", "http://" + at.Host, "--pinecone.api-key", key, "--pinecone.service-host", "http://" + at.Host, "--qdrant.url", server, "--qdrant.collection", target, "--migration.offsets-collection", "_offsets-" + target}, set...)
	case "postgres":
		dsn := url.URL{Scheme: "postgres", User: url.UserPassword(w.postgres.User, w.postgres.Password), Host: w.postgres.Host, Path: w.postgres.Database}
		return append([]string{"pg", "--pg.url", dsn.String(), "--pg.table", at.Query().Get("table"), "--pg.key-column", "id", "--qdrant.url", server, "--qdrant.collection", target, "--migration.offsets-collection", "_offsets-" + target}, set...)
	}
	return nil
}

// timed is a run of a program.
type timed struct {
	took, cpu time.Duration
	mib       float64 // resident memory at its most, as far as looks at it every 20 ms tell
	out       []byte
}

// timed runs a program to its end.
func (w *world) timed(b *testing.B, name string, args ...string) timed {
	b.Helper()
	c := exec.Command(name, args...)
	c.Dir = b.TempDir()
	c.Env = append(os.Environ(), "PINECONE_API_KEY="+key, "PGPASSWORD="+pgtest.Shared(b).Password, "FREEHOLD_CONFIG=")
	var out, bad bytes.Buffer
	c.Stdout, c.Stderr = &out, &bad
	began := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	ended, most := make(chan error, 1), 0.0
	go func() { ended <- c.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), bad.String())
			}
			return timed{took: time.Since(began), cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), mib: most, out: out.Bytes()}
		case <-tick.C:
			most = max(most, resident(c.Process.Pid))
		}
	}
}

// resident is how much memory a process has had at its most, in MiB; 0 where this
// system does not say (only Linux does), or the process is no more.
func resident(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0
	}
	return kib / 1024
}

// pour makes a collection of n records, written by so many at once, and says how long
// the writing took.
func (w *world) pour(b *testing.B, at, store string, n, dim, writers int) time.Duration {
	b.Helper()
	s := open(b, at)
	if err := s.Create(b.Context(), &vector.Description{Name: "docs", Vectors: []vector.Spec{{Form: vector.Dense, Dim: dim, Metric: vector.Cosine}}}); err != nil {
		b.Fatal(err)
	}
	size := 1000
	if store == "pinecone" {
		size = min(1000, 2<<20/(dim*13))
	}
	var all [][]vector.Record
	for at := 0; at < n; at += size {
		all = append(all, many(store, at, min(n, at+size), dim))
	}
	batches := make(chan []vector.Record, len(all))
	for _, batch := range all {
		batches <- batch
	}
	close(batches)
	ctx, cancel := context.WithCancelCause(b.Context())
	defer cancel(nil)
	var done sync.WaitGroup
	began := time.Now()
	for range writers {
		done.Go(func() {
			for batch := range batches {
				if err := s.Put(ctx, "", batch); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	done.Wait()
	took := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		b.Fatal(err)
	}
	if f, ok := s.(interface{ Finish(context.Context) error }); ok {
		if err := f.Finish(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}

// many are the records from one number to another, the same at each call.
func many(store string, from, to, dim int) []vector.Record {
	out := make([]vector.Record, 0, to-from)
	for i := from; i < to; i++ {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		v := make([]float32, dim)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		rec := vector.Record{ID: vector.IDOf("doc-" + strconv.Itoa(i)), Vectors: []vector.Vector{{Dense: v}}}
		year := vector.IntOf(int64(1990 + i%30))
		switch store {
		case "qdrant":
			rec.ID = vector.IntegerIDOf(uint64(i))
		case "pinecone":
			year = vector.FloatOf(float64(1990 + i%30))
		}
		rec.Payload = vector.NewPayload([]vector.Field{{Name: "year", Value: year}, {Name: "text", Value: vector.TextOf(fmt.Sprintf("some words of document %d, as they are found in knowledge bases", i))}})
		out = append(out, rec)
	}
	return out
}
