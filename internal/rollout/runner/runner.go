// Package runner runs rollouts: it gives requests their part, copies them to the
// new model, has answers judged, and takes each rollout from stage to stage as
// package rollout says.
//
// Whatever a rollout becomes is in the history and in the store before it takes
// effect, so that a runner that begins where another one was killed goes on from
// there: pairs are in the store, clients' requests in the ledger.
package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/feedback"
	"freehold/internal/fleet"
	"freehold/internal/history"
	"freehold/internal/ledger"
	"freehold/internal/rollout"
	"freehold/internal/rollout/aside"
)

// Kind of the runner's records in the history.
const Kind history.Kind = "rollout.stage"

// Historian is the history as this package sees it.
type Historian interface {
	Append(ctx context.Context, c history.Change) (history.Record, error)
	// List returns what matches, the latest first.
	List(ctx context.Context, f history.Filter) ([]history.Record, error)
}

// Ledger is the ledger as this package sees it.
type Ledger interface {
	Each(ctx context.Context, q ledger.Query) iter.Seq2[*ledger.Row, error]
	Usage(ctx context.Context, q ledger.Query) ([]ledger.Group, error)
	Request(ctx context.Context, id string) (*ledger.Row, error)
}

// Feedback are people's scores of answers, as this package sees them.
type Feedback interface {
	Feedbacks(ctx context.Context, since time.Time) iter.Seq2[feedback.Feedback, error]
}

// Options of a [Runner]. All are required but those that say so.
type Options struct {
	Store   rollout.Store
	History Historian
	Ledger  Ledger
	// Feedback are people's scores.
	Feedback Feedback
	Log      *slog.Logger
	Clock    func() time.Time
	NewID    func() string
	Pick     func(n int) int // a uniform number in [0,n)
	Fleet    func() *fleet.Fleet
	// InUse is the model that the configuration names for a workload, "" for none.
	InUse func(workload string) string
	// Approvals is how many people the configuration wants for a workload's cutover.
	Approvals func(workload string) int
	// Write makes a model a workload's own in the configuration. Where it can only
	// propose the change it returns nil, and InUse stays.
	Write func(ctx context.Context, workload, model string, who history.Who, why string) error
	// Texts holds the texts of copies.
	Texts Texts
	// Aside asks models; nil where nothing is served: then no copies are made.
	Aside *aside.Asker
}

// Texts are the kept texts of requests, as this package sees them.
type Texts interface {
	// EraseOrphan deletes the texts of a copy unless those of the request that it is
	// a copy of are still kept; of nothing it is always.
	EraseOrphan(ctx context.Context, copied, of string) error
}

// Runner runs the rollouts of one store. Its methods may be used concurrently.
type Runner struct {
	Options

	moving atomic.Pointer[map[string]*part] // by workload, for requests
	events chan event
	missed atomic.Int64 // events that found no room

	mu     sync.Mutex // guards what follows, and every active's state and evidence
	active map[string]*active

	turn   sync.Mutex // one change at a time; never taken while mu is held
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// part is a rollout as requests see it; it does not change.
type part struct {
	id, from, to   string
	canary, shadow float64
	back           bool
	active         *active
	queue          *shadow // nil: no copies are made
}

// active is a rollout that has not ended.
type active struct {
	state    rollout.State
	evidence *rollout.Evidence
	control  lengths
	spent    money
	vain     int   // copies since the last one that could be judged
	err      error // why what should follow could not be done; nil: it was
	shadow   *shadow
	counts   counts
}

// event is the end of a request with a part.
type event struct {
	of      *active
	outcome rollout.Outcome
}

const (
	maxEvents = 1 << 12
	// tick is how often time alone is looked at.
	tick = time.Second
)

// New makes a runner; Load must follow.
func New(o Options) *Runner {
	r := &Runner{Options: o, events: make(chan event, maxEvents), active: map[string]*active{}}
	r.moving.Store(&map[string]*part{})
	return r
}

// Load takes up the rollouts of the store.
func (r *Runner) Load(ctx context.Context) error {
	all, err := r.Store.Rollouts(ctx, "")
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Stage.Ended() {
			continue
		}
		a, err := r.revive(ctx, s)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.active[s.Workload] = a
		r.publish()
		r.mu.Unlock()
	}
	return nil
}

// mostReplayed bounds the clients' requests that evidence is made of again.
const mostReplayed = 20_000

