package engine

import (
	"os"
	"os/exec"
)

func prepareChild(*exec.Cmd) {}

// terminateTree and killTree: the managed engine is one process there.
func terminateTree(p *os.Process) error { return p.Kill() }

func killTree(p *os.Process) error { return p.Kill() }

// Pid files are not used there: startOf never knows a process.
func startOf(int) string { return "" }

func killLeftover(int) error { return nil }
