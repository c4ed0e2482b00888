package runner

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/shopspring/decimal"

	"freehold/internal/gateway"
	"freehold/internal/judge"
	"freehold/internal/ledger"
	"freehold/internal/rollout"
	"freehold/internal/rollout/aside"
)

// maxHeld bounds the bytes of the copies that wait.
const maxHeld = 64 << 20

// shadow asks the new model what clients asked, off their way.
type shadow struct {
	queue  chan job
	held   atomic.Int64 // bytes
	cancel context.CancelFunc
	counts *counts
}

// counts are what became of copies, since this process began.
type counts struct {
	copied, dropped, failed, unjudged atomic.Int64           // dropped: not asked, for want of room
	failure                           atomic.Pointer[string] // the last
}

type job struct {
	*gateway.Copy
	row side
}

// offer takes a copy if there is room, and never waits.
func (s *shadow) offer(j job) {
	if s == nil {
		return
	}
	if s.held.Add(int64(j.Size)) > maxHeld {
		s.held.Add(-int64(j.Size))
		s.counts.dropped.Add(1)
		return
	}
	select {
	case s.queue <- j:
	default:
		s.held.Add(-int64(j.Size))
		s.counts.dropped.Add(1)
	}
}

// equip gives a rollout what its stage needs, and takes away what it does not.
// mu is held.
func (r *Runner) equip(a *active) {
	_, share := a.state.Share()
	switch {
	case share == 0:
		a.stop()
	case a.shadow == nil && r.Aside != nil && r.cancel != nil:
		ctx, cancel := context.WithCancel(context.Background())
		s := &shadow{queue: make(chan job, a.state.Plan.Shadow.Queue), cancel: cancel, counts: &a.counts}
		a.shadow = s
		for range a.state.Plan.Shadow.Concurrency {
			r.ended.Go(func() { r.work(ctx, a, s) })
		}
	}
}

// stop ends the copying. mu is held.
func (a *active) stop() {
	if a.shadow != nil {
		a.shadow.cancel()
		a.shadow = nil
	}
}

func (r *Runner) work(ctx context.Context, a *active, s *shadow) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-s.queue:
			r.copyOf(ctx, a, j)
			s.held.Add(-int64(j.Size))
		}
	}
}

// copyOf asks the new model one thing, has the answers judged, and keeps the pair.
func (r *Runner) copyOf(ctx context.Context, a *active, j job) {
	r.mu.Lock()
	state := a.state
	r.mu.Unlock()
	var cost decimal.Decimal
	if budget := state.Plan.Shadow.Budget; budget.Valid {
		var unknown string
		if cost, unknown = r.most(&state, &j); unknown != "" {
			a.counts.dropped.Add(1)
			r.inVain(ctx, a, "could not be made within the budget: what they may cost is not known: "+unknown)
			return
		}
	}
	r.mu.Lock()
	room, broke := a.spent.reserve(state.Plan.Shadow.Budget, cost)
	cheapest := a.spent.cheapest
	r.mu.Unlock()
	if !room {
		a.counts.dropped.Add(1)
		if broke != "" {
			r.mute(ctx, a, rollout.Muted{Why: broke, Broke: true, Cheapest: cheapest})
		}
		return
	}
	call, paired := *j.Call, false
	defer func() { r.tidy(ctx, j, call.ID, paired) }()
	p, err := r.pair(ctx, &state, j, &call)
	r.mu.Lock()
	a.spent.reserved = a.spent.reserved.Sub(cost)
	var kept error
	over := ctx.Err() != nil // the stage, or the process
	if err == nil && !over {
		a.control.apply(&state.Plan, p)
		a.spent.pair(p)
		if kept = r.Store.AddPair(ctx, *p); kept == nil {
			a.evidence.AddPair(p)
		}
	}
	r.mu.Unlock()
	switch {
	case over: // what it had cost until then nobody knows
		r.mu.Lock()
		a.spent.unknown++
		r.mu.Unlock()
		return
	case err != nil:
		a.counts.failed.Add(1)
		why := err.Error()
		a.counts.failure.Store(&why)
		r.Log.Debug("a request could not be compared", "rollout", state.ID, "request_id", j.row.id, "error", err)
		return
	case kept != nil:
		r.Log.Error("a pair cannot be kept, so it does not count", "rollout", state.ID, "request_id", j.row.id, "error", kept)
		return
	}
	a.counts.copied.Add(1)
	paired = true
	if p.Judged {
		r.mu.Lock()
		a.vain = 0
		r.mu.Unlock()
	} else {
		a.counts.unjudged.Add(1)
		r.inVain(ctx, a, "could not be judged: "+p.Detail)
	}
	r.follow(ctx, a)
}

