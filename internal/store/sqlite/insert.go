package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"freehold/internal/ledger"
)

// insertChunks are the numbers of rows that one statement inserts: many, so
// that the cost of a statement does not matter, and fewer for the rest.
var insertChunks = [...]int{64, 8, 1}

const requestColumns = 4

// statements are what Apply runs, parsed once.
type statements struct {
	requests                           [len(insertChunks)]*sql.Stmt
	getRollup, addRollup, changeRollup *sql.Stmt
	getSpend, newSpend, changeSpend    *sql.Stmt

	args []any // of requests, kept for the next batch
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
		s.requests[i] = stmt(`INSERT INTO requests (id, at, rollup, record) VALUES ` + values(n, requestColumns))
	}
	s.getRollup = stmt(`SELECT id, ` + rollupSums + ` FROM tenant_rollups WHERE (` + rollupKey + `) = ` + values(1, 7))
	s.addRollup = stmt(`INSERT INTO tenant_rollups (` + rollupSums + `, ` + rollupKey + `) VALUES ` + values(1, 17+7))
	s.changeRollup = stmt(`UPDATE tenant_rollups SET (` + rollupSums + `) = ` + values(1, 17) + ` WHERE id = ?`)
	s.getSpend = stmt(`SELECT id, ` + spendSums + ` FROM spends WHERE (` + spendKey + `, part) = (?, ?, ?, ?, ?, 0)`)
	s.newSpend = stmt(`INSERT INTO spends (` + spendKey + `, ` + spendSums + `) VALUES ` + values(1, 5+3))
	s.changeSpend = stmt(`UPDATE spends SET (` + spendSums + `) = ` + values(1, 3) + ` WHERE id = ?`)
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

// insert adds entries to the requests. rollups has the id of each one's rollup.
func (st *statements) insert(ctx context.Context, tx *sql.Tx, entries []ledger.Entry, rollups map[ledger.RollupKey]int64) error {
	st.args = st.args[:0]
	for i := range entries {
		e := &entries[i]
		st.args = append(st.args, requestID(e.ID), e.Time.UnixMicro(), rollups[e.Key], e.Record)
	}
	defer clear(st.args) // it must not keep the records
	args := st.args
	for i, n := range insertChunks {
		if len(args) < n*requestColumns {
			continue
		}
		stmt := tx.StmtContext(ctx, st.requests[i])
		for ; len(args) >= n*requestColumns; args = args[n*requestColumns:] {
			if _, err := stmt.ExecContext(ctx, args[:n*requestColumns]...); err != nil {
				return fmt.Errorf("insert requests: %w", err)
			}
		}
	}
	return nil
}

// requestID returns how the id of a request is stored: a UUID in its usual
// form as 16 bytes, any other as it is.
func requestID(id string) any {
	const usual = len("01890a5d-ac96-774b-bcce-000000000000") // not {...}, urn:uuid:...
	if len(id) != usual || id != strings.ToLower(id) {
		return id
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return id
	}
	return u[:]
}
