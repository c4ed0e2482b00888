package history_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/history"
	"freehold/internal/history/historytest"
)

// logged opens a log with an outside file, appends n changes and waits for the
// copy.
func logged(t *testing.T, store history.Store, dir, outside string, n int) *history.Log {
	t.Helper()
	o := options(dir)
	o.Outside = []string{outside}
	l, err := history.Open(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	historytest.Fill(t, l, n)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestVerifyOutside(t *testing.T) {
	dir, store := t.TempDir(), &historytest.Memory{}
	outside := filepath.Join(t.TempDir(), "checkpoints")
	l := logged(t, store, dir, outside, 4)
	against := history.VerifyOptions{Outside: []string{outside}}
	report := verify(t, l, against)
	if !report.OK || report.AttestedUpTo() != 5 || !strings.Contains(report.Text(), "attested up to record 5 by "+outside) ||
		strings.Contains(report.Text(), "self-attested") {
		t.Fatalf("whole:\n%s", report.Text())
	}
	if report := verify(t, l, history.VerifyOptions{Outside: []string{}}); !report.OK || report.AttestedUpTo() != 0 || !strings.Contains(report.Text(), "self-attested") {
		t.Errorf("without the outside:\n%s", report.Text())
	}
	whole := store.All()

	// Cut short: consistent in itself, found by the outside only.
	store.Set(slices.Clone(whole[:3]))
	if report := verify(t, l, history.VerifyOptions{Outside: []string{}}); !report.OK {
		t.Errorf("a shorter history should hold in itself:\n%s", report.Text())
	}
	report = verify(t, l, against)
	if diff := cmp.Diff([]history.ProblemKind{history.ProblemTruncated}, kinds(report)); diff != "" || report.Problems[0].Seq != 4 || report.AttestedUpTo() != 3 {
		t.Errorf("cut short:\n%s", report.Text())
	}
	store.Set(nil)
	if diff := cmp.Diff([]history.ProblemKind{history.ProblemTruncated}, kinds(verify(t, l, against))); diff != "" {
		t.Errorf("emptied: %s", diff)
	}

	// Written anew from record 3 on with the right key, longer than before.
	store.Set(slices.Clone(whole[:2]))
	historytest.Fill(t, historytest.Open(t, store, dir), 6)
	report = verify(t, l, against)
	if diff := cmp.Diff([]history.ProblemKind{history.ProblemRewritten}, kinds(report)); diff != "" || report.Problems[0].Seq != 3 {
		t.Errorf("written anew:\n%s", report.Text())
	}

	// A record taken out of the middle.
	store.Set(append(slices.Clone(whole[:2]), whole[3:]...))
	report = verify(t, l, against)
	if len(report.Problems) == 0 || report.Problems[0].Kind != history.ProblemMissing || report.Problems[0].Seq != 3 {
		t.Errorf("one taken out:\n%s", report.Text())
	}

	// Two records exchanged, each with its own hash.
	swapped := slices.Clone(whole)
	swapped[2].Record, swapped[3].Record = swapped[3].Record, swapped[2].Record
	store.Set(swapped)
	report = verify(t, l, against)
	if report.OK || report.Problems[0].Seq != 3 || report.Problems[0].Kind != history.ProblemRecord {
		t.Errorf("two exchanged:\n%s", report.Text())
	}

	// A record and its hash replaced together.
	replaced := slices.Clone(whole)
	replaced[2].Record = []byte(`{"seq":3,"kind":"x"}`)
	fresh := historytest.Memory{}
	historytest.Fill(t, historytest.Open(t, &fresh, t.TempDir()), 3)
	replaced[2].Record, replaced[2].Hashes = fresh.All()[2].Record, fresh.All()[2].Hashes
	store.Set(replaced)
	report = verify(t, l, against)
	if report.OK || report.Problems[0].Seq != 3 || report.Problems[0].Kind != history.ProblemRecord {
		t.Errorf("replaced with its hash:\n%s", report.Text())
	}
}

// TestVerifyOutsideByte: one altered byte in an outside file is found, and the
// report names the line.
func TestVerifyOutsideByte(t *testing.T) {
	dir, store := t.TempDir(), &historytest.Memory{}
	outside := filepath.Join(t.TempDir(), "checkpoints")
	l := logged(t, store, dir, outside, 1)
	whole, err := os.ReadFile(outside)
	if err != nil {
		t.Fatal(err)
	}
	const linesOfANote = 5
	for at := range whole {
		altered := bytes.Clone(whole)
		altered[at] ^= 1 << (at % 7)
		if err := os.WriteFile(outside, altered, 0o600); err != nil {
			t.Fatal(err)
		}
		report := verify(t, l, history.VerifyOptions{Outside: []string{outside}})
		if report.OK || report.Problems[0].Kind != history.ProblemOutside {
			t.Fatalf("byte %d, %q to %q, is not found:\n%s", at, whole[at], altered[at], report.Text())
		}
		// An altered first line makes its note part of the one before.
		line := bytes.Count(whole[:at], []byte("\n"))/linesOfANote*linesOfANote + 1
		if !strings.Contains(report.Text(), fmt.Sprintf("%s:%d ", outside, line)) && !strings.Contains(report.Text(), fmt.Sprintf("%s:%d ", outside, line-linesOfANote)) {
			t.Errorf("byte %d in the note at line %d:\n%s", at, line, report.Text())
		}
	}
}

func TestVerifyText(t *testing.T) {
	store := &historytest.Memory{}
	l := historytest.Open(t, store, t.TempDir())
	if report := verify(t, l, history.VerifyOptions{}); report.Text() != "OK: the history is empty\nself-attested: no outside checkpoint vouches for it, so there may have been records\n" {
		t.Errorf("empty:\n%s", report.Text())
	}
	historytest.Fill(t, l, 2)
	report := verify(t, l, history.VerifyOptions{})
	want := "OK: 3 records, root " + report.Root + "\n" +
		"self-attested: no outside checkpoint vouches for it, so whoever has the store and the signing key could have written it anew\n" +
		"from record 1 signed by " + l.VerifierKey() + "\n"
	if diff := cmp.Diff(want, report.Text()); diff != "" {
		t.Error(diff)
	}
	if err := store.Tamper(2, func(e *history.Entry) { e.Record[10] ^= 1 }); err != nil {
		t.Fatal(err)
	}
	report = verify(t, l, history.VerifyOptions{})
	if !strings.HasPrefix(report.Text(), "NOT OK: 3 records, 1 found wrong\n  record 2 was altered: its content is not what its hash was made of\n") {
		t.Errorf("altered:\n%s", report.Text())
	}
}

// TestVerifyBounded: a history damaged throughout makes a short report.
func TestVerifyBounded(t *testing.T) {
	store := &historytest.Memory{}
	l := historytest.Open(t, store, t.TempDir())
	historytest.Fill(t, l, 150)
	all := store.All()
	for i := range all {
		if _, err := rand.Read(all[i].Record); err != nil {
			t.Fatal(err)
		}
	}
	store.Set(all)
	report := verify(t, l, history.VerifyOptions{})
	if report.OK || len(report.Problems) != 100 || report.MoreProblems != 51 {
		t.Errorf("%d problems and %d more, want 100 and 51", len(report.Problems), report.MoreProblems)
	}
}
