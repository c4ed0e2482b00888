package qdrant

import (
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/qdrant/qdranttest"
)

// TestAliasMoves: an alias is one collection's, then the other's, and says whose it was.
func TestAliasMoves(t *testing.T) {
	server := qdranttest.Shared(t)
	alias := server.Name(t)
	a, b := created(t, dense4(vector.Dot)), created(t, dense4(vector.Dot))
	put(t, a, num(1, 1, 2, 3, 4))
	put(t, b, num(1, 1, 2, 3, 4), num(2, 1, 2, 3, 4))
	for _, step := range []struct {
		of    *Store
		was   string
		count int64
	}{{a, "", 1}, {a, "", 1}, {b, a.options.Collection, 2}, {b, "", 2}, {a, b.options.Collection, 1}} {
		was, err := step.of.Alias(t.Context(), alias)
		if err != nil || was != step.was {
			t.Fatalf("it was %q's, want %q's: %v", was, step.was, err)
		}
		if n, err := openStore(t, server, alias).Count(t.Context(), ""); err != nil || n != step.count {
			t.Errorf("%d records by the alias, want %d: %v", n, step.count, err)
		}
	}
	if _, err := a.Alias(t.Context(), b.options.Collection); err == nil {
		t.Error("a collection's own name is an alias of another one")
	}
}
