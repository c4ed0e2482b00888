package moves

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"freehold/internal/vector/front"
	"freehold/internal/vector/transfer"
)

// Status is where an index is.
type Status struct {
	Name, From, To string
	Why            string // it is not open; empty: it is
	Forbidden      string // why records may not be at the new store; empty: they may
	Move           front.Move
	Lag            front.Lag
	Reads, Shadow  float64
	Job            *JobStatus
	Shadows        Shadows
	// Refused are writes that the store which follows could not carry out, the first.
	Refused []front.Write
	Records int64 // that the new store has
	// Embeddings are of both models; nil: the stores have the same vectors.
	Embeddings *Embeddings
	// Trouble is why the store that follows does not, at the last try; empty: it does.
	Trouble string
}

// JobStatus is how a [Job] goes, or went.
type JobStatus struct {
	Kind           string
	Started, Ended time.Time
	Records, Of    int64
	Err            error
	Report         *transfer.Report
	Tally          transfer.Tally
}

// Shadows is what both stores were asked.
type Shadows struct {
	Queries, Failed int64
	Overlap         float64 // mean, of those that did not fail
	// Pinecone and Store are the medians of the last ones.
	Pinecone, Store time.Duration
}

// seen collects comparisons.
type seen struct {
	mu      sync.Mutex
	n, bad  int64
	overlap float64
	last    []front.Comparison // a ring
	at      int
}

const lastSeen = 512

func (s *seen) add(c front.Comparison) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if c.Failed {
		s.bad++
		return
	}
	s.overlap += c.Overlap
	if len(s.last) < lastSeen {
		s.last = append(s.last, c)
		return
	}
	s.last[s.at%lastSeen] = c
	s.at++
}

func (s *seen) sum() Shadows {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Shadows{Queries: s.n, Failed: s.bad}
	if n := s.n - s.bad; n > 0 {
		out.Overlap = s.overlap / float64(n)
		out.Pinecone = median(s.last, func(c front.Comparison) time.Duration { return c.Pinecone })
		out.Store = median(s.last, func(c front.Comparison) time.Duration { return c.Store })
	}
	return out
}

func median(all []front.Comparison, of func(front.Comparison) time.Duration) time.Duration {
	d := make([]time.Duration, len(all))
	for i := range all {
		d[i] = of(all[i])
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// Names are those of all indexes.
func (k *Keeper) Names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.all))
}

// Status is where an index is.
func (k *Keeper) Status(ctx context.Context, name string) (*Status, error) {
	e, err := k.find(name)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	out := &Status{Name: name, From: e.spec.From.String(), To: e.spec.To.String(), Reads: e.spec.Reads, Shadow: e.spec.Shadow, Shadows: e.shadows.sum(), Embeddings: e.spec.Embeddings}
	out.Move.Phase = e.was
	if out.Embeddings != nil {
		out.Shadow = 0 // what two models find is not compared
	}
	if e.why != nil {
		out.Why = e.why.Error()
		if stage := (*front.StageError)(nil); errors.As(e.why, &stage) && stage.Hint != "" {
			out.Why += ": " + stage.Hint
		}
	}
	ix, job := e.index, e.job
	e.mu.Unlock()
	if job != nil {
		job.mu.Lock()
		out.Job = &JobStatus{Kind: job.Kind, Started: job.Started, Ended: job.ended, Records: job.n, Of: job.of, Err: job.err, Report: job.report, Tally: job.tally}
		job.mu.Unlock()
	}
	if ix == nil {
		return out, nil
	}
	out.Move, out.Trouble = ix.Move(), ix.Trouble()
	if out.Move.Phase != front.Relay {
		if err := e.asked(); err != nil {
			out.Forbidden = err.Error()
		}
	}
	if out.Lag, err = k.o.Ledger.Lag(ctx, name); err != nil {
		return nil, err
	}
	counts, err := k.o.Ledger.Counts(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, n := range counts {
		out.Records += n
	}
	if out.Lag.Refused > 0 {
		out.Refused, err = k.o.Ledger.Writes(ctx, name, front.Refused, 0, 20)
	}
	return out, err
}
