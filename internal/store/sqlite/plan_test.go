package sqlite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold/internal/ledger"
)

// TestRowsAreReadInOrder holds that a page of requests is read off the index of
// their times, without sorting all that there are.
func TestRowsAreReadInOrder(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "freehold.db"))
	at := time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC)
	for _, q := range []ledger.Query{
		{Limit: 10},
		{Limit: 10, Since: at, Until: at.Add(time.Minute), After: "x"},
		{Limit: 10, Workload: "chat", KeyID: "k"},
		{Limit: 10, Since: at, Outcome: ledger.Failed, After: "x"},
	} {
		query, args := rowsQuery(q)
		plan := explain(t.Context(), t, db, query, args)
		if !strings.Contains(plan, "requests USING INDEX requests_at") || strings.Contains(plan, "ORDER BY") {
			t.Errorf("%+v:\n%s", q, plan)
		}
	}
}

func explain(ctx context.Context, t *testing.T, db *DB, query string, args []any) string {
	t.Helper()
	var plan []string
	for rows, err := range each(ctx, db.read, "EXPLAIN QUERY PLAN "+query, args) {
		var id, parent, unused int
		var detail string
		if err == nil {
			err = rows.Scan(&id, &parent, &unused, &detail)
		}
		if err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	return strings.Join(plan, "\n")
}
