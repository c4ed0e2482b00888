package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"freehold/internal/fleet"
	"freehold/internal/history"
	"freehold/internal/judge"
	"freehold/internal/ledger"
	"freehold/internal/rollout"
	"freehold/internal/rollout/aside"
)

// RefusedError says why a command cannot be done now, and what to do.
type RefusedError struct{ Message, Hint string }

func (e *RefusedError) Error() string { return e.Message }

// WriteError is a change that holds for requests, and could not be written into the
// configuration yet.
type WriteError struct {
	Workload, Model string
	Err             error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("requests of workload %s go to %s now, but that could not be written into the configuration, and is tried again: %v", e.Workload, e.Model, e.Err)
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

func refuse(hint, format string, args ...any) error {
	return &RefusedError{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Begin starts a rollout of a workload to a model, from the one that the
// configuration names.
func (r *Runner) Begin(ctx context.Context, workload, to string, plan rollout.Plan, who history.Who, why string) (rollout.State, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	s, err := r.fresh(ctx, workload, to, plan, who)
	if err != nil {
		return s, err
	}
	if why == "" {
		why = "started"
	}
	s.Reason = why
	a := &active{state: s, evidence: rollout.NewEvidence(&s.Plan)}
	if err := r.remember(ctx, a); err != nil {
		return s, err
	}
	a.evidence.Begin(&s)
	if err := r.put(ctx, a, s, who); err != nil {
		return s, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.use(a, s)
	return s, nil
}

// Check makes every refusal that Begin would make now, and starts nothing. It
// returns the plan as it would be followed.
func (r *Runner) Check(ctx context.Context, workload, to string, plan rollout.Plan, who history.Who) (rollout.Plan, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	s, err := r.fresh(ctx, workload, to, plan, who)
	return s.Plan, err
}

// fresh checks what a new rollout needs, and completes its plan.
func (r *Runner) fresh(ctx context.Context, workload, to string, plan rollout.Plan, who history.Who) (rollout.State, error) {
	f := r.Fleet()
	s := rollout.State{ID: r.NewID(), Workload: workload, To: to, Plan: plan, Started: r.Clock(), By: who.String(), Stage: rollout.Canary}
	s.Entered = s.Started
	route := f.Workloads[workload]
	if route == nil {
		return s, refuse("freehold workloads lists what there is", "there is no workload %s", workload)
	}
	if now, ok := f.Resolve(workload); ok && now.Stands != nil {
		return s, refuse("freehold vectors cutover "+now.Stands.Index+" moves it", "workload %s makes the embeddings of the index %s, and changes its model with it only", workload, now.Stands.Index)
	}
	s.From = r.InUse(workload)
	target := f.Models[to]
	switch {
	case target == nil:
		return s, refuse("freehold models lists what there is", "there is no model %s", to)
	case to == s.From:
		return s, refuse("", "workload %s is at model %s already", workload, to)
	case target.Mode != "" && f.Models[s.From] != nil && f.Models[s.From].Mode != target.Mode:
		return s, refuse("", "model %s is for %s, and %s for %s", to, target.Mode, s.From, f.Models[s.From].Mode)
	}
	if no := aside.Denied(f, route, target, r.Clock()); no != "" {
		return s, refuse("freehold perimeter check shows where its requests may go", "the data of workload %s may not go to %s: %s", workload, to, no)
	}
	open, err := r.Store.Rollouts(ctx, workload)
	if err != nil {
		return s, err
	}
	for _, o := range open {
		if !o.Stage.Ended() {
			return s, refuse("freehold rollout status "+workload+" shows it, freehold rollout abort "+workload+" ends it",
				"workload %s has a rollout under way: to %s, %s", workload, o.To, o.Where())
		}
	}
	if s.Plan.Shadow.Share > 0 {
		s.Stage = rollout.Shadowing
		if err := r.chooseJudge(f, route, &s); err != nil {
			return s, err
		}
	}
	if err := priced(f, &s); err != nil {
		return s, err
	}
	if err := s.Plan.Check(); err != nil {
		return s, refuse("", "the plan cannot be followed: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if s.Plan.ErrorRate, err = r.failures(ctx, workload, s.From); err != nil {
		return s, err
	}
	s.Approve(who)
	return s, nil
}

// chooseJudge finds the model that judges, where one does, and proves that the
// judge can be made.
func (r *Runner) chooseJudge(f *fleet.Fleet, route *fleet.Route, s *rollout.State) error {
	j := &s.Plan.Judge
	if j.Kind == judge.Pairwise {
		var models []judge.Model
		for _, name := range j.Models {
			m := f.Models[name]
			if m == nil {
				return refuse("freehold models lists what there is", "there is no model %s that could judge", name)
			}
			models = append(models, aside.Contestant(m, aside.Denied(f, route, m, r.Clock())))
		}
		contestants := []judge.Model{aside.Contestant(f.Models[s.To], "")}
		if from := f.Models[s.From]; from != nil {
			contestants = append(contestants, aside.Contestant(from, ""))
		}
		chosen, err := judge.Choose(models, contestants...)
		if err != nil {
			return refuse("name another model in the plan's judge, or judge by another kind", "%s", err)
		}
		j.Models = []string{chosen.Name}
	}
	if j.Kind == judge.Feedback {
		return refuse("people's scores are compared in the canary: choose another kind of judge, or a shadow share of 0", "people score what they were shown, and copies are shown to nobody")
	}
	means := judge.Means{Asker: &asker{}, Random: strings.NewReader("")}
	if _, err := judge.New(j.Spec, means); err != nil {
		return refuse("", "the judge of the plan: %s", err)
	}
	return nil
}

// failures is the share of a workload's requests that a model failed lately: neither
// those that a drill has failed nor those in which freehold died.
func (r *Runner) failures(ctx context.Context, workload, model string) (float64, error) {
	q := ledger.Query{Workload: workload, Model: model, Since: r.Clock().Add(-lately)}
	groups, err := r.Ledger.Usage(ctx, q)
	if err != nil {
		return 0, err
	}
	var requests, failed int64
	for _, g := range groups {
		requests, failed = requests+g.Requests, failed+g.Errors
	}
	for _, q.Outcome = range []ledger.Outcome{ledger.Failed, ledger.Partial, ledger.Unknown} {
		for row, err := range r.Ledger.Each(ctx, q) {
			if err != nil {
				return 0, err
			}
			if row.Outcome == ledger.Unknown || row.Played() {
				requests, failed = requests-1, failed-1
			}
		}
	}
	if requests < 50 {
		return 0, nil
	}
	return float64(failed) / float64(requests), nil
}

// change is what a command makes of a state; inUse is the configuration's model.
type change func(s rollout.State, inUse string) (rollout.State, error)

// command changes the rollout of a workload that goes on; with ended, else the
// last one.
func (r *Runner) command(ctx context.Context, workload string, who history.Who, ended bool, do change) (rollout.State, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	a, err := r.find(ctx, workload, ended)
	if err != nil {
		return rollout.State{}, err
	}
	s := a.state
	r.ask(&s)
	next, err := do(s, r.InUse(workload))
	if err != nil {
		return a.state, err
	}
	if err := r.enter(ctx, a, next, who); err != nil {
		return a.state, err
	}
	err = r.settle(ctx, a, who)
	return a.state, err
}

// find is the rollout of a workload. turn is held.
func (r *Runner) find(ctx context.Context, workload string, ended bool) (*active, error) {
	r.mu.Lock()
	a := r.active[workload]
	r.mu.Unlock()
	if a != nil {
		return a, nil
	}
	all, err := r.Store.Rollouts(ctx, workload)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, refuse("freehold rollout start "+workload+" --to MODEL starts one", "workload %s has no rollout", workload)
	}
	if !ended {
		return nil, refuse("freehold rollout start "+workload+" --to MODEL starts one", "workload %s has no rollout under way; the last, to %s, is %s", workload, all[0].To, all[0].Where())
	}
	i := slices.IndexFunc(all, func(s rollout.State) bool { return s.Stage == rollout.Done || s.Stage == rollout.Watching })
	if i < 0 {
		return nil, refuse("", "workload %s has no cutover that could be taken back; its last rollout, to %s, is %s", workload, all[0].To, all[0].Where())
	}
	return r.revive(ctx, all[i])
}

// Command is what a person tells a rollout of a workload to do. It returns the
// rollout as it then is.
type Command func(ctx context.Context, workload string, who history.Who, why string) (rollout.State, error)

// Promote goes to the next stage or step, whatever the evidence says; at a
// cutover, and only there, it is a person's approval.
func (r *Runner) Promote(ctx context.Context, workload string, who history.Who, why string) (rollout.State, error) {
	return r.command(ctx, workload, who, false, func(s rollout.State, inUse string) (rollout.State, error) {
		if err := elsewhere(&s, inUse); err != nil {
			return s, err
		}
		s.Paused = false
		switch s.Stage {
		case rollout.Cutover:
			switch {
			case s.Approve(who) || s.Missing() == 0:
			case who.Person != "":
				return s, refuse("somebody else must promote it, with a key of another name", "%s has approved the cutover of %s already", who.Person, workload)
			default:
				return s, refuse("FREEHOLD_ADMIN_KEY=KEY freehold rollout promote "+workload+"; freehold keys create NAME --admin issues one",
					"the cutover of %s waits for %d people, who show a key of their own each: %s can be anybody", workload, s.Approvals(), who)
			}
			s.Reason = or(why, "approved by "+who.String())
			return s, nil
		case rollout.Watching, rollout.Returning:
			return s, refuse("", "the rollout of %s is %s: nothing is left to promote", workload, s.Where())
		}
		return s.Forward(or(why, "promoted by "+who.String()), r.Clock()), nil
	})
}

// elsewhere refuses to go on while the configuration names neither model.
func elsewhere(s *rollout.State, inUse string) error {
	if inUse == s.From || inUse == s.To {
		return nil
	}
	return refuse("set workloads."+s.Workload+".model to "+s.From+" again, or abort", "the configuration names %s for %s, which is neither %s nor %s", or(inUse, "no model"), s.Workload, s.From, s.To)
}

// Pause keeps a rollout where it is: nothing follows by itself but what protects
// clients, and nothing is copied.
func (r *Runner) Pause(ctx context.Context, workload string, who history.Who, why string) (rollout.State, error) {
	return r.command(ctx, workload, who, false, func(s rollout.State, _ string) (rollout.State, error) {
		if s.Paused {
			return s, refuse("", "the rollout of %s is paused already", workload)
		}
		s.Paused, s.Reason = true, or(why, "paused by "+who.String())
		return s, nil
	})
}

// Resume lets a paused rollout go on. With a budget that takes the place of the
// plan's, also for one that goes on without copies.
func (r *Runner) Resume(ctx context.Context, workload string, budget decimal.NullDecimal, who history.Who, why string) (rollout.State, error) {
	return r.command(ctx, workload, who, false, func(s rollout.State, inUse string) (rollout.State, error) {
		a, err := r.find(ctx, workload, false)
		if err != nil {
			return s, err
		}
		r.mu.Lock()
		spent := a.spent.usd
		r.mu.Unlock()
		broke := s.Muted != nil && s.Muted.Broke
		if budget.Valid {
			switch {
			case budget.Decimal.LessThanOrEqual(spent):
				return s, refuse("", "the budget of %s USD is not above the %s that are spent", budget.Decimal, spent)
			case broke && spent.Add(s.Muted.Cheapest).GreaterThan(budget.Decimal):
				return s, refuse("", "the budget of %s USD does not pay for another copy: %s are spent, and of the last %d copies the cheapest may cost %s", budget.Decimal, spent, mostDear, s.Muted.Cheapest.Round(6))
			}
			s.Plan.Shadow.Budget = budget
		}
		if broke && !budget.Valid && s.Stage == rollout.Shadowing {
			return s, refuse("freehold rollout resume "+workload+" --budget USD raises it; promote goes on without it, abort ends the rollout", "%s", s.Muted.Why)
		}
		if !s.Paused && !budget.Valid {
			return s, refuse("", "the rollout of %s is not paused", workload)
		}
		if err := elsewhere(&s, inUse); err != nil {
			return s, err
		}
		if s.Stage == rollout.Shadowing { // elsewhere no judge's word is waited for
			if why, err := r.doubt(ctx, &s); err != nil {
				return s, err
			} else if why != "" {
				return s, refuse("promote goes on without its word, abort ends the rollout", "%s", why)
			}
		}
		s.Paused, s.Reason = false, or(why, "resumed by "+who.String())
		return s, nil
	})
}

// Abort ends a rollout before its cutover: all requests go to the old model.
func (r *Runner) Abort(ctx context.Context, workload string, who history.Who, why string) (rollout.State, error) {
	return r.command(ctx, workload, who, false, func(s rollout.State, inUse string) (rollout.State, error) {
		if inUse == s.To {
			return s, refuse("freehold rollout rollback "+workload+" takes it back", "workload %s is at %s already", workload, s.To)
		}
		return s.Back(inUse, or(why, "aborted by "+who.String()), r.Clock()), nil
	})
}

// Rollback takes the old model back, also long after the rollout was done. From
// its first moment on requests go to the old model.
func (r *Runner) Rollback(ctx context.Context, workload string, who history.Who, why string) (rollout.State, error) {
	return r.command(ctx, workload, who, true, func(s rollout.State, inUse string) (rollout.State, error) {
		if s.Stage.Ended() && inUse != s.To {
			return s, refuse("set workloads."+workload+".model, or start a rollout", "workload %s is at %s now, not at %s, to which the last rollout led", workload, inUse, s.To)
		}
		if r.Fleet().Models[s.From] == nil {
			return s, refuse("put it back into models", "model %s, from which the rollout came, is not in the configuration any more", s.From)
		}
		return s.Back(inUse, or(why, "taken back by "+who.String()), r.Clock()), nil
	})
}

// Say keeps a person's word on a pair.
func (r *Runner) Say(ctx context.Context, l rollout.Label) error {
	switch judge.Winner(l.Winner) {
	case judge.BaselineWins, judge.CandidateWins, judge.Tie:
		return r.Store.PutLabel(ctx, l)
	}
	return refuse("", "%q is no winner: it is baseline, candidate or tie", l.Winner)
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// List are the rollouts of a workload, "" for all, the latest first.
func (r *Runner) List(ctx context.Context, workload string) ([]rollout.State, error) {
	all, err := r.Store.Rollouts(ctx, workload)
	for i := range all {
		r.ask(&all[i])
	}
	return all, err
}

// ask notes how many people the configuration wants for a cutover that may come.
func (r *Runner) ask(s *rollout.State) {
	if s.Asks = 0; !s.Stage.Ended() {
		s.Asks = r.Approvals(s.Workload)
	}
}

// Status is a rollout with what is known of it.
type Status struct {
	rollout.State
	Where string `json:"where"`
	// Report is what is known now; of a rollout that has ended, by what it ended.
	Report rollout.Report `json:"report"`
	Aside  Aside          `json:"aside"`
	// Error is why what should follow could not be done; empty: it was.
	Error string `json:"error,omitempty"`
}

// Aside is what was asked beside clients' requests.
type Aside struct {
	USD      decimal.Decimal `json:"usd"`     // spent, exact
	Unpriced int             `json:"unknown"` // answers whose cost is not known
	// These count since this process began.
	Copied   int64 `json:"copied"`
	Dropped  int64 `json:"dropped"` // no room in the queue
	Failed   int64 `json:"failed"`  // could not be compared
	Unjudged int64 `json:"unjudged"`
	// Muted is why nothing is copied any more, though the stage wants it; Broke: since
	// the budget is spent.
	Muted string `json:"muted,omitempty"`
	Broke bool   `json:"broke,omitempty"`
	// LastFailure is why the last one of those could not be compared.
	LastFailure string `json:"last_failure,omitempty"`
}

// Status tells of the last rollout of a workload, or of one by its id.
func (r *Runner) Status(ctx context.Context, workload, id string) (Status, error) {
	r.mu.Lock()
	if a := r.active[workload]; a != nil && (id == "" || id == a.state.ID) {
		defer r.mu.Unlock()
		return r.status(a), nil
	}
	r.mu.Unlock()
	all, err := r.Store.Rollouts(ctx, workload)
	if err != nil {
		return Status{}, err
	}
	for _, s := range all {
		if id == "" || s.ID == id {
			a, err := r.revive(ctx, s)
			if err != nil {
				return Status{}, err
			}
			out := r.status(a)
			out.Report, err = r.known(ctx, a)
			return out, err
		}
	}
	if id != "" {
		return Status{}, fmt.Errorf("rollout %s: %w", id, rollout.ErrNotFound)
	}
	return Status{}, refuse("freehold rollout start "+workload+" --to MODEL starts one", "workload %s has no rollout", workload)
}

// Active tells of the rollouts under way, by workload.
func (r *Runner) Active() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Status, 0, len(r.active))
	for _, name := range slices.Sorted(maps.Keys(r.active)) {
		out = append(out, r.status(r.active[name]))
	}
	return out
}

// status tells of a rollout. Where others may change it, mu is held.
func (r *Runner) status(a *active) Status {
	s := a.state
	r.ask(&s)
	out := Status{State: s, Where: s.Where(), Report: a.evidence.Report(), Aside: Aside{
		USD: a.spent.usd, Unpriced: a.spent.unknown,
		Copied: a.counts.copied.Load(), Dropped: a.counts.dropped.Load(), Failed: a.counts.failed.Load(), Unjudged: a.counts.unjudged.Load(),
	}}
	if s.Muted != nil {
		out.Aside.Muted, out.Aside.Broke = s.Muted.Why, s.Muted.Broke
	}
	if f := a.counts.failure.Load(); f != nil {
		out.Aside.LastFailure = *f
	}
	if a.err != nil {
		out.Error = a.err.Error()
	}
	return out
}

// Pairs yields the pairs of a rollout, the oldest first.
func (r *Runner) Pairs(ctx context.Context, id string) ([]rollout.Pair, error) {
	var out []rollout.Pair
	for p, err := range r.Store.Pairs(ctx, id) {
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
