//go:build !unix

package config

import (
	"io/fs"
	"os"
)

// keepOwner has nothing to keep where files inherit from their directory.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// syncDir has nothing to do where directories cannot be synced.
func syncDir(string) error { return nil }
