package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// Options of [New]. All are required, but for Models, Reads, Shadow, Permit,
// PermitSource and Compared.
type Options struct {
	Name     string
	From, To string // the addresses of Pinecone and of the other store
	Pinecone wire.Server
	Served   *Served
	Ledger   Ledger
	// Models make the vectors of the two stores, where those are of two models; nil: both
	// have what applications write.
	Models *Models
	// Source fetches records from Pinecone, for the other store.
	Source func(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error)
	// Reads is the share of reads that the store which follows answers, Shadow that of
	// queries which both are asked, 0 to 1. They may change.
	Reads, Shadow func() float64
	// Permit says why records may not be sent to the other store now; nil: they may.
	Permit func() error
	// PermitSource says why records may not be sent to Pinecone, and asked for there, now;
	// nil: they may.
	PermitSource func() error
	// Compared is told what both stores found; nil: nobody is.
	Compared func(Comparison)

	Log   *slog.Logger
	Clock func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// Random is a uniform number in [0, 1).
	Random func() float64
}

// Index serves one index. It implements [wire.Server].
type Index struct {
	Options
	locks   *locks        // of writes
	filling *locks        // of what is written to the store that follows
	wake    chan struct{} // something is to follow
	store   sided         // what is served of the new store, as the authority
	behind  sided         // and where it follows

	// turning is held for reading by whatever asks the authority to write, and for
	// writing while that changes. Reads never wait for it.
	turning sync.RWMutex
	move    atomic.Pointer[Move]
	old     plane.Contract // what the index is at Pinecone

	following sync.Mutex // two would carry out old writes after new ones
	stuck     stuck      // nobody knows whether the authority has them
	missed    stuck      // see [Missed]
	trouble   atomic.Pointer[string]
	halt      atomic.Pointer[context.CancelFunc] // of what follows now
	shadows   shadows
}

var _ wire.Server = (*Index)(nil)

// New takes an index up where it was left.
func New(ctx context.Context, o Options) (*Index, error) {
	ix := &Index{Options: o, locks: newLocks(), filling: newLocks(), wake: make(chan struct{}, 1)}
	ix.Pinecone = sided{o.Pinecone, ix, AtPinecone, true}
	ix.store, ix.behind = sided{o.Served, ix, AtStore, false}, sided{follows{o.Served}, ix, AtStore, false}
	ix.move.Store(&Move{Index: o.Name, Phase: Relay})
	ix.old = o.Served.Contract
	moves, err := o.Ledger.Moves(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range moves {
		if m.Index == o.Name {
			ix.move.Store(&m)
			o.Served.Mapping = m.Mapping
			if m.Embeddings != nil {
				o.Served.Contract = m.Served()
			}
		}
	}
	if err := ix.load(ctx, Begun, &ix.stuck); err != nil {
		return nil, err
	}
	return ix, ix.load(ctx, Missed, &ix.missed)
}

// load takes up what is on record in a state.
func (ix *Index) load(ctx context.Context, state State, into *stuck) error {
	for after := int64(0); ; {
		writes, err := ix.Ledger.Writes(ctx, ix.Name, state, after, 1000)
		if err != nil || len(writes) == 0 {
			return err
		}
		for i := range writes {
			into.add(&writes[i])
			after = writes[i].Seq
		}
	}
}

// Move is where the index is.
func (ix *Index) Move() Move { return *ix.move.Load() }

// authority is who decides in a phase, and follower the other one.
func (ix *Index) authority(p Phase) wire.Server {
	if p == Cut || p == Own {
		return ix.store
	}
	return ix.Pinecone
}

func (ix *Index) follower(p Phase) wire.Server {
	if p == Cut {
		return ix.Pinecone
	}
	return ix.behind
}

// apply carries out a write that is on record.
func apply(ctx context.Context, on wire.Server, w *Write) (proto.Message, error) {
	switch w.Op {
	case Upsert:
		r := &wire.UpsertRequest{}
		if err := proto.Unmarshal(w.Body, r); err != nil {
			return nil, fmt.Errorf("write %d: %w", w.Seq, err)
		}
		return on.Upsert(ctx, r)
	case Update:
		r := &wire.UpdateRequest{}
		if err := proto.Unmarshal(w.Body, r); err != nil {
			return nil, fmt.Errorf("write %d: %w", w.Seq, err)
		}
		return on.Update(ctx, r)
	case Delete:
		r := &wire.DeleteRequest{}
		if err := proto.Unmarshal(w.Body, r); err != nil {
			return nil, fmt.Errorf("write %d: %w", w.Seq, err)
		}
		return on.Delete(ctx, r)
	}
	return nil, fmt.Errorf("write %d: %q is no write", w.Seq, w.Op)
}

// nothing reports whether an error of a deletion says that its namespace is not there:
// it is as done as can be, by an earlier try perhaps.
func nothing(w *Write, err error) bool { return w.Op == Delete && status.Code(err) == codes.NotFound }

// definite reports whether an error says that nothing was written: the request is not
// to the store's liking. Of all else it is not known.
func definite(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented, codes.FailedPrecondition, codes.NotFound:
		return true
	}
	return false
}

