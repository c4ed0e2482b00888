package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Errors of Save, for errors.Is.
var (
	// ErrReadOnly says that the file cannot be replaced by this process.
	ErrReadOnly = errors.New("the configuration file is read-only")
	// ErrChanged says that somebody else wrote the file in between.
	ErrChanged = errors.New("the configuration file was changed by someone else")
)

// Save replaces the file at path as a whole or not at all: a temporary file
// beside it is written, synced and renamed over it. Symbolic links are
// followed, mode and owner stay (0600 where the file is new). What killed writers
// left beside it goes. before is the text that was read; the file must still hold
// it, or must not exist where before is nil.
func Save(path string, before, after []byte) error {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = path, nil
	}
	if err != nil {
		return fmt.Errorf("%s: %s", path, reason(err))
	}
	mode := fs.FileMode(0o600)
	info, err := os.Stat(target)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case err == nil:
		if mode = info.Mode().Perm(); mode&0o200 == 0 {
			return readOnly(path, fmt.Sprintf("its mode is %v", mode))
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %s", path, reason(err))
	}
	if err := unchanged(target, before); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(target), temporary(target)+"*")
	if err != nil {
		return refused(path, err)
	}
	if err := fill(tmp, after, mode, info); err != nil {
		return errors.Join(refused(path, err), os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), target); err != nil {
		return errors.Join(refused(path, err), os.Remove(tmp.Name()))
	}
	sweep(target)
	return syncDir(filepath.Dir(target))
}

// forsaken is how much older than the file just written a temporary file is that
// nobody is going to rename any more: writing one takes moments.
const forsaken = time.Minute

// sweep removes the temporary files that killed writers left beside target. Both times
// are the file system's. One that cannot be removed hinders nobody and is tried again at
// the next edit.
func sweep(target string) {
	written, err := os.Lstat(target)
	if err != nil {
		return
	}
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		return
	}
	for _, e := range entries {
		number, ours := strings.CutPrefix(e.Name(), temporary(target))
		if !ours || number == "" || strings.Trim(number, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && written.ModTime().Sub(info.ModTime()) > forsaken {
			_ = os.Remove(filepath.Join(filepath.Dir(target), e.Name()))
		}
	}
}

// temporary is how the names of target's temporary files begin; a number follows.
func temporary(target string) string { return "." + filepath.Base(target) + "." }

func unchanged(target string, before []byte) error {
	now, err := readFile(target)
	switch {
	case errors.Is(err, fs.ErrNotExist) && before == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: it is gone", ErrChanged)
	case err != nil:
		return errors.New(reason(err))
	case before == nil:
		return fmt.Errorf("%w: it exists now", ErrChanged)
	case !bytes.Equal(now, before):
		return fmt.Errorf("%w: read it again and repeat the change", ErrChanged)
	}
	return nil
}

// fill writes, syncs and closes the temporary file.
func fill(tmp *os.File, data []byte, mode fs.FileMode, old fs.FileInfo) error {
	_, err := tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil && old != nil {
		err = keepOwner(tmp, old)
	}
	if err == nil {
		err = tmp.Sync()
	}
	return errors.Join(err, tmp.Close())
}

// refused explains why the file system did not let the file be replaced.
func refused(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return readOnly(path, "permission denied in its directory")
	case errors.Is(err, syscall.EROFS):
		return readOnly(path, "read-only file system")
	case errors.Is(err, syscall.EBUSY):
		return readOnly(path, "it is mounted as a single file and cannot be replaced")
	}
	return fmt.Errorf("writing %s: %s", path, reason(err))
}

func readOnly(path, why string) error {
	return fmt.Errorf("%s: %w (%s): set server.config_writes to overlay or propose, or make it writable", path, ErrReadOnly, why)
}
