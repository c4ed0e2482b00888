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
		rows := b.Rows
		if again {
			if rows, err = unknown(ctx, tx, rows); err != nil {
				return err
			}
		}
		if err := l.statements.insert(ctx, tx, rows); err != nil {
			return err
		}
		if err := l.statements.addRollups(ctx, tx, ledger.RollUp(rows)); err != nil {
			return err
		}
		if b.Journal == "" {
			return nil
		}
		return setMeta(ctx, tx, positionName+b.Journal, fmt.Sprintf("%d:%d", b.Position.Segment, b.Position.Offset))
	})
}

// unknown returns the rows whose ids the table does not have, one of each id.
func unknown(ctx context.Context, tx *sql.Tx, rows []*ledger.Row) ([]*ledger.Row, error) {
	fresh := make([]*ledger.Row, 0, len(rows))
	seen := make(map[string]bool, len(rows))
	for _, r := range rows {
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		var known bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM requests WHERE id = ?)`, r.ID).Scan(&known)
		if err != nil {
			return nil, fmt.Errorf("look for request %s: %w", r.ID, err)
		}
		if !known {
			fresh = append(fresh, r)
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
	err := l.db.read.QueryRowContext(ctx, `SELECT record FROM requests WHERE id = ?`, id).Scan(&record)
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
	where, args := filter(q, "at")
	if q.After != "" {
		where = append(where, `(at, seq) < (SELECT at, seq FROM requests WHERE id = ?)`)
		args = append(args, q.After)
	}
	query := `SELECT record FROM requests` + all(where) + ` ORDER BY at DESC, seq DESC LIMIT ?`
	args = append(args, cmp.Or(q.Limit, -1))
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

// filter returns the conditions of q on a table whose time is in column at.
func filter(q ledger.Query, at string) (where []string, args []any) {
	add := func(condition string, arg any) {
		where = append(where, condition)
		args = append(args, arg)
	}
	if !q.Since.IsZero() {
		add(at+` >= ?`, q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		add(at+` < ?`, q.Until.UnixMicro())
	}
	for _, f := range []struct{ column, value string }{
		{"workload", q.Workload}, {"model", q.Model}, {"provider", q.Provider},
		{"key_id", q.KeyID}, {"outcome", string(q.Outcome)},
	} {
		if f.value != "" {
			add(f.column+` = ?`, f.value)
		}
	}
	return where, args
}

func all(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(where, ` AND `)
}

// Prune implements [ledger.Store].
func (l *Ledger) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = l.db.Tx(ctx, func(tx *sql.Tx) error {
		const old = `(SELECT seq FROM requests WHERE at < ? ORDER BY at, seq LIMIT ?)`
		if _, err := tx.ExecContext(ctx, `DELETE FROM attempts WHERE request IN `+old, before.UnixMicro(), limit); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM requests WHERE seq IN `+old, before.UnixMicro(), limit)
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
