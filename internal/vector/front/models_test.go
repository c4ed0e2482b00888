package front_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/embed"
	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/wire"
	"freehold/internal/vector/transfer"
)

// made is the vector that a model makes of a text. Its first number tells which of the two
// did, which freehold does not know.
func made(newer bool, text string) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // it never fails
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	v := []float32{1, float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.NormFloat64())}
	if newer {
		v[0], v[1] = -1, float32(r.NormFloat64())
	}
	length := vector.Dot.Score(&vector.Vector{Dense: v}, &vector.Vector{Dense: v})
	for i := range v {
		v[i] /= float32(math.Sqrt(length))
	}
	return v
}

func newer(v []float32) bool { return len(v) > 0 && v[0] < 0 }

// model answers for one of them.
type model struct {
	newer bool
	asked *atomic.Int64
	away  *atomic.Bool
	// stuck: it never answers, and tells when it is asked, and when nobody waits any more.
	stuck   *atomic.Bool
	entered chan error
}

// Ask implements [embed.Asker].
func (m model) Ask(ctx context.Context, texts []string) (embed.Answer, error) {
	if m.stuck != nil && m.stuck.Load() {
		m.entered <- nil
		<-ctx.Done()
		m.entered <- ctx.Err()
		return embed.Answer{}, ctx.Err()
	}
	if m.away.Load() {
		return embed.Answer{}, &vector.Error{Trouble: vector.Unavailable, Store: "the model", Doing: "embed", Message: "away"}
	}
	m.asked.Add(int64(len(texts)))
	a := embed.Answer{}
	for _, t := range texts {
		if strings.HasPrefix(t, "forbidden") {
			return embed.Answer{Refused: "it is filtered"}, nil
		}
		a.Vectors = append(a.Vectors, made(m.newer, t))
	}
	return a, nil
}

// twoModels is a world whose stores are of two models of the same length. Both stores see
// to it that they get vectors of their own model only.
type twoModels struct {
	*world
	away  atomic.Bool
	asked atomic.Int64
	stuck atomic.Bool
	given *front.Given

	entered chan error

	mu    sync.RWMutex // of the process: whoever uses it holds it for reading
	wrong atomic.Int64
}

func newTwoModels(t *testing.T) *twoModels {
	t.Helper()
	x := &twoModels{world: newWorld(t), entered: make(chan error, 1000)}
	x.end()
	x.models = func() *front.Models {
		x.given = front.NewGiven(time.Now)
		return &front.Models{Old: "old", New: "new", Text: "text", Given: x.given, Embedding: func(name string) vector.Embedding { return x.embedding(name == "new") }}
	}
	x.relay = func(r pinecone.Relay) wire.Server { return &strictRelay{r, x} }
	x.narrowed = func(v vector.Target) vector.Target { return &strictTarget{v, x} }
	x.embeddings = &front.Embeddings{Alias: "embed", Old: "old", New: "new", Text: "text", Dim: dim}
	x.start()
	return x
}

func (x *twoModels) embedding(newer bool) vector.Embedding {
	return &embed.Texts{
		Client: embed.New(embed.Options{Asker: model{newer, &x.asked, &x.away, &x.stuck, x.entered}, Model: "m", Dim: dim, Sleep: soon}),
		Vector: vector.Spec{Form: vector.Dense, Dim: dim, Metric: vector.Cosine, Element: "float32"}, Field: "text",
	}
}

func (x *twoModels) expect(newerStore bool, what string, v []float32) {
	if len(v) > 0 && newer(v) != newerStore {
		x.wrong.Add(1)
		x.t.Errorf("%s: the store of the new model (%v) gets a vector of the other one", what, newerStore)
	}
}

// strictRelay is Pinecone.
type strictRelay struct {
	pinecone.Relay
	x *twoModels
}

func (s *strictRelay) Query(ctx context.Context, r *wire.QueryRequest) (*wire.QueryResponse, error) {
	s.x.expect(false, "query", r.GetVector())
	return s.Relay.Query(ctx, r)
}

func (s *strictRelay) Upsert(ctx context.Context, r *wire.UpsertRequest) (*wire.UpsertResponse, error) {
	for _, v := range r.GetVectors() {
		s.x.expect(false, "upsert "+v.GetId(), v.GetValues())
	}
	return s.Relay.Upsert(ctx, r)
}

