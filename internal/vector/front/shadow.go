package front

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"freehold/internal/ledger"
	"freehold/internal/vector/pinecone/wire"
)

// Comparison is what both stores found for one query.
type Comparison struct {
	K int // neighbours that the one which answered found
	// Overlap is the share of what either found that both did, 0 to 1: of the longer
	// answer, since a shorter one lacks the rest.
	Overlap float64
	// Pinecone and Store are how long each took.
	Pinecone, Store time.Duration
	Failed          bool // the other one did not answer
}

// shadows bounds queries of the other store.
type shadows struct {
	mu   sync.Mutex
	now  int
	wait sync.WaitGroup
}

// mostShadows is how many run at once: more are left out, and the client never waits.
const mostShadows = 16

const shadowTime = 10 * time.Second

// shadow asks the other store what was answered, beside the client.
func (ix *Index) shadow(ctx context.Context, byStore bool, other wire.Server, r *wire.QueryRequest, got *wire.QueryResponse, took time.Duration) {
	s := &ix.shadows
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == mostShadows {
		return
	}
	s.now++
	found := make(map[string]bool, len(got.GetMatches()))
	for _, m := range got.GetMatches() {
		found[m.GetId()] = true
	}
	r = proto.Clone(r).(*wire.QueryRequest)
	r.IncludeMetadata, r.IncludeValues = false, false
	ctx, cancel := context.WithTimeout(aside(ctx), shadowTime)
	s.wait.Go(func() {
		defer cancel()
		began := ix.Clock()
		out, err := other.Query(ctx, r)
		c := Comparison{K: len(found), Failed: err != nil, Overlap: 1, Pinecone: took, Store: ix.Clock().Sub(began)}
		if byStore {
			c.Pinecone, c.Store = c.Store, c.Pinecone
		}
		both := 0
		for _, m := range out.GetMatches() {
			if found[m.GetId()] {
				both++
			}
		}
		if most := max(len(found), len(out.GetMatches())); most > 0 {
			c.Overlap = float64(both) / float64(most)
		}
		ix.Compared(c)
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	})
}

// Shadows sums comparisons up. The zero value is the sum of none.
type Shadows struct {
	Since   string // the first day, 2006-01-02 in UTC; of one day, that
	Queries int64
	Failed  int64   // the second store did not answer
	Overlap float64 // the sum over those that did not fail
	// Pinecone and Store are how long each took for those.
	Pinecone, Store ledger.Histogram
}

// Add adds a comparison.
func (s *Shadows) Add(c *Comparison) {
	s.Queries++
	if c.Failed {
		s.Failed++
		return
	}
	s.Overlap += c.Overlap
	s.Pinecone.Add(c.Pinecone)
	s.Store.Add(c.Store)
}

// Merge adds what another sum has.
func (s *Shadows) Merge(o *Shadows) {
	if s.Since == "" || o.Since != "" && o.Since < s.Since {
		s.Since = o.Since
	}
	s.Queries, s.Failed, s.Overlap = s.Queries+o.Queries, s.Failed+o.Failed, s.Overlap+o.Overlap
	s.Pinecone.Merge(&o.Pinecone)
	s.Store.Merge(&o.Store)
}

// Mean is the mean overlap; 0 where there is none.
func (s *Shadows) Mean() float64 {
	if n := s.Queries - s.Failed; n > 0 {
		return s.Overlap / float64(n)
	}
	return 0
}
