package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
	"freehold/internal/vector/vectortest"
)

func verify(t *testing.T, from, to *vectortest.Memory, m vector.Mapping, change func(*transfer.VerifyOptions)) *transfer.Report {
	t.Helper()
	o := transfer.VerifyOptions{
		Source: from, Target: to, Mapping: m, Namespaces: []string{"", "a"}, Unit: 40, Clock: time.Now, Random: rand.New(rand.NewPCG(7, 7)),
	}
	if change != nil {
		change(&o)
	}
	r, err := transfer.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestVerify: what is the same is found to be, and one change of any kind is found,
// named, and counted.
func TestVerify(t *testing.T) {
	keep := vector.Mapping{Index: "i", IDs: vector.KeepIDs}
	flat := vector.Mapping{Index: "i", IDs: vector.UUIDs, Flat: true, KeepID: "_id", KeepNamespace: "_ns", Fields: map[string]vector.FieldChange{"year": {As: vector.AsInt, Name: "y"}}}
	for name, m := range map[string]vector.Mapping{"kept": keep, "mapped": flat} {
		for _, tt := range []struct {
			what   string
			change func(to *vectortest.Memory, r vector.Record)
			want   string // of the difference
		}{
			{"nothing", func(*vectortest.Memory, vector.Record) {}, ""},
			{"missing", func(to *vectortest.Memory, r vector.Record) {
				_ = to.Delete(t.Context(), r.Namespace, []vector.ID{r.ID})
			}, "missing"},
			{"extra", func(to *vectortest.Memory, r vector.Record) {
				r.ID = m.ID("a", vector.IDOf("another"))
				_ = to.Put(t.Context(), r.Namespace, []vector.Record{r})
			}, "extra"},
			{"one for another", func(to *vectortest.Memory, r vector.Record) {
				_ = to.Delete(t.Context(), r.Namespace, []vector.ID{r.ID})
				r.ID = m.ID("a", vector.IDOf("another"))
				_ = to.Put(t.Context(), r.Namespace, []vector.Record{r})
			}, "missing extra"},
			{"vector", func(to *vectortest.Memory, r vector.Record) {
				v := append([]float32(nil), r.Vectors[0].Dense...)
				v[3] += 1e-6
				r.Vectors = []vector.Vector{{Dense: v}}
				_ = to.Put(t.Context(), r.Namespace, []vector.Record{r})
			}, "vector"},
			{"type", func(to *vectortest.Memory, r vector.Record) {
				if v, ok := r.Payload.Get("y"); ok {
					r.Payload = r.Payload.With("y", vector.FloatOf(float64(v.Int())))
				} else {
					v, _ := r.Payload.Get("year")
					r.Payload = r.Payload.With("year", vector.IntOf(int64(v.Float())))
				}
				_ = to.Put(t.Context(), r.Namespace, []vector.Record{r})
			}, "field y"},
			{"field", func(to *vectortest.Memory, r vector.Record) {
				r.Payload = r.Payload.With("more", vector.BoolOf(true))
				_ = to.Put(t.Context(), r.Namespace, []vector.Record{r})
			}, "field more"},
			{"namespace that should not be", func(to *vectortest.Memory, r vector.Record) {
				r.Namespace, r.ID = "other", m.ID("other", vector.IDOf("x"))
				_ = to.Put(t.Context(), "other", []vector.Record{r})
			}, "extra"},
		} {
			r := rand.New(rand.NewPCG(5, 5))
			from, to := filled(t, r, 130, "", "a"), filled(t, r, 0)
			o := options(t, from, to, open(t))
			o.Mapping = m
			if _, err := transfer.Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			got, err := to.Fetch(t.Context(), m.Namespace("a"), []vector.ID{m.ID("a", vector.IDOf("id-00077"))})
			if err != nil || len(got) != 1 {
				t.Fatalf("%v %v", got, err)
			}
			tt.change(to, got[0])
			report := verify(t, from, to, m, nil)
			var what []string
			for _, d := range report.Differences {
				what = append(what, d.What)
			}
			if s := strings.Join(what, " "); !strings.HasPrefix(s, tt.want) || (s == "") != (tt.want == "") || report.Same() != (tt.want == "") || report.Compared != 260 {
				t.Errorf("%s, %s: %q, %+v", name, tt.what, s, report)
			}
			if tt.want == "" {
				for _, x := range report.Exact {
					if x.Queries != 16 || x.Source == nil || *x.Source != 1 || x.Target != 1 || x.Worst != 1 || x.Failed != 0 {
						t.Errorf("%s: exact neighbours %+v", name, x)
					}
				}
				if len(report.Exact) != 2 || len(report.Search) != 2 || report.Search[0].Overlap != 1 || report.Search[1].Overlap != 1 || report.Search[0].Queries != 50 || report.Search[1].Queries != 50 {
					t.Errorf("%s: neighbours %+v", name, report.Search)
				}
			}
		}
	}
}

// TestVerifyMany: as many differences as are asked for are told, and all are counted;
// what is known to be refused is none.
func TestVerifyMany(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	from, to := filled(t, r, 200, "", "a"), filled(t, r, 100)
	keep := vector.Mapping{Index: "i", IDs: vector.KeepIDs}
	report := verify(t, from, to, keep, func(o *transfer.VerifyOptions) {
		o.Most = 7
		o.Refused = func(ns, id string) bool { return ns == "a" && id == "id-00003" }
	})
	if report.Missing != 399 || report.Refused != 1 || len(report.Differences) != 7 || report.Same() {
		t.Errorf("%+v", report)
	}
}

// TestDigest: the digest of ids is the same in whatever order they come, and another
// one for any other set.
func TestDigest(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	from := filled(t, r, 100, "", "a")
	to := filled(t, r, 100, "", "a")
	keep := vector.Mapping{Index: "i", IDs: vector.KeepIDs}
	of := func(readers int) string {
		report := verify(t, from, to, keep, func(o *transfer.VerifyOptions) { o.Readers = readers })
		return fmt.Sprint(report.Namespaces[0].Digest, report.Namespaces[1].Digest)
	}
	same := of(1)
	if of(5) != same {
		t.Error("the digests depend on the order")
	}
	if err := from.Delete(t.Context(), "a", []vector.ID{vector.IDOf("id-00001")}); err != nil {
		t.Fatal(err)
	}
	if of(1) == same {
		t.Error("the digests of other ids are the same")
	}
}

// poor is a store whose index misses each nearest record of the usual, and that cannot
// filter.
type poor struct{ *vectortest.Memory }

func (p poor) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	if q.Filter != nil {
		return nil, errors.New("no filters here")
	}
	q.K++
	hits, err := p.Memory.Search(ctx, q)
	return hits[min(1, len(hits)):], err
}

