package engine

import (
	"os"
	"os/exec"
)

func stayInGroup(*exec.Cmd) {}

func endOwnGroup(p *os.Process) {
	_ = p.Kill()
	os.Exit(1)
}

func signalCode(*exec.ExitError) int { return 1 }
