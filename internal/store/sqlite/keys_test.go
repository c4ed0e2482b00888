package sqlite

import (
	"path/filepath"
	"testing"

	"freehold/internal/auth"
	"freehold/internal/auth/authtest"
)

func TestKeys(t *testing.T) {
	authtest.Test(t, func(t *testing.T) auth.Store {
		return NewKeys(open(t, filepath.Join(t.TempDir(), "freehold.db")))
	})
}

func TestDurableTxGivesTheSettingBack(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "freehold.db"))
	if _, err := NewKeys(db).PutKeys(t.Context(), auth.Key{ID: "a", Name: "a", Hash: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := db.Write().QueryRow("PRAGMA synchronous").Scan(&got); err != nil || got != "1" {
		t.Errorf("synchronous = %s, %v; want 1 (NORMAL)", got, err)
	}
}
