package qdrant

import (
	"errors"
	"slices"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/qdrant/qdranttest"
)

// TestNamespaceOfAField: one namespace of a collection of several is read as a store
// that has nothing else.
func TestNamespaceOfAField(t *testing.T) {
	all := created(t, dense4(vector.Dot))
	text := vector.TextOf
	values := []vector.Value{text("a"), text("b"), text(""), {}, vector.ListOf(nil), vector.ListOf([]vector.Value{text("a"), text("c")}), vector.IntOf(1)}
	for n := range uint64(140) {
		r := num(n, float32(n), 0, 0, 1)
		r.Payload = vector.NewPayload([]vector.Field{{Name: "n", Value: vector.IntOf(int64(n))}})
		if i := int(n) % (len(values) + 1); i < len(values) {
			r.Payload = r.Payload.With("_namespace", values[i])
		}
		put(t, all, r)
	}
	every, _ := readAll(t, all, 1000)
	for _, c := range []struct {
		name string
		of   []int // which of the values, the last of which is none
	}{{"a", []int{0, 5}}, {"b", []int{1}}, {"", []int{2, 3, 4, 7}}, {"nowhere", nil}} {
		s, err := Open(Options{Host: all.options.Host, Collection: all.options.Collection, Namespace: &c.name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		var want []uint64
		var ids []vector.ID
		for i := range every {
			ids = append(ids, every[i].ID)
			if n := every[i].ID.Integer(); slices.Contains(c.of, int(n)%(len(values)+1)) {
				want = append(want, n)
			}
		}
		check := func(what string, records []vector.Record) {
			var got []uint64
			for i := range records {
				r := &records[i]
				got = append(got, r.ID.Integer())
				if _, there := r.Payload.Get("_namespace"); there || r.Namespace != c.name || len(r.Payload) != 1 || len(r.Vectors[0].Dense) != 4 {
					t.Errorf("%q, %s: %+v", c.name, what, r)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%q, %s: %v, want %v", c.name, what, got, want)
			}
		}
		d, err := s.Describe(t.Context())
		if err != nil || len(d.Namespaces) != 1 || d.Namespaces[0] != (vector.Namespace{Name: c.name, Count: int64(len(want))}) {
			t.Fatalf("%q: %+v: %v", c.name, d, err)
		}
		var read []vector.Record
		for u, err := range s.Units(t.Context(), c.name, "", 9) {
			if err != nil || u.Namespace != c.name {
				t.Fatalf("%+v: %v", u, err)
			}
			for records, err := range s.Read(t.Context(), u) {
				if err != nil {
					t.Fatal(err)
				}
				read = append(read, records...)
			}
		}
		check("read", read)
		got, err := s.Fetch(t.Context(), c.name, ids)
		if err != nil {
			t.Fatal(err)
		}
		check("fetched", got)
		query := vector.Vector{Dense: []float32{1, 0, 0, 0}}
		for _, f := range []*vector.Filter{nil, {Op: vector.Gte, Field: "n", Value: vector.IntOf(70)}, {Op: vector.Exists, Field: "n", Value: vector.BoolOf(true)}} {
			hits, err := s.Search(t.Context(), vector.Search{Namespace: c.name, Query: query, K: 500, Filter: f})
			if err != nil {
				t.Fatal(err)
			}
			least := 0
			for _, n := range want {
				if f != nil && f.Op == vector.Gte && n < 70 {
					least++
				}
			}
			if len(hits) != len(want)-least {
				t.Errorf("%q by %s: %d hits, want %d", c.name, f, len(hits), len(want)-least)
			}
		}
		var wrong *vector.Error
		for what, err := range map[string]error{
			"put": s.Put(t.Context(), c.name, read), "create": s.Create(t.Context(), d), "delete": s.Delete(t.Context(), c.name, nil),
		} {
			if !errors.As(err, &wrong) || wrong.Trouble != vector.Invalid {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := s.Count(t.Context(), "another"); !errors.As(err, &wrong) || wrong.Trouble != vector.Invalid {
			t.Errorf("another namespace is counted: %v", err)
		}
	}
}

// TestExistsWhereMostHaveNot: a field that few records have is found behind many that
// have not, with an empty list in it, too, as far as is looked.
func TestExistsWhereMostHaveNot(t *testing.T) {
	s := created(t, dense4(vector.Dot))
	var records []vector.Record
	for n := range uint64(300) {
		r := num(n, float32(1000-n), 0, 0, 0) // the higher, the further
		switch {
		case n == 150 || n == 290:
			r.Payload = vector.NewPayload([]vector.Field{{Name: "few", Value: vector.ListOf(nil)}})
		case n >= 200 && n%50 == 0:
			r.Payload = vector.NewPayload([]vector.Field{{Name: "few", Value: vector.TextOf("x")}})
		}
		records = append(records, r)
	}
	put(t, s, records...)
	for _, c := range []struct {
		k, sifts int
		want     []uint64
	}{
		{1, mostSifted, []uint64{150}},
		{10, mostSifted, []uint64{150, 200, 250, 290}},
		{10, 160, []uint64{150, 200, 250}}, // the other empty list is beyond
		{2, 160, []uint64{150, 200}},
		{10, 20, []uint64{200, 250}},
	} {
		o := openStore(t, qdranttest.Shared(t), s.options.Collection)
		o.sifts = c.sifts
		hits, err := o.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 0, 0, 0}}, K: c.k, Filter: &vector.Filter{Op: vector.Exists, Field: "few", Value: vector.BoolOf(true)}})
		var got []uint64
		for _, h := range hits {
			got = append(got, h.ID.Integer())
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d of %d: %v, want %v: %v", c.k, c.sifts, got, c.want, err)
		}
	}
}