// TestRecall: what an index misses of the exact neighbours is told, of each store by
// itself, whatever the vectors are compared by.
func TestRecall(t *testing.T) {
	for _, metric := range []vector.Metric{vector.Dot, vector.Cosine, vector.Euclid, vector.Manhattan} {
		about := collection
		about.Vectors = []vector.Spec{{Form: vector.Dense, Dim: dim, Metric: metric}, {Name: "words", Form: vector.Sparse, Metric: vector.Dot}}
		stores := [2]*vectortest.Memory{}
		for i := range stores {
			r := rand.New(rand.NewPCG(11, 11)) // the same in both
			stores[i] = vectortest.NewMemory()
			if err := stores[i].Create(t.Context(), &about); err != nil {
				t.Fatal(err)
			}
			for _, ns := range []string{"", "a"} {
				var all []vector.Record
				for n := range 400 {
					rec := record(r, ns, n)
					rec.Vectors = append(rec.Vectors, vector.Vector{Name: "words", Indices: []uint32{uint32(n % 7), 10 + uint32(n)}, Values: []float32{1 + r.Float32(), r.Float32()}})
					all = append(all, rec)
				}
				if err := stores[i].Put(t.Context(), ns, all); err != nil {
					t.Fatal(err)
				}
			}
		}
		from, to := stores[0], stores[1]
		keep := vector.Mapping{Index: "i", IDs: vector.KeepIDs}
		good := verify(t, from, to, keep, nil)
		bad := verify(t, from, to, keep, func(o *transfer.VerifyOptions) { o.Target, o.Exact = poor{to}, 8 })
		if len(good.Exact) != 4 || len(bad.Exact) != 4 {
			t.Fatalf("%s: %+v, %+v", metric, good.Exact, bad.Exact)
		}
		for i := range good.Exact {
			if x := good.Exact[i]; x.Target != 1 || *x.Source != 1 || x.Queries != 16 {
				t.Errorf("%s: %+v", metric, x)
			}
			switch x := bad.Exact[i]; {
			case x.Filtered && (x.Failed != 8 || x.Queries != 0 || !strings.Contains(x.Failure, "no filters here")):
				t.Errorf("%s: %+v", metric, x)
			case !x.Filtered && (math.Abs(x.Target-0.9) > 1e-9 || math.Abs(x.Worst-0.9) > 1e-9 || *x.Source != 1 || x.Queries != 8):
				t.Errorf("%s: %+v", metric, x)
			}
		}
		if !bad.Same() {
			t.Errorf("%s: what an index misses makes records differ", metric)
		}
	}
}

