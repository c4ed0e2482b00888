package filelock_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

// A lock whose file is taken away is nobody's any more, and of all that race for it at
// any moment one has it.
func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside, entered atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				l, err := filelock.Try(path)
				if errors.Is(err, filelock.ErrHeld) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have it at once", n)
				}
				entered.Add(1)
				inside.Add(-1)
				if err := l.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if entered.Load() == 0 {
		t.Error("nobody ever had it")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}
