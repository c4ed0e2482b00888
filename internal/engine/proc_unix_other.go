//go:build unix && !linux

package engine

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent: only Linux has it. The pipe that the child watches serves.
func dieWithParent(*syscall.SysProcAttr) {}

// startOf tells one life of a process id from another. Empty: there is no such
// process.
func startOf(pid int) string {
	cmd := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid))
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
