package transfer_test

import (
	"fmt"
	"math/rand/v2"
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
				if len(report.Search) != 2 || report.Search[0].Overlap != 1 || report.Search[1].Overlap != 1 || report.Search[0].Queries != 50 || report.Search[1].Queries != 50 {
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
