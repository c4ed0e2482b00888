package milvus

import (
	"context"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// A query that is to see all that was acknowledged waits until the server has come to
// its own time, about 0.2 seconds. Fetches and searches would wait longer than they
// take, so they ask for a time that this store has asked for since its last write, or
// later: only the first of them waits. Pages in the order of keys do not: from 2.4 on
// they would be of that time exactly, and what is written over meanwhile could be in
// neither of its two places.

// The consistencies of a request: all that was acknowledged, or all up to a time.
const (
	strong  = 0
	session = 4
)

func consistency(at uint64) int32 {
	if at == 0 {
		return strong
	}
	return session
}

// now is the server's time, 0 of a server that does not tell it: its queries see all
// that was acknowledged.
func (s *Store) now(ctx context.Context) (uint64, error) {
	if s.timeless.Load() {
		return 0, nil
	}
	writes := s.writes.Load()
	var answer wire.AllocTimestampResponse
	err := s.call(ctx, wire.AllocTimestamp, &wire.AllocTimestampRequest{}, &answer)
	switch {
	case is(err, vector.Invalid) || is(err, vector.Denied):
		s.timeless.Store(true)
		return 0, nil
	case err != nil:
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest, s.covers = max(s.latest, answer.GetTimestamp()), max(s.covers, writes)
	return answer.GetTimestamp(), nil
}

// since is the latest time that is known, and not before the last write of this store.
func (s *Store) since(ctx context.Context) (uint64, error) {
	s.mu.Lock()
	at, covers := s.latest, s.covers
	s.mu.Unlock()
	if at != 0 && covers >= s.writes.Load() {
		return at, nil
	}
	return s.now(ctx)
}
