package pinecone_test

import (
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/vectortest"
)

func TestSuite(t *testing.T) {
	sparse := vector.Spec{Name: pinecone.SparseName, Form: vector.Sparse, Metric: vector.Dot}
	for name, vectors := range map[string][]vector.Spec{
		"cosine": {{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}},
		"euclid": {{Form: vector.Dense, Dim: 8, Metric: vector.Euclid}},
		"hybrid": {{Form: vector.Dense, Dim: 8, Metric: vector.Dot}, sparse},
		"sparse": {sparse},
	} {
		t.Run(name, func(t *testing.T) {
			vectortest.Target(t, vectortest.Suite{Vectors: vectors, Open: func(t *testing.T) vector.Target {
				return open(t, startSim(t, sim.Options{}), "", "suite", nil)
			}})
		})
	}
}
