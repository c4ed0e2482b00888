package ledger

import (
	"time"

	"github.com/shopspring/decimal"
)

// RollupKey is what the rows of one rollup have in common.
type RollupKey struct {
	Hour                             time.Time // its beginning, UTC
	Workload, Model, Provider, KeyID string
	Outcome                          Outcome
}

// Key returns the key of the rollup that the row counts in.
func (r *Row) Key() RollupKey {
	return RollupKey{
		Hour:     r.Time.UTC().Truncate(time.Hour),
		Workload: r.Workload, Model: r.Model, Provider: r.Provider, KeyID: r.KeyID,
		Outcome: r.Outcome,
	}
}

// Rollup is the sum of the rows of one key.
type Rollup struct {
	Key RollupKey
	Sums
}

// Sums are what add up over rows. The zero value is the sum of none.
type Sums struct {
	Requests int64
	Streams  int64 // requests with a streamed answer
	Attempts int64
	Seams    int64

	Tokens    Tokens
	Estimated int64 // requests whose tokens are estimates

	Cost        decimal.Decimal // US dollars, over the requests whose cost is known
	CostUnknown int64           // requests whose cost is not

	BytesIn, BytesOut int64

	FirstToken Histogram // of the requests that had one
	Total      Histogram // of the requests whose total is known

	Features map[string]int64 // requests that used each
}

// Add adds one row.
func (s *Sums) Add(r *Row) {
	s.Requests++
	if r.Stream {
		s.Streams++
	}
	s.Attempts += int64(len(r.Attempts))
	s.Seams += int64(len(r.Seams))
	s.Tokens = s.Tokens.Add(r.Tokens)
	if r.Tokens.Estimated {
		s.Estimated++
	}
	if r.Cost.Valid {
		s.Cost = s.Cost.Add(r.Cost.Decimal)
	} else {
		s.CostUnknown++
	}
	s.BytesIn += r.BytesIn
	s.BytesOut += r.BytesOut
	if r.FirstToken > 0 {
		s.FirstToken.Add(r.FirstToken)
	}
	if r.Total > 0 {
		s.Total.Add(r.Total)
	}
	for _, f := range r.Features {
		s.feature(f, 1)
	}
}

// Merge adds the sums o.
func (s *Sums) Merge(o *Sums) {
	s.Requests += o.Requests
	s.Streams += o.Streams
	s.Attempts += o.Attempts
	s.Seams += o.Seams
	s.Tokens = s.Tokens.Add(o.Tokens)
	s.Estimated += o.Estimated
	s.Cost = s.Cost.Add(o.Cost)
	s.CostUnknown += o.CostUnknown
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.FirstToken.Merge(&o.FirstToken)
	s.Total.Merge(&o.Total)
	for f, n := range o.Features {
		s.feature(f, n)
	}
}

func (s *Sums) feature(name string, n int64) {
	if s.Features == nil {
		s.Features = make(map[string]int64)
	}
	s.Features[name] += n
}

// RollUp returns the rollups of rows. Stores add them to those they have.
func RollUp(rows []*Row) map[RollupKey]*Sums {
	sums := make(map[RollupKey]*Sums)
	for _, r := range rows {
		key := r.Key()
		s := sums[key]
		if s == nil {
			s = new(Sums)
			sums[key] = s
		}
		s.Add(r)
	}
	return sums
}
