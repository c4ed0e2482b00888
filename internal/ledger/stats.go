package ledger

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats are a ledger's own figures, for metrics and readiness.
type Stats struct {
	// Failing says that requests cannot be begun: the last record could not be
	// journaled, or only where room is kept for the ends of requests.
	Failing bool
	// Backlog is about how many bytes of the journal are not in the store yet,
	// Lag for how long the oldest request that is not has waited.
	Backlog int64
	Lag     time.Duration
	// Segments is how many journal files are kept for requests that are open
	// or not stored, Open how many are open in what was read of them.
	Segments int64
	Open     int64

	Journaled     int64 // records since the start
	JournalErrors int64 // records that could not be journaled
	Stored        int64 // rows since the start
	StoreErrors   int64 // batches that the store did not take at first
	Lost          int64 // requests of an earlier process that never ended
	Damaged       int64 // places in the journal that could not be read
}

// counters are the live form of Stats.
type counters struct {
	failing        atomic.Bool
	since          atomic.Int64 // Unix ns of the oldest record not in the store, 0: none
	segments, open atomic.Int64

	mu sync.Mutex
	at Position // in the journal; everything before is in the store

	records, recordErrors, stored, storeErrors, lost, damaged atomic.Int64

	closeErr error // of the drainer; read after it is done
}

func (c *counters) journaled(err error, tight bool) {
	if err != nil {
		c.recordErrors.Add(1)
	} else {
		c.records.Add(1)
	}
	if failing := err != nil || tight; c.failing.Load() != failing {
		c.failing.Store(failing)
	}
}

func (c *counters) applied(at Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// Stats returns the present figures.
func (l *Ledger) Stats() Stats {
	c := &l.stats
	s := Stats{
		Failing:  c.failing.Load(),
		Segments: c.segments.Load(), Open: c.open.Load(),
		Journaled: c.records.Load(), JournalErrors: c.recordErrors.Load(),
		Stored: c.stored.Load(), StoreErrors: c.storeErrors.Load(),
		Lost: c.lost.Load(), Damaged: c.damaged.Load(),
	}
	if l.journal != nil {
		_, end := l.journal.current()
		c.mu.Lock()
		at := c.at
		c.mu.Unlock()
		if at.Before(end) {
			s.Backlog = int64(end.Segment-at.Segment)*l.opts.SegmentBytes + end.Offset - at.Offset
			s.Segments++
		}
	}
	if since := c.since.Load(); since != 0 {
		s.Lag = max(l.opts.Clock().Sub(time.Unix(0, since)), 0)
	}
	return s
}
