// Package sqlite keeps freehold's state in one SQLite file, through a pure Go
// driver. It opens the file, brings its schema up to date, and hands out one
// writing and a few reading connections; the stores of the domains (the ledger
// here, keys and history in their own packages) are written on those.
//
// Several processes may have the file open: it is in WAL mode, so readers and
// the one writer do not wait for each other, and writers of different
// processes queue for up to [busyTimeout].
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

const (
	// busyTimeout is how long a writer waits for the writer of another process.
	busyTimeout = 10 * time.Second
	// pageCache bounds the page cache of each connection. The operating system
	// caches the file anyway, so a small one costs little and keeps an idle
	// server small.
	pageCache = 1 << 20
	// readers is how many reading connections there are at most.
	readers = 3
)

// DB is an open state file. Its methods may be used concurrently.
type DB struct {
	path        string
	read, write *sql.DB
}

// Open opens the state file at path, creating it (readable by its owner only)
// when it is absent, and applies the schema migrations that it lacks. A file
// that a newer freehold has migrated further is opened as it is: migrations
// expand first and contract only once no supported version needs the old form.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := create(path); err != nil {
		return nil, fmt.Errorf("open the state file %s: %w", path, err)
	}
	write, err := sql.Open("sqlite", dsn(path, "journal_mode(WAL)", "synchronous(NORMAL)"))
	if err != nil {
		return nil, fmt.Errorf("open the state file %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	if err := migrate(ctx, write, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open the state file %s: %w", path, err), write.Close())
	}
	read, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the state file %s: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(1)
	return &DB{path: path, read: read, write: write}, nil
}

// create makes an empty file that only its owner may read, so that SQLite,
// which gives its companion files the same mode, never makes one that others
// can read.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// dsn is the driver's name for path: a file: URL, so that no character of the
// path means anything, and the settings of every connection.
func dsn(path string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" && filepath.IsAbs(path) {
		path = "/" + path
	}
	query := url.Values{"_txlock": {"immediate"}}
	query.Add("_pragma", "busy_timeout("+strconv.FormatInt(busyTimeout.Milliseconds(), 10)+")")
	query.Add("_pragma", "cache_size(-"+strconv.Itoa(pageCache>>10)+")")
	query.Add("_pragma", "temp_store(MEMORY)")
	for _, p := range pragmas {
		query.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
}

// Read returns the reading connections. Writing through them fails.
func (db *DB) Read() *sql.DB { return db.read }

// Write returns the one writing connection. Whoever holds it, by an open
// transaction or open rows, keeps every other writer waiting: prefer [DB.Tx].
// Every transaction on it begins as a writing one, so that it cannot fail
// halfway for want of the lock.
func (db *DB) Write() *sql.DB { return db.write }

// Path returns the path that the file was opened by.
func (db *DB) Path() string { return db.path }

// Tx runs fn in a writing transaction, which is committed when fn returns nil
// and rolled back otherwise.
func (db *DB) Tx(ctx context.Context, fn func(*sql.Tx) error) error {
	return db.txOn(ctx, db.write, fn)
}

// beginner is what a transaction begins on: an [sql.DB], or a connection of it.
type beginner interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// txOn is [DB.Tx] on a connection of one's own.
func (db *DB) txOn(ctx context.Context, conn beginner, fn func(*sql.Tx) error) (err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: begin: %w", db.path, err)
	}
	// After a commit the rollback does nothing; after an error or a panic in
	// fn it frees the connection.
	defer func() {
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("%s: roll back: %w", db.path, rerr))
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: commit: %w", db.path, err)
	}
	return nil
}

// Close closes all connections. The last process to close the file folds its
// write-ahead log into it.
func (db *DB) Close() error {
	return errors.Join(db.read.Close(), db.write.Close())
}
