package gate

import (
	"context"
	"fmt"
	"maps"
	"regexp"
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
	if err := g.renamed(ctx, there, slices.Sorted(maps.Keys(labels))); err != nil {
		return err
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

// renamed takes those of the labels in that are no ids of the old store, but such as its
// records have in the new one: a piece's, or one that was made of index, namespace and id.
func (g *gating) renamed(ctx context.Context, there map[string]map[string]string, labels []string) error {
	unknown := slices.DeleteFunc(slices.Clone(labels), func(label string) bool {
		return slices.ContainsFunc(g.Namespaces, func(ns string) bool { return there[ns][label] != "" })
	})
	was := map[string]map[string]string{} // namespace, label: the id that is to be there
	note := func(ns, label, id string) {
		if was[ns] == nil {
			was[ns] = map[string]string{}
		}
		was[ns][label] = id
	}
	for _, label := range unknown {
		if at := piece.FindStringIndex(label); at != nil && at[0] > 0 {
			for _, ns := range g.Namespaces {
				note(ns, label, label[:at[0]])
			}
		}
	}
	var spaces []string
	for _, ns := range g.Namespaces {
		if name := g.Mapping.Namespace(ns); !slices.Contains(spaces, name) {
			spaces = append(spaces, name)
		}
	}
	for _, ns := range spaces {
		for some := range slices.Chunk(unknown, 100) {
			var ids []vector.ID
			label := map[vector.ID]string{}
			for _, text := range some {
				for _, id := range meant(g.new, text) {
					ids, label[id] = append(ids, id), text
				}
			}
			if len(ids) == 0 {
				continue
			}
			got, err := g.New.Store.Fetch(ctx, ns, ids)
			if err != nil {
				return fmt.Errorf("the new store: %w", err)
			}
			for i := range got {
				r := &got[i]
				back := g.Mapping.Back(r)
				note(back.Namespace, label[r.ID], g.source(r, r.ID.String()))
			}
		}
	}
	for _, ns := range g.Namespaces { // it must still be there
		found, err := g.named(ctx, ns, slices.Compact(slices.Sorted(maps.Values(was[ns]))))
		if err != nil {
			return fmt.Errorf("the old store: %w", err)
		}
		for label, id := range was[ns] {
			if found[id] != "" {
				there[ns][label] = found[id]
			}
		}
	}
	return nil
}

// piece is how ids of pieces end, see [vector.ID.Piece].
var piece = regexp.MustCompile(`##[0-9]+$`)

// named are the ids of a namespace's records by the texts that may mean them.
func (g *gating) named(ctx context.Context, ns string, labels []string) (map[string]string, error) {
	out := map[string]string{}
	for some := range slices.Chunk(labels, 100) {
		var ids []vector.ID
		texts := map[vector.ID]string{}
		for _, label := range some {
			for _, id := range meant(g.old, label) {
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

// meant are the ids that a text may stand for in a store.
func meant(d *vector.Description, label string) (ids []vector.ID) {
	can := func(k vector.IDKind) bool { return len(d.IDs) == 0 || slices.Contains(d.IDs, k) }
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
