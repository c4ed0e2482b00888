package front

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
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
	ids := make([]string, len(records))
	for i := range records {
		ids[i] = records[i].ID.String()
	}
	defer g.ix.filling.hold(ns, ids)()
	touched, err := g.ix.Ledger.Touched(ctx, g.ix.Name, ns, ids, g.since)
	if err != nil {
		return err
	}
	barriers, err := g.ix.Ledger.Barriers(ctx, g.ix.Name, ns, g.since)
	if err != nil {
		return err
	}
	left := make([]vector.Record, 0, len(records))
	for i := range records {
		if touched[ids[i]] { // it follows by the write
			continue
		}
		gone, err := passed(&records[i], barriers)
		if err != nil {
			return err
		}
		if !gone {
			left = append(left, records[i])
		}
	}
	if len(left) == 0 {
		return nil
	}
	return g.ix.Served.put(ctx, ns, left)
}

// passed carries out on a record what was written about all of its namespace, and
// reports whether it is deleted. What the record has of it already stays as it is.
func passed(r *vector.Record, barriers []Write) (gone bool, err error) {
	for i := range barriers {
		switch b := &barriers[i]; b.Op {
		case Delete:
			in := &wire.DeleteRequest{}
			if err := proto.Unmarshal(b.Body, in); err != nil {
				return false, err
			}
			f, err := plane.Filter(in.GetFilter())
			if err != nil {
				return false, err
			}
			if f.Match(r.Payload) { // none: everything
				return true, nil
			}
		case Update:
			in := &wire.UpdateRequest{}
			if err := proto.Unmarshal(b.Body, in); err != nil {
				return false, err
			}
			f, err := plane.Filter(in.GetFilter())
			if err != nil {
				return false, err
			}
			if f.Match(r.Payload) {
				if err := patch(r, in); err != nil {
					return false, err
				}
			}
		}
	}
	return false, nil
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
