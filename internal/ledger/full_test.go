package ledger_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"syscall"
	"testing"

	"freehold/internal/ledger"
	"freehold/internal/store/storetest"
)

// smallDisk is a disk on which every segment together may have room bytes.
type smallDisk struct {
	mu         sync.Mutex
	room       int64
	noTruncate bool
	noSync     bool
}

type smallFile struct {
	ledger.SegmentFile
	disk *smallDisk
}

func (f smallFile) WriteAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := min(int64(len(b)), f.disk.room)
	f.disk.room -= n
	written, err := f.SegmentFile.WriteAt(b[:n], off)
	if err == nil && written < len(b) {
		err = syscall.ENOSPC
	}
	return written, err
}

func (f smallFile) Truncate(size int64) error {
	if f.disk.noTruncate {
		return errors.New("truncate: input/output error")
	}
	return f.SegmentFile.Truncate(size)
}

func (f smallFile) Sync() error {
	if f.disk.noSync {
		return errors.New("fsync: input/output error")
	}
	return f.SegmentFile.Sync()
}

func TestFullDisk(t *testing.T) {
	for name, disk := range map[string]*smallDisk{
		"half a record is cut off":               {room: 3000},
		"a segment with half a record is closed": {room: 3000, noTruncate: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := storetest.NewMemory()
			l := open(t, dir, s, ledger.Options{})
			l.WrapSegments(func(f ledger.SegmentFile) ledger.SegmentFile { return smallFile{f, disk} })

			taken := make(map[string]bool)
			var failure error
			n := 0
			for ; failure == nil; n++ {
				if failure = l.End(storetest.Row(n)); failure == nil {
					taken[storetest.Row(n).ID] = true
				}
			}
			if !errors.Is(failure, syscall.ENOSPC) {
				t.Fatalf("error %v, want no space", failure)
			}
			if err := l.Begin(begun(n)); err == nil {
				t.Error("a request was begun on a full disk")
			}
			if st := l.Stats(); !st.Failing || st.JournalErrors < 2 {
				t.Errorf("stats: %+v", st)
			}
			disk.mu.Lock()
			disk.room = 1 << 20
			disk.mu.Unlock()
			for range 3 {
				n++
				must(t, l.End(storetest.Row(n)))
				taken[storetest.Row(n).ID] = true
			}
			if st := l.Stats(); st.Failing {
				t.Errorf("stats: %+v", st)
			}
			// A crash now would leave some rows in the store, the others in the
			// journal.
			copied := crash(t, dir)
			left := stored(t, s)
			crashed, _ := recovered(t, copied)
			maps.Copy(left, stored(t, crashed))
			must(t, l.Sync(t.Context()))
			for _, rows := range []map[string]*ledger.Row{stored(t, s), left} {
				if len(rows) != len(taken) {
					t.Errorf("%d rows, %d were taken", len(rows), len(taken))
				}
				for id := range taken {
					if rows[id] == nil {
						t.Errorf("%s was taken and is not stored", id)
					}
				}
			}
			if st := l.Stats(); st.Damaged != 0 {
				t.Errorf("stats: %+v", st)
			}
		})
	}
}

// TestEndsFitWhereNothingBegins: when no new segment can be had, what was
// accepted can still be settled in the present one.
func TestEndsFitWhereNothingBegins(t *testing.T) {
	s := storetest.NewMemory()
	l := open(t, t.TempDir(), s, ledger.Options{SegmentBytes: 32 << 10})
	must(t, l.Begin(begun(0)))
	disk := &smallDisk{}
	l.WrapSegments(func(f ledger.SegmentFile) ledger.SegmentFile { return smallFile{f, disk} })
	var open []int
	for n := 1; ; n++ {
		if l.Begin(begun(n)) != nil {
			break
		}
		open = append(open, n)
	}
	if len(open) < 20 {
		t.Fatalf("only %d requests were begun", len(open))
	}
	for _, n := range open[:4] {
		must(t, l.End(storetest.Row(n)))
		if !l.Stats().Failing {
			t.Error("nothing can be begun, and the ledger does not say so")
		}
	}
	if err := l.Check(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("check without room: %v", err)
	}
	disk.mu.Lock()
	disk.room = 1 << 20
	disk.mu.Unlock()
	if err := l.Check(); err != nil || l.Stats().Failing {
		t.Errorf("check with room again: %v, %+v", err, l.Stats())
	}
	must(t, l.Begin(begun(1000)))
	must(t, l.Sync(context.Background()))
	if n := len(stored(t, s)); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
}

func TestFailedFsyncIsAnError(t *testing.T) {
	disk := &smallDisk{room: 1 << 20}
	l := open(t, t.TempDir(), storetest.NewMemory(), ledger.Options{Durability: ledger.Disk})
	l.WrapSegments(func(f ledger.SegmentFile) ledger.SegmentFile { return smallFile{f, disk} })
	must(t, l.Begin(begun(0)))
	disk.noSync = true
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			if err := l.Begin(begun(n)); err == nil {
				t.Error("a record that is not on disk was taken")
			}
		})
	}
	wg.Wait()
	disk.noSync = false
	must(t, l.Begin(begun(9)))
}
