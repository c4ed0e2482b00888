package opensearch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/opensearch/opensearchtest"
	"freehold/internal/vector/vectortest"
)

// written is the store, with a way to write that is the test's own.
type written struct {
	*Store
	server *opensearchtest.Server
}

func (w *written) Limits() vector.Limits {
	return vector.Limits{IDs: []vector.IDKind{vector.TextID}, Nulls: true, Nested: true, Integers: true, Named: true}
}

func (w *written) Create(_ context.Context, d *vector.Description) error {
	return w.server.Make(w.options.Index, d.Vectors)
}

func (w *written) Put(_ context.Context, _ string, records []vector.Record) error {
	return errors.Join(w.server.Put(w.options.Index, records), w.server.Refresh(w.options.Index))
}

func (w *written) Delete(_ context.Context, _ string, ids []vector.ID) error {
	return errors.Join(w.server.Delete(w.options.Index, ids), w.server.Refresh(w.options.Index))
}

var names atomic.Int64

// indexName is a name for an index of the test.
func indexName(t *testing.T, s *opensearchtest.Server) string {
	t.Helper()
	return fmt.Sprintf("freehold-%d-%d", time.Now().UnixNano(), names.Add(1))
}

func openStore(t *testing.T, s *opensearchtest.Server, o Options) *Store {
	t.Helper()
	o.Host, o.User, o.Password = s.Host, s.User, s.Password
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
		"cosine": single(vector.Cosine), "euclid": single(vector.Euclid), "dot": single(vector.Dot),
		"several": {{Name: "a", Form: vector.Dense, Dim: 4, Metric: vector.Cosine}, {Name: "m.v", Form: vector.Multi, Dim: 3, Metric: vector.Dot}},
	} {
		for product, o := range map[string]opensearchtest.Options{"opensearch": {}, "elasticsearch": {Elastic: true}, "elasticsearch 8": {Elastic: true, Version: "8.19.0"}} {
			if o.Version != "" && name != "cosine" {
				continue // they differ in what _source has only
			}
			t.Run(product+" "+name, func(t *testing.T) {
				server := opensearchtest.Given(t, o)
				vectortest.Source(t, vectortest.Suite{Small: true, Vectors: specs, Open: func(t *testing.T) vector.Target {
					s := openStore(t, server, Options{Index: indexName(t, server)})
					t.Cleanup(func() { _ = server.Drop(s.options.Index) }) // it may not have been made
					return &written{Store: s, server: server}
				}})
			})
		}
	}
}
