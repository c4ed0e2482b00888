//go:build !unix

package regular

import "os"

// open opens a file to read.
func open(name string) (*os.File, error) { return os.Open(name) }
