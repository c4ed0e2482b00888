package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/history"
)

// Bounds of the queue between requests and the store, and of the store's work.
const (
	maxQueue      = 1024     // exchanges
	maxHeld       = 64 << 20 // bytes of them
	maxBatch      = 64       // exchanges that are stored at once
	maxBatchBytes = 8 << 20  // of their texts, about
	eraseBatch    = 200      // captures that one transaction deletes
	sweepEvery    = time.Minute
)

// Historian is the history as this package sees it.
type Historian interface {
	Append(ctx context.Context, c history.Change) (history.Record, error)
}

// Options of a [Vault]; all are required.
type Options struct {
	Store   Store
	History Historian
	Clock   func() time.Time
	Random  io.Reader // cryptographically secure: crypto/rand.Reader
	Log     *slog.Logger
}

// Vault keeps captures, shows them and erases them. Its methods may be used
// concurrently. One that is not started shows and erases only.
type Vault struct {
	Options

	mu     sync.Mutex // guards the fields below
	salt   []byte     // nil until it is needed
	key    *Key       // of secret; nil until it is needed
	secret string
	keep   map[string]time.Duration

	gate   sync.RWMutex // held by Keep while it sends; closed is set under it
	closed bool
	queue  chan job
	held   atomic.Int64 // bytes in the queue
	wake   chan struct{}
	ended  chan struct{} // nil: not started
	cancel context.CancelFunc

	kept, dropped, failed atomic.Int64
}

// job is an exchange to keep, or a mark in the queue that somebody waits for.
type job struct {
	*Exchange
	reached chan<- struct{}
}

// Stats count since the start.
type Stats struct {
	Kept    int64 // stored
	Dropped int64 // the queue was full, or the Vault closed
	Failed  int64 // could not be sealed or stored
	Queued  int   // waiting now
}

// New returns a Vault over a store.
func New(o Options) *Vault {
	return &Vault{Options: o, queue: make(chan job, maxQueue), wake: make(chan struct{}, 1)}
}

// Use takes a configuration into use: the secret of the key ("" for none), and
// how long each workload keeps texts now. A time that has become shorter holds
// for what is kept already, too.
func (v *Vault) Use(secret string, keep map[string]time.Duration) {
	v.mu.Lock()
	if secret != v.secret {
		v.secret, v.key = secret, nil
	}
	v.keep = maps.Clone(keep)
	v.mu.Unlock()
	select {
	case v.wake <- struct{}{}:
	default: // a sweep is due anyway
	}
}

// Start begins to keep exchanges, and to delete what has had its time.
func (v *Vault) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel, v.ended = cancel, make(chan struct{})
	go v.run(ctx)
}

// Keep takes an exchange over. It never waits: one that finds no room is not
// kept, and counted.
func (v *Vault) Keep(e *Exchange) {
	v.gate.RLock()
	defer v.gate.RUnlock()
	size := e.size()
	if v.closed || v.held.Add(size) > maxHeld {
		if !v.closed {
			v.held.Add(-size)
		}
		v.dropped.Add(1)
		return
	}
	select {
	case v.queue <- job{Exchange: e}:
	default:
		v.held.Add(-size)
		v.dropped.Add(1)
	}
}

// Stats tells what became of exchanges.
func (v *Vault) Stats() Stats {
	return Stats{Kept: v.kept.Load(), Dropped: v.dropped.Load(), Failed: v.failed.Load(), Queued: len(v.queue)}
}

// Close stores what is queued, as far as that is possible before ctx ends.
func (v *Vault) Close(ctx context.Context) error {
	if v.ended == nil {
		return nil
	}
	v.gate.Lock()
	first := !v.closed
	v.closed = true
	v.gate.Unlock()
	if first {
		close(v.queue)
	}
	defer v.cancel()
	select {
	case <-v.ended:
		return nil
	case <-ctx.Done():
	}
	v.cancel()
	<-v.ended
	return fmt.Errorf("capture: texts were still to be stored: %w", ctx.Err())
}

// run is the goroutine behind Keep.
func (v *Vault) run(ctx context.Context) {
	defer close(v.ended)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	told := int64(0)
	for {
		select {
		case j, open := <-v.queue:
			if !open {
				return
			}
			v.store(ctx, j)
			continue
		case <-v.wake:
		case <-tick.C:
		}
		if _, err := v.Sweep(ctx); err != nil && ctx.Err() == nil {
			v.Log.Error("captured texts whose time is up cannot be deleted", "error", err)
		}
		if n := v.dropped.Load(); n > told {
			v.Log.Warn("texts of requests were not kept: more came than could be stored", "requests", n-told)
			told = n
		}
	}
}

