package moves

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/embed"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone/wire"
	"freehold/internal/vector/plan"
)

// maker is a model; the first number of its vectors is its own.
type maker struct {
	first float32
	dim   int
	asked *atomic.Int64
}

func (m maker) vector(text string) []float32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // it never fails
	v := make([]float32, m.dim)
	v[0], v[1] = m.first, float32(h.Sum32()%97)
	return v
}

// Ask implements [embed.Asker].
func (m maker) Ask(_ context.Context, texts []string) (embed.Answer, error) {
	a := embed.Answer{Cost: decimal.NewNullDecimal(decimal.NewFromInt(int64(len(texts)))), Tokens: int64(len(texts))}
	for _, t := range texts {
		m.asked.Add(1)
		a.Vectors = append(a.Vectors, m.vector(t))
	}
	return a, nil
}

var asked atomic.Int64

var makers = map[string]maker{"old": {1, 4, &asked}, "new": {2, 6, &asked}}

// twoModels is the index with embeddings of a model whose vectors have 6 numbers.
func (w *world) twoModels() Spec {
	s := w.spec("docs")
	s.Key += "two"
	s.Embeddings = &Embeddings{Alias: "embed", Old: "old", New: "new", Text: "text",
		Ask: func(model string) embed.Asker { return makers[model] },
		Quote: func() (Quote, error) {
			return Quote{Token: decimal.NewNullDecimal(decimal.New(1, -2)), Count: func(s string) int64 { return int64(len(s)) / 4 }}, nil
		},
	}
	return s
}

func (w *world) texts(by string, texts ...string) error {
	in := &wire.UpsertRequest{}
	for _, text := range texts {
		m, err := structpb.NewStruct(map[string]any{"text": text})
		if err != nil {
			return err
		}
		in.Vectors = append(in.Vectors, &wire.Vector{Id: text, Values: makers[by].vector(text), Metadata: m})
	}
	_, err := w.index().Upsert(w.t.Context(), in)
	return err
}

func (w *world) alias() Alias {
	w.t.Helper()
	a, ok, err := w.keeper.Alias("embed")
	if err != nil || !ok {
		w.t.Fatalf("the alias is not known: %v", err)
	}
	return a
}

// TestAliasMoves: the alias stands for the model of the store that answers, from the
// first request of a process on; a cutover asks for the gate.
func TestAliasMoves(t *testing.T) {
	w := newWorld(t)
	w.use(w.twoModels())
	q, err := w.keeper.Quote(t.Context(), "docs")
	if err != nil || q.Texts != 0 {
		t.Fatalf("%+v: %v", q, err)
	}
	w.must(w.texts("old", "a b", "c d", "e f"))
	if q, err = w.keeper.Quote(t.Context(), "docs"); err != nil || q.Texts != 3 || !q.USD.Valid {
		t.Fatalf("%+v: %v", q, err)
	}
	if a := w.alias(); a.Newer || a.Index != "docs" || a.Phase != front.Relay {
		t.Errorf("%+v", a)
	}
	poor := w.keeper.Sync(t.Context(), "docs", SyncOptions{MaxCost: decimal.NewNullDecimal(decimal.New(1, -3))}, tester, "")
	if w.must(poor); w.work() == nil {
		t.Error("it spent more than it may")
	}
	w.must(w.sync(true), w.texts("old", "g h"))
	told(t, w.cutover(), "not on record", "freehold vectors gate")
	w.must(w.keeper.Judged(t.Context(), "docs", "worse", "it finds less", tester, ""))
	told(t, w.cutover(), "worse: it finds less", "--without-gate")
	w.must(w.keeper.Judged(t.Context(), "docs", "passed", "as good", tester, ""), w.sync(true))
	told(t, w.cutover(), "filled once more")
	w.must(w.keeper.Judged(t.Context(), "docs", "passed", "as good", tester, ""), w.cutover())
	if a := w.alias(); !a.Newer {
		t.Errorf("%+v", a)
	}
	last := w.changes[len(w.changes)-1]
	if last.Kind != KindCutover || last.Details["model_before"] != "old" || last.Details["model"] != "new" || !strings.HasSuffix(last.Details["gate"], "passed: as good") {
		t.Errorf("on record is %+v", last)
	}
	w.must(w.texts("new", "i j"), w.texts("old", "k l")) // the latter was embedded before
	_, err = w.index().Query(t.Context(), &wire.QueryRequest{TopK: 1, Vector: makers["old"].vector("a b")})
	w.must(err)
	w.until(func(x *Status) bool { return x.Lag.Acknowledged == 0 })
	for _, v := range w.sim.Records("docs", "") {
		if want := makers["old"].vector(v.GetId()); fmt.Sprint(v.GetValues()) != fmt.Sprint(want) {
			t.Errorf("Pinecone has %v of %s, not %v", v.GetValues(), v.GetId(), want)
		}
	}
	w.stop()
	w.start()
	w.keeper.Use(map[string]Spec{"docs": w.twoModels()})
	if a := w.alias(); !a.Newer || a.Phase != front.Cut { // before anything is open
		t.Errorf("%+v", a)
	}
	w.use(w.twoModels())
	w.must(w.keeper.Rollback(t.Context(), "docs", tester, ""))
	if w.alias().Newer {
		t.Error("the alias does not go back")
	}
	told(t, w.keeper.Check(t.Context(), map[string]Spec{"docs": w.spec("docs")}), "which the workload embed stands for", "put it back")
	w.must(w.keeper.Cutover(t.Context(), "docs", "no time", tester, ""), w.work())
	if got := w.changes[len(w.changes)-1].Details["without_gate"]; got != "no time" {
		t.Errorf("on record is %q", got)
	}
	w.must(w.keeper.Finish(t.Context(), "docs", tester, ""))
	alone := w.spec("docs")
	alone.ModelOf = func(string) string { return "old" }
	told(t, w.keeper.Check(t.Context(), map[string]Spec{"docs": alone}), "workloads.embed.model be new")
	alone.ModelOf = func(string) string { return "new" }
	w.must(w.keeper.Check(t.Context(), map[string]Spec{"docs": alone}))
	w.use(alone)
	if _, ok, _ := w.keeper.Alias("embed"); ok {
		t.Error("it is an alias of the index still")
	}
	w.must(w.texts("new", "m n"))
	if x := w.status(); x.Records != 7 || x.Why != "" {
		t.Errorf("%+v", x)
	}
}

