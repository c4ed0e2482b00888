package moves

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/history"
	"freehold/internal/leaktest"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/address"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/pinecone/wire"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/vectortest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const testKey = "a-key"

var tester = history.Who{Via: "test", Name: "tester"}

// world is a keeper of one index, docs, that moves from the simulator to a store in
// memory.
type world struct {
	t      *testing.T
	keeper *Keeper
	sim    *sim.Server
	path   string // of the state
	stop   func() // the process ends

	mu       sync.Mutex
	memories map[string]*vectortest.Memory // by the names of collections
	verdict  plan.Perimeter
	gone     bool // Pinecone cannot be opened
	changes  []history.Change
}

// Append implements [History].
func (w *world) Append(_ context.Context, c history.Change) (history.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c)
	return history.Record{}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "state.db"), memories: map[string]*vectortest.Memory{}, verdict: plan.Perimeter{Verdict: plan.NoRules}}
	var err error
	if w.sim, err = sim.New(sim.Options{Key: testKey}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sim.Close)
	if _, err := w.sim.Add(sim.Index{Name: "docs", Dimension: 4, Metric: "dotproduct"}); err != nil {
		t.Fatal(err)
	}
	w.start()
	t.Cleanup(func() { w.stop() })
	w.use(w.spec("docs"))
	return w
}

