//go:build unix

package filelock

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock uses flock(2), which belongs to the open file: it survives no exec,
// because the descriptor is close-on-exec, and a second open of the same
// process is refused like any other.
func lock(path string, wait bool) (*os.File, error) {
	for {
		f, err := lockOnce(path, wait)
		if err != nil {
			return nil, err
		}
		// A holder may have taken the file away since it was opened: then the lock is
		// one of no name, which keeps nobody out.
		is, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if at, err := os.Stat(path); err == nil && os.SameFile(is, at) {
			return f, nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// remove takes the file away while it is locked: nobody can have locked another of its
// name before.
func remove(f *os.File, path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func lockOnce(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrHeld
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
