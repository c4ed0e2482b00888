package qdrant

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"freehold/internal/vector"
)

func TestSearch(t *testing.T) {
	d := everything()
	d.Facts = nil
	s := created(t, d)
	for n := range uint64(20) {
		r := full(2 * n)
		r.Vectors[1].Dense = []float32{float32(math.Cos(float64(n) / 20)), float32(math.Sin(float64(n) / 20)), 0, 0}
		r.Vectors[4] = vector.Vector{Name: "lex", Indices: []uint32{uint32(n)}, Values: []float32{2}}
		put(t, s, r)
	}
	for name, c := range map[string]struct {
		query vector.Vector
		want  []uint64
		score float64
	}{
		"cosine":    {vector.Vector{Name: "cos", Dense: []float32{3, 0, 0, 0}}, []uint64{0, 2, 4}, 1},
		"euclid":    {vector.Vector{Name: "bytes", Dense: []float32{0, 255, 0}}, []uint64{0, 2, 4}, 0},
		"manhattan": {vector.Vector{Name: "half", Dense: []float32{.5, 0, 0}}, []uint64{0, 2, 4}, 2},
		"multi":     {vector.Vector{Name: "late", Rows: 1, Dense: []float32{0, 1}}, []uint64{38, 36, 34}, 38},
		"sparse":    {vector.Vector{Name: "lex", Indices: []uint32{5}, Values: []float32{3}}, []uint64{10}, 6},
	} {
		hits, err := s.Search(t.Context(), vector.Search{Query: c.query, K: 3})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []uint64
		for _, h := range hits {
			got = append(got, h.ID.Integer())
		}
		if !slices.Equal(got, c.want) || math.Abs(hits[0].Score-c.score) > 1e-5 {
			t.Errorf("%s: %v, want %d with %g first", name, hits, c.want, c.score)
		}
	}
}

// The fields and values of the filters' test: few, so that filters match.
var (
	filterFields = []string{"a", "b.c", "ü x"}
	filterValues = []vector.Value{
		{}, vector.BoolOf(true), vector.BoolOf(false), vector.IntOf(0), vector.IntOf(1), vector.IntOf(5), vector.FloatOf(5), vector.FloatOf(5.5),
		vector.IntOf(1<<53 + 1), vector.FloatOf(1 << 53), vector.FloatOf(math.Copysign(0, -1)),
		vector.TextOf(""), vector.TextOf("x"), vector.TextOf("5"), vector.TextOf("true"),
	}
	filterRecords = func() []vector.Record {
		values := slices.Clone(filterValues)
		for i, v := range filterValues {
			values = append(values, vector.ListOf([]vector.Value{v}), vector.ListOf([]vector.Value{v, filterValues[(i+4)%len(filterValues)]}))
		}
		values = append(values,
			vector.ListOf([]vector.Value{}),
			vector.ListOf([]vector.Value{vector.ListOf([]vector.Value{vector.IntOf(5)})}),
			vector.MapOf(vector.NewPayload([]vector.Field{{Name: "c", Value: vector.IntOf(5)}})),
		)
		var out []vector.Record
		for i, v := range values {
			fields := []vector.Field{{Name: filterFields[0], Value: v}}
			if i%3 > 0 {
				fields = append(fields, vector.Field{Name: filterFields[1], Value: values[(i*7)%len(values)]})
			}
			if i%4 > 0 {
				fields = append(fields, vector.Field{Name: filterFields[2], Value: values[(i*11)%len(values)]})
			}
			r := num(uint64(i), 1, 0, 0, 0)
			r.Payload = vector.NewPayload(fields)
			out = append(out, r)
		}
		return append(out, num(uint64(len(out)), 1, 0, 0, 0))
	}()
)

func anyFilter(depth int) *rapid.Generator[vector.Filter] {
	return rapid.Custom(func(t *rapid.T) vector.Filter {
		ops := []vector.Op{vector.Eq, vector.Ne, vector.Gt, vector.Gte, vector.Lt, vector.Lte, vector.In, vector.Nin, vector.Exists}
		if depth > 0 {
			ops = append(ops, vector.And, vector.Or)
		}
		f := vector.Filter{Op: rapid.SampledFrom(ops).Draw(t, "op"), Field: rapid.SampledFrom(filterFields).Draw(t, "field")}
		value := rapid.SampledFrom(append(slices.Clone(filterValues), vector.FloatOf(math.NaN()), vector.FloatOf(math.Inf(1))))
		switch f.Op {
		case vector.And, vector.Or:
			f.Of = rapid.SliceOfN(anyFilter(depth-1), 0, 3).Draw(t, "of")
		case vector.In, vector.Nin:
			f.Values = rapid.SliceOfN(value, 0, 4).Draw(t, "values")
		case vector.Exists:
			f.Value = vector.BoolOf(rapid.Bool().Draw(t, "there"))
		default:
			f.Value = value.Draw(t, "value")
		}
		return f
	})
}

// TestFiltersMatchTheSame: a search with a filter finds exactly the records that
// the filter matches, over fields with an index of their kind and without one.
func TestFiltersMatchTheSame(t *testing.T) {
	for _, index := range []string{"", "float", "keyword", "bool"} {
		t.Run("index "+index, func(t *testing.T) {
			d := dense4(vector.Dot)
			if index != "" {
				for _, name := range filterFields {
					key, err := path(name)
					if err != nil {
						t.Fatal(err)
					}
					d.Fields = append(d.Fields, vector.FieldSpec{Name: key, Type: index, Indexed: true})
				}
			}
			s := created(t, d)
			put(t, s, filterRecords...)
			rapid.Check(t, func(rt *rapid.T) {
				f := anyFilter(2).Draw(rt, "filter")
				hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 0, 0, 0}}, K: 2 * len(filterRecords), Filter: &f})
				if err != nil {
					rt.Fatal(err)
				}
				found := map[vector.ID]bool{}
				for _, h := range hits {
					found[h.ID] = true
				}
				for i := range filterRecords {
					r := &filterRecords[i]
					if want := f.Match(r.Payload); want != found[r.ID] {
						rt.Errorf("%s: record %v is found: %t, want %t", f.String(), show(r.Payload), found[r.ID], want)
					}
				}
			})
		})
	}
}

func show(p vector.Payload) string {
	out := ""
	for i := range p {
		v := p[i].Value
		out += fmt.Sprintf("%s: %s %s", p[i].Name, v.Kind(), v.String())
		for _, x := range v.List() {
			out += fmt.Sprintf(" %s %s", x.Kind(), x.String())
		}
		out += "; "
	}
	return out
}