// revive makes a rollout's evidence again: of its pairs, of the requests of its
// present step, and of what the old model did last before. Of one that has ended
// it is the pairs: by what it ended, the history says.
func (r *Runner) revive(ctx context.Context, s rollout.State) (*active, error) {
	a := &active{state: s, evidence: rollout.NewEvidence(&s.Plan)}
	var late []rollout.Pair // of the present step
	for p, err := range r.Store.Pairs(ctx, s.ID) {
		if err != nil {
			return nil, err
		}
		a.control.again(&s.Plan, &p)
		a.spent.pair(&p)
		if p.Time.Before(s.Entered) {
			a.evidence.AddPair(&p)
		} else {
			late = append(late, p)
		}
	}
	if !s.Stage.Ended() {
		if err := r.remember(ctx, a); err != nil {
			return nil, err
		}
		before := ledger.Query{Workload: s.Workload, Model: s.From, Since: s.Started, Until: s.Entered}
		if err := r.replay(ctx, a, before, s.Plan.Latency.Kept()); err != nil {
			return nil, err
		}
		a.evidence.Begin(&s)
		if err := r.replay(ctx, a, ledger.Query{Workload: s.Workload, Since: s.Entered}, mostReplayed); err != nil {
			return nil, err
		}
		if err := r.rerate(ctx, a); err != nil {
			return nil, err
		}
	}
	for i := range late {
		a.evidence.AddPair(&late[i])
	}
	return a, nil
}

// lately is how far back the old model's latencies before a rollout go.
const lately = 7 * 24 * time.Hour

// remember takes the latencies of the workload's last requests before the rollout: a
// new model that answers all from the beginning is compared with them.
func (r *Runner) remember(ctx context.Context, a *active) error {
	s := &a.state
	var last []*ledger.Row
	for row, err := range r.Ledger.Each(ctx, ledger.Query{Workload: s.Workload, Model: s.From, Outcome: ledger.OK, Since: s.Started.Add(-lately), Until: s.Started, Limit: s.Plan.Latency.Kept()}) {
		if err != nil {
			return err
		}
		if len(row.Attempts) == 1 && row.Answerer() == s.From && !row.Played() {
			last = append(last, row)
		}
	}
	for _, row := range slices.Backward(last) {
		a.evidence.Remember(row.FirstToken, row.Total)
	}
	return nil
}

// replay takes the last outcomes of clients' requests once more, the oldest first.
func (r *Runner) replay(ctx context.Context, a *active, q ledger.Query, most int) error {
	var last []rollout.Outcome
	for row, err := range r.Ledger.Each(ctx, q) {
		if err != nil {
			return err
		}
		if row.Part == nil || row.Part.Rollout != a.state.ID {
			continue
		}
		if o, ok := rollout.OutcomeOf(row, a.state.From, a.state.To); ok {
			last = append(last, o)
		}
		if len(last) == most {
			break
		}
	}
	for _, o := range slices.Backward(last) {
		a.evidence.AddOutcome(o)
	}
	return nil
}

// rerate takes the scores of the present step once more, in the order in which they
// came: of each request the first, as when they came.
func (r *Runner) rerate(ctx context.Context, a *active) error {
	var said []feedback.Feedback
	for f, err := range r.Feedback.Feedbacks(ctx, a.state.Entered) {
		if err != nil {
			return err
		}
		if !f.First.Time.Before(a.state.Entered) {
			said = append(said, f)
		}
	}
	slices.SortStableFunc(said, func(x, y feedback.Feedback) int { return x.First.Time.Compare(y.First.Time) })
	for _, f := range said {
		row, err := r.Ledger.Request(ctx, f.Request)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		a.rated(row, f.First.Score)
	}
	return nil
}

// Start begins to work until Close.
func (r *Runner) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.mu.Lock()
	for _, a := range r.active {
		r.equip(a)
	}
	r.publish() // requests find the queues now
	r.mu.Unlock()
	r.ended.Go(func() { r.run(ctx) })
}

// Close ends the work. What was under way to the new model is given up.
func (r *Runner) Close() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.mu.Lock()
	for _, a := range r.active {
		a.stop()
	}
	r.mu.Unlock()
	r.ended.Wait()
}

func (r *Runner) run(ctx context.Context) {
	every := time.NewTicker(tick)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-r.events:
			r.take(ctx, e)
		case <-every.C:
			r.Tick(ctx)
		}
	}
}

// take takes what became of a request, and all that wait behind it.
func (r *Runner) take(ctx context.Context, e event) {
	touched := map[*active]bool{}
	for more := true; more; {
		r.mu.Lock()
		if !e.of.state.Stage.Ended() {
			e.of.evidence.AddOutcome(e.outcome)
			touched[e.of] = touched[e.of] || e.outcome.Candidate
		}
		r.mu.Unlock()
		select {
		case e = <-r.events:
		default:
			more = false
		}
	}
	for a, news := range touched {
		if news {
			r.follow(ctx, a)
		}
	}
}

// Tick looks at what time alone brings.
func (r *Runner) Tick(ctx context.Context) {
	r.mu.Lock()
	all := make([]*active, 0, len(r.active))
	for _, a := range r.active {
		all = append(all, a)
	}
	r.mu.Unlock()
	for _, a := range all {
		r.follow(ctx, a)
	}
}

// server is who does what follows by itself.
var server = history.Who{Via: "server", Name: "rollout"}

