package front_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone/wire"
	"freehold/internal/vector/transfer"
)

// beside has applications write between a copy's reading and its writing, and before it
// reads.
type beside struct {
	vector.Source
	write func()
}

func (s *beside) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		s.write()
		for records, err := range s.Source.Read(ctx, u) {
			s.write()
			if !yield(records, err) {
				return
			}
		}
	}
}

// churn writes by chance what hangs together: filters look for what other writes set.
func (w *world) churn(r *rand.Rand) {
	small := func() float64 { return float64(r.IntN(3)) }
	field := func() string { return string(rune('a' + r.IntN(3))) }
	id := fmt.Sprintf("d%02d", r.IntN(30))
	var err error
	switch k := r.IntN(20); {
	case k < 9:
		_, err = w.index.Update(w.t.Context(), &wire.UpdateRequest{Filter: metadata(w.t, map[string]any{field(): small()}), SetMetadata: metadata(w.t, map[string]any{field(): small()})})
	case k < 13:
		_, err = w.index.Update(w.t.Context(), &wire.UpdateRequest{Id: id, SetMetadata: metadata(w.t, map[string]any{field(): small()})})
	case k < 14:
		_, err = w.index.Delete(w.t.Context(), &wire.DeleteRequest{Filter: metadata(w.t, map[string]any{"a": small(), "b": small(), "c": small()})})
	case k < 15:
		_, err = w.index.Delete(w.t.Context(), &wire.DeleteRequest{Ids: []string{id}})
	default:
		_, err = w.index.Upsert(w.t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{{
			Id: id, Values: []float32{1, 2, 3, 4}, Metadata: metadata(w.t, map[string]any{"a": small(), "b": small(), "c": small()})}}})
	}
	if err != nil && status.Code(err) != codes.NotFound { // no record was ever there
		w.t.Error(err)
	}
}

// TestFiltersBesideACopy: whatever is written by filter, by id and in whole, before,
// beside and after copies, the store that follows comes to be what Pinecone is.
func TestFiltersBesideACopy(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t)
			var mu sync.Mutex
			r := rand.New(rand.NewPCG(seed, 11))
			write := func() {
				mu.Lock()
				defer mu.Unlock()
				for range r.IntN(8) {
					w.churn(r)
				}
			}
			var lmu sync.Mutex
			late := rand.New(rand.NewPCG(seed, 12)) // the store that follows is away now and then, and far behind
			lost := func(doing string) error {
				lmu.Lock()
				defer lmu.Unlock()
				if doing == "describe" || late.IntN(4) > 0 {
					return nil
				}
				return away(doing)
			}
			for range 20 {
				write()
			}
			w.begin()
			for pass := range 4 {
				write()
				w.lost.Store(&lost)
				_, err := w.index.Fill(t.Context(), fmt.Sprint("c", pass), transfer.Options{
					Source: &beside{w.store, write}, Namespaces: []string{""}, Journal: w.copies, Readers: 2, Writers: 2, Unit: 7, Patience: time.Hour,
					Log: slog.New(slog.DiscardHandler), Clock: time.Now, Sleep: soon, Jitter: rand.Float64,
				})
				if err != nil {
					t.Fatal(err)
				}
				write()
				w.lost.Store(nil)
				w.settled()
				w.verify("")
			}
			if err := w.index.Cutover(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestCopyAfterFilters: a copy does not carry out once more what was written by filter
// before what it reads.
func TestCopyAfterFilters(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.upsert("", doc(t, fmt.Sprintf("d%02d", i), i))
	}
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	set := func(filter, to map[string]any) {
		t.Helper()
		if _, err := w.index.Update(t.Context(), &wire.UpdateRequest{Filter: metadata(t, filter), SetMetadata: metadata(t, to)}); err != nil {
			t.Fatal(err)
		}
	}
	set(map[string]any{"flag": 1}, map[string]any{"wrong": 9}) // no record has it yet
	if _, err := w.index.Delete(t.Context(), &wire.DeleteRequest{Filter: metadata(t, map[string]any{"flag": 2})}); err != nil {
		t.Fatal(err)
	}
	set(map[string]any{"n": map[string]any{"$lt": 10}}, map[string]any{"flag": 1})
	set(map[string]any{"n": map[string]any{"$gte": 20}}, map[string]any{"flag": 2})
	w.settled()
	for _, pass := range []string{"c2", "c3"} {
		if err := w.fill(pass, ""); err != nil {
			t.Fatal(err)
		}
		w.settled()
		w.verify("")
	}
}

// TestUpdateBeforeItsRecord: an update by id of a record that the copy has not brought
// yet follows, also over an end of the process.
func TestUpdateBeforeItsRecord(t *testing.T) {
	w := newWorld(t)
	w.upsert("", doc(t, "a", 1), doc(t, "b", 2))
	w.begin()
	set := func(r *wire.UpdateRequest) {
		t.Helper()
		if _, err := w.index.Update(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	lost := away
	w.lost.Store(&lost)
	set(&wire.UpdateRequest{Id: "a", SetMetadata: metadata(t, map[string]any{"x": 1, "flag": 1})})
	set(&wire.UpdateRequest{Id: "a", SetMetadata: metadata(t, map[string]any{"x": 2})})
	set(&wire.UpdateRequest{Filter: metadata(t, map[string]any{"x": 1}), SetMetadata: metadata(t, map[string]any{"wrong": 9})})
	set(&wire.UpdateRequest{Id: "nobody", SetMetadata: metadata(t, map[string]any{"x": 2})})
	w.broken.Store(down(false, "fetch"))
	w.lost.Store(nil)
	for missed := []front.Write(nil); len(missed) < 3; {
		var err error
		if missed, err = w.ledger.Writes(t.Context(), index, front.Missed, 0, 9); err != nil {
			t.Fatal(err)
		}
		_ = soon(t.Context(), 0) // it follows in the background
	}
	if lag, err := w.ledger.Lag(t.Context(), index); err != nil || lag.Acknowledged < 3 {
		t.Errorf("behind %+v: %v", lag, err)
	}
	w.end()
	w.broken.Store(nil)
	w.start()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.verify("")
	if w.index.Move().Phase != front.Sync {
		t.Error(w.index.Move().Phase)
	}
}
