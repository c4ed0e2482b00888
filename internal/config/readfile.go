package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// errIrregular is a file that cannot be read as one.
var errIrregular = errors.New("not a regular file")

// readFile reads a configuration or a file that it names. Pipes and devices
// are refused, for reading one can block, or never end; of a regular file no
// more than one byte over the bound of a configuration is read, which tells
// that it is too large.
func readFile(name string) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read: nothing can be lost
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("%w but %s", errIrregular, nature(info.Mode()))}
	}
	return io.ReadAll(io.LimitReader(f, maxFile+1))
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
