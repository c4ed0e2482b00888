package front_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/pinecone/wire"
	"freehold/internal/vector/transfer"
)

// TestWay: relay, sync with a copy, cutover, rollback; each write is on both sides.
func TestWay(t *testing.T) {
	w := newWorld(t)
	for i := range 120 {
		w.upsert("", doc(t, fmt.Sprintf("d%03d", i), i))
	}
	w.begin()
	w.upsert("", doc(t, "d000", 500)) // newer than what the copy may have read
	w.upsert("news", doc(t, "n1", 1))
	if _, err := w.index.Update(t.Context(), &wire.UpdateRequest{Id: "d001", SetMetadata: metadata(t, map[string]any{"year": 2024, "new": "yes"})}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.index.Delete(t.Context(), &wire.DeleteRequest{Ids: []string{"d002"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.index.Delete(t.Context(), &wire.DeleteRequest{Filter: metadata(t, map[string]any{"n": map[string]any{"$gte": 100}})}); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Cutover(t.Context()); err == nil {
		t.Fatal("cut over before the copy")
	}
	if err := w.fill("c1", "", "news"); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.verify("", "news")
	if n := len(w.sim.Records(index, "")); n != 98 {
		t.Errorf("Pinecone has %d records", n)
	}
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.upsert("", doc(t, "after", 7))
	if _, err := w.index.Delete(t.Context(), &wire.DeleteRequest{Namespace: "news", DeleteAll: true}); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.verify("")
	got, err := w.index.Fetch(t.Context(), &wire.FetchRequest{Ids: []string{"after", "d001", "d002"}})
	if err != nil || len(got.GetVectors()) != 2 || got.GetVectors()["d001"].GetMetadata().GetFields()["new"].GetStringValue() != "yes" {
		t.Errorf("fetched %v: %v", got, err)
	}
	if err := w.index.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.index.Move().Phase != front.Sync {
		t.Errorf("phase %s", w.index.Move().Phase)
	}
	found := false
	for _, v := range w.sim.Records(index, "") {
		found = found || v.GetId() == "after"
	}
	if !found {
		t.Error("a write made after the cutover is lost by the rollback")
	}
}

// TestAuthorityAway: a write that the authority may or may not have is refused, and
// both stores come to agree; nothing newer overtakes it.
func TestAuthorityAway(t *testing.T) {
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("done %v", done), func(t *testing.T) {
			w := newWorld(t)
			w.begin()
			if err := w.fill("c1", ""); err != nil {
				t.Fatal(err)
			}
			w.broken.Store(down(done, "upsert"))
			_, err := w.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{doc(t, "a", 1)}})
			unavailable(t, err)
			_, err = w.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{doc(t, "a", 2)}})
			unavailable(t, err)
			w.end() // and the process ends
			w.broken.Store(nil)
			w.start()
			w.upsert("", doc(t, "a", 3))
			w.settled()
			w.verify("")
			if r := w.sim.Records(index, ""); len(r) != 1 || r[0].GetMetadata().GetFields()["n"].GetNumberValue() != 3 {
				t.Errorf("Pinecone has %v", r)
			}
		})
	}
}

// TestFollowerAway: writes go on while the other store is away, also over an end of
// the process, and follow when it is back.
func TestFollowerAway(t *testing.T) {
	w := newWorld(t)
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	lost := away
	w.lost.Store(&lost)
	for i := range 40 {
		w.upsert("", doc(t, fmt.Sprintf("d%d", i%10), i))
	}
	w.end()
	w.start()
	if err := w.index.Cutover(t.Context()); err == nil {
		t.Error("cut over to a store that is away")
	}
	w.lost.Store(nil)
	w.settled()
	w.verify("")
}

// TestManyAtOnce: applications write, both stores fail by chance, the copy runs and
// the authority changes, all at once. In the end both have the same.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	spaces := []string{"", "a", "b"}
	for i := range 300 {
		w.upsert(spaces[i%3], doc(t, fmt.Sprintf("d%03d", i), i))
	}
	w.begin()
	chance := func() *func(op string) *sim.Fault {
		var mu sync.Mutex
		r := rand.New(rand.NewPCG(5, 6))
		f := func(op string) *sim.Fault {
			mu.Lock()
			defer mu.Unlock()
			if r.IntN(12) > 0 || op == "describe_index" {
				return nil
			}
			return (*down(r.IntN(2) == 0, op))(op)
		}
		return &f
	}
	w.broken.Store(chance())
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(7, 8))
	lost := func(doing string) error {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(15) > 0 {
			return nil
		}
		return away(doing)
	}
	w.lost.Store(&lost)
	var all sync.WaitGroup
	for c := range 4 {
		all.Go(func() { w.client(rand.New(rand.NewPCG(uint64(c), 9)), spaces, 150) })
	}
	all.Go(func() {
		if err := w.fill("c1", spaces...); err != nil {
			t.Error(err)
			return
		}
		for w.index.Cutover(t.Context()) != nil {
			_ = soon(t.Context(), 0) // both are away now and then
		}
		for w.index.Rollback(t.Context()) != nil {
			_ = soon(t.Context(), 0)
		}
	})
	all.Wait()
	w.broken.Store(nil)
	w.lost.Store(nil)
	w.settled()
	w.verify(spaces...)
}

