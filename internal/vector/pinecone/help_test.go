package pinecone_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"freehold/internal/leaktest"
	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/sim"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const testKey = "a-key"

// still is a clock that only sleeping moves.
type still struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func newStill() *still { return &still{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (s *still) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *still) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.slept = s.now.Add(d), s.slept+d
	return ctx.Err()
}

func startSim(t testing.TB, o sim.Options) *sim.Server {
	t.Helper()
	o.Key = testKey
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// addIndex makes an index in the simulator and opens it.
func addIndex(t testing.TB, s *sim.Server, i sim.Index, change func(*pinecone.Options)) *pinecone.Store {
	t.Helper()
	host, err := s.Add(i)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, s, host, i.Name, change)
}

func open(t testing.TB, s *sim.Server, host, name string, change func(*pinecone.Options)) *pinecone.Store {
	t.Helper()
	time := newStill()
	o := pinecone.Options{Host: host, Index: name, Key: testKey, Plain: true, Control: s.URL(), Clock: time.clock, Sleep: time.sleep}
	if change != nil {
		change(&o)
	}
	store, err := pinecone.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// hybrid is an index with dense and sparse vectors.
var hybrid = sim.Index{Name: "books", Dimension: 4, Metric: "dotproduct"}

// someRecords are n records of the hybrid index, the same each time.
func someRecords(namespace string, n int) []vector.Record {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	out := make([]vector.Record, n)
	for i := range out {
		rec := vector.Record{ID: vector.IDOf(fmt.Sprintf("id-%05d", i)), Namespace: namespace}
		dense := make([]float32, 4)
		for j := range dense {
			dense[j] = r.Float32() - 0.5
		}
		rec.Vectors = []vector.Vector{{Dense: dense}}
		if i%3 == 0 {
			rec.Vectors = append(rec.Vectors, vector.Vector{Name: pinecone.SparseName, Indices: []uint32{uint32(i), uint32(i) + 70000}, Values: []float32{0.25, r.Float32()}})
		}
		if i%5 > 0 {
			rec.Payload = vector.NewPayload([]vector.Field{
				{Name: "year", Value: vector.FloatOf(float64(1990 + i%30))},
				{Name: "price", Value: vector.FloatOf(float64(i%90) / 7)},
				{Name: "genre", Value: vector.TextOf([]string{"drama", "comedy", "naïve \"poésie\""}[i%3])},
				{Name: "new", Value: vector.BoolOf(i%2 == 0)},
				{Name: "tags", Value: vector.ListOf([]vector.Value{vector.TextOf("a"), vector.TextOf(fmt.Sprint("t", i%4))})},
			})
		}
		if i%7 == 0 {
			rec.Payload = rec.Payload.With("none", vector.ListOf([]vector.Value{}))
		}
		out[i] = rec
	}
	return out
}

func put(t testing.TB, s *pinecone.Store, namespace string, records []vector.Record) {
	t.Helper()
	if err := s.Put(t.Context(), namespace, records); err != nil {
		t.Fatal(err)
	}
}

// everything reads a namespace by units of about size.
func everything(t testing.TB, s *pinecone.Store, namespace string, size int) ([]vector.Record, []vector.Unit) {
	t.Helper()
	var records []vector.Record
	var units []vector.Unit
	for u, err := range s.Units(t.Context(), namespace, "", size) {
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, u)
		for some, err := range s.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, some...)
		}
	}
	return records, units
}
