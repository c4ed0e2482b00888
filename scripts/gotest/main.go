// Command gotest runs `go test` with the arguments given to it, shows what go
// test would show, and closes with what was skipped and why:
//
//	go run ./scripts/gotest [-allow FILE] -- -race ./...
//
// In CI (CI=true) a test that skips without being in FILE fails the run, so
// that nothing is left out unseen.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	allow := flag.String("allow", "scripts/gotest/skips.txt", "`file` of tests that may skip in CI")
	flag.Parse()
	code, err := run(*allow, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run runs go test and returns its exit code, or 1 if a test skipped that may
// not.
func run(allow string, args []string) (int, error) {
	allowed, err := readAllowed(allow)
	if err != nil {
		return 1, err
	}
	// go test hears an interrupt too and ends by itself; wait for it. (Ignoring
	// the signal would make go test ignore it as well.)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	if os.Getenv("GORACE") == "" {
		// The race detector has each program sleep for a second before it ends.
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	report := newReport(os.Stdout)
	if err := each(stdout, report.add); err != nil {
		return 1, errors.Join(err, cmd.Wait())
	}
	err = cmd.Wait()
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = max(1, exit.ExitCode())
	} else if err != nil {
		return 1, err
	}
	if bad := report.close(allowed, os.Getenv("CI") == "true"); bad > 0 {
		return 1, fmt.Errorf("%d tests skipped in CI that %s does not allow", bad, allow)
	}
	return code, nil
}

// each decodes the events of go test -json; other lines (of a failed build) are
// passed as output.
func each(r io.Reader, f func(event)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				e = event{Action: "output", Output: string(line)}
			}
			f(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