// client writes by chance, as applications do; what is refused it leaves.
func (w *world) client(r *rand.Rand, spaces []string, n int) {
	for i := range n {
		ns, id := spaces[r.IntN(len(spaces))], fmt.Sprintf("d%03d", r.IntN(330))
		var err error
		switch k := r.IntN(20); {
		case k < 10:
			_, err = w.index.Upsert(w.t.Context(), &wire.UpsertRequest{Namespace: ns, Vectors: []*wire.Vector{doc(w.t, id, r.IntN(1000)), doc(w.t, id+"x", i)}})
		case k < 14:
			_, err = w.index.Update(w.t.Context(), &wire.UpdateRequest{Namespace: ns, Id: id, SetMetadata: metadata(w.t, map[string]any{"year": 1990 + i, "by": i})})
		case k < 17:
			_, err = w.index.Delete(w.t.Context(), &wire.DeleteRequest{Namespace: ns, Ids: []string{id}})
		case k < 18:
			_, err = w.index.Update(w.t.Context(), &wire.UpdateRequest{Namespace: ns, Filter: metadata(w.t, map[string]any{"tags": "3"}), SetMetadata: metadata(w.t, map[string]any{"seen": i})})
		case k < 19:
			_, err = w.index.Delete(w.t.Context(), &wire.DeleteRequest{Namespace: ns, Filter: metadata(w.t, map[string]any{"n": map[string]any{"$lt": r.IntN(40)}})})
		default:
			_, err = w.index.Query(w.t.Context(), &wire.QueryRequest{Namespace: ns, TopK: 3, Vector: []float32{1, 2, 3, 4}})
		}
		_ = err // the stores are away by chance, and then a write is refused
	}
}

// stale is a source of which what is read is older than what happens meanwhile.
type stale struct {
	vector.Source
	meanwhile func()
	once      sync.Once
}

func (s *stale) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		var all []vector.Record
		for records, err := range s.Source.Read(ctx, u) {
			if err != nil {
				yield(nil, err)
				return
			}
			all = append(all, records...)
		}
		s.once.Do(s.meanwhile)
		yield(all, nil)
	}
}

