package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"freehold/internal/capture"
	"freehold/internal/feedback"
	"freehold/internal/ledger"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

func opened(t *testing.T) (db *sqlite.DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "freehold.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, path
}

func TestFeedback(t *testing.T) {
	storetest.Feedback(t, func(t *testing.T) (ledger.Store, feedback.Store) {
		db, _ := opened(t)
		return sqlite.NewLedger(db), sqlite.NewFeedback(db)
	})
}

// TestEraseComments: comments go with what an erasure selects, captured or not, and so
// do their bytes; scores stay.
func TestEraseComments(t *testing.T) {
	db, path := opened(t)
	rows, said, texts := sqlite.NewLedger(db), sqlite.NewFeedback(db), sqlite.NewCaptures(db)
	const comment = "canary-of-a-comment"
	mark := []byte("mark of somebody")
	var ids []string
	for n := range 4 {
		r := storetest.Row(n)
		r.KeyID, r.Tenant, r.Workload = []string{"k1", "k2"}[n%2], []string{"t1", "t1", "t2", "t2"}[n], []string{"a", "b", "b", "b"}[n]
		if n == 3 {
			r.ID = "no uuid"
		}
		if err := rows.Apply(t.Context(), ledger.Batch{Entries: storetest.Entries(t, r)}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
		if n >= 2 { // the texts of two are kept
			s := capture.Sealed{Entry: capture.Entry{Facts: capture.Facts{ID: r.ID, Time: r.Time, Workload: r.Workload, KeyID: r.KeyID, Tenant: r.Tenant}, Expires: r.Time.Add(time.Hour)}, UserMark: mark, Text: []byte("sealed")}
			if err := texts.AddCaptures(t.Context(), []capture.Sealed{s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	at := storetest.Row(1).Time
	for _, c := range []struct {
		name string
		q    capture.Query
		gone []int
	}{
		{"a request", capture.Query{ID: ids[1]}, []int{1}},
		{"another id", capture.Query{ID: "no uuid"}, []int{3}},
		{"a key", capture.Query{KeyID: "k1"}, []int{0, 2}},
		{"a tenant", capture.Query{Tenant: "t1"}, []int{0, 1}},
		{"a workload", capture.Query{Workload: "b"}, []int{1, 2, 3}},
		{"a workload, later", capture.Query{Workload: "b", Since: at.Add(time.Second)}, []int{2, 3}},
		{"a key, earlier", capture.Query{KeyID: "k1", Until: at}, []int{0}},
		{"a user", capture.Query{UserMark: mark}, []int{2, 3}},
		{"a user by a key", capture.Query{UserMark: mark, KeyID: "k2"}, []int{3}},
		{"nobody", capture.Query{UserMark: []byte("another")}, nil},
	} {
		for _, id := range ids {
			if _, err := said.PutFeedback(t.Context(), feedback.Feedback{Request: id, Time: at, Score: 0.5, Comment: comment}); err != nil {
				t.Fatal(err)
			}
		}
		sum := 0
		for c.q.Limit = 1; ; {
			n, err := texts.EraseComments(t.Context(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			if sum += n; n == 0 {
				break
			}
		}
		if sum != len(c.gone) {
			t.Errorf("%s: %d erased, want %d", c.name, sum, len(c.gone))
		}
		for n, id := range ids {
			f, err := said.Feedback(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			want := comment
			for _, g := range c.gone {
				if g == n {
					want = ""
				}
			}
			if f.Comment != want || f.Score != 0.5 {
				t.Errorf("%s: request %d has %q and score %v, want %q", c.name, n, f.Comment, f.Score, want)
			}
		}
	}
	if _, err := texts.EraseComments(t.Context(), capture.Query{Workload: "b", Limit: 100}); err != nil {
		t.Fatal(err)
	}
	if n, err := texts.EraseComments(t.Context(), capture.Query{Workload: "a", Limit: 100}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	for _, file := range []string{path, path + "-wal"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(comment)) {
			t.Errorf("the comment is still in %s", filepath.Base(file))
		}
	}
}
