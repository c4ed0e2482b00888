//go:build !unix

package config

import "os"

// open opens a file to read.
func open(name string) (*os.File, error) { return os.Open(name) }
