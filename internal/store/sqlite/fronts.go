package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"freehold/internal/vector/front"
)

// Fronts keeps what must outlast the process of indexes that are served while they
// move; it implements [front.Ledger]. Changes that come together are committed
// together: what a commit to the disk costs is shared. Close it.
type Fronts struct {
	db    *DB
	queue chan *change
	end   chan struct{}
	wait  sync.WaitGroup
}

// change is a change that waits for its commit.
type change struct {
	do      func(ctx context.Context, tx *sql.Tx) error
	durable bool
	done    chan error
}

// NewFronts returns the fronts in db.
func NewFronts(db *DB) *Fronts {
	s := &Fronts{db: db, queue: make(chan *change), end: make(chan struct{})}
	s.wait.Go(s.commit)
	return s
}

var _ front.Ledger = (*Fronts)(nil)

// Close ends what commits. Changes under way are committed.
func (s *Fronts) Close() {
	close(s.end)
	s.wait.Wait()
}

func (s *Fronts) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: vector indexes: %w", s.db.path, err)
}

// commit commits changes in the order in which they come.
func (s *Fronts) commit() {
	const most = 256
	for {
		var all []*change
		select {
		case c := <-s.queue:
			all = append(all, c)
		case <-s.end:
			return
		}
		for more := true; more && len(all) < most; {
			select {
			case c := <-s.queue:
				all = append(all, c)
			default:
				more = false
			}
		}
		s.together(all)
	}
}

// together commits changes in one transaction; where one fails, each in its own.
func (s *Fronts) together(all []*change) {
	ctx := context.Background()
	tx := s.db.Tx
	for _, c := range all {
		if c.durable {
			tx = s.db.durableTx
		}
	}
	err := tx(ctx, func(tx *sql.Tx) error {
		for _, c := range all {
			if err := c.do(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range all {
		if err != nil && len(all) > 1 {
			s.together([]*change{c})
			continue
		}
		c.done <- s.fail(err)
	}
}

func (s *Fronts) change(ctx context.Context, durable bool, do func(ctx context.Context, tx *sql.Tx) error) error {
	c := &change{do: do, durable: durable, done: make(chan error, 1)}
	select {
	case s.queue <- c:
		return <-c.done
	case <-ctx.Done():
		return ctx.Err()
	case <-s.end:
		return s.fail(sql.ErrConnDone)
	}
}

// exec is a change of one statement.
func (s *Fronts) exec(ctx context.Context, query string, args ...any) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// Moves implements [front.Ledger].
func (s *Fronts) Moves(ctx context.Context) ([]front.Move, error) {
	out, err := FrontMoves(ctx, s.db)
	return out, s.fail(err)
}

// FrontMoves are where indexes are, for who only wants to know that.
func FrontMoves(ctx context.Context, db *DB) ([]front.Move, error) {
	var out []front.Move
	fail := func(err error) error { return err }
	for m, err := range decoded[front.Move](ctx, db, fail, `SELECT move FROM front_moves ORDER BY name`) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// PutMove implements [front.Ledger].
func (s *Fronts) PutMove(ctx context.Context, m front.Move) error {
	text, err := json.Marshal(m)
	if err != nil {
		return s.fail(err)
	}
	return s.change(ctx, true, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO front_moves (name, move) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET move = excluded.move`, m.Index, string(text))
		return err
	})
}

// Append implements [front.Ledger].
func (s *Fronts) Append(ctx context.Context, w *front.Write) error {
	ids, err := json.Marshal(w.IDs)
	if err != nil {
		return s.fail(err)
	}
	return s.change(ctx, true, func(ctx context.Context, tx *sql.Tx) error {
		at := w.At.UnixMicro()
		r, err := tx.ExecContext(ctx, `INSERT INTO front_writes (name, namespace, op, ids, body, state, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			w.Index, w.Namespace, string(w.Op), string(ids), w.Body, int(w.State), at)
		if err != nil {
			return err
		}
		if w.Seq, err = r.LastInsertId(); err != nil {
			return err
		}
		if len(w.IDs) == 0 {
			_, err := tx.ExecContext(ctx, `INSERT INTO front_barriers (seq, name, namespace, op, body, at) VALUES (?, ?, ?, ?, ?, ?)`,
				w.Seq, w.Index, w.Namespace, string(w.Op), w.Body, at)
			return err
		}
		put, err := tx.PrepareContext(ctx, `INSERT INTO front_touched (name, namespace, id, seq, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer put.Close()
		for _, id := range w.IDs {
			if _, err := put.ExecContext(ctx, w.Index, w.Namespace, id, w.Seq, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Acknowledge implements [front.Ledger].
func (s *Fronts) Acknowledge(ctx context.Context, w *front.Write) error {
	return s.exec(ctx, `UPDATE front_writes SET state = ? WHERE name = ? AND seq = ?`, int(front.Acknowledged), w.Index, w.Seq)
}

// Narrow implements [front.Ledger].
func (s *Fronts) Narrow(ctx context.Context, w *front.Write) error {
	ids, err := json.Marshal(w.IDs)
	if err != nil {
		return s.fail(err)
	}
	return s.exec(ctx, `UPDATE front_writes SET state = ?, ids = ?, body = ? WHERE name = ? AND seq = ?`, int(front.Acknowledged), string(ids), w.Body, w.Index, w.Seq)
}

// Miss implements [front.Ledger].
func (s *Fronts) Miss(ctx context.Context, w *front.Write) error {
	return s.exec(ctx, `UPDATE front_writes SET state = ? WHERE name = ? AND seq = ?`, int(front.Missed), w.Index, w.Seq)
}

// Refuse implements [front.Ledger].
func (s *Fronts) Refuse(ctx context.Context, w *front.Write, why string) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE front_writes SET state = ?, why = ? WHERE name = ? AND seq = ?`, int(front.Refused), why, w.Index, w.Seq); err != nil {
			return err
		}
		return untouch(ctx, tx, w)
	})
}

// untouch forgets what a write touched.
func untouch(ctx context.Context, tx *sql.Tx, w *front.Write) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM front_barriers WHERE name = ? AND seq = ?`, w.Index, w.Seq); err != nil {
		return err
	}
	for _, id := range w.IDs {
		if _, err := tx.ExecContext(ctx, `DELETE FROM front_touched WHERE name = ? AND namespace = ? AND id = ? AND seq = ?`, w.Index, w.Namespace, id, w.Seq); err != nil {
			return err
		}
	}
	return nil
}

// Forget implements [front.Ledger].
func (s *Fronts) Forget(ctx context.Context, index string, seqs []int64) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		for _, seq := range seqs {
			if _, err := tx.ExecContext(ctx, `DELETE FROM front_writes WHERE name = ? AND seq = ?`, index, seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// Void implements [front.Ledger].
func (s *Fronts) Void(ctx context.Context, w *front.Write) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM front_writes WHERE name = ? AND seq = ?`, w.Index, w.Seq); err != nil {
			return err
		}
		return untouch(ctx, tx, w)
	})
}

