package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/app"
	"freehold/internal/gateway"
	"freehold/internal/history"
	"freehold/internal/judge"
	"freehold/internal/portability"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// Rollout is the moving of a workload from one model to another.
type Rollout struct {
	ID        string     `json:"rollout"`
	Workload  string     `json:"workload"`
	From      string     `json:"from" doc:"model"`
	To        string     `json:"to" doc:"model"`
	Stage     string     `json:"stage" doc:"shadow, canary, cutover, watch, returning; ended: done, aborted, rolled-back"`
	Step      int        `json:"step" doc:"of a canary, from 1; 0 elsewhere"`
	Where     string     `json:"where" doc:"stage and step, for people"`
	Share     float64    `json:"share" doc:"of conversations that the new model answers, 0 to 1"`
	Shadow    float64    `json:"shadow" doc:"of requests that are copied to the new model, 0 to 1"`
	Paused    bool       `json:"paused"`
	Reason    string     `json:"reason" doc:"of the last change"`
	By        string     `json:"by" doc:"who started it"`
	Started   time.Time  `json:"started"`
	Entered   time.Time  `json:"entered" doc:"the stage and step"`
	Ended     *time.Time `json:"ended,omitempty"`
	Approvals int        `json:"approvals" doc:"people who must want the cutover"`
	Wanted    []string   `json:"wanted" doc:"people who want it, each by the key that was shown"`
}

func rolloutOf(s *rollout.State) Rollout {
	out := Rollout{
		ID: s.ID, Workload: s.Workload, From: s.From, To: s.To, Stage: string(s.Stage), Where: s.Where(), Paused: s.Paused, Reason: s.Reason,
		By: s.By, Started: s.Started.UTC(), Entered: s.Entered.UTC(), Ended: moment(s.Ended), Approvals: s.Approvals(), Wanted: []string{},
	}
	for _, a := range s.Wanted {
		out.Wanted = append(out.Wanted, a.Who)
	}
	out.Share, out.Shadow = s.Share()
	if s.Stage == rollout.Canary {
		out.Step = s.Step + 1
	}
	return out
}

// RolloutPlan is how a workload is moved, as it was when the rollout started.
type RolloutPlan struct {
	Shadow struct {
		Share       float64 `json:"share"`
		Concurrency int     `json:"concurrency"`
		Queue       int     `json:"queue"`
		Budget      string  `json:"budget_usd,omitempty" doc:"absent: no limit"`
		Least       int     `json:"least"`
		Most        int     `json:"most"`
	} `json:"shadow"`
	Judge             string            `json:"judge" doc:"kind"`
	JudgeModel        string            `json:"judge_model,omitempty" doc:"of kind pairwise"`
	Margin            float64           `json:"margin"`
	Errors            float64           `json:"errors"`
	Refusals          float64           `json:"refusals"`
	Truncations       float64           `json:"truncations"`
	Feedback          float64           `json:"feedback"`
	LatencyPercentile float64           `json:"latency_percentile" doc:"0: latencies are no gate"`
	LatencyTolerance  float64           `json:"latency_tolerance"`
	Steps             []RolloutPlanStep `json:"steps"`
	WatchSeconds      float64           `json:"watch_seconds"`
	Manual            bool              `json:"manual"`
}

// RolloutPlanStep is a step of a canary.
type RolloutPlanStep struct {
	Share   float64 `json:"share"`
	Seconds float64 `json:"seconds" doc:"at least"`
	Samples int     `json:"samples" doc:"at least"`
}

func planOf(p *rollout.Plan) RolloutPlan {
	out := RolloutPlan{
		Judge: string(p.Judge.Kind), Margin: p.Margin, Errors: p.Errors, Refusals: p.Refusals, Truncations: p.Truncations, Feedback: p.Feedback,
		LatencyPercentile: p.Latency.Percentile, LatencyTolerance: p.Latency.Tolerance, Steps: []RolloutPlanStep{}, WatchSeconds: p.Watch.Seconds(), Manual: p.Manual,
	}
	s := &out.Shadow
	s.Share, s.Concurrency, s.Queue, s.Least, s.Most = p.Shadow.Share, p.Shadow.Concurrency, p.Shadow.Queue, p.Shadow.Least, p.Shadow.Most
	if b := p.Shadow.Budget; b.Valid {
		s.Budget = b.Decimal.String()
	}
	if p.Judge.Kind == judge.Pairwise && len(p.Judge.Models) > 0 {
		out.JudgeModel = p.Judge.Models[0]
	}
	for _, x := range p.Steps {
		out.Steps = append(out.Steps, RolloutPlanStep{x.Share, x.For.Seconds(), x.Samples})
	}
	return out
}

