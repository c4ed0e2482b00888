package qdrant

import (
	"context"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

// To Qdrant a field that is an empty list is not there, and no condition tells the two
// apart. A filter that asks whether a field is there is therefore widened to one that
// leaves nothing out, and what is found is looked at here.

// mostSifted is how many hits are looked at. If these are not enough, what Qdrant itself
// holds for there comes behind them: only records with empty lists are missed then.
const mostSifted = 10_000

// sift searches with a filter that has [vector.Exists] in it.
func (s *Store) sift(ctx context.Context, r *pb.QueryPoints, within *pb.Filter, f *vector.Filter, k int, whole bool) ([]vector.Hit, error) {
	names := map[string]bool{}
	fieldsOf(f, names)
	include := make([]string, 0, len(names))
	for name := range names {
		key, err := path(name)
		if err != nil {
			return nil, s.invalid("query", "%v", err)
		}
		include = append(include, key)
	}
	if !whole {
		r.WithPayload = pb.NewWithPayloadInclude(include...)
	}
	for n := 2*k + 16; ; n *= 4 {
		n = min(n, s.sifts)
		hits, all, err := s.sifted(ctx, r, within, f, true, n)
		if err != nil || all || len(hits) >= k {
			return hits[:min(k, len(hits))], err
		}
		if n == s.sifts {
			return s.behind(ctx, r, within, f, k, hits)
		}
	}
}

// behind adds what Qdrant itself finds.
func (s *Store) behind(ctx context.Context, r *pb.QueryPoints, within *pb.Filter, f *vector.Filter, k int, hits []vector.Hit) ([]vector.Hit, error) {
	have := make(map[vector.ID]bool, len(hits))
	for _, h := range hits {
		have[h.ID] = true
	}
	more, _, err := s.sifted(ctx, r, within, f, false, 2*k)
	if err != nil {
		return nil, err
	}
	for _, h := range more {
		if len(hits) < k && !have[h.ID] {
			hits = append(hits, h)
		}
	}
	return hits, nil
}

// sifted are those of the n nearest that the filter matches; all: there are no others.
func (s *Store) sifted(ctx context.Context, r *pb.QueryPoints, within *pb.Filter, f *vector.Filter, wide bool, n int) (hits []vector.Hit, all bool, err error) {
	c, err := conditionOf(f, wide)
	if err != nil {
		return nil, false, s.invalid("query", "%v", err)
	}
	r.Filter, r.Limit = joined(within, c), new(uint64(n))
	found, err := s.query(ctx, r)
	if err != nil {
		return nil, false, err
	}
	for _, h := range found {
		if f.Match(h.Record.Payload) {
			hits = append(hits, h)
		}
	}
	return hits, len(found) < n, nil
}

// asksExistence reports whether a filter has [vector.Exists] in it.
func asksExistence(f *vector.Filter) bool {
	if f.Op == vector.Exists {
		return true
	}
	for i := range f.Of {
		if asksExistence(&f.Of[i]) {
			return true
		}
	}
	return false
}

// fieldsOf are the fields that a filter asks of.
func fieldsOf(f *vector.Filter, names map[string]bool) {
	if f.Op != vector.And && f.Op != vector.Or {
		names[f.Field] = true
	}
	for i := range f.Of {
		fieldsOf(&f.Of[i], names)
	}
}
