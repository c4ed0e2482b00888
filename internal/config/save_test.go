package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

// A writer that is killed leaves its temporary file: the next one takes it away, and
// nothing else.
func TestSaveSweeps(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	old := time.Now().Add(-time.Hour)
	stay := []string{".config.yaml.swp", ".config.yaml.", ".config.yaml.1x", ".other.yaml.12", "config.yaml.12", ".config.yaml.young.3"}
	for _, name := range append([]string{".config.yaml.12", ".config.yaml.4294967295"}, stay...) {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".config.yaml.7"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".config.yaml.99"), nil, 0o600); err != nil { // of a writer who is at it
		t.Fatal(err)
	}
	if err := Save(file, nil, []byte("a: 1\n")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := append(slices.Clone(stay), ".config.yaml.7", ".config.yaml.99", "config.yaml")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
