package ledger

import (
	"errors"
	"fmt"
	"sync"
)

// syncer lets many writers share one fsync: while one is under way all that
// arrive wait, and the first of them then does the next for all. A nil syncer
// never syncs.
type syncer struct {
	mu      sync.Mutex
	done    sync.Cond // that running became false
	running bool
	synced  Position // everything before is on disk for good
	failed  Position // what lies between synced and failed is in doubt
	err     error    // why
}

func newSyncer() *syncer {
	s := new(syncer)
	s.done.L = &s.mu
	return s
}

// retire syncs a segment that gets no more frames.
func (s *syncer) retire(f segmentFile, end Position) error {
	if s == nil {
		return nil
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("fsync: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(end)
	return nil
}

func (s *syncer) advance(to Position) {
	if s.synced.Before(to) {
		s.synced = to
	}
}

// wait returns when every frame of j before pos is on disk for good.
//
// After a failed fsync the operating system may have dropped what it could not
// write and report success the next time, so a failure is final for all that
// the fsync was to cover, and the segment is given up.
func (s *syncer) wait(j *journal, pos Position) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.synced.Before(pos) {
		if !s.failed.Before(pos) {
			return fmt.Errorf("journal: fsync: %w", s.err)
		}
		if s.running {
			s.done.Wait()
			continue
		}
		s.running = true
		s.mu.Unlock()
		f, end := j.current()
		err := errors.New("the segment was given up before it was on disk")
		if f != nil {
			err = f.Sync()
		}
		s.mu.Lock()
		s.running = false
		s.done.Broadcast()
		switch {
		case err == nil:
			s.advance(end)
		case s.synced.Before(end):
			// Not so when the segment was retired meanwhile: then its file is
			// closed, but it was synced before that.
			s.failed, s.err = end, err
			if f != nil {
				s.err = errors.Join(err, j.abandon(f))
			}
		}
	}
	return nil
}
