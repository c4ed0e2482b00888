package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"freehold/internal/vector"
)

// known leaves out, by name, what is said to be relevant and is no record of the old
// store, and queries of which nothing is left: an answer that nobody can find says
// nothing of either store.
func (g *gating) known(ctx context.Context) error {
	labels := map[string]bool{}
	for i := range g.Queries {
		for id := range g.Queries[i].Relevant {
			labels[id] = true
		}
	}
	if len(labels) == 0 {
		return nil
	}
	there := map[string]map[string]string{} // namespace, label: the record's id
	for _, ns := range g.Namespaces {
		var err error
		if there[ns], err = g.named(ctx, ns, slices.Sorted(maps.Keys(labels))); err != nil {
			return fmt.Errorf("the old store: %w", err)
		}
	}
	var left []Query
	for _, q := range g.Queries {
		spaces := g.Namespaces
		if q.Namespace != nil {
			spaces = []string{*q.Namespace}
		}
		relevant, good := map[string]float64{}, false
		for _, label := range slices.Sorted(maps.Keys(q.Relevant)) {
			at := slices.IndexFunc(spaces, func(ns string) bool { return there[ns][label] != "" })
			if at < 0 {
				g.leave("%s: the old store has no record %q", q.Where, label)
				continue
			}
			relevant[there[spaces[at]][label]] = q.Relevant[label]
			good = good || q.Relevant[label] > 0
		}
		if !good {
			g.leave("%s: no record of the old store is said to be relevant", q.Where)
			continue
		}
		q.Relevant = relevant
		left = append(left, q)
	}
	g.Queries = left
	return nil
}

// named are the ids of a namespace's records by the texts that may mean them.
func (g *gating) named(ctx context.Context, ns string, labels []string) (map[string]string, error) {
	out := map[string]string{}
	for some := range slices.Chunk(labels, 100) {
		var ids []vector.ID
		texts := map[vector.ID]string{}
		for _, label := range some {
			for _, id := range g.meant(label) {
				ids = append(ids, id)
				texts[id] = label
			}
		}
		if len(ids) == 0 {
			continue
		}
		got, err := g.Old.Store.Fetch(ctx, ns, ids)
		if err != nil {
			return nil, err
		}
		for i := range got {
			out[texts[got[i].ID]] = got[i].ID.String()
		}
	}
	return out, nil
}

// meant are the ids that a text may stand for in the old store.
func (g *gating) meant(label string) (ids []vector.ID) {
	can := func(k vector.IDKind) bool { return len(g.old.IDs) == 0 || slices.Contains(g.old.IDs, k) }
	if can(vector.TextID) {
		ids = append(ids, vector.IDOf(label))
	}
	if n, err := strconv.ParseUint(label, 10, 64); err == nil && can(vector.IntegerID) {
		ids = append(ids, vector.IntegerIDOf(n))
	}
	if u, err := uuid.Parse(label); err == nil && can(vector.UUIDID) {
		ids = append(ids, vector.UUIDOf(u))
	}
	return ids
}
