package front_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/leaktest"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/pinecone/wire"
	"freehold/internal/vector/transfer"
	"freehold/internal/vector/vectortest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	testKey = "a-key"
	index   = "docs"
	dim     = 4
)

// world is an index in front of the simulator and of a store in memory that is as
// narrow as Qdrant is: UUIDs only, and no namespaces.
type world struct {
	t      *testing.T
	sim    *sim.Server
	store  *pinecone.Store
	memory *vectortest.Memory
	path   string

	broken  atomic.Pointer[func(op string) *sim.Fault] // of Pinecone
	lost    atomic.Pointer[func(doing string) error]   // of the memory
	source  atomic.Bool                                // it is forbidden
	ledger  *sqlite.Fronts
	copies  *sqlite.Copies
	db      *sqlite.DB
	index   *front.Index
	stop    context.CancelFunc
	running sync.WaitGroup

	clock func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	reads, shadow float64
	compared      chan front.Comparison

	models   func() *front.Models             // of each process; nil: both stores have the same vectors
	relay    func(pinecone.Relay) wire.Server // nil: as it is
	narrowed func(vector.Target) vector.Target
	// embeddings are those that the index is begun with.
	embeddings *front.Embeddings
}

var errSource = errors.New("class c: Pinecone may not have it")

// soon waits for no time at all, so that what is tried again is tried at once; it
// gives others a turn.
func soon(ctx context.Context, _ time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}

