package sqlite_test

import (
	"path/filepath"
	"testing"

	"freehold/internal/drill"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

func TestDrills(t *testing.T) {
	storetest.Drills(t, func(t *testing.T) drill.Store {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "freehold.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return sqlite.NewDrills(db)
	})
}
