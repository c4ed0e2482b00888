package ledger

import (
	"context"
	"io"
)

// SegmentFile is segmentFile, for tests that make writing fail.
type SegmentFile = segmentFile

// WrapSegments makes every segment that is begun from now on pass through wrap.
func (l *Ledger) WrapSegments(wrap func(SegmentFile) SegmentFile) {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	create := l.journal.create
	l.journal.create = func(path string, size int64) (segmentFile, error) {
		f, err := create(path, size)
		if err != nil {
			return nil, err
		}
		return wrap(f), nil
	}
}

// PruneNow removes old rows until none is left.
func (l *Ledger) PruneNow(ctx context.Context) {
	for l.prune(ctx) != pruneEvery {
	}
}

// Undrained returns a ledger that nothing reads the journal of: what it takes
// to record a request is then all that happens in the process.
func Undrained(dir string) (*Ledger, io.Closer) {
	l := newLedger(nil, Options{}.withDefaults())
	l.journal = &journal{dir: dir, limit: l.opts.SegmentBytes, create: createSegment(false)}
	return l, closeFunc(l.journal.close)
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

// BeginIn is Begin with a buffer of the caller's in place of one of the pool,
// from which the race detector takes buffers at random.
func (l *Ledger) BeginIn(buf *[]byte, r *Row) error { return l.recordIn(buf, kindBegin, r, true) }

// EndIn is End with a buffer of the caller's.
func (l *Ledger) EndIn(buf *[]byte, r *Row) error { return l.recordIn(buf, kindEnd, r, true) }
