package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/vectortest"
)

// TestThere: a collection that is there is compared with the source, vector by vector:
// without a place the plan is refused, by another metric it must say so, and what the
// collection makes of numbers is named.
func TestThere(t *testing.T) {
	sparse := vector.Spec{Name: "sparse", Form: vector.Sparse, Metric: vector.Dot}
	for _, c := range []struct {
		name             string
		change           func(*vector.Spec)
		refused, measure string
		losses           []string
	}{
		{"the same", func(*vector.Spec) {}, "", "", nil},
		{"other numbers", func(v *vector.Spec) { v.Dim = 3 }, "vector \"\" is dense of 3 by cosine, where the source's is dense of 4", "", nil},
		{"any number", func(v *vector.Spec) { v.Dim = 0 }, "", "", nil},
		{"another form", func(v *vector.Spec) { v.Form = vector.Multi }, "is multi of 4", "", nil},
		{"another name", func(v *vector.Spec) { v.Name = "other" }, "has no vector \"\"", "", []string{`records true 1: the target has no place for vector ""`}},
		{"another metric", func(v *vector.Spec) { v.Metric = vector.Euclid }, "", "allow_metric: true", []string{`nearness of vector "" false 1: the target measures by euclid, the source by cosine: what is nearest there is not what is nearest here`}},
		{"a guessed metric", func(v *vector.Spec) { v.Metric, v.Assumed = vector.Euclid, true }, "", "", nil},
		{"halves", func(v *vector.Spec) { v.Element = "float16" }, "", "", []string{`precision of vector "" false 1: the target keeps numbers of 16 bits (float16)`}},
		{"bytes", func(v *vector.Spec) { v.Element = "uint8" }, "", "", []string{
			`precision of vector "" false 1: the target keeps whole numbers from 0 to 255 only (uint8): a record with another one is refused`,
			`records true 1: vector "" has numbers that are not whole, or not from 0 to 255`,
		}},
		{"directions", func(v *vector.Spec) { v.Normalised = true }, "", "", []string{`length of vector "" false 1: the target keeps directions, as vectors of length 1`}},
	} {
		dense := vector.Spec{Form: vector.Dense, Dim: 4, Metric: vector.Cosine, Element: "float32"}
		c.change(&dense)
		in := inputs(docs(t), flat)
		to := vectortest.NewMemory()
		to.Bounds = flat
		if err := to.Create(t.Context(), &vector.Description{Name: "docs", Vectors: []vector.Spec{dense, sparse}}); err != nil {
			t.Fatal(err)
		}
		in.Target = to
		p, err := plan.Make(t.Context(), in)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if (p.Found.Refused == "") != (c.refused == "") || !strings.Contains(p.Found.Refused, c.refused) {
			t.Errorf("%s: refused: %q, want %q", c.name, p.Found.Refused, c.refused)
		}
		switch err := p.Measures(); {
		case c.refused != "":
		case (err == nil) != (c.measure == ""), err != nil && !strings.Contains(err.Error(), c.measure):
			t.Errorf("%s: %v, want %q", c.name, err, c.measure)
		case err != nil:
			if p.AllowMetric = true; p.Measures() != nil {
				t.Errorf("%s: the plan says that it may, and %v", c.name, p.Measures())
			}
		}
		var losses []string
		for _, l := range p.Found.Losses {
			losses = append(losses, fmt.Sprintf("%s %t %g: %s", l.What, l.Refused, l.Share, l.Why))
		}
		if !slices.Equal(losses, c.losses) {
			t.Errorf("%s: %q, want %q", c.name, losses, c.losses)
		}
	}
}

// TestDirections: what is not there yet says by its limits that it keeps directions.
func TestDirections(t *testing.T) {
	for metric, want := range map[vector.Metric]bool{vector.Cosine: true, vector.Dot: false} {
		limits := flat
		limits.Directions = func(v *vector.Spec) bool { return v.Form == vector.Dense && v.Metric == metric }
		p, err := plan.Make(t.Context(), inputs(docs(t), limits))
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(p.Found.Losses, func(l plan.Loss) bool { return l.What == `length of vector ""` && l.Share == 1 }); got != want {
			t.Errorf("%s: %+v", metric, p.Found.Losses)
		}
	}
}

// TestMemory: what a machine of one's own needs is not said of Pinecone.
func TestMemory(t *testing.T) {
	for to, want := range map[string]int{"qdrant://home:6334/docs": 3, "pinecone://api.pinecone.io/docs": 0, "file:docs.jsonl": 0} {
		in := inputs(docs(t), flat)
		in.To = to
		p, err := plan.Make(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Found.Memory) != want {
			t.Errorf("%s: %+v", to, p.Found.Memory)
		}
	}
}
