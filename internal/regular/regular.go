// Package regular reads regular files, whatever else may stand where one is
// expected: pipes and devices are refused, for reading one can block or never
// end.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrIrregular is a file that cannot be read as one.
var ErrIrregular = errors.New("not a regular file")

// Open opens a regular file to read.
func Open(name string) (*os.File, fs.FileInfo, error) {
	f, err := open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("%w but %s", ErrIrregular, nature(info.Mode()))}
	}
	if err != nil {
		_ = f.Close() // only opened
		return nil, nil, err
	}
	return f, info, nil
}

// Read reads a regular file, and refuses one that is larger than limit.
func Read(name string, limit int64) ([]byte, error) {
	text, err := ReadTo(name, limit+1)
	if err == nil && int64(len(text)) > limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("larger than %d bytes", limit)}
	}
	return text, err
}

// ReadTo reads the first n bytes of a regular file, all of it if it has fewer.
func ReadTo(name string, n int64) ([]byte, error) {
	f, _, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read: nothing can be lost
	return io.ReadAll(io.LimitReader(f, n))
}

// nature is what a file is that is not a regular one.
func nature(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}
