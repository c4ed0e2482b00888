package moves

import (
	"context"
	"sync"
	"time"

	"freehold/internal/vector/front"
)

// seen collects what both stores of an index found.
type seen struct {
	turn  sync.Mutex // of what changes the state: what is being kept is not forgotten before
	mu    sync.Mutex
	kept  front.Shadows // in the state
	going front.Shadows // on its way there
	fresh front.Shadows // not yet
}

// add adds a comparison of a day.
func (s *seen) add(c *front.Comparison, day string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh.Since == "" {
		s.fresh.Since = day
	}
	s.fresh.Add(c)
}

// sum is all of this move.
func (s *seen) sum() front.Shadows {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out front.Shadows
	out.Merge(&s.kept)
	out.Merge(&s.going)
	out.Merge(&s.fresh)
	return out
}

// keep puts into the state what is not there yet.
func (s *seen) keep(ctx context.Context, l front.Ledger, index string) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	fresh := s.fresh
	s.fresh, s.going = front.Shadows{}, fresh
	s.mu.Unlock()
	if fresh.Queries == 0 {
		return nil
	}
	err := l.AddShadows(ctx, index, &fresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.going = front.Shadows{}
	if err != nil { // it is kept another time
		fresh.Merge(&s.fresh)
		s.fresh = fresh
		return err
	}
	s.kept.Merge(&fresh)
	return nil
}

// load takes up what is in the state.
func (s *seen) load(ctx context.Context, l front.Ledger, index string) error {
	kept, err := l.Shadows(ctx, index)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = kept
	return err
}

// forget begins anew.
func (s *seen) forget(ctx context.Context, l front.Ledger, index string) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.fresh = front.Shadows{}, front.Shadows{}
	return l.DropShadows(ctx, index)
}

// keepEvery is how often what both stores found is put into the state: an end of the
// process without a word loses no more.
const keepEvery = 5 * time.Second

// keepShadows keeps what both stores found until ctx ends.
func (e *entry) keepShadows(ctx context.Context) {
	o, name := e.k.o, e.index.Name
	for ctx.Err() == nil && o.Sleep(ctx, keepEvery) == nil {
		if err := e.shadows.keep(ctx, o.Ledger, name); err != nil && ctx.Err() == nil {
			o.Log.Warn("vectors: what both stores found is not kept yet", "index", name, "error", err)
		}
	}
}

// compared is told what both stores found.
func (e *entry) compared(c front.Comparison) {
	e.shadows.add(&c, e.k.o.Clock().UTC().Format(time.DateOnly))
}
