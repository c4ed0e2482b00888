package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/ledger/filelock"
)

// ErrOwned is returned by [Open] when another process writes the journal: a
// server is running.
var ErrOwned = errors.New("another freehold process is writing this ledger")

// ErrReadOnly is returned by Begin and End of a ledger from [OpenReader].
var ErrReadOnly = errors.New("the ledger is open for reading only")

// Durability says what a record has survived when Begin or End returns.
type Durability int

const (
	// Process is the end of the process, however it ends: one write(2) a record.
	Process Durability = iota
	// Disk is a loss of power: records that come together share one fsync.
	Disk
)

// Options are the settings of a ledger. The zero value of each is a default.
type Options struct {
	Clock      func() time.Time // time.Now
	Log        *slog.Logger     // discards
	Durability Durability       // Process
	// SegmentBytes is the size of a journal segment, 8 MiB. It is set aside on
	// disk when the segment is begun.
	SegmentBytes int64
	// Interval is how long records may wait in the journal for others to be
	// stored in one batch with them, 500 ms. Queries do not wait for it.
	Interval time.Duration
	// Keep is for how long rows are kept, forever by default. Rollups are kept
	// in any case.
	Keep time.Duration
	// LockWait is how long Open waits for another owner of the journal to
	// leave, not at all by default. A command may own it for a moment.
	LockWait time.Duration
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 8 << 20
	}
	if o.Interval <= 0 {
		o.Interval = 500 * time.Millisecond
	}
	return o
}

// Ledger records requests and answers questions about them. Its methods may be
// used concurrently.
type Ledger struct {
	opts    Options
	store   Store
	journal *journal // nil in a reader
	lock    *filelock.Lock
	keep    atomic.Int64
	bufs    sync.Pool // *[]byte

	dirty atomic.Bool // there are records that the drainer was not woken for
	wake  chan struct{}
	syncs chan chan error
	stop  chan struct{}
	done  chan struct{}

	closing  sync.Once
	closeErr error

	stats counters
}

// Open opens the ledger whose journal is in dir, which is created when absent,
// and whose rows are in store. It owns the journal until Close and returns
// [ErrOwned] if another process does. What an earlier owner left in the journal
// is stored in the background; [Ledger.Sync] waits for it.
//
// The store is the caller's to close, after the ledger.
func Open(dir string, store Store, opts Options) (*Ledger, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	lock, err := own(dir, opts.LockWait)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l := newLedger(store, opts)
	l.lock = lock
	d, err := newDrainer(l, dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), lock.Unlock())
	}
	l.journal = &journal{
		dir: dir, limit: opts.SegmentBytes, pos: Position{Segment: d.first - 1},
		create: createSegment(opts.Durability == Disk),
	}
	if opts.Durability == Disk {
		l.journal.sync = newSyncer()
	}
	go l.run(d)
	return l, nil
}

// OpenReader opens the ledger for questions only, beside a server or without
// one. Where no process owns the journal, it first stores what the last owner
// left in it.
func OpenReader(ctx context.Context, dir string, store Store, opts Options) (*Ledger, error) {
	l := newLedger(store, opts.withDefaults())
	close(l.done)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	lock, err := own(dir, 0)
	if errors.Is(err, ErrOwned) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	d, err := newDrainer(l, dir)
	if err == nil {
		err = errors.Join(d.drain(ctx, Position{Segment: d.epoch}), d.close())
	}
	if err = errors.Join(err, lock.Unlock()); err != nil {
		return nil, fmt.Errorf("ledger: store what the journal holds: %w", err)
	}
	return l, nil
}

