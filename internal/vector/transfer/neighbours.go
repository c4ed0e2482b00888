package transfer

import (
	"context"
	"fmt"
	"slices"

	"freehold/internal/vector"
)

// search has both stores find the neighbours of a sample of records, all of them
// and those with a field of the record.
func (v *verifying) search(ctx context.Context, source *vector.Description) {
	if source.Scans || v.target.Scans {
		return
	}
	for i := range source.Vectors {
		spec := &source.Vectors[i]
		if v.dropped(spec) {
			continue
		}
		for _, filtered := range []bool{false, true} {
			s := SearchReport{Vector: spec.Name, Filtered: filtered, K: v.K, Worst: 1}
			sum := 0.0
			for j := range v.queries {
				q := v.queries[j].Vector(spec.Name)
				var filter *vector.Filter
				if filtered {
					filter = v.filterOf(&v.queries[j])
				}
				if q == nil || filtered && filter == nil {
					continue
				}
				overlap, ok, err := v.overlap(ctx, &v.queries[j], q, filter)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil:
					s.Failed++
					s.Failure = err.Error()
				case ok:
					s.Queries++
					sum += overlap
					s.Worst = min(s.Worst, overlap)
				}
			}
			if s.Queries > 0 {
				s.Overlap = sum / float64(s.Queries)
			}
			if s.Queries+s.Failed > 0 {
				v.report.Search = append(v.report.Search, s)
			}
		}
	}
}

// filterOf asks for a field that the record has, in the source's words: for one that
// many have, but not all, as far as that is known.
func (v *verifying) filterOf(r *vector.Record) *vector.Filter {
	var best *vector.Field
	most := -1
	for i := range r.Payload {
		f := &r.Payload[i]
		key := valueKey(f)
		if key == "" || v.Mapping.Fields[f.Name].As == vector.Drop {
			continue
		}
		n := v.common[key]
		if n == v.common[""] {
			n = 0
		}
		if n > most {
			best, most = f, n
		}
	}
	if best == nil {
		return nil
	}
	return &vector.Filter{Op: vector.Eq, Field: best.Name, Value: best.Value}
}

// mapped is a filter in the target's words.
func (v *verifying) mapped(f *vector.Filter) *vector.Filter {
	if f == nil {
		return nil
	}
	out := *f
	c := v.Mapping.Fields[f.Field]
	if c.Name != "" {
		out.Field = c.Name
	}
	if c.As == vector.AsInt && out.Value.Kind() == vector.Float {
		out.Value = vector.IntOf(int64(out.Value.Float()))
	}
	return &out
}

// overlap is the share of the source's neighbours that the target finds, too. ok is
// false where the source finds nothing.
func (v *verifying) overlap(ctx context.Context, r *vector.Record, q *vector.Vector, filter *vector.Filter) (share float64, ok bool, err error) {
	old, err := v.Source.Search(ctx, vector.Search{Namespace: r.Namespace, Query: *q, K: v.K, Filter: filter})
	if err != nil {
		return 0, false, fmt.Errorf("the source: %w", err)
	}
	if len(old) == 0 {
		return 0, false, nil
	}
	now, err := v.searchTarget(ctx, r, q, filter)
	if err != nil {
		return 0, false, err
	}
	return shared(old, now, func(id vector.ID) vector.ID { return v.Mapping.ID(r.Namespace, id) }), true, nil
}

// searchTarget has the target look for the neighbours of a record of the source.
func (v *verifying) searchTarget(ctx context.Context, r *vector.Record, q *vector.Vector, filter *vector.Filter) ([]vector.Hit, error) {
	query := *q
	if name, ok := v.Mapping.Vectors[q.Name]; ok {
		query.Name = name
	}
	within := v.mapped(filter)
	if v.Mapping.Flat && v.Mapping.KeepNamespace != "" {
		own := vector.Filter{Op: vector.Eq, Field: v.Mapping.KeepNamespace, Value: vector.TextOf(r.Namespace)}
		if within == nil {
			within = &own
		} else {
			within = &vector.Filter{Op: vector.And, Of: []vector.Filter{own, *within}}
		}
	}
	hits, err := v.Target.Search(ctx, vector.Search{Namespace: v.Mapping.Namespace(r.Namespace), Query: query, K: v.K, Filter: within})
	if err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	return hits, nil
}

// dropped reports whether the target does not get a vector.
func (v *verifying) dropped(spec *vector.Spec) bool {
	return slices.Contains(v.Mapping.DropVectors, spec.Name)
}
