package ledger

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// Dimension is what usage can be grouped by.
type Dimension string

// The dimensions. Days and hours are of UTC and written 2006-01-02 and
// 2006-01-02T15:00Z.
const (
	ByWorkload Dimension = "workload"
	ByModel    Dimension = "model"
	ByProvider Dimension = "provider"
	ByKey      Dimension = "key" // the key's id
	ByTenant   Dimension = "tenant"
	ByOutcome  Dimension = "outcome"
	ByDay      Dimension = "day"
	ByHour     Dimension = "hour"
)

// Dimensions lists them all.
func Dimensions() []Dimension {
	return []Dimension{ByWorkload, ByModel, ByProvider, ByKey, ByTenant, ByOutcome, ByDay, ByHour}
}

// of returns the value that a rollup has in the dimension.
func (d Dimension) of(k *RollupKey) (string, error) {
	switch d {
	case ByWorkload:
		return k.Workload, nil
	case ByModel:
		return k.Model, nil
	case ByProvider:
		return k.Provider, nil
	case ByKey:
		return k.KeyID, nil
	case ByTenant:
		return k.Tenant, nil
	case ByOutcome:
		return string(k.Outcome), nil
	case ByDay:
		return k.Hour.Format("2006-01-02"), nil
	case ByHour:
		return k.Hour.Format("2006-01-02T15:00Z"), nil
	}
	return "", fmt.Errorf("usage cannot be grouped by %q: group by workload, model, provider, key, tenant, outcome, day or hour", d)
}