// TestCopyIsOlder: what a copy read before applications wrote never comes in the
// place of what they wrote, and what they deleted does not come back.
func TestCopyIsOlder(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.upsert("", doc(t, fmt.Sprintf("d%02d", i), i))
	}
	w.begin()
	_, err := w.index.Fill(t.Context(), "c1", transfer.Options{
		Source: &stale{Source: w.store, meanwhile: func() {
			w.upsert("", doc(t, "d00", 900))
			for _, r := range []*wire.DeleteRequest{{Ids: []string{"d01"}}, {Filter: metadata(t, map[string]any{"n": 2})}} {
				if _, err := w.index.Delete(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
			for _, r := range []*wire.UpdateRequest{
				{Id: "d03", SetMetadata: metadata(t, map[string]any{"n": 903})},
				{Filter: metadata(t, map[string]any{"n": 4}), SetMetadata: metadata(t, map[string]any{"year": 1904})},
			} {
				if _, err := w.index.Update(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
			w.settled() // all of it has followed before the copy writes what it read
		}},
		Namespaces: []string{""}, Journal: w.copies, Unit: 50, Log: slog.New(slog.DiscardHandler), Clock: time.Now, Sleep: soon, Jitter: rand.Float64,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.verify("")
	if n, err := w.memory.Count(t.Context(), ""); n != 18 || err != nil {
		t.Errorf("%d records: %v", n, err)
	}
}

// TestPastTheFront: what was changed and deleted at Pinecone itself is found before
// the cutover, and a second copy mends it.
func TestPastTheFront(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.upsert("a", doc(t, fmt.Sprintf("d%02d", i), i))
	}
	w.begin()
	if err := w.fill("c1", "a"); err != nil {
		t.Fatal(err)
	}
	past := pinecone.Relay{Store: w.store}
	if _, err := past.Delete(t.Context(), &wire.DeleteRequest{Namespace: "a", Ids: []string{"d01", "d02"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := past.Upsert(t.Context(), &wire.UpsertRequest{Namespace: "a", Vectors: []*wire.Vector{doc(t, "d03", 77), doc(t, "new", 78)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := past.Upsert(t.Context(), &wire.UpsertRequest{Namespace: "b", Vectors: []*wire.Vector{doc(t, "x", 1)}}); err != nil {
		t.Fatal(err)
	}
	if r := w.report("a", "b"); r.Missing != 2 || r.Altered != 1 || r.Extra != 2 {
		t.Errorf("missing %d, altered %d, extra %d", r.Missing, r.Altered, r.Extra)
	}
	if err := w.fill("c2", "a"); err != nil { // b it finds by itself
		t.Fatal(err)
	}
	w.verify("a", "b")
}

// TestAlone: after Finish Pinecone is not asked any more, and after Leave the other
// store is not.
func TestAlone(t *testing.T) {
	w := newWorld(t)
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.upsert("", doc(t, "a", 1))
	if n, err := w.memory.Count(t.Context(), ""); n != 0 || err != nil {
		t.Errorf("%d records: %v", n, err)
	}
	w.begin()
	if err := w.fill("c2", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.broken.Store(down(false, "upsert", "query", "fetch", "list", "delete", "describe_index_stats"))
	w.upsert("", doc(t, "b", 1))
	if got, err := w.index.Fetch(t.Context(), &wire.FetchRequest{Ids: []string{"a", "b"}}); err != nil || len(got.GetVectors()) != 2 {
		t.Errorf("%v: %v", got, err)
	}
	if err := w.index.Rollback(t.Context()); err == nil {
		t.Error("there is no way back, and it was taken")
	}
}

// TestRefused: a write that the store which follows cannot hold is told, blocks the
// cutover, and is mended by a copy once it can be held.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	w.memory.Bounds.Payload = 300
	w.upsert("", &wire.Vector{Id: "large", Values: []float32{1, 2, 3, 4}, Metadata: metadata(t, map[string]any{"text": strings.Repeat("x", 400)})}, doc(t, "small", 1))
	for lag := (front.Lag{}); lag.Refused == 0; {
		var err error
		if lag, err = w.ledger.Lag(t.Context(), index); err != nil {
			t.Fatal(err)
		}
		_ = soon(t.Context(), 0) // it follows in the background
	}
	writes, err := w.ledger.Writes(t.Context(), index, front.Refused, 0, 9)
	if err != nil || len(writes) != 1 || !strings.Contains(writes[0].Why, "large") || !slices.Equal(writes[0].IDs, []string{"large", "small"}) {
		t.Errorf("%+v: %v", writes, err)
	}
	if n, err := w.memory.Count(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("%d records, and the small one can be held: %v", n, err)
	}
	var stage *front.StageError
	if err := w.index.Cutover(t.Context()); !errors.As(err, &stage) {
		t.Errorf("cut over: %v", err)
	}
	w.memory.Bounds.Payload = 0
	if err := w.fill("c2", ""); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.verify("")
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMended: what Pinecone refuses after a cutover is in the way of a rollback until it
// can hold what has become of those records.
func TestMended(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.upsert("", doc(t, fmt.Sprintf("d%02d", i), i))
	}
	w.begin()
	if err := w.fill("c1", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.index.Cutover(t.Context()); err != nil {
		t.Fatal(err)
	}
	refuse := func(op string) *sim.Fault {
		if op == "upsert" || op == "delete" {
			return &sim.Fault{Code: codes.InvalidArgument}
		}
		return nil
	}
	w.broken.Store(&refuse)
	w.upsert("", doc(t, "d00", 100), doc(t, "new", 101))
	w.upsert("", doc(t, "gone", 102))
	for _, r := range []*wire.DeleteRequest{{Ids: []string{"gone"}}, {Filter: metadata(t, map[string]any{"n": map[string]any{"$gte": 20, "$lt": 50}})}} {
		if _, err := w.index.Delete(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	w.upsert("", doc(t, "later", 25)) // a deletion that is repeated would take it along
	var stage *front.StageError
	if err := w.index.Rollback(t.Context()); !errors.As(err, &stage) || !strings.Contains(stage.Why, "5 writes") || !strings.Contains(stage.Why, "d00, new") || stage.Hint == "" {
		t.Errorf("rolled back: %v", err)
	}
	if p := w.index.Move().Phase; p != front.Cut {
		t.Errorf("phase %s", p)
	}
	w.broken.Store(nil)
	if err := w.index.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.verify("")
	if n := len(w.sim.Records(index, "")); n != 22 { // d00 to d19, new, later
		t.Errorf("Pinecone has %d records", n)
	}
}
