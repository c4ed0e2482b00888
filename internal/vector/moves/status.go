package moves

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"freehold/internal/vector"
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
	Shadows        front.Shadows // of this move
	// Refused are writes that the store which follows could not carry out, the first.
	Refused []front.Write
	// Left are records that the last copy could not bring to the new store, the first, and
	// LeftOut how many they are.
	Left    []transfer.Refusal
	LeftOut int64
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
	if err := k.left(ctx, out); err != nil {
		return nil, err
	}
	if out.Lag.Refused > 0 {
		out.Refused, err = k.o.Ledger.Writes(ctx, name, front.Refused, 0, 20)
	}
	return out, err
}

// left reads what the last copy left out, while it may be in the way of a cutover.
func (k *Keeper) left(ctx context.Context, out *Status) error {
	if out.Move.Phase != front.Sync || out.Move.Pass == "" {
		return nil
	}
	tally, err := k.o.Copies.Tally(ctx, out.Move.Pass)
	if err != nil || tally.Refused == 0 {
		return err
	}
	out.LeftOut = tally.Refused
	for r, err := range k.o.Copies.Refused(ctx, out.Move.Pass) {
		if err != nil {
			return err
		}
		// The store that refused it had it by the mapping; people know it by its own id.
		if rec, err := vector.ParseRecord(r.Record); err == nil {
			was := out.Move.Mapping.Back(&rec)
			r.Namespace, r.ID = was.Namespace, was.ID.String()
		}
		if out.Left = append(out.Left, r); len(out.Left) == 20 {
			break
		}
	}
	return nil
}
