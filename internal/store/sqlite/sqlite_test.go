package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestOpenMigratesOnceAndSetsEveryConnectionUp(t *testing.T) {
	// A path with characters that mean something in a URL.
	path := filepath.Join(t.TempDir(), "state of 100%?a=b#c.db")
	db := open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("state file: %v, %v; want mode 0600", info.Mode(), err)
	}
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "1", "busy_timeout": "10000", "cache_size": "-1024",
	} {
		var got string
		if err := db.Write().QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("PRAGMA %s = %q, %v; want %q", pragma, got, err, want)
		}
	}
	if _, err := db.Read().Exec(`INSERT INTO meta VALUES ('a', 'b')`); err == nil {
		t.Error("a reading connection wrote")
	}
	again := open(t, path)
	var n int
	if err := again.Read().QueryRow(`SELECT count(*) FROM goose_db_version WHERE version_id > 0`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	newest, err := newestMigration()
	if err != nil || int64(n) != newest {
		t.Errorf("%d migrations recorded, newest is %d, %v", n, newest, err)
	}
}

func TestOpenByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "freehold.db")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := Open(context.Background(), path)
			if err != nil {
				t.Error(err)
				return
			}
			err = db.Tx(context.Background(), func(tx *sql.Tx) error {
				_, err := tx.Exec(`INSERT INTO meta VALUES ('n', '1') ON CONFLICT DO UPDATE SET value = value + 1`)
				return err
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n string
	if err := open(t, path).Read().QueryRow(`SELECT value FROM meta`).Scan(&n); err != nil || n != "6" {
		t.Errorf("value = %q, %v; want 6", n, err)
	}
}

func TestTxRollsBack(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "freehold.db"))
	boom := errors.New("boom")
	err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec(`INSERT INTO meta VALUES ('a', 'b')`); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("Tx = %v, want boom", err)
	}
	var n int
	if err := db.Read().QueryRow(`SELECT count(*) FROM meta`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows after a roll back, %v", n, err)
	}
}

func TestOpenSaysWhichFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "not-a-database.db")
	if err := os.WriteFile(path, []byte("this is no database, it is a letter to somebody; long enough to have a header"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Join(dir, "absent", "freehold.db")} {
		db, err := Open(t.Context(), path)
		if err == nil {
			db.Close()
			t.Fatalf("%s opened", path)
		}
		if !strings.Contains(err.Error(), path) {
			t.Errorf("the error does not name %s: %v", path, err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "freehold.db")
	open(b, path)
	for b.Loop() {
		db, err := Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
