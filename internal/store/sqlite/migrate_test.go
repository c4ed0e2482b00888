package sqlite

import (
	"database/sql"
	"io/fs"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"freehold/internal/ledger"
	"freehold/internal/store/storetest"
)

// TestRollupsOfAnOlderFile holds that the sums of a file from before there were
// tenants, and what its rows are found by, are still there.
func TestRollupsOfAnOlderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "freehold.db")
	raw, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	older, err := goose.NewProvider(goose.DialectSQLite3, raw, dir, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.UpTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	row := storetest.Row(1)
	row.Tenant = ""
	record, err := row.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []struct {
		query string
		args  []any
	}{
		{`INSERT INTO rollups VALUES (7, ?, ?, ?, ?, ?, ?, 3, 0, 3, 0, 10, 20, 0, 0, 0, 0, '1.5', 0, 1, 2, x'', x'', 'null')`,
			[]any{row.Time.Truncate(time.Hour).UnixMicro(), row.Workload, row.Model, row.Provider, row.KeyID, string(row.Outcome)}},
		{`INSERT INTO requests (id, at, rollup, record) VALUES (?, ?, 7, ?)`, []any{requestID(row.ID), row.Time.UnixMicro(), record}},
	} {
		if _, err := raw.ExecContext(t.Context(), statement.query, statement.args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}

	store := NewLedger(open(t, path))
	if err := store.Apply(t.Context(), ledger.Batch{Entries: storetest.Entries(t, storetest.Row(2))}); err != nil {
		t.Fatal(err)
	}
	requests := map[string]int64{}
	for r, err := range store.Rollups(t.Context(), ledger.Query{Workload: row.Workload}) {
		if err != nil {
			t.Fatal(err)
		}
		requests[r.Key.Tenant] += r.Requests
	}
	if want := map[string]int64{"": 3, "acme": 1}; !maps.Equal(requests, want) {
		t.Errorf("requests by tenant: %v, want %v", requests, want)
	}
	for r, err := range store.Rows(t.Context(), ledger.Query{Model: row.Model, Until: row.Time.Add(time.Second)}) {
		if err != nil || r.ID != row.ID {
			t.Errorf("found %v, %v; want the older row", r, err)
		}
	}
}
