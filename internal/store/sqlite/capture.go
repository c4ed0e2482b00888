package sqlite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"freehold/internal/capture"
	"freehold/internal/ledger"
)

// Captures keeps sealed texts; it implements [capture.Store].
type Captures struct{ db *DB }

// NewCaptures returns the captures in db.
func NewCaptures(db *DB) *Captures { return &Captures{db} }

var _ capture.Store = (*Captures)(nil)

const metaCaptureSalt = "capture_salt"

// CaptureSalt implements [capture.Store].
func (c *Captures) CaptureSalt(ctx context.Context, fresh []byte) ([]byte, error) {
	have, err := c.db.Meta(ctx, metaCaptureSalt)
	if err != nil {
		return nil, err
	}
	if have == "" {
		// Durable, because what is sealed with it must be readable after a power cut.
		err := c.db.durableTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`,
				metaCaptureSalt, base64.StdEncoding.EncodeToString(fresh))
			return err
		})
		if err != nil {
			return nil, c.fail(err)
		}
		if have, err = c.db.Meta(ctx, metaCaptureSalt); err != nil {
			return nil, err
		}
	}
	salt, err := base64.StdEncoding.DecodeString(have)
	if err != nil {
		return nil, c.fail(fmt.Errorf("the salt: %w", err))
	}
	return salt, nil
}

// AddCaptures implements [capture.Store].
func (c *Captures) AddCaptures(ctx context.Context, batch []capture.Sealed) error {
	return c.db.Tx(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO captures (id, at, expires, workload, key_id, user_mark, data_classes,
			dialect, operation, outcome, seal_key, size, text, tenant) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`)
		if err != nil {
			return c.fail(err)
		}
		defer insert.Close()
		for i := range batch {
			s := &batch[i]
			classes, err := json.Marshal(s.Classes)
			if err != nil {
				return c.fail(err)
			}
			if _, err := insert.ExecContext(ctx, s.ID, s.Time.UnixMicro(), s.Expires.UnixMicro(), s.Workload, s.KeyID, s.UserMark, string(classes),
				s.Dialect, s.Operation, s.Outcome, s.SealKey, s.Size, s.Text, s.Tenant); err != nil {
				return c.fail(err)
			}
		}
		return nil
	})
}

const captureColumns = `id, at, expires, workload, key_id, data_classes, dialect, operation, outcome, seal_key, size, tenant`

