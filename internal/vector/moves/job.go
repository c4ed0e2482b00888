package moves

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/history"
	"freehold/internal/vector/front"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/transfer"
)

// Job is work that takes long: a copy, or a proof and the cutover behind it.
type Job struct {
	Kind    string // fill, cutover
	Started time.Time
	done    chan struct{}

	mu       sync.Mutex
	of, n    int64 // records, as far as they are known, and done
	ended    time.Time
	err      error
	report   *transfer.Report
	tally    transfer.Tally
	canceled context.CancelFunc
}

func (j *Job) progress(n, of int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.n, j.of = n, max(of, j.of)
}

// start runs a job unless one is under way.
func (e *entry) start(kind string, run func(ctx context.Context, j *Job) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.job != nil && !e.job.over() {
		return busy(e.job)
	}
	ctx, cancel := context.WithCancel(e.ctx)
	j := &Job{Kind: kind, Started: e.k.o.Clock(), done: make(chan struct{}), canceled: cancel}
	e.job = j
	e.wait.Go(func() {
		defer cancel()
		defer close(j.done)
		err := run(ctx, j)
		j.mu.Lock()
		j.err, j.ended = err, e.k.o.Clock()
		j.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			e.k.o.Log.Error("vectors: work on an index failed", "index", e.index.Name, "work", kind, "error", err)
		}
	})
	return nil
}

func busy(j *Job) error {
	what := map[string]string{"fill": "a copy", "cutover": "a proof and the cutover behind it"}[j.Kind]
	return &front.StageError{Why: what + " is under way", Hint: "freehold vectors status shows how far it is"}
}

func (j *Job) over() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// resume goes on with a copy that was under way when the process ended.
func (e *entry) resume() {
	m := e.index.Move()
	if m.Phase != front.Sync || !m.Filling() {
		return
	}
	if err := e.start("fill", func(ctx context.Context, j *Job) error { return e.fill(ctx, j, m.Pass) }); err != nil {
		e.k.o.Log.Error("vectors: a copy does not go on", "index", e.index.Name, "error", err)
	}
}

// fill copies, with Pinecone's limits of rates.
func (e *entry) fill(ctx context.Context, j *Job, id string) error {
	slow, err := e.now().Source(ctx, false)
	if err != nil {
		return err
	}
	defer slow.Close() // it was read only
	d, err := slow.Describe(ctx)
	if err != nil {
		return err
	}
	o := e.k.o
	var names []string
	for _, ns := range d.Namespaces {
		names = append(names, ns.Name)
	}
	by, err := e.filler()
	if err != nil {
		return err
	}
	j.progress(0, d.Count())
	tally, err := e.index.Fill(ctx, id, transfer.Options{
		Source: slow, Namespaces: names, Embedding: by, Journal: o.Copies, Log: o.Log, Clock: o.Clock, Sleep: o.Sleep, Jitter: rand.Float64,
		Progress: func(t transfer.Tally) { j.progress(t.Copied+t.Gone+t.Refused, t.Listed) },
	})
	j.mu.Lock()
	j.tally = tally
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return e.putCopy(ctx, id, j.Started, o.Clock())
}

