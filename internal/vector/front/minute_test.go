package front_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/pinecone/wire"
)

// hours is a clock that goes on when it is told.
type hours struct {
	mu    sync.Mutex
	now   time.Time
	moved chan struct{} // closed when it goes on
}

func newHours() *hours { return &hours{now: time.Unix(1_800_000_000, 0), moved: make(chan struct{})} }

func (h *hours) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hours) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
	close(h.moved)
	h.moved = make(chan struct{})
}

func (h *hours) sleep(ctx context.Context, d time.Duration) error {
	for end := h.clock().Add(d); ; {
		h.mu.Lock()
		now, moved := h.now, h.moved
		h.mu.Unlock()
		if !now.Before(end) {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writer is an application that knows what each of its records may be: as it was last
// acknowledged, or as a write since then would have it that was not. -1: it is not there.
type writer struct {
	name string
	may  map[string][]int
	r    *rand.Rand
	n    int
	ok   int // acknowledged
}

func (a *writer) write(w *world) {
	a.n++
	id, is := fmt.Sprintf("%s%d", a.name, a.r.IntN(12)), a.n
	var err error
	switch k := a.r.IntN(10); {
	case k < 6:
		_, err = w.index.Upsert(w.t.Context(), &wire.UpsertRequest{Vectors: []*wire.Vector{doc(w.t, id, a.n)}})
	case k < 8:
		if slices.Equal(a.may[id], []int{-1}) || a.may[id] == nil {
			return // an update of what is not there makes nothing
		}
		if slices.Contains(a.may[id], -1) { // it may be there or not, and so may the update
			is = -2
		}
		_, err = w.index.Update(w.t.Context(), &wire.UpdateRequest{Id: id, SetMetadata: metadata(w.t, map[string]any{"n": a.n})})
		if is == -2 {
			a.may[id] = append(a.may[id], a.n)
			return
		}
	default:
		is = -1
		_, err = w.index.Delete(w.t.Context(), &wire.DeleteRequest{Ids: []string{id}})
		if status.Code(err) == codes.NotFound { // nor is the namespace
			err = nil
		}
	}
	if err != nil {
		if a.may[id] == nil {
			a.may[id] = []int{-1}
		}
		a.may[id] = append(a.may[id], is)
		return
	}
	a.ok++
	a.may[id] = []int{is}
}

// TestAMinuteDown: either side is away for a minute, in which applications go on writing
// and the process begins anew; whoever answers. Nothing that was acknowledged is lost, and
// in the end both have the same.
func TestAMinuteDown(t *testing.T) {
	for _, test := range []struct {
		phase front.Phase
		down  front.Side
	}{{front.Sync, front.AtStore}, {front.Sync, front.AtPinecone}, {front.Cut, front.AtStore}, {front.Cut, front.AtPinecone}} {
		t.Run(fmt.Sprintf("%s, %s", test.phase, test.down), func(t *testing.T) {
			w, h := newWorld(t), newHours()
			w.end()
			w.clock, w.sleep = h.clock, h.sleep
			w.start()
			apps := make([]*writer, 4)
			for i := range apps {
				apps[i] = &writer{name: string(rune('a' + i)), may: map[string][]int{}, r: rand.New(rand.NewPCG(uint64(i), 3))}
			}
			all := func(until time.Time) {
				var wait sync.WaitGroup
				for _, a := range apps {
					wait.Go(func() {
						for h.clock().Before(until) {
							a.write(w)
							h.pass(150 * time.Millisecond)
						}
					})
				}
				wait.Go(func() { // in a namespace of its own, by filters, too
					r := rand.New(rand.NewPCG(77, 3))
					for h.clock().Before(until) {
						w.client(r, []string{"more"}, 1)
						h.pass(150 * time.Millisecond)
					}
				})
				wait.Wait()
			}
			all(h.clock().Add(5 * time.Second))
			w.begin()
			if err := w.fill("c1", "", "more"); err != nil {
				t.Fatal(err)
			}
			if test.phase == front.Cut {
				if err := w.index.Cutover(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			all(h.clock().Add(5 * time.Second))

			authority := test.down == front.AtPinecone && test.phase == front.Sync || test.down == front.AtStore && test.phase == front.Cut
			acknowledged := func() (n int) {
				for _, a := range apps {
					n += a.ok
				}
				return n
			}
			before := acknowledged()
			if test.down == front.AtStore {
				lost := away
				w.lost.Store(&lost)
			} else {
				var mu sync.Mutex
				r := rand.New(rand.NewPCG(4, 4))
				lost := func(string) *sim.Fault { // some of what is asked of it is done all the same
					mu.Lock()
					defer mu.Unlock()
					return &sim.Fault{Code: codes.Unavailable, Done: r.IntN(4) == 0}
				}
				w.broken.Store(&lost)
			}
			gone := h.clock()
			all(gone.Add(30 * time.Second))
			w.end()
			w.start()
			all(gone.Add(time.Minute))
			during := acknowledged() - before
			lag, err := w.ledger.Lag(t.Context(), index)
			if err != nil {
				t.Fatal(err)
			}
			if authority {
				if during > 0 || lag.Begun == 0 {
					t.Errorf("%d writes are acknowledged without the store that answers; %+v", during, lag)
				}
			} else if waits := h.clock().Sub(lag.Oldest); during < 100 || lag.Acknowledged < 100 || waits < 55*time.Second {
				t.Errorf("%d writes are acknowledged, the oldest waits %s; %+v", during, waits, lag)
			}

			w.broken.Store(nil)
			w.lost.Store(nil)
			ctx, cancel := context.WithCancel(t.Context())
			var passing sync.WaitGroup
			passing.Go(func() {
				for soon(ctx, 0) == nil {
					h.pass(time.Second)
				}
			})
			all(h.clock().Add(5 * time.Second))
			w.settled()
			cancel()
			passing.Wait()
			w.verify("", "more")
			has := map[string]int{}
			for _, v := range w.sim.Records(index, "") {
				has[v.GetId()] = int(v.GetMetadata().GetFields()["n"].GetNumberValue())
			}
			for _, a := range apps {
				for id, may := range a.may {
					n, there := has[id]
					if !there {
						n = -1
					}
					if !slices.Contains(may, n) {
						t.Errorf("%s is %d, and may be %v", id, n, may)
					}
					delete(has, id)
				}
			}
			if len(has) > 0 {
				t.Errorf("nobody wrote %v", has)
			}
		})
	}
}
