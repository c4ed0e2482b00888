//go:build unix

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a new file the owner of the old one. Only root can give a
// file away; anyone else owns it already, or may not and the group is tried.
func keepOwner(f *os.File, old fs.FileInfo) error {
	st, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := f.Chown(int(st.Uid), int(st.Gid))
	if errors.Is(err, fs.ErrPermission) {
		if err = f.Chown(-1, int(st.Gid)); errors.Is(err, fs.ErrPermission) {
			return nil
		}
	}
	return err
}

// syncDir makes a rename survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing the directory of the configuration: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
