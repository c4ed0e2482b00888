package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// supervisorMark makes a copy of our own program a supervisor.
const supervisorMark = "FREEHOLD_ENGINE_SUPERVISOR"

// RunSupervisorIfAsked turns this process into the supervisor of one engine if
// it was started as one, and then does not return. A program that starts engines
// calls it first of all in main (and a test binary in TestMain).
//
// The supervisor is in between freehold and a program that does not watch
// whether freehold lives (a llama-server): it holds a pipe from freehold as its
// standard input and, when that ends, kills its process group: the engine, all
// that the engine started, and itself. That works on every Unix, however
// freehold ended. On Linux the kernel kills the engine too when the supervisor
// is killed.
func RunSupervisorIfAsked() {
	if os.Getenv(supervisorMark) == "" {
		return
	}
	os.Exit(supervise(os.Args[1:]))
}

func supervise(argv []string) int {
	if len(argv) == 0 {
		fmt.Fprintln(os.Stderr, "freehold supervisor: no program to run")
		return 2
	}
	// The thread that starts the engine must outlive it: see dieWithParent.
	runtime.LockOSThread()
	// freehold signals the group, and the engine hears it itself: here it is
	// caught and dropped. (Ignored, it would be ignored by the engine too.)
	signal.Notify(make(chan os.Signal, 8), syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = withoutMark(os.Environ())
	stayInGroup(cmd)
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "freehold supervisor: %s cannot be run: %v\n", argv[0], err)
		return 127
	}
	go func() {
		// Any end of the pipe means that freehold is gone.
		_, _ = io.Copy(io.Discard, os.Stdin)
		endOwnGroup(cmd.Process)
	}()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if code := exit.ExitCode(); code >= 0 {
			return code
		}
		// The shells' way to tell which signal ended it.
		fmt.Fprintf(os.Stderr, "freehold supervisor: the engine ended: %v\n", exit)
		return signalCode(exit)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "freehold supervisor: %v\n", err)
		return 1
	}
	return 0
}

func withoutMark(env []string) []string {
	var out []string
	for _, kv := range env {
		if len(kv) <= len(supervisorMark) || kv[:len(supervisorMark)+1] != supervisorMark+"=" {
			out = append(out, kv)
		}
	}
	return out
}
