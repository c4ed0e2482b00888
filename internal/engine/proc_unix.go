//go:build unix

package engine

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// prepareChild puts a child into a process group of its own, so that a Ctrl-C
// at the terminal reaches freehold alone, and the child's own children can be
// ended with it.
func prepareChild(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
}

// terminateTree asks the child's group to end.
func terminateTree(p *os.Process) error { return signalGroup(p.Pid, syscall.SIGTERM) }

// killTree ends the child's group at once.
func killTree(p *os.Process) error { return signalGroup(p.Pid, syscall.SIGKILL) }

func signalGroup(pgid int, sig syscall.Signal) error {
	if pgid <= 1 {
		return errors.New("that is no process group of ours")
	}
	err := syscall.Kill(-pgid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
