package gate_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/gate"
	"freehold/internal/vector/vectortest"
)

func TestMeasures(t *testing.T) {
	relevant := map[string]float64{"a": 1, "b": 1}
	for _, c := range []struct {
		found        []string
		ndcg, recall float64
	}{
		{[]string{"a", "b"}, 1, 1},
		{[]string{"b", "a", "x"}, 1, 1},
		{[]string{"x", "a"}, (1 / math.Log2(3)) / (1 + 1/math.Log2(3)), 0.5},
		{[]string{"x", "y"}, 0, 0},
		{nil, 0, 0},
	} {
		if got := gate.NDCG(c.found, relevant, 10); math.Abs(got-c.ndcg) > 1e-12 {
			t.Errorf("%v: nDCG %v, want %v", c.found, got, c.ndcg)
		}
		if got := gate.Recall(c.found, relevant); got != c.recall {
			t.Errorf("%v: recall %v, want %v", c.found, got, c.recall)
		}
	}
	graded := map[string]float64{"a": 3, "b": 1, "c": 0}
	if best, worse := gate.NDCG([]string{"a", "b"}, graded, 10), gate.NDCG([]string{"b", "a"}, graded, 10); best != 1 || worse >= best {
		t.Errorf("by grade: %v, %v", best, worse)
	}
	if gate.Recall([]string{"a"}, graded) != 0.5 {
		t.Error("a grade of 0 is not relevant")
	}
}

// world is a knowledge base about n things in an old and a new store. The vector of a
// thing points its own way, and that of a query about it, too; noise is how far off the
// vectors of the new store are.
type world struct {
	old, new *vectortest.Memory
	mapping  vector.Mapping
	queries  []gate.Query
}

const dim = 16

func way(seed uint64, noise float64) []float32 {
	r, off := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	out := make([]float32, dim)
	for i := range out {
		out[i] = float32(r.NormFloat64() + noise*off.NormFloat64())
	}
	return out
}

func knowledge(t *testing.T, n int, noise float64, chunked bool) *world {
	t.Helper()
	w := &world{old: vectortest.NewMemory(), new: vectortest.NewMemory()}
	w.mapping = vector.Mapping{Index: "kb", IDs: vector.UUIDs, KeepID: "_id", KeepNamespace: "_ns", Flat: true, DropVectors: []string{""}}
	w.new.Bounds.Namespace = false
	create := func(m *vectortest.Memory, name string) {
		if err := m.Create(t.Context(), &vector.Description{Name: "kb", Vectors: []vector.Spec{{Name: name, Form: vector.Dense, Dim: dim, Metric: vector.Cosine}}}); err != nil {
			t.Fatal(err)
		}
	}
	create(w.old, "")
	create(w.new, "new")
	for i := range n {
		ns := []string{"", "b"}[i%2]
		r := vector.Record{ID: vector.IDOf(fmt.Sprint("kb-", i)), Namespace: ns, Vectors: []vector.Vector{{Dense: way(uint64(i), 0)}}}
		if err := w.old.Put(t.Context(), ns, []vector.Record{r}); err != nil {
			t.Fatal(err)
		}
		parts := []vector.Record{r}
		if chunked && i%3 == 0 {
			parts = nil
			for k := range 3 {
				x := r
				x.ID = r.ID.Piece(k)
				x.Payload = x.Payload.With("of", vector.TextOf(r.ID.String()))
				parts = append(parts, x)
			}
		}
		for k := range parts {
			out, err := w.mapping.Apply(&parts[k])
			if err != nil {
				t.Fatal(err)
			}
			out.Vectors = []vector.Vector{{Name: "new", Dense: way(uint64(i), noise)}}
			if err := w.new.Put(t.Context(), "", []vector.Record{out}); err != nil {
				t.Fatal(err)
			}
		}
		w.queries = append(w.queries, gate.Query{Where: fmt.Sprint("q:", i), Text: fmt.Sprint(i), Relevant: map[string]float64{r.ID.String(): 1}})
	}
	return w
}

