// Package moves keeps the indexes that a configuration names: it opens their stores,
// serves them, and carries out what moves them: the copy that fills the new store, the
// proof before a cutover, the way back. Whatever is under way goes on where it was when
// the process begins again.
package moves

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/history"
	"freehold/internal/vector"
	"freehold/internal/vector/address"
	"freehold/internal/vector/front"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/transfer"
)

// Spec is an index as the configuration has it.
type Spec struct {
	Name          string
	From, To      address.Address // of the stores
	Reads, Shadow float64         // shares, 0 to 1
	// Key changes when the stores must be opened again.
	Key string
	// Source opens Pinecone, and Target the new store. fast: without freehold's own
	// limits of rates, for what applications ask.
	Source func(ctx context.Context, fast bool) (*pinecone.Store, error)
	Target func(ctx context.Context) (vector.Target, error)
	// Perimeter is whether the records may go there now.
	Perimeter func() (plan.Perimeter, error)
	// PermitSource says why Pinecone may not be asked now, by the classes that the index
	// and its source name; nil: it may.
	PermitSource func() error
	// Embeddings: the new store gets vectors of another model; nil: those that there are.
	Embeddings *Embeddings
	// ModelOf is the model that a workload has in the configuration; empty: there is none.
	ModelOf func(workload string) string
}

// Options of [New]. All are required.
type Options struct {
	Ledger  front.Ledger
	Copies  transfer.Journal
	History History
	Log     *slog.Logger
	Clock   func() time.Time
	Sleep   func(ctx context.Context, d time.Duration) error
	NewID   func() string
}

// History is where it is put on record who moved what.
type History interface {
	Append(ctx context.Context, c history.Change) (history.Record, error)
}

// ErrNoIndex is that there is no index of a name.
var ErrNoIndex = errors.New("there is no index")

// The kinds of changes of indexes in the history.
const (
	KindSync     history.Kind = "index.sync"
	KindCutover  history.Kind = "index.cutover"
	KindRollback history.Kind = "index.rollback"
	KindEnd      history.Kind = "index.end"   // of a sync
	KindFinal    history.Kind = "index.final" // there is no way back
	KindGate     history.Kind = "index.gate"
)

// Keeper keeps indexes. Close it.
type Keeper struct {
	o      Options
	set    front.Set
	ctx    context.Context
	cancel context.CancelFunc
	// aliases are the indexes whose embeddings workloads make.
	aliases atomic.Pointer[map[string]*entry]

	mu  sync.Mutex
	all map[string]*entry
}

// entry is an index, open or not.
type entry struct {
	k    *Keeper
	ctx  context.Context // until the index is closed
	stop context.CancelFunc
	wait sync.WaitGroup

	turn sync.Mutex // one word of a person at a time

	mu      sync.Mutex
	spec    Spec
	why     error // it is not open
	index   *front.Index
	source  *pinecone.Store
	target  vector.Target
	job     *Job
	shadows seen
	// was is the phase before the index is open, unread why that is not known.
	was    front.Phase
	unread error
	given  *front.Given // nil: the stores have the same vectors
}

// New keeps no index yet.
func New(o Options) *Keeper {
	ctx, cancel := context.WithCancel(context.Background())
	return &Keeper{o: o, ctx: ctx, cancel: cancel, all: map[string]*entry{}}
}

