package transfer

import (
	"context"
	"fmt"
	"math"

	"freehold/internal/vector"
)

// ExactReport holds what the stores find against the exact neighbours of a few records:
// those that are nearest among all records of the source.
type ExactReport struct {
	Vector   string `json:"vector"`
	Filtered bool   `json:"filtered"`
	K        int    `json:"k"`
	Queries  int    `json:"queries"`
	// Source and Target are the shares of the exact neighbours that they find. Source is
	// nil for one without an index, Worst is the target's for one query.
	Source  *float64 `json:"source_recall,omitempty"`
	Target  float64  `json:"target_recall"`
	Worst   float64  `json:"worst"`
	Failed  int      `json:"failed,omitempty"`
	Failure string   `json:"failure,omitempty"` // the last
}

// question is a record of the source whose neighbours are looked for among all others,
// as they are read.
type question struct {
	record vector.Record
	spec   *vector.Spec
	vector *vector.Vector
	unit   []float32      // of a dense one for cosine, of length 1; else as it is
	filter *vector.Filter // nil: there is no field to filter by
	// nearest are the neighbours so far, of all and of those that the filter matches.
	nearest, filtered *vector.Nearest
}

// ask chooses the records whose exact neighbours are looked for: by chance among the
// first units of some namespaces, since they must be known before all others are read.
func (v *verifying) ask(ctx context.Context, source *vector.Description) error {
	if v.Exact <= 0 || v.target.Scans {
		return nil
	}
	const spaces = 4
	var sample []vector.Record
	seen := int64(0)
	for _, at := range v.Random.Perm(len(v.Namespaces))[:min(spaces, len(v.Namespaces))] {
		for u, err := range v.Source.Units(ctx, v.Namespaces[at], "", v.Unit) {
			if err != nil {
				return err
			}
			for records, err := range v.Source.Read(ctx, u) {
				if err != nil {
					return err
				}
				for i := range records {
					v.common.add(records[i].Payload)
					seen = keep(v.Random, &sample, v.Exact, seen, &records[i])
				}
			}
			break
		}
	}
	for i := range sample {
		for j := range source.Vectors {
			if q := v.question(&sample[i], &source.Vectors[j]); q != nil {
				v.questions = append(v.questions, *q)
			}
		}
	}
	return nil
}

// question is nil where the record has no such vector, the target does not get it, or
// it has no neighbours that are reckoned here.
func (v *verifying) question(r *vector.Record, spec *vector.Spec) *question {
	vec := r.Vector(spec.Name)
	if vec == nil || v.dropped(spec) || v.Refused(r.Namespace, r.ID.String()) {
		return nil
	}
	if spec.Form != vector.Dense && spec.Form != vector.Sparse {
		return nil
	}
	q := &question{record: *r, spec: spec, vector: vec, unit: vec.Dense, filter: v.filterOf(r), nearest: vector.NewNearest(spec.Metric, v.K), filtered: vector.NewNearest(spec.Metric, v.K)}
	if spec.Metric == vector.Cosine {
		inverse := inverseLength(vec.Dense)
		q.unit = make([]float32, len(vec.Dense))
		for i, x := range vec.Dense {
			q.unit[i] = x * inverse
		}
	}
	return q
}

// score is how near a vector is, of which 1 over its length is known for cosine.
func (q *question) score(of *vector.Vector, inverse float32) float64 {
	switch {
	case q.spec.Form != vector.Dense || len(of.Dense) != len(q.unit):
		return q.spec.Metric.Score(q.vector, of)
	case q.spec.Metric == vector.Cosine:
		return float64(dot(q.unit, of.Dense) * inverse)
	case q.spec.Metric == vector.Dot:
		return float64(dot(q.unit, of.Dense))
	}
	return q.spec.Metric.Score(q.vector, of)
}

