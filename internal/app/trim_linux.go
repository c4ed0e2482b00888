package app

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// madvDontNeed is MADV_DONTNEED of madvise(2).
const madvDontNeed = 4

// trim gives back what only the start needed: garbage on the heap, and the pages of
// the program's own file that it has touched. Those are clean and in the page cache,
// so that what is used again comes back at the cost of a minor fault; the rest, most
// of it, stays out of the resident set. (Linux maps 64 KiB around each page that a
// program touches, so that package initialisation alone draws most of a large binary
// in.)
func trim() error {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		// START-END PERMISSIONS OFFSET DEVICE INODE PATH, see proc_pid_maps(5).
		line := sc.Text()
		var start, end uintptr
		var perm string
		if !strings.HasSuffix(line, " "+exe) {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x %s", &start, &end, &perm); err != nil {
			return fmt.Errorf("/proc/self/maps: %w", err)
		}
		if strings.Contains(perm, "w") {
			continue // may hold what is not in the file
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, start, end-start, madvDontNeed); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return sc.Err()
}
