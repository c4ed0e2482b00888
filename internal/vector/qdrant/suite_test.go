package qdrant

import (
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/qdrant/qdranttest"
	"freehold/internal/vector/vectortest"
)

func TestSuite(t *testing.T) {
	for name, vectors := range map[string][]vector.Spec{
		"one":    {{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}},
		"hybrid": {{Form: vector.Dense, Dim: 8, Metric: vector.Dot}, {Name: "sparse", Form: vector.Sparse, Metric: vector.Dot}},
		"all": {
			{Name: "euclid", Form: vector.Dense, Dim: 8, Metric: vector.Euclid}, {Name: "manhattan", Form: vector.Dense, Dim: 3, Metric: vector.Manhattan},
			{Name: "half", Form: vector.Dense, Dim: 5, Metric: vector.Cosine, Element: "float16"},
			{Name: "late", Form: vector.Multi, Dim: 4, Metric: vector.Cosine}, {Name: "sparse", Form: vector.Sparse, Metric: vector.Dot},
		},
	} {
		t.Run(name, func(t *testing.T) {
			vectortest.Target(t, vectortest.Suite{Vectors: vectors, Open: func(t *testing.T) vector.Target {
				server := qdranttest.Shared(t)
				return openStore(t, server, server.Name(t))
			}})
		})
	}
}

// TestFilters: see [vectortest.Filters].
func TestFilters(t *testing.T) {
	vectortest.Filters(t, vectortest.Suite{
		Vectors: []vector.Spec{{Form: vector.Dense, Dim: 4, Metric: vector.Dot}},
		Open: func(t *testing.T) vector.Target {
			server := qdranttest.Shared(t)
			return openStore(t, server, server.Name(t))
		},
	}, []string{"a", "b.c", "ü x", "it's", "a[]", "1", `\`}, func(*vector.Value) bool { return false })
}
