package front

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/transfer"
)

// StageError is why an index does not go on to where it was told to.
type StageError struct{ Why, Hint string }

func (e *StageError) Error() string { return e.Why }

// only refuses what is for another phase than that in which the index is.
func (ix *Index) only(p Phase, what string) error {
	now := ix.Move().Phase
	if now == p {
		return nil
	}
	return &StageError{fmt.Sprintf("the index %s is in phase %s (%s), and %s is for phase %s", ix.Name, now, now.About(), what, p), now.next(ix.Name)}
}

// some counts things in words.
func some(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", one, "s")
}

// change persists and takes on what the index is from now. turning is held for writing.
func (ix *Index) change(ctx context.Context, m Move) error {
	m.Changed, m.From, m.To = ix.Clock(), ix.From, ix.To
	if err := ix.Ledger.PutMove(ctx, m); err != nil {
		return err
	}
	ix.move.Store(&m)
	return nil
}

// Begin has the other store follow from now on: every write is put on record. Of an
// index that is followed already the mapping stays. embeddings: the new store gets
// vectors of another model; nil: those that Pinecone has.
func (ix *Index) Begin(ctx context.Context, mapping vector.Mapping, allowForbidden bool, embeddings *Embeddings) error {
	ix.holdTurning()
	defer ix.turning.Unlock()
	if ix.Move().Phase == Sync {
		return nil
	}
	if err := ix.only(Relay, "a sync"); err != nil {
		return err
	}
	if err := mapping.Check(); err != nil {
		return err
	}
	m := ix.Move()
	m.Phase, m.Mapping, m.Contract, m.AllowForbidden = Sync, mapping, ix.old, allowForbidden
	m.Embeddings = embeddings
	m.Pass, m.PassFrom, m.Passed = "", time.Time{}, time.Time{}
	if err := ix.Ledger.Clear(ctx, ix.Name); err != nil {
		return err
	}
	ix.Served.Mapping, ix.Served.Contract = mapping, m.Served()
	return ix.change(ctx, m)
}

// Fill copies what the source has into the other store, beside the applications that
// write. o has no target, mapping and id, which are the index's own; id names the
// copy, and one that was begun under it goes on. o's embedding, where it has one, makes
// the vectors that are copied, in the place of the index's own.
func (ix *Index) Fill(ctx context.Context, id string, o transfer.Options) (transfer.Tally, error) {
	m, err := ix.filled(ctx, id)
	if err != nil {
		return transfer.Tally{}, err
	}
	if err := ix.adopt(ctx); err != nil {
		return transfer.Tally{}, err
	}
	g := &guarded{Target: ix.Served.Target, ix: ix, since: m.PassFrom.Add(-freshness), by: o.Embedding}
	if g.by == nil && ix.Models != nil {
		g.by = ix.Models.Embedding(ix.Models.New)
	}
	o.ID, o.Mapping, o.Target, o.Embedding = id, m.Mapping, &asking{g}, nil
	tally, err := ix.fill(ctx, g, o)
	if err != nil {
		return tally, err
	}
	ix.holdTurning()
	defer ix.turning.Unlock()
	if err := ix.only(Sync, "a copy"); err != nil {
		return tally, err
	}
	m = ix.Move()
	if err := ix.mended(ctx, m.PassFrom); err != nil {
		return tally, err
	}
	m.Passed = ix.Clock()
	return tally, ix.change(ctx, m)
}

// mended forgets writes that were refused before a copy began: it has read what came
// of them.
func (ix *Index) mended(ctx context.Context, before time.Time) error {
	refused, err := ix.Ledger.Writes(ctx, ix.Name, Refused, 0, math.MaxInt32)
	if err != nil {
		return err
	}
	var seqs []int64
	for i := range refused {
		if refused[i].At.Before(before) {
			seqs = append(seqs, refused[i].Seq)
		}
	}
	return ix.Ledger.Forget(ctx, ix.Name, seqs)
}

