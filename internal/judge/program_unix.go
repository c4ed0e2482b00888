//go:build unix

package judge

import (
	"os/exec"
	"syscall"
)

// ownGroup lets the children of a program end with it when its time is over.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// endGroup ends the children that a program left behind. That there are some
// keeps the number of its group from being another's.
func endGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // who is gone needs no end
}
