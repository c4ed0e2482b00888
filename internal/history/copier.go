package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// OutsideStatus says how far the copy of the checkpoints at one place has come.
type OutsideStatus struct {
	Where string
	UpTo  int64     // the last record that the place covers, as far as known
	Err   error     // why it is behind; nil: it is not, or its turn is still to come
	Since time.Time // when Err began
}

// Waits between tries of a place that fails.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// copier copies checkpoints to outside places in the background: one goroutine a
// place, since a place may hang for as long as it likes.
type copier struct {
	stop   context.CancelFunc
	places []*place
	wg     sync.WaitGroup
}

type place struct {
	wake chan struct{} // capacity 1: there is something to copy
	last chan struct{} // closed: copy once more, then end

	mu     sync.Mutex
	status OutsideStatus
}

func startCopier(store Store, key *signingKey, where []string, clock func() time.Time, logger *slog.Logger) *copier {
	ctx, cancel := context.WithCancel(context.Background())
	c := &copier{stop: cancel}
	for _, w := range where {
		p := &place{wake: make(chan struct{}, 1), last: make(chan struct{}), status: OutsideStatus{Where: w}}
		c.places = append(c.places, p)
		c.wg.Go(func() {
			known := int64(0) // what the place covered when it was last looked at
			p.run(ctx, clock, logger, func() (int64, error) {
				had, upto, err := copyOutside(ctx, store, key, w)
				if err == nil && had < known {
					logger.Warn("checkpoints of the history that were copied outside were gone there: they were copied anew", "where", w, "had", had, "of", known)
				}
				known = max(known, upto)
				return upto, err
			})
		})
	}
	return c
}

func (c *copier) wake() {
	for _, p := range c.places {
		select {
		case p.wake <- struct{}{}:
		default: // it is going to look anyway
		}
	}
}

func (c *copier) status() []OutsideStatus {
	all := make([]OutsideStatus, len(c.places))
	for i, p := range c.places {
		p.mu.Lock()
		all[i] = p.status
		p.mu.Unlock()
	}
	return all
}

func (c *copier) close(ctx context.Context) error {
	for _, p := range c.places {
		close(p.last)
	}
	ended := make(chan struct{})
	go func() { c.wg.Wait(); close(ended) }()
	var errs []error
	select {
	case <-ended:
		c.stop()
	case <-ctx.Done():
		c.stop()
		errs = append(errs, fmt.Errorf("copying checkpoints outside was not finished: %w", ctx.Err()))
	}
	for _, s := range c.status() {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("the copy of the checkpoints at %s is behind: %w", s.Where, s.Err))
		}
	}
	return errors.Join(errs...)
}

// run copies at start, for what an earlier process left, then whenever it is
// woken, and again after a failure.
func (p *place) run(ctx context.Context, clock func() time.Time, logger *slog.Logger, copyOnce func() (int64, error)) {
	retry := firstRetry
	for {
		upto, err := copyOnce()
		if ctx.Err() != nil {
			return
		}
		p.note(upto, err, clock(), logger)
		var again <-chan time.Time
		if err != nil {
			again, retry = time.After(retry), min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-p.last:
			upto, err := copyOnce()
			p.note(upto, err, clock(), logger)
			return
		case <-p.wake:
		case <-again:
		}
	}
}

// note keeps the outcome and logs when a failure begins and when it ends.
func (p *place) note(upto int64, err error, now time.Time, logger *slog.Logger) {
	p.mu.Lock()
	before := p.status
	p.status.UpTo = max(p.status.UpTo, upto)
	switch {
	case err == nil:
		p.status.Err, p.status.Since = nil, time.Time{}
	case before.Err == nil:
		p.status.Err, p.status.Since = err, now
	default:
		p.status.Err = err
	}
	p.mu.Unlock()
	switch {
	case err != nil && before.Err == nil:
		logger.Error("a checkpoint of the history could not be copied outside: it will be tried again", "where", before.Where, "error", err)
	case err == nil && before.Err != nil:
		logger.Info("the checkpoints of the history are copied outside again", "where", before.Where, "up_to", upto)
	}
}
