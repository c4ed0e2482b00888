package vector_test

import (
	"testing"

	"github.com/google/uuid"

	"freehold/internal/vector"
	"freehold/internal/vector/vectortest"
)

// TestCollisions: ids that become one are told, also where the other one is not among
// the records at hand.
func TestCollisions(t *testing.T) {
	u := uuid.UUID{7}
	m := vectortest.NewMemory()
	if err := m.Create(t.Context(), &vector.Description{}); err != nil {
		t.Fatal(err)
	}
	var all []vector.Record
	for _, id := range []vector.ID{vector.IntegerIDOf(1), vector.IDOf("1"), vector.IDOf("01"), vector.IntegerIDOf(2), vector.IDOf("two"), vector.UUIDOf(u), vector.IDOf(u.String())} {
		all = append(all, vector.Record{ID: id})
	}
	if err := m.Put(t.Context(), "", all); err != nil {
		t.Fatal(err)
	}
	kinds := m.Bounds.IDs
	for ids, want := range map[string]int{vector.KeepIDs: 0, vector.TextIDs: 4, vector.UUIDs: 4, vector.UUIDTexts: 4} {
		mapping := vector.Mapping{Index: "i", IDs: ids}
		found := 0
		for i := range all {
			got, err := mapping.Collisions(t.Context(), m, kinds, all[i:i+1])
			if err != nil {
				t.Fatal(err)
			}
			found += len(got)
		}
		if found != want {
			t.Errorf("%s: %d collide, want %d", ids, found, want)
		}
	}
}
