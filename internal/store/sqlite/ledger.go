package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"freehold/internal/ledger"
)

// Ledger keeps the ledger's rows and rollups in the state file. It implements
// [ledger.Store].
type Ledger struct{ db *DB }

var _ ledger.Store = (*Ledger)(nil)

// NewLedger returns the ledger's store in db.
func NewLedger(db *DB) *Ledger { return &Ledger{db} }

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
	return l.db.Tx(ctx, func(tx *sql.Tx) error {
		rows, err := unknown(ctx, tx, b.Rows)
		if err != nil {
			return err
		}
		if err := insertRows(ctx, tx, rows); err != nil {
			return err
		}
		if err := addRollups(ctx, tx, ledger.RollUp(rows)); err != nil {
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
	seen := make(map[string]bool, len(rows))
	for chunk := range slices.Chunk(rows, insertChunk) {
		ids := make([]any, len(chunk))
		for i, r := range chunk {
			ids[i] = r.ID
		}
		found, err := tx.QueryContext(ctx, `SELECT id FROM requests WHERE id IN (`+list("?", len(ids))+`)`, ids...)
		if err != nil {
			return nil, fmt.Errorf("look for known requests: %w", err)
		}
		for found.Next() {
			var id string
			if err := found.Scan(&id); err != nil {
				return nil, errors.Join(err, found.Close())
			}
			seen[id] = true
		}
		if err := errors.Join(found.Err(), found.Close()); err != nil {
			return nil, fmt.Errorf("look for known requests: %w", err)
		}
	}
	fresh := make([]*ledger.Row, 0, len(rows))
	for _, r := range rows {
		if !seen[r.ID] {
			seen[r.ID] = true
			fresh = append(fresh, r)
		}
	}
	return fresh, nil
}

// insertChunk is how many rows one statement inserts: enough for the cost of a
// statement not to matter.
const insertChunk = 32

// inserter collects the rows of a table and inserts them in chunks.
type inserter struct {
	ctx     context.Context
	tx      *sql.Tx
	into    string // INSERT INTO table (columns) VALUES
	columns int
	args    []any
	full    *sql.Stmt // for a whole chunk
}

func (in *inserter) add(values ...any) error {
	in.args = append(in.args, values...)
	if len(in.args) < insertChunk*in.columns {
		return nil
	}
	if in.full == nil {
		stmt, err := in.tx.PrepareContext(in.ctx, in.statement(insertChunk))
		if err != nil {
			return err
		}
		in.full = stmt
	}
	_, err := in.full.ExecContext(in.ctx, in.args...)
	in.args = in.args[:0]
	return err
}

// flush inserts what does not fill a chunk.
func (in *inserter) flush() error {
	if len(in.args) == 0 {
		return nil
	}
	_, err := in.tx.ExecContext(in.ctx, in.statement(len(in.args)/in.columns), in.args...)
	return err
}

func (in *inserter) statement(rows int) string {
	return in.into + list("("+list("?", in.columns)+")", rows)
}

func list(item string, n int) string {
	return strings.TrimSuffix(strings.Repeat(item+",", n), ",")
}

func insertRows(ctx context.Context, tx *sql.Tx, rows []*ledger.Row) error {
	var seq int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM requests`).Scan(&seq); err != nil {
		return fmt.Errorf("insert requests: %w", err)
	}
	requests := inserter{ctx: ctx, tx: tx, columns: 19, into: `INSERT INTO requests VALUES `}
	attempts := inserter{ctx: ctx, tx: tx, columns: 9, into: `INSERT INTO attempts VALUES `}
	for _, r := range rows {
		seq++
		record, err := r.AppendBinary(nil)
		if err != nil {
			return fmt.Errorf("insert request %s: %w", r.ID, err)
		}
		var cost any
		if r.Cost.Valid {
			cost = r.Cost.Decimal.String()
		}
		err = requests.add(seq, r.ID, r.Time.UnixMicro(), r.KeyID, r.Workload, r.Asked, r.Model,
			r.Deployment, r.Provider, r.Stream, r.Status, string(r.Outcome),
			r.Tokens.In, r.Tokens.Out, r.Tokens.Estimated, cost,
			r.FirstToken.Microseconds(), r.Total.Microseconds(), record)
		if err != nil {
			return fmt.Errorf("insert requests: %w", err)
		}
		for i := range r.Attempts {
			a := &r.Attempts[i]
			err := attempts.add(seq, i+1, a.Deployment, a.Provider, a.Start.UnixMicro(),
				a.Total.Microseconds(), string(a.Outcome), a.Fault, a.Status)
			if err != nil {
				return fmt.Errorf("insert attempts: %w", err)
			}
		}
	}
	if err := errors.Join(requests.flush(), attempts.flush()); err != nil {
		return fmt.Errorf("insert requests: %w", err)
	}
	return nil
}

// Flush implements [ledger.Store]. A commit that is synchronous carries all
// earlier ones along: they are before it in the write-ahead log.
func (l *Ledger) Flush(ctx context.Context) (err error) {
	conn, err := l.db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("flush the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, `PRAGMA synchronous = FULL`); err != nil {
		return fmt.Errorf("flush the ledger: %w", err)
	}
	_, err = conn.ExecContext(ctx,
		`INSERT INTO meta VALUES ('ledger_flushes', 1) ON CONFLICT DO UPDATE SET value = value + 1`)
	if _, back := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA synchronous = NORMAL`); back != nil {
		err = errors.Join(err, back)
	}
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
