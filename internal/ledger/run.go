package ledger

import (
	"context"
	"errors"
	"time"
)

const (
	// maxBackoff bounds the pause after a store that took nothing.
	maxBackoff = 10 * time.Second
	// pruneRows is how many rows are removed at a time; the writing connection
	// is free in between.
	pruneRows = 500
	// pruneEvery is how often old rows are looked for.
	pruneEvery = time.Hour
)

// run moves the journal into the store until Close: what earlier owners left
// at once, then whatever is journaled, an interval after the first of it.
func (l *Ledger) run(d *drainer) {
	defer close(l.done)
	// Nothing cancels what is stored: Close waits for it.
	ctx := context.Background()

	due := time.NewTimer(l.opts.Interval) // to drain
	due.Stop()
	defer due.Stop()
	prune := time.NewTimer(0)
	defer prune.Stop()
	backoff := l.opts.Interval
	drain := func() error {
		err := l.drain(ctx, d)
		if err == nil {
			backoff = l.opts.Interval
			return nil
		}
		backoff = min(2*backoff, maxBackoff)
		due.Reset(backoff)
		l.opts.Log.Error("the ledger's store took no rows; they wait in the journal", "error", err, "retry_in", backoff)
		return err
	}
	// An error is logged, and tried again.
	_ = drain()
	for {
		select {
		case <-l.wake:
			due.Reset(l.opts.Interval)
		case <-due.C:
			_ = drain()
		case reply := <-l.syncs:
			reply <- drain()
		case <-prune.C:
			prune.Reset(l.prune(ctx))
		case <-l.stop:
			l.stats.closeErr = errors.Join(l.drain(ctx, d), d.close())
			return
		}
	}
}

// drain stores everything that is journaled at its beginning.
func (l *Ledger) drain(ctx context.Context, d *drainer) error {
	l.dirty.Store(false)
	_, end := l.journal.current()
	began := l.opts.Clock().UnixNano()
	err := d.drain(ctx, end)
	switch {
	case err != nil:
	case l.dirty.Load():
		// Records came meanwhile, none of them before began.
		l.stats.since.Store(began)
	default:
		l.stats.since.Store(0)
	}
	return err
}

// prune removes some rows that are older than they are kept for, and returns
// when to go on.
func (l *Ledger) prune(ctx context.Context) time.Duration {
	keep := time.Duration(l.keep.Load())
	if keep <= 0 {
		return pruneEvery
	}
	before := l.opts.Clock().UTC().Add(-keep).Truncate(time.Hour)
	n, err := l.store.Prune(ctx, before, pruneRows)
	if err != nil {
		l.opts.Log.Error("old rows of the ledger could not be removed", "error", err, "before", before)
		return pruneEvery
	}
	if n == pruneRows {
		return l.opts.Interval / 10
	}
	return pruneEvery
}