func newLedger(store Store, opts Options) *Ledger {
	l := &Ledger{
		opts: opts, store: store,
		bufs: sync.Pool{New: func() any { return new(make([]byte, 0, 1024)) }},
		wake: make(chan struct{}, 1), syncs: make(chan chan error),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	l.keep.Store(int64(opts.Keep))
	return l
}

// own takes the journal's lock, trying for up to wait.
func own(dir string, wait time.Duration) (*filelock.Lock, error) {
	const pause = 20 * time.Millisecond
	for {
		lock, err := filelock.Try(filepath.Join(dir, "lock"))
		if !errors.Is(err, filelock.ErrHeld) {
			return lock, err
		}
		if wait <= 0 {
			return nil, fmt.Errorf("%s: %w", dir, ErrOwned)
		}
		time.Sleep(pause)
		wait -= pause
	}
}

// journalID returns the id of the journal in dir, making one for a new journal.
func journalID(dir string) (string, error) {
	path := filepath.Join(dir, "id")
	id, err := os.ReadFile(path)
	if err == nil && len(id) > 0 {
		return strings.TrimSpace(string(id)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	made := rand.Text()
	return made, os.WriteFile(path, []byte(made+"\n"), 0o600)
}

// Begin puts on record that an attempt is about to be sent: the last one in
// r.Attempts. It is called before the attempt's first byte leaves, with what is
// known of the request by then; attempts that ended carry their outcome. Should
// the process die before End, this is what the ledger will say.
//
// On an error the attempt must not be sent: it may not be on record. The row is
// not kept; it must not change during the call.
func (l *Ledger) Begin(r *Row) error { return l.record(kindBegin, r, true) }

// End puts the whole row of a request on record, once for each request, those
// without an attempt included. It is called before the last byte of the answer
// reaches the client, who otherwise could have an answer that the ledger knows
// nothing of.
//
// The row is not kept; it must not change during the call.
func (l *Ledger) End(r *Row) error { return l.record(kindEnd, r, true) }

// Note is [Ledger.End] of a request that costs nothing and was not begun: it does not
// wait for the disk, so that a loss of power may take the row along.
func (l *Ledger) Note(r *Row) error { return l.record(kindEnd, r, false) }

// maxPooled is the largest buffer that is kept for the next record.
const maxPooled = 64 << 10

func (l *Ledger) record(kind byte, r *Row, durable bool) error {
	if l.journal == nil {
		return ErrReadOnly
	}
	if r.ID == "" {
		return errors.New("ledger: a row without a request id")
	}
	buf := l.bufs.Get().(*[]byte)
	err := l.recordIn(buf, kind, r, durable)
	if cap(*buf) <= maxPooled {
		l.bufs.Put(buf)
	}
	return err
}

// recordIn records with the room of buf, which it may replace by a larger one; durable: it
// waits for the disk, where the ledger does.
func (l *Ledger) recordIn(buf *[]byte, kind byte, r *Row, durable bool) error {
	frame, err := r.AppendBinary(beginFrame((*buf)[:0], kind))
	*buf = frame
	if err == nil {
		err = endFrame(frame)
	}
	var pos Position
	tight := false
	if err == nil {
		pos, tight, err = l.journal.append(frame, kind == kindEnd)
	}
	if err == nil && durable {
		err = l.journal.sync.wait(l.journal, pos)
	}
	l.stats.journaled(err, tight)
	if err != nil {
		return fmt.Errorf("ledger: request %s: %w", r.ID, err)
	}
	// Only ends make rows, so only they wake the drainer, and only the first
	// after it has looked.
	if kind == kindEnd && !l.dirty.Load() && l.dirty.CompareAndSwap(false, true) {
		l.stats.since.Store(l.opts.Clock().UnixNano())
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Sync returns when everything that was journaled before the call is in the
// store, or with the error that keeps it from there.
func (l *Ledger) Sync(ctx context.Context) error {
	if l.journal == nil {
		return nil
	}
	reply := make(chan error, 1)
	select {
	case l.syncs <- reply:
	case <-l.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("ledger: wait for the store: %w", ctx.Err())
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return fmt.Errorf("ledger: wait for the store: %w", ctx.Err())
	}
}

// Check returns nil where requests can be begun. While the last ones could not
// be, it tries anew, so that it also answers when nobody asks any more.
func (l *Ledger) Check() error {
	if l.journal == nil || !l.stats.failing.Load() {
		return nil
	}
	if err := l.journal.probe(); err != nil {
		return fmt.Errorf("the journal cannot be written: %w", err)
	}
	l.stats.failing.Store(false)
	return nil
}

// SetKeep changes for how long rows are kept; 0 is forever.
func (l *Ledger) SetKeep(keep time.Duration) { l.keep.Store(int64(keep)) }

// Close stores what the journal holds and gives the journal up. What the store
// does not take stays in the journal for the next owner; the error says so.
func (l *Ledger) Close() error {
	if l.journal == nil {
		return nil
	}
	l.closing.Do(func() {
		l.closeErr = l.journal.close()
		close(l.stop)
		<-l.done
		l.closeErr = errors.Join(l.closeErr, l.stats.closeErr, l.lock.Unlock())
	})
	return l.closeErr
}
