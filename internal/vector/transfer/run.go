package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"freehold/internal/vector"
)

// Options of [Run]. Those without a default are required.
type Options struct {
	Source     vector.Source
	Target     vector.Target
	Mapping    vector.Mapping
	Namespaces []string // of the source
	Journal    Journal
	ID         string // of the copy in the journal
	// Embedding makes a vector of each record's text; nil: none is made.
	Embedding vector.Embedding

	Readers int // units that are read at once; 0: 4
	Writers int // writes under way at most; 0: 8
	Unit    int // records of a unit, about; 0: 1000
	// Bytes bounds the records between reading and writing; 0: 16 MiB.
	Bytes int64
	// Patience is how long a store may be away before the copy gives up, to be
	// taken up again later; 0: 10 minutes.
	Patience time.Duration

	Log *slog.Logger
	// Clock and Sleep are the time; Sleep returns the context's error when that ends.
	Clock func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter is a uniform number in [0, 1).
	Jitter func() float64
	// Progress is told of units that are listed or done, by several goroutines;
	// nil: nobody is.
	Progress func(Tally)
	outages  *outages // of all that is tried again

	// More names further namespaces to copy, when all are copied; it is asked until
	// there are none. nil: there are none.
	More func(ctx context.Context) ([]string, error)
}

func (o *Options) complete() {
	set := func(n *int, to int) {
		if *n <= 0 {
			*n = to
		}
	}
	set(&o.Readers, 4)
	set(&o.Writers, 8)
	set(&o.Unit, 1000)
	if o.outages == nil { // which all of them share
		o.outages = &outages{}
	}
	if o.Bytes <= 0 {
		o.Bytes = 16 << 20
	}
	if o.Progress == nil {
		o.Progress = func(Tally) {}
	}
}

// copying is one run of a copy.
type copying struct {
	Options
	limits vector.Limits
	kinds  []vector.IDKind // that the source's ids can be of, where they become others
	units  chan Work
	writes chan batch
	done   chan Finished
	room   *room
	write  *pace

	mu    sync.Mutex
	tally Tally

	cancel context.CancelCauseFunc
	wait   sync.WaitGroup
}

// Run copies what is not yet copied, and returns what has been done in all runs
// together. After an error, or when ctx ends, another Run goes on from there, with
// whatever numbers of readers and writers.
func Run(ctx context.Context, o Options) (Tally, error) {
	o.complete()
	for {
		tally, err := run(ctx, o)
		if err != nil {
			return tally, err
		}
		if o.Namespaces, err = o.more(ctx); err != nil {
			return tally, err
		}
		if len(o.Namespaces) > 0 {
			continue
		}
		if f, ok := o.Target.(Finisher); ok {
			return tally, f.Finish(ctx)
		}
		return tally, nil
	}
}

// more asks for further namespaces.
func (o *Options) more(ctx context.Context) (names []string, err error) {
	if o.More == nil {
		return nil, nil
	}
	err = o.Again(ctx, "list namespaces", func() error {
		names, err = o.More(ctx)
		return err
	})
	return names, err
}

// run copies the namespaces as they are now.
func run(ctx context.Context, o Options) (Tally, error) {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &copying{
		Options: o, limits: o.Target.Limits(), cancel: cancel, room: newRoom(o.Bytes),
		units: make(chan Work, 2*o.Readers), writes: make(chan batch, o.Writers), done: make(chan Finished, 64),
		write: newPace(min(2, o.Writers), o.Writers, o.Clock),
	}
	var err error
	if c.tally, err = o.Journal.Tally(ctx, o.ID); err != nil {
		return c.tally, err
	}
	if o.Mapping.IDs != vector.KeepIDs {
		err := o.Again(ctx, "describe", func() error {
			d, err := o.Source.Describe(ctx)
			if err == nil {
				c.kinds = d.IDs
			}
			return err
		})
		if err != nil {
			return c.tally, err
		}
	}
	// Each stage ends when the one before it has ended, and closes what the next one reads.
	c.stage(1, func() error { return c.list(ctx) }, func() { close(c.units) })
	c.stage(o.Readers, func() error { return c.readUnits(ctx) }, func() { close(c.writes) })
	c.stage(o.Writers, func() error { return c.writeBatches(ctx) }, func() { close(c.done) })
	// What is done is put on record also when the copy ends early.
	finish := c.finish(context.WithoutCancel(outer))
	if finish != nil {
		cancel(finish)
		for range c.done { // the writers must not hang
		}
	}
	c.wait.Wait()
	return c.tally, context.Cause(ctx)
}

// Finisher is a target that has something to do when all is there: to make a file,
// or an index.
type Finisher interface {
	Finish(ctx context.Context) error
}

// Bulk is a target that takes records faster while it puts a part of its work off, such
// as an index.
type Bulk interface {
	// Setting is what Restore puts back. Empty: there is nothing to be put off, and
	// neither of the others is asked.
	Setting(ctx context.Context) (string, error)
	// Postpone puts the work off. To do that twice is no mistake.
	Postpone(ctx context.Context) error
	// Restore puts back what Setting said before, and waits until the work is done.
	Restore(ctx context.Context, setting string) error
}

// stage runs n goroutines; after is called when all of them have ended. The first
// error ends the copy.
func (c *copying) stage(n int, run func() error, after func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := run(); err != nil {
				c.cancel(err)
			}
		})
	}
	c.wait.Go(func() {
		all.Wait()
		after()
	})
}

