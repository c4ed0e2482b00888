package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"freehold/internal/ledger"
)

// Ledger keeps the ledger's rows and rollups in the state file. It implements
// [ledger.Store].
type Ledger struct {
	db         *DB
	statements *statements // nil until the first Apply
}

var _ ledger.Store = (*Ledger)(nil)

// NewLedger returns the ledger's store in db.
func NewLedger(db *DB) *Ledger { return &Ledger{db: db} }

const (
	positionName = "ledger_position/" // in meta, followed by the journal's id
	prunedName   = "ledger_pruned"    // in meta
)

// Position implements [ledger.Store].
func (l *Ledger) Position(ctx context.Context, journal string) (p ledger.Position, err error) {
	value, err := meta(ctx, l.db.read, positionName+journal)
	if err != nil || value == "" {
		return p, err
	}
	if _, err := fmt.Sscanf(value, "%d:%d", &p.Segment, &p.Offset); err != nil {
		return p, fmt.Errorf("%s: the ledger's position %q: %w", l.db.path, value, err)
	}
	return p, nil
}

// meta returns a value of the table meta, empty if there is none.
func meta(ctx context.Context, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, name string) (value string, err error) {
	err = db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, name).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return value, nil
}

func setMeta(ctx context.Context, tx *sql.Tx, name, value string) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, name, value)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Apply implements [ledger.Store].
func (l *Ledger) Apply(ctx context.Context, b ledger.Batch) error {
	if l.statements == nil {
		// Before the transaction, which takes the one writing connection.
		s, err := prepare(ctx, l.db.write)
		if err != nil {
			return err
		}
		l.statements = s
	}
	// Rows that are known come only after a crash at the wrong moment or from
	// a restored file, so they are looked for only once they are in the way.
	err := l.apply(ctx, b, false)
	if e := new(sqlite.Error); errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		err = l.apply(ctx, b, true)
	}
	return err
}

func (l *Ledger) apply(ctx context.Context, b ledger.Batch, again bool) error {
	return l.db.Tx(ctx, func(tx *sql.Tx) (err error) {
		entries := b.Entries
		if again {
			if entries, err = unknown(ctx, tx, entries); err != nil {
				return err
			}
		}
		rollups, err := l.statements.addRollups(ctx, tx, ledger.RollUp(entries))
		if err != nil {
			return err
		}
		if err := l.statements.insert(ctx, tx, entries, rollups); err != nil {
			return err
		}
		if err := l.statements.addSpends(ctx, tx, ledger.SpendOf(entries)); err != nil {
			return err
		}
		if b.Journal == "" {
			return nil
		}
		return setMeta(ctx, tx, positionName+b.Journal, fmt.Sprintf("%d:%d", b.Position.Segment, b.Position.Offset))
	})
}

// unknown returns the entries whose ids the table does not have, one of each id.
func unknown(ctx context.Context, tx *sql.Tx, entries []ledger.Entry) ([]ledger.Entry, error) {
	fresh := make([]ledger.Entry, 0, len(entries))
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		var known bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM requests WHERE id = ?)`, requestID(e.ID)).Scan(&known)
		if err != nil {
			return nil, fmt.Errorf("look for request %s: %w", e.ID, err)
		}
		if !known {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// Flush implements [ledger.Store]. A commit that is on disk carries all earlier
// ones along: they are before it in the write-ahead log.
func (l *Ledger) Flush(ctx context.Context) error {
	err := l.db.durableTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT INTO meta VALUES ('ledger_flushes', 1) ON CONFLICT DO UPDATE SET value = value + 1`)
		return err
	})
	if err != nil {
		return fmt.Errorf("flush the ledger: %w", err)
	}
	return nil
}

// Row implements [ledger.Store].
func (l *Ledger) Row(ctx context.Context, id string) (*ledger.Row, error) {
	var record []byte
	err := l.db.read.QueryRowContext(ctx, `SELECT record FROM requests WHERE id = ?`, requestID(id)).Scan(&record)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ledger.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	r := new(ledger.Row)
	return r, r.UnmarshalBinary(record)
}

