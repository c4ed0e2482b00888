package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"freehold/internal/vector/front"
)

// AddShadows implements [front.Ledger].
func (s *Fronts) AddShadows(ctx context.Context, index string, add *front.Shadows) error {
	return s.change(ctx, false, func(ctx context.Context, tx *sql.Tx) error {
		var sum front.Shadows
		row := tx.QueryRowContext(ctx, `SELECT queries, failed, overlap, pinecone, store FROM front_shadows WHERE name = ? AND day = ?`, index, add.Since)
		if err := scanShadows(row.Scan, &sum); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		sum.Merge(add)
		pinecone, err := sum.Pinecone.AppendBinary([]byte{})
		if err != nil {
			return err
		}
		store, err := sum.Store.AppendBinary([]byte{})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO front_shadows (name, day, queries, failed, overlap, pinecone, store) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (name, day) DO UPDATE SET queries = excluded.queries, failed = excluded.failed, overlap = excluded.overlap, pinecone = excluded.pinecone, store = excluded.store`,
			index, add.Since, sum.Queries, sum.Failed, sum.Overlap, pinecone, store)
		return err
	})
}

func scanShadows(scan func(...any) error, s *front.Shadows) error {
	var pinecone, store []byte
	if err := scan(&s.Queries, &s.Failed, &s.Overlap, &pinecone, &store); err != nil {
		return err
	}
	return errors.Join(s.Pinecone.UnmarshalBinary(pinecone), s.Store.UnmarshalBinary(store))
}

// Shadows implements [front.Ledger].
func (s *Fronts) Shadows(ctx context.Context, index string) (front.Shadows, error) {
	var sum front.Shadows
	for rows, err := range each(ctx, s.db.read, `SELECT queries, failed, overlap, pinecone, store, day FROM front_shadows WHERE name = ? ORDER BY day`, []any{index}) {
		var day front.Shadows
		if err == nil {
			err = scanShadows(func(of ...any) error { return rows.Scan(append(of, &day.Since)...) }, &day)
		}
		if err != nil {
			return front.Shadows{}, s.fail(err)
		}
		sum.Merge(&day)
	}
	return sum, nil
}

// DropShadows implements [front.Ledger].
func (s *Fronts) DropShadows(ctx context.Context, index string) error {
	return s.exec(ctx, `DELETE FROM front_shadows WHERE name = ?`, index)
}
