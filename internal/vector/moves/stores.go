package moves

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"freehold/internal/vector/address"
	"freehold/internal/vector/front"
	"freehold/internal/vector/plan"
)

// Check refuses indexes whose stores are no longer those between which they move.
func (k *Keeper) Check(ctx context.Context, specs map[string]Spec) error {
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		m, err := k.move(ctx, name)
		if err != nil {
			return err
		}
		s := specs[name]
		if err := fits(m, &s); err != nil {
			return err
		}
	}
	return nil
}

// move is where an index is, by what is kept.
func (k *Keeper) move(ctx context.Context, name string) (front.Move, error) {
	moves, err := k.o.Ledger.Moves(ctx)
	if err != nil {
		return front.Move{}, err
	}
	if i := slices.IndexFunc(moves, func(m front.Move) bool { return m.Index == name }); i >= 0 {
		return moves[i], nil
	}
	return front.Move{Index: name, Phase: front.Relay}, nil
}

// fits says why an index cannot go on between these stores: what is on record of it is
// of two others. Before a move and after it there is nothing that would have to fit:
// the store that answers alone may have gone elsewhere with all its records.
func fits(m front.Move, s *Spec) error {
	if m.Phase == front.Relay {
		return nil
	}
	if err := fitsModels(m, s); err != nil || m.Phase == front.Own {
		return err
	}
	for _, end := range []struct {
		key, was string
		is       *address.Address
	}{{"from", m.From, &s.From}, {"to", m.To, &s.To}} {
		was, err := address.Parse(end.was)
		if err == nil && was.Same(end.is) {
			continue
		}
		back := map[front.Phase]string{front.Cut: "freehold vectors rollback " + m.Index + ", then "}[m.Phase]
		return &front.StageError{
			Why:  fmt.Sprintf("the index %s is on its way (%s) with %s for its %s, and config.yaml has %s now", m.Index, m.Phase, end.was, end.key, end.is),
			Hint: "put it back, and end that move before: " + back + "freehold vectors sync " + m.Index + " --end",
		}
	}
	return nil
}

// fitsModels says why an index cannot go on with these models: the vectors that are there
// are of those that are on record. The new store that answers alone may have its model by
// the workload itself from then on.
func fitsModels(m front.Move, s *Spec) error {
	x, on := s.Embeddings, m.Embeddings
	switch {
	case x.same(on):
		return nil
	case m.Phase == front.Own && x != nil && on != nil && x.Alias == on.Alias && x.New == on.New:
		return nil
	case m.Phase == front.Own && x == nil && s.ModelOf != nil && s.ModelOf(on.Alias) == on.New:
		return nil
	case on == nil:
		return &front.StageError{
			Why:  fmt.Sprintf("the index %s is on its way (%s) with the vectors that it had, and config.yaml has embeddings of %s for it now", m.Index, m.Phase, x.New),
			Hint: "take indexes." + m.Index + ".embeddings away, or end that move before it: freehold vectors sync " + m.Index + " --end",
		}
	}
	hint := "put it back: {alias: " + on.Alias + ", model: " + on.New + ", text: " + on.Text + "}, with " + on.Old + " as the workload's model"
	if m.Phase == front.Own {
		hint = "put it back, or have workloads." + on.Alias + ".model be " + on.New + " in the same change"
	}
	return &front.StageError{
		Why:  fmt.Sprintf("the index %s is in phase %s with vectors of %s and %s, which the workload %s stands for, and indexes.%s.embeddings in config.yaml is another one now", m.Index, m.Phase, on.Old, on.New, on.Alias, m.Index),
		Hint: hint,
	}
}

// permit says why records may not go to the new store by the rules of now.
func (e *entry) permit() error {
	spec := e.now()
	p, err := spec.Perimeter()
	if err != nil {
		return err
	}
	if p.Verdict != plan.Forbidden {
		return nil
	}
	return &front.StageError{
		Why:  fmt.Sprintf("the records of the index %s may not be at %s: %s", spec.Name, &spec.To, p.Why),
		Hint: "say under stores: what is known of it, or correct the data classes; freehold vectors rollback and sync --end leave it",
	}
}

// permitSource says why Pinecone may not be asked by the rules of now.
func (e *entry) permitSource() error {
	if may := e.now().PermitSource; may != nil {
		return may()
	}
	return nil
}

// asked is [entry.permit] where the index's plan does not allow what is forbidden.
func (e *entry) asked() error {
	if e.index.Move().AllowForbidden {
		return nil
	}
	return e.permit()
}

// share is one of reads that the new store gets: none where a query may not go there.
func (e *entry) share(of float64) float64 {
	if e.index != nil && e.index.Move().Phase == front.Sync && e.asked() != nil {
		return 0
	}
	return of
}