// Writes implements [front.Ledger].
func (s *Fronts) Writes(ctx context.Context, index string, state front.State, after int64, n int) ([]front.Write, error) {
	var out []front.Write
	for rows, err := range each(ctx, s.db.read, `SELECT seq, namespace, op, ids, body, why, at FROM front_writes
		WHERE name = ? AND state = ? AND seq > ? ORDER BY seq LIMIT ?`, []any{index, int(state), after, n}) {
		w := front.Write{Index: index, State: state}
		var op, ids string
		var at int64
		if err == nil {
			err = rows.Scan(&w.Seq, &w.Namespace, &op, &ids, &w.Body, &w.Why, &at)
		}
		if err == nil {
			err = json.Unmarshal([]byte(ids), &w.IDs)
		}
		if err != nil {
			return nil, s.fail(err)
		}
		w.Op, w.At = front.Op(op), time.UnixMicro(at).UTC()
		out = append(out, w)
	}
	return out, nil
}

// Lag implements [front.Ledger].
func (s *Fronts) Lag(ctx context.Context, index string) (front.Lag, error) {
	var l front.Lag
	for rows, err := range each(ctx, s.db.read, `SELECT state, COUNT(*), MIN(at) FROM front_writes WHERE name = ? GROUP BY state`, []any{index}) {
		var state int
		var n, oldest int64
		if err == nil {
			err = rows.Scan(&state, &n, &oldest)
		}
		if err != nil {
			return l, s.fail(err)
		}
		switch front.State(state) {
		case front.Begun:
			l.Begun = n
		case front.Acknowledged, front.Missed:
			if at := time.UnixMicro(oldest).UTC(); l.Acknowledged == 0 || at.Before(l.Oldest) {
				l.Oldest = at
			}
			l.Acknowledged += n
			if front.State(state) == front.Missed {
				l.Missed = n
			}
		case front.Refused:
			l.Refused = n
		}
	}
	return l, nil
}

// pending is a condition on a row t of what was touched: the write is on its way, and
// not [front.Refused].
const pending = `EXISTS (SELECT 1 FROM front_writes w WHERE w.seq = t.seq AND w.state <> 2)`

// Touched implements [front.Ledger].
func (s *Fronts) Touched(ctx context.Context, index, namespace string, ids []string, since time.Time) (map[string]bool, error) {
	out := map[string]bool{}
	const most = 500 // parameters of one statement
	for len(ids) > 0 {
		n := min(len(ids), most)
		args := []any{index, namespace, since.UnixMicro()}
		for _, id := range ids[:n] {
			args = append(args, id)
		}
		for rows, err := range each(ctx, s.db.read, `SELECT DISTINCT id FROM front_touched t WHERE name = ? AND namespace = ? AND (at >= ? OR `+pending+`)
			AND id IN (?`+strings.Repeat(", ?", n-1)+`)`, args) {
			var id string
			if err == nil {
				err = rows.Scan(&id)
			}
			if err != nil {
				return nil, s.fail(err)
			}
			out[id] = true
		}
		ids = ids[n:]
	}
	return out, nil
}