// mapping is what a plan makes for such a store.
func mapping() vector.Mapping {
	return vector.Mapping{Index: index, IDs: vector.UUIDs, KeepID: "_id", KeepNamespace: "_namespace", Flat: true,
		Fields: map[string]vector.FieldChange{"year": {As: vector.AsInt}}}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "state.db"), memory: vectortest.NewMemory(), compared: make(chan front.Comparison, 9), clock: time.Now, sleep: soon}
	w.memory.Bounds.IDs, w.memory.Bounds.Namespace = []vector.IDKind{vector.UUIDID, vector.IntegerID}, false
	w.memory.Fail = func(doing string) error {
		if f := w.lost.Load(); f != nil {
			return (*f)(doing)
		}
		return nil
	}
	var err error
	w.sim, err = sim.New(sim.Options{Key: testKey, Fault: func(op string, _ int) *sim.Fault {
		if f := w.broken.Load(); f != nil {
			return (*f)(op)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sim.Close)
	host, err := w.sim.Add(sim.Index{Name: index, Dimension: dim, Metric: "dotproduct"})
	if err != nil {
		t.Fatal(err)
	}
	const any = 1e9
	w.store, err = pinecone.Open(t.Context(), pinecone.Options{Host: host, Index: index, Key: testKey, Plain: true, Control: w.sim.URL(),
		Lists: any, Fetches: any, Upserts: any, Queries: any})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.memory.Create(t.Context(), &vector.Description{Name: index, Vectors: []vector.Spec{
		{Form: vector.Dense, Dim: dim, Metric: vector.Dot}, {Name: pinecone.SparseName, Form: vector.Sparse, Metric: vector.Dot},
	}}); err != nil {
		t.Fatal(err)
	}
	w.start()
	t.Cleanup(w.end)
	return w
}

// start takes the index up as a process does that begins.
func (w *world) start() {
	w.t.Helper()
	var err error
	if w.db, err = sqlite.Open(w.t.Context(), w.path); err != nil {
		w.t.Fatal(err)
	}
	w.ledger, w.copies = sqlite.NewFronts(w.db), sqlite.NewCopies(w.db)
	var models *front.Models
	var old wire.Server = pinecone.Relay{Store: w.store}
	var target vector.Target = w.memory
	if w.models != nil {
		models, old, target = w.models(), w.relay(pinecone.Relay{Store: w.store}), w.narrowed(w.memory)
	}
	w.index, err = front.New(w.t.Context(), front.Options{
		Name: index, Pinecone: old, Ledger: w.ledger, Models: models,
		Served: &front.Served{Index: index, Contract: plane.Contract{VectorType: "dense", Dimension: dim, Metric: "dotproduct"}, Target: target, IDs: w.ledger},
		Source: w.store.Fetch,
		PermitSource: func() error {
			if w.source.Load() {
				return errSource
			}
			return nil
		},
		Log: slog.New(slog.DiscardHandler), Clock: w.clock, Sleep: w.sleep, Random: rand.Float64,
		Reads: func() float64 { return w.reads }, Shadow: func() float64 { return w.shadow }, Compared: func(c front.Comparison) { w.compared <- c },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.running.Go(func() { w.index.Run(ctx) })
}

// end ends the process; what is on the disk stays.
func (w *world) end() {
	w.stop()
	w.running.Wait()
	w.ledger.Close()
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) begin() {
	w.t.Helper()
	if err := w.index.Begin(w.t.Context(), mapping(), false, w.embeddings); err != nil {
		w.t.Fatal(err)
	}
}

// fill copies all there is.
func (w *world) fill(id string, namespaces ...string) error {
	_, err := w.index.Fill(w.t.Context(), id, transfer.Options{
		Source: w.store, Namespaces: namespaces, Journal: w.copies, Readers: 2, Writers: 2, Unit: 50, Patience: time.Hour,
		Log: slog.New(slog.DiscardHandler), Clock: time.Now, Sleep: soon, Jitter: rand.Float64,
	})
	return err
}

// report compares both stores to the last record, while applications may write.
func (w *world) report(namespaces ...string) *transfer.Report {
	w.t.Helper()
	r, err := transfer.Verify(w.t.Context(), transfer.VerifyOptions{
		Source: w.store, Target: w.memory, Mapping: mapping(), Namespaces: namespaces, Queries: -1, Clock: time.Now, Hold: w.index.Hold,
		Random: rand.New(rand.NewPCG(1, 2)), Unit: 50,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// verify wants both to be the same.
func (w *world) verify(namespaces ...string) {
	w.t.Helper()
	if r := w.report(namespaces...); !r.Same() {
		w.t.Errorf("missing %d, altered %d, extra %d: %v", r.Missing, r.Altered, r.Extra, r.Differences[:min(3, len(r.Differences))])
	}
}

// settled waits until the store that follows has all.
func (w *world) settled() {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		lag, err := w.ledger.Lag(w.t.Context(), index)
		if err != nil {
			w.t.Fatal(err)
		}
		if lag.Begun+lag.Acknowledged == 0 {
			if lag.Refused > 0 {
				w.t.Errorf("%d writes are refused", lag.Refused)
			}
			return
		}
		if err := soon(w.t.Context(), 0); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Fatal("the store that follows does not follow")
}

func metadata(t *testing.T, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// doc is a record with a number that tells which write it is of.
func doc(t *testing.T, id string, n int) *wire.Vector {
	t.Helper()
	return &wire.Vector{
		Id: id, Values: []float32{float32(n + 1), 1, float32(n % 7), 2}, SparseValues: &wire.Sparse{Indices: []uint32{7, uint32(8 + n%3)}, Values: []float32{1, float32(n)}},
		Metadata: metadata(t, map[string]any{"year": 1990 + n%30, "price": float64(n) + 0.5, "n": n, "tags": []any{"a", fmt.Sprint(n % 5)}}),
	}
}

func (w *world) upsert(ns string, docs ...*wire.Vector) {
	w.t.Helper()
	if _, err := w.index.Upsert(w.t.Context(), &wire.UpsertRequest{Namespace: ns, Vectors: docs}); err != nil {
		w.t.Fatal(err)
	}
}

// down is a store that is away; done: it does what is asked before it is.
func down(done bool, ops ...string) *func(op string) *sim.Fault {
	f := func(op string) *sim.Fault {
		for _, o := range ops {
			if o == op {
				return &sim.Fault{Code: codes.Unavailable, Done: done}
			}
		}
		return nil
	}
	return &f
}

func away(doing string) error {
	return &vector.Error{Trouble: vector.Unavailable, Store: "memory", Doing: doing, Message: "away"}
}

func unavailable(t *testing.T, err error) {
	t.Helper()
	if status.Code(err) != codes.Unavailable {
		t.Errorf("want unavailable, got %v", err)
	}
}