// TestRecallOfScans: a store without an index is not searched: what it would find is
// known.
func TestRecallOfScans(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	from, to := filled(t, r, 50, "", "a"), filled(t, r, 0)
	o := options(t, from, to, open(t))
	if _, err := transfer.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	keep := vector.Mapping{Index: "i", IDs: vector.KeepIDs}
	report := verify(t, from, to, keep, func(o *transfer.VerifyOptions) { o.Source = scans{from, t} })
	if len(report.Search) != 0 || len(report.Exact) != 2 || report.Exact[0].Source != nil || report.Exact[0].Target != 1 {
		t.Errorf("%+v %+v", report.Search, report.Exact)
	}
	if report = verify(t, from, to, keep, func(o *transfer.VerifyOptions) { o.Target = scans{to, t} }); len(report.Search)+len(report.Exact) != 0 {
		t.Errorf("%+v %+v", report.Search, report.Exact)
	}
}

type scans struct {
	*vectortest.Memory
	t *testing.T
}

func (s scans) Describe(ctx context.Context) (*vector.Description, error) {
	d, err := s.Memory.Describe(ctx)
	if err == nil {
		d.Scans = true
	}
	return d, err
}

func (s scans) Search(context.Context, vector.Search) ([]vector.Hit, error) {
	s.t.Error("a store without an index is searched")
	return nil, nil
}

// TestDriftNamesAll: every namespace in which something differs is named, however many
// differences are told.
func TestDriftNamesAll(t *testing.T) {
	source, target := vectortest.NewMemory(), vectortest.NewMemory()
	for _, m := range []*vectortest.Memory{source, target} {
		if err := m.Create(t.Context(), &vector.Description{Name: "docs", Vectors: []vector.Spec{{Form: vector.Dense, Dim: 1, Metric: vector.Dot}}}); err != nil {
			t.Fatal(err)
		}
	}
	put := func(m *vectortest.Memory, ns string, n int) {
		t.Helper()
		for i := range n {
			r := vector.Record{ID: vector.IDOf(fmt.Sprint("r", i)), Namespace: ns, Vectors: []vector.Vector{{Dense: []float32{1}}}}
			if err := m.Put(t.Context(), ns, []vector.Record{r}); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(source, "many", 20)
	put(source, "same", 3)
	put(target, "same", 3)
	put(source, "zlast", 1)
	put(target, "zmore", 1)
	r, err := transfer.Verify(t.Context(), transfer.VerifyOptions{
		Source: source, Target: target, Mapping: vector.Mapping{IDs: vector.KeepIDs}, Namespaces: []string{"many", "same", "zlast", "zmore"}, Queries: -1, Exact: -1, Most: 5, Clock: time.Now, Random: rand.New(rand.NewPCG(1, 2)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Differences) != 5 || !slices.Equal(r.Drift, []string{"many", "zlast", "zmore"}) {
		t.Errorf("%d differences, in %v: %d missing, %d altered, %d extra: %+v", len(r.Differences), r.Drift, r.Missing, r.Altered, r.Extra, r.Differences)
	}
}

// TestVerifyFolded: where the target has all namespaces in one, counts and differences
// are of the source's.
func TestVerifyFolded(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	m := vector.Mapping{Index: "i", IDs: vector.UUIDs, Flat: true, KeepID: "_id", KeepNamespace: "_ns"}
	from, to := filled(t, r, 50, "", "a"), filled(t, r, 0)
	o := options(t, from, to, open(t))
	o.Mapping = m
	if _, err := transfer.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	counts := func(r *transfer.Report) string {
		var out []string
		for _, ns := range append(slices.Clone(r.Folded), r.Namespaces...) {
			out = append(out, fmt.Sprintf("%s %d/%d", ns.Name, ns.Want, ns.Have))
		}
		return strings.Join(out, ", ")
	}
	if s := counts(verify(t, from, to, m, nil)); s != " 50/50, a 50/50,  100/100" {
		t.Errorf("the same: %q", s)
	}
	gone, other := m.ID("a", vector.IDOf("id-00003")), m.ID("", vector.IDOf("more"))
	if err := to.Delete(t.Context(), "", []vector.ID{gone}); err != nil {
		t.Fatal(err)
	}
	more := vector.Record{ID: other, Payload: vector.NewPayload([]vector.Field{{Name: "_id", Value: vector.TextOf("more")}, {Name: "_ns", Value: vector.TextOf("")}})}
	if err := to.Put(t.Context(), "", []vector.Record{more}); err != nil {
		t.Fatal(err)
	}
	report := verify(t, from, to, m, nil)
	if s := counts(report); s != " 50/51, a 50/49,  100/100" {
		t.Errorf("%q", s)
	}
	for _, d := range report.Differences {
		if got := fmt.Sprint(d.What, " ", d.ID, " ", *d.Source); got != fmt.Sprint("missing ", gone, " {a id-00003}") && got != fmt.Sprint("extra ", other, " { more}") {
			t.Errorf("%q", got)
		}
	}
	if len(report.Differences) != 2 {
		t.Errorf("%+v", report.Differences)
	}
}
