package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Meta returns what was last set under a name, "" if nothing was.
func (db *DB) Meta(ctx context.Context, name string) (value string, err error) {
	err = db.read.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("sqlite: meta %s: %w", name, err)
	}
	return value, nil
}

// SetMeta sets values, all of them or none.
func (db *DB) SetMeta(ctx context.Context, values map[string]string) error {
	return db.Tx(ctx, func(tx *sql.Tx) error {
		for name, v := range values {
			_, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, v)
			if err != nil {
				return fmt.Errorf("sqlite: set meta %s: %w", name, err)
			}
		}
		return nil
	})
}

// HeldChange is a configuration change that the file does not hold.
type HeldChange struct {
	Path, Value string // Value is JSON; empty deletes the key
	At          time.Time
	Who, Why    string
}

// Overlay lists the held changes in the order they were made.
func (db *DB) Overlay(ctx context.Context) ([]HeldChange, error) {
	rows, err := db.read.QueryContext(ctx, "SELECT path, value, at, who, why FROM overlay ORDER BY at, path")
	if err != nil {
		return nil, fmt.Errorf("sqlite: overlay: %w", err)
	}
	defer rows.Close()
	var out []HeldChange
	for rows.Next() {
		var h HeldChange
		var at int64
		if err := rows.Scan(&h.Path, &h.Value, &at, &h.Who, &h.Why); err != nil {
			return nil, fmt.Errorf("sqlite: overlay: %w", err)
		}
		h.At = time.UnixMicro(at).UTC()
		out = append(out, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqlite: overlay: %w", err)
	}
	return out, nil
}

// Hold keeps a change; it takes the place of an earlier one at the same path.
func (db *DB) Hold(ctx context.Context, path, value string, at time.Time, who, why string) error {
	return db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO overlay (path, value, at, who, why) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (path) DO UPDATE SET value = excluded.value, at = excluded.at, who = excluded.who, why = excluded.why`,
			path, value, at.UnixMicro(), who, why)
		if err != nil {
			return fmt.Errorf("sqlite: hold %s: %w", path, err)
		}
		return nil
	})
}

// Forget drops a held change.
func (db *DB) Forget(ctx context.Context, path string) error {
	return db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM overlay WHERE path = ?", path); err != nil {
			return fmt.Errorf("sqlite: forget %s: %w", path, err)
		}
		return nil
	})
}
