package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"freehold/internal/ledger"
)

// insertChunks are the numbers of rows that one statement inserts: many, so
// that the cost of a statement does not matter, and fewer for the rest.
var insertChunks = [...]int{32, 8, 1}

const (
	requestColumns = 19
	attemptColumns = 9
	rollupColumns  = 23
)

// statements are what Apply runs, parsed once.
type statements struct {
	requests, attempts   [len(insertChunks)]*sql.Stmt
	getRollup, putRollup *sql.Stmt
}

func prepare(ctx context.Context, db *sql.DB) (*statements, error) {
	var s statements
	var failed error
	stmt := func(query string) *sql.Stmt {
		p, err := db.PrepareContext(ctx, query)
		failed = errors.Join(failed, err)
		return p
	}
	for i, n := range insertChunks {
		s.requests[i] = stmt(`INSERT INTO requests VALUES ` + values(n, requestColumns))
		s.attempts[i] = stmt(`INSERT INTO attempts VALUES ` + values(n, attemptColumns))
	}
	s.getRollup = stmt(`SELECT ` + rollupSums + ` FROM rollups
		WHERE hour = ? AND workload = ? AND model = ? AND provider = ? AND key_id = ? AND outcome = ?`)
	s.putRollup = stmt(`INSERT OR REPLACE INTO rollups VALUES ` + values(1, rollupColumns))
	if failed != nil {
		return nil, fmt.Errorf("prepare the ledger's statements: %w", failed)
	}
	return &s, nil
}

// values returns the parameters of n rows: (?,?),(?,?).
func values(n, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(row+",", n), ",")
}

// insert adds rows to the tables of requests and attempts.
func (s *statements) insert(ctx context.Context, tx *sql.Tx, rows []*ledger.Row) error {
	var seq int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM requests`).Scan(&seq); err != nil {
		return fmt.Errorf("insert requests: %w", err)
	}
	requests := make([]any, 0, len(rows)*requestColumns)
	attempts := make([]any, 0, len(rows)*attemptColumns)
	var records []byte // of all rows, one after the other
	for _, r := range rows {
		seq++
		begin := len(records)
		var err error
		if records, err = r.AppendBinary(records); err != nil {
			return fmt.Errorf("insert request %s: %w", r.ID, err)
		}
		var cost any
		if r.Cost.Valid {
			cost = r.Cost.Decimal.String()
		}
		requests = append(requests, seq, r.ID, r.Time.UnixMicro(), r.KeyID, r.Workload, r.Asked, r.Model,
			r.Deployment, r.Provider, r.Stream, r.Status, string(r.Outcome),
			r.Tokens.In, r.Tokens.Out, r.Tokens.Estimated, cost,
			r.FirstToken.Microseconds(), r.Total.Microseconds(), records[begin:len(records):len(records)])
		for i := range r.Attempts {
			a := &r.Attempts[i]
			attempts = append(attempts, seq, i+1, a.Deployment, a.Provider, a.Start.UnixMicro(),
				a.Total.Microseconds(), string(a.Outcome), a.Fault, a.Status)
		}
	}
	if err := inChunks(ctx, tx, s.requests, requestColumns, requests); err != nil {
		return fmt.Errorf("insert requests: %w", err)
	}
	if err := inChunks(ctx, tx, s.attempts, attemptColumns, attempts); err != nil {
		return fmt.Errorf("insert attempts: %w", err)
	}
	return nil
}

// inChunks inserts the rows whose columns are args, one row after the other.
func inChunks(ctx context.Context, tx *sql.Tx, by [len(insertChunks)]*sql.Stmt, columns int, args []any) error {
	for i, n := range insertChunks {
		if len(args) < n*columns {
			continue
		}
		stmt := tx.StmtContext(ctx, by[i])
		for ; len(args) >= n*columns; args = args[n*columns:] {
			if _, err := stmt.ExecContext(ctx, args[:n*columns]...); err != nil {
				return err
			}
		}
	}
	return nil
}
