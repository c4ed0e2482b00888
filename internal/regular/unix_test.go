//go:build unix

package regular_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"freehold/internal/regular"
)

// Nothing but a regular file is read: the test would hang otherwise.
func TestReadNoPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{pipe: "a pipe", "/dev/zero": "a device", filepath.Dir(pipe): "a directory"} {
		if _, err := regular.Read(path, 1<<20); !errors.Is(err, regular.ErrIrregular) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
