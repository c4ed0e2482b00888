package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// durableTx is [DB.Tx] whose commit also survives a power cut. The file's usual
// setting (WAL, synchronous NORMAL) keeps it whole then but may lose the last
// transactions: right for what the journal can fill in again, wrong for a
// revoked key, and for a history whose checkpoint may already lie outside.
func (db *DB) durableTx(ctx context.Context, fn func(*sql.Tx) error) (err error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = FULL"); err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	defer func() {
		// The connection is shared: it gets its setting back even if ctx has ended.
		_, rerr := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA synchronous = NORMAL")
		err = errors.Join(err, rerr)
	}()
	return db.txOn(ctx, conn, fn)
}
