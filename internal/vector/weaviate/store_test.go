package weaviate

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/vectortest"
	"freehold/internal/vector/weaviate/weaviatetest"
)

// written is the store, with a way to write that is the test's own.
type written struct {
	*Store
	server *weaviatetest.Server
}

func (w *written) Limits() vector.Limits {
	return vector.Limits{IDs: []vector.IDKind{vector.UUIDID}, Named: true}
}

func (w *written) Create(_ context.Context, d *vector.Description) error {
	return w.server.Make(w.options.Class, d.Vectors)
}

func (w *written) Put(_ context.Context, _ string, records []vector.Record) error {
	return w.server.Put(w.options.Class, records)
}

func (w *written) Delete(_ context.Context, namespace string, ids []vector.ID) error {
	return w.server.Delete(w.options.Class, namespace, ids)
}

var names atomic.Int64

// className is a name for a collection of the test.
func className() string { return fmt.Sprintf("T%d_%d", time.Now().UnixNano(), names.Add(1)) }

func openStore(t *testing.T, s *weaviatetest.Server, o Options) *Store {
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
	single := func(m vector.Metric) []vector.Spec { return []vector.Spec{{Form: vector.Dense, Dim: 8, Metric: m}} }
	for name, specs := range map[string][]vector.Spec{
		"cosine": single(vector.Cosine), "euclid": single(vector.Euclid), "dot": single(vector.Dot), "manhattan": single(vector.Manhattan),
		"several": {{Name: "a", Form: vector.Dense, Dim: 4, Metric: vector.Cosine}, {Name: "m", Form: vector.Multi, Dim: 3, Metric: vector.Dot}},
	} {
		t.Run(name, func(t *testing.T) {
			server := weaviatetest.Given(t)
			vectortest.Source(t, vectortest.Suite{Small: true, Vectors: specs, Open: func(t *testing.T) vector.Target {
				s := openStore(t, server, Options{Class: className()})
				t.Cleanup(func() { _ = server.Drop(s.options.Class) }) // it may not have been made
				return &written{Store: s, server: server}
			}})
		})
	}
}
