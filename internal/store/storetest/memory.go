package storetest

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"freehold/internal/ledger"
)

// Memory is a [ledger.Store] without a file, for tests of what stands on one.
// It passes the suite.
type Memory struct {
	mu        sync.Mutex
	rows      []*ledger.Row // in the order in which they came
	rollups   map[ledger.RollupKey]*ledger.Sums
	spends    []ledger.Spend // several of one key, perhaps
	positions map[string]ledger.Position
	pruned    time.Time
	err       error
}

var _ ledger.Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{rollups: make(map[ledger.RollupKey]*ledger.Sums), positions: make(map[string]ledger.Position)}
}

// Fail makes every later Apply, Flush and Prune fail with err, until it is
// called with nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Position implements [ledger.Store].
func (m *Memory) Position(_ context.Context, journal string) (ledger.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.positions[journal], nil
}

// Apply implements [ledger.Store].
func (m *Memory) Apply(ctx context.Context, b ledger.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.writable(ctx); err != nil {
		return err
	}
	var rows []*ledger.Row
	var fresh []ledger.Entry
	for _, e := range b.Entries {
		r := new(ledger.Row)
		if err := r.UnmarshalBinary(e.Record); err != nil {
			return err
		}
		same := func(o *ledger.Row) bool { return o.ID == r.ID }
		if !slices.ContainsFunc(m.rows, same) && !slices.ContainsFunc(rows, same) {
			rows, fresh = append(rows, r), append(fresh, e)
		}
	}
	m.rows = append(m.rows, rows...)
	for key, s := range ledger.RollUp(fresh) {
		if m.rollups[key] == nil {
			m.rollups[key] = new(ledger.Sums)
		}
		m.rollups[key].Merge(s)
	}
	m.spends = append(m.spends, ledger.SpendOf(fresh)...)
	if b.Journal != "" {
		m.positions[b.Journal] = b.Position
	}
	return nil
}

func (m *Memory) writable(ctx context.Context) error {
	if m.err != nil {
		return m.err
	}
	return ctx.Err()
}

// Flush implements [ledger.Store].
func (m *Memory) Flush(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writable(ctx)
}

// Row implements [ledger.Store].
func (m *Memory) Row(_ context.Context, id string) (*ledger.Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, ledger.ErrNotFound
}

// Rows implements [ledger.Store].
func (m *Memory) Rows(_ context.Context, q ledger.Query) iter.Seq2[*ledger.Row, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	sorted := slices.Clone(m.rows)
	slices.SortStableFunc(sorted, func(a, b *ledger.Row) int { return a.Time.Compare(b.Time) })
	slices.Reverse(sorted)
	if q.After != "" {
		i := slices.IndexFunc(sorted, func(r *ledger.Row) bool { return r.ID == q.After })
		sorted = sorted[i+1:]
	}
	return func(yield func(*ledger.Row, error) bool) {
		left := q.Limit
		for _, r := range sorted {
			if !selects(q, r) {
				continue
			}
			if !yield(r, nil) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// Spends implements [ledger.Store].
func (m *Memory) Spends(_ context.Context, since time.Time) iter.Seq2[*ledger.Spend, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.spends)
	return func(yield func(*ledger.Spend, error) bool) {
		for i := range list {
			if s := &list[i]; !s.Hour.Before(since) && !yield(s, nil) {
				return
			}
		}
	}
}

// Rollups implements [ledger.Store].
func (m *Memory) Rollups(_ context.Context, q ledger.Query) iter.Seq2[*ledger.Rollup, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*ledger.Rollup
	for key, s := range m.rollups {
		if selects(q, &ledger.Row{
			Time: key.Hour, Workload: key.Workload, Model: key.Model,
			Provider: key.Provider, KeyID: key.KeyID, Tenant: key.Tenant, Outcome: key.Outcome,
		}) {
			r := &ledger.Rollup{Key: key}
			r.Merge(s)
			list = append(list, r)
		}
	}
	return func(yield func(*ledger.Rollup, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Prune implements [ledger.Store].
func (m *Memory) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.writable(ctx); err != nil {
		return 0, err
	}
	m.rows = slices.DeleteFunc(m.rows, func(r *ledger.Row) bool {
		if n == limit || !r.Time.Before(before) {
			return false
		}
		n++
		return true
	})
	if before.After(m.pruned) {
		m.pruned = before
	}
	return n, nil
}

// Pruned implements [ledger.Store].
func (m *Memory) Pruned(context.Context) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pruned, nil
}
