package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"freehold/internal/rollout"
)

// Rollouts keeps rollouts; it implements [rollout.Store].
type Rollouts struct{ db *DB }

// NewRollouts returns the rollouts in db.
func NewRollouts(db *DB) *Rollouts { return &Rollouts{db} }

var _ rollout.Store = (*Rollouts)(nil)

// PutRollout implements [rollout.Store]. It is on the disk when it returns:
// after a power cut no workload is moved by a rollout that nobody knows of.
func (s *Rollouts) PutRollout(ctx context.Context, r rollout.State) error {
	state, err := json.Marshal(r)
	if err != nil {
		return s.fail(err)
	}
	ended := int64(0)
	if r.Stage.Ended() {
		ended = r.Ended.UnixMicro()
	}
	err = s.db.durableTx(ctx, func(tx *sql.Tx) error {
		if ended == 0 {
			var other string
			err := tx.QueryRowContext(ctx, `SELECT id FROM rollouts WHERE workload = ? AND ended = 0 AND id <> ?`, r.Workload, r.ID).Scan(&other)
			if err == nil {
				return fmt.Errorf("workload %s: rollout %s: %w", r.Workload, other, rollout.ErrOpen)
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO rollouts (id, workload, started, ended, state) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, state = excluded.state`, r.ID, r.Workload, r.Started.UnixMicro(), ended, string(state))
		return err
	})
	if err != nil {
		return s.fail(err)
	}
	return nil
}

// Rollout implements [rollout.Store].
func (s *Rollouts) Rollout(ctx context.Context, id string) (rollout.State, error) {
	for r, err := range s.states(ctx, ` WHERE id = ?`, id) {
		return r, err
	}
	return rollout.State{}, fmt.Errorf("rollout %s: %w", id, rollout.ErrNotFound)
}

// Rollouts implements [rollout.Store].
func (s *Rollouts) Rollouts(ctx context.Context, workload string) ([]rollout.State, error) {
	where, args := ``, []any(nil)
	if workload != "" {
		where, args = ` WHERE workload = ?`, []any{workload}
	}
	out := []rollout.State{}
	for r, err := range s.states(ctx, where+` ORDER BY started DESC, id DESC`, args...) {
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *Rollouts) states(ctx context.Context, where string, args ...any) iter.Seq2[rollout.State, error] {
	return decoded[rollout.State](ctx, s.db, s.fail, `SELECT state FROM rollouts`+where, args...)
}

// decoded yields rows of one JSON text each.
func decoded[T any](ctx context.Context, db *DB, fail func(error) error, query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for rows, err := range each(ctx, db.read, query, args) {
			var text string
			var v T
			if err == nil {
				err = rows.Scan(&text)
			}
			if err == nil {
				err = json.Unmarshal([]byte(text), &v)
			}
			if err != nil {
				yield(v, fail(err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// AddPair implements [rollout.Store].
func (s *Rollouts) AddPair(ctx context.Context, p rollout.Pair) error {
	pair, err := json.Marshal(p)
	if err != nil {
		return s.fail(err)
	}
	_, err = s.db.write.ExecContext(ctx, `INSERT INTO rollout_pairs (rollout, request, pair) VALUES (?, ?, ?)
		ON CONFLICT (rollout, request) DO NOTHING`, p.Rollout, p.Request, string(pair))
	if err != nil {
		return s.fail(err)
	}
	return nil
}

// Pairs implements [rollout.Store].
func (s *Rollouts) Pairs(ctx context.Context, id string) iter.Seq2[rollout.Pair, error] {
	return decoded[rollout.Pair](ctx, s.db, s.fail, `SELECT pair FROM rollout_pairs WHERE rollout = ? ORDER BY seq`, id)
}

// PutLabel implements [rollout.Store].
func (s *Rollouts) PutLabel(ctx context.Context, l rollout.Label) error {
	result, err := s.db.write.ExecContext(ctx, `INSERT INTO rollout_labels (rollout, request, said_by, winner)
		SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM rollout_pairs WHERE rollout = ? AND request = ?)
		ON CONFLICT (rollout, request, said_by) DO UPDATE SET winner = excluded.winner`,
		l.Rollout, l.Request, l.By, l.Winner, l.Rollout, l.Request)
	if err != nil {
		return s.fail(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return s.fail(err)
	}
	if n == 0 {
		return fmt.Errorf("request %q in rollout %s: %w", l.Request, l.Rollout, rollout.ErrNoPair)
	}
	return nil
}

// Labels implements [rollout.Store].
func (s *Rollouts) Labels(ctx context.Context, id string) ([]rollout.Label, error) {
	out := []rollout.Label{}
	for rows, err := range each(ctx, s.db.read, `SELECT rollout, request, winner, said_by FROM rollout_labels WHERE rollout = ? ORDER BY request, said_by`, []any{id}) {
		var l rollout.Label
		if err == nil {
			err = rows.Scan(&l.Rollout, &l.Request, &l.Winner, &l.By)
		}
		if err != nil {
			return nil, s.fail(err)
		}
		out = append(out, l)
	}
	return out, nil
}

func (s *Rollouts) fail(err error) error { return fmt.Errorf("%s: rollouts: %w", s.db.path, err) }
