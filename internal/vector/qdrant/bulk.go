package qdrant

import (
	"context"
	"time"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

// A copy is faster, and its end sooner, where the server indexes once at the end
// instead of again and again in between. Who turns indexing off keeps what
// [Store.IndexingThreshold] was before, so that it comes back after a crash, too.

// poll is how often a server that indexes is looked at.
const poll = 250 * time.Millisecond

// IndexingThreshold is from how many kilobytes of vectors on a segment gets an
// index; 0: none does.
func (s *Store) IndexingThreshold(ctx context.Context) (uint64, error) {
	info, err := s.info(ctx)
	return info.GetConfig().GetOptimizerConfig().GetIndexingThreshold(), err
}

// SetIndexingThreshold sets it; 0 turns indexing off. Searches go on meanwhile,
// over all that has no index.
func (s *Store) SetIndexingThreshold(ctx context.Context, kilobytes uint64) error {
	name, err := s.collection(ctx)
	if err != nil {
		return err
	}
	_, err = s.collections.Update(ctx, &pb.UpdateCollection{CollectionName: name, OptimizersConfig: &pb.OptimizersConfigDiff{IndexingThreshold: &kilobytes}})
	return err
}

// WaitIndexed waits until all is indexed that is to be. It looks twice: work that
// was just asked for may not have begun.
func (s *Store) WaitIndexed(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for green := 0; ; {
		info, err := s.info(ctx)
		if err != nil {
			return err
		}
		switch status := info.GetStatus(); status {
		case pb.CollectionStatus_Green:
			if green++; green == 2 {
				return nil
			}
		case pb.CollectionStatus_Red:
			return &vector.Error{Store: s.at, Doing: "index", Trouble: vector.Unavailable, Message: "the collection is red: " + info.GetOptimizerStatus().GetError()}
		default:
			green = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return &vector.Error{Store: s.at, Doing: "index", Trouble: vector.Unavailable, Message: "it is not done", Cause: ctx.Err()}
		}
	}
}

func (s *Store) info(ctx context.Context) (*pb.CollectionInfo, error) {
	name, err := s.collection(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.collections.Get(ctx, &pb.GetCollectionInfoRequest{CollectionName: name})
	return got.GetResult(), err
}