func (s *strictRelay) Update(ctx context.Context, r *wire.UpdateRequest) (*wire.UpdateResponse, error) {
	s.x.expect(false, "update", r.GetValues())
	return s.Relay.Update(ctx, r)
}

// strictTarget is the new store.
type strictTarget struct {
	vector.Target
	x *twoModels
}

func (s *strictTarget) Put(ctx context.Context, ns string, records []vector.Record) error {
	for i := range records {
		s.x.expect(true, "put", records[i].Vector("").Dense)
	}
	return s.Target.Put(ctx, ns, records)
}

func (s *strictTarget) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	s.x.expect(true, "search", q.Query.Dense)
	return s.Target.Search(ctx, q)
}

// ask is an application that asks for an embedding under the alias.
func (x *twoModels) ask(text string) []float32 {
	newer := x.index.Move().Phase.Newer()
	v := made(newer, text)
	x.given.Add(newer, v)
	return v
}

func (x *twoModels) record(id, text string, v []float32) *wire.Vector {
	return &wire.Vector{Id: id, Values: v, Metadata: metadata(x.t, map[string]any{"text": text})}
}

func (x *twoModels) put(id, text string, v []float32) error {
	_, err := x.index.Upsert(x.t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{x.record(id, text, v)}})
	return err
}

func (x *twoModels) find(v []float32) (*wire.QueryResponse, error) {
	return x.index.Query(x.t.Context(), &wire.QueryRequest{TopK: 3, Vector: v, IncludeMetadata: true})
}

func (x *twoModels) must(errs ...error) {
	x.t.Helper()
	for i, err := range errs {
		if err != nil {
			x.t.Fatalf("step %d: %v", i+1, err)
		}
	}
}

// both wants each store to have for each id the vector of its own model of one text.
func (x *twoModels) both(n int) {
	x.t.Helper()
	texts := map[string]string{}
	for _, v := range x.sim.Records(index, "") {
		text := v.GetMetadata().GetFields()["text"].GetStringValue()
		texts[v.GetId()] = text
		if !slices.Equal(v.GetValues(), made(false, text)) {
			x.t.Errorf("Pinecone has another vector of %s, %q", v.GetId(), text)
		}
	}
	if len(texts) != n {
		x.t.Errorf("Pinecone has %d records, not %d", len(texts), n)
	}
	m, seen := mapping(), 0
	for u, err := range x.memory.Units(x.t.Context(), "", "", 1000) {
		x.must(err)
		for records, err := range x.memory.Read(x.t.Context(), u) {
			x.must(err)
			for i := range records {
				r := m.Back(&records[i])
				text, _ := r.Payload.Get("text")
				seen++
				if texts[r.ID.String()] != text.Text() {
					x.t.Errorf("%s: the texts are %q and %q", r.ID, texts[r.ID.String()], text.Text())
				}
				if !slices.Equal(r.Vector("").Dense, made(true, text.Text())) {
					x.t.Errorf("the new store has another vector of %s, %q", r.ID, text.Text())
				}
			}
		}
	}
	if seen != n {
		x.t.Errorf("the new store has %d records, not %d", seen, n)
	}
}

func refused(t *testing.T, err error, texts ...string) {
	t.Helper()
	if status.Code(err) != codes.InvalidArgument {
		t.Fatalf("it is not refused: %v", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("it does not say %q: %v", text, err)
		}
	}
}

