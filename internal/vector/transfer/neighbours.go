package transfer

import (
	"context"
	"fmt"
	"math"

	"freehold/internal/vector"
)

// search has both stores find the neighbours of a sample of records, all of them
// and those with a field of the record.
func (v *verifying) search(ctx context.Context, source *vector.Description) {
	for i := range source.Vectors {
		spec := &source.Vectors[i]
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
				overlap, ok, err := v.overlap(ctx, spec, &v.queries[j], q, filter)
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

// filterOf asks for a field that the record has, in the source's words.
func (v *verifying) filterOf(r *vector.Record) *vector.Filter {
	for i := range r.Payload {
		f := &r.Payload[i]
		if c := v.Mapping.Fields[f.Name]; c.As == vector.Drop {
			continue
		}
		switch f.Value.Kind() {
		case vector.Bool, vector.Int, vector.Text:
			return &vector.Filter{Op: vector.Eq, Field: f.Name, Value: f.Value}
		case vector.Float:
			if f.Value.Whole() {
				return &vector.Filter{Op: vector.Eq, Field: f.Name, Value: f.Value}
			}
		}
	}
	return nil
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

// overlap is the share of the source's neighbours that the target finds, too. A
// neighbour that is as near as the last one counts: either store may take either.
// ok is false where the source finds nothing.
func (v *verifying) overlap(ctx context.Context, spec *vector.Spec, r *vector.Record, q *vector.Vector, filter *vector.Filter) (share float64, ok bool, err error) {
	old, err := v.Source.Search(ctx, vector.Search{Namespace: r.Namespace, Query: *q, K: v.K, Filter: filter})
	if err != nil || len(old) == 0 {
		return 0, false, err
	}
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
	now, err := v.Target.Search(ctx, vector.Search{Namespace: v.Mapping.Namespace(r.Namespace), Query: query, K: v.K, Filter: within})
	if err != nil {
		return 0, false, fmt.Errorf("the target: %w", err)
	}
	found := make(map[vector.ID]bool, len(now))
	for _, h := range now {
		found[h.ID] = true
	}
	last := old[len(old)-1].Score
	near := math.Abs(last)*1e-5 + 1e-7
	both := 0
	for _, h := range old {
		if found[v.Mapping.ID(r.Namespace, h.ID)] || len(now) == len(old) && math.Abs(h.Score-last) <= near {
			both++
		}
	}
	return float64(both) / float64(len(old)), true, nil
}
