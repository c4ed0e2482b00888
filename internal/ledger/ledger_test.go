package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"

	"freehold/internal/leaktest"
	"freehold/internal/ledger"
	"freehold/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		os.Exit(child(dir))
	}
	leaktest.Main(m)
}

var rowsEqual = cmp.Options{
	cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
}

// never is an interval in which no test ends: the store is filled by Sync and
// Close only.
const never = time.Hour

func open(t testing.TB, dir string, s ledger.Store, opts ledger.Options) *ledger.Ledger {
	t.Helper()
	if opts.Interval == 0 {
		opts.Interval = never
	}
	l, err := ledger.Open(dir, s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !t.Failed() {
			t.Errorf("Close: %v", err)
		}
	})
	// What it does at its beginning is over.
	must(t, l.Sync(t.Context()))
	return l
}

// small returns a row of few bytes, for tests that go through all of them.
func small(n int, outcome ledger.Outcome) *ledger.Row {
	r := &ledger.Row{ID: fmt.Sprint("request-", n), Time: time.UnixMicro(1), Outcome: outcome, Attempts: []ledger.Attempt{{N: 1}}}
	r.Attempts[0].Outcome = outcome
	return r
}

// begun returns the row of request n as it is when its first attempt begins.
func begun(n int) *ledger.Row {
	r := storetest.Row(n)
	a := r.Attempts[0]
	r.Attempts = []ledger.Attempt{{
		N: 1, Deployment: a.Deployment, Provider: a.Provider, ProviderModel: a.ProviderModel,
		Start: a.Start, Estimate: ledger.Estimate{
			TokensIn: 900, TokensOut: 400, PriceIn: "0.000001", PriceOut: "0.000002", Source: "catalog", Date: "2026-02-01",
		},
	}}
	r.Status, r.Outcome, r.ErrorCode, r.Tokens, r.Seams = 0, "", "", ledger.Tokens{}, nil
	r.Cost, r.FirstToken, r.Total, r.BytesOut = decimal.NullDecimal{}, 0, 0, 0
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func stored(t testing.TB, s ledger.Store) map[string]*ledger.Row {
	t.Helper()
	rows := make(map[string]*ledger.Row)
	for r, err := range s.Rows(context.Background(), ledger.Query{}) {
		must(t, err)
		if rows[r.ID] != nil {
			t.Errorf("row %s twice", r.ID)
		}
		rows[r.ID] = r
	}
	return rows
}

// crash returns a copy of the journal in dir as it would be found after the
// death of its owner.
func crash(t testing.TB, dir string) string {
	t.Helper()
	copied := t.TempDir()
	must(t, os.CopyFS(copied, os.DirFS(dir)))
	return copied
}

// recovered opens what a crash left and returns what is stored then, and the log.
func recovered(t testing.TB, dir string) (*storetest.Memory, string) {
	t.Helper()
	var log bytes.Buffer
	s := storetest.NewMemory()
	_, err := ledger.OpenReader(t.Context(), dir, s, ledger.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	return s, log.String()
}

func TestWhatIsEndedIsAnswered(t *testing.T) {
	ctx := t.Context()
	l := open(t, t.TempDir(), storetest.NewMemory(), ledger.Options{})
	refused := &ledger.Row{ID: "refused", Time: storetest.Row(5).Time, Outcome: ledger.Refused, Status: 403}
	must(t, l.Begin(begun(1)))
	must(t, l.End(storetest.Row(1)))
	must(t, l.Begin(begun(2)))
	must(t, l.End(refused))
	must(t, l.End(storetest.Row(1))) // a duplicate

	got, err := l.Requests(ctx, ledger.Query{})
	must(t, err)
	if diff := cmp.Diff([]*ledger.Row{refused, storetest.Row(1)}, got, rowsEqual); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	one, err := l.Request(ctx, storetest.Row(1).ID)
	must(t, err)
	if diff := cmp.Diff(storetest.Row(1), one, rowsEqual); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	if _, err := l.Request(ctx, begun(2).ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a request that is open: %v, want ErrNotFound", err)
	}
	if err := l.End(&ledger.Row{}); err == nil {
		t.Error("a row without an id was taken")
	}
	if s := l.Stats(); s.Open != 1 || s.Backlog != 0 || s.Lag != 0 || s.Failing || s.Stored != 3 || s.Journaled != 5 {
		t.Errorf("stats: %+v", s)
	}
}

func TestRowsReachTheStoreByThemselves(t *testing.T) {
	s := storetest.NewMemory()
	l := open(t, t.TempDir(), s, ledger.Options{Interval: time.Millisecond})
	for n := range 3 {
		must(t, l.End(storetest.Row(n)))
		for len(stored(t, s)) != n+1 { // until the test's deadline
			runtime.Gosched()
		}
	}
}

func TestWhatNeverEndedIsUnknownAndEstimated(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, storetest.NewMemory(), ledger.Options{})
	must(t, l.Begin(begun(1)))

	// The second attempt of a request, the first of which is settled.
	two := begun(2)
	must(t, l.Begin(two))
	two.Attempts[0].Outcome, two.Attempts[0].Tokens = ledger.Failed, ledger.Tokens{In: 5}
	two.Attempts[0].Cost = decimal.NewNullDecimal(decimal.RequireFromString("0.25"))
	second := begun(2).Attempts[0]
	second.N, second.Provider, second.Deployment, second.ProviderModel = 2, "together", "mistral@together", "Mistral"
	two.Attempts = append(two.Attempts, second)
	must(t, l.Begin(two))

	unpriced := begun(3)
	unpriced.Attempts[0].Estimate.PriceOut = ""
	must(t, l.Begin(unpriced))

	s, _ := recovered(t, crash(t, dir))
	rows := stored(t, s)
	if len(rows) != 3 {
		t.Fatalf("%d rows, want 3", len(rows))
	}
	for n, want := range map[int]struct {
		cost     string
		in       int64
		provider string
	}{
		1: {"0.0017", 900, "cluster"}, // 900 × 0.000001 + 400 × 0.000002
		2: {"0.2517", 905, "together"},
		3: {"", 900, "cluster"},
	} {
		r := rows[storetest.Row(n).ID]
		cost := ""
		if r.Cost.Valid {
			cost = r.Cost.Decimal.String()
		}
		if r.Outcome != ledger.Unknown || cost != want.cost || r.Tokens.In != want.in || !r.Tokens.Estimated || r.Provider != want.provider {
			t.Errorf("row %d: outcome %s, cost %q, tokens %+v, provider %s; want unknown, %+v", n, r.Outcome, cost, r.Tokens, r.Provider, want)
		}
	}
	if r := rows[storetest.Row(2).ID]; r.Model != "mistral" {
		t.Errorf("row 2 is of the model %q", r.Model)
	}
}

// TestTornTail cuts the journal at every byte: what was whole before the cut is
// stored, and nothing else.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	s := storetest.NewMemory()
	l := open(t, dir, s, ledger.Options{})
	segment := filepath.Join(dir, "0000000000000001.segment")
	size := func() int64 {
		info, err := os.Stat(segment)
		must(t, err)
		return info.Size()
	}
	type record struct {
		end     int64
		id      string
		outcome ledger.Outcome
	}
	var records []record
	for n := range 3 {
		must(t, l.Begin(small(n, "")))
		records = append(records, record{size(), small(n, "").ID, ledger.Unknown})
		must(t, l.End(small(n, ledger.OK)))
		records = append(records, record{size(), small(n, "").ID, ledger.OK})
	}
	whole, err := os.ReadFile(segment)
	must(t, err)
	for cut := range len(whole) + 1 {
		torn := t.TempDir()
		must(t, os.WriteFile(filepath.Join(torn, filepath.Base(segment)), whole[:cut], 0o600))
		want := make(map[string]ledger.Outcome)
		atEnd := cut <= len("freehold journal 1\n")
		for _, r := range records {
			if r.end <= int64(cut) {
				want[r.id] = r.outcome
				atEnd = atEnd || r.end == int64(cut)
			}
		}
		s, log := recovered(t, torn)
		got := make(map[string]ledger.Outcome)
		for id, r := range stored(t, s) {
			got[id] = r.Outcome
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
		if strings.Contains(log, "level=ERROR") || strings.Contains(log, "unfinished record") == atEnd {
			t.Fatalf("cut at %d of records that end at %v: log %q", cut, records, log)
		}
		if left, err := os.ReadDir(torn); err != nil || len(left) != 2 { // id and lock
			t.Fatalf("cut at %d: %v, %v left", cut, left, err)
		}
	}
}

// TestDamage changes every byte of a record in the middle: the records around
// it are stored, and the damage is reported with its place.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, storetest.NewMemory(), ledger.Options{})
	name := "0000000000000001.segment"
	var ends []int64
	for n := range 3 {
		must(t, l.End(small(n, ledger.OK)))
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		ends = append(ends, info.Size())
	}
	whole, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	for at := ends[0]; at < ends[1]; at++ {
		bad := t.TempDir()
		data := bytes.Clone(whole)
		data[at] ^= 0x41
		must(t, os.WriteFile(filepath.Join(bad, name), data, 0o600))
		s, log := recovered(t, bad)
		rows := stored(t, s)
		if len(rows) != 2 || rows[small(1, "").ID] != nil {
			t.Fatalf("byte %d changed: %d rows", at, len(rows))
		}
		place := fmt.Sprintf("file=%s offset=%d bytes=%d", filepath.Join(bad, name), ends[0], ends[1]-ends[0])
		if !strings.Contains(log, place) || !strings.Contains(log, "level=ERROR") {
			t.Fatalf("byte %d changed: the log does not say %q: %s", at, place, log)
		}
		if kept, err := os.ReadFile(filepath.Join(bad, name+".damaged")); err != nil || !bytes.Equal(kept, data) {
			t.Fatalf("byte %d changed: the damaged segment is not kept: %v", at, err)
		}
	}
}

func TestAnotherVersionsJournalIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "0000000000000001.segment")
	must(t, os.WriteFile(path, []byte("freehold journal 2\nwhat we cannot know"), 0o600))
	_, err := ledger.OpenReader(t.Context(), dir, storetest.NewMemory(), ledger.Options{})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestLongRequestDoesNotKeepTheJournal holds one request open while the journal
// goes through many segments.
func TestLongRequestDoesNotKeepTheJournal(t *testing.T) {
	dir := t.TempDir()
	s := storetest.NewMemory()
	l := open(t, dir, s, ledger.Options{SegmentBytes: 4096})
	must(t, l.Begin(begun(0)))
	must(t, l.Begin(begun(1)))
	for n := range 100 {
		must(t, l.End(storetest.Row(n+2)))
		must(t, l.Sync(t.Context()))
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*.segment")); err != nil || len(files) > 6 {
		t.Errorf("%d segments, %v; want at most 6", len(files), err)
	}
	if s := l.Stats(); s.Open != 2 || s.Segments > 6 {
		t.Errorf("stats %+v, want 2 open requests", s)
	}
	must(t, l.End(storetest.Row(0)))
	crashed, _ := recovered(t, crash(t, dir))
	must(t, l.Sync(t.Context()))
	if r := stored(t, s)[begun(0).ID]; r == nil || r.Outcome != ledger.OK {
		t.Errorf("the long request is stored as %+v", r)
	}
	rows := stored(t, crashed)
	if r := rows[begun(0).ID]; r == nil || r.Outcome != ledger.OK {
		t.Errorf("after a crash the ended long request is stored as %+v", r)
	}
	if r := rows[begun(1).ID]; r == nil || r.Outcome != ledger.Unknown {
		t.Errorf("after a crash the open long request is stored as %+v", r)
	}
}