// follow takes a rollout as far as its evidence goes.
func (r *Runner) follow(ctx context.Context, a *active) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if err := r.settle(ctx, a, server); err != nil {
		r.Log.Error("a rollout cannot go on; it is tried again", "rollout", a.state.ID, "workload", a.state.Workload, "error", err)
	}
}

// settle enters the stages that follow one after the other, and writes the
// configuration where one of them wants that. turn is held.
func (r *Runner) settle(ctx context.Context, a *active, who history.Who) (err error) {
	defer func() {
		r.mu.Lock()
		a.err = err
		r.mu.Unlock()
	}()
	for {
		inUse := r.InUse(a.state.Workload)
		r.mu.Lock()
		r.ask(&a.state)
		next, ok := rollout.Next(a.state, a.evidence, inUse, r.Clock())
		r.mu.Unlock()
		if why := r.lost(&a.state); !ok && why != "" {
			next, ok = a.state.Pause(why)
		}
		if ok && a.state.Stage == rollout.Shadowing && next.Stage == rollout.Canary {
			if why, err := r.doubt(ctx, &a.state); err != nil {
				return err
			} else if why != "" {
				next, ok = a.state.Pause(why)
			}
		}
		if ok {
			if err := r.enter(ctx, a, next, who); err != nil {
				return err
			}
			continue
		}
		want := ""
		switch s := &a.state; {
		case s.Stage == rollout.Cutover && s.Missing() == 0 && inUse == s.From && !s.Paused:
			want = s.To
		case s.Stage == rollout.Returning && inUse == s.To:
			want = s.From
		}
		if want == "" {
			return nil
		}
		if err := r.Write(ctx, a.state.Workload, want, who, "rollout "+a.state.ID+": "+a.state.Reason); err != nil {
			return &WriteError{a.state.Workload, want, err}
		}
		if r.InUse(a.state.Workload) == inUse {
			return nil // it is proposed only: requests go where they should meanwhile
		}
	}
}

// lost says that the configuration has no new model any more, "" while it has.
func (r *Runner) lost(s *rollout.State) string {
	if s.Stage.Ended() || s.Stage == rollout.Returning || r.Fleet().Models[s.To] != nil {
		return ""
	}
	return "the configuration has no model " + s.To + " any more"
}

// enter makes a rollout's next state its present one: in the history, in the
// store, and then for requests. turn is held.
func (r *Runner) enter(ctx context.Context, a *active, next rollout.State, who history.Who) error {
	if !next.Paused { // where nothing has changed, the next copies say so again
		next.Muted = nil
	}
	if err := r.put(ctx, a, next, who); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.use(a, next)
	return nil
}

// put puts a state into the history and the store.
func (r *Runner) put(ctx context.Context, a *active, next rollout.State, who history.Who) error {
	report, err := r.known(ctx, a)
	if err != nil {
		return err
	}
	evidence, err := json.Marshal(report)
	if err != nil {
		return err
	}
	_, err = r.History.Append(ctx, history.Change{
		Kind: Kind, Subject: next.Workload, Who: who, Why: next.Reason,
		Details: map[string]string{
			"rollout": next.ID, "from": next.From, "to": next.To, "stage": string(next.Stage), "step": strconv.Itoa(next.Step),
			"paused": strconv.FormatBool(next.Paused), "was": a.state.Where(), "is": next.Where(), "evidence": string(evidence),
		},
	})
	if err != nil {
		return fmt.Errorf("the change cannot be put into the history, so it is not made: %w", err)
	}
	return r.Store.PutRollout(ctx, next)
}

// use makes a state that is kept the one in use. mu is held.
func (r *Runner) use(a *active, next rollout.State) {
	if !next.Paused {
		a.vain, a.spent.dear = 0, 0
	}
	if next.Epoch != a.state.Epoch && !next.Stage.Ended() { // what it ended by stays to be seen
		a.evidence.Begin(&next)
	}
	a.state = next
	if next.Stage.Ended() {
		a.stop()
		if r.active[next.Workload] == a {
			delete(r.active, next.Workload)
		}
	} else {
		r.active[next.Workload] = a
		r.equip(a)
	}
	r.publish()
	r.Log.Info("rollout", "rollout", next.ID, "workload", next.Workload, "from", next.From, "to", next.To, "now", next.Where(), "reason", next.Reason)
}

// publish shows requests what their parts are now. mu is held.
func (r *Runner) publish() {
	all := make(map[string]*part, len(r.active))
	for name, a := range r.active {
		s := &a.state
		p := &part{id: s.ID, from: s.From, to: s.To, active: a, queue: a.shadow}
		if p.canary, p.shadow = s.Share(); s.Muted != nil {
			p.shadow = 0
		}
		if s.Stage == rollout.Returning { // to the old model first, whatever the configuration still says
			p.from, p.to, p.canary, p.back = s.To, s.From, 1, true
		}
		all[name] = p
	}
	r.moving.Store(&all)
}