// start is a process that begins.
func (w *world) start() {
	w.t.Helper()
	db, err := sqlite.Open(w.t.Context(), w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	ledger, ids := sqlite.NewFronts(db), 0
	w.keeper = New(Options{
		Ledger: ledger, Copies: sqlite.NewCopies(db), History: w, Log: slog.New(slog.DiscardHandler), Clock: time.Now, Sleep: soon,
		NewID: func() string { ids++; return fmt.Sprint("c", time.Now().UnixNano(), ids) },
	})
	w.stop = sync.OnceFunc(func() {
		w.keeper.Close()
		ledger.Close()
		if err := db.Close(); err != nil {
			w.t.Error(err)
		}
	})
}

// soon waits for no time at all, and gives others a turn.
func soon(ctx context.Context, _ time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}

// spec moves the index to a collection.
func (w *world) spec(collection string) Spec {
	w.t.Helper()
	parsed := func(text string) address.Address {
		a, err := address.Parse(text)
		if err != nil {
			w.t.Fatal(err)
		}
		return a
	}
	s := Spec{Name: "docs", From: parsed("pinecone://" + w.sim.Address() + "/docs"), To: parsed("qdrant://127.0.0.1/" + collection), Key: collection}
	s.Source = func(ctx context.Context, _ bool) (*pinecone.Store, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.gone {
			return nil, errors.New("Pinecone is not there any more")
		}
		const any = 1e9
		return pinecone.Open(ctx, pinecone.Options{Index: "docs", Key: testKey, Plain: true, Control: w.sim.URL(), Lists: any, Fetches: any, Upserts: any, Queries: any})
	}
	s.Target = func(context.Context) (vector.Target, error) { return w.memory(collection), nil }
	s.Perimeter = func() (plan.Perimeter, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.verdict, nil
	}
	return s
}

func (w *world) memory(collection string) *vectortest.Memory {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.memories[collection]
	if m == nil {
		m = vectortest.NewMemory()
		m.Bounds.IDs, m.Bounds.Namespace = []vector.IDKind{vector.UUIDID, vector.IntegerID}, false
		w.memories[collection] = m
	}
	return m
}

// use serves the index so, and waits until it is open, or is known not to be.
func (w *world) use(s Spec) *Status {
	w.t.Helper()
	w.keeper.Use(map[string]Spec{s.Name: s})
	return w.until(func(x *Status) bool { return !strings.Contains(x.Why, "being opened") })
}

func (w *world) status() *Status {
	w.t.Helper()
	x, err := w.keeper.Status(w.t.Context(), "docs")
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func (w *world) until(is func(*Status) bool) *Status {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if x := w.status(); is(x) {
			return x
		}
		if err := soon(w.t.Context(), 0); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Fatalf("it does not come about: %+v", w.status())
	return nil
}

// work waits for what is under way, and returns how it ended.
func (w *world) work() error {
	w.t.Helper()
	e, err := w.keeper.find("docs")
	if err != nil {
		w.t.Fatal(err)
	}
	e.mu.Lock()
	j := e.job
	e.mu.Unlock()
	<-j.done
	return j.err
}

func (w *world) sync(again bool) error {
	if err := w.keeper.Sync(w.t.Context(), "docs", SyncOptions{Again: again}, tester, ""); err != nil {
		return err
	}
	return w.work()
}

func (w *world) cutover() error {
	if err := w.keeper.Cutover(w.t.Context(), "docs", "", tester, ""); err != nil {
		return err
	}
	return w.work()
}

// must wants all steps to go well.
func (w *world) must(errs ...error) {
	w.t.Helper()
	for i, err := range errs {
		if err != nil {
			w.t.Fatalf("step %d: %v", i+1, err)
		}
	}
}

// told wants a refusal that says all of this, with a hint.
func told(t *testing.T, err error, texts ...string) {
	t.Helper()
	var stage *front.StageError
	if !errors.As(err, &stage) || stage.Hint == "" {
		t.Fatalf("no refusal with a hint: %v", err)
	}
	for _, text := range texts {
		if !strings.Contains(stage.Why+" / "+stage.Hint, text) {
			t.Errorf("it does not say %q: %s / %s", text, stage.Why, stage.Hint)
		}
	}
}

// index is the index, open.
func (w *world) index() *front.Index {
	w.t.Helper()
	ix := w.keeper.set.Find("docs")
	if ix == nil {
		w.t.Fatal("the index is not open")
	}
	return ix
}

func (w *world) upsert(ids ...string) error {
	in := &wire.UpsertRequest{}
	for i, id := range ids {
		in.Vectors = append(in.Vectors, &wire.Vector{Id: id, Values: []float32{float32(i), 1, 2, 3}})
	}
	_, err := w.index().Upsert(w.t.Context(), in)
	return err
}

// TestNoWayBack: an index that is cut over for good is not given back to Pinecone by a
// sync, and is served when Pinecone is gone.
func TestNoWayBack(t *testing.T) {
	w := newWorld(t)
	w.must(w.upsert("a", "b"), w.sync(false), w.cutover())
	told(t, w.sync(false), "phase cutover", "rollback docs")
	told(t, w.keeper.Leave(t.Context(), "docs", tester, ""), "phase cutover")
	w.must(w.keeper.Finish(t.Context(), "docs", tester, ""), w.upsert("c"))
	for _, again := range []bool{false, true} {
		told(t, w.sync(again), "phase own", "no way back")
	}
	told(t, w.keeper.Rollback(t.Context(), "docs", tester, ""), "phase own")
	var kinds []history.Kind
	for _, c := range w.changes {
		kinds = append(kinds, c.Kind)
		if c.Kind == KindCutover && (c.Details["digest"] == "" || c.Details["compared"] != "2") {
			t.Errorf("on record of the cutover is %v", c.Details)
		}
	}
	if !slices.Equal(kinds, []history.Kind{KindSync, KindCutover, KindFinal}) {
		t.Errorf("on record are %v", kinds)
	}
	w.stop()
	w.mu.Lock()
	w.gone = true
	w.mu.Unlock()
	w.start()
	if x := w.use(w.spec("docs")); x.Why != "" || x.Move.Phase != front.Own || x.Records != 3 {
		t.Errorf("%+v", x)
	}
	got, err := w.index().Fetch(t.Context(), &wire.FetchRequest{Ids: []string{"a", "c"}})
	if err != nil || len(got.GetVectors()) != 2 {
		t.Errorf("%v: %v", got, err)
	}
}

// TestOtherStores: what is on record of an index is of the stores that it had; with
// others it is neither taken into use nor opened, until the move has ended.
func TestOtherStores(t *testing.T) {
	w := newWorld(t)
	other := w.spec("other")
	check := func() error { return w.keeper.Check(t.Context(), map[string]Spec{"docs": other}) }
	w.must(w.upsert("a", "b"), check(), w.sync(false))
	told(t, check(), "qdrant://127.0.0.1:6334/docs for its to", "qdrant://127.0.0.1:6334/other", "sync docs --end")
	if x := w.use(other); !strings.Contains(x.Why, "sync docs --end") {
		t.Errorf("it is served by another store: %+v", x)
	}
	w.use(w.spec("docs"))
	w.must(w.cutover())
	told(t, check(), "rollback docs, then")
	from := w.spec("docs")
	from.From.Name, from.Key = "old", "from"
	if x := w.use(from); !strings.Contains(x.Why, "/old now") {
		t.Errorf("it goes back to another index: %+v", x)
	}
	w.use(w.spec("docs"))
	if n := w.status().Records; n != 2 {
		t.Errorf("%d records", n)
	}
	w.must(w.keeper.Rollback(t.Context(), "docs", tester, ""), w.keeper.Leave(t.Context(), "docs", tester, ""), check())
	if x := w.use(other); x.Why != "" {
		t.Errorf("%+v", x)
	}
	w.must(w.sync(false), w.cutover())
	if n, err := w.memory("other").Count(t.Context(), ""); n != 2 || err != nil {
		t.Errorf("%d records: %v", n, err)
	}
}

// TestCopyOnceMoreGoesOn: a copy that is made once more goes on where it was when the
// process begins anew, as the first one does.
func TestCopyOnceMoreGoesOn(t *testing.T) {
	w := newWorld(t)
	w.must(w.upsert("a", "b"), w.sync(false))
	away := func(doing string) error {
		return &vector.Error{Trouble: vector.Denied, Store: "memory", Doing: doing, Message: "away"}
	}
	m := w.memory("docs")
	m.Fail = away
	if err := w.sync(true); err == nil {
		t.Fatal("it copied into a store that is away")
	}
	w.stop()
	m.Fail = nil
	w.start()
	w.use(w.spec("docs"))
	w.until(func(x *Status) bool { return x.Job != nil })
	w.must(w.work())
	if x := w.status(); x.Move.Filling() || x.Move.Pass == "" {
		t.Errorf("%+v", x.Move)
	}
}

// TestForbidden: when the rules come to forbid the new store, nothing more goes there,
// whoever sends it; what was written follows once it may, and Pinecone goes on.
func TestForbidden(t *testing.T) {
	w := newWorld(t)
	judge := func(verdict string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.verdict = plan.Perimeter{Verdict: verdict, Why: "it is outside"}
	}
	w.must(w.upsert("a", "b"), w.sync(false))
	judge(plan.Forbidden)
	w.must(w.upsert("c"))
	told(t, w.sync(true), "may not be at qdrant://", "it is outside")
	told(t, w.keeper.Cutover(t.Context(), "docs", "", tester, ""), "it is outside")
	x := w.status()
	if x.Forbidden == "" || x.Lag.Acknowledged != 1 {
		t.Errorf("%+v", x)
	}
	if n, err := w.memory("docs").Count(t.Context(), ""); n != 2 || err != nil {
		t.Errorf("%d records are there: %v", n, err)
	}
	judge(plan.Allowed)
	w.until(func(x *Status) bool { return x.Lag.Acknowledged == 0 })
	w.must(w.cutover())
	judge(plan.Forbidden)
	if err := w.upsert("d"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("written: %v", err)
	}
	w.must(w.keeper.Rollback(t.Context(), "docs", tester, ""), w.upsert("d"))
	if n := len(w.sim.Records("docs", "")); n != 4 {
		t.Errorf("Pinecone has %d records", n)
	}
}