// Rows implements [ledger.Store].
func (l *Ledger) Rows(ctx context.Context, q ledger.Query) iter.Seq2[*ledger.Row, error] {
	query, args := rowsQuery(q)
	return func(yield func(*ledger.Row, error) bool) {
		for rows, err := range each(ctx, l.db.read, query, args) {
			r := new(ledger.Row)
			if err == nil {
				var record sql.RawBytes
				if err = rows.Scan(&record); err == nil {
					err = r.UnmarshalBinary(record)
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// rowsQuery returns the query for the records that q selects.
func rowsQuery(q ledger.Query) (query string, args []any) {
	var c conditions
	c.between("at", q.Since, q.Until)
	var of conditions // on the rollups of the rows
	if of.key(q); len(of.list) > 0 {
		if !q.Since.IsZero() {
			q.Since = q.Since.UTC().Truncate(time.Hour)
		}
		of.between("hour", q.Since, q.Until)
		c.add(`rollup IN (SELECT id FROM tenant_rollups`+of.where()+`)`, of.args...)
	}
	if q.After != "" {
		c.add(`(at, seq) < (SELECT at, seq FROM requests WHERE id = ?)`, requestID(q.After))
	}
	query = `SELECT record FROM requests` + c.where() + ` ORDER BY at DESC, seq DESC LIMIT ?`
	return query, append(c.args, cmp.Or(q.Limit, -1))
}

// each yields the result of a query row by row, and an error at most once, as
// the last.
func each(ctx context.Context, db *sql.DB, query string, args []any) iter.Seq2[*sql.Rows, error] {
	return func(yield func(*sql.Rows, error) bool) {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			yield(nil, err)
			return
		}
		for rows.Next() {
			if !yield(rows, nil) {
				// Nothing was written, so there is nothing that closing could lose.
				_ = rows.Close()
				return
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			yield(nil, err)
		}
	}
}

// conditions are what a query demands of its rows.
type conditions struct {
	list []string
	args []any
}

func (c *conditions) add(condition string, args ...any) {
	c.list = append(c.list, condition)
	c.args = append(c.args, args...)
}

// between demands a time in [since, until) of a column.
func (c *conditions) between(column string, since, until time.Time) {
	if !since.IsZero() {
		c.add(column+` >= ?`, since.UnixMicro())
	}
	if !until.IsZero() {
		c.add(column+` < ?`, until.UnixMicro())
	}
}

// key demands of rollups what q does.
func (c *conditions) key(q ledger.Query) {
	for _, f := range []struct{ column, value string }{
		{"workload", q.Workload}, {"model", q.Model}, {"provider", q.Provider},
		{"key_id", q.KeyID}, {"tenant", q.Tenant}, {"outcome", string(q.Outcome)},
	} {
		if f.value != "" {
			c.add(f.column+` = ?`, f.value)
		}
	}
}

func (c *conditions) where() string {
	if len(c.list) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(c.list, ` AND `)
}

// Prune implements [ledger.Store].
func (l *Ledger) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = l.db.Tx(ctx, func(tx *sql.Tx) error {
		const oldest = ` FROM requests WHERE at < ? ORDER BY at, seq LIMIT ?)`
		if _, err := tx.ExecContext(ctx, `DELETE FROM feedback WHERE id IN (SELECT id`+oldest, before.UnixMicro(), limit); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM requests WHERE seq IN (SELECT seq`+oldest, before.UnixMicro(), limit)
		if err != nil {
			return err
		}
		removed, err := result.RowsAffected()
		if err != nil {
			return err
		}
		n = int(removed)
		pruned, err := prunedBefore(ctx, tx)
		if err != nil || !pruned.Before(before) {
			return err
		}
		return setMeta(ctx, tx, prunedName, before.UTC().Format(time.RFC3339))
	})
	if err != nil {
		return 0, fmt.Errorf("prune the ledger: %w", err)
	}
	return n, nil
}

// Pruned implements [ledger.Store].
func (l *Ledger) Pruned(ctx context.Context) (time.Time, error) {
	return prunedBefore(ctx, l.db.read)
}

func prunedBefore(ctx context.Context, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (time.Time, error) {
	value, err := meta(ctx, db, prunedName)
	if err != nil || value == "" {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, value)
}
