package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"freehold/internal/history"
)

// History keeps the change record; it implements [history.Store].
type History struct{ db *DB }

// NewHistory returns the change record in db.
func NewHistory(db *DB) *History { return &History{db} }

var _ history.Store = (*History)(nil)

const historyColumns = `SELECT seq, record, hashes, checkpoint FROM history `

// AppendHistory implements [history.Store].
func (h *History) AppendHistory(ctx context.Context, e history.Entry) error {
	return h.db.durableTx(ctx, func(tx *sql.Tx) error {
		var last int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM history`).Scan(&last); err != nil {
			return h.fail(err)
		}
		if e.Seq != last+1 {
			return h.fail(fmt.Errorf("record %d after record %d: %w", e.Seq, last, history.ErrConflict))
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO history (seq, record, hashes, checkpoint) VALUES (?, ?, ?, ?)`,
			e.Seq, e.Record, e.Hashes, e.Checkpoint); err != nil {
			return h.fail(err)
		}
		return nil
	})
}

// LastHistory implements [history.Store].
func (h *History) LastHistory(ctx context.Context) (history.Entry, error) {
	e, err := scanHistory(h.db.read.QueryRowContext(ctx, historyColumns+`ORDER BY seq DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return history.Entry{}, nil
	}
	if err != nil {
		return history.Entry{}, h.fail(err)
	}
	return e, nil
}

// HistoryEntries implements [history.Store].
func (h *History) HistoryEntries(ctx context.Context, seqs []int64) ([]history.Entry, error) {
	entries := make([]history.Entry, len(seqs))
	for i, seq := range seqs { // a handful: the tree's right edge
		e, err := scanHistory(h.db.read.QueryRowContext(ctx, historyColumns+`WHERE seq = ?`, seq))
		if err != nil {
			return nil, h.fail(fmt.Errorf("record %d: %w", seq, err))
		}
		entries[i] = e
	}
	return entries, nil
}

// ScanHistory implements [history.Store].
func (h *History) ScanHistory(ctx context.Context, from int64) iter.Seq2[history.Entry, error] {
	return h.scan(ctx, historyColumns+`WHERE seq >= ? ORDER BY seq`, from)
}

// ScanHistoryBack implements [history.Store].
func (h *History) ScanHistoryBack(ctx context.Context) iter.Seq2[history.Entry, error] {
	return h.scan(ctx, historyColumns+`ORDER BY seq DESC`)
}

func (h *History) scan(ctx context.Context, query string, args ...any) iter.Seq2[history.Entry, error] {
	return func(yield func(history.Entry, error) bool) {
		rows, err := h.db.read.QueryContext(ctx, query, args...)
		if err != nil {
			yield(history.Entry{}, h.fail(err))
			return
		}
		// Closing an abandoned reading loses nothing; a whole one is closed
		// already and tells its error through Err.
		defer rows.Close()
		for rows.Next() {
			e, err := scanHistory(rows)
			if err != nil {
				yield(history.Entry{}, h.fail(err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(history.Entry{}, h.fail(err))
		}
	}
}

func scanHistory(row interface{ Scan(...any) error }) (history.Entry, error) {
	var e history.Entry
	err := row.Scan(&e.Seq, &e.Record, &e.Hashes, &e.Checkpoint)
	return e, err
}

func (h *History) fail(err error) error { return fmt.Errorf("%s: history: %w", h.db.path, err) }