// TestTwoModels: the way of an index that goes over to another model. What was embedded
// before the turn and comes after it goes where it belongs.
func TestTwoModels(t *testing.T) {
	x := newTwoModels(t)
	for i := range 30 {
		text := fmt.Sprintf("text %d", i)
		x.must(x.put(fmt.Sprintf("d%02d", i), text, x.ask(text)))
	}
	x.begin()
	early := made(true, "early")
	x.given.Add(true, early)
	_, err := x.find(early)
	refused(t, err, "the model new", "vectors of old", "once more")
	x.must(x.put("d00", "text 0 anew", x.ask("text 0 anew")), x.fill("c1", ""))
	x.settled()
	x.both(30)
	// The new store is complete, and answers those that have its vectors.
	got, err := x.find(early)
	if err != nil || len(got.GetMatches()) != 3 {
		t.Fatalf("%v: %v", got, err)
	}
	// Embedded before the turn, used after it.
	question, text, lone := x.ask("text 5"), x.ask("late"), x.ask("no text")
	x.must(x.index.Cutover(t.Context()))
	got, err = x.find(question)
	if err != nil || got.GetMatches()[0].GetId() != "d05" {
		t.Errorf("%v: %v", got, err)
	}
	x.must(x.put("late", "late", text))
	_, err = x.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{{Id: "lone", Values: lone}}})
	refused(t, err, "record lone", "the model old")
	_, err = x.index.Update(t.Context(), &wire.UpdateRequest{Id: "d01", Values: lone})
	refused(t, err, "update of d01")
	update := func(r *wire.UpdateRequest) error {
		_, err := x.index.Update(t.Context(), r)
		return err
	}
	x.must(
		update(&wire.UpdateRequest{Id: "d02", Values: x.ask("text 2 new"), SetMetadata: metadata(t, map[string]any{"text": "text 2 new"})}),
		update(&wire.UpdateRequest{Id: "d03", SetMetadata: metadata(t, map[string]any{"year": 2024})}),
		update(&wire.UpdateRequest{Filter: metadata(t, map[string]any{"year": 2024}), SetMetadata: metadata(t, map[string]any{"seen": true})}),
	)
	x.must(update(&wire.UpdateRequest{Id: "d04", Values: x.ask("anything")})) // Pinecone's vector stays that of the text
	x.settled()
	for _, v := range x.sim.Records(index, "") {
		if v.GetId() == "d04" && !slices.Equal(v.GetValues(), made(false, "text 4")) {
			t.Errorf("values alone have changed the vector of the store that follows")
		}
	}
	x.must(update(&wire.UpdateRequest{Id: "d04", Values: x.ask("text 4")}))
	refused(t, update(&wire.UpdateRequest{Filter: metadata(t, map[string]any{"year": 2024}), SetMetadata: metadata(t, map[string]any{"text": "all"})}), "by their ids")
	got, err = x.find(x.ask("late"))
	if err != nil || got.GetMatches()[0].GetId() != "late" {
		t.Errorf("%v: %v", got, err)
	}
	x.settled()
	x.both(31)
	fetched, err := x.index.Fetch(t.Context(), &wire.FetchRequest{Ids: []string{"d07"}})
	x.must(err)
	back := fetched.GetVectors()["d07"].GetValues()
	x.must(x.index.Rollback(t.Context()))
	if _, err = x.find(back); err != nil { // what was fetched is known, too
		t.Error(err)
	}
	x.must(x.put("d08", "rolled back", x.ask("rolled back")))
	x.settled()
	x.both(31)
	before := x.ask("text 9")
	x.must(x.index.Cutover(t.Context()), x.index.Finish(t.Context()))
	_, err = x.find(before)
	refused(t, err, "the model old", "phase own")
	if _, err = x.find(x.ask("text 9")); err != nil {
		t.Error(err)
	}
	if x.wrong.Load() > 0 {
		t.Errorf("%d vectors went to the wrong store", x.wrong.Load())
	}
}

// TestWithoutText: a record without a text is written by who answers, and stands in the
// way of the next turn, by its name.
func TestWithoutText(t *testing.T) {
	x := newTwoModels(t)
	x.begin()
	x.must(x.fill("c1", ""))
	_, err := x.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{{Id: "bare", Values: made(false, "?")}, x.record("good", "good", x.ask("good"))}})
	x.must(err, x.put("ill", "forbidden words", x.ask("forbidden words")))
	hybrid := x.record("hybrid", "words", x.ask("words"))
	hybrid.SparseValues = &wire.Sparse{Indices: []uint32{1}, Values: []float32{1}}
	_, err = x.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{hybrid}})
	x.must(err)
	blocked := func(n int64) {
		t.Helper()
		for lag := (front.Lag{}); lag.Refused < n; {
			var err error
			lag, err = x.ledger.Lag(t.Context(), index)
			x.must(err)
			_ = soon(t.Context(), 0)
		}
	}
	blocked(3)
	writes, err := x.ledger.Writes(t.Context(), index, front.Refused, 0, 9)
	x.must(err)
	if len(writes) != 3 || !strings.Contains(writes[2].Why, "hybrid: it has sparse values") || !strings.Contains(writes[0].Why, "new makes no vector of: bare: it has no text: there is no field text") || !strings.Contains(writes[1].Why, "filtered") {
		t.Errorf("%+v", writes)
	}
	var stage *front.StageError
	if err := x.index.Cutover(t.Context()); !errors.As(err, &stage) {
		t.Errorf("cut over: %v", err)
	}
	if n, err := x.memory.Count(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("%d records, and the good one has a text: %v", n, err)
	}
	_, err = x.index.Delete(t.Context(), &wire.DeleteRequest{Ids: []string{"bare", "ill", "hybrid"}})
	x.must(err, x.fill("c2", ""))
	x.must(x.index.Cutover(t.Context()))
	_, err = x.index.Upsert(t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{{Id: "bare", Values: x.ask("?")}}})
	x.must(err)
	blocked(1)
	if err := x.index.Rollback(t.Context()); !errors.As(err, &stage) || !strings.Contains(stage.Why, "old makes no vector of: bare") {
		t.Errorf("rolled back: %v", err)
	}
	x.must(x.put("bare", "with a text", x.ask("with a text")), x.index.Rollback(t.Context()))
	x.settled()
	x.both(2)
}

