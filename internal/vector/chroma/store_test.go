package chroma

import (
	"fmt"
	"os"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/chroma/chromatest"
	"freehold/internal/vector/vectortest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := chromatest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func openStore(t *testing.T, s *chromatest.Server, o Options) *Store {
	t.Helper()
	o.Host = s.Host
	out, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

func TestSuite(t *testing.T) {
	for _, metric := range []vector.Metric{vector.Cosine, vector.Euclid, vector.Dot} {
		t.Run(string(metric), func(t *testing.T) {
			vectortest.Target(t, vectortest.Suite{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 8, Metric: metric}}, Open: func(t *testing.T) vector.Target {
				server := chromatest.Shared(t)
				return openStore(t, server, Options{Collection: server.Name(t)})
			}})
		})
	}
}
