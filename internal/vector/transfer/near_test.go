package transfer_test

import (
	"maps"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
	"freehold/internal/vector/vectortest"
)

// TestNear: a report says which vectors it has not compared to the bit.
func TestNear(t *testing.T) {
	store := func(specs ...vector.Spec) *vectortest.Memory {
		m := vectortest.NewMemory()
		if err := m.Create(t.Context(), &vector.Description{Name: "docs", Vectors: specs}); err != nil {
			t.Fatal(err)
		}
		return m
	}
	of := func(name, element string, normalised bool) vector.Spec {
		return vector.Spec{Name: name, Form: vector.Dense, Dim: 2, Metric: vector.Cosine, Element: element, Normalised: normalised}
	}
	from := store(of("a", "float32", false), of("b", "float32", false), of("c", "float32", false), of("d", "float32", true), of("e", "float32", false))
	to := store(of("x", "float32", true), of("b", "float16", false), of("c", "float16", true), of("d", "float32", false), of("e", "float16", false))
	r, err := transfer.Verify(t.Context(), transfer.VerifyOptions{
		Source: from, Target: to, Queries: -1, Exact: -1, Clock: time.Now,
		Mapping: vector.Mapping{IDs: vector.KeepIDs, Vectors: map[string]string{"a": "x"}, DropVectors: []string{"e"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "direction, to 4e-06", "b": "numbers, to half precision", "c": "direction, to half precision"}
	if !maps.Equal(r.Near, want) {
		t.Errorf("%v, want %v", r.Near, want)
	}
}
