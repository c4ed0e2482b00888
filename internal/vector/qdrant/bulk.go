package qdrant

import (
	"context"
	"strconv"
	"time"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

// A copy is faster, and its end sooner, where the server indexes once at the end
// instead of again and again in between. Who turns indexing off keeps what
// [Store.Setting] was before, so that it comes back after a crash, too.

// defaultThreshold is that of servers whose configuration has none.
const defaultThreshold = 10_000

// Setting is the threshold from which on the collection is indexed. It is empty where
// there is nothing to be put off: where indexing is off, or records are there, which
// somebody may search.
func (s *Store) Setting(ctx context.Context) (string, error) {
	info, err := s.info(ctx)
	if err != nil || info.GetPointsCount() > 0 {
		return "", err
	}
	threshold := info.GetConfig().GetOptimizerConfig().IndexingThreshold
	switch {
	case threshold == nil:
		return strconv.Itoa(defaultThreshold), nil
	case *threshold == 0:
		return "", nil
	}
	return strconv.FormatUint(*threshold, 10), nil
}

// Postpone turns indexing off. A key that may not do that loads more slowly, and that
// is all.
func (s *Store) Postpone(ctx context.Context) error {
	return unlessRefused(s.SetIndexingThreshold(ctx, 0))
}

// Restore turns indexing on again as it was, and waits until it is done.
func (s *Store) Restore(ctx context.Context, setting string) error {
	threshold, err := strconv.ParseUint(setting, 10, 64)
	if err != nil {
		return s.invalid("index", "%q is no indexing threshold", setting)
	}
	if err := unlessRefused(s.SetIndexingThreshold(ctx, threshold)); err != nil {
		return err
	}
	return s.WaitIndexed(ctx)
}

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
