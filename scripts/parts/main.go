// Command parts installs into .parts/ what tests and lint need beside the
// module's own dependencies, pinned by version and hash:
//
//	go run ./scripts/parts [cc] [python] [engine] [qdrant] [pinecone] [pgvector] [chroma] [milvus] [milvus-server] [minilm] [lint] [vuln]
//
// A part that is there is left alone, an interrupted run leaves nothing half
// installed, and several runs at once wait for each other. A part that cannot
// be installed here is one line: in CI (CI=true) an error, elsewhere the tests
// that need it are skipped and say so.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"freehold/internal/ledger/filelock"
)

// part is one thing to install below dir.
type part struct {
	name, what string
	install    func(ctx context.Context, dir string) error
}

var parts = []part{
	{"cc", "a C compiler for the race detector", compiler},
	{"python", pythonSDKs.what, pythonSDKs.install},
	{"engine", "the local engine and its start model", localEngine},
	{"qdrant", qdrantEngine.what, qdrantEngine.install},
	{"pinecone", pineconeClient.what, pineconeClient.install},
	{"pgvector", postgres.what, postgres.install},
	{"milvus", milvusLite.what, milvusLite.install},
	{"milvus-server", milvusServer.what, milvusServer.install},
	{"chroma", chroma.what, chroma.install},
	{"minilm", miniLM.what, miniLM.install},
	{"lint", "golangci-lint " + lintVersion, lint},
	{"vuln", "govulncheck " + vulnVersion, vuln},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "parts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) (err error) {
	dir, err := partsDir()
	if err != nil {
		return err
	}
	lock, err := filelock.Wait(filepath.Join(dir, "parts.lock"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	for _, name := range names {
		p, err := find(name)
		if err != nil {
			return err
		}
		switch err := p.install(ctx, dir); {
		case err == nil:
		case ctx.Err() != nil:
			return errors.New("interrupted: nothing is left half installed, run it again")
		case os.Getenv("CI") == "true":
			return fmt.Errorf("%s cannot be installed: %w", p.what, err)
		default:
			fmt.Fprintf(os.Stderr, "parts: without %s (what needs it is skipped): %v\n", p.what, err)
		}
	}
	return nil
}

func find(name string) (part, error) {
	known := make([]string, len(parts))
	for i, p := range parts {
		if p.name == name {
			return p, nil
		}
		known[i] = p.name
	}
	return part{}, fmt.Errorf("no part is called %q: there are %s", name, strings.Join(known, ", "))
}

// partsDir is the directory that everything goes to; tests look for it in the
// same way (internal/engine/enginetest).
func partsDir() (string, error) {
	dir := os.Getenv("FREEHOLD_TEST_CACHE")
	if dir == "" {
		if _, err := os.Stat("go.mod"); err != nil {
			return "", errors.New("run it in the root of the repository, where go.mod is")
		}
		dir = ".parts"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// What is written down of it must outlast a checkout that has a link to it.
	return filepath.EvalSymlinks(dir)
}

// command runs a program, which ends when ctx does; its output is shown only
// if it fails, and then only the end.
func command(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if n := len(lines); n > 6 {
		lines = lines[n-6:]
	}
	return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.Join(lines, " / "))
}

// exists reports whether there is a file or directory.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func say(format string, args ...any) { fmt.Printf("parts: "+format+"\n", args...) }
