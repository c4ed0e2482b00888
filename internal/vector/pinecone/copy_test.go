package pinecone_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/transfer"
)

// chaos is a server that fails in all the ways it can, and ends the copy after so
// many requests.
type chaos struct {
	mu     sync.Mutex
	random *rand.Rand // nil: nothing goes wrong
	left   int
	kill   func()
}

func (c *chaos) fault(op string, _ int) *sim.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.random == nil || op == "describe_index" {
		return nil
	}
	if c.left--; c.left == 0 {
		c.kill()
	}
	switch c.random.IntN(25) {
	case 0:
		return &sim.Fault{Code: codes.ResourceExhausted, RetryAfter: time.Second}
	case 1:
		return &sim.Fault{Code: codes.Unavailable}
	case 2:
		return &sim.Fault{Code: codes.Internal, Done: true}
	case 3:
		return &sim.Fault{Cut: true}
	case 4:
		return &sim.Fault{Cut: true, Done: true}
	}
	return nil
}

func (c *chaos) set(random *rand.Rand, left int, kill func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.random, c.left, c.kill = random, left, kill
}

// TestCopy: from Pinecone to Pinecone, while both fail and the copy is ended and
// taken up again, nothing is lost, doubled or altered.
func TestCopy(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			var c chaos
			server := startSim(t, sim.Options{Fault: c.fault})
			from := addIndex(t, server, sim.Index{Name: "from", Dimension: 4, Metric: "dotproduct"}, nil)
			to := addIndex(t, server, sim.Index{Name: "to", Dimension: 4, Metric: "dotproduct"}, nil)
			namespaces := []string{"", "a", "b"}
			for i, ns := range namespaces {
				put(t, from, ns, someRecords(ns, 400*(i+1)+r.IntN(300)))
			}
			tally := copyThrough(t, &c, r, from, to, namespaces, sqlite.NewCopies(db), fmt.Sprint("copy-", seed))
			if tally.Gone+tally.Refused != 0 || tally.Copied != tally.Listed {
				t.Errorf("%+v", tally)
			}
			report, err := transfer.Verify(t.Context(), transfer.VerifyOptions{
				Source: from, Target: to, Mapping: vector.Mapping{IDs: vector.KeepIDs}, Namespaces: namespaces,
				Queries: 10, Random: rand.New(rand.NewPCG(1, 1)), Clock: time.Now,
			})
			if err != nil {
				t.Fatal(err)
			}
			if !report.Same() || report.Compared != tally.Copied {
				t.Errorf("%+v", report)
			}
			for _, s := range report.Search {
				if s.Vector == "" && (s.Overlap < 0.999 || s.Failed > 0) {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// copyThrough copies until all is copied, whatever fails, and returns the tally.
func copyThrough(t *testing.T, c *chaos, r *rand.Rand, from, to *pinecone.Store, namespaces []string, journal transfer.Journal, id string) transfer.Tally {
	t.Helper()
	kills := 1 + r.IntN(3)
	for n := 0; ; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		left := 0 // never
		if n < kills {
			left = 10 + r.IntN(30)
		}
		c.set(rand.New(rand.NewPCG(r.Uint64(), 1)), left, cancel)
		tally, err := transfer.Run(ctx, transfer.Options{
			Source: from, Target: to, Namespaces: namespaces, ID: id, Journal: journal, Mapping: vector.Mapping{IDs: vector.KeepIDs},
			Unit: 100 * (1 + r.IntN(4)), Readers: 1 + r.IntN(4), Writers: 1 + r.IntN(4), Log: slog.New(slog.DiscardHandler), Clock: time.Now,
			Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, Jitter: func() float64 { return 0.5 },
		})
		cancel()
		c.set(nil, 0, nil)
		if err == nil {
			if n == 0 {
				t.Error("the copy was not ended once")
			}
			return tally
		}
		if n >= kills {
			t.Fatal(err)
		}
	}
}
