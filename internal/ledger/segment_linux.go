package ledger

import (
	"errors"
	"os"
	"syscall"
)

// reserve sets the blocks of the file's first size bytes aside without making
// it longer, where the file system can: a full disk then shows when a segment
// is begun, not in the middle of it.
func reserve(f *os.File, size int64) error {
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE
	err := syscall.Fallocate(int(f.Fd()), keepSize, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return nil
	}
	return os.NewSyscallError("fallocate", err)
}
