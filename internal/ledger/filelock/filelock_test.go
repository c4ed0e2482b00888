package filelock_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/ledger/filelock"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrHeld) || !strings.Contains(err.Error(), path) {
		t.Fatalf("second Try: %v, want ErrHeld with the path", err)
	}
	waited := make(chan *filelock.Lock)
	go func() {
		l, err := filelock.Wait(path)
		if err != nil {
			t.Error(err)
		}
		waited <- l
	}()
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	second := <-waited
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrHeld) {
		t.Fatalf("Try while another waits no more: %v", err)
	}
	if err := second.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(filepath.Join(path, "below")); err == nil || errors.Is(err, filelock.ErrHeld) {
		t.Errorf("Try below a file: %v", err)
	}
}