// TestModelAway: a model that is away keeps nobody from writing; what was written follows
// when it is back, also over an end of the process.
func TestModelAway(t *testing.T) {
	x := newTwoModels(t)
	x.begin()
	x.must(x.fill("c1", ""))
	x.away.Store(true)
	for i := range 20 {
		text := fmt.Sprintf("text %d", i)
		x.must(x.put(fmt.Sprintf("d%d", i%7), text, x.ask(text)))
	}
	if x.index.Cutover(t.Context()) == nil {
		t.Error("cut over without the model")
	}
	for x.index.Trouble() == "" {
		_ = soon(t.Context(), 0)
	}
	if got := x.index.Trouble(); !strings.Contains(got, "embedded by new") || !strings.Contains(got, "away") {
		t.Errorf("the trouble is %q", got)
	}
	x.end()
	x.start()
	x.away.Store(false)
	x.settled()
	x.both(7)
}

// TestModelStuck: whoever changes where the index is does not wait for a model that does
// not answer, and so no application does.
func TestModelStuck(t *testing.T) {
	x := newTwoModels(t)
	x.begin()
	x.must(x.fill("c1", ""))
	x.settled()
	x.stuck.Store(true)
	x.must(x.put("a", "a", x.ask("a")))
	<-x.entered
	x.must(x.index.Judged(t.Context(), front.GatePassed, "as good"))
	if err := <-x.entered; !errors.Is(err, context.Canceled) {
		t.Errorf("it was not given up for that: %v", err)
	}
	x.stuck.Store(false)
	x.must(x.put("b", "b", x.ask("b")))
	x.settled()
	x.both(2)
}

// TestCopyEmbedsOnce: a copy embeds what it copies, and not what applications have written
// meanwhile, which follows by itself.
func TestCopyEmbedsOnce(t *testing.T) {
	x := newTwoModels(t)
	for i := range 60 {
		text := fmt.Sprintf("text %d", i)
		x.must(x.put(fmt.Sprintf("d%02d", i), text, x.ask(text)))
	}
	x.begin()
	var by atomic.Int64
	_, err := x.index.Fill(t.Context(), "c1", transfer.Options{
		Source: &stale{Source: x.store, meanwhile: func() {
			x.must(x.put("d00", "newer", x.ask("newer")))
			for _, r := range []*wire.UpdateRequest{
				{Id: "d01", SetMetadata: metadata(t, map[string]any{"text": "other"}), Values: x.ask("other")},
				{Filter: metadata(t, map[string]any{"text": "text 2"}), SetMetadata: metadata(t, map[string]any{"year": 1904})},
			} {
				_, err := x.index.Update(t.Context(), r)
				x.must(err)
			}
			x.settled()
		}},
		Embedding:  &embed.Texts{Client: embed.New(embed.Options{Asker: model{newer: true, asked: &by, away: &x.away}, Model: "m", Dim: dim, Sleep: soon}), Field: "text"},
		Namespaces: []string{""}, Journal: x.copies, Unit: 100, Log: slog.New(slog.DiscardHandler), Clock: time.Now, Sleep: soon, Jitter: rand.Float64,
	})
	x.must(err)
	x.settled()
	x.both(60)
	if n := by.Load(); n < 58 || n > 62 {
		t.Errorf("%d texts were embedded for 60 records", n)
	}
}