// tidy sees to it that what is kept of a copy can be erased with its request: that
// takes the pair, which leads to the copy, and a request that was not erased while the
// copy was under way. Whoever erases after this finds the pair.
func (r *Runner) tidy(ctx context.Context, j job, id string, paired bool) {
	if !j.Captured || id == j.row.id { // nothing was asked
		return
	}
	of := j.row.id
	if !paired {
		of = ""
	}
	if err := r.Texts.EraseOrphan(context.WithoutCancel(ctx), id, of); err != nil {
		r.Log.Error("what is kept of a copy cannot be erased with its request: erase it with freehold capture erase", "request_id", of, "copy", id, "error", err)
	}
}

// mostInVain is how many copies in a row may come to nothing.
const mostInVain = 20

// inVain counts a copy that came to nothing, and ends the copying where all do.
func (r *Runner) inVain(ctx context.Context, a *active, why string) {
	a.counts.failure.Store(&why)
	r.mu.Lock()
	a.vain++
	over := a.vain >= mostInVain
	r.mu.Unlock()
	if over {
		r.mute(ctx, a, rollout.Muted{Why: fmt.Sprintf("the last %d copies %s", mostInVain, why)})
	}
}

// mute ends the copying of a rollout, until it is resumed or begins its next stage
// or step. One that waits for copies pauses; in a canary clients' requests go on
// telling. The store has it, so that who begins anew knows of it.
func (r *Runner) mute(ctx context.Context, a *active, m rollout.Muted) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if a.state.Stage.Ended() {
		return
	}
	next := a.state
	next.Muted = &m
	var err error
	if next.Stage == rollout.Shadowing && !next.Paused {
		next.Paused, next.Reason = true, m.Why
		err = r.enter(ctx, a, next, server)
	} else {
		err = r.Store.PutRollout(ctx, next)
	}
	if err != nil {
		r.Log.Error("that a rollout has no copies made any more cannot be kept", "rollout", next.ID, "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a.state.Muted = &m
	r.publish()
}

// pair asks the new model by call, and the judge.
func (r *Runner) pair(ctx context.Context, s *rollout.State, j job, call *gateway.Call) (*rollout.Pair, error) {
	old, err := j.Answer()
	if err != nil {
		return nil, fmt.Errorf("the old model's answer cannot be read: %w", err)
	}
	f := forRollout(s, ledger.Shadow)
	f.Keep = j.Captured // a pair is compared by people where both of its answers are kept
	answer, err := r.Aside.Request(ctx, f, s.To, call)
	if err != nil {
		return nil, err
	}
	reading, err := r.Aside.Read(call)
	if err != nil {
		return nil, err
	}
	sample := judge.Sample{ID: j.row.id, Conversation: reading.Conversation, Baseline: judge.AnswerOf(old), Candidate: judge.AnswerOf(answer.Response)}
	if answer.Err != nil {
		sample.Candidate.Failure = answer.Err.Error()
	}
	p := &rollout.Pair{
		Rollout: s.ID, Request: j.row.id, Shadow: call.ID, Time: j.row.at, Segments: reading.Segments,
		Lengths: [2]int{sample.Baseline.Length(), sample.Candidate.Length()},
		Old:     j.row.Side, New: aside.SideOf(&answer.Row),
	}
	p.Old.Take(&sample.Baseline)
	p.New.Take(&sample.Candidate)
	verdict, cost, err := r.judge(ctx, s, call, sample)
	p.JudgeCost = cost
	if err == nil {
		p.Score(&verdict)
	} else { // what else is known of the two answers counts all the same
		p.Detail = "not judged: " + err.Error()
	}
	return p, nil
}

// Label stands in the ledger in the place of a workload, for what is asked aside
// for its rollout.
func Label(workload string) string { return "rollout:" + workload }

// forRollout is what is asked aside for a rollout.
func forRollout(s *rollout.State, arm ledger.Arm) aside.For {
	return aside.For{Workload: s.Workload, Label: Label(s.Workload), Part: &ledger.Part{Rollout: s.ID, Arm: arm}}
}

// lengths is the control for length of pairwise verdicts.
type lengths struct{ judge.LengthControl }

// apply sets the pair's difference, and learns from it.
func (l *lengths) apply(plan *rollout.Plan, p *rollout.Pair) {
	if plan.Judge.Kind == judge.Pairwise && p.Judged && p.Basis != string(judge.Unanswered) {
		p.Difference = l.Add(p.Lengths[0], p.Lengths[1], p.Raw)
	}
}

// again learns from a pair that was kept.
func (l *lengths) again(plan *rollout.Plan, p *rollout.Pair) {
	kept := p.Difference
	l.apply(plan, p)
	p.Difference = kept
}

var zero = decimal.NullDecimal{Valid: true}
