package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// drainer is the public handler with a count of what must come to its own end
// before the server stops. While it drains the listener stays open, so that new
// requests hear from the server that it goes, and when to ask again, rather than
// nothing.
type drainer struct {
	http.Handler
	draining *atomic.Bool
	underWay atomic.Int64 // requests that came before the draining
}

func (d *drainer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.draining.Load() {
		d.underWay.Add(1)
		defer d.underWay.Add(-1)
	}
	d.Handler.ServeHTTP(w, r)
}

// drain returns when nothing is under way any more, or ctx ends.
func (d *drainer) drain(ctx context.Context) {
	d.draining.Store(true)
	tick := time.NewTicker(busyPoll)
	defer tick.Stop()
	for d.underWay.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