// store keeps the exchange of first and those that wait behind it.
func (v *Vault) store(ctx context.Context, first job) {
	batch, marks, size := []Sealed(nil), []chan<- struct{}(nil), int64(0)
	j := first
	for more := true; more; {
		if j.reached != nil {
			marks = append(marks, j.reached)
		} else {
			size += j.size()
			s, err := v.sealed(ctx, j.Exchange)
			if err == nil {
				batch = append(batch, s)
			} else {
				v.failed.Add(1)
				v.Log.Error("the texts of a request are not kept", "request_id", j.ID, "error", err)
			}
		}
		if len(batch) == maxBatch || size > maxBatchBytes {
			break
		}
		select {
		case j, more = <-v.queue:
		default:
			more = false
		}
	}
	if len(batch) > 0 {
		if err := v.Store.AddCaptures(ctx, batch); err != nil {
			v.failed.Add(int64(len(batch)))
			v.Log.Error("the texts of requests are not kept", "requests", len(batch), "error", err)
		} else {
			v.kept.Add(int64(len(batch)))
		}
	}
	v.held.Add(-size)
	for _, m := range marks {
		close(m)
	}
}

// sealed makes the stored form of an exchange.
func (v *Vault) sealed(ctx context.Context, e *Exchange) (Sealed, error) {
	key, err := v.currentKey(ctx)
	if err != nil {
		return Sealed{}, err
	}
	answer, err := e.Answer()
	if err != nil {
		return Sealed{}, err
	}
	text, err := key.seal(e.ID, content{User: e.User, Request: Cut(e.Request), Answer: answer})
	if err != nil {
		return Sealed{}, err
	}
	salt, err := v.theSalt(ctx)
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{
		Entry:    Entry{Facts: e.Facts, Expires: e.Time.Add(e.Retention), Size: int64(len(text)), SealKey: key.ID()},
		UserMark: mark(salt, e.User), Text: text,
	}, nil
}

// Sweep deletes what has had its time, in small transactions, and returns how
// many captures it were.
func (v *Vault) Sweep(ctx context.Context) (int, error) {
	now := v.Clock()
	n, err := inBatches(func() (int, error) { return v.Store.ExpireCaptures(ctx, now, eraseBatch) })
	if err != nil {
		return n, err
	}
	v.mu.Lock()
	keep := v.keep
	v.mu.Unlock()
	for workload, retention := range keep {
		q := Query{Workload: workload, Until: now.Add(-retention), Limit: eraseBatch}
		m, err := inBatches(func() (int, error) { return v.Store.EraseCaptures(ctx, q) })
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// inBatches repeats a deletion of at most eraseBatch until less is left.
func inBatches(deletion func() (int, error)) (sum int, err error) {
	for {
		n, err := deletion()
		if sum += n; err != nil || n < eraseBatch {
			return sum, err
		}
	}
}

// theSalt is the state's salt, made at its first use.
func (v *Vault) theSalt(ctx context.Context) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.saltLocked(ctx)
}

func (v *Vault) saltLocked(ctx context.Context) ([]byte, error) {
	if v.salt != nil {
		return v.salt, nil
	}
	fresh := make([]byte, SaltSize)
	if _, err := io.ReadFull(v.Random, fresh); err != nil {
		return nil, fmt.Errorf("capture: make the salt: %w", err)
	}
	salt, err := v.Store.CaptureSalt(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if len(salt) != SaltSize {
		return nil, errors.New("capture: the state's salt is damaged")
	}
	v.salt = salt
	return salt, nil
}

// currentKey is the key in use, derived at its first use.
func (v *Vault) currentKey(ctx context.Context) (*Key, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.key != nil {
		return v.key, nil
	}
	if v.secret == "" {
		return nil, fmt.Errorf("%w: capture.key is not set, or its secret is not in this environment", ErrNoKey)
	}
	salt, err := v.saltLocked(ctx)
	if err != nil {
		return nil, err
	}
	v.key, err = NewKey(v.secret, salt)
	return v.key, err
}
