package qdrant

import (
	"context"
	"errors"
	"iter"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	"freehold/internal/vector"
)

// Units lists ids, and nothing but them, page by page. Pages follow ids, never an
// offset, so that what is written or deleted meanwhile moves no other record.
func (s *Store) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		name, within, err := s.reading(ctx, "list", namespace)
		if err != nil {
			yield(vector.Unit{}, err)
			return
		}
		limit := uint32(min(max(size, 1), maxPage))
		for {
			start, ok, err := from(after)
			if err != nil {
				yield(vector.Unit{}, s.invalid("list", "from behind %v", err))
				return
			}
			if !ok {
				return
			}
			p, err := s.scroll(ctx, &pb.ScrollPoints{CollectionName: name, Filter: within, Offset: start, Limit: &limit, WithPayload: pb.NewWithPayload(false), WithVectors: pb.NewWithVectors(false)})
			if err != nil {
				yield(vector.Unit{}, err)
				return
			}
			if len(p.records) == 0 {
				return
			}
			last := p.records[len(p.records)-1].ID.String()
			if !yield(vector.Unit{Namespace: namespace, After: after, Upto: last, Next: last, Count: len(p.records)}, nil) || !p.more {
				return
			}
			after = last
		}
	}
}

// Read reads a unit in pages of about pageBytes.
func (s *Store) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		name, within, err := s.reading(ctx, "scroll", u.Namespace)
		if err != nil {
			yield(nil, err)
			return
		}
		upto, err := parseKey(u.Upto)
		if err != nil {
			yield(nil, s.invalid("scroll", "a unit up to %v", err))
			return
		}
		after, left := u.After, u.Count
		for {
			start, ok, err := from(after)
			if err != nil {
				yield(nil, s.invalid("scroll", "a unit from behind %v", err))
				return
			}
			if !ok {
				return
			}
			// What was listed bounds a page so that it does not reach far into the next
			// unit; what was added since comes in pages of the same size.
			limit := s.pageSize()
			if left > 0 {
				limit = min(limit, left)
			}
			p, err := s.fullPage(ctx, &pb.ScrollPoints{CollectionName: name, Filter: within, Offset: start, WithPayload: pb.NewWithPayload(true), WithVectors: s.vectors()}, limit)
			if err != nil {
				yield(nil, err)
				return
			}
			records, past := p.records, !p.more
			for len(records) > 0 && compare(records[len(records)-1].ID, upto) >= 0 {
				past = true
				if compare(records[len(records)-1].ID, upto) == 0 {
					break
				}
				records = records[:len(records)-1]
			}
			if len(records) > 0 {
				after = records[len(records)-1].ID.String()
				left -= len(records)
				if !yield(s.own(records), nil) {
					return
				}
			}
			if past {
				return
			}
		}
	}
}

// fullPage asks for less where an answer is too large.
func (s *Store) fullPage(ctx context.Context, r *pb.ScrollPoints, limit int) (*page, error) {
	for {
		n := uint32(limit)
		r.Limit = &n
		p, err := s.scroll(ctx, r)
		if errors.Is(err, errTooLarge) && limit > 1 {
			limit /= 2
			continue
		}
		if err == nil {
			s.measure(p)
		}
		return p, err
	}
}

// vectors are those that are read.
func (s *Store) vectors() *pb.WithVectorsSelector {
	if s.options.Vector != "" {
		return pb.NewWithVectorsInclude(s.options.Vector)
	}
	return pb.NewWithVectors(true)
}

func (s *Store) pageSize() int { return int(s.page.Load()) }

func (s *Store) measure(p *page) {
	if len(p.records) > 0 {
		s.page.Store(int64(min(max(pageBytes*len(p.records)/max(p.bytes, 1), 1), maxPage)))
	}
}

func (s *Store) scroll(ctx context.Context, r *pb.ScrollPoints) (*page, error) {
	var p page
	return &p, s.conn.Invoke(ctx, pb.Points_Scroll_FullMethodName, r, &p, grpc.ForceCodecV2(codec{}))
}

// reading is the collection's name, if there can be such a namespace, and what holds
// requests to it.
func (s *Store) reading(ctx context.Context, doing, namespace string) (name string, within *pb.Filter, err error) {
	if within, err = s.within(doing, namespace); err != nil {
		return "", nil, err
	}
	name, err = s.collection(ctx)
	return name, within, err
}

// Fetch gets records by their ids.
func (s *Store) Fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	name, _, err := s.reading(ctx, "get", namespace)
	if err != nil {
		return nil, err
	}
	points := make([]*pb.PointId, 0, len(ids))
	for _, id := range ids {
		if id.Kind() != vector.TextID { // there are none with such an id
			points = append(points, pointID(id))
		}
	}
	var out []vector.Record
	for limit := s.pageSize(); len(points) > 0; {
		n := min(limit, len(points))
		p := page{get: true}
		err := s.conn.Invoke(ctx, pb.Points_Get_FullMethodName, &pb.GetPoints{
			CollectionName: name, Ids: points[:n], WithPayload: pb.NewWithPayload(true), WithVectors: s.vectors(),
		}, &p, grpc.ForceCodecV2(codec{}))
		if errors.Is(err, errTooLarge) && n > 1 {
			limit = n / 2
			continue
		}
		if err != nil {
			return nil, err
		}
		s.measure(&p)
		limit = s.pageSize()
		out, points = append(out, s.own(p.records)...), points[n:]
	}
	return out, nil
}
