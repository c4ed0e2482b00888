package front

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// Run has the other store follow, and finishes what is stuck, until ctx ends.
func (ix *Index) Run(ctx context.Context) {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		err := ix.settleStuck(ctx)
		n, ferr := ix.follow(ctx)
		if ferr == nil {
			ferr = ix.settleMissed(ctx)
		}
		err = errors.Join(err, ferr)
		ix.troubled(err)
		if err != nil {
			wait = min(max(2*wait, 100*time.Millisecond), 10*time.Second)
			ix.Log.Warn("vectors: the stores of an index are apart, and it is tried again", "index", ix.Name, "wait", wait, "error", err)
		} else if wait = 0; n > 0 {
			continue
		}
		if wait > 0 {
			if ix.Sleep(ctx, wait) != nil {
				break
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-ix.wake:
		}
	}
	ix.shadows.wait.Wait()
}

func (ix *Index) troubled(err error) {
	if err == nil {
		ix.trouble.Store(nil)
		return
	}
	text := err.Error()
	ix.trouble.Store(&text)
}

// Trouble is why the store that follows does not, at the last try; empty: it does.
func (ix *Index) Trouble() string {
	if t := ix.trouble.Load(); t != nil {
		return *t
	}
	return ""
}

// settleStuck finishes what is stuck, in its order.
func (ix *Index) settleStuck(ctx context.Context) error {
	for w := ix.stuck.first(); w != nil && ctx.Err() == nil; w = ix.stuck.first() {
		if err := ix.settleOne(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (ix *Index) settleOne(ctx context.Context, w *Write) error {
	ix.turning.RLock()
	defer ix.turning.RUnlock()
	defer ix.locks.hold(w.Namespace, w.IDs)()
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return ix.unstick(ctx, w.Namespace, w.IDs) // it may be settled already
}

// settleMissed fetches what the store that follows lacked, while nobody writes it.
func (ix *Index) settleMissed(ctx context.Context) error {
	for w := ix.missed.first(); w != nil && ctx.Err() == nil && ix.Move().Phase == Sync; w = ix.missed.first() {
		var ids []vector.ID
		for _, m := range ix.missed.before(w.Namespace, nil) {
			if len(ids) < batchWrites {
				ids = append(ids, vector.IDOf(m.IDs[0]))
			}
		}
		release, err := ix.Hold(ctx, w.Namespace, ids)
		if err != nil {
			return err
		}
		release()
	}
	return nil
}

// batchWrites is how many writes are read from the record at once.
const batchWrites = 200

// follow has the other store carry out what the authority has, in its order, and
// returns how many writes it was.
func (ix *Index) follow(ctx context.Context) (int, error) {
	ix.turning.RLock()
	defer ix.turning.RUnlock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ix.halt.Store(&stop)
	return ix.followOnce(ctx)
}

// holdTurning holds turning for writing. Writers wait behind it, and it does not wait for a model
// that embeds what follows: that is tried again.
func (ix *Index) holdTurning() {
	if stop := ix.halt.Load(); stop != nil && ix.Models != nil {
		(*stop)()
	}
	ix.turning.Lock()
}

// followOnce is [Index.follow] with turning held.
func (ix *Index) followOnce(ctx context.Context) (done int, err error) {
	if ix.Move().Phase == Relay || ix.Move().Phase == Own {
		return 0, nil
	}
	ix.following.Lock()
	defer ix.following.Unlock()
	writes, err := ix.Ledger.Writes(ctx, ix.Name, Acknowledged, 0, batchWrites)
	if err != nil {
		return 0, err
	}
	for len(writes) > 0 {
		n, err := ix.together(ctx, writes)
		if err != nil {
			return done, err
		}
		done, writes = done+n, writes[n:]
	}
	return done, nil
}

// together carries out the first writes, as many as can be one request, and returns
// how many they were.
func (ix *Index) together(ctx context.Context, writes []Write) (int, error) {
	w, n := writes[0], 1
	if w.Op == Upsert {
		var err error
		if w, n, err = joined(writes, ix.most()); err != nil {
			return 0, err
		}
	}
	seqs := make([]int64, n)
	for i := range seqs {
		seqs[i] = writes[i].Seq
	}
	missed, err := ix.carry(ctx, &w)
	switch {
	case missed:
		ix.missed.add(&w)
		return n, ix.Ledger.Miss(ctx, &w)
	case err == nil:
		return n, ix.Ledger.Forget(ctx, ix.Name, slices.Concat(seqs, ix.made(&w)))
	case definite(err) && n > 1: // each by itself, to find the one
		return ix.together(ctx, writes[:1])
	case definite(err):
		why := status.Convert(err).Message()
		ix.Log.Error("vectors: a write is refused by the store that follows", "index", ix.Name, "write", w.Seq, "op", w.Op, "namespace", w.Namespace, "why", why)
		return 1, ix.Ledger.Refuse(ctx, &writes[0], why)
	}
	return 0, err
}

// carry carries a write out on the follower, apart from the copy that fills it; missed:
// the follower does not have the record.
func (ix *Index) carry(ctx context.Context, given *Write) (missed bool, err error) {
	phase := ix.Move().Phase
	if phase == Sync {
		if err := ix.permitted(given.Op); err != nil { // it waits until it may
			return false, err
		}
	}
	w, why, err := ix.refashioned(ctx, phase, given)
	if err != nil {
		return false, err
	}
	if why != "" { // it is carried out as far as it can be, and told
		defer func() {
			if err == nil {
				missed, err = false, untold(ix.Models.of(!phase.Newer()), why)
			}
		}()
	}
	if w == nil {
		return false, nil
	}
	if phase == Sync {
		defer ix.filling.hold(w.Namespace, w.IDs)()
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if phase == Sync && w.Op == Update && !w.whole() {
		r := &wire.UpdateRequest{}
		if err := proto.Unmarshal(w.Body, r); err != nil {
			return false, fmt.Errorf("write %d: %w", w.Seq, err)
		}
		there, err := ix.Served.updateOne(ctx, w.Namespace, r)
		return err == nil && !there, err
	}
	if _, err = apply(ctx, ix.follower(phase), w); nothing(w, err) {
		err = nil
	}
	return false, err
}

// made are writes that are missed no more, since a later one made the whole record, or
// took it out.
func (ix *Index) made(w *Write) []int64 {
	if w.Op == Update || w.whole() {
		return nil
	}
	var seqs []int64
	for _, m := range ix.missed.before(w.Namespace, w.IDs) {
		ix.missed.remove(m)
		seqs = append(seqs, m.Seq)
	}
	return seqs
}

// most is how many records are carried out at once.
func (ix *Index) most() int {
	if ix.Models != nil { // as many as a model takes at once: what is embedded is not lost when the next ones fail
		return 64
	}
	return 1000
}

// joined is one upsert of several that follow each other in one namespace, of what a
// request may have.
func joined(writes []Write, records int) (Write, int, error) {
	const bytes = 1 << 20
	all := &wire.UpsertRequest{}
	out := writes[0]
	out.IDs = nil
	n, size := 0, 0
	for i := range writes {
		w := &writes[i]
		if w.Op != Upsert || w.Namespace != out.Namespace || n > 0 && (len(out.IDs)+len(w.IDs) > records || size+len(w.Body) > bytes) {
			break
		}
		r := &wire.UpsertRequest{}
		if err := proto.Unmarshal(w.Body, r); err != nil {
			return out, 0, fmt.Errorf("write %d: %w", w.Seq, err)
		}
		all.Namespace, all.Vectors = r.GetNamespace(), append(all.Vectors, r.GetVectors()...)
		out.IDs = append(out.IDs, w.IDs...)
		n, size = n+1, size+len(w.Body)
	}
	if n == 1 {
		return writes[0], 1, nil
	}
	// Of an id that is there twice the last one counts.
	last := make(map[string]int, len(all.GetVectors()))
	for i, v := range all.GetVectors() {
		last[v.GetId()] = i
	}
	kept := all.GetVectors()[:0]
	for i, v := range all.GetVectors() {
		if last[v.GetId()] == i {
			kept = append(kept, v)
		}
	}
	all.Vectors = kept
	var err error
	out.Body, err = proto.Marshal(all)
	return out, n, err
}
