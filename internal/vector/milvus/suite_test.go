package milvus

import (
	"fmt"
	"os"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/milvustest"
	"freehold/internal/vector/vectortest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := milvustest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func openStore(t *testing.T, s *milvustest.Server, collection string) *Store {
	t.Helper()
	out, err := Open(Options{Host: s.Addr(), Collection: collection})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

func TestSuite(t *testing.T) {
	for name, s := range map[string]struct {
		server  func(testing.TB) *milvustest.Server
		vectors []vector.Spec
	}{
		"lite, one":    {milvustest.Shared, []vector.Spec{{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}}},
		"lite, euclid": {milvustest.Shared, []vector.Spec{{Name: "named", Form: vector.Dense, Dim: 8, Metric: vector.Euclid}}},
		"lite, hybrid": {milvustest.Shared, []vector.Spec{{Form: vector.Dense, Dim: 8, Metric: vector.Dot}, {Name: "sparse", Form: vector.Sparse, Metric: vector.Dot}}},
		"full, one":    {milvustest.Full, []vector.Spec{{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}}},
		"full, euclid": {milvustest.Full, []vector.Spec{{Name: "named", Form: vector.Dense, Dim: 8, Metric: vector.Euclid}}},
		"full, binary": {milvustest.Full, []vector.Spec{{Form: vector.Binary, Dim: 64, Metric: vector.Hamming}}},
	} {
		t.Run(name, func(t *testing.T) {
			vectortest.Target(t, vectortest.Suite{Vectors: s.vectors, Open: func(t *testing.T) vector.Target {
				server := s.server(t)
				return openStore(t, server, server.Name(t))
			}})
		})
	}
}

// TestFilters: see [vectortest.Filters]. A null is there for Milvus; and milvus-lite takes
// true for 1, and is not asked.
func TestFilters(t *testing.T) {
	server := milvustest.Full(t)
	vectortest.Filters(t, vectortest.Suite{
		Vectors: []vector.Spec{{Form: vector.Dense, Dim: 4, Metric: vector.Dot}},
		Open:    func(t *testing.T) vector.Target { return openStore(t, server, server.Name(t)) },
	}, []string{"a", "b_c", "ü x", "b.c", "it's", "1"}, func(v *vector.Value) bool { return v.Kind() == vector.Null })
}
