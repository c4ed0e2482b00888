package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"freehold/internal/engine"
)

// Versions of the tools. The Go command proves what it downloads against the
// public checksum database.
const (
	lintVersion = "v2.15.0"
	vulnVersion = "v1.9.0"
)

// compiler makes sure of a C compiler, without which the race detector cannot
// be linked.
func compiler(ctx context.Context, _ string) error {
	out, err := exec.CommandContext(ctx, "go", "env", "CC").Output()
	if err != nil {
		return err
	}
	cc, _, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if _, err := exec.LookPath(cc); err == nil {
		return nil
	}
	if apt(ctx, "gcc", "libc6-dev") != nil {
		return errors.New("there is no " + cc + ": install one (Debian: apt install gcc libc6-dev)")
	}
	return nil
}

// localEngine installs the managed engine and the model of the first start, as
// `freehold up` does, by the same code.
func localEngine(ctx context.Context, dir string) error {
	in := &engine.Installer{Dir: dir}
	quiet := func(p engine.Progress) {
		if p.Finished {
			say("installed %s", p.What)
		}
	}
	if _, err := in.Managed(ctx, "", quiet); err != nil {
		return err
	}
	_, err := in.Weights(ctx, engine.DefaultSource, quiet)
	return err
}

func lint(ctx context.Context, dir string) error {
	return goTool(ctx, dir, "golangci-lint", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint", lintVersion)
}

func vuln(ctx context.Context, dir string) error {
	return goTool(ctx, dir, "govulncheck", "golang.org/x/vuln/cmd/govulncheck", vulnVersion)
}

// goTool builds a Go program into dir/bin, named with its version and the Go
// that built it (both tools read code as their own Go does).
func goTool(ctx context.Context, dir, name, pkg, version string) error {
	built := filepath.Join(dir, "bin", fmt.Sprintf("%s-%s-%s", name, version, runtime.Version()))
	link := filepath.Join(dir, "bin", name)
	if !exists(built) {
		say("building %s %s", name, version)
		tmp, err := os.MkdirTemp(dir, "tool-tmp-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		// Without GOFLAGS: -mod or -race of the caller is not meant for it.
		if err := command(ctx, []string{"GOBIN=" + tmp, "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0"}, "go", "install", pkg+"@"+version); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(built), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(tmp, name), built); err != nil {
			return err
		}
	}
	if to, err := os.Readlink(link); err == nil && to == filepath.Base(built) {
		return nil
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(filepath.Base(built), link)
}
