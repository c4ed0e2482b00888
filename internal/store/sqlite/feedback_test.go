package sqlite_test

import (
	"path/filepath"
	"testing"

	"freehold/internal/feedback"
	"freehold/internal/ledger"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

func TestFeedback(t *testing.T) {
	storetest.Feedback(t, func(t *testing.T) (ledger.Store, feedback.Store) {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "freehold.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return sqlite.NewLedger(db), sqlite.NewFeedback(db)
	})
}