// putCopy keeps the copy as those of freehold vectors copy are, so that verify knows
// what became of the records.
func (e *entry) putCopy(ctx context.Context, id string, started, ended time.Time) error {
	spec, m := e.now(), e.index.Move()
	d, err := e.source.Describe(ctx)
	if err != nil {
		return err
	}
	p := plan.Plan{Version: plan.Version, Made: started, From: spec.From.String(), To: spec.To.String()}
	p.Mapping, p.Embed = embedded(m)
	for _, ns := range d.Namespaces {
		p.Namespaces = append(p.Namespaces, ns.Name)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return e.k.o.Copies.PutCopy(ctx, transfer.Copy{ID: id, From: p.From, To: p.To, Started: started, Ended: ended, Plan: text})
}

// opened is an index whose stores are open.
func (k *Keeper) opened(name string) (*entry, error) {
	e, err := k.find(name)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.why != nil {
		out := &front.StageError{Why: fmt.Sprintf("the index %s is not open: %v", e.spec.Name, e.why)}
		if stage := (*front.StageError)(nil); errors.As(e.why, &stage) {
			out.Hint = stage.Hint
		}
		return nil, out
	}
	return e, nil
}

// SyncOptions say how [Keeper.Sync] goes.
type SyncOptions struct {
	Plan *plan.Plan // nil: one is made
	// Again: an index that is filled already is filled once more.
	Again bool
	// MaxCost is the most that one run of the copy may spend on the model, in US dollars;
	// not valid: nobody minds.
	MaxCost decimal.NullDecimal
}

// Sync has the new store follow, and fills it.
func (k *Keeper) Sync(ctx context.Context, name string, with SyncOptions, who history.Who, why string) error {
	e, err := k.opened(name)
	if err != nil {
		return err
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	m := e.index.Move()
	id := m.Pass
	switch {
	case m.Phase == front.Relay:
		if err := e.begin(ctx, with.Plan, with.MaxCost); err != nil {
			return err
		}
		id = k.o.NewID()
	case m.Phase != front.Sync:
		return e.index.Begin(ctx, m.Mapping, false, nil) // it says why not
	case m.Filling(): // that one goes on
	case !with.Again && id != "":
		return &front.StageError{Why: "the new store has been filled, and follows", Hint: "--again copies once more what was changed past freehold"}
	default:
		id = k.o.NewID()
	}
	if err := e.asked(); err != nil {
		return err
	}
	if err := e.index.Spend(ctx, with.MaxCost); err != nil {
		return err
	}
	if err := e.putCopy(ctx, id, k.o.Clock(), time.Time{}); err != nil {
		return err
	}
	if err := e.start("fill", func(ctx context.Context, j *Job) error { return e.fill(ctx, j, id) }); err != nil {
		return err
	}
	return k.record(ctx, e, KindSync, who, why, nil, "")
}

// begin makes the collection, and has it follow.
func (e *entry) begin(ctx context.Context, p *plan.Plan, most decimal.NullDecimal) error {
	spec := e.now()
	now, err := spec.Perimeter()
	if err != nil {
		return err
	}
	if p == nil {
		if p, err = e.plan(ctx, &spec); err != nil {
			return err
		}
	}
	if err := p.Check(&now); err != nil {
		return err
	}
	if err := spec.Embeddings.given(p, spec.Name); err != nil {
		return err
	}
	if p.Embed == nil {
		if err := e.fits(ctx, p); err != nil {
			return err
		}
	}
	var models *front.Embeddings
	if spec.Embeddings != nil {
		models = serveEmbedded(p, most, spec.Embeddings)
	}
	if why := p.Whole(); why != "" {
		return &front.StageError{Why: why, Hint: "an index that applications go on writing must come back as it was"}
	}
	if err := e.target.Create(ctx, &p.Create); err != nil {
		return err
	}
	d, err := e.target.Describe(ctx)
	if err != nil {
		return err
	}
	for i := range d.Vectors {
		if d.Vectors[i].Normalised && models == nil { // clients get vectors of the length that they wrote
			p.Mapping.KeepLength = "_length"
		}
	}
	if err := e.shadows.forget(ctx, e.k.o.Ledger, spec.Name); err != nil {
		return err
	}
	return e.index.Begin(ctx, p.Mapping, p.AllowForbidden, models)
}

// fits refuses a collection that is there and has no place for the source's vectors, or
// another metric.
func (e *entry) fits(ctx context.Context, p *plan.Plan) error {
	now, err := e.source.Describe(ctx)
	if err != nil {
		return err
	}
	if err := p.Places(now); err != nil {
		return err
	}
	return p.Measures()
}

// Cutover proves that the new store has all, and makes it the authority. It begins
// that and returns: [Keeper.Status] shows how it goes. ungated is why the gate is not to
// be asked; empty: it is.
func (k *Keeper) Cutover(ctx context.Context, name, ungated string, who history.Who, why string) error {
	e, err := k.opened(name)
	if err != nil {
		return err
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.index.Blocked(ctx); err != nil {
		return err
	}
	if err := e.asked(); err != nil {
		return err
	}
	if err := e.index.Ungated(); err != nil && ungated == "" {
		return err
	}
	return e.start("cutover", func(ctx context.Context, j *Job) error {
		if err := e.prove(ctx, j); err != nil {
			return err
		}
		if err := e.index.Cutover(ctx); err != nil {
			return err
		}
		return k.record(context.WithoutCancel(ctx), e, KindCutover, who, why, j.report, ungated)
	})
}

// DriftError is what a verification has found.
type DriftError struct {
	Report     *transfer.Report
	Namespaces []string // in which something differs
}

func (e *DriftError) Error() string {
	r, names := e.Report, make([]string, len(e.Namespaces))
	for i, ns := range e.Namespaces {
		names[i] = cmp.Or(ns, front.DefaultNamespace)
	}
	return fmt.Sprintf("the stores differ: %d missing, %d altered, %d extra, in %s", r.Missing, r.Altered, r.Extra, strings.Join(names, ", "))
}

func (e *entry) prove(ctx context.Context, j *Job) error {
	slow, err := e.now().Source(ctx, false)
	if err != nil {
		return err
	}
	defer slow.Close() // it was read only
	d, err := slow.Describe(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, ns := range d.Namespaces {
		names = append(names, ns.Name)
	}
	j.progress(0, d.Count())
	mapping, _ := embedded(e.index.Move())
	by, err := e.filler()
	if err != nil {
		return err
	}
	r, err := transfer.Verify(ctx, transfer.VerifyOptions{
		Source: slow, Target: e.target, Mapping: mapping, Embedding: by, Namespaces: names, Clock: e.k.o.Clock, Hold: e.index.Hold,
		Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Progress: func(n int64) { j.progress(n, n) },
	})
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.report = r
	j.mu.Unlock()
	if r.Same() {
		return nil
	}
	out := &DriftError{Report: r}
	for _, ns := range r.Drift {
		out.Namespaces = append(out.Namespaces, cmp.Or(ns, front.DefaultNamespace))
	}
	return out
}

// Rollback makes Pinecone the authority again. Nothing that was written since the
// cutover is lost.
func (k *Keeper) Rollback(ctx context.Context, name string, who history.Who, why string) error {
	return k.told(ctx, name, KindRollback, who, why, (*front.Index).Rollback)
}

// Leave has the new store follow no more, before a cutover. A copy under way ends.
func (k *Keeper) Leave(ctx context.Context, name string, who history.Who, why string) error {
	return k.told(ctx, name, KindEnd, who, why, (*front.Index).Leave)
}

// Finish has Pinecone follow no more, after a cutover.
func (k *Keeper) Finish(ctx context.Context, name string, who history.Who, why string) error {
	return k.told(ctx, name, KindFinal, who, why, (*front.Index).Finish)
}

func (k *Keeper) told(ctx context.Context, name string, kind history.Kind, who history.Who, why string, do func(*front.Index, context.Context) error) error {
	e, err := k.opened(name)
	if err != nil {
		return err
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	e.mu.Lock()
	job := e.job
	e.mu.Unlock()
	if job != nil && !job.over() {
		if kind != KindEnd {
			return busy(job)
		}
		job.canceled()
		<-job.done
	}
	if err := do(e.index, ctx); err != nil {
		return err
	}
	return k.record(ctx, e, kind, who, why, nil, "")
}

// record puts on record who moved the index. ungated is why a gate was not asked.
func (k *Keeper) record(ctx context.Context, e *entry, kind history.Kind, who history.Who, why string, proof *transfer.Report, ungated string) error {
	spec, m := e.now(), e.index.Move()
	details := map[string]string{"phase": string(m.Phase), "from": spec.From.String(), "to": spec.To.String()}
	if x := m.Embeddings; x != nil {
		details["alias"], details["model_before"], details["model"] = x.Alias, x.Old, x.New
		if g := x.Gate; g != nil {
			details["gate"] = g.At.UTC().Format(time.RFC3339) + " " + g.Outcome + ": " + g.Why
		}
	}
	if ungated != "" {
		details["without_gate"] = ungated
	}
	if proof != nil {
		details["compared"] = fmt.Sprint(proof.Compared)
		for _, ns := range proof.Namespaces {
			switch {
			case m.Mapping.Flat: // the new store has all in one
				details["digest"] = ns.Digest
			default:
				details["digest "+cmp.Or(ns.Name, front.DefaultNamespace)] = ns.Digest
			}
		}
	}
	_, err := k.o.History.Append(ctx, history.Change{Kind: kind, Subject: spec.Name, Who: who, Why: why, Details: details})
	if err != nil {
		return errors.Join(errors.New("it is done, and cannot be put into the history"), err)
	}
	return nil
}
