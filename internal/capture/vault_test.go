package capture_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/capture"
	"freehold/internal/history"
	"freehold/internal/leaktest"
	"freehold/internal/store/sqlite"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	secret = "aa23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" // 32 bytes
	// Texts that must not be found in any file.
	question, reply, customer = "canary-of-the-question", "canary-of-the-answer", "canary-customer-17"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// notes is a history that keeps what it is told; with broken set it fails.
type notes struct {
	mu      sync.Mutex
	changes []history.Change
	broken  error
}

func (n *notes) Append(_ context.Context, c history.Change) (history.Record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken == nil {
		n.changes = append(n.changes, c)
	}
	return history.Record{Change: c}, n.broken
}

// world is a started vault in a state file.
type world struct {
	*capture.Vault
	notes *notes
	dir   string
	db    *sqlite.DB

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{notes: &notes{}, dir: t.TempDir(), now: start}
	db, err := sqlite.Open(t.Context(), filepath.Join(w.dir, "freehold.db"))
	check(t, err)
	w.db = db
	w.Vault = capture.New(capture.Options{
		Store: sqlite.NewCaptures(db), History: w.notes, Clock: w.clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	w.Use(secret, nil)
	w.Start()
	t.Cleanup(func() {
		check(t, w.Close(context.Background()))
		check(t, db.Close())
	})
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// exchange makes the exchange of a request; user may be empty.
func exchange(id, workload, key, user string) *capture.Exchange {
	answer := []byte(`{"answer":"` + reply + `"}`)
	return &capture.Exchange{
		Facts: capture.Facts{
			ID: id, Time: start, Workload: workload, KeyID: key, Classes: []string{"restricted"},
			Dialect: "openai", Operation: "chat", Outcome: "ok",
		},
		Retention: 24 * time.Hour, Request: []byte(`{"question":"` + question + `"}`),
		User:   user,
		Answer: func() (capture.Text, error) { return capture.Cut(answer), nil }, AnswerSize: len(answer),
	}
}

var by = capture.By{Who: history.Who{Via: "os", Name: "tester"}, Why: "a ticket"}

func (w *world) read(t *testing.T, id string) capture.Record {
	t.Helper()
	r, err := w.Read(t.Context(), id, by)
	check(t, err)
	return r
}

// ids are the requests that have texts, sorted.
func (w *world) ids(t *testing.T, f capture.Filter) string {
	t.Helper()
	list, err := w.List(t.Context(), f, by)
	check(t, err)
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, "")
}

// inFiles reports whether any file of the state holds text.
func (w *world) inFiles(t *testing.T, text []byte) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	check(t, err)
	for _, f := range files {
		data, err := os.ReadFile(f)
		check(t, err)
		if bytes.Contains(data, text) {
			return filepath.Base(f)
		}
	}
	return ""
}

func TestKeptSealedAndRead(t *testing.T) {
	w := newWorld(t)
	e := exchange("a", "chat", "key_1", customer)
	w.Keep(e)
	r := w.read(t, "a")
	if diff := cmp.Diff(e.Facts, r.Facts); diff != "" {
		t.Error(diff)
	}
	if string(r.Request.Body) != string(e.Request) || string(r.Answer.Body) != `{"answer":"`+reply+`"}` || r.User != customer ||
		r.Request.IsCut() || r.Answer.IsCut() || !r.Expires.Equal(start.Add(24*time.Hour)) {
		t.Errorf("%+v", r)
	}
	for _, text := range []string{question, reply, customer, secret} {
		if file := w.inFiles(t, []byte(text)); file != "" {
			t.Errorf("%q is in %s in the clear", text, file)
		}
	}
	want := []history.Change{{Kind: capture.KindRead, Subject: "a", Who: by.Who, Why: by.Why, Details: map[string]string{"workload": "chat", "key": "key_1"}}}
	if diff := cmp.Diff(want, w.notes.changes); diff != "" {
		t.Error(diff)
	}
	if s := w.Stats(); s != (capture.Stats{Kept: 1}) {
		t.Errorf("%+v", s)
	}
	_, err := w.Read(t.Context(), "b", by)
	if !errors.Is(err, capture.ErrNotFound) || len(w.notes.changes) != 1 {
		t.Errorf("a request without texts: %v", err)
	}
}

// TestOtherKey: a text under a key that is no longer configured stays shut, says
// so, and opens again with its own key.
func TestOtherKey(t *testing.T) {
	w := newWorld(t)
	w.Keep(exchange("a", "chat", "", ""))
	w.read(t, "a")
	w.Use("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", nil)
	_, err := w.Read(t.Context(), "a", by)
	if !errors.Is(err, capture.ErrWrongKey) || !strings.Contains(err.Error(), "set capture.key to the former one") {
		t.Errorf("another key: %v", err)
	}
	w.Keep(exchange("b", "chat", "", ""))
	w.read(t, "b")
	w.Use("", nil)
	if _, err := w.Read(t.Context(), "b", by); !errors.Is(err, capture.ErrNoKey) {
		t.Errorf("no key: %v", err)
	}
	if got := w.ids(t, capture.Filter{}); got != "ab" {
		t.Errorf("the list without a key has %q", got)
	}
	w.Use(secret, nil)
	w.read(t, "a")
}

// TestDamage: a text that was altered, or put in the place of another, is not shown.
func TestDamage(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"a", "b", "c"} {
		w.Keep(exchange(id, "chat", "", ""))
	}
	w.read(t, "c")
	check(t, w.db.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE captures SET text = (SELECT text FROM captures WHERE id = 'c') WHERE id = 'a'`)
		if err == nil {
			_, err = tx.Exec(`UPDATE captures SET text = substr(text, 2) WHERE id = 'b'`)
		}
		return err
	}))
	for _, id := range []string{"a", "b"} {
		if _, err := w.Read(t.Context(), id, by); !errors.Is(err, capture.ErrDamaged) {
			t.Errorf("%s: %v", id, err)
		}
	}
	w.read(t, "c")
}

func TestLongTextsAreCut(t *testing.T) {
	w := newWorld(t)
	e := exchange("a", "chat", "", "")
	e.Request = bytes.Repeat([]byte("q"), capture.MaxText+1)
	answer := bytes.Repeat([]byte("r"), capture.MaxText)
	e.Answer = func() (capture.Text, error) { return capture.Cut(answer), nil }
	w.Keep(e)
	r := w.read(t, "a")
	if len(r.Request.Body) != capture.MaxText || !r.Request.IsCut() || r.Request.Size != capture.MaxText+1 {
		t.Errorf("request: %d of %d bytes", len(r.Request.Body), r.Request.Size)
	}
	if r.Answer.IsCut() || !bytes.Equal(r.Answer.Body, answer) {
		t.Errorf("answer: %d of %d bytes", len(r.Answer.Body), r.Answer.Size)
	}
}

func TestExpiry(t *testing.T) {
	w := newWorld(t)
	long := exchange("b", "chat", "", "")
	long.Retention = 48 * time.Hour
	other := exchange("c", "other", "", "")
	other.Retention = 48 * time.Hour
	w.Keep(exchange("a", "chat", "", ""))
	w.Keep(long)
	w.Keep(other)
	if got := w.ids(t, capture.Filter{}); got != "abc" {
		t.Fatalf("kept: %q", got)
	}
	w.pass(24 * time.Hour)
	// What has expired is gone for readers before it is deleted.
	if _, err := w.Read(t.Context(), "a", by); !errors.Is(err, capture.ErrNotFound) {
		t.Errorf("an expired text: %v", err)
	}
	if got := w.ids(t, capture.Filter{}); got != "bc" {
		t.Errorf("listed: %q", got)
	}
	// The Vault may have swept by itself meanwhile.
	if n, err := w.Sweep(t.Context()); n > 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if left, err := sqlite.NewCaptures(w.db).Captures(t.Context(), capture.Query{}); err != nil || len(left) != 2 {
		t.Errorf("stored after the sweep: %d, %v", len(left), err)
	}
	// A time that was shortened holds for what is there; the Vault sweeps by
	// itself when it is told.
	w.Use(secret, map[string]time.Duration{"chat": time.Hour, "other": 72 * time.Hour})
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if got := w.ids(t, capture.Filter{}); got != "c" {
		t.Errorf("after the time was shortened: %q", got)
	}
}

func TestErase(t *testing.T) {
	w := newWorld(t)
	fill := func() {
		w.Keep(exchange("a", "chat", "key_1", customer))
		w.Keep(exchange("b", "chat", "key_2", "another"))
		w.Keep(exchange("c", "other", "key_1", ""))
		d := exchange("d", "other", "key_2", customer)
		d.Tenant = "acme"
		w.Keep(d)
	}
	for _, c := range []struct {
		filter  capture.Filter
		left    string
		subject string
	}{
		{capture.Filter{ID: "b"}, "acd", "b"},
		{capture.Filter{Workload: "chat"}, "cd", "chat"},
		{capture.Filter{KeyID: "key_1"}, "bd", "key_1"},
		{capture.Filter{User: customer}, "bc", "user mark "},
		{capture.Filter{Tenant: "acme"}, "abc", "tenant acme"},
		{capture.Filter{User: customer, Workload: "chat"}, "bcd", "user mark "},
		{capture.Filter{KeyID: "key_2", Until: start}, "abcd", "key_2"},
		{capture.Filter{Workload: "other", Since: start}, "ab", "other"},
	} {
		fill() // what is queued is erased as what is stored
		n, err := w.Erase(t.Context(), c.filter, by)
		check(t, err)
		if got := w.ids(t, capture.Filter{}); got != c.left || n.Texts != 4-len(c.left) {
			t.Errorf("%+v: %q left, %+v erased", c.filter, got, n)
		}
		last := w.notes.changes[len(w.notes.changes)-2] // before the list
		if last.Kind != capture.KindErase || !strings.HasPrefix(last.Subject, c.subject) || last.Why != by.Why {
			t.Errorf("history: %+v", last)
		}
		if strings.Contains(fmt.Sprint(w.notes.changes), customer) {
			t.Error("the history names the end user")
		}
	}
	if _, err := w.Erase(t.Context(), capture.Filter{Since: start}, by); !errors.Is(err, capture.ErrNothing) {
		t.Errorf("an erasure of everything: %v", err)
	}
}

// TestErasedBytesAreGone: not even the sealed bytes stay, in the file or its log.
func TestErasedBytesAreGone(t *testing.T) {
	w := newWorld(t)
	w.Keep(exchange("a", "chat", "", customer))
	w.Keep(exchange("b", "chat", "", ""))
	w.read(t, "b")
	var gone, stays []byte
	sealed := func(id string, into *[]byte) {
		check(t, w.db.Read().QueryRow(`SELECT text FROM captures WHERE id = ?`, id).Scan(into))
	}
	sealed("a", &gone)
	sealed("b", &stays)
	if w.inFiles(t, gone[:64]) == "" {
		t.Fatal("the sealed text is not in the files to begin with")
	}
	_, err := w.Erase(t.Context(), capture.Filter{User: customer}, by)
	check(t, err)
	if file := w.inFiles(t, gone[:64]); file != "" {
		t.Errorf("the sealed text is still in %s", file)
	}
	if w.inFiles(t, stays[:64]) == "" {
		t.Error("the other sealed text is gone too")
	}
	w.read(t, "b")
}

// TestHistoryFirst: what cannot be put on record is not done.
func TestHistoryFirst(t *testing.T) {
	w := newWorld(t)
	w.Keep(exchange("a", "chat", "", ""))
	w.notes.broken = errors.New("the history cannot be written")
	if r, err := w.Read(t.Context(), "a", by); err == nil || r.Request.Body != nil {
		t.Errorf("read: %v", err)
	}
	if l, err := w.List(t.Context(), capture.Filter{}, by); err == nil || l != nil {
		t.Errorf("list: %v", err)
	}
	if _, err := w.Erase(t.Context(), capture.Filter{ID: "a"}, by); err == nil {
		t.Error("erased")
	}
	w.notes.broken = nil
	w.read(t, "a")
}

// slow is a store whose writes wait.
type slow struct {
	capture.Store
	entered chan struct{}
	leave   chan error
	mu      sync.Mutex
	stored  int
	sweeps  int
}

func (s *slow) CaptureSalt(_ context.Context, fresh []byte) ([]byte, error) { return fresh, nil }

func (s *slow) AddCaptures(_ context.Context, batch []capture.Sealed) error {
	s.entered <- struct{}{}
	err := <-s.leave
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.stored += len(batch)
	}
	return err
}

func (s *slow) ExpireCaptures(context.Context, time.Time, int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeps++
	return 0, nil
}

func newSlow() (*slow, *capture.Vault) {
	s := &slow{entered: make(chan struct{}, 10000), leave: make(chan error)}
	v := capture.New(capture.Options{Store: s, History: &notes{}, Clock: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	v.Use("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", nil)
	return s, v
}

// TestFullQueue: a store that does not come along costs texts, never time, and
// no more memory than there may be.
func TestFullQueue(t *testing.T) {
	s, v := newSlow()
	v.Start()
	v.Keep(exchange("first", "chat", "", ""))
	<-s.entered // the goroutine is in the store from here on
	const many = 5000
	for i := range many {
		v.Keep(exchange(fmt.Sprint(i), "chat", "", ""))
	}
	queued := v.Stats()
	if queued.Dropped == 0 || int64(queued.Queued)+queued.Dropped != many {
		t.Errorf("while the store waits: %+v", queued)
	}
	close(s.leave)
	check(t, v.Close(t.Context()))
	if got := v.Stats(); got.Kept != int64(queued.Queued)+1 || got.Dropped != queued.Dropped || got.Queued != 0 || s.stored != int(got.Kept) {
		t.Errorf("after it went on: %+v, stored %d", got, s.stored)
	}
	v.Keep(exchange("late", "chat", "", ""))
	if got := v.Stats(); got.Dropped != queued.Dropped+1 {
		t.Errorf("after the close: %+v", got)
	}
	check(t, v.Close(t.Context())) // again
}

// TestLargeTexts: bytes are bounded apart from their number, and the bound is
// free again when the texts are stored.
func TestLargeTexts(t *testing.T) {
	s, v := newSlow()
	v.Start()
	large := func() *capture.Exchange {
		e := exchange("x", "chat", "", "")
		e.Request, e.AnswerSize = nil, 40<<20 // what the answer says it holds
		return e
	}
	v.Keep(large())
	<-s.entered
	v.Keep(large())
	if got := v.Stats(); got.Dropped != 1 {
		t.Errorf("two that do not fit: %+v", got)
	}
	close(s.leave)
	_, err := v.Erase(t.Context(), capture.Filter{ID: "none"}, by) // waits for what is queued
	check(t, err)
	v.Keep(large())
	check(t, v.Close(t.Context()))
	if got := v.Stats(); got.Kept != 2 || got.Dropped != 1 {
		t.Errorf("%+v", got)
	}
}

func (s *slow) EraseComments(context.Context, capture.Query) (int, error) { return 0, nil }

func (s *slow) EraseCaptures(context.Context, capture.Query) (int, error) { return 0, nil }

// TestStoreFails: what cannot be stored is counted and does not stop the rest.
func TestStoreFails(t *testing.T) {
	s, v := newSlow()
	v.Start()
	v.Keep(exchange("a", "chat", "", ""))
	<-s.entered
	s.leave <- errors.New("the disk is full")
	bad := exchange("b", "chat", "", "")
	bad.Answer = func() (capture.Text, error) { return capture.Text{}, errors.New("it cannot be encoded") }
	v.Keep(bad)
	v.Keep(exchange("c", "chat", "", ""))
	close(s.leave)
	check(t, v.Close(t.Context()))
	if got := v.Stats(); got != (capture.Stats{Kept: 1, Failed: 2}) {
		t.Errorf("%+v", got)
	}
}

// TestSweepsByItself: at once when settings come, then every minute.
func TestSweepsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newSlow()
		v.Start()
		for want := 1; want <= 3; want++ {
			synctest.Wait()
			s.mu.Lock()
			if s.sweeps != want {
				t.Errorf("%d sweeps, want %d", s.sweeps, want)
			}
			s.mu.Unlock()
			time.Sleep(time.Minute)
		}
		check(t, v.Close(t.Context()))
	})
}

// TestReadAll: texts are picked, read newest first, and one record says so before.
func TestReadAll(t *testing.T) {
	w := newWorld(t)
	for i, workload := range []string{"chat", "chat", "mail", "chat", "chat"} {
		e := exchange(fmt.Sprint("r", i), workload, "k", "")
		e.Time = start.Add(time.Duration(i) * time.Second)
		w.Keep(e)
	}
	read := func(f capture.Filter) (ids []string) {
		t.Helper()
		unreadable, err := w.ReadAll(t.Context(), f, func(e *capture.Entry) bool { return e.ID != "r1" },
			capture.By{Why: "training"}, func(r *capture.Record) error {
				if !strings.Contains(string(r.Request.Body), question) {
					t.Errorf("%s has the request %q", r.ID, r.Request.Body)
				}
				ids = append(ids, r.ID)
				return nil
			})
		check(t, err)
		if unreadable != 0 {
			t.Errorf("%d are not readable", unreadable)
		}
		return ids
	}
	if diff := cmp.Diff([]string{"r4", "r3", "r0"}, read(capture.Filter{Workload: "chat"})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"r4", "r3"}, read(capture.Filter{Workload: "chat", Limit: 2})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := w.notes.changes; len(n) != 2 || n[0].Kind != capture.KindRead || n[0].Subject != "chat" || n[0].Why != "training" || n[0].Details["requests"] != "3" {
		t.Errorf("history: %+v", n)
	}

	// What cannot be put on record is not read; what another key sealed is counted.
	w.notes.broken = errors.New("no room")
	never := func(*capture.Record) error { t.Error("is read"); return nil }
	every := func(*capture.Entry) bool { return true }
	if _, err := w.ReadAll(t.Context(), capture.Filter{Workload: "chat"}, every, capture.By{}, never); !errors.Is(err, w.notes.broken) {
		t.Errorf("without a history: %v", err)
	}
	w.notes.broken = nil
	w.Use(strings.Repeat("another secret ", 3), nil)
	if n, err := w.ReadAll(t.Context(), capture.Filter{Workload: "chat"}, every, capture.By{}, never); n != 4 || err != nil {
		t.Errorf("%d are not readable, %v; want 4", n, err)
	}
}
