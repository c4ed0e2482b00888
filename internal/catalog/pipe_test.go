//go:build unix

package catalog_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"freehold/internal/catalog"
	"freehold/internal/regular"
)

// A pipe where a file of the catalog should be is refused: reading it would
// block a reload for ever.
func TestNoPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]catalog.Options{
		"prices": {PricesFile: pipe}, "models": {ModelsFile: pipe}, "presets": {PresetsDir: dir},
	} {
		if _, err := catalog.Load(o); !errors.Is(err, regular.ErrIrregular) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := catalog.Load(catalog.Options{PresetsDir: pipe}); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a pipe as directory: %v", err)
	}
}