// Group is the usage of the requests that have the same value in each
// dimension that was asked for.
type Group struct {
	By map[Dimension]string `json:"by"`

	Requests int64             `json:"requests"`
	Errors   int64             `json:"errors"` // those whose outcome is one of [Outcome.Err]
	Outcomes map[Outcome]int64 `json:"outcomes"`
	Streams  int64             `json:"streams"`
	Attempts int64             `json:"attempts"`
	Seams    int64             `json:"seams"`

	Tokens    Tokens `json:"tokens"`
	Estimated int64  `json:"estimated"` // requests whose tokens are estimates

	Cost        decimal.Decimal `json:"cost"`         // US dollars, of the requests whose cost is known
	CostUnknown int64           `json:"cost_unknown"` // requests whose cost is not

	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`

	// Latencies of the requests with outcome OK, to 3.2%; 0 where there are
	// none.
	FirstToken Latency `json:"first_token"`
	Total      Latency `json:"total"`

	Features map[string]int64 `json:"features"` // requests that used each
}

// Latency is a distribution in two figures.
type Latency struct {
	P50, P95 time.Duration
}

// Usage returns the usage of what q selects, everything journaled before the
// call included, grouped by q.GroupBy (one group without it, none when nothing
// is selected) and sorted by the groups' values.
//
// The ends of the range are exact where rows are kept. Where retention has
// removed them, an hour that the range touches counts whole.
func (l *Ledger) Usage(ctx context.Context, q Query) ([]Group, error) {
	for _, d := range q.GroupBy {
		if _, err := d.of(&RollupKey{}); err != nil {
			return nil, err
		}
	}
	if !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return nil, nil
	}
	if err := l.Sync(ctx); err != nil {
		return nil, err
	}
	now := l.opts.Clock()
	pruned, err := l.store.Pruned(ctx)
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	u := usage{by: q.GroupBy, groups: make(map[string]*group)}
	whole, edges := split(q, pruned, now)
	if whole.Until.IsZero() || whole.Since.Before(whole.Until) {
		for r, err := range l.store.Rollups(ctx, whole) {
			if err != nil {
				return nil, fmt.Errorf("usage: %w", err)
			}
			u.add(&r.Key, &r.Sums)
		}
	}
	for _, edge := range edges {
		for r, err := range l.store.Rows(ctx, edge) {
			if err != nil {
				return nil, fmt.Errorf("usage: %w", err)
			}
			var s Sums
			s.Add(r)
			key := r.Key()
			u.add(&key, &s)
		}
	}
	return u.result(), nil
}

// split parts q into whole hours, for rollups, and the parts of hours at its
// ends, for rows. An hour whose rows are pruned, and the present hour up to
// now or later, are whole hours.
func split(q Query, pruned, now time.Time) (whole Query, edges []Query) {
	q.Limit, q.After = 0, ""
	whole = q
	edge := func(since, until time.Time) {
		if since.Before(until) {
			e := q
			e.Since, e.Until = since, until
			edges = append(edges, e)
		}
	}
	floor := func(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }
	if !q.Until.IsZero() {
		switch hour := floor(q.Until); {
		case hour.Equal(q.Until):
			whole.Until = hour
		case q.Until.After(now) || hour.Before(pruned):
			whole.Until = hour.Add(time.Hour)
		default:
			whole.Until = hour
			edge(latest(hour, q.Since), q.Until)
		}
	}
	if !q.Since.IsZero() {
		switch hour := floor(q.Since); {
		case hour.Equal(q.Since) || hour.Before(pruned):
			whole.Since = hour
		case !whole.Until.IsZero() && whole.Until.Equal(hour):
			// Both ends are in one hour, which is an edge already.
			whole.Since = hour
		default:
			whole.Since = hour.Add(time.Hour)
			end := whole.Since
			if !whole.Until.IsZero() && whole.Until.Before(end) {
				end = whole.Until
			}
			edge(q.Since, end)
		}
	}
	return whole, edges
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// usage collects groups.
type usage struct {
	by     []Dimension
	groups map[string]*group
}

type group struct {
	values   []string
	sums     Sums
	outcomes map[Outcome]int64
	first    Histogram
	total    Histogram
}

func (u *usage) add(key *RollupKey, s *Sums) {
	values := make([]string, len(u.by))
	id := ""
	for i, d := range u.by {
		// The dimensions were checked by Usage.
		values[i], _ = d.of(key)
		id += values[i] + "\x00"
	}
	g := u.groups[id]
	if g == nil {
		g = &group{values: values, outcomes: make(map[Outcome]int64)}
		u.groups[id] = g
	}
	g.sums.Merge(s)
	g.outcomes[key.Outcome] += s.Requests
	if key.Outcome == OK {
		g.first.Merge(&s.FirstToken)
		g.total.Merge(&s.Total)
	}
}

func (u *usage) result() []Group {
	sorted := make([]*group, 0, len(u.groups))
	for _, g := range u.groups {
		sorted = append(sorted, g)
	}
	slices.SortFunc(sorted, func(a, b *group) int { return slices.Compare(a.values, b.values) })

	result := make([]Group, 0, len(sorted))
	for _, g := range sorted {
		by := make(map[Dimension]string, len(u.by))
		for i, d := range u.by {
			by[d] = g.values[i]
		}
		errs := int64(0)
		for o, n := range g.outcomes {
			if o.Err() {
				errs += n
			}
		}
		s := &g.sums
		s.Tokens.Estimated = s.Estimated > 0
		features := s.Features
		if features == nil {
			features = map[string]int64{}
		}
		result = append(result, Group{
			By: by, Requests: s.Requests, Errors: errs, Outcomes: g.outcomes,
			Streams: s.Streams, Attempts: s.Attempts, Seams: s.Seams,
			Tokens: s.Tokens, Estimated: s.Estimated,
			Cost: s.Cost, CostUnknown: s.CostUnknown,
			BytesIn: s.BytesIn, BytesOut: s.BytesOut,
			FirstToken: Latency{g.first.Quantile(0.50), g.first.Quantile(0.95)},
			Total:      Latency{g.total.Quantile(0.50), g.total.Quantile(0.95)},
			Features:   features,
		})
	}
	return result
}

// Requests returns the rows that q selects, newest first, everything journaled
// before the call included. The next page is asked for with After set to the
// id of the last row.
func (l *Ledger) Requests(ctx context.Context, q Query) ([]*Row, error) {
	if err := l.Sync(ctx); err != nil {
		return nil, err
	}
	var rows []*Row
	for r, err := range l.store.Rows(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("requests: %w", err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// Each yields the rows that q selects, newest first, everything journaled before
// the call included, without holding them all. After an error nothing follows.
func (l *Ledger) Each(ctx context.Context, q Query) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		if err := l.Sync(ctx); err != nil {
			yield(nil, err)
			return
		}
		for r, err := range l.store.Rows(ctx, q) {
			if err != nil {
				err = fmt.Errorf("requests: %w", err)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// KeptSince is the time from which on all rows are kept: retention has removed
// those before. The zero time: all there ever were.
func (l *Ledger) KeptSince(ctx context.Context) (time.Time, error) { return l.store.Pruned(ctx) }

// Request returns the row of one request with its attempts, or [ErrNotFound].
// A request that is still being served has no row yet.
func (l *Ledger) Request(ctx context.Context, id string) (*Row, error) {
	if err := l.Sync(ctx); err != nil {
		return nil, err
	}
	r, err := l.store.Row(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", cmp.Or(id, "without an id"), err)
	}
	return r, nil
}
