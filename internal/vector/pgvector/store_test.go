package pgvector

import (
	"fmt"
	"os"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/pgvector/pgtest"
	"freehold/internal/vector/vectortest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := pgtest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func openStore(t *testing.T, s *pgtest.Server, o Options) *Store {
	t.Helper()
	o.Host, o.Database, o.User, o.Password = s.Host, s.Database, s.User, s.Password
	out, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

func TestSuite(t *testing.T) {
	for name, vectors := range map[string][]vector.Spec{
		"cosine": {{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}},
		"hybrid": {{Form: vector.Dense, Dim: 8, Metric: vector.Dot}, {Name: "sparse", Form: vector.Sparse, Metric: vector.Dot}},
		"all": {
			{Name: "euclid", Form: vector.Dense, Dim: 8, Metric: vector.Euclid}, {Name: "manhattan", Form: vector.Dense, Dim: 3, Metric: vector.Manhattan},
			{Name: "half", Form: vector.Dense, Dim: 5, Metric: vector.Cosine, Element: "float16"},
			{Name: "sparse", Form: vector.Sparse, Metric: vector.Euclid}, {Name: "bits", Form: vector.Binary, Dim: 16, Metric: vector.Hamming},
		},
	} {
		t.Run(name, func(t *testing.T) {
			vectortest.Target(t, vectortest.Suite{Vectors: vectors, Open: func(t *testing.T) vector.Target {
				server := pgtest.Shared(t)
				return openStore(t, server, Options{Table: server.Name(t)})
			}})
		})
	}
}

// TestFilters: see [vectortest.Filters].
func TestFilters(t *testing.T) {
	vectortest.Filters(t, vectortest.Suite{
		Vectors: []vector.Spec{{Form: vector.Dense, Dim: 4, Metric: vector.Dot}},
		Open: func(t *testing.T) vector.Target {
			server := pgtest.Shared(t)
			return openStore(t, server, Options{Table: server.Name(t)})
		},
	}, []string{"a", "b.c", "ü x", "it's", `"`, `\`, "$1", "1", "payload.a"}, func(*vector.Value) bool { return false })
}
