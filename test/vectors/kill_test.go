// Package vectors_test moves records between stores with the program itself, which is
// killed at any moment, and counts what is lost.
package vectors_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"freehold/internal/vector"
	"freehold/internal/vector/address"
	"freehold/internal/vector/chroma/chromatest"
	"freehold/internal/vector/connect"
	"freehold/internal/vector/milvus/milvustest"
	"freehold/internal/vector/opensearch/opensearchtest"
	"freehold/internal/vector/pgvector/pgtest"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/qdrant"
	"freehold/internal/vector/qdrant/qdranttest"
	"freehold/internal/vector/weaviate/weaviatetest"
)

var trials = flag.Int("trials", 3, "of each pair of stores")

var program struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	err := errors.Join(qdranttest.Stop(), milvustest.Stop(), pgtest.Stop(), chromatest.Stop())
	if program.dir != "" {
		err = errors.Join(err, os.RemoveAll(program.dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// binary is the program, built once.
func binary(t testing.TB) string {
	t.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "vectors-"); program.err != nil { //nolint:usetesting // it outlives the test
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(program.dir, "freehold"), "freehold/cmd/freehold").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return filepath.Join(program.dir, "freehold")
}

const key = "test-key"

// world has a server of each kind.
type world struct {
	pinecone *sim.Server
	qdrant   *qdranttest.Server
	postgres *pgtest.Server
	chroma   *chromatest.Server
	milvus   *milvustest.Server
	search   *opensearchtest.Server
	weaviate *weaviatetest.Server
	next     int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := sim.New(sim.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &world{pinecone: s, qdrant: qdranttest.Shared(t), milvus: milvustest.Shared(t), postgres: pgtest.Shared(t), chroma: chromatest.Shared(t), search: opensearchtest.New(t, opensearchtest.Options{}), weaviate: weaviatetest.New(t, weaviatetest.Options{})}
}

// place names a collection that there is not yet.
func (w *world) place(t testing.TB, store string) string {
	t.Helper()
	w.next++
	switch store {
	case "pinecone":
		return fmt.Sprintf("pinecone://%s/docs-%d?api_key=env:PINECONE_API_KEY", w.pinecone.Address(), w.next)
	case "qdrant":
		return fmt.Sprintf("qdrant://%s/%s", w.qdrant.Addr(), w.qdrant.Name(t))
	case "chroma":
		return fmt.Sprintf("chroma://%s/%s", w.chroma.Host, w.chroma.Name(t))
	case "opensearch":
		return fmt.Sprintf("opensearch://%s/docs-%d", w.search.Host, w.next)
	case "weaviate":
		return fmt.Sprintf("weaviate://%s/Docs%d", w.weaviate.Host, w.next)
	case "postgres":
		at := url.URL{Scheme: "postgres", User: url.User(w.postgres.User), Host: w.postgres.Host, Path: w.postgres.Database,
			RawQuery: url.Values{"table": {w.postgres.Name(t)}, "password": {"env:PGPASSWORD"}}.Encode()}
		return at.String()
	case "milvus":
		return fmt.Sprintf("milvus://%s/%s", w.milvus.Addr(), w.milvus.Name(t))
	case "parquet":
		return "file:" + filepath.Join(t.TempDir(), "docs.parquet")
	}
	return "file:" + filepath.Join(t.TempDir(), "docs.jsonl")
}

func open(t testing.TB, url string) vector.Target {
	t.Helper()
	return opened(t, url, connect.Open)
}

func opened[S vector.Source](t testing.TB, url string, open func(context.Context, address.Address, connect.Options) (S, error)) S {
	t.Helper()
	a, err := address.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), a, connect.Options{Getenv: func(name string) string {
		if name == "PGPASSWORD" {
			return pgtest.Shared(t).Password
		}
		return key
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// records are n records that the store can hold, as its clients would write them.
func records(r *rand.Rand, store string, ns string, n int) []vector.Record {
	var out []vector.Record
	for i := range n {
		v := make([]float32, 24)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		rec := vector.Record{ID: vector.IDOf(fmt.Sprintf("doc %d#%d", i/7, i%7)), Namespace: ns, Vectors: []vector.Vector{{Dense: v}}}
		switch store {
		case "qdrant":
			rec.ID = vector.IntegerIDOf(uint64(i) * 3)
		case "weaviate":
			rec.ID = vector.UUIDOf(uuid.NewSHA1(uuid.Nil, []byte(rec.ID.String())))
		}
		year := vector.FloatOf(float64(1990 + i%30))
		if store == "qdrant" || store == "milvus" || store == "postgres" || store == "chroma" || store == "opensearch" || store == "weaviate" {
			year = vector.IntOf(int64(1990 + i%30))
		}
		rec.Payload = vector.NewPayload([]vector.Field{
			{Name: "year", Value: year}, {Name: "price", Value: vector.FloatOf(float64(i) + 0.5)}, {Name: "text", Value: vector.TextOf(fmt.Sprintf("text %d", i))},
			{Name: "ok", Value: vector.BoolOf(i%2 == 0)}, {Name: "tags", Value: vector.ListOf([]vector.Value{vector.TextOf("a"), vector.TextOf("b")})},
		})
		out = append(out, rec)
	}
	return out
}

// fill makes a collection with records, and returns how many.
func (w *world) fill(t *testing.T, url, store string, r *rand.Rand) int {
	t.Helper()
	name, specs := url[strings.LastIndexByte(url, '/')+1:], []vector.Spec{{Form: vector.Dense, Dim: 24, Metric: vector.Cosine}}
	switch store { // freehold does not write there
	case "opensearch":
		all := records(r, store, "", 700+r.IntN(500))
		if err := errors.Join(w.search.Make(name, specs), w.search.Put(name, all)); err != nil {
			t.Fatal(err)
		}
		return len(all)
	case "weaviate":
		all := records(r, store, "", 700+r.IntN(500))
		if err := errors.Join(w.weaviate.Make(name, specs), w.weaviate.Put(name, all)); err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	s := open(t, url)
	if err := s.Create(t.Context(), &vector.Description{Name: "docs", Vectors: specs}); err != nil {
		t.Fatal(err)
	}
	spaces := []string{"", "news", "ältere"}
	if store == "qdrant" || store == "milvus" || store == "chroma" { // milvus-lite has no namespaces
		spaces = spaces[:1]
	}
	n := 0
	for _, ns := range spaces {
		all := records(r, store, ns, 700+r.IntN(500))
		for at := 0; at < len(all); at += 200 {
			if err := s.Put(t.Context(), ns, all[at:min(len(all), at+200)]); err != nil {
				t.Fatal(err)
			}
		}
		n += len(all)
	}
	if f, ok := s.(interface{ Finish(context.Context) error }); ok {
		if err := f.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// run runs the program until it ends, or is killed after a while; 0: it is not.
func run(t *testing.T, dir string, after time.Duration, args ...string) (out string, killed bool, err error) {
	t.Helper()
	c := exec.Command(binary(t), args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "PINECONE_API_KEY="+key, "PGPASSWORD="+pgtest.Shared(t).Password, "FREEHOLD_CONFIG=")
	var text bytes.Buffer
	c.Stdout, c.Stderr = &text, &text
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = c.Process.Kill() }) // it may have ended by itself
		defer timer.Stop()
	}
	err = c.Wait()
	var exit *exec.ExitError
	return text.String(), errors.As(err, &exit) && exit.ExitCode() == -1, err
}

// TestKilled copies between each pair of stores, is killed one to three times at any
// moment, goes on with other numbers of workers, and must have lost, doubled and
// altered nothing: by its own verification, and by a look of this test's own.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	stores, all := []string{"pinecone", "qdrant", "milvus", "postgres", "chroma", "file", "parquet"}, 0
	for _, from := range append(stores, "opensearch", "weaviate") {
		for _, to := range stores {
			if (from == "opensearch" || from == "weaviate") && to != "qdrant" {
				continue // they are read only, and one target shows how they are left
			}
			if to == "parquet" && (from == "file" || from == "parquet") {
				continue // archives are written alike, and are read from others and into others
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				kills, trials := 0, *trials
				if from == "chroma" || from == "file" || from == "parquet" || from == "opensearch" || from == "weaviate" { // few leave those
					trials = max(1, trials/3)
				}
				for trial := range trials {
					kills += w.trial(t, from, to, uint64(trial))
				}
				t.Logf("%d trials, %d kills", trials, kills)
				all += kills
			})
		}
	}
	if all == 0 {
		t.Error("no run was killed before it had ended: the test shows nothing")
	}
}

func (w *world) trial(t *testing.T, from, to string, seed uint64) (kills int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 99))
	source, target, dir := w.place(t, from), w.place(t, to), t.TempDir()
	n := w.fill(t, source, from, r)
	args := func() []string {
		return []string{"vectors", "copy", "--from", source, "--to", target, "--readers", strconv.Itoa(1 + r.IntN(6)), "--writers", strconv.Itoa(1 + r.IntN(6))}
	}
	for range 1 + r.IntN(3) {
		// A copy takes about as long as the program takes to start, and some more.
		out, killed, err := run(t, dir, time.Duration(30+r.IntN(700))*time.Millisecond, args()...)
		if killed {
			kills++
		} else if err != nil {
			t.Fatalf("%s to %s, %d: %v\n%s", from, to, seed, err, out)
		}
	}
	out, _, err := run(t, dir, 0, args()...)
	if err != nil || !strings.Contains(out, "nothing else") {
		t.Fatalf("%s to %s, %d: %v\n%s", from, to, seed, err, out)
	}
	w.look(t, source, target, n)
	if to == "qdrant" {
		s, ok := open(t, target).(*qdrant.Store)
		if !ok {
			t.Fatalf("%s is not Qdrant", target)
		}
		if at, err := s.IndexingThreshold(t.Context()); err != nil || at == 0 {
			t.Errorf("%s to %s, %d: the target makes no index any more: %v", from, to, seed, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	return kills
}

// look counts what is where, and compares each record by what both sides must have
// in common, whatever the mapping: vector's direction, text and price.
func (w *world) look(t *testing.T, source, target string, n int) {
	t.Helper()
	type kept struct {
		text  string
		price float64
		first float32
	}
	read := func(url string) map[kept]int {
		s := opened(t, url, connect.Source)
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		d, err := s.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[kept]int{}
		for _, ns := range d.Namespaces {
			for u, err := range s.Units(t.Context(), ns.Name, "", 500) {
				if err != nil {
					t.Fatal(err)
				}
				for all, err := range s.Read(t.Context(), u) {
					if err != nil {
						t.Fatal(err)
					}
					for i := range all {
						text, _ := all[i].Payload.Get("text")
						price, _ := all[i].Payload.Get("price")
						v := all[i].Vectors[0].Dense
						ratio := v[0] / v[1] // of any length the same
						out[kept{text.Text(), price.Float(), float32(int(ratio*100 + 0.5))}]++
					}
				}
			}
		}
		return out
	}
	want, got := read(source), read(target)
	total, close := 0, 0
	for k, n := range got {
		total += n
		if want[k] == n {
			close += n
		}
	}
	// Directions are rounded, so that a few fall on the other side of a hundredth.
	if total != n || close < n-n/50 {
		t.Errorf("%s has %d records, of which %d are those of %d in %s", target, total, close, n, source)
	}
}
