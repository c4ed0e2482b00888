package plan_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"freehold/internal/vector"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/vectortest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// named is a store in memory that says it is another one.
type named struct {
	*vectortest.Memory
	store, name string
}

func (n named) Describe(ctx context.Context) (*vector.Description, error) {
	d, err := n.Memory.Describe(ctx)
	if err == nil {
		d.Store, d.Name = n.store, n.name
	}
	return d, err
}

// docs is an index as Pinecone has it: two namespaces, texts as ids, doubles only.
func docs(t *testing.T) named {
	t.Helper()
	m := vectortest.NewMemory()
	if err := m.Create(t.Context(), &vector.Description{Store: "pinecone", Name: "docs", Vectors: []vector.Spec{
		{Form: vector.Dense, Dim: 4, Metric: vector.Cosine, Element: "float32"}, {Name: "sparse", Form: vector.Sparse, Metric: vector.Dot},
	}}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	for _, ns := range []string{"", "news"} {
		var all []vector.Record
		for i := range 100 {
			fields := []vector.Field{{Name: "year", Value: vector.FloatOf(float64(1990 + i%30))}, {Name: "price", Value: vector.FloatOf(float64(i) / 4)}, {Name: "title", Value: vector.TextOf("a title")}}
			if i == 7 {
				fields = append(fields, vector.Field{Name: "more", Value: vector.MapOf(vector.Payload{})})
			}
			all = append(all, vector.Record{ID: vector.IDOf(string(rune('a'+i/26)) + string(rune('a'+i%26))), Namespace: ns, Payload: vector.NewPayload(fields), Vectors: []vector.Vector{
				{Dense: []float32{r.Float32(), 1, 2, 3}}, {Name: "sparse", Indices: []uint32{1, uint32(i) + 2}, Values: []float32{1, 2}},
			}})
		}
		if err := m.Put(t.Context(), ns, all); err != nil {
			t.Fatal(err)
		}
	}
	return named{m, "pinecone", "docs"}
}

func inputs(from named, bounds vector.Limits) plan.Inputs {
	to := vectortest.NewMemory()
	to.Bounds = bounds
	return plan.Inputs{
		From: "pinecone://docs-1a2b.svc.pinecone.io:443/docs", To: "qdrant://home:6334/docs", Source: from, Target: to, Create: "docs",
		Now: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), Data: []string{"public"}, Perimeter: plan.Perimeter{Verdict: plan.Allowed, Classes: []string{"public"}, Source: "cloud: outside", Target: "home: inside"},
	}
}

// flat holds what Qdrant does: no namespaces, UUIDs, named vectors of all forms.
var flat = vector.Limits{IDs: []vector.IDKind{vector.IntegerID, vector.UUIDID}, Nulls: true, Nested: true, Integers: true, Named: true, Forms: []vector.Form{vector.Dense, vector.Sparse}}

// poor holds one dense vector and flat payloads.
var poor = vector.Limits{IDs: []vector.IDKind{vector.TextID}, Namespace: true, Integers: true, Forms: []vector.Form{vector.Dense}}

// TestGolden: a plan's file, to the letter: what a reviewer reads. A plan that is read
// again is the same.
func TestGolden(t *testing.T) {
	for name, bounds := range map[string]vector.Limits{"flat": flat, "poor": poor, "embed": flat} {
		in := inputs(docs(t), bounds)
		if name == "embed" {
			in.Embed = &plan.Embedder{
				Embed: plan.Embed{Alias: "embed", Model: "bge-m3", Text: "title", Vector: "m3", Dim: 1024, Keep: true, LeaveOut: []string{"aa"}},
				Texts: titles{}, Count: func(s string) int64 { return int64(len(strings.Fields(s))) }, Token: decimal.NewNullDecimal(decimal.New(2, -6)), Pace: 10, About: "a guess",
			}
		}
		p, err := plan.Make(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		text, err := p.Write()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".golden.yaml")
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(text)); diff != "" {
			t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
		}
		again, err := plan.Read(file, text)
		if err != nil {
			t.Fatal(err)
		}
		if other, err := again.Write(); err != nil || string(other) != string(text) || !again.Alike(p) {
			t.Errorf("%s: read and written it is another one: %v", name, err)
		}
	}
}

// titles are texts: of all but one record.
type titles struct{ vector.Embedding }

func (titles) Parts(_ context.Context, records []vector.Record) (out []vector.Part, _ error) {
	for i := range records {
		p := vector.Part{Of: records[i].ID, Record: records[i], Text: "a title"}
		if records[i].ID.String() == "ac" {
			p.Text, p.Why = "", "it has no text"
		}
		out = append(out, p)
	}
	return out, nil
}

