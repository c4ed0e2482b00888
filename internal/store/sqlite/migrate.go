package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"freehold/internal/ledger/filelock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the migrations that the file lacks, each in its own
// transaction. The usual case, that none is lacking, costs one query.
//
// Two processes that open a new file at once take turns: the second finds the
// work done.
func migrate(ctx context.Context, db *sql.DB, path string) (err error) {
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	if done, err := migrated(ctx, db, newest); done || err != nil {
		return err
	}
	lock, err := filelock.Wait(path + ".migrate.lock")
	if err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()

	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// migrated reports whether the file has migration version or a later one.
func migrated(ctx context.Context, db *sql.DB, version int64) (bool, error) {
	var table int
	err := db.QueryRowContext(ctx,
		`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, goose.DefaultTablename).Scan(&table)
	if err != nil || table == 0 {
		return false, err
	}
	var have sql.NullInt64
	err = db.QueryRowContext(ctx,
		`SELECT max(version_id) FROM `+goose.DefaultTablename+` WHERE is_applied`).Scan(&have)
	return have.Int64 >= version, err
}

// newestMigration returns the highest version among the embedded migrations.
func newestMigration() (int64, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, f := range files {
		version, err := goose.NumericComponent(f)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", f, err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}
