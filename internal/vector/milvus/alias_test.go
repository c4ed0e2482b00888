package milvus

import (
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/milvustest"
)

// TestAliasMoves: an alias is one collection's, then the other's, and says whose it was;
// a store that was opened by it has all that the collection has.
func TestAliasMoves(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		alias := "alias_of_" + server.Name(t)
		a, b := created(t, server, dense4(vector.Dot)), created(t, server, dense4(vector.Dot))
		one := vector.Record{ID: vector.IDOf("a"), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, 4}}}, Payload: vector.Payload{}}
		two := one
		two.ID = vector.IDOf("b")
		put(t, a, one)
		put(t, b, one, two)
		t.Cleanup(func() { server.DropAlias(t, alias) })
		for _, step := range []struct {
			of    *Store
			was   string
			count int64
		}{{a, "", 1}, {a, "", 1}, {b, a.options.Collection, 2}, {b, "", 2}, {a, b.options.Collection, 1}} {
			was, err := step.of.Alias(t.Context(), alias)
			if err != nil || was != step.was {
				t.Fatalf("it was %q's, want %q's: %v", was, step.was, err)
			}
			by := openStore(t, server, alias)
			d, err := by.Describe(t.Context())
			if err != nil || d.Name != step.of.options.Collection || d.Facts[FactAlias] != alias || d.Facts[FactAliases] != alias && !server.Lite { // which does not say
				t.Errorf("%+v %v", d, err)
			}
			if n, err := by.Count(t.Context(), ""); err != nil || n != step.count {
				t.Errorf("%d records by the alias, want %d: %v", n, step.count, err)
			}
		}
		if _, err := a.Alias(t.Context(), b.options.Collection); err == nil {
			t.Error("a collection's own name is an alias of another one")
		}
	})
}
