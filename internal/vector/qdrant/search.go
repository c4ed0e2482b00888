package qdrant

import (
	"context"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

// Search asks for nearest neighbours as any application does, by the index that
// there is.
func (s *Store) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	name, within, err := s.reading(ctx, "query", q.Namespace)
	if err != nil {
		return nil, err
	}
	limit := uint64(max(q.K, 1))
	r := &pb.QueryPoints{CollectionName: name, Query: pb.NewQueryNearest(nearest(&q.Query)), Limit: &limit, WithPayload: pb.NewWithPayload(false)}
	if q.Query.Name != "" {
		r.Using = &q.Query.Name
	}
	if r.Filter = within; q.Filter != nil {
		if asksExistence(q.Filter) {
			return s.sift(ctx, r, within, q.Filter, int(limit))
		}
		c, err := condition(q.Filter)
		if err != nil {
			return nil, s.invalid("query", "%v", err)
		}
		r.Filter = joined(within, c)
	}
	answer, err := s.points.Query(ctx, r)
	if err != nil {
		return nil, err
	}
	hits := make([]vector.Hit, len(answer.GetResult()))
	for i, p := range answer.GetResult() {
		if hits[i], err = s.hit(p); err != nil {
			return nil, err
		}
	}
	return hits, nil
}

func (s *Store) hit(p *pb.ScoredPoint) (h vector.Hit, err error) {
	h.Score = float64(p.GetScore())
	u := p.GetId().GetUuid()
	if u == "" {
		h.ID = vector.IntegerIDOf(p.GetId().GetNum())
		return h, nil
	}
	if h.ID, err = parseKey(u); err != nil {
		return h, s.invalid("query", "an id of the answer: %v", err)
	}
	return h, nil
}

func nearest(v *vector.Vector) *pb.VectorInput {
	switch formOf(v) {
	case vector.Sparse:
		return pb.NewVectorInputSparse(v.Indices, v.Values)
	case vector.Multi:
		rows := make([][]float32, v.Rows)
		n := len(v.Dense) / v.Rows
		for i := range rows {
			rows[i] = v.Dense[i*n : (i+1)*n]
		}
		return pb.NewVectorInputMulti(rows)
	}
	return pb.NewVectorInputDense(v.Dense)
}
