package ledger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"freehold/internal/ledger"
	"freehold/internal/store/sqlite"
	"freehold/internal/store/storetest"
)

// childVar names the directory in which a test binary that is started with it
// serves requests until it is killed.
const childVar = "FREEHOLD_TEST_LEDGER_DIR"

// child serves requests at full speed. A line "began ID" says that an attempt
// may be sent, a line "ended ID" is the whole answer at its client.
func child(dir string) int {
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "freehold.db"))
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	l, err := ledger.Open(filepath.Join(dir, "freehold.journal"), sqlite.NewLedger(db), ledger.Options{
		SegmentBytes: 64 << 10, Interval: 5 * time.Millisecond,
	})
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				id := uuid.Must(uuid.NewV7()).String()
				start, end := begun(1), storetest.Row(1)
				start.ID, end.ID = id, id
				err := l.Begin(start)
				if err == nil {
					fmt.Println("began", id)
					err = l.End(end)
				}
				if err != nil {
					fmt.Println("failed", err)
					return
				}
				fmt.Println("ended", id)
			}
		})
	}
	wg.Wait()
	return 1
}

// TestKill kills a process that records requests under load, again and again
// with the same files, and holds that each answer that a client had whole is
// in the ledger, once, and each attempt that may have been sent is, too.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	began, ended := make(map[string]bool), make(map[string]bool)
	for round := range 4 {
		serveAndKill(t, dir, 300+700*round, began, ended)
	}
	if len(ended) < 1000 {
		t.Fatalf("only %d requests ended", len(ended))
	}

	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "freehold.db"))
	must(t, err)
	defer db.Close()
	journal := filepath.Join(dir, "freehold.journal")
	s := sqlite.NewLedger(db)
	l, err := ledger.OpenReader(t.Context(), journal, s, ledger.Options{})
	must(t, err)
	rows := stored(t, s)
	for id := range ended {
		if r := rows[id]; r == nil || r.Outcome != ledger.OK {
			t.Fatalf("request %s was answered, its row is %+v", id, r)
		}
	}
	unknown := 0
	for id := range began {
		r := rows[id]
		if r == nil || r.Outcome != ledger.OK && (r.Outcome != ledger.Unknown || !r.Cost.Valid || !r.Tokens.Estimated) {
			t.Fatalf("request %s was begun, its row is %+v", id, r)
		}
		if r.Outcome == ledger.Unknown {
			unknown++
		}
	}
	t.Logf("%d requests began, %d ended, %d rows, %d of them unknown", len(began), len(ended), len(rows), unknown)

	groups, err := l.Usage(t.Context(), ledger.Query{})
	must(t, err)
	if len(groups) != 1 || groups[0].Requests != int64(len(rows)) {
		t.Errorf("usage counts %+v, there are %d rows", groups, len(rows))
	}
	if left, err := filepath.Glob(filepath.Join(journal, "*.segment*")); err != nil || len(left) > 0 {
		t.Errorf("the journal still has %v, %v", left, err)
	}
}

// serveAndKill starts a child and kills it after about as many lines.
func serveAndKill(t *testing.T, dir string, lines int, began, ended map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	in := bufio.NewScanner(out)
	for n := 0; in.Scan(); n++ {
		if n == lines {
			must(t, cmd.Process.Kill())
		}
		word, id, _ := strings.Cut(in.Text(), " ")
		switch {
		case word == "failed":
			t.Errorf("child: %s", id)
		case len(id) != 36: // the last line, cut
		case word == "began":
			began[id] = true
		case word == "ended":
			ended[id] = true
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
}
