// Package historytest holds the suite that every [history.Store] passes, and a
// store in memory for tests of what builds on one.
package historytest

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"freehold/internal/history"
)

// Memory is a [history.Store] for tests.
type Memory struct {
	mu      sync.Mutex
	entries []history.Entry
}

var _ history.Store = (*Memory)(nil)

// AppendHistory implements [history.Store].
func (m *Memory) AppendHistory(_ context.Context, e history.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := int64(0)
	if n := len(m.entries); n > 0 {
		last = m.entries[n-1].Seq
	}
	if e.Seq != last+1 {
		return fmt.Errorf("record %d after record %d: %w", e.Seq, last, history.ErrConflict)
	}
	m.entries = append(m.entries, clone(e))
	return nil
}

// LastHistory implements [history.Store].
func (m *Memory) LastHistory(context.Context) (history.Entry, error) {
	all := m.All()
	if len(all) == 0 {
		return history.Entry{}, nil
	}
	return all[len(all)-1], nil
}

// HistoryEntries implements [history.Store].
func (m *Memory) HistoryEntries(_ context.Context, seqs []int64) ([]history.Entry, error) {
	all := m.All()
	found := make([]history.Entry, len(seqs))
	for i, seq := range seqs {
		at := slices.IndexFunc(all, func(e history.Entry) bool { return e.Seq == seq })
		if at < 0 {
			return nil, fmt.Errorf("record %d is missing", seq)
		}
		found[i] = all[at]
	}
	return found, nil
}

// ScanHistory implements [history.Store].
func (m *Memory) ScanHistory(_ context.Context, from int64) iter.Seq2[history.Entry, error] {
	return each(slices.DeleteFunc(m.All(), func(e history.Entry) bool { return e.Seq < from }))
}

// ScanHistoryBack implements [history.Store].
func (m *Memory) ScanHistoryBack(context.Context) iter.Seq2[history.Entry, error] {
	all := m.All()
	slices.Reverse(all)
	return each(all)
}

func each(entries []history.Entry) iter.Seq2[history.Entry, error] {
	return func(yield func(history.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// All returns a copy of everything stored.
func (m *Memory) All() []history.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]history.Entry, len(m.entries))
	for i, e := range m.entries {
		all[i] = clone(e)
	}
	return all
}

// Set replaces everything stored: tampering.
func (m *Memory) Set(entries []history.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = entries
}

// Tamper changes one stored entry behind the log's back.
func (m *Memory) Tamper(seq int64, change func(*history.Entry)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.entries {
		if m.entries[i].Seq == seq {
			change(&m.entries[i])
			return nil
		}
	}
	return fmt.Errorf("record %d is missing", seq)
}

func clone(e history.Entry) history.Entry {
	e.Record, e.Hashes, e.Checkpoint = bytes.Clone(e.Record), bytes.Clone(e.Hashes), bytes.Clone(e.Checkpoint)
	return e
}
