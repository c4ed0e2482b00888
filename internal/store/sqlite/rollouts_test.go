package sqlite_test

import (
	"path/filepath"
	"testing"

	"freehold/internal/rollout"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

func TestRollouts(t *testing.T) {
	storetest.Rollouts(t, func(t *testing.T) rollout.Store {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "freehold.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return sqlite.NewRollouts(db)
	})
}