// fill copies all namespaces, also those that appear meanwhile, and takes out what the
// source does not have.
func (ix *Index) fill(ctx context.Context, g *guarded, o transfer.Options) (transfer.Tally, error) {
	known := slices.Clone(o.Namespaces)
	o.More = func(ctx context.Context) (more []string, err error) {
		d, err := o.Source.Describe(ctx)
		if err != nil {
			return nil, err
		}
		for _, ns := range d.Namespaces {
			if !slices.Contains(known, ns.Name) {
				known, more = append(known, ns.Name), append(more, ns.Name)
			}
		}
		return more, nil
	}
	tally, err := transfer.Run(ctx, o)
	if err != nil {
		return tally, err
	}
	return tally, g.prune(ctx, &o)
}

// filled notes that a copy is under way.
func (ix *Index) filled(ctx context.Context, id string) (Move, error) {
	ix.holdTurning()
	defer ix.turning.Unlock()
	m := ix.Move()
	if err := ix.only(Sync, "a copy"); err != nil {
		return m, err
	}
	if m.Pass == id {
		return m, nil
	}
	m.Pass, m.PassFrom = id, ix.Clock()
	// What was written before this copy begins is in what it reads, but for what the
	// source does not show yet.
	if err := ix.Ledger.Untouch(ctx, ix.Name, m.PassFrom.Add(-freshness)); err != nil {
		return m, err
	}
	return m, ix.change(ctx, m)
}