// write carries a write out, so that both stores will have it or neither.
func (ix *Index) write(ctx context.Context, op Op, namespace string, ids []string, in proto.Message) (proto.Message, error) {
	in, err := ix.enter(ctx, op, in)
	if err != nil {
		return nil, err
	}
	defer ix.turning.RUnlock()
	body, err := proto.Marshal(in)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	w := &Write{Index: ix.Name, Namespace: namespace, Op: op, IDs: ids, Body: body, At: ix.Clock()}
	if ix.Move().Phase == Relay {
		return apply(ctx, ix.Pinecone, w)
	}
	if p := ix.Move().Phase; p == Cut || p == Own {
		if err := ix.permitted(op); err != nil {
			return nil, err
		}
	}
	release := ix.locks.hold(namespace, ids)
	defer release()
	if ix.Move().Phase == Own {
		return apply(ctx, ix.store, w)
	}
	// Whoever is gone must not leave a write half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := ix.unstick(ctx, namespace, ids); err != nil {
		return nil, status.Errorf(codes.Unavailable, "an earlier write has to be finished first: %s", status.Convert(err).Message())
	}
	if err := ix.Ledger.Append(ctx, w); err != nil {
		return nil, status.Errorf(codes.Unavailable, "the write cannot be put on record: %v", err)
	}
	return ix.finish(ctx, w)
}

// enter holds turning for reading, unless it returns an error, and returns a write as
// the store takes it that answers now.
func (ix *Index) enter(ctx context.Context, op Op, in proto.Message) (proto.Message, error) {
	for {
		m := ix.Move()
		if err := ix.admitsWrite(ctx, m.Phase, op); err != nil {
			return nil, err
		}
		fit, err := ix.fitted(ctx, &m, in) // it may ask a model, and nobody is to wait for that
		if err != nil {
			return nil, err
		}
		ix.turning.RLock()
		if ix.Move().Phase == m.Phase {
			return fit, nil
		}
		ix.turning.RUnlock()
	}
}

// writeTime is how long a write may take on the authority.
const writeTime = 30 * time.Second

// finish has the authority carry out a write that is on record.
func (ix *Index) finish(ctx context.Context, w *Write) (proto.Message, error) {
	out, err := apply(ctx, ix.authority(ix.Move().Phase), w)
	record := context.WithoutCancel(ctx)
	var some *partial
	var none error // that there was nothing to delete, for the client
	if nothing(w, err) {
		none, err = err, nil
	}
	switch {
	case errors.As(err, &some): // what is carried out follows
		rest, gone := without(w, some.refused)
		if gone == nil {
			gone = ix.Ledger.Narrow(record, rest)
		}
		if gone != nil {
			ix.stuck.add(w)
			return nil, status.Errorf(codes.Unavailable, "a part of the write is done, and cannot be put on record: %v", gone)
		}
		ix.hurry()
		return nil, err
	case err == nil:
		if err := ix.Ledger.Acknowledge(record, w); err != nil {
			ix.stuck.add(w)
			return nil, status.Errorf(codes.Unavailable, "the write is done, and cannot be put on record: %v", err)
		}
		ix.hurry()
		return out, none
	case definite(err):
		if gone := ix.Ledger.Void(record, w); gone != nil {
			ix.stuck.add(w)
		}
		return nil, err
	}
	ix.stuck.add(w)
	return nil, &told{status.New(codes.Unavailable, status.Convert(err).Message()), err}
}

// without is an upsert without the records of some ids.
func without(w *Write, ids map[string]bool) (*Write, error) {
	out := *w
	if w.Op != Upsert {
		return &out, nil
	}
	r := &wire.UpsertRequest{}
	if err := proto.Unmarshal(w.Body, r); err != nil {
		return nil, fmt.Errorf("write %d: %w", w.Seq, err)
	}
	r.Vectors = slices.DeleteFunc(r.Vectors, func(v *wire.Vector) bool { return ids[v.GetId()] })
	out.IDs = slices.DeleteFunc(slices.Clone(w.IDs), func(id string) bool { return ids[id] })
	var err error
	out.Body, err = proto.Marshal(r)
	return &out, err
}