// list hands out the units that are not done, and then lists what is not listed.
func (c *copying) list(ctx context.Context) error {
	for w, err := range c.Journal.Open(ctx, c.ID) {
		if err != nil {
			return err
		}
		if !send(ctx, c.units, w) {
			return nil
		}
	}
	for _, ns := range c.Namespaces {
		if err := c.listNamespace(ctx, ns); err != nil {
			return fmt.Errorf("namespace %q: %w", ns, err)
		}
	}
	return nil
}

func (c *copying) listNamespace(ctx context.Context, ns string) error {
	at, err := c.Journal.Listing(ctx, c.ID, ns)
	if err != nil {
		return err
	}
	for !at.Done && ctx.Err() == nil {
		// What is listed is kept: patience is for a store that gives nothing at all.
		err := c.Again(ctx, "list", func() error {
			was := at.Next
			err := c.listOn(ctx, ns, &at)
			if err != nil && at.Next != was && again(err) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// listOn records and hands out units from where the listing is.
func (c *copying) listOn(ctx context.Context, ns string, at *Listing) error {
	for u, err := range c.Source.Units(ctx, ns, at.Next, c.Unit) {
		if err != nil {
			return err
		}
		work, err := c.Journal.Add(ctx, c.ID, ns, []vector.Unit{u}, Listing{Next: u.Next})
		if err != nil {
			return err
		}
		at.Next = u.Next
		c.note(func(t *Tally) { t.Units, t.Listed, t.Lag = t.Units+1, t.Listed+int64(u.Count), t.Lag+int64(u.Count) })
		for _, w := range work {
			if !send(ctx, c.units, w) {
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	_, err := c.Journal.Add(ctx, c.ID, ns, nil, Listing{Next: at.Next, Done: true})
	at.Done = err == nil
	return err
}

// finish puts units on record that the target has, as many at once as there are.
func (c *copying) finish(ctx context.Context) error {
	for f := range c.done {
		group := []Finished{f}
		for more := true; more && len(group) < 256; {
			select {
			case f, ok := <-c.done:
				if more = ok; ok {
					group = append(group, f)
				}
			default:
				more = false
			}
		}
		if err := c.Journal.Finish(ctx, c.ID, group); err != nil {
			return err
		}
		c.note(func(t *Tally) {
			for i := range group {
				g := &group[i]
				t.UnitsDone++
				t.Lag -= g.Listed
				t.Copied += g.Copied
				t.Gone += g.Gone
				t.Bytes += g.Bytes
				t.Refused += int64(len(g.Refused))
			}
		})
	}
	return nil
}

// note changes the tally, and shows it.
func (c *copying) note(change func(*Tally)) {
	c.mu.Lock()
	change(&c.tally)
	t := c.tally
	c.mu.Unlock()
	c.Progress(t)
}

// Again does something once more while a store is away or asks for less, and gives
// up when that lasts too long.
func (o *Options) Again(ctx context.Context, doing string, do func() error) error {
	if o.outages == nil {
		o.outages = &outages{}
	}
	var since time.Time
	for n := 0; ; n++ {
		err := do()
		if err == nil || ctx.Err() != nil || !again(err) {
			return err
		}
		now := o.Clock()
		if since.IsZero() {
			since = now
		}
		if patience := cmp.Or(o.Patience, 10*time.Minute); now.Sub(since) > patience {
			return fmt.Errorf("it has gone wrong for %v: %w", patience, err)
		}
		wait := max(retryAfter(err), time.Duration((0.5+o.Jitter())*float64(backoff(n))))
		if tries := o.outages.tried(doing, now); tries > 0 {
			o.Log.Warn("a store is asked again", "doing", doing, "tries", tries, "wait", wait, "error", err)
		}
		if err := o.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// again reports whether to ask once more may help.
func again(err error) bool {
	var away *vector.Error
	return errors.As(err, &away) && away.Again()
}

func retryAfter(err error) time.Duration {
	var away *vector.Error
	if errors.As(err, &away) {
		return away.RetryAfter
	}
	return 0
}

// backoff is how long to wait after the nth time.
func backoff(n int) time.Duration {
	const first, most = 200 * time.Millisecond, 30 * time.Second
	return min(most, first<<min(n, 16))
}

func send[T any](ctx context.Context, to chan<- T, x T) bool {
	select {
	case to <- x:
		return true
	case <-ctx.Done():
		return false
	}
}

// outages keeps what is tried again and again from being told each time, by however many
// at once: the first time at once, and then once a minute with how often it was tried.
type outages struct {
	mu   sync.Mutex
	told map[string]*told // by what was done
}

type told struct {
	at    time.Time
	tries int // since then
}

// sayAgain is how long what was told is not told again.
const sayAgain = time.Minute

// tried counts a try that has failed, and returns how often it was tried since it was
// told last; 0: that is not to be told now.
func (o *outages) tried(doing string, now time.Time) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.told[doing]
	if t == nil {
		if o.told == nil {
			o.told = map[string]*told{}
		}
		t = &told{}
		o.told[doing] = t
	}
	if t.tries++; !t.at.IsZero() && now.Sub(t.at) < sayAgain {
		return 0
	}
	n := t.tries
	t.at, t.tries = now, 0
	return n
}