// Captures implements [capture.Store].
func (c *Captures) Captures(ctx context.Context, q capture.Query) ([]capture.Entry, error) {
	where, args := selected(q)
	limit := -1
	if q.Limit > 0 {
		limit = q.Limit
	}
	rows, err := c.db.read.QueryContext(ctx, `SELECT `+captureColumns+` FROM captures`+where+` ORDER BY at DESC, seq DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, c.fail(err)
	}
	defer rows.Close() // its errors come out of rows.Err
	var out []capture.Entry
	for rows.Next() {
		var e capture.Entry
		if err := scanCapture(rows, &e); err != nil {
			return nil, c.fail(err)
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, c.fail(err)
	}
	return out, nil
}

// Capture implements [capture.Store].
func (c *Captures) Capture(ctx context.Context, id string, at time.Time) (capture.Sealed, error) {
	var s capture.Sealed
	row := c.db.read.QueryRowContext(ctx, `SELECT `+captureColumns+`, user_mark, text FROM captures WHERE id = ? AND expires > ?`, id, at.UnixMicro())
	err := scanCapture(row, &s.Entry, &s.UserMark, &s.Text)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("request %s: %w", id, capture.ErrNotFound)
	}
	if err != nil {
		return s, c.fail(err)
	}
	return s, nil
}

func scanCapture(row interface{ Scan(...any) error }, e *capture.Entry, more ...any) error {
	var at, expires int64
	var classes string
	if err := row.Scan(append([]any{&e.ID, &at, &expires, &e.Workload, &e.KeyID, &classes, &e.Dialect, &e.Operation, &e.Outcome, &e.SealKey, &e.Size, &e.Tenant}, more...)...); err != nil {
		return err
	}
	e.Time, e.Expires = time.UnixMicro(at).UTC(), time.UnixMicro(expires).UTC()
	return json.Unmarshal([]byte(classes), &e.Classes)
}

// selected is the condition that a query means.
func selected(q capture.Query) (where string, args []any) {
	var all []string
	add := func(condition string, value any) {
		all, args = append(all, condition), append(args, value)
	}
	if q.ID != "" {
		add("id = ?", q.ID)
	}
	if q.Workload != "" {
		add("workload = ?", q.Workload)
	}
	if q.KeyID != "" {
		add("key_id = ?", q.KeyID)
	}
	if q.Tenant != "" {
		add("tenant = ?", q.Tenant)
	}
	if q.UserMark != nil {
		add("user_mark = ?", q.UserMark)
	}
	if !q.Since.IsZero() {
		add("at >= ?", q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		add("at < ?", q.Until.UnixMicro())
	}
	if !q.AliveAt.IsZero() {
		add("expires > ?", q.AliveAt.UnixMicro())
	}
	if len(all) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(all, " AND "), args
}

// EraseCaptures implements [capture.Store].
func (c *Captures) EraseCaptures(ctx context.Context, q capture.Query) (int, error) {
	where, args := selected(q)
	return c.erase(ctx, where, append(args, q.Limit)...)
}

// ExpireCaptures implements [capture.Store].
func (c *Captures) ExpireCaptures(ctx context.Context, now time.Time, limit int) (int, error) {
	return c.erase(ctx, " WHERE expires <= ?", now.UnixMicro(), limit)
}

// EraseComments implements [capture.Store].
func (c *Captures) EraseComments(ctx context.Context, q capture.Query) (int, error) {
	if q.UserMark == nil {
		of := ledger.Query{Workload: q.Workload, KeyID: q.KeyID, Tenant: q.Tenant}
		var all, rollups conditions
		if q.ID != "" {
			all.add(`id = ?`, requestID(q.ID))
		}
		all.between("at", q.Since, q.Until)
		if rollups.key(of); len(rollups.list) > 0 {
			all.add(`rollup IN (SELECT id FROM tenant_rollups`+rollups.where()+`)`, rollups.args...)
		}
		return c.scrubbed(ctx, `UPDATE feedback SET comment = '' WHERE rowid IN (SELECT rowid FROM feedback
			WHERE comment <> '' AND id IN (SELECT id FROM requests`+all.where()+`) LIMIT ?)`, append(all.args, q.Limit)...)
	}
	limit := q.Limit
	q.Limit = 0
	of, err := c.Captures(ctx, q)
	if err != nil {
		return 0, err
	}
	sum := 0
	for i := range of {
		n, err := c.scrubbed(ctx, `UPDATE feedback SET comment = '' WHERE comment <> '' AND id = ?`, requestID(of[i].ID))
		if sum += n; err != nil || sum == limit {
			return sum, err
		}
	}
	return sum, nil
}

// erase deletes rows of captures.
func (c *Captures) erase(ctx context.Context, where string, args ...any) (int, error) {
	return c.scrubbed(ctx, `DELETE FROM captures WHERE seq IN (SELECT seq FROM captures`+where+` LIMIT ?)`, args...)
}

// scrubbed runs a statement so that the bytes it frees are gone from the file: freed
// places are overwritten, and what the write-ahead log still has of them goes with them.
func (c *Captures) scrubbed(ctx context.Context, statement string, args ...any) (int, error) {
	var n int64
	err := c.db.durableTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		if n, err = result.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `PRAGMA secure_delete = OFF`)
		return err
	})
	if err != nil {
		return 0, c.fail(err)
	}
	if n > 0 {
		if err := c.scrub(ctx); err != nil {
			return int(n), c.fail(err)
		}
	}
	return int(n), nil
}

// scrub empties the write-ahead log. Readers under way may prevent that; then
// it is left to the next scrub, or to the last process that closes the file.
func (c *Captures) scrub(ctx context.Context) (err error) {
	conn, err := c.db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// Other writers wait for this connection: readers are not waited for long.
	if _, err := conn.ExecContext(ctx, `PRAGMA busy_timeout = 250`); err != nil {
		return err
	}
	defer func() {
		_, rerr := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout.Milliseconds()))
		err = errors.Join(err, rerr)
	}()
	var busy, inLog, moved int // busy 1: a reader was in the way
	return conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &inLog, &moved)
}

func (c *Captures) fail(err error) error { return fmt.Errorf("%s: captures: %w", c.db.path, err) }
