package ledger

import (
	"time"

	"github.com/shopspring/decimal"
)

// RollupKey is what the rows of one rollup have in common.
type RollupKey struct {
	Hour                             time.Time // its beginning, UTC
	Workload, Model, Provider, KeyID string
	Tenant                           string
	Outcome                          Outcome
}

// Key returns the key of the rollup that the row counts in.
func (r *Row) Key() RollupKey {
	return RollupKey{
		Hour:     hourOf(r.Time),
		Workload: r.Workload, Model: r.Model, Provider: r.Provider, KeyID: r.KeyID, Tenant: r.Tenant,
		Outcome: r.Outcome,
	}
}

func hourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

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
	a := r.addends()
	s.add(&a)
	if r.Cost.Valid {
		s.Cost = s.Cost.Add(r.Cost.Decimal)
	} else {
		s.CostUnknown++
	}
}

// add adds all of a row but its cost.
func (s *Sums) add(a *addends) {
	s.Requests++
	if a.stream {
		s.Streams++
	}
	s.Attempts = plus(s.Attempts, a.attempts)
	s.Seams = plus(s.Seams, a.seams)
	s.Tokens = s.Tokens.Add(a.tokens)
	if a.tokens.Estimated {
		s.Estimated++
	}
	s.BytesIn = plus(s.BytesIn, a.bytesIn)
	s.BytesOut = plus(s.BytesOut, a.bytesOut)
	if a.firstToken > 0 {
		s.FirstToken.Add(a.firstToken)
	}
	if a.total > 0 {
		s.Total.Add(a.total)
	}
	for _, f := range a.features {
		s.feature(f, 1)
	}
}

// Merge adds the sums o.
func (s *Sums) Merge(o *Sums) {
	s.Requests = plus(s.Requests, o.Requests)
	s.Streams = plus(s.Streams, o.Streams)
	s.Attempts = plus(s.Attempts, o.Attempts)
	s.Seams = plus(s.Seams, o.Seams)
	s.Tokens = s.Tokens.Add(o.Tokens)
	s.Estimated = plus(s.Estimated, o.Estimated)
	s.Cost = s.Cost.Add(o.Cost)
	s.CostUnknown = plus(s.CostUnknown, o.CostUnknown)
	s.BytesIn = plus(s.BytesIn, o.BytesIn)
	s.BytesOut = plus(s.BytesOut, o.BytesOut)
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
	s.Features[name] = plus(s.Features[name], n)
}

// RollUp returns the rollups of entries. Stores add them to those they have.
func RollUp(entries []Entry) map[RollupKey]*Sums {
	type rollup struct {
		Sums
		cost amount
	}
	rollups := make(map[RollupKey]*rollup)
	for i := range entries {
		e := &entries[i]
		r := rollups[e.Key]
		if r == nil {
			r = new(rollup)
			rollups[e.Key] = r
		}
		r.add(&e.adds)
		if e.cost.known {
			r.cost.add(&e.cost)
		} else {
			r.CostUnknown++
		}
	}
	sums := make(map[RollupKey]*Sums, len(rollups))
	for key, r := range rollups {
		r.Cost = r.cost.decimal()
		sums[key] = &r.Sums
	}
	return sums
}