func TestStoreThatFailsMakesTheJournalGrow(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := storetest.NewMemory()
	l := open(t, dir, s, ledger.Options{SegmentBytes: 8192, Clock: func() time.Time { return now }})
	full := errors.New("disk full")
	s.Fail(full)
	for n := range 700 { // more than a batch
		must(t, l.Begin(begun(n)))
		must(t, l.End(storetest.Row(n)))
	}
	if err := l.Sync(t.Context()); !errors.Is(err, full) {
		t.Errorf("Sync = %v, want the store's error", err)
	}
	now = now.Add(time.Minute)
	if st := l.Stats(); st.Backlog < 500_000 || st.Lag != time.Minute || st.StoreErrors == 0 || st.Stored != 0 {
		t.Errorf("stats: %+v", st)
	}
	if _, err := l.Usage(t.Context(), ledger.Query{}); !errors.Is(err, full) {
		t.Errorf("Usage = %v, want the store's error: it would be incomplete", err)
	}
	s.Fail(nil)
	must(t, l.Sync(t.Context()))
	if n := len(stored(t, s)); n != 700 {
		t.Errorf("%d rows, want 700", n)
	}
	if st := l.Stats(); st.Backlog != 0 || st.Lag != 0 || st.Segments > 2 {
		t.Errorf("stats: %+v", st)
	}
}

