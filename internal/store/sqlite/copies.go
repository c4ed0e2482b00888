package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
)

// Copies keeps copies of vector stores; it implements [transfer.Journal].
type Copies struct{ db *DB }

// NewCopies returns the copies in db.
func NewCopies(db *DB) *Copies { return &Copies{db} }

var _ transfer.Journal = (*Copies)(nil)

// PutCopy implements [transfer.Journal].
func (s *Copies) PutCopy(ctx context.Context, c transfer.Copy) error {
	text, err := json.Marshal(c)
	if err != nil {
		return s.fail(err)
	}
	if _, err := s.db.write.ExecContext(ctx, `INSERT INTO copies (id, started, copy) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET copy = excluded.copy`, c.ID, c.Started.UnixMicro(), string(text)); err != nil {
		return s.fail(err)
	}
	return nil
}

// Copies implements [transfer.Journal].
func (s *Copies) Copies(ctx context.Context) ([]transfer.Copy, error) {
	out := []transfer.Copy{}
	for c, err := range decoded[transfer.Copy](ctx, s.db, s.fail, `SELECT copy FROM copies ORDER BY started DESC, id DESC`) {
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Listing implements [transfer.Journal].
func (s *Copies) Listing(ctx context.Context, id, namespace string) (l transfer.Listing, err error) {
	err = s.db.read.QueryRowContext(ctx, `SELECT next, done FROM copy_listings WHERE copy = ? AND namespace = ?`, id, namespace).Scan(&l.Next, &l.Done)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return l, s.fail(err)
	}
	return l, nil
}

// Add implements [transfer.Journal].
func (s *Copies) Add(ctx context.Context, id, namespace string, units []vector.Unit, to transfer.Listing) ([]transfer.Work, error) {
	out := make([]transfer.Work, 0, len(units))
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		var last int64
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM copy_units WHERE copy = ?`, id).Scan(&last); err != nil {
			return err
		}
		for _, u := range units {
			text, err := json.Marshal(u)
			if err != nil {
				return err
			}
			last++
			if _, err := tx.ExecContext(ctx, `INSERT INTO copy_units (copy, seq, unit, listed) VALUES (?, ?, ?, ?)`, id, last, string(text), u.Count); err != nil {
				return err
			}
			out = append(out, transfer.Work{Seq: last, Unit: u})
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO copy_listings (copy, namespace, next, done) VALUES (?, ?, ?, ?)
			ON CONFLICT (copy, namespace) DO UPDATE SET next = excluded.next, done = excluded.done`, id, namespace, to.Next, to.Done)
		return err
	})
	if err != nil {
		return nil, s.fail(err)
	}
	return out, nil
}

// openPage is how many open units are read at once: those that are added or done
// meanwhile must not wait for the reader.
const openPage = 64

// Open implements [transfer.Journal].
func (s *Copies) Open(ctx context.Context, id string) iter.Seq2[transfer.Work, error] {
	return func(yield func(transfer.Work, error) bool) {
		for after := int64(0); ; {
			var page []transfer.Work
			for rows, err := range each(ctx, s.db.read, `SELECT seq, unit FROM copy_units WHERE copy = ? AND seq > ? AND done = 0 ORDER BY seq LIMIT ?`, []any{id, after, openPage}) {
				var w transfer.Work
				var text string
				if err == nil {
					err = rows.Scan(&w.Seq, &text)
				}
				if err == nil {
					err = json.Unmarshal([]byte(text), &w.Unit)
				}
				if err != nil {
					yield(w, s.fail(err))
					return
				}
				page = append(page, w)
			}
			for _, w := range page {
				if after = w.Seq; !yield(w, nil) {
					return
				}
			}
			if len(page) < openPage {
				return
			}
		}
	}
}

// Finish implements [transfer.Journal].
func (s *Copies) Finish(ctx context.Context, id string, units []transfer.Finished) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, u := range units {
			if _, err := tx.ExecContext(ctx, `UPDATE copy_units SET done = 1, unit = '', copied = ?, gone = ?, bytes = ? WHERE copy = ? AND seq = ? AND done = 0`,
				u.Copied, u.Gone, u.Bytes, id, u.Seq); err != nil {
				return err
			}
			for _, r := range u.Refused {
				text, err := json.Marshal(r)
				if err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, `INSERT INTO copy_refusals (copy, namespace, id, refusal) VALUES (?, ?, ?, ?)
					ON CONFLICT (copy, namespace, id) DO UPDATE SET refusal = excluded.refusal`, id, r.Namespace, r.ID, string(text)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return s.fail(err)
	}
	return nil
}

// Tally implements [transfer.Journal].
func (s *Copies) Tally(ctx context.Context, id string) (t transfer.Tally, err error) {
	err = s.db.read.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(done), 0), COALESCE(SUM(listed), 0), COALESCE(SUM(copied), 0), COALESCE(SUM(gone), 0), COALESCE(SUM(bytes), 0),
		COALESCE(SUM(listed) FILTER (WHERE done = 0), 0), (SELECT COUNT(*) FROM copy_refusals WHERE copy = ?) FROM copy_units WHERE copy = ?`, id, id).
		Scan(&t.Units, &t.UnitsDone, &t.Listed, &t.Copied, &t.Gone, &t.Bytes, &t.Lag, &t.Refused)
	if err != nil {
		return t, s.fail(err)
	}
	return t, nil
}

// Refused implements [transfer.Journal].
func (s *Copies) Refused(ctx context.Context, id string) iter.Seq2[transfer.Refusal, error] {
	return decoded[transfer.Refusal](ctx, s.db, s.fail, `SELECT refusal FROM copy_refusals WHERE copy = ? ORDER BY namespace, id`, id)
}

func (s *Copies) fail(err error) error { return fmt.Errorf("%s: copies: %w", s.db.path, err) }
