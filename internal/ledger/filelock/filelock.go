// Package filelock gives one process at a time the right to a directory or a
// file, by a lock on a file beside it. The operating system releases the lock
// when its holder ends, however it ends, so none is ever left behind.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrHeld is returned by [Try] when another process, or another Lock of this
// process, has the lock.
var ErrHeld = errors.New("held by another process")

// Lock is a lock that is held until Unlock, Remove or the end of the process.
type Lock struct {
	f    *os.File
	path string
}

// Try takes the lock at path at once or returns an error that wraps [ErrHeld].
// The file is created when it is absent, and stays unless its holder takes it
// away by Remove.
func Try(path string) (*Lock, error) {
	f, err := lock(path, false)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f, path}, nil
}

// Wait takes the lock at path, waiting for its holder as long as that takes.
func Wait(path string) (*Lock, error) {
	f, err := lock(path, true)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f, path}, nil
}

// Unlock releases the lock.
func (l *Lock) Unlock() error { return l.f.Close() }

// Remove releases the lock and takes its file away, where nobody else has it open.
// Who has opened the file meanwhile finds that it is not the one at path any more,
// and opens that.
func (l *Lock) Remove() error { return remove(l.f, l.path) }
