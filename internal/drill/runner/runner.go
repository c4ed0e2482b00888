// Package runner runs drills: it takes them in and out of play, tells attempts how
// to fail, and sums up what came of it.
package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/drill"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/history"
	"freehold/internal/ledger"
)

// KindStart and KindEnd are the runner's records in the history.
const (
	KindStart history.Kind = "drill.start"
	KindEnd   history.Kind = "drill.end"
)

// Historian is the history as this package sees it.
type Historian interface {
	Append(ctx context.Context, c history.Change) (history.Record, error)
}

// Ledger is the ledger as this package sees it.
type Ledger interface {
	Each(ctx context.Context, q ledger.Query) iter.Seq2[*ledger.Row, error]
}

// Options of a [Runner]; all are required but Quality and Send.
type Options struct {
	Store   drill.Store
	History Historian
	Ledger  Ledger
	Log     *slog.Logger
	Clock   func() time.Time
	NewID   func() string
	Fleet   func() *fleet.Fleet
	// Quality is what is known of a model that stands in for another; nil: nothing.
	Quality func(ctx context.Context, from, to string) (drill.Quality, bool)
	// Send serves a call that is made for a drill; nil: nothing is served here.
	Send func(ctx context.Context, c *gateway.Call) gateway.Answer
}

// Runner runs the drills of one store, one at a time. Its methods may be used
// concurrently.
type Runner struct {
	Options
	playing atomic.Pointer[play]
	turn    sync.Mutex // one start or end at a time
	asking  sync.WaitGroup
}

// play is the drill under way, as requests see it.
type play struct {
	drill  drill.Drill // does not change
	until  time.Time
	errors atomic.Int64
	hits   atomic.Int64
	moved  atomic.Int64  // answered by somebody else
	over   chan struct{} // closed when a client saw one error too many
	once   sync.Once
	ended  chan struct{} // closed when it is on record
}

// New makes a runner; Load must follow.
func New(o Options) *Runner { return &Runner{Options: o} }

