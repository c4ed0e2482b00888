package history_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/history"
	"freehold/internal/history/historytest"
	"freehold/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func options(dir string) history.Options {
	return history.Options{
		KeyFile: filepath.Join(dir, "history.key"), Clock: time.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	}
}

func verify(t *testing.T, l *history.Log, o history.VerifyOptions) history.Report {
	t.Helper()
	report, err := l.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// kinds are the kinds of a report's problems.
func kinds(r history.Report) []history.ProblemKind {
	var all []history.ProblemKind
	for _, p := range r.Problems {
		all = append(all, p.Kind)
	}
	return all
}

func TestAppendListShow(t *testing.T) {
	l := historytest.Open(t, &historytest.Memory{}, t.TempDir())
	change := history.Change{
		Kind: history.KindConfig, Subject: "config.yaml", Who: history.Who{Via: "os", Name: "ada"}, Why: "new model",
		Git: &history.Git{Commit: "abc", Dirty: true, Author: "Ada <ada@example.org>"}, ConfigVersion: 7,
		ConfigHash: history.ConfigHash([]byte("a: 1\n")), Diff: "-a: 0\n+a: 1\n", Details: map[string]string{"k": "v"},
	}
	appended, err := l.Append(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if appended.Seq != 2 { // after the record of the signing key
		t.Errorf("the first change is record %d", appended.Seq)
	}
	if _, err := l.Append(t.Context(), history.Change{Kind: history.KindKeyRevoke, Subject: "k1"}); err != nil {
		t.Fatal(err)
	}
	shown, err := l.Show(t.Context(), 2)
	if diff := cmp.Diff(appended, shown); diff != "" || err != nil {
		t.Errorf("shown otherwise than appended: %v\n%s", err, diff)
	}
	if diff := cmp.Diff(change, shown.Change); diff != "" {
		t.Error(diff)
	}
	for _, seq := range []int64{0, -1, 4} {
		if _, err := l.Show(t.Context(), seq); !errors.Is(err, history.ErrNotFound) {
			t.Errorf("record %d: %v", seq, err)
		}
	}
	for _, test := range []struct {
		name   string
		filter history.Filter
		want   []int64
	}{
		{"all", history.Filter{}, []int64{3, 2, 1}},
		{"limit", history.Filter{Limit: 2}, []int64{3, 2}},
		{"kind", history.Filter{Kinds: []history.Kind{history.KindConfig, history.KindHistoryKey}}, []int64{2, 1}},
		{"subject", history.Filter{Subject: "k1"}, []int64{3}},
		{"since", history.Filter{Since: shown.Time}, []int64{3, 2}},
		{"until", history.Filter{Until: shown.Time}, []int64{1}},
		{"none", history.Filter{Subject: "x"}, nil},
	} {
		records, err := l.List(t.Context(), test.filter)
		var got []int64
		for _, r := range records {
			got = append(got, r.Seq)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
}

func TestKeyFile(t *testing.T) {
	dir, store := t.TempDir(), &historytest.Memory{}
	// Many first starts at once agree on one key.
	keys := make([]string, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			l, err := history.Open(context.Background(), store, options(dir))
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = l.VerifierKey()
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key != keys[0] || key == "" {
			t.Fatalf("several keys: %q", keys)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file %v, %v", info.Mode(), err)
	}

	// A damaged file is refused, and not quoted.
	path := filepath.Join(dir, "history.key")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(whole[:bytes.IndexByte(whole, '\n')])
	for _, damaged := range []string{"", secret, secret[:40] + "\n" + keys[0], strings.ReplaceAll(string(whole), "+", "-")} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := history.Open(t.Context(), store, options(dir))
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), secret[40:60]) {
			t.Errorf("a damaged key file: %v", err)
		}
	}
}

func TestLostKey(t *testing.T) {
	dir, store := t.TempDir(), &historytest.Memory{}
	l := historytest.Open(t, store, dir)
	historytest.Fill(t, l, 2)
	oldKey := l.VerifierKey()
	if err := os.Remove(filepath.Join(dir, "history.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := history.Open(t.Context(), store, options(dir)); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Fatalf("without its key: %v", err)
	}
	o := options(dir)
	o.AcceptNewKey = true
	l, err := history.Open(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	// Until the new key has signed something, the end bears a mark that it
	// cannot vouch for.
	historytest.Fill(t, l, 1)
	report := verify(t, l, history.VerifyOptions{})
	want := []history.KeyUse{{Verifier: oldKey, From: 1}, {Verifier: l.VerifierKey(), From: 4}}
	if diff := cmp.Diff(want, report.Keys); !report.OK || diff != "" || report.Records != 5 {
		t.Errorf("after a change of keys:\n%s\n%s", report.Text(), diff)
	}
	if !strings.Contains(report.Text(), "a new key begins") {
		t.Errorf("the text is silent about the change of keys:\n%s", report.Text())
	}
	// Against the old key it does not hold: that is for its keeper to judge.
	report = verify(t, l, history.VerifyOptions{Keys: []string{oldKey}})
	if diff := cmp.Diff([]history.ProblemKind{history.ProblemKey}, kinds(report)); diff != "" {
		t.Errorf("against the old key:\n%s", report.Text())
	}
	// Another key file put in place is not accepted silently.
	other := t.TempDir()
	historytest.Open(t, &historytest.Memory{}, other)
	foreign, err := history.Open(t.Context(), store, options(other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Append(t.Context(), history.Change{Kind: "x"}); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("append with a foreign key: %v", err)
	}
	if report := verify(t, foreign, history.VerifyOptions{}); report.OK {
		t.Error("verified with a foreign key")
	}
}

// TestAppendBuildsOnNothingAltered: no signature is ever put over an altered end.
func TestAppendBuildsOnNothingAltered(t *testing.T) {
	for name, tamper := range map[string]func(*history.Entry){
		"checkpoint": func(e *history.Entry) { e.Checkpoint[30] ^= 1 },
		"no note":    func(e *history.Entry) { e.Checkpoint = []byte("x") },
		"tree hash":  func(e *history.Entry) { e.Hashes[len(e.Hashes)-1] ^= 1 },
		"hashes cut": func(e *history.Entry) { e.Hashes = e.Hashes[:31] },
	} {
		t.Run(name, func(t *testing.T) {
			store := &historytest.Memory{}
			l := historytest.Open(t, store, t.TempDir())
			historytest.Fill(t, l, 3) // 4 records: the last one's hashes are the whole tree
			if err := store.Tamper(4, tamper); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Append(t.Context(), history.Change{Kind: "x"}); err == nil {
				t.Error("appended to an altered history")
			}
		})
	}
	store := &historytest.Memory{}
	l := historytest.Open(t, store, t.TempDir())
	historytest.Fill(t, l, 1)
	if err := store.Tamper(2, func(e *history.Entry) { e.Record = bytes.Replace(e.Record, []byte("ada"), []byte("bob"), 1) }); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Show(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "record 2") {
		t.Errorf("an altered record is shown: %v", err)
	}
	if _, err := l.List(t.Context(), history.Filter{}); err == nil {
		t.Error("an altered record is listed")
	}
}

func TestReadOnly(t *testing.T) {
	store := &historytest.Memory{}
	key := historytest.Open(t, store, t.TempDir())
	historytest.Fill(t, key, 2)
	l, err := history.Open(t.Context(), store, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), history.Change{Kind: "x"}); err == nil {
		t.Error("appended without a key")
	}
	report := verify(t, l, history.VerifyOptions{})
	if !report.OK || report.KeyTrusted || !strings.Contains(report.Text(), "the signing key was not checked") {
		t.Errorf("without a key:\n%s", report.Text())
	}
	report = verify(t, l, history.VerifyOptions{Keys: []string{key.VerifierKey()}})
	if !report.OK || !report.KeyTrusted {
		t.Errorf("with the verifier key:\n%s", report.Text())
	}
	if _, err := l.Verify(t.Context(), history.VerifyOptions{Keys: []string{"nonsense"}}); err == nil {
		t.Error("verified with a nonsensical key")
	}
}
