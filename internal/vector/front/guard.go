package front

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
	"freehold/internal/vector/transfer"
)

// freshness is how long a store may show what was there before a write that it has
// acknowledged.
const freshness = 5 * time.Minute

// guarded is the other store while a copy fills it: what applications have written
// since is never overwritten by what was read before, and what they have deleted does
// not come back.
type guarded struct {
	vector.Target
	ix    *Index
	since time.Time // writes since then may not be in what is read
	// by makes the vectors that the records get; nil: they keep theirs.
	by vector.Embedding
}

// Put implements [vector.Target].
func (g *guarded) Put(ctx context.Context, namespace string, records []vector.Record) error {
	s := g.ix.Served
	spaces := map[string][]vector.Record{} // as they were before the mapping
	for i := range records {
		r := s.Mapping.Back(&records[i])
		if !s.Mapping.Flat {
			r.Namespace = namespace
		}
		spaces[r.Namespace] = append(spaces[r.Namespace], r)
	}
	refused := map[vector.ID]string{}
	for ns, group := range spaces {
		err := g.put(ctx, ns, group)
		var no *vector.RefusedError
		if errors.As(err, &no) {
			for id, why := range no.Records {
				refused[s.Mapping.ID(ns, id)] = why
			}
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

func (g *guarded) put(ctx context.Context, ns string, records []vector.Record) error {
	made, err := g.ix.ahead(ctx, g.by, records)
	if err != nil {
		return err
	}
	unsure, err := g.putSure(ctx, ns, records, made)
	var no *vector.RefusedError
	if err != nil && !errors.As(err, &no) || len(unsure) == 0 {
		return err
	}
	// Most of what is behind follows while applications go on writing.
	for range 100 {
		n, err := g.ix.follow(ctx)
		if err != nil {
			return g.away(err)
		}
		if n < batchWrites {
			break
		}
	}
	release, err := g.ix.Hold(ctx, ns, unsure)
	if err != nil {
		return g.away(err)
	}
	defer release()
	return both(no, g.ix.refetch(ctx, g.by, ns, unsure, g.since, nil, made))
}

// away is why writes do not follow, which a copy waits for.
func (g *guarded) away(err error) error {
	return &vector.Error{Trouble: vector.Unavailable, Store: "index " + g.ix.Name, Doing: "follow", Cause: err}
}

// both are the refusals of two writes of other records.
func both(a *vector.RefusedError, err error) error {
	var b *vector.RefusedError
	switch {
	case a == nil || err != nil && !errors.As(err, &b):
		return err
	case b != nil:
		maps.Copy(a.Records, b.Records)
	}
	return a
}

// putSure puts records that are what they were read as, whatever of their namespace's
// writes was carried out before. It returns those of which that is not sure.
func (g *guarded) putSure(ctx context.Context, ns string, records []vector.Record, made map[string][]float32) (unsure []vector.ID, err error) {
	ids := make([]string, len(records))
	for i := range records {
		ids[i] = records[i].ID.String()
	}
	defer g.ix.filling.hold(ns, ids)()
	touched, err := g.ix.Ledger.Touched(ctx, g.ix.Name, ns, ids, g.since)
	if err != nil {
		return nil, err
	}
	log, err := g.ix.barriers(ctx, ns, g.since)
	if err != nil {
		return nil, err
	}
	sure := make([]vector.Record, 0, len(records))
	for i := range records {
		switch r := &records[i]; {
		case touched[ids[i]]: // it follows by the write
		case slices.ContainsFunc(log, func(b barrier) bool { return b.changes(r) }):
			unsure = append(unsure, r.ID)
		default:
			sure = append(sure, *r)
		}
	}
	if len(sure) == 0 {
		return unsure, nil
	}
	return unsure, g.ix.put(ctx, g.by, ns, sure, made)
}

// refetch reads records once more and puts them, while nobody writes them and all that
// was written has followed. missed are writes of them that are known to be missing. by
// and made are those of [Index.put].
func (ix *Index) refetch(ctx context.Context, by vector.Embedding, ns string, ids []vector.ID, since time.Time, missed []barrier, made map[string][]float32) error {
	names := make([]string, len(ids))
	for i := range ids {
		names[i] = ids[i].String()
	}
	defer ix.filling.hold(ns, names)()
	touched := map[string]bool{}
	if missed == nil {
		var err error
		if touched, err = ix.Ledger.Touched(ctx, ix.Name, ns, names, since); err != nil {
			return err
		}
	}
	if recent := ix.Clock().Add(-freshness); recent.After(since) {
		since = recent
	}
	log, err := ix.barriers(ctx, ns, since)
	if err != nil {
		return err
	}
	log = append(log, missed...)
	slices.SortFunc(log, func(a, b barrier) int { return cmp.Compare(a.seq, b.seq) })
	records, err := ix.Source(ctx, ns, ids)
	if err != nil {
		return err
	}
	left := make([]vector.Record, 0, len(records))
	for i := range records {
		if touched[records[i].ID.String()] {
			continue
		}
		there, err := bring(&records[i], log)
		if err != nil {
			return err
		}
		if there {
			left = append(left, records[i])
		}
	}
	if len(left) == 0 {
		return nil
	}
	return ix.put(ctx, by, ns, left, made)
}

// barrier is a write about a whole namespace, or an update of one record, as it is
// held against a record that was read at about its time.
type barrier struct {
	seq    int64
	id     string // only this one
	filter *vector.Filter
	update *wire.UpdateRequest // nil: a deletion
}

func (ix *Index) barriers(ctx context.Context, ns string, since time.Time) ([]barrier, error) {
	writes, err := ix.Ledger.Barriers(ctx, ix.Name, ns, since)
	if err != nil {
		return nil, err
	}
	out := make([]barrier, 0, len(writes))
	for i := range writes {
		b, err := barrierOf(&writes[i])
		if err != nil {
			return nil, err
		}
		if b.update == nil || !b.idle() {
			out = append(out, b)
		}
	}
	return out, nil
}

func barrierOf(w *Write) (b barrier, err error) {
	b.seq = w.Seq
	switch w.Op {
	case Delete:
		in := &wire.DeleteRequest{}
		if err = proto.Unmarshal(w.Body, in); err == nil {
			b.filter, err = plane.Filter(in.GetFilter()) // none: everything
		}
	case Update:
		b.update = &wire.UpdateRequest{}
		if err = proto.Unmarshal(w.Body, b.update); err == nil {
			b.id = b.update.GetId()
			b.filter, err = plane.Filter(b.update.GetFilter())
		}
	}
	if err != nil {
		return b, fmt.Errorf("write %d: %w", w.Seq, err)
	}
	return b, nil
}

func (b *barrier) about(r *vector.Record) bool {
	return (b.id == "" || b.id == r.ID.String()) && b.filter.Match(r.Payload)
}

// shown reports whether a record has all that an update sets.
func (b *barrier) shown(r *vector.Record) bool {
	if b.update == nil || b.id != "" && b.id != r.ID.String() || b.idle() {
		return false
	}
	for _, f := range pinecone.PayloadOf(b.update.GetSetMetadata()) {
		if v, ok := r.Payload.Get(f.Name); !ok || !v.Equal(&f.Value) {
			return false
		}
	}
	set := recordOf(r.Namespace, &wire.Vector{Values: b.update.GetValues(), SparseValues: b.update.GetSparseValues()})
	for i := range set.Vectors {
		s := &set.Vectors[i]
		v := r.Vector(s.Name)
		if v == nil || !slices.Equal(v.Dense, s.Dense) || !slices.Equal(v.Indices, s.Indices) || !slices.Equal(v.Values, s.Values) {
			return false
		}
	}
	return true
}

// idle reports whether an update sets nothing.
func (b *barrier) idle() bool {
	u := b.update
	return len(u.GetSetMetadata().GetFields()) == 0 && len(u.GetValues()) == 0 && u.GetSparseValues() == nil
}

// changes reports whether a record would not be the same after it.
func (b *barrier) changes(r *vector.Record) bool { return b.about(r) && !b.shown(r) }

// bring carries out on a record what it does not show of a log, and reports whether it
// is there then. The record was read after some of the log, and nobody knows how much:
// after the last update that it shows, since a later one that had changed it would be
// shown, and one that would change it has not been.
func bring(r *vector.Record, log []barrier) (there bool, err error) {
	from := len(log)
	for from > 0 && !log[from-1].shown(r) {
		from--
	}
	for i := range log[from:] {
		b := &log[from+i]
		if !b.about(r) {
			continue
		}
		if b.update == nil {
			return false, nil
		}
		if err := patch(r, b.update); err != nil {
			return false, err
		}
	}
	return true, nil
}

// fetchMissed fetches records that the store which follows lacked when they were
// updated; ids: only these. Nobody writes them, and all that was written has followed.
func (ix *Index) fetchMissed(ctx context.Context, ns string, ids []string) error {
	of := map[vector.ID][]*Write{}
	var log []barrier
	for _, w := range ix.missed.before(ns, ids) {
		b, err := barrierOf(w)
		if err != nil {
			return err
		}
		id := vector.IDOf(b.id)
		of[id], log = append(of[id], w), append(log, b)
	}
	for some := range slices.Chunk(slices.Collect(maps.Keys(of)), 100) {
		err := ix.refetch(ctx, nil, ns, some, time.Time{}, log, nil)
		var no *vector.RefusedError
		if err != nil && !errors.As(err, &no) {
			return err
		}
		for _, id := range some {
			for _, w := range of[id] {
				if err := ix.settled(ctx, w, no); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// settled takes a write off the record whose record was fetched, or notes why the
// other store cannot hold that.
func (ix *Index) settled(ctx context.Context, w *Write, no *vector.RefusedError) (err error) {
	if no != nil && no.Records[vector.IDOf(w.IDs[0])] != "" {
		err = ix.Ledger.Refuse(ctx, w, no.Records[vector.IDOf(w.IDs[0])])
	} else {
		err = ix.Ledger.Forget(ctx, ix.Name, []int64{w.Seq})
	}
	if err == nil {
		ix.missed.remove(w)
	}
	return err
}

// Finish has the store do what it has to do when all is there.
func (g *guarded) Finish(ctx context.Context) error {
	if f, ok := g.Target.(interface{ Finish(context.Context) error }); ok {
		return f.Finish(ctx)
	}
	return nil
}

// prune takes out what the source does not have: it was deleted there past freehold,
// before the copy or while it ran.
func (g *guarded) prune(ctx context.Context, o *transfer.Options) error {
	counts, err := g.ix.Ledger.Counts(ctx, g.ix.Name)
	if err != nil {
		return err
	}
	for ns := range counts {
		for after := ""; ; {
			ids, err := g.ix.Ledger.IDs(ctx, g.ix.Name, ns, "", after, 1000)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				break
			}
			after = ids[len(ids)-1]
			err = o.Again(ctx, "look for what is gone", func() error { return g.pruneSome(ctx, o.Source, ns, ids) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *guarded) pruneSome(ctx context.Context, source vector.Source, ns string, ids []string) error {
	defer g.ix.filling.hold(ns, ids)()
	touched, err := g.ix.Ledger.Touched(ctx, g.ix.Name, ns, ids, g.since)
	if err != nil {
		return err
	}
	var ask []vector.ID
	for _, id := range ids {
		if !touched[id] {
			ask = append(ask, vector.IDOf(id))
		}
	}
	got, err := source.Fetch(ctx, ns, ask)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(got))
	for i := range got {
		there[got[i].ID.String()] = true
	}
	var gone []string
	for _, id := range ask {
		if !there[id.String()] {
			gone = append(gone, id.String())
		}
	}
	return g.ix.Served.drop(ctx, ns, gone)
}
