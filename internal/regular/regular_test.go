package regular_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"freehold/internal/regular"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := regular.Read(file, 10); err != nil || !bytes.Equal(b, []byte("0123456789")) {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := regular.Read(file, 9); err == nil {
		t.Errorf("a file over its limit was read: %q", b)
	}
	if b, err := regular.ReadTo(file, 4); err != nil || string(b) != "0123" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := regular.Read(filepath.Join(dir, "none"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := regular.Read(dir, 1); err == nil {
		t.Error("a directory was read")
	}
}
