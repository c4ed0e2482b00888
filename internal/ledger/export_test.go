package ledger

import "context"

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