// TestTurns: applications embed under the alias, write and ask all the time, while the
// index is filled, turns forth and back, and the process ends and begins again between
// any two steps of theirs. No vector is ever searched or stored where the other model's
// are, and in the end each store has its own model's of the same texts.
func TestTurns(t *testing.T) {
	x := newTwoModels(t)
	for i := range 100 {
		text := fmt.Sprintf("text %d", i)
		x.must(x.put(fmt.Sprintf("d%03d", i), text, x.ask(text)))
	}
	x.begin()
	var asked, answered, again atomic.Int64
	use := func(do func()) {
		x.mu.RLock()
		defer x.mu.RUnlock()
		do()
	}
	const steps = 150
	var apps sync.WaitGroup
	for c := range 4 {
		r := rand.New(rand.NewPCG(uint64(c), 21))
		apps.Go(func() {
			for i := range steps { // bounded, so that a slow machine does no more
				text, id := fmt.Sprintf("text %d of %d", i, c), fmt.Sprintf("d%03d", c*25+r.IntN(25))
				var v []float32
				use(func() { v = x.ask(text) })
				for range r.IntN(3) { // the turn, and an end of the process, may come in between
					_ = soon(t.Context(), 0)
				}
				var err error
				use(func() {
					switch r.IntN(4) {
					case 0:
						_, err = x.index.Update(t.Context(), &wire.UpdateRequest{Id: id, Values: v, SetMetadata: metadata(t, map[string]any{"text": text})})
					case 1:
						err = x.put(id, text, v)
					default:
						asked.Add(1)
						if _, err = x.find(v); err == nil {
							answered.Add(1)
						}
					}
				})
				switch status.Code(err) {
				case codes.OK, codes.Unavailable, codes.DeadlineExceeded:
				case codes.InvalidArgument:
					again.Add(1)
					if !strings.Contains(err.Error(), "cannot be told") {
						t.Error(err)
					}
				default:
					t.Error(err)
				}
			}
		})
	}
	restart := func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.end()
		x.start()
	}
	until := func(do func(context.Context) error) {
		for n := 0; ; n++ {
			var err error
			use(func() { err = do(t.Context()) })
			if err == nil {
				return
			}
			if n == 1000 {
				t.Error(err)
				return
			}
			_ = soon(t.Context(), 0)
		}
	}
	until(func(context.Context) error { return x.fill("c1", "") })
	ended := make(chan struct{})
	go func() {
		apps.Wait()
		close(ended)
	}()
	turns := 0
	for over := false; !over || turns == 0; turns++ {
		select {
		case <-ended:
			over = true
		default:
		}
		until(func(ctx context.Context) error { return x.index.Cutover(ctx) })
		restart()
		_ = soon(t.Context(), 0)
		restart()
		until(func(ctx context.Context) error { return x.index.Rollback(ctx) })
		_ = soon(t.Context(), 0)
	}
	until(func(ctx context.Context) error { return x.index.Cutover(ctx) })
	apps.Wait()
	x.settled()
	x.both(100)
	if answered.Load() == 0 {
		t.Error("no query was answered")
	}
	t.Logf("%d turns; %d of %d queries answered, %d were to embed once more", 2*turns, answered.Load(), asked.Load(), again.Load())
}

// TestReadsOfTwoModels: queries by id are shared, and none that has, or would get, a vector.
func TestReadsOfTwoModels(t *testing.T) {
	x := newTwoModels(t)
	x.begin()
	x.must(x.put("a", "a", x.ask("a")), x.fill("c1", ""))
	x.settled()
	x.reads, x.shadow = 1, 1
	x.broken.Store(down(false, "query", "fetch"))
	if _, err := x.index.Query(t.Context(), &wire.QueryRequest{TopK: 1, Id: "a"}); err != nil {
		t.Errorf("by id: %v", err)
	}
	_, err := x.index.Query(t.Context(), &wire.QueryRequest{TopK: 1, Id: "a", IncludeValues: true})
	unavailable(t, err)
	_, err = x.index.Fetch(t.Context(), &wire.FetchRequest{Ids: []string{"a"}})
	unavailable(t, err)
	_, err = x.find(x.ask("a"))
	unavailable(t, err)
	if len(x.compared) > 0 {
		t.Error("what two models find was compared")
	}
}
