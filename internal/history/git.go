package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Git is where a configuration file stood in its Git checkout.
type Git struct {
	Commit string `json:"commit"`           // hash of HEAD
	Dirty  bool   `json:"dirty"`            // the file differs from that commit, or is not in it
	Author string `json:"author,omitempty"` // of the last commit that touched the file: Name <mail>
}

// GitState asks the git command about a file. It returns nil where the file
// lies in no checkout, the checkout has no commit yet, or there is no git
// command.
func GitState(ctx context.Context, file string) (*Git, error) {
	command, err := exec.LookPath("git")
	if err != nil {
		return nil, nil //nolint:nilerr // no git here is an answer, not a failure
	}
	dir, name := filepath.Split(file)
	if dir == "" {
		dir = "."
	}
	git := func(args ...string) (string, error) {
		// No optional locks: a look must never disturb a git at work. No
		// fsmonitor: a checkout's own settings must not start programs.
		cmd := exec.CommandContext(ctx, command, append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
		}
		return strings.TrimSpace(string(out)), nil
	}
	commit, err := git("rev-parse", "--verify", "--quiet", "HEAD")
	if err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); exited && ctx.Err() == nil {
			return nil, nil // git's plain no: not a checkout, or no commit
		}
		return nil, err
	}
	status, err := git("status", "--porcelain", "--ignored", "--", name)
	if err != nil {
		return nil, err
	}
	author, err := git("log", "-1", "--format=%an <%ae>", "--", name)
	if err != nil {
		return nil, err
	}
	return &Git{Commit: commit, Dirty: status != "", Author: author}, nil
}
