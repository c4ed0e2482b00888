package gate

import (
	"context"
	"fmt"
	"slices"

	"freehold/internal/vector"
)

// find are the ids of the k records nearest to a vector, as the source names them, the
// nearest first, in one namespace of the source or in all; without one record. texts are
// those of the k nearest, pieces by themselves, where somebody wants them.
func (g *gating) find(ctx context.Context, new bool, namespace *string, v []float32, without string) (ids, texts []string, err error) {
	side, d, what := g.Old, g.old, "old"
	if new {
		side, d, what = g.New, g.new, "new"
	}
	spaces := g.Namespaces
	if namespace != nil {
		spaces = []string{*namespace}
	}
	k := g.K
	if without != "" {
		k++
	}
	if new && g.Parts != "" {
		k *= 5 // several pieces of one record may be near
	}
	type hit struct {
		id     string
		score  float64
		record *vector.Record
	}
	var all []hit
	for _, ns := range spaces {
		s := vector.Search{Namespace: ns, Query: vector.Vector{Name: side.Vector, Dense: v}, K: k, Records: true}
		if new {
			s.Namespace, s.Filter = g.Mapping.Namespace(ns), g.Mapping.Filter(ns, nil)
		}
		hits, err := side.Store.Search(ctx, s)
		if err == nil && (g.Found != nil || new && (g.Mapping.IDs != vector.KeepIDs || g.Parts != "")) {
			err = records(ctx, side.Store, s.Namespace, hits)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("the %s store: %w", what, err)
		}
		for _, h := range hits {
			id := h.ID.String()
			if new {
				id = g.source(h.Record, id)
			}
			all = append(all, hit{id, h.Score, h.Record})
		}
	}
	far := d.Vector(side.Vector).Metric.Distance()
	slices.SortStableFunc(all, func(a, b hit) int {
		if (a.score > b.score) != far && a.score != b.score {
			return -1
		}
		if a.score == b.score {
			return 0
		}
		return 1
	})
	for i, h := range all {
		if len(ids) < g.K && h.id != without && !slices.Contains(ids, h.id) {
			ids = append(ids, h.id)
		}
		if g.Found == nil || i >= g.K || h.record == nil {
			continue
		}
		if text, ok := h.record.Payload.Get(g.Text); ok && text.Kind() == vector.Text {
			texts = append(texts, text.Text())
		}
	}
	return ids, texts, nil
}

// records fetches the records of hits that came without.
func records(ctx context.Context, store vector.Source, namespace string, hits []vector.Hit) error {
	var ids []vector.ID
	for i := range hits {
		if hits[i].Record == nil {
			ids = append(ids, hits[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	got, err := store.Fetch(ctx, namespace, ids)
	if err != nil {
		return err
	}
	for i := range hits {
		for j := range got {
			if got[j].ID == hits[i].ID {
				hits[i].Record = &got[j]
			}
		}
	}
	return nil
}

// source is the id of the source's record of which one of the new store was made.
func (g *gating) source(r *vector.Record, id string) string {
	if r == nil {
		return id
	}
	if g.Parts != "" {
		if of, ok := r.Payload.Get(g.Parts); ok && of.Kind() == vector.Text {
			return of.Text()
		}
	}
	back := g.Mapping.Back(r)
	return back.ID.String()
}

// neighbours looks for the neighbours of some records in both stores, each by its own
// vector.
func (g *gating) neighbours(ctx context.Context) error {
	sample, err := g.sample(ctx)
	if err != nil {
		return err
	}
	var overlaps []float64
	for i := range sample {
		r := &sample[i]
		v := r.Vector(g.Old.Vector)
		if v == nil {
			g.leave("record %s has no vector in the old store", r.ID)
			continue
		}
		now, err := g.New.Store.Fetch(ctx, g.Mapping.Namespace(r.Namespace), g.candidates(r))
		if err != nil {
			return fmt.Errorf("the new store: %w", err)
		}
		if len(now) == 0 || now[0].Vector(g.New.Vector) == nil {
			g.leave("record %s is not in the new store", r.ID)
			continue
		}
		a, _, err := g.find(ctx, false, &r.Namespace, v.Dense, r.ID.String())
		if err != nil {
			return err
		}
		b, _, err := g.find(ctx, true, &r.Namespace, now[0].Vector(g.New.Vector).Dense, r.ID.String())
		if err != nil {
			return err
		}
		if len(a) > 0 {
			overlaps = append(overlaps, overlap(a, b))
		}
		g.Progress(i + 1)
	}
	g.overlapping(overlaps)
	return nil
}

// candidates are the ids that a record has in the new store, or its first piece.
func (g *gating) candidates(r *vector.Record) []vector.ID {
	ids := []vector.ID{g.Mapping.ID(r.Namespace, r.ID)}
	if g.Parts != "" {
		ids = append(ids, g.Mapping.ID(r.Namespace, r.ID.Piece(0)))
	}
	return ids
}

// sample are records of the old store, chosen by chance among the first of each
// namespace.
func (g *gating) sample(ctx context.Context) ([]vector.Record, error) {
	var all []vector.Record
	for _, ns := range g.Namespaces {
		some, err := g.first(ctx, ns, max(1, 10*g.Sample/max(1, len(g.Namespaces))))
		if err != nil {
			return nil, fmt.Errorf("the old store: %w", err)
		}
		all = append(all, some...)
	}
	g.Random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), g.Sample)], nil
}

func (g *gating) first(ctx context.Context, ns string, n int) (out []vector.Record, err error) {
	for u, err := range g.Old.Store.Units(ctx, ns, "", min(n, 500)) {
		if err != nil {
			return nil, err
		}
		for records, err := range g.Old.Store.Read(ctx, u) {
			if err != nil {
				return nil, err
			}
			if out = append(out, records...); len(out) >= n {
				return out[:n], nil
			}
		}
	}
	return out, nil
}
