package vectortest_test

import (
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/vectortest"
)

var specs = []vector.Spec{
	{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}, {Name: "s", Form: vector.Sparse, Metric: vector.Dot},
	{Name: "m", Form: vector.Multi, Dim: 4, Metric: vector.Cosine}, {Name: "b", Form: vector.Binary, Dim: 16, Metric: vector.Hamming},
}

func TestMemory(t *testing.T) {
	vectortest.Target(t, vectortest.Suite{Open: func(*testing.T) vector.Target { return vectortest.NewMemory() }, Vectors: specs})
}