// Load ends what an earlier process has left running.
func (r *Runner) Load(ctx context.Context) error {
	all, err := r.Store.Drills(ctx)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.State == drill.Running {
			if err := r.end(ctx, d, drill.Interrupted, "freehold ended first", history.Who{Via: "server", Name: "drill"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// RefusedError says why a drill cannot be started or stopped, and what to do.
type RefusedError struct{ Message, Hint string }

func (e *RefusedError) Error() string { return e.Message }

func refuse(hint, format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...), hint}
}

// Start begins a drill. It ends by itself: when its time is up, when clients have
// seen errors, or when ctx ends.
func (r *Runner) Start(ctx context.Context, p drill.Plan, who history.Who, why string) (drill.Drill, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if now := r.playing.Load(); now != nil {
		return drill.Drill{}, refuse("freehold drill stop ends it", "drill %s is under way until %s", now.drill.ID, now.until.UTC().Format(time.TimeOnly))
	}
	f := r.Fleet()
	for _, name := range p.Providers {
		if f.Providers[name] == nil {
			return drill.Drill{}, refuse("the providers are "+strings.Join(f.ProviderNames(), ", "), "there is no provider %s", name)
		}
	}
	if p.Workload != "" && f.Workloads[p.Workload] == nil {
		return drill.Drill{}, refuse("freehold workloads lists what there is", "there is no workload %s", p.Workload)
	}
	if err := p.Check(); err != nil {
		return drill.Drill{}, refuse("", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	now := r.Clock()
	d := drill.Drill{ID: r.NewID(), Plan: p, State: drill.Running, Reason: why, Started: now, Until: now.Add(p.For), By: who, Config: f.Version}
	if err := r.record(ctx, KindStart, &d, who, why); err != nil {
		return d, err
	}
	if err := r.Store.PutDrill(ctx, d); err != nil {
		return d, err
	}
	pl := &play{drill: d, until: d.Until, over: make(chan struct{}), ended: make(chan struct{})}
	r.playing.Store(pl)
	r.Log.Warn("a drill begins", "drill", d.ID, "kind", d.Plan.Kind, "providers", d.Plan.Providers, "workload", d.Plan.Workload, "share", d.Plan.Share, "until", d.Until)
	go r.watch(context.WithoutCancel(ctx), pl)
	return d, nil
}

// watch ends a drill when it is time.
func (r *Runner) watch(ctx context.Context, p *play) {
	timer := time.NewTimer(p.until.Sub(r.Clock()))
	defer timer.Stop()
	state, cause := drill.Finished, "its time was up"
	select {
	case <-timer.C:
	case <-p.ended:
		return
	case <-p.over:
		state, cause = drill.Failed, "a client saw an error"
	}
	if err := r.finish(ctx, p, state, cause, history.Who{Via: "server", Name: "drill"}); err != nil {
		r.Log.Error("a drill is over, and that cannot be kept", "drill", p.drill.ID, "error", err)
	}
}

// Stop ends the drill under way.
func (r *Runner) Stop(ctx context.Context, who history.Who, why string) (drill.Drill, error) {
	p := r.playing.Load()
	if p == nil {
		return drill.Drill{}, refuse("", "no drill is under way")
	}
	if why == "" {
		why = "stopped by " + who.String()
	}
	if err := r.finish(ctx, p, drill.Stopped, why, who); err != nil {
		return drill.Drill{}, err
	}
	return r.Store.Drill(ctx, p.drill.ID)
}

// finish takes a drill out of play at once, and then sums it up.
func (r *Runner) finish(ctx context.Context, p *play, s drill.State, cause string, who history.Who) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if !r.playing.CompareAndSwap(p, nil) {
		return nil // somebody else did
	}
	defer close(p.ended)
	return r.end(ctx, p.drill, s, cause, who)
}

// Close ends the drill under way, because freehold does.
func (r *Runner) Close(ctx context.Context) error {
	defer r.asking.Wait()
	if p := r.playing.Load(); p != nil {
		return r.finish(ctx, p, drill.Interrupted, "freehold was stopped", history.Who{Via: "server", Name: "drill"})
	}
	return nil
}

// Wait returns a drill once it has ended, or with the context's error.
func (r *Runner) Wait(ctx context.Context, id string) (drill.Drill, error) {
	if p := r.playing.Load(); p != nil && p.drill.ID == id {
		select {
		case <-ctx.Done():
			return drill.Drill{}, context.Cause(ctx)
		case <-p.ended:
		}
	}
	r.turn.Lock() // it may be summed up right now
	defer r.turn.Unlock()
	return r.Store.Drill(ctx, id)
}

// Progress counts, of the drill under way, the requests that have ended.
type Progress struct {
	Hit        int64 // touched by the drill
	FailedOver int64 // of them: answered by somebody else
	Errors     int64 // of them: the client saw an error
}

// Now tells of the drill under way; ok is false where there is none.
func (r *Runner) Now() (d drill.Drill, so Progress, ok bool) {
	p := r.playing.Load()
	if p == nil {
		return d, so, false
	}
	return p.drill, Progress{p.hits.Load(), p.moved.Load(), p.errors.Load()}, true
}

// end sums a drill up and keeps it.
func (r *Runner) end(ctx context.Context, d drill.Drill, s drill.State, cause string, who history.Who) error {
	d.State, d.Cause, d.Ended, d.EndedBy = s, cause, r.Clock(), who
	report, err := r.report(ctx, &d)
	if err != nil {
		return err
	}
	d.Report = &report
	if err := r.record(ctx, KindEnd, &d, who, cause); err != nil {
		return err
	}
	return r.Store.PutDrill(ctx, d)
}

func (r *Runner) record(ctx context.Context, k history.Kind, d *drill.Drill, who history.Who, why string) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	subject := strings.Join(d.Plan.Providers, ", ")
	if d.Plan.Kind == drill.Exit {
		subject = d.Plan.Workload
	}
	_, err = r.History.Append(ctx, history.Change{Kind: k, Subject: subject, Who: who, Why: why,
		Details: map[string]string{"drill": d.ID, "kind": string(d.Plan.Kind), "evidence": string(text)}})
	if err != nil {
		return fmt.Errorf("the drill cannot be put into the history: %w", err)
	}
	return nil
}

// report reads the drill's time in the ledger. What began in it and has not ended
// is not there.
func (r *Runner) report(ctx context.Context, d *drill.Drill) (drill.Report, error) {
	f := r.Fleet()
	t := drill.NewTally(d, drill.Facets{
		Forbids: func(row *ledger.Row, a *ledger.Attempt) string { return forbids(f, row, a) },
		SLO:     func(workload string) drill.SLO { return promised(f, workload) },
	})
	stood := map[[2]string]bool{}
	for row, err := range r.Ledger.Each(ctx, ledger.Query{Workload: d.Plan.Recorded(), Since: d.Started, Until: d.Ended.Add(time.Microsecond)}) {
		if err != nil {
			return drill.Report{}, err
		}
		if row.Part != nil && row.Part.Arm != ledger.Baseline && row.Part.Arm != ledger.Candidate {
			continue // asked aside for a rollout
		}
		if strings.HasPrefix(row.Workload, drill.Label("")) != d.Plan.Synthetic {
			continue
		}
		t.Add(row)
		if row.Drill == d.ID && row.Outcome == ledger.OK {
			if from := first(f, row.Workload); from != "" && from != row.Model {
				stood[[2]string{from, row.Model}] = true
			}
		}
	}
	rep := t.Done()
	if r.Quality != nil {
		for pair := range stood {
			if q, ok := r.Quality(ctx, pair[0], pair[1]); ok {
				rep.Quality = append(rep.Quality, q)
			}
		}
		slices.SortFunc(rep.Quality, func(a, b drill.Quality) int { return strings.Compare(a.From+a.To, b.From+b.To) })
	}
	return rep, nil
}

// first is the model that a workload asks first.
func first(f *fleet.Fleet, workload string) string {
	if w := f.Workload(strings.TrimPrefix(workload, drill.Label(""))); w != nil && len(w.Models) > 0 {
		return w.Models[0].Name
	}
	return ""
}

// promised is the SLO of a workload.
func promised(f *fleet.Fleet, workload string) (out drill.SLO) {
	if w := f.Workloads[strings.TrimPrefix(workload, drill.Label(""))]; w != nil && w.SLO != nil {
		out = drill.SLO{FirstToken: w.SLO.FirstToken, Total: w.SLO.Total, Quantile: w.SLO.Quantile}
	}
	return out
}

// forbids says why the classes of a request forbid where an attempt of it went.
func forbids(f *fleet.Fleet, row *ledger.Row, a *ledger.Attempt) string {
	p := f.Providers[a.Provider]
	if p == nil {
		return ""
	}
	perimeter, err := f.Classes.For(nil, row.DataClasses...)
	if err != nil {
		return "" // a class that there is no more
	}
	_, why := perimeter.Permit(p.Place, row.Time)
	return why
}

var _ gateway.Drills = (*Runner)(nil)
