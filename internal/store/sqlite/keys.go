package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"freehold/internal/auth"
)

// Keys keeps virtual keys; it implements [auth.Store].
type Keys struct{ db *DB }

// NewKeys returns the virtual keys in db.
func NewKeys(db *DB) *Keys { return &Keys{db} }

var _ auth.Store = (*Keys)(nil)

// scopes is the JSON form of what a key may call.
type scopes struct {
	Workloads []string `json:"workloads"`
	Models    bool     `json:"models,omitempty"`
}

// KeysSince implements [auth.Store].
func (k *Keys) KeysSince(ctx context.Context, rev int64) ([]auth.Key, error) {
	rows, err := k.db.read.QueryContext(ctx, `SELECT id, name, hash, family, replaces, created, created_by, expires, revoked,
		scopes, limits, admin, tags, data_classes, rev FROM keys WHERE rev > ? ORDER BY rev`, rev)
	if err != nil {
		return nil, k.fail(err)
	}
	defer rows.Close() // its errors come out of rows.Err
	var keys []auth.Key
	for rows.Next() {
		key, err := scanKey(rows)
		if err != nil {
			return nil, k.fail(err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, k.fail(err)
	}
	return keys, nil
}

func scanKey(rows *sql.Rows) (auth.Key, error) {
	var (
		key                                 auth.Key
		hash                                []byte
		replaces                            sql.NullString
		created                             int64
		expires, revoked                    sql.NullInt64
		scopesJSON, limits, tags, dataClass string
	)
	if err := rows.Scan(&key.ID, &key.Name, &hash, &key.Family, &replaces, &created, &key.CreatedBy, &expires, &revoked,
		&scopesJSON, &limits, &key.Admin, &tags, &dataClass, &key.Rev); err != nil {
		return auth.Key{}, err
	}
	// Whatever cannot be read must not become a key that may do more.
	if len(hash) != sha256.Size {
		return auth.Key{}, fmt.Errorf("key %s: its hash has %d bytes instead of %d", key.ID, len(hash), sha256.Size)
	}
	var scope scopes
	for column, target := range map[string]struct {
		text string
		into any
	}{
		"scopes": {scopesJSON, &scope}, "limits": {limits, &key.Limits}, "tags": {tags, &key.Tags}, "data_classes": {dataClass, &key.DataClasses},
	} {
		if err := json.Unmarshal([]byte(target.text), target.into); err != nil {
			return auth.Key{}, fmt.Errorf("key %s: column %s: %w", key.ID, column, err)
		}
	}
	copy(key.Hash[:], hash)
	key.Replaces = replaces.String
	key.Created = time.UnixMicro(created).UTC()
	key.Expires, key.Revoked = timeOf(expires), timeOf(revoked)
	key.Workloads, key.Models = scope.Workloads, scope.Models
	return key, nil
}

// PutKeys implements [auth.Store].
func (k *Keys) PutKeys(ctx context.Context, keys ...auth.Key) ([]auth.Key, error) {
	stored := append([]auth.Key(nil), keys...)
	err := k.db.durableTx(ctx, func(tx *sql.Tx) error {
		var rev int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(rev), 0) FROM keys`).Scan(&rev); err != nil {
			return err
		}
		for i := range stored {
			rev++
			if err := putKey(ctx, tx, &stored[i], rev); err != nil {
				return fmt.Errorf("key %s: %w", stored[i].ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, k.fail(err)
	}
	return stored, nil
}

// putKey writes one key, if its row is still as the caller read it, and gives it
// its new revision.
func putKey(ctx context.Context, tx *sql.Tx, key *auth.Key, rev int64) error {
	columns := make([]any, 0, 4)
	for _, value := range []any{scopes{key.Workloads, key.Models}, key.Limits, key.Tags, key.DataClasses} {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		columns = append(columns, string(text))
	}
	var present int64
	switch err := tx.QueryRowContext(ctx, `SELECT rev FROM keys WHERE id = ?`, key.ID).Scan(&present); {
	case errors.Is(err, sql.ErrNoRows) && key.Rev != 0, err == nil && key.Rev != present:
		return auth.ErrConflict
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO keys (id, name, hash, prefix, family, replaces, created, created_by, expires, revoked, admin, rev,
			scopes, limits, tags, data_classes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, hash = excluded.hash, prefix = excluded.prefix, family = excluded.family,
			replaces = excluded.replaces, created = excluded.created, created_by = excluded.created_by, expires = excluded.expires,
			revoked = excluded.revoked, admin = excluded.admin, rev = excluded.rev, scopes = excluded.scopes, limits = excluded.limits,
			tags = excluded.tags, data_classes = excluded.data_classes`,
		append([]any{
			key.ID, key.Name, key.Hash[:], auth.Prefix(key.ID), key.Family, sql.NullString{String: key.Replaces, Valid: key.Replaces != ""},
			key.Created.UnixMicro(), key.CreatedBy, microsOf(key.Expires), microsOf(key.Revoked), key.Admin, rev,
		}, columns...)...)
	key.Rev = rev
	return err
}

// timeOf and microsOf map NULL to the zero time and back.
func timeOf(micros sql.NullInt64) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return time.UnixMicro(micros.Int64).UTC()
}

func microsOf(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func (k *Keys) fail(err error) error { return fmt.Errorf("%s: keys: %w", k.db.path, err) }
