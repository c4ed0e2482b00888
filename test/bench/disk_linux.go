package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// fromDisk has a program that was just written be read from the disk when it starts, as
// it is on a machine where it was installed: pages that the linker has written lie in
// the cache in large pieces, and Linux maps each whole where one page of it is touched,
// a third more than is resident otherwise.
func fromDisk(program string) (err error) {
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