// RolloutNext is what it takes to go on.
type RolloutNext struct {
	What     string     `json:"what,omitempty" doc:"for people; empty: it has ended"`
	Pairs    *int       `json:"pairs,omitempty" doc:"more judged pairs, about; absent: none, or not known"`
	Days     *float64   `json:"days,omitempty" doc:"until then, at the rate of pairs so far"`
	Requests *int       `json:"requests,omitempty" doc:"more of the new model's requests in this step"`
	Until    *time.Time `json:"until,omitempty" doc:"end of the step's least time, or of the watch"`
	Person   bool       `json:"person,omitempty" doc:"nothing follows without a person's word"`
	People   int        `json:"people,omitempty" doc:"more who must want the cutover"`
}

// RolloutStatus is a rollout with what is known.
type RolloutStatus struct {
	Rollout
	Plan   RolloutPlan    `json:"plan"`
	Report rollout.Report `json:"report"`
	Aside  runner.Aside   `json:"aside" doc:"what was asked beside clients' requests"`
	Next   RolloutNext    `json:"next"`
	// Passed are the stages and steps before the present one.
	Passed []RolloutPassed `json:"passed" doc:"stages and steps that it has left, the oldest first"`
	Error  string          `json:"error,omitempty" doc:"why what should follow could not be done"`
	// Held: server.config_writes keeps the change of the model apart from the file.
	Held  bool   `json:"held,omitempty" doc:"the change of the workload's model is in effect, and not in the file"`
	Patch string `json:"patch,omitempty" doc:"for the file, where the change is held"`
	File  string `json:"file,omitempty" doc:"where the change is held: the file; git apply and patch -p1 take the patch in its directory"`
}

func (s *Service) statusOf(st *runner.Status) RolloutStatus {
	return RolloutStatus{
		Rollout: rolloutOf(&st.State), Plan: planOf(&st.Plan), Report: st.Report, Aside: st.Aside, Next: nextOf(st, s.app.Clock()), Error: st.Error,
	}
}

// nextOf says what is missing.
func nextOf(st *runner.Status, now time.Time) RolloutNext {
	var n RolloutNext
	plan, q := &st.Plan, &st.Report.Quality
	switch st.Stage {
	case rollout.Shadowing:
		missing := max(0, plan.Shadow.Least-q.Pairs)
		known := q.Remaining != nil
		if known {
			missing = max(missing, *q.Remaining)
		}
		if known || q.Pairs < plan.Shadow.Least {
			n.Pairs = &missing
		}
		n.What = "judged pairs, until it is known whether the new model is good enough"
		if took := now.Sub(st.Started).Hours() / 24; n.Pairs != nil && q.Pairs >= 5 && took > 0 {
			days := float64(missing) * took / float64(q.Pairs)
			n.Days = &days
		}
	case rollout.Canary:
		step := plan.Steps[st.Step]
		left := max(0, step.Samples-st.Report.Clients[1])
		n.Requests, n.Until = &left, moment(st.Entered.Add(step.For))
		n.What = "the step's time and requests"
		if left == 0 {
			n.What = "the step's time"
		}
	case rollout.Cutover:
		n.What = "that the configuration in use names the new model"
		if n.People = st.Missing(); n.People > 0 {
			n.What = "approval: FREEHOLD_ADMIN_KEY=KEY freehold rollout promote " + st.Workload + ", with the key of somebody who has not approved it"
		}
	case rollout.Watching:
		n.What, n.Until = "the end of the watch", moment(st.Entered.Add(plan.Watch))
	case rollout.Returning:
		n.What = "that the configuration in use names the old model"
	default:
		return n
	}
	switch {
	case st.Paused:
		n.Person, n.What = true, "a person: freehold rollout resume "+st.Workload+", promote, or abort"
		switch {
		case st.Stage != rollout.Shadowing:
		case st.Report.JudgeTurns:
			n.What = "a person: freehold rollout promote " + st.Workload + ", or abort and start with another judge"
		case st.Aside.Broke:
			n.What = "a person: freehold rollout resume " + st.Workload + " --budget USD, promote, or abort"
		}
	case plan.Manual && (st.Stage == rollout.Shadowing || st.Stage == rollout.Canary):
		n.Person, n.What = true, "a person, as the plan says: freehold rollout promote "+st.Workload
	}
	return n
}