// answer looks for neighbours among records of one namespace, which are all in the
// target.
func (v *verifying) answer(records []*vector.Record) {
	type near struct{ all, filtered *vector.Nearest }
	found := make([]near, len(v.questions))
	for i := range v.questions {
		m := v.questions[i].spec.Metric
		found[i] = near{vector.NewNearest(m, v.K), vector.NewNearest(m, v.K)}
	}
	var last *vector.Vector
	var inverse float32
	for _, r := range records {
		for i := range v.questions {
			q := &v.questions[i]
			of := r.Vector(q.spec.Name)
			if of == nil || q.record.Namespace != r.Namespace {
				continue
			}
			if of != last && q.spec.Metric == vector.Cosine { // the questions of a vector are apart only by others of its record
				last, inverse = of, inverseLength(of.Dense)
			}
			score := q.score(of, inverse)
			found[i].all.Add(r.ID, score)
			if q.filter != nil && q.filter.Match(r.Payload) {
				found[i].filtered.Add(r.ID, score)
			}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.questions {
		for _, h := range found[i].all.Hits() {
			v.questions[i].nearest.Add(h.ID, h.Score)
		}
		for _, h := range found[i].filtered.Hits() {
			v.questions[i].filtered.Add(h.ID, h.Score)
		}
	}
}

// recall asks both stores for what is known exactly.
func (v *verifying) recall(ctx context.Context, source *vector.Description) {
	for i := range source.Vectors {
		for _, filtered := range []bool{false, true} {
			r := ExactReport{Vector: source.Vectors[i].Name, Filtered: filtered, K: v.K, Worst: 1}
			var src, dst float64
			for j := range v.questions {
				q := &v.questions[j]
				if q.spec != &source.Vectors[i] || filtered && q.filter == nil {
					continue
				}
				a, b, err := v.found(ctx, q, filtered, !source.Scans)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					r.Failed++
					r.Failure = err.Error()
					continue
				}
				r.Queries++
				src, dst, r.Worst = src+a, dst+b, min(r.Worst, b)
			}
			if r.Queries > 0 {
				if r.Target = dst / float64(r.Queries); !source.Scans {
					share := src / float64(r.Queries)
					r.Source = &share
				}
			}
			if r.Queries+r.Failed > 0 {
				v.report.Exact = append(v.report.Exact, r)
			}
		}
	}
}

// found are the shares of the exact neighbours that the source, if it is asked, and the
// target find.
func (v *verifying) found(ctx context.Context, q *question, filtered, askSource bool) (source, target float64, err error) {
	exact, filter := q.nearest.Hits(), (*vector.Filter)(nil)
	if filtered {
		exact, filter = q.filtered.Hits(), q.filter
	}
	if askSource {
		hits, err := v.Source.Search(ctx, vector.Search{Namespace: q.record.Namespace, Query: *q.vector, K: v.K, Filter: filter})
		if err != nil {
			return 0, 0, fmt.Errorf("the source: %w", err)
		}
		source = shared(exact, hits, func(id vector.ID) vector.ID { return id })
	}
	hits, err := v.searchTarget(ctx, &q.record, q.vector, filter)
	if err != nil {
		return 0, 0, err
	}
	return source, shared(exact, hits, func(id vector.ID) vector.ID { return v.Mapping.ID(q.record.Namespace, id) }), nil
}

// shared is the share of the wanted hits that are among others. One that is as near as
// the last one counts: a store may take either.
func shared(want, have []vector.Hit, as func(vector.ID) vector.ID) float64 {
	if len(want) == 0 {
		return 1
	}
	found := make(map[vector.ID]bool, len(have))
	for _, h := range have {
		found[h.ID] = true
	}
	last := want[len(want)-1].Score
	near := math.Abs(last)*1e-5 + 1e-7
	both := 0
	for _, h := range want {
		if found[as(h.ID)] || len(have) == len(want) && math.Abs(h.Score-last) <= near {
			both++
		}
	}
	return float64(both) / float64(len(want))
}

// dot is a product in float32, four numbers at once.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// inverseLength is 1 over the length of a vector, 0 of one that has none.
func inverseLength(v []float32) float32 {
	n := float64(dot(v, v))
	if n == 0 {
		return 0
	}
	return float32(1 / math.Sqrt(n))
}

// common counts how often fields have a value.
type common map[string]int

func (c common) add(p vector.Payload) {
	c[""]++ // records
	for i := range p {
		if key := valueKey(&p[i]); key != "" {
			c[key]++
		}
	}
}

func valueKey(f *vector.Field) string {
	switch f.Value.Kind() {
	case vector.Bool, vector.Int, vector.Text:
	case vector.Float:
		if !f.Value.Whole() {
			return ""
		}
	default:
		return ""
	}
	return f.Name + "\x00" + f.Value.String()
}
