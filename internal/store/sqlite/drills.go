package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"freehold/internal/drill"
)

// Drills keeps drills; it implements [drill.Store].
type Drills struct{ db *DB }

// NewDrills returns the drills in db.
func NewDrills(db *DB) *Drills { return &Drills{db} }

var _ drill.Store = (*Drills)(nil)

// PutDrill implements [drill.Store].
func (s *Drills) PutDrill(ctx context.Context, d drill.Drill) error {
	text, err := json.Marshal(d)
	if err != nil {
		return s.fail(err)
	}
	if _, err := s.db.write.ExecContext(ctx, `INSERT INTO drills (id, started, drill) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET drill = excluded.drill`, d.ID, d.Started.UnixMicro(), string(text)); err != nil {
		return s.fail(err)
	}
	return nil
}

// Drill implements [drill.Store].
func (s *Drills) Drill(ctx context.Context, id string) (drill.Drill, error) {
	for d, err := range decoded[drill.Drill](ctx, s.db, s.fail, `SELECT drill FROM drills WHERE id = ?`, id) {
		return d, err
	}
	return drill.Drill{}, fmt.Errorf("drill %s: %w", id, drill.ErrNotFound)
}

// Drills implements [drill.Store].
func (s *Drills) Drills(ctx context.Context) ([]drill.Drill, error) {
	out := []drill.Drill{}
	for d, err := range decoded[drill.Drill](ctx, s.db, s.fail, `SELECT drill FROM drills ORDER BY started DESC, id DESC`) {
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (s *Drills) fail(err error) error { return fmt.Errorf("%s: drills: %w", s.db.path, err) }