// adopt puts into the directory what the store has already.
func (ix *Index) adopt(ctx context.Context) error {
	counts, err := ix.Ledger.Counts(ctx, ix.Name)
	if err != nil || len(counts) > 0 {
		return err
	}
	s := ix.Served
	d, err := s.Target.Describe(ctx)
	if err != nil {
		return err
	}
	for _, ns := range d.Namespaces {
		for u, err := range s.Target.Units(ctx, ns.Name, "", 1000) {
			if err != nil {
				return err
			}
			for records, err := range s.Target.Read(ctx, u) {
				if err != nil {
					return err
				}
				by := map[string][]string{}
				for i := range records {
					r := s.Mapping.Back(&records[i])
					by[r.Namespace] = append(by[r.Namespace], r.ID.String())
				}
				for of, ids := range by {
					if err := ix.Ledger.AddIDs(ctx, ix.Name, of, ids); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// Hold keeps applications from writing records, once the store that follows has all
// that they wrote of them.
func (ix *Index) Hold(ctx context.Context, namespace string, ids []vector.ID) (release func(), err error) {
	names := make([]string, len(ids))
	for i := range ids {
		names[i] = ids[i].String()
	}
	ix.turning.RLock()
	unlock := ix.locks.hold(namespace, names)
	release = func() {
		unlock()
		ix.turning.RUnlock()
	}
	if err = ix.unstick(ctx, namespace, names); err == nil {
		err = ix.drain(ctx)
	}
	if err == nil {
		err = ix.fetchMissed(ctx, namespace, names)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// drain has the store that follows carry out what is on record by now.
func (ix *Index) drain(ctx context.Context) error {
	lag, err := ix.Ledger.Lag(ctx, ix.Name)
	for left := lag.Acknowledged; err == nil && left > 0; {
		var n int
		if n, err = ix.followOnce(ctx); n == 0 {
			return err
		}
		left -= int64(n)
	}
	return err
}

// Blocked says why the index cannot be cut over, but for what a verification finds;
// nil: nothing is in the way.
func (ix *Index) Blocked(ctx context.Context) error {
	if err := ix.only(Sync, "a cutover"); err != nil {
		return err
	}
	if ix.Move().Passed.IsZero() {
		return &StageError{"the new store does not have all records yet", "freehold vectors sync " + ix.Name + " fills it, and shows how far it is"}
	}
	lag, err := ix.Ledger.Lag(ctx, ix.Name)
	if err == nil && lag.Refused > 0 {
		err = &StageError{"the new store could not carry out " + some(lag.Refused, "write"), "freehold vectors status " + ix.Name + " names them; freehold vectors sync " + ix.Name + " --again copies what became of those records"}
	}
	return err
}

// Cutover makes the new store the authority, when it has all that Pinecone has.
func (ix *Index) Cutover(ctx context.Context) error {
	if err := ix.Blocked(ctx); err != nil {
		return err
	}
	return ix.turn(ctx, Sync, Cut, "a cutover")
}

// Rollback makes Pinecone the authority again, when it has all that was written since.
func (ix *Index) Rollback(ctx context.Context) error {
	if err := ix.only(Cut, "a rollback"); err != nil {
		return err
	}
	return ix.turn(ctx, Cut, Sync, "a rollback")
}

// Leave has the other store follow no more, before a cutover: Pinecone is alone again.
func (ix *Index) Leave(ctx context.Context) error {
	return ix.alone(ctx, Sync, Relay, "an end of the sync")
}

// Finish has Pinecone follow no more, after a cutover: there is no way back.
func (ix *Index) Finish(ctx context.Context) error {
	return ix.alone(ctx, Cut, Own, "an end of the way back")
}

func (ix *Index) alone(ctx context.Context, from, to Phase, what string) error {
	ix.holdTurning()
	defer ix.turning.Unlock()
	if err := ix.only(from, what); err != nil {
		return err
	}
	for w := ix.stuck.first(); w != nil; w = ix.stuck.first() {
		if err := ix.retry(ctx, w); err != nil {
			return fmt.Errorf("a write is not finished: %w", err)
		}
	}
	m := ix.Move()
	if m.Phase = to; to == Relay {
		m.Embeddings = nil
	}
	if err := ix.Ledger.Drop(ctx, ix.Name); err != nil {
		return err
	}
	ix.missed.clear()
	return ix.change(ctx, m)
}

// turnTime is how long writes may wait for the authority to change.
const turnTime = 10 * time.Second

// turn changes the authority while nobody writes.
func (ix *Index) turn(ctx context.Context, from, to Phase, what string) error {
	// Most of what is behind follows while applications go on writing.
	few := batchWrites
	if ix.Models != nil { // writers wait for the model while the rest follows
		few = 8
	}
	for range 100 {
		if n, err := ix.follow(ctx); err != nil {
			return fmt.Errorf("what was written has to follow first: %w", err)
		} else if n < few {
			break
		}
	}
	if from == Cut {
		if err := ix.mend(ctx); err != nil {
			return fmt.Errorf("what Pinecone refused has to follow first: %w", err)
		}
	}
	ix.holdTurning()
	defer ix.turning.Unlock()
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	if err := ix.only(from, what); err != nil {
		return err
	}
	for w := ix.stuck.first(); w != nil; w = ix.stuck.first() {
		if err := ix.retry(ctx, w); err != nil {
			return fmt.Errorf("a write is not finished: %w", err)
		}
	}
	for {
		n, err := ix.followOnce(ctx)
		if err != nil {
			return fmt.Errorf("what was written has to follow first: %w", err)
		}
		if n == 0 {
			break
		}
	}
	for w := ix.missed.first(); w != nil; w = ix.missed.first() {
		if err := ix.fetchMissed(ctx, w.Namespace, nil); err != nil {
			return fmt.Errorf("what was written has to follow first: %w", err)
		}
	}
	lag, err := ix.Ledger.Lag(ctx, ix.Name)
	if err != nil {
		return err
	}
	if lag.Acknowledged+lag.Begun > 0 {
		return errors.New("not all that was written has followed")
	}
	if lag.Refused > 0 {
		if from == Cut {
			return ix.unmended(ctx, lag.Refused)
		}
		return ix.Blocked(ctx)
	}
	m := ix.Move()
	m.Phase, m.Turned = to, ix.Clock()
	return ix.change(ctx, m)
}
