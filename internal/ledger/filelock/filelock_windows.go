//go:build windows

package filelock

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// errSharing is ERROR_SHARING_VIOLATION: another handle is open.
const errSharing = syscall.Errno(32)

// lock opens the file with no sharing, which Windows grants to one handle at a
// time.
func lock(path string, wait bool) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	for {
		h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
			syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
		switch {
		case err == nil:
			return os.NewFile(uintptr(h), path), nil
		case !errors.Is(err, errSharing):
			return nil, err
		case !wait:
			return nil, ErrHeld
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// remove takes the file away once it is closed. Whoever has opened it since then has the
// lock, and the file stays.
func remove(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errSharing) {
		return err
	}
	return nil
}
