//go:build unix

package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Nothing but a regular file is read: the test would hang otherwise.
func TestReadOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	env := OSEnv(testCatalog{})
	for path, want := range map[string]string{pipe: "a pipe", "/dev/zero": "a device", dir: "a directory"} {
		if _, ds := Load(path, env); !strings.Contains(ds.String(), "not a regular file but "+want) {
			t.Errorf("loading %s: %s", path, ds)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	src := "providers:\n  p: {preset: openai, api_key: \"${file:pipe}\"}\n"
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ds := Load(file, env); !strings.Contains(ds.String(), "${file:pipe}: not a regular file but a pipe") {
		t.Errorf("a secret behind a pipe: %s", ds)
	}
}

func TestReadBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, bytes.Repeat([]byte{'#'}, 3*maxFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if src, err := OSEnv(nil).ReadFile(file); err != nil || len(src) != maxFile+1 {
		t.Errorf("%d bytes read, %v", len(src), err)
	}
	if _, ds := Load(file, OSEnv(testCatalog{})); !strings.Contains(ds.String(), "the file is too large") {
		t.Errorf("loading it: %s", ds)
	}
}
