package qdrant

import (
	"context"
	"iter"
	"slices"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

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
	r := &pb.QueryPoints{CollectionName: name, Query: pb.NewQueryNearest(nearest(&q.Query)), Limit: &limit, WithPayload: pb.NewWithPayload(q.Records), WithVectors: pb.NewWithVectors(q.Records && q.Vectors)}
	if q.Query.Name != "" {
		r.Using = &q.Query.Name
	}
	r.Filter = within
	var hits []vector.Hit
	switch {
	case q.Filter != nil && asksExistence(q.Filter):
		hits, err = s.sift(ctx, r, within, q.Filter, int(limit), q.Records)
	case q.Filter != nil:
		c, bad := condition(q.Filter)
		if bad != nil {
			return nil, s.invalid("query", "%v", bad)
		}
		r.Filter = joined(within, c)
		fallthrough
	default:
		hits, err = s.query(ctx, r)
	}
	for i := range hits {
		if !q.Records {
			hits[i].Record = nil
		} else if own := s.own([]vector.Record{*hits[i].Record}); len(own) == 1 {
			hits[i].Record = &own[0]
		}
	}
	return hits, err
}

// query asks for neighbours, with as much of their records as r says.
func (s *Store) query(ctx context.Context, r *pb.QueryPoints) ([]vector.Hit, error) {
	var answer scored
	err := s.conn.Invoke(ctx, pb.Points_Query_FullMethodName, r, &answer, grpc.ForceCodecV2(codec{}))
	return answer.hits, err
}

// Scan implements [vector.Scanner].
func (s *Store) Scan(ctx context.Context, namespace string, f *vector.Filter) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		name, within, err := s.reading(ctx, "scroll", namespace)
		if err != nil {
			yield(nil, err)
			return
		}
		r := &pb.ScrollPoints{CollectionName: name, WithPayload: pb.NewWithPayload(true), Filter: within, WithVectors: s.vectors()}
		if f != nil {
			c, err := conditionOf(f, asksExistence(f))
			if err != nil {
				yield(nil, s.invalid("scroll", "%v", err))
				return
			}
			r.Filter = joined(within, c)
		}
		for {
			p, err := s.fullPage(ctx, r, s.pageSize())
			if err != nil {
				yield(nil, err)
				return
			}
			if len(p.records) == 0 {
				return
			}
			next, ok := behind(p.records[len(p.records)-1].ID)
			found := slices.DeleteFunc(s.own(p.records), func(r vector.Record) bool { return !f.Match(r.Payload) })
			if len(found) > 0 && !yield(found, nil) || !ok || !p.more {
				return
			}
			r.Offset = pointID(next)
		}
	}
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