// hurry has the follower follow at once.
func (ix *Index) hurry() {
	select {
	case ix.wake <- struct{}{}:
	default:
	}
}

// stuck are writes that did not go as they should, and are settled later.
type stuck struct {
	mu  sync.Mutex
	all []*Write // by their numbers
}

func (s *stuck) add(w *Write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := slices.BinarySearchFunc(s.all, w.Seq, func(x *Write, seq int64) int { return int(x.Seq - seq) })
	if !ok {
		s.all = slices.Insert(s.all, at, w)
	}
}

func (s *stuck) remove(w *Write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(x *Write) bool { return x.Seq == w.Seq })
}

func (s *stuck) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = nil
}

// before are those that a write of the ids, or of the whole namespace, must not overtake.
func (s *stuck) before(namespace string, ids []string) []*Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Write
	for _, w := range s.all {
		if w.Namespace != namespace {
			continue
		}
		if len(ids) == 0 || w.whole() || slices.ContainsFunc(w.IDs, func(id string) bool { return slices.Contains(ids, id) }) {
			out = append(out, w)
		}
	}
	return out
}

func (s *stuck) first() *Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return nil
	}
	return s.all[0]
}

// unstick finishes what a write must not overtake. Its locks are held. A write of
// other ids that shares some with it cannot be under way: those are held too.
func (ix *Index) unstick(ctx context.Context, namespace string, ids []string) error {
	for _, w := range ix.stuck.before(namespace, ids) {
		if err := ix.retry(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// retry tries a stuck write again; nil: it is settled, one way or the other.
func (ix *Index) retry(ctx context.Context, w *Write) error {
	_, err := ix.finish(ctx, w)
	if err != nil && !definite(err) {
		return err
	}
	ix.stuck.remove(w)
	return nil
}

// Upsert implements [wire.Server].
func (ix *Index) Upsert(ctx context.Context, r *wire.UpsertRequest) (*wire.UpsertResponse, error) {
	ids := make([]string, len(r.GetVectors()))
	for i, v := range r.GetVectors() {
		ids[i] = v.GetId()
	}
	return as[*wire.UpsertResponse](ix.write(ctx, Upsert, plain(r.GetNamespace()), ids, r))
}

// as is an answer of the type that it is known to have.
func as[T proto.Message](m proto.Message, err error) (out T, _ error) {
	if err != nil {
		return out, err
	}
	return m.(T), nil
}

// Update implements [wire.Server].
func (ix *Index) Update(ctx context.Context, r *wire.UpdateRequest) (*wire.UpdateResponse, error) {
	if r.GetDryRun() {
		p := ix.Move().Phase
		if _, err := ix.contract(p).Update(r); err != nil {
			return nil, err
		}
		return ix.authority(p).Update(ctx, r)
	}
	var ids []string
	if r.GetId() != "" { // else there is a filter, or it is refused
		ids = []string{r.GetId()}
	}
	return as[*wire.UpdateResponse](ix.write(ctx, Update, plain(r.GetNamespace()), ids, r))
}

// Delete implements [wire.Server].
func (ix *Index) Delete(ctx context.Context, r *wire.DeleteRequest) (*wire.DeleteResponse, error) {
	if _, err := plane.Delete(r); err != nil {
		return nil, err
	}
	return as[*wire.DeleteResponse](ix.write(ctx, Delete, plain(r.GetNamespace()), r.GetIds(), r))
}

// DeleteNamespace implements [wire.Server]: all records of the namespace are deleted.
func (ix *Index) DeleteNamespace(ctx context.Context, r *wire.DeleteNamespaceRequest) (*wire.DeleteResponse, error) {
	if ix.Move().Phase == Relay {
		return ix.Pinecone.DeleteNamespace(ctx, r)
	}
	return ix.Delete(ctx, &wire.DeleteRequest{Namespace: r.GetNamespace(), DeleteAll: true})
}

// CreateNamespace implements [wire.Server]. It has no record that would have to
// follow; that it is there is noted for the other store's time.
func (ix *Index) CreateNamespace(ctx context.Context, r *wire.CreateNamespaceRequest) (*wire.Namespace, error) {
	p := ix.Move().Phase
	out, err := ix.authority(p).CreateNamespace(ctx, r)
	if err == nil && p == Sync {
		err = ix.Ledger.AddNamespace(ctx, ix.Name, plain(r.GetName()))
	}
	return out, err
}