// Barriers implements [front.Ledger].
func (s *Fronts) Barriers(ctx context.Context, index, namespace string, since time.Time) ([]front.Write, error) {
	var out []front.Write
	for rows, err := range each(ctx, s.db.read, `SELECT seq, op, body, at FROM front_barriers t WHERE name = ? AND namespace = ? AND (at >= ? OR `+pending+`) ORDER BY seq`,
		[]any{index, namespace, since.UnixMicro()}) {
		w := front.Write{Index: index, Namespace: namespace}
		var op string
		var at int64
		if err == nil {
			err = rows.Scan(&w.Seq, &op, &w.Body, &at)
		}
		if err != nil {
			return nil, s.fail(err)
		}
		w.Op, w.At = front.Op(op), time.UnixMicro(at).UTC()
		out = append(out, w)
	}
	return out, nil
}

// Drop implements [front.Ledger].
func (s *Fronts) Drop(ctx context.Context, index string) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		for _, table := range []string{"front_writes", "front_touched", "front_barriers"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE name = ?`, index); err != nil {
				return err
			}
		}
		return nil
	})
}

// Untouch implements [front.Ledger].
func (s *Fronts) Untouch(ctx context.Context, index string, before time.Time) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		for _, table := range []string{"front_touched", "front_barriers"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` AS t WHERE name = ? AND at < ? AND NOT `+pending, index, before.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddIDs implements [front.Directory].
func (s *Fronts) AddIDs(ctx context.Context, index, namespace string, ids []string) error {
	return s.directory(ctx, index, namespace, ids, 1, `INSERT INTO front_ids (name, namespace, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`)
}

// RemoveIDs implements [front.Directory].
func (s *Fronts) RemoveIDs(ctx context.Context, index, namespace string, ids []string) error {
	return s.directory(ctx, index, namespace, ids, -1, `DELETE FROM front_ids WHERE name = ? AND namespace = ? AND id = ?`)
}

// directory changes ids one by one, and their count by what was really changed.
func (s *Fronts) directory(ctx context.Context, index, namespace string, ids []string, by int64, query string) error {
	if len(ids) == 0 {
		return nil
	}
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		one, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		defer one.Close()
		var n int64
		for _, id := range ids {
			r, err := one.ExecContext(ctx, index, namespace, id)
			if err != nil {
				return err
			}
			changed, err := r.RowsAffected()
			if err != nil {
				return err
			}
			n += changed
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO front_counts (name, namespace, n) VALUES (?, ?, ?) ON CONFLICT (name, namespace) DO UPDATE SET n = n + excluded.n`, index, namespace, by*n)
		return err
	})
}

// IDs implements [front.Directory].
func (s *Fronts) IDs(ctx context.Context, index, namespace, prefix, after string, n int) ([]string, error) {
	query, args := `SELECT id FROM front_ids WHERE name = ? AND namespace = ? AND id > ? AND id >= ?`, []any{index, namespace, after, prefix}
	var out []string
	for rows, err := range each(ctx, s.db.read, query+` ORDER BY id LIMIT ?`, append(args, n)) {
		var id string
		if err == nil {
			err = rows.Scan(&id)
		}
		if err != nil {
			return nil, s.fail(err)
		}
		if !strings.HasPrefix(id, prefix) { // those that do stand together
			break
		}
		out = append(out, id)
	}
	return out, nil
}

// Counts implements [front.Directory].
func (s *Fronts) Counts(ctx context.Context, index string) (map[string]int64, error) {
	out := map[string]int64{}
	for rows, err := range each(ctx, s.db.read, `SELECT namespace, n FROM front_counts WHERE name = ?`, []any{index}) {
		var name string
		var n int64
		if err == nil {
			err = rows.Scan(&name, &n)
		}
		if err != nil {
			return nil, s.fail(err)
		}
		out[name] = n
	}
	return out, nil
}

// AddNamespace implements [front.Directory].
func (s *Fronts) AddNamespace(ctx context.Context, index, namespace string) error {
	return s.exec(ctx, `INSERT INTO front_counts (name, namespace, n) VALUES (?, ?, 0) ON CONFLICT DO NOTHING`, index, namespace)
}

// RemoveNamespace implements [front.Directory].
func (s *Fronts) RemoveNamespace(ctx context.Context, index, namespace string) error {
	return s.exec(ctx, `DELETE FROM front_counts WHERE name = ? AND namespace = ? AND n = 0`, index, namespace)
}

// Clear implements [front.Directory].
func (s *Fronts) Clear(ctx context.Context, index string) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		for _, query := range []string{`DELETE FROM front_ids WHERE name = ?`, `DELETE FROM front_counts WHERE name = ?`} {
			if _, err := tx.ExecContext(ctx, query, index); err != nil {
				return err
			}
		}
		return nil
	})
}