// TestEmbedInto: new vectors go where there is a place for them, and nowhere else.
func TestEmbedInto(t *testing.T) {
	there := func(specs ...vector.Spec) *vectortest.Memory {
		m := vectortest.NewMemory()
		if len(specs) > 0 {
			if err := m.Create(t.Context(), &vector.Description{Name: "new", Vectors: specs}); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	spec := vector.Spec{Name: "m3", Form: vector.Dense, Dim: 1024, Metric: vector.Cosine, Element: "float32"}
	other := spec
	other.Dim = 384
	for _, c := range []struct {
		name  string
		to    *vectortest.Memory
		named bool
		embed plan.Embed
		why   string
	}{
		{"a new collection", there(), true, plan.Embed{Vector: "m3"}, ""},
		{"one without a name", there(), false, plan.Embed{}, ""},
		{"a name where there is none", there(), false, plan.Embed{Vector: "m3"}, "one vector for each record"},
		{"both where there is one", there(), false, plan.Embed{Keep: true}, "cannot be kept"},
		{"the same name", there(), true, plan.Embed{Keep: true}, "has a vector \"\" already"},
		{"a place that is there", there(spec), true, plan.Embed{Vector: "m3"}, ""},
		{"one of another length", there(other), true, plan.Embed{Vector: "m3"}, "vector \"m3\" is dense of 384 by cosine"},
		{"no such vector", there(spec), true, plan.Embed{Vector: "m4"}, "vector \"m4\" is not there"},
	} {
		c.to.Bounds.Named = c.named
		in := inputs(docs(t), flat)
		in.Target = c.to
		c.embed.Dim, c.embed.Text = 1024, "title"
		in.Embed = &plan.Embedder{Embed: c.embed, Texts: titles{}, Count: func(string) int64 { return 1 }}
		p, err := plan.Make(t.Context(), in)
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", c.name, err, c.why)
		}
		if err == nil && (p.Create.Vector(c.embed.Vector) == nil || p.Create.Vector(c.embed.Vector).Dim != 1024) {
			t.Errorf("%s: %+v", c.name, p.Create.Vectors)
		}
	}
}

// TestEdited: a plan that was edited so that it cannot be done, or whose source is not
// what it was, is refused with what to do.
func TestEdited(t *testing.T) {
	from := docs(t)
	p, err := plan.Make(t.Context(), inputs(from, flat))
	if err != nil {
		t.Fatal(err)
	}
	now, err := from.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Write()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, old, new string
		why            string // of Read or Fits; empty: neither
	}{
		{"as it was", "", "", ""},
		{"one namespace less", "namespaces:\n- \"\"\n- news\nmapping", "namespaces:\n- news\nmapping", ""},
		{"a namespace that there is not", "- news\nmapping", "- old\nmapping", "no namespace \"old\""},
		{"ids as nobody has them", "ids: uuid", "ids: random", "ids: \"random\" is none of"},
		{"two fields become one", "year:\n      as: int", "year:\n      as: int\n      name: _namespace", "becomes \"_namespace\", as keep_namespace does"},
		{"a key that there is not", "allow_forbidden: false", "allow_all: true", "unknown field"},
		{"another length", "    dim: 4\n", "    dim: 3\n", "create.vectors: vector \"\" is dense of 3"},
		{"a vector left out", "mapping:\n", "mapping:\n  drop_vectors: [sparse]\n", ""},
		{"a vector without a place", "mapping:\n", "mapping:\n  vectors: {sparse: words}\n", "create.vectors has no vector \"words\""},
		{"no version", "version: 1", "version: 9", "version 9"},
		{"no target", "to: qdrant://home:6334/docs", "to: \"\"", "from or to is missing"},
	} {
		edited := strings.Replace(string(text), c.old, c.new, 1)
		if edited == string(text) && c.old != "" {
			t.Fatalf("%s: the plan has no %q", c.name, c.old)
		}
		q, err := plan.Read("plan.yaml", []byte(edited))
		if err == nil {
			err = q.Fits(now)
		}
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", c.name, err, c.why)
		}
	}
	for name, change := range map[string]func(*vector.Description){
		"longer vectors":  func(d *vector.Description) { d.Vectors[0].Dim = 5 },
		"another metric":  func(d *vector.Description) { d.Vectors[0].Metric = vector.Euclid },
		"one vector less": func(d *vector.Description) { d.Vectors = d.Vectors[:1] },
		"one more": func(d *vector.Description) {
			d.Vectors = append(d.Vectors, vector.Spec{Name: "b", Form: vector.Binary, Dim: 8})
		},
		"another index":    func(d *vector.Description) { d.Name = "other" },
		"a namespace less": func(d *vector.Description) { d.Namespaces = d.Namespaces[:1] },
	} {
		d, err := from.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.Vectors = append([]vector.Spec(nil), d.Vectors...)
		change(d)
		if err := p.Fits(d); err == nil || !strings.Contains(err.Error(), "plan anew") {
			t.Errorf("%s: %v", name, err)
		}
	}
	hand := plan.Plan{Namespaces: []string{"news"}, Create: p.Create}
	if err := hand.Fits(now); err != nil {
		t.Errorf("a plan made by hand: %v", err)
	}
}

// TestColumns: a target that makes columns of fields is told which, by the values that
// the fields have in it; and what it cannot hold of a vector is told before.
func TestColumns(t *testing.T) {
	limits := flat
	limits.Column = func(name string, values []vector.Value) string {
		if name == "title" || len(values) == 0 {
			return ""
		}
		return values[0].Kind().String()
	}
	limits.Vector = func(v *vector.Vector) string {
		if len(v.Indices) == 2 && v.Indices[1] > 90 {
			return "has an index above 90"
		}
		return ""
	}
	p, err := plan.Make(t.Context(), inputs(docs(t), limits))
	if err != nil {
		t.Fatal(err)
	}
	is := map[string]string{}
	for _, f := range p.Create.Fields {
		is[f.Name] = f.Type
	}
	want := map[string]string{"_id": "text", "_namespace": "text", "more": "map", "price": "float", "year": "int"} // a year is one in the target
	if diff := cmp.Diff(want, is); diff != "" {
		t.Error(diff)
	}
	for _, l := range p.Found.Losses {
		if l.What == "records" && l.Refused && l.Why == `vector "sparse" has an index above 90` && l.Share == 0.11 {
			return
		}
	}
	t.Errorf("%+v", p.Found.Losses)
}
