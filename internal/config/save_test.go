package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSave(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(real, []byte("a: 1\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := Save(link, []byte("a: 1\n"), []byte("a: 2\n")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if got, err := os.ReadFile(real); err != nil || string(got) != "a: 2\n" {
		t.Errorf("got %q %v", got, err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	if err := Save(link, []byte("a: 1\n"), []byte("a: 3\n")); !errors.Is(err, ErrChanged) {
		t.Errorf("a changed file was overwritten: %v", err)
	}
	if err := Save(link, nil, []byte("a: 3\n")); !errors.Is(err, ErrChanged) {
		t.Errorf("an existing file was overwritten: %v", err)
	}
	if err := os.Chmod(real, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := Save(link, []byte("a: 2\n"), []byte("a: 3\n")); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "config_writes") {
		t.Errorf("a read-only file was overwritten: %v", err)
	}
	if err := Save(dir, nil, nil); err == nil {
		t.Error("a directory was overwritten")
	}
	fresh := filepath.Join(dir, "fresh.yaml")
	if err := Save(fresh, nil, []byte("b: 1\n")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fresh); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of a new file %v %v", info, err)
	}
	if err := Save(fresh+"/x/y", nil, nil); err == nil {
		t.Error("a file below a file was written")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}
