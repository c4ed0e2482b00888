package vectortest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"freehold/internal/vector"
)

// Filters holds a store's filters to [vector.Filter.Match]: of random payloads, whose
// fields have these names, a search with a random filter finds those that it matches.
// What the store refuses is told as an error; that is most of them never. With
// -rapid.checks=N so many filters are tried. Values that not holds for are left out: of
// what they are in the store's filters its documentation says.
func Filters(t *testing.T, s Suite, names []string, not func(v *vector.Value) bool) {
	store, r := s.made(t), rand.New(rand.NewPCG(13, 14))
	limits := store.Limits()
	spec := s.Vectors[0]
	pool := slices.DeleteFunc(values(&limits), func(v vector.Value) bool { return not(&v) })
	records := make([]vector.Record, 160)
	for i := range records {
		var fields []vector.Field
		for _, name := range names {
			if r.IntN(4) > 0 {
				fields = append(fields, vector.Field{Name: name, Value: pool[r.IntN(len(pool))]})
			}
		}
		records[i] = vector.Record{ID: anID(r, &limits, i), Vectors: []vector.Vector{aVector(r, &spec, &limits)}, Payload: vector.NewPayload(fields)}
	}
	if err := put(t.Context(), store, records); err != nil {
		t.Fatal(err)
	}
	asked, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		f := anyFilter(names, pool, 2).Draw(rt, "filter")
		asked++
		hits, err := store.Search(t.Context(), vector.Search{Query: records[0].Vectors[0], K: len(records), Filter: &f})
		var no *vector.Error
		if errors.As(err, &no) && no.Trouble == vector.Invalid {
			refused++
			rt.Logf("%s: %v", shown(&f), err)
			return
		}
		if err != nil {
			rt.Fatal(err)
		}
		found := map[vector.ID]bool{}
		for _, h := range hits {
			found[h.ID] = true
		}
		wrong := 0
		for i := range records {
			x := &records[i]
			if want := f.Match(x.Payload); want != found[x.ID] {
				if wrong++; wrong > 3 {
					break
				}
				rt.Errorf("%s: record %v is found: %t, want %t", shown(&f), payloadText(x.Payload), found[x.ID], want)
			}
		}
	})
	t.Logf("%d filters, %d refused", asked, refused)
	if 2*refused > asked {
		t.Errorf("%d of %d filters are refused", refused, asked)
	}
}

// values are those that payloads have, and that filters ask for. Of numbers that are the
// same double there are none that differ: some stores tell those apart, and some do not.
func values(limits *vector.Limits) []vector.Value {
	text, double, list := vector.TextOf, vector.FloatOf, func(of ...vector.Value) vector.Value { return vector.ListOf(of) }
	out := []vector.Value{
		vector.BoolOf(true), vector.BoolOf(false), double(0), double(1), double(2003), double(0.5), double(-2.5), double(1e300), double(1 << 54), double(-1 << 60), double(1e-300),
		text(""), text("a"), text("A"), text("2003"), text("true"), text("null"), text(`"`), text(`\`), text("ü"), text("'; --"), text("a b%_c"), text("\U0001d11e"),
		list(text("a"), text("b")), list(text(`"`), text("ü")), list(text("2003")),
	}
	if limits.Integers {
		out = append(out, vector.IntOf(0), vector.IntOf(1), vector.IntOf(-1), vector.IntOf(2003), vector.IntOf(1<<53+1), vector.IntOf(1<<54), vector.IntOf(-1<<60), vector.IntOf(1<<61+1), vector.IntOf(math.MaxInt64), vector.IntOf(math.MinInt64))
	}
	if limits.Nulls {
		out = append(out, vector.Value{})
	}
	if limits.Nested {
		out = append(out, list(), list(double(1), text("a"), vector.BoolOf(true)), list(double(2003)), list(list(text("a"))), list(vector.MapOf(vector.NewPayload([]vector.Field{{Name: "a", Value: double(1)}}))),
			vector.MapOf(vector.NewPayload([]vector.Field{{Name: "a", Value: text("a")}, {Name: "b c", Value: double(1)}})), vector.MapOf(vector.Payload{}))
		if limits.Nulls {
			out = append(out, list(vector.Value{}), list(vector.Value{}, text("a")))
		}
		if limits.Integers {
			out = append(out, list(vector.IntOf(1), vector.IntOf(2003)))
		}
	}
	return out
}

func anyFilter(names []string, pool []vector.Value, depth int) *rapid.Generator[vector.Filter] {
	return rapid.Custom(func(t *rapid.T) vector.Filter {
		ops := []vector.Op{vector.Eq, vector.Ne, vector.Gt, vector.Gte, vector.Lt, vector.Lte, vector.In, vector.Nin, vector.Exists}
		if depth > 0 {
			ops = append(ops, vector.And, vector.Or)
		}
		f := vector.Filter{Op: rapid.SampledFrom(ops).Draw(t, "op")}
		if f.Op == vector.And || f.Op == vector.Or {
			f.Of = rapid.SliceOfN(anyFilter(names, pool, depth-1), 1, 3).Draw(t, "of")
			return f
		}
		f.Field = rapid.SampledFrom(append([]string{"nobody"}, names...)).Draw(t, "field")
		value := rapid.SampledFrom(scalars(pool))
		switch f.Op {
		case vector.Exists:
			f.Value = vector.BoolOf(rapid.Bool().Draw(t, "is"))
		case vector.In, vector.Nin:
			f.Values = rapid.SliceOfN(value, 0, 4).Draw(t, "values")
		default:
			f.Value = value.Draw(t, "value")
		}
		return f
	})
}

// scalars are the values that filters of applications have.
func scalars(pool []vector.Value) (out []vector.Value) {
	for _, v := range pool {
		switch v.Kind() {
		case vector.Null, vector.List, vector.Map:
		default:
			out = append(out, v)
		}
	}
	return out
}

func shown(f *vector.Filter) string {
	if f.Op == vector.And || f.Op == vector.Or {
		var of []string
		for i := range f.Of {
			of = append(of, shown(&f.Of[i]))
		}
		return "(" + strings.Join(of, " "+string(f.Op[1:])+" ") + ")"
	}
	if f.Op == vector.In || f.Op == vector.Nin {
		return fmt.Sprintf("%q %s %s", f.Field, f.Op, valueText(vector.ListOf(f.Values)))
	}
	return fmt.Sprintf("%q %s %s", f.Field, f.Op, valueText(f.Value))
}

func payloadText(p vector.Payload) string {
	var of []string
	for i := range p {
		of = append(of, fmt.Sprintf("%q: %s", p[i].Name, valueText(p[i].Value)))
	}
	return "{" + strings.Join(of, ", ") + "}"
}

func valueText(v vector.Value) string {
	switch v.Kind() {
	case vector.List:
		var of []string
		for _, x := range v.List() {
			of = append(of, valueText(x))
		}
		return "[" + strings.Join(of, ", ") + "]"
	case vector.Map:
		return payloadText(v.Map())
	}
	return v.Kind().String() + " " + v.String()
}