func (w *world) run(t *testing.T, change func(o *gate.Options)) *gate.Report {
	t.Helper()
	model := func(_ context.Context, texts []string) (out [][]float32, why []string, err error) {
		for _, text := range texts {
			var n uint64
			if _, err := fmt.Sscan(text, &n); err != nil {
				out, why = append(out, nil), append(why, "no number")
				continue
			}
			out, why = append(out, way(n, 0)), append(why, "")
		}
		return out, why, nil
	}
	o := gate.Options{
		Old: gate.Side{Store: w.old, Embed: model}, New: gate.Side{Store: w.new, Vector: "new", Embed: model}, Mapping: w.mapping,
		Namespaces: []string{"", "b"}, Queries: w.queries, Margin: 0.02, Least: 0.4, Random: rand.New(rand.NewPCG(1, 1)),
	}
	change(&o)
	r, err := gate.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGate: a model that is as good passes, whatever became of ids, namespaces and long
// texts; one that is not does not; and few queries decide nothing.
func TestGate(t *testing.T) {
	all := func(*gate.Options) {}
	good := knowledge(t, 60, 0, false)
	if r := good.run(t, all); r.Outcome != gate.Passed || !r.Labels || r.NDCG.New.Mean != 1 || r.Recall.Difference.Mean != 0 || r.Queries != 60 {
		t.Errorf("as good: %+v", r)
	}
	pieces := knowledge(t, 60, 0, true)
	if r := pieces.run(t, func(o *gate.Options) { o.Parts = "of" }); r.Outcome != gate.Passed || r.NDCG.New.Mean != 1 {
		t.Errorf("in pieces: %+v", r)
	}
	bad := knowledge(t, 60, 4, false)
	if r := bad.run(t, all); r.Outcome != gate.Worse || r.NDCG.Difference.High >= 0 || r.NDCG.Old.Mean != 1 {
		t.Errorf("worse: %+v", r)
	}
	fair := knowledge(t, 60, 0.9, false)
	if r := fair.run(t, func(o *gate.Options) { o.Queries = o.Queries[:60]; o.Margin = 0.08 }); r.NDCG.Difference.Low > r.NDCG.Difference.Mean || r.NDCG.Difference.Mean >= 0 {
		t.Errorf("a little worse: %+v", r.NDCG)
	} else if r := fair.run(t, func(o *gate.Options) { o.Margin = -r.NDCG.Difference.Mean }); r.Outcome != gate.Undecided {
		t.Errorf("at the margin: %+v", r)
	}
}

// TestNeighbours: without answers it is neighbours that are compared, of records or of
// queries.
func TestNeighbours(t *testing.T) {
	none := func(o *gate.Options) { o.Queries, o.Sample = nil, 40 }
	for _, chunked := range []bool{false, true} {
		good := knowledge(t, 60, 0, chunked)
		change := func(o *gate.Options) { none(o); o.Parts = map[bool]string{true: "of"}[chunked] }
		if r := good.run(t, change); r.Outcome != gate.Passed || r.Overlap.Mean != 1 || r.Queries != 40 || r.Labels || !strings.Contains(r.Why, "does not say that it is right") {
			t.Errorf("the same, in pieces %v: %+v", chunked, r)
		}
	}
	bad := knowledge(t, 60, 30, false)
	if r := bad.run(t, func(o *gate.Options) { none(o); o.Least = 0.9 }); r.Outcome != gate.Worse {
		t.Errorf("another: %+v", r)
	}
	good := knowledge(t, 20, 0, false)
	if r := good.run(t, func(o *gate.Options) {
		for i := range o.Queries {
			o.Queries[i].Relevant = nil
		}
		o.Queries[3].Text = "no number"
	}); r.Outcome != gate.Passed || r.Labels || r.Queries != 19 || r.Left != 2 {
		t.Errorf("queries without answers: %+v", r)
	}
}

// TestLabels: answers that are no records of the old store are named and count for
// nothing; few questions, and answers that nobody finds, decide nothing.
func TestLabels(t *testing.T) {
	w := knowledge(t, 20, 0, false)
	r := w.run(t, func(o *gate.Options) {
		o.Queries[0].Relevant = map[string]float64{"kb-0": 1, "nosuch": 2}
		o.Queries[1].Relevant = map[string]float64{"nosuch": 1}
		o.Queries[2].Relevant = map[string]float64{"kb-2": 0}
		o.Queries[3].Relevant = nil
	})
	if r.Outcome != gate.Passed || r.NDCG.Old.Mean != 1 || r.Queries != 17 || r.Left != 5 || !strings.Contains(r.Reasons[0], `q:0: the old store has no record "nosuch"`) {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct {
		why    string
		change func(o *gate.Options)
	}{
		{"nothing could be compared", func(o *gate.Options) {
			o.Queries = o.Queries[:1]
			o.Queries[0].Relevant = map[string]float64{"nosuch": 1}
		}},
		{"fewer than 10 decide nothing", func(o *gate.Options) { o.Queries = o.Queries[4:13] }},
		{"neither store finds any", func(o *gate.Options) {
			o.K = 1
			for i := range o.Queries {
				o.Queries[i].Relevant = map[string]float64{fmt.Sprint("kb-", (i+1)%20): 1}
			}
		}},
	} {
		if r := knowledge(t, 20, 0, false).run(t, c.change); r.Outcome != gate.Undecided || !strings.Contains(r.Why, c.why) {
			t.Errorf("%s: %+v", c.why, r)
		}
	}
}

// TestNotAsked: what cannot be compared is an error that says why.
func TestNotAsked(t *testing.T) {
	w := knowledge(t, 4, 0, false)
	for want, change := range map[string]func(o *gate.Options){
		"it is another one than made them":        func(o *gate.Options) { o.Old.Embed = shorter },
		"has no model that makes vectors":         func(o *gate.Options) { o.New.Embed = nil },
		"the new store has no dense vector \"x\"": func(o *gate.Options) { o.New.Vector = "x" },
	} {
		o := gate.Options{
			Old: gate.Side{Store: w.old, Embed: exact}, New: gate.Side{Store: w.new, Vector: "new", Embed: exact}, Mapping: w.mapping, Namespaces: []string{""},
			Queries: w.queries, Random: rand.New(rand.NewPCG(1, 1)),
		}
		change(&o)
		if _, err := gate.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func exact(_ context.Context, texts []string) (out [][]float32, why []string, err error) {
	for range texts {
		out, why = append(out, way(1, 0)), append(why, "")
	}
	return out, why, nil
}

func shorter(_ context.Context, texts []string) (out [][]float32, why []string, err error) {
	for range texts {
		out, why = append(out, []float32{1}), append(why, "")
	}
	return out, why, nil
}

func TestReadQueries(t *testing.T) {
	got, err := gate.ReadQueries("q", strings.NewReader("{\"query\":\"a\",\"relevant\":[\"x\",7]}\n\n{\"text\":\"b\",\"relevant\":{\"y\":2},\"namespace\":\"n\"}\n{\"query\":\"c\"}\n"))
	if err != nil || len(got) != 3 || got[0].Relevant["7"] != 1 || got[0].Relevant["x"] != 1 || got[1].Relevant["y"] != 2 || *got[1].Namespace != "n" || got[2].Where != "q:4" || got[0].Namespace != nil {
		t.Fatalf("%+v: %v", got, err)
	}
	for text, want := range map[string]string{
		"":                                     "there is no line",
		"{}":                                   "neither query nor text",
		"{\"query\":\"a\",\"text\":\"b\"}":     "both query and text",
		"{\"query\":\"a\",\"relevnt\":[]}":     "relevnt",
		"{\"query\":\"a\",\"relevant\":\"x\"}": "a list of ids, or grades",
		"{\"query\":\"a\",\"relevant\":[[]]}":  "neither a text nor a number",
		"{\"query\":\"a\",\"relevant\":{\"x\":-1}}": "from 0 to 10",
		"\n[": "q:2",
	} {
		if _, err := gate.ReadQueries("q", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestLabelsOfTheNewStore: what is relevant may be named by the ids that records have in
// the new store, pieces too.
func TestLabelsOfTheNewStore(t *testing.T) {
	w := knowledge(t, 60, 0, true)
	for i := range w.queries {
		q, ns := &w.queries[i], []string{"", "b"}[i%2]
		old := vector.IDOf(fmt.Sprint("kb-", i))
		id := w.mapping.ID(ns, old).String()
		switch {
		case i%6 == 0:
			id = w.mapping.ID(ns, old.Piece(1)).String() // a UUID of a piece
		case i%3 == 0:
			id = old.Piece(2).String()
		}
		q.Relevant = map[string]float64{id: 1}
	}
	w.queries = append(w.queries, gate.Query{Where: "q:last", Text: "1", Relevant: map[string]float64{"none##0": 1, w.mapping.ID("", vector.IDOf("none")).String(): 1}})
	r := w.run(t, func(o *gate.Options) { o.Parts = "of" })
	if r.Outcome != gate.Passed || r.Queries != 60 || r.NDCG.New.Mean != 1 || r.NDCG.Old.Mean != 1 || r.Left != 3 {
		t.Errorf("%+v, nDCG %+v", r, r.NDCG)
	}
}
