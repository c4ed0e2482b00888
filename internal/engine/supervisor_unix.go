//go:build unix

package engine

import (
	"os"
	"os/exec"
	"syscall"
)

// stayInGroup keeps the engine in the supervisor's group.
func stayInGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(cmd.SysProcAttr)
}

// endOwnGroup kills the engine, what it started, and the supervisor. The group
// is ours alone: freehold made it for the supervisor.
func endOwnGroup(p *os.Process) {
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
	_ = p.Kill()
}

func signalCode(e *exec.ExitError) int {
	if ws, ok := e.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return 1
}

// killLeftover ends a process group that is known to be ours.
func killLeftover(pgid int) error { return signalGroup(pgid, syscall.SIGKILL) }
