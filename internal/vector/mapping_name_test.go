package vector_test

import (
	"strings"
	"testing"

	"freehold/internal/vector"
)

// TestFieldsCollide: a record whose field has a name that the mapping gives is told that
// name.
func TestFieldsCollide(t *testing.T) {
	m := vector.Mapping{KeepID: "_id"}
	_, err := m.Apply(&vector.Record{ID: vector.IDOf("a"), Payload: vector.NewPayload([]vector.Field{{Name: "_id", Value: vector.TextOf("mine")}})})
	if err == nil || !strings.Contains(err.Error(), `"_id"`) {
		t.Error(err)
	}
}