// RolloutStartIn starts a rollout by the plan of the configuration, in which what
// is given takes the place of what it says.
type RolloutStartIn struct {
	Workload    string    `json:"workload"`
	To          string    `json:"to,omitempty" doc:"model; absent: that of the configuration's plan"`
	Shadow      *float64  `json:"shadow,omitempty" doc:"share of requests that are copied, 0 to 1"`
	Steps       []float64 `json:"steps,omitempty" doc:"shares of the canary's steps, rising to 1"`
	StepSeconds *float64  `json:"step_seconds,omitempty" doc:"least time of each step"`
	Samples     *int      `json:"samples,omitempty" doc:"least number of the new model's requests in each step"`
	Margin      *float64  `json:"margin,omitempty" doc:"loss of quality that is accepted, 0 to 1"`
	Watch       *float64  `json:"watch_seconds,omitempty" doc:"how long the cutover is watched"`
	Manual      *bool     `json:"manual,omitempty" doc:"nothing follows without a person's word"`
	Judge       string    `json:"judge,omitempty" doc:"kind; its options are those of the configuration"`
	Check       bool      `json:"check,omitempty" doc:"say what would break or be refused, and start nothing"`
	Yes         bool      `json:"yes,omitempty" doc:"start in spite of what breaks"`
	Reason      string    `json:"reason,omitempty" doc:"for the history"`
}

// RolloutStartOut is what was started, or would be.
type RolloutStartOut struct {
	Started     bool            `json:"started"`
	Rollout     *RolloutStatus  `json:"rollout,omitempty"`
	To          string          `json:"to"`
	Plan        RolloutPlan     `json:"plan"`
	Portability PortabilityOut  `json:"portability" doc:"what of the recorded traffic would break or change"`
	Refused     *RolloutRefused `json:"refused,omitempty" doc:"of a check: why it would not be started"`
}

// RolloutRefused is why a rollout would not be started.
type RolloutRefused struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty" doc:"what to do"`
}

// plan is the configuration's, changed as asked.
func (s *Service) plan(in *RolloutStartIn) (rollout.Plan, error) {
	p, to := app.RolloutPlan(s.app.Config(), in.Workload)
	if in.To == "" {
		in.To = to
	}
	if in.To == "" {
		return p, invalid("the model to which "+in.Workload+" is to be moved is missing", "name it with --to, or in rollouts."+in.Workload+".to")
	}
	if in.Judge != "" {
		if err := known("judge", judge.Kind(in.Judge), judge.Kinds()); err != nil {
			return p, err
		}
		p.Judge.Kind = judge.Kind(in.Judge)
	}
	if in.Steps != nil {
		step := rollout.Default().Steps[0]
		p.Steps = nil
		for _, share := range in.Steps {
			step.Share = share
			p.Steps = append(p.Steps, step)
		}
	}
	for i := range p.Steps {
		p.Steps[i].For = seconds(in.StepSeconds, p.Steps[i].For)
		p.Steps[i].Samples = or(in.Samples, p.Steps[i].Samples)
	}
	p.Shadow.Share, p.Margin, p.Manual = or(in.Shadow, p.Shadow.Share), or(in.Margin, p.Margin), or(in.Manual, p.Manual)
	p.Watch = seconds(in.Watch, p.Watch)
	if err := p.Check(); err != nil {
		return p, invalid("the plan cannot be followed: "+strings.ReplaceAll(err.Error(), "\n", "; "), "")
	}
	return p, nil
}

