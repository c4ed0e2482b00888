package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"freehold/internal/feedback"
)

// Feedback keeps what callers say of answers; it implements [feedback.Store].
type Feedback struct{ db *DB }

// NewFeedback returns the feedback in db.
func NewFeedback(db *DB) *Feedback { return &Feedback{db} }

var _ feedback.Store = (*Feedback)(nil)

// PutFeedback implements [feedback.Store].
func (s *Feedback) PutFeedback(ctx context.Context, f feedback.Feedback) (first bool, err error) {
	id, at := requestID(f.Request), f.Time.UnixMicro()
	var times int
	err = s.db.write.QueryRowContext(ctx, `INSERT INTO feedback (id, at, key_id, score, task, comment)
		SELECT ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM requests WHERE id = ?)
		ON CONFLICT (id) DO UPDATE SET at = excluded.at, key_id = excluded.key_id, score = excluded.score, task = excluded.task,
			comment = excluded.comment, times = times + 1, first_at = IIF(first_at = 0, at, first_at), first_score = IIF(first_at = 0, score, first_score)
		RETURNING times`,
		id, at, f.KeyID, f.Score, f.Task, f.Comment, id).Scan(&times)
	if errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("request %s: %w", f.Request, feedback.ErrNotFound)
	}
	if err != nil {
		return false, s.fail(err)
	}
	return times == 1, nil
}

const feedbackColumns = `id, at, key_id, score, task, comment, IIF(first_at = 0, at, first_at), IIF(first_at = 0, score, first_score)`

// Feedback implements [feedback.Store].
func (s *Feedback) Feedback(ctx context.Context, request string) (feedback.Feedback, error) {
	f, err := scanFeedback(s.db.read.QueryRowContext(ctx, `SELECT `+feedbackColumns+` FROM feedback WHERE id = ?`, requestID(request)))
	if errors.Is(err, sql.ErrNoRows) {
		return f, fmt.Errorf("request %s: %w", request, feedback.ErrNotFound)
	}
	if err != nil {
		return f, s.fail(err)
	}
	return f, nil
}

// Feedbacks implements [feedback.Store].
func (s *Feedback) Feedbacks(ctx context.Context, since time.Time) iter.Seq2[feedback.Feedback, error] {
	var c conditions
	c.between("at", since, time.Time{})
	query := `SELECT ` + feedbackColumns + ` FROM feedback` + c.where() + ` ORDER BY at, id`
	return func(yield func(feedback.Feedback, error) bool) {
		for rows, err := range each(ctx, s.db.read, query, c.args) {
			var f feedback.Feedback
			if err == nil {
				f, err = scanFeedback(rows)
			}
			if err != nil {
				yield(feedback.Feedback{}, s.fail(err))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

func scanFeedback(row interface{ Scan(...any) error }) (f feedback.Feedback, err error) {
	var id any
	var at, first int64
	if err := row.Scan(&id, &at, &f.KeyID, &f.Score, &f.Task, &f.Comment, &first, &f.First.Score); err != nil {
		return f, err
	}
	f.Time, f.First.Time = time.UnixMicro(at).UTC(), time.UnixMicro(first).UTC()
	switch id := id.(type) {
	case string:
		f.Request = id
	case []byte:
		u, err := uuid.FromBytes(id)
		if err != nil {
			return f, fmt.Errorf("the id of a request: %w", err)
		}
		f.Request = u.String()
	}
	return f, nil
}

func (s *Feedback) fail(err error) error { return fmt.Errorf("%s: feedback: %w", s.db.path, err) }