// Use serves these indexes, and no others, from now on.
func (k *Keeper) Use(specs map[string]Spec) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.useAliases()
	given := map[string]*front.Given{} // of indexes that are opened again
	for name, e := range k.all {
		if s, ok := specs[name]; !ok || s.Key != e.now().Key {
			k.set.Close(name, errors.New("it is being closed"))
			e.close()
			delete(k.all, name)
			if s.Embeddings.like(e.spec.Embeddings) {
				given[name] = e.given
			}
			if !ok {
				k.set.Remove(name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		s := specs[name]
		if e := k.all[name]; e != nil {
			e.mu.Lock()
			e.spec = s
			e.mu.Unlock()
			continue
		}
		ctx, stop := context.WithCancel(k.ctx)
		e := &entry{k: k, ctx: ctx, stop: stop, spec: s, given: given[name]}
		k.all[name] = e
		e.read()
		e.closed(errors.New("it is being opened"))
		e.wait.Go(func() { e.serve(ctx) })
	}
}

// useAliases has the aliases of embeddings follow the indexes that there are. mu is held.
func (k *Keeper) useAliases() {
	all := map[string]*entry{}
	for _, e := range k.all {
		if x := e.now().Embeddings; x != nil {
			all[x.Alias] = e
		}
	}
	k.aliases.Store(&all)
}

// read takes up where an index was left before anything of it is open: what the alias of
// its embeddings stands for must be known to the first request.
func (e *entry) read() {
	if e.spec.Embeddings == nil {
		return
	}
	if e.given == nil {
		e.given = front.NewGiven(e.k.o.Clock)
	}
	m, err := e.k.move(e.k.ctx, e.spec.Name)
	e.was, e.unread = m.Phase, err
}

// Close ends what is under way, to be taken up again later.
func (k *Keeper) Close() {
	k.cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.all {
		e.close()
	}
}

func (e *entry) close() {
	e.stop()
	e.wait.Wait()
}

func (e *entry) now() Spec {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.spec
}

func (k *Keeper) find(name string) (*entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.all[name]
	if e == nil {
		return nil, fmt.Errorf("%w %q: the configuration names them under indexes", ErrNoIndex, name)
	}
	return e, nil
}

// Serve serves Pinecone's API. may is of which indexes the client may know.
func (k *Keeper) Serve(w http.ResponseWriter, r *http.Request, may func(index string) bool) {
	k.set.Serve(w, r, may)
}

// Index is the name of the index that a request is about; empty: of none.
func (k *Keeper) Index(r *http.Request) string { return k.set.Index(r) }

// Operation is what a request wants, as Pinecone's contract calls it.
func (k *Keeper) Operation(r *http.Request) string { return k.set.Operation(r) }

// closed says why the index is not open.
func (e *entry) closed(why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.why = why
	e.k.set.Close(e.spec.Name, why)
}

// serve opens the index, and serves it until ctx ends.
func (e *entry) serve(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		err := e.open(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		e.closed(err)
		wait := min(time.Second<<min(n, 5), 30*time.Second)
		e.k.o.Log.Warn("vectors: an index cannot be opened, and it is tried again", "index", e.now().Name, "wait", wait, "error", err)
		if e.k.o.Sleep(ctx, wait) != nil {
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	e.resume()
	var keeping sync.WaitGroup
	keeping.Go(func() { e.keepShadows(ctx) })
	e.index.Run(ctx)
	keeping.Wait()
	e.mu.Lock()
	job := e.job
	e.mu.Unlock()
	if job != nil {
		<-job.done
	}
	err := e.shadows.keep(context.WithoutCancel(ctx), e.k.o.Ledger, e.index.Name)
	err = errors.Join(err, e.target.Close())
	if e.source != nil {
		err = errors.Join(err, e.source.Close())
	}
	if err != nil {
		e.k.o.Log.Warn("vectors: an index does not close as it should", "index", e.index.Name, "error", err)
	}
}

// openTime is how long a store may take to say what it is.
const openTime = 10 * time.Second

func (e *entry) open(ctx context.Context) (err error) {
	within, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	spec, o := e.now(), e.k.o
	move, err := e.k.move(within, spec.Name)
	if err != nil {
		return err
	}
	if err := fits(move, &spec); err != nil {
		return err
	}
	var closing []interface{ Close() error }
	defer func() {
		if err != nil {
			for _, c := range closing {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	var fast *pinecone.Store
	if move.Phase != front.Own { // Pinecone need not be there any more
		if fast, err = spec.Source(within, true); err != nil {
			return err
		}
		closing = append(closing, fast)
	}
	target, err := spec.Target(within)
	if err != nil {
		return err
	}
	closing = append(closing, target)
	contract := move.Contract
	if contract.VectorType == "" { // it never began to move
		d, err := fast.Describe(within)
		if err != nil {
			return err
		}
		contract = contractOf(d)
	}
	models := e.models(&spec, contract.Dimension, e.given)
	served := &front.Served{Index: spec.Name, Contract: contract, Target: target, IDs: o.Ledger}
	ix, err := front.New(within, front.Options{
		Name: spec.Name, From: spec.From.String(), To: spec.To.String(), Pinecone: pinecone.Relay{Store: fast}, Served: served,
		Ledger: o.Ledger, Models: models, Source: fast.Fetch, Log: o.Log, Clock: o.Clock, Sleep: o.Sleep, Random: rand.Float64,
		Permit: e.permit, PermitSource: e.permitSource, Reads: func() float64 { return e.share(e.now().Reads) }, Shadow: func() float64 { return e.share(e.now().Shadow) }, Compared: e.compared,
	})
	if err != nil {
		return err
	}
	if err := e.shadows.load(within, o.Ledger, spec.Name); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.index, e.source, e.target, e.why = ix, fast, target, nil
	e.k.set.Open(ix)
	return nil
}

func contractOf(d *vector.Description) plane.Contract {
	c := plane.Contract{VectorType: "sparse", Metric: "dotproduct"}
	if v := d.Vector(""); v != nil {
		c = plane.Contract{VectorType: "dense", Dimension: v.Dim, Metric: map[vector.Metric]string{vector.Cosine: "cosine", vector.Dot: "dotproduct", vector.Euclid: "euclidean"}[v.Metric]}
	}
	return c
}
