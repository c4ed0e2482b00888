//go:build unix

package regular

import (
	"os"
	"syscall"
)

// open opens a file to read. It does not wait for the writer of a pipe.
func open(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
