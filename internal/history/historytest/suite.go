package historytest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"freehold/internal/history"
)

// Subject is a store under test, empty at first.
type Subject struct {
	Store history.Store
	// Other is the same store as a second process would open it; it may be
	// Store itself.
	Other history.Store
	// Tamper changes a stored entry behind the store's back.
	Tamper func(seq int64, change func(*history.Entry)) error
}

// Test runs the suite. New returns a fresh, empty store each time.
func Test(t *testing.T, open func(t *testing.T) Subject) {
	t.Run("Empty", func(t *testing.T) { testEmpty(t, open(t)) })
	t.Run("Entries", func(t *testing.T) { testEntries(t, open(t)) })
	t.Run("Concurrent", func(t *testing.T) { testConcurrent(t, open(t)) })
	t.Run("OneByte", func(t *testing.T) { testOneByte(t, open(t)) })
}

// Open opens a log on a store with a key file in dir and a clock that advances a
// second a look.
func Open(t testing.TB, store history.Store, dir string) *history.Log {
	t.Helper()
	var mu sync.Mutex
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l, err := history.Open(t.Context(), store, history.Options{
		KeyFile: filepath.Join(dir, "history.key"),
		Clock: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Second)
			return now
		},
		Random: rand.Reader,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Fill appends n changes.
func Fill(t testing.TB, l *history.Log, n int) {
	t.Helper()
	for i := range n {
		_, err := l.Append(t.Context(), history.Change{
			Kind: history.KindConfig, Subject: "config.yaml", Who: history.Who{Via: "os", Name: "ada"},
			Why: fmt.Sprintf("change %d", i), ConfigVersion: int64(i + 1), Diff: "-a: 1\n+a: 2\n",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func testEmpty(t *testing.T, s Subject) {
	last, err := s.Store.LastHistory(t.Context())
	if err != nil || last.Seq != 0 {
		t.Errorf("LastHistory of an empty store: %v, %v", last, err)
	}
	for e, err := range s.Store.ScanHistory(t.Context(), 1) {
		t.Errorf("an empty store yields %v, %v", e, err)
	}
	if _, err := s.Store.HistoryEntries(t.Context(), []int64{1}); err == nil {
		t.Error("a missing entry was read without an error")
	}
}

func testEntries(t *testing.T, s Subject) {
	var want []history.Entry
	for seq := range int64(5) {
		e := history.Entry{Seq: seq + 1, Record: fmt.Appendf(nil, "record %d \x00\xff", seq), Hashes: []byte{byte(seq)}, Checkpoint: []byte("— note\n")}
		if err := s.Store.AppendHistory(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	for _, seq := range []int64{0, 1, 5, 7, -1} {
		if err := s.Store.AppendHistory(t.Context(), history.Entry{Seq: seq, Record: []byte("x"), Hashes: []byte("x"), Checkpoint: []byte("x")}); !errors.Is(err, history.ErrConflict) {
			t.Errorf("append of record %d after 5: %v, want ErrConflict", seq, err)
		}
	}
	last, err := s.Store.LastHistory(t.Context())
	if diff := cmp.Diff(want[4], last); diff != "" || err != nil {
		t.Errorf("LastHistory: %v\n%s", err, diff)
	}
	some, err := s.Store.HistoryEntries(t.Context(), []int64{4, 1, 4})
	if diff := cmp.Diff([]history.Entry{want[3], want[0], want[3]}, some); diff != "" || err != nil {
		t.Errorf("HistoryEntries: %v\n%s", err, diff)
	}
	if diff := cmp.Diff(want[2:], collect(t, s.Store.ScanHistory(t.Context(), 3))); diff != "" {
		t.Errorf("ScanHistory from 3:\n%s", diff)
	}
	back := collect(t, s.Store.ScanHistoryBack(t.Context()))
	for i, e := range back {
		if e.Seq != int64(5-i) {
			t.Errorf("ScanHistoryBack yields %d at %d", e.Seq, i)
		}
	}
	for range s.Store.ScanHistory(t.Context(), 1) {
		break // leaves nothing open: the next write works
	}
	if err := s.Store.AppendHistory(t.Context(), history.Entry{Seq: 6, Record: []byte("x"), Hashes: []byte("x"), Checkpoint: []byte("x")}); err != nil {
		t.Error(err)
	}
}

func collect(t *testing.T, scan func(func(history.Entry, error) bool)) []history.Entry {
	t.Helper()
	var all []history.Entry
	for e, err := range scan {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// testConcurrent appends from two logs, as a server and a command would.
func testConcurrent(t *testing.T, s Subject) {
	dir := t.TempDir()
	const each, writers = 8, 2
	var wg sync.WaitGroup
	for _, store := range []history.Store{s.Store, s.Other} {
		for range writers {
			l := Open(t, store, dir)
			wg.Go(func() {
				for range each {
					if _, err := l.Append(context.Background(), history.Change{Kind: "test.write"}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	report, err := Open(t, s.Store, dir).Verify(t.Context(), history.VerifyOptions{})
	if err != nil || !report.OK || report.Records != 2*writers*each+1 {
		t.Errorf("after %d concurrent appends: %v\n%s", 2*writers*each, err, report.Text())
	}
}

// testOneByte changes one byte of anything stored: verification names the
// record, what of it was altered, and nothing else.
func testOneByte(t *testing.T, s Subject) {
	const records = 13
	dir := t.TempDir()
	l := Open(t, s.Store, dir)
	Fill(t, l, records-1) // and the first, of the signing key
	fields := []struct {
		kind history.ProblemKind
		of   func(*history.Entry) []byte
	}{
		{history.ProblemRecord, func(e *history.Entry) []byte { return e.Record }},
		{history.ProblemHash, func(e *history.Entry) []byte { return e.Hashes }},
		{history.ProblemCheckpoint, func(e *history.Entry) []byte { return e.Checkpoint }},
	}
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Int64Range(1, records).Draw(t, "seq")
		field := rapid.SampledFrom(fields).Draw(t, "field")
		at := rapid.IntRange(0, 1<<20).Draw(t, "at")
		mask := rapid.ByteRange(1, 255).Draw(t, "mask")
		flip := func() {
			err := s.Tamper(seq, func(e *history.Entry) {
				data := field.of(e)
				data[at%len(data)] ^= mask
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		flip()
		defer flip()
		report, err := l.Verify(context.Background(), history.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if report.OK || len(report.Problems) != 1 || report.Problems[0].Seq != seq || report.Problems[0].Kind != field.kind {
			t.Fatalf("%s of record %d, byte %d: the report is\n%s", field.kind, seq, at, report.Text())
		}
	})
	report, err := l.Verify(t.Context(), history.VerifyOptions{})
	if err != nil || !report.OK {
		t.Errorf("after undoing all: %v\n%s", err, report.Text())
	}
}