// TestPlanWithModel: a plan must say what the configuration says.
func TestPlanWithModel(t *testing.T) {
	w := newWorld(t)
	w.use(w.twoModels())
	w.must(w.texts("old", "a b"))
	e, err := w.keeper.find("docs")
	w.must(err)
	spec := e.now()
	good, err := e.plan(t.Context(), &spec)
	w.must(err)
	for _, test := range []struct {
		change func(*plan.Plan)
		says   string
	}{
		{func(p *plan.Plan) { p.Embed = nil }, "keeps the vectors"},
		{func(p *plan.Plan) { p.Embed.Model = "other" }, "by other"},
		{func(p *plan.Plan) { p.Embed.Chunk, p.Embed.MaxTokens = true, 9 }, "one vector without a name"},
	} {
		p, own := *good, *good.Embed
		p.Embed = &own
		test.change(&p)
		told(t, w.keeper.Sync(t.Context(), "docs", SyncOptions{Plan: &p}, tester, ""), test.says)
	}
	w.must(w.keeper.Sync(t.Context(), "docs", SyncOptions{Plan: good}, tester, ""), w.work(), w.keeper.Cutover(t.Context(), "docs", "test", tester, ""), w.work())
	if w.changes[0].Kind != KindSync {
		t.Errorf("%+v", w.changes)
	}
}

// TestLeftOut: records without a text are named by the status and by the proof, and are in
// the way until they are gone.
func TestLeftOut(t *testing.T) {
	w := newWorld(t)
	w.use(w.twoModels())
	w.must(w.texts("old", "a b"), w.upsert("bare"), w.sync(false))
	x := w.status()
	if x.LeftOut != 1 || len(x.Left) != 1 || x.Left[0].ID != "bare" || !strings.Contains(x.Left[0].Why, "there is no field text") {
		t.Errorf("%d left out: %+v", x.LeftOut, x.Left)
	}
	err := w.keeper.Cutover(t.Context(), "docs", "test", tester, "")
	w.must(err)
	var drift *DriftError
	if err := w.work(); !errors.As(err, &drift) || drift.Report.Missing != 1 || !strings.HasSuffix(err.Error(), ", in __default__") || !strings.Contains(drift.Report.Differences[0].What, "there is no field text") {
		t.Errorf("cut over: %v", err)
	}
	_, err = w.index().Delete(t.Context(), &wire.DeleteRequest{Ids: []string{"bare"}})
	w.must(err, w.sync(true))
	if x := w.status(); x.LeftOut != 0 {
		t.Errorf("%+v", x.Left)
	}
	w.must(w.keeper.Cutover(t.Context(), "docs", "test", tester, ""), w.work())
}