func TestStoreThatComesBackIsFilled(t *testing.T) {
	s := storetest.NewMemory()
	l := open(t, t.TempDir(), s, ledger.Options{Interval: time.Millisecond})
	s.Fail(errors.New("disk full"))
	must(t, l.End(storetest.Row(1)))
	if err := l.Sync(t.Context()); err == nil {
		t.Error("Sync with a store that fails: no error")
	}
	s.Fail(nil)
	for len(stored(t, s)) != 1 { // until the test's deadline
		runtime.Gosched()
	}
}

func TestOneOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := storetest.NewMemory()
	ctx := t.Context()

	// No journal: nothing to own.
	r, err := ledger.OpenReader(ctx, dir, s, ledger.Options{})
	must(t, err)
	if err := r.Begin(begun(0)); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("Begin of a reader: %v", err)
	}
	must(t, r.Close())

	l, err := ledger.Open(dir, s, ledger.Options{Interval: never})
	must(t, err)
	must(t, l.Sync(ctx))
	if _, err := ledger.Open(dir, s, ledger.Options{}); !errors.Is(err, ledger.ErrOwned) {
		t.Errorf("second Open: %v, want ErrOwned", err)
	}
	must(t, l.End(storetest.Row(1)))
	r, err = ledger.OpenReader(ctx, dir, s, ledger.Options{})
	must(t, err)
	if rows, err := r.Requests(ctx, ledger.Query{}); err != nil || len(rows) != 0 {
		t.Errorf("a reader beside a server stored %d rows, %v", len(rows), err)
	}
	s.Fail(errors.New("disk full"))
	if err := l.Close(); err == nil {
		t.Error("Close with rows that the store does not take: no error")
	}
	s.Fail(nil)
	if err := l.Begin(begun(2)); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("Begin after Close: %v", err)
	}
	if err := l.Sync(ctx); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("Sync after Close: %v", err)
	}
	r, err = ledger.OpenReader(ctx, dir, s, ledger.Options{})
	must(t, err)
	if rows, err := r.Requests(ctx, ledger.Query{}); err != nil || len(rows) != 1 {
		t.Errorf("a reader without a server finds %d rows, %v; want 1", len(rows), err)
	}

	// The journal begins anew behind what is stored.
	next := open(t, dir, s, ledger.Options{LockWait: time.Second})
	must(t, next.End(storetest.Row(3)))
	must(t, next.Sync(ctx))
	if n := len(stored(t, s)); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// TestConcurrent has many requests at once over many segments, each attempt and
// end waiting for the disk.
func TestConcurrent(t *testing.T) {
	for _, durability := range []ledger.Durability{ledger.Process, ledger.Disk} {
		dir := t.TempDir()
		s := storetest.NewMemory()
		l := open(t, dir, s, ledger.Options{Durability: durability, SegmentBytes: 16 << 10, Interval: time.Millisecond})
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 40 {
					n := g*40 + i
					if err := errors.Join(l.Begin(begun(n)), l.End(storetest.Row(n))); err != nil {
						t.Error(err)
					}
					_ = l.Stats()
				}
			})
		}
		wg.Wait()
		must(t, l.Sync(t.Context()))
		if n := len(stored(t, s)); n != 320 {
			t.Errorf("%d rows, want 320", n)
		}
		if st := l.Stats(); st.Open != 0 || st.Damaged != 0 || st.Lost != 0 {
			t.Errorf("stats: %+v", st)
		}
	}
}

func TestRetention(t *testing.T) {
	s := storetest.NewMemory()
	at := storetest.Row(0).Time
	l := open(t, t.TempDir(), s, ledger.Options{Clock: func() time.Time { return at.Add(100 * time.Hour) }})
	for n := range 1200 {
		must(t, l.End(storetest.Row(n)))
	}
	must(t, l.Sync(t.Context()))
	l.SetKeep(90 * time.Hour)
	l.PruneNow(t.Context())
	cut := at.Add(10 * time.Hour).Truncate(time.Hour)
	for _, r := range stored(t, s) {
		if r.Time.Before(cut) {
			t.Fatalf("a row of %v is kept, before %v", r.Time, cut)
		}
	}
	if n := len(stored(t, s)); n != 1200-9*60-1 {
		t.Errorf("%d rows kept, want %d", n, 1200-9*60-1)
	}
	groups, err := l.Usage(t.Context(), ledger.Query{})
	must(t, err)
	if len(groups) != 1 || groups[0].Requests != 1200 {
		t.Errorf("usage %+v, want all 1200 requests", groups)
	}
}
