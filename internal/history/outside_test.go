package history_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freehold/internal/history"
	"freehold/internal/history/historytest"
)

// TestOutsideFails: a place that cannot be written to is reported and tried
// again, and appending goes on.
func TestOutsideFails(t *testing.T) {
	dir, mount := t.TempDir(), filepath.Join(t.TempDir(), "mount")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := options(dir)
		o.Outside, o.Logger = []string{mount + string(filepath.Separator)}, slog.New(slog.NewTextHandler(&log, nil))
		l, err := history.Open(t.Context(), &historytest.Memory{}, o)
		if err != nil {
			t.Fatal(err)
		}
		historytest.Fill(t, l, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := l.Outside()[0]; s.Err == nil || s.UpTo != 0 || s.Since.IsZero() {
			t.Errorf("status %+v", s)
		}
		if err := os.Mkdir(mount, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := l.Outside()[0]; s.Err != nil || s.UpTo != 3 {
			t.Errorf("after the place came back: %+v", s)
		}
		historytest.Fill(t, l, 1)
		synctest.Wait()
		if s := l.Outside()[0]; s.UpTo != 4 {
			t.Errorf("after one more: %+v", s)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 || strings.Count(log.String(), "level=ERROR") != 1 {
			t.Errorf("%d lines logged, want one of the failure and one of its end:\n%s", n, log.String())
		}
		report := verify(t, l, history.VerifyOptions{Outside: []string{mount}})
		if !report.OK || report.AttestedUpTo() != 4 {
			t.Errorf("verified:\n%s", report.Text())
		}
	})
}

func TestOutsideCloseReports(t *testing.T) {
	o := options(t.TempDir())
	o.Outside = []string{filepath.Join(t.TempDir(), "missing", "file")}
	l, err := history.Open(t.Context(), &historytest.Memory{}, o)
	if err != nil {
		t.Fatal(err)
	}
	historytest.Fill(t, l, 1)
	if err := l.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("closed with a copy behind: %v", err)
	}
}

// TestOutsideTorn: a copy that was cut in the middle of a note is mended by the
// next, at whatever byte it was cut.
func TestOutsideTorn(t *testing.T) {
	dir, store := t.TempDir(), &historytest.Memory{}
	outside := filepath.Join(t.TempDir(), "checkpoints")
	logged(t, store, dir, outside, 1)
	whole, err := os.ReadFile(outside)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if err := os.WriteFile(outside, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := logged(t, store, dir, outside, 0)
		report := verify(t, l, history.VerifyOptions{Outside: []string{outside}})
		if !report.OK || report.AttestedUpTo() != 2 {
			mended, _ := os.ReadFile(outside)
			t.Fatalf("cut at byte %d of %d:\n%s\n%s", cut, len(whole), report.Text(), mended)
		}
	}
}

// TestOutsideAhead: nothing is copied over the evidence of a rollback.
func TestOutsideAhead(t *testing.T) {
	dir, store := t.TempDir(), &historytest.Memory{}
	outside := filepath.Join(t.TempDir(), "checkpoints")
	logged(t, store, dir, outside, 3)
	before, err := os.ReadFile(outside)
	if err != nil {
		t.Fatal(err)
	}
	store.Set(store.All()[:2])
	o := options(dir)
	o.Outside = []string{outside}
	l, err := history.Open(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "cut short or set back") {
		t.Errorf("copied from a history that was set back: %v", err)
	}
	after, err := os.ReadFile(outside)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the outside file changed, %v", err)
	}
}

// TestOutsideTwoProcesses: several processes may copy to one file.
func TestOutsideTwoProcesses(t *testing.T) {
	dir, store := t.TempDir(), &historytest.Memory{}
	outside := filepath.Join(t.TempDir(), "checkpoints")
	o := options(dir)
	o.Outside = []string{outside}
	var logs []*history.Log
	for range 3 {
		l, err := history.Open(t.Context(), store, o)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, l)
	}
	for _, l := range logs {
		historytest.Fill(t, l, 5)
	}
	for _, l := range logs {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	report := verify(t, logs[0], history.VerifyOptions{})
	if !report.OK || report.AttestedUpTo() != 16 {
		t.Errorf("verified:\n%s", report.Text())
	}
	if _, err := logs[0].Verify(t.Context(), history.VerifyOptions{Outside: []string{filepath.Join(outside, "x")}}); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("an unreadable outside place: %v", err)
	}
}
