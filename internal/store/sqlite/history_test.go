package sqlite

import (
	"bytes"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/history"
	"freehold/internal/history/historytest"
)

func TestHistory(t *testing.T) {
	historytest.Test(t, func(t *testing.T) historytest.Subject {
		path := filepath.Join(t.TempDir(), "freehold.db")
		db := open(t, path)
		h := NewHistory(db)
		return historytest.Subject{
			Store: h,
			Other: NewHistory(open(t, path)),
			Tamper: func(seq int64, change func(*history.Entry)) error {
				entries, err := h.HistoryEntries(t.Context(), []int64{seq})
				if err != nil {
					return err
				}
				e := entries[0]
				change(&e)
				return db.Tx(t.Context(), func(tx *sql.Tx) error {
					_, err := tx.Exec(`UPDATE history SET record = ?, hashes = ?, checkpoint = ? WHERE seq = ?`, e.Record, e.Hashes, e.Checkpoint, seq)
					return err
				})
			},
		}
	})
}

// TestHistoryInAnAlteredFile changes bytes of the state file itself. Whatever
// they mean to SQLite, verification never passes over a history that reads
// otherwise than it was written.
func TestHistoryInAnAlteredFile(t *testing.T) {
	dir := t.TempDir()
	original := filepath.Join(dir, "freehold.db")
	db, err := Open(t.Context(), original)
	if err != nil {
		t.Fatal(err)
	}
	l := historytest.Open(t, NewHistory(db), dir)
	historytest.Fill(t, l, 9)
	want := entries(t, NewHistory(db))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	// Most of the file is other tables and free space: half of the bytes
	// altered are close to a checkpoint's beginning, in the middle of a record.
	var marks []int
	mark := []byte("freehold-history/")
	for at := 0; ; {
		i := bytes.Index(data[at:], mark)
		if i < 0 {
			break
		}
		at += i + len(mark)
		marks = append(marks, at)
	}
	if len(marks) == 0 {
		t.Fatal("the records are not in the file")
	}
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for i := range 100 {
		altered := bytes.Clone(data)
		at := random.IntN(len(data))
		if i%2 == 0 {
			at = min(marks[random.IntN(len(marks))]+random.IntN(400)-200, len(data)-1)
		}
		altered[at] ^= byte(1 + random.IntN(255))
		if verifyFile(t, l.VerifierKey(), altered, want) {
			found++
		}
	}
	if found < 10 {
		t.Errorf("only %d of 100 alterations were found: the test looks in the wrong place", found)
	}
}

// verifyFile says whether verification finds fault with a state file; if not,
// the file must hold what it should.
func verifyFile(t *testing.T, key string, data []byte, want []history.Entry) (found bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "freehold.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), path)
	if err != nil {
		return true
	}
	defer func() {
		if err := db.Close(); err != nil {
			found = true
		}
	}()
	store := NewHistory(db)
	l, err := history.Open(t.Context(), store, history.Options{})
	if err != nil {
		return true
	}
	report, err := l.Verify(t.Context(), history.VerifyOptions{Keys: []string{key}})
	if err != nil || !report.OK {
		return true
	}
	if diff := cmp.Diff(want, entries(t, store)); diff != "" {
		t.Errorf("verification passed over an altered history:\n%s", diff)
	}
	return false
}

func entries(t *testing.T, h *History) []history.Entry {
	t.Helper()
	var all []history.Entry
	for e, err := range h.ScanHistory(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}
