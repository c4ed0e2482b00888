package engine

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// dieWithParent has the kernel kill the child when the thread that started it
// ends. The starter must keep that thread (runtime.LockOSThread) until the child
// is gone.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// startOf tells one life of a process id from another: the boot and the tick at
// which the process began. Empty: there is no such process.
func startOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is a name in brackets that may hold anything.
	_, rest, ok := bytes.Cut(b[bytes.LastIndexByte(b, ')'):], []byte(" "))
	fields := strings.Fields(string(rest))
	if !ok || len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[19]
}
