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

// Lock is a lock that is held until Unlock or the end of the process.
type Lock struct{ f *os.File }

// Try takes the lock at path at once or returns an error that wraps [ErrHeld].
// The file is created when it is absent and is never removed: removing it
// would let two processes lock two files of the same name.
func Try(path string) (*Lock, error) {
	f, err := lock(path, false)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Wait takes the lock at path, waiting for its holder as long as that takes.
func Wait(path string) (*Lock, error) {
	f, err := lock(path, true)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Unlock releases the lock.
func (l *Lock) Unlock() error { return l.f.Close() }