func or[T any](given *T, otherwise T) T {
	if given != nil {
		return *given
	}
	return otherwise
}

func seconds(given *float64, otherwise time.Duration) time.Duration {
	if given != nil {
		return time.Duration(*given * float64(time.Second))
	}
	return otherwise
}

func (s *Service) rolloutStart(ctx context.Context, c Caller, in RolloutStartIn) (RolloutStartOut, error) {
	var out RolloutStartOut
	if s.app.Fleet().Workloads[in.Workload] == nil {
		_, err := s.portability(ctx, c, PortabilityIn{Workload: in.Workload})
		return out, err
	}
	p, err := s.plan(&in)
	if err != nil {
		return out, err
	}
	out.To, out.Plan = in.To, planOf(&p)
	if out.Portability, err = s.portability(ctx, c, PortabilityIn{Workload: in.Workload, To: in.To}); err != nil {
		return out, err
	}
	plan, err := s.mayStart(ctx, c, &in, p, &out.Portability)
	var no *Error
	if in.Check && errors.As(err, &no) {
		out.Refused = &RolloutRefused{no.Message, no.Hint}
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if out.Plan = planOf(&plan); in.Check {
		return out, nil
	}
	st, err := s.app.Rollouts.Begin(ctx, in.Workload, in.To, p, c.Who, in.Reason)
	if err != nil {
		return out, err
	}
	now, err := s.app.Rollouts.Status(ctx, st.Workload, st.ID)
	if err != nil {
		return out, err
	}
	shown := s.statusOf(&now)
	shown.Passed = []RolloutPassed{}
	out.Started, out.Rollout, out.Plan = true, &shown, shown.Plan
	return out, nil
}

// mayStart makes every refusal that can be known before a rollout has begun, for
// who starts it and who only wants to know. It returns the plan as it would be
// followed.
func (s *Service) mayStart(ctx context.Context, c Caller, in *RolloutStartIn, p rollout.Plan, found *PortabilityOut) (rollout.Plan, error) {
	p, err := s.app.Rollouts.Check(ctx, in.Workload, in.To, p, c.Who)
	var refused *runner.RefusedError
	if errors.As(err, &refused) {
		return p, refusedBy(refused)
	}
	if n := breaks(found); err == nil && n > 0 && !in.Yes {
		return p, conflict(fmt.Sprintf("the rollout is not started: %d of %d recorded requests of %s use what breaks at %s", n, found.Requests, in.Workload, in.To),
			"a variant may help (docs/variants.md); --yes starts all the same")
	}
	return p, err
}

// breaks is the largest number of requests that one thing breaks.
func breaks(p *PortabilityOut) int64 {
	n := p.Broken
	for _, f := range p.Findings {
		if f.Severity == string(portability.Breaks) {
			n = max(n, f.Requests)
		}
	}
	return n
}

// RolloutsIn selects rollouts.
type RolloutsIn struct {
	Workload string `json:"workload,omitempty"`
}

// RolloutsOut lists them, the latest first.
type RolloutsOut struct {
	Rollouts []Rollout `json:"rollouts"`
}

func (s *Service) rolloutList(ctx context.Context, _ Caller, in RolloutsIn) (RolloutsOut, error) {
	all, err := s.app.Rollouts.List(ctx, in.Workload)
	if err != nil {
		return RolloutsOut{}, err
	}
	out := RolloutsOut{Rollouts: []Rollout{}}
	for i := range all {
		out.Rollouts = append(out.Rollouts, rolloutOf(&all[i]))
	}
	return out, nil
}

// RolloutIn names a rollout.
type RolloutIn struct {
	Workload string `json:"workload"`
	ID       string `json:"rollout,omitempty" doc:"absent: the last one of the workload"`
}

func (s *Service) rolloutStatus(ctx context.Context, _ Caller, in RolloutIn) (RolloutStatus, error) {
	st, err := s.rolloutNow(ctx, in)
	if err != nil {
		return RolloutStatus{}, err
	}
	all, err := s.app.Rollouts.Transitions(ctx, &st.State)
	if err != nil {
		return RolloutStatus{}, err
	}
	out := s.statusOf(&st)
	_, out.Passed = transitionsOf(all)
	if out.Held, out.Patch, err = s.app.HeldModel(ctx, st.Workload); out.Held {
		out.File = s.app.ConfigPath
	}
	return out, err
}

// rolloutNow finds a rollout. One of a workload that there is not is the caller's
// mistake, unless it has rollouts from when there was.
func (s *Service) rolloutNow(ctx context.Context, in RolloutIn) (runner.Status, error) {
	st, err := s.app.Rollouts.Status(ctx, in.Workload, in.ID)
	if err != nil && in.ID == "" && s.app.Fleet().Workloads[in.Workload] == nil {
		return st, s.noWorkload(in.Workload)
	}
	return st, err
}

// RolloutChangeIn changes the rollout of a workload.
type RolloutChangeIn struct {
	Workload string `json:"workload"`
	Reason   string `json:"reason,omitempty" doc:"for the history"`
	// Budget is for resume.
	Budget string `json:"budget_usd,omitempty" doc:"resume only: the most that copies and judging may cost from now on, all of them together"`
}

func (s *Service) rolloutPromote(ctx context.Context, c Caller, in RolloutChangeIn) (RolloutStatus, error) {
	return s.change(ctx, c, in, s.app.Rollouts.Promote)
}

func (s *Service) rolloutPause(ctx context.Context, c Caller, in RolloutChangeIn) (RolloutStatus, error) {
	return s.change(ctx, c, in, s.app.Rollouts.Pause)
}

func (s *Service) rolloutResume(ctx context.Context, c Caller, in RolloutChangeIn) (RolloutStatus, error) {
	var budget decimal.NullDecimal
	if in.Budget != "" {
		d, err := decimal.NewFromString(in.Budget)
		if err != nil || !d.IsPositive() {
			return RolloutStatus{}, invalid(fmt.Sprintf("budget_usd is %q", in.Budget), "write US dollars: 20 or 0.5")
		}
		budget = decimal.NewNullDecimal(d)
	}
	return s.change(ctx, c, in, func(ctx context.Context, workload string, who history.Who, why string) (rollout.State, error) {
		return s.app.Rollouts.Resume(ctx, workload, budget, who, why)
	})
}

func (s *Service) rolloutAbort(ctx context.Context, c Caller, in RolloutChangeIn) (RolloutStatus, error) {
	return s.change(ctx, c, in, s.app.Rollouts.Abort)
}

func (s *Service) rolloutBack(ctx context.Context, c Caller, in RolloutChangeIn) (RolloutStatus, error) {
	return s.change(ctx, c, in, s.app.Rollouts.Rollback)
}

func (s *Service) change(ctx context.Context, c Caller, in RolloutChangeIn, do runner.Command) (RolloutStatus, error) {
	st, err := do(ctx, in.Workload, c.Who, in.Reason)
	if err != nil {
		if s.app.Fleet().Workloads[in.Workload] == nil && st.ID == "" {
			return RolloutStatus{}, s.noWorkload(in.Workload)
		}
		return RolloutStatus{}, err
	}
	return s.rolloutStatus(ctx, c, RolloutIn{Workload: in.Workload, ID: st.ID})
}

func refusedBy(e *runner.RefusedError) *Error {
	return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: e.Message, Hint: e.Hint}
}

// RolloutPart is a request's part in a rollout.
type RolloutPart struct {
	ID    string `json:"rollout"`
	Arm   string `json:"arm" doc:"baseline: the old model is asked first; candidate: the new one"`
	To    string `json:"to" doc:"the new model"`
	Where string `json:"where" doc:"stage and step of the rollout, for people"`
}

// partOf is the part of a request that is explained, nil where it has none.
func (s *Service) partOf(ctx context.Context, e *gateway.Explanation) (*RolloutPart, error) {
	if e.Part == nil {
		return nil, nil
	}
	st, err := s.app.Rollouts.Store.Rollout(ctx, e.Part.Rollout)
	if err != nil {
		return nil, err
	}
	return &RolloutPart{ID: st.ID, Arm: string(e.Part.Arm), To: st.To, Where: st.Where()}, nil
}
