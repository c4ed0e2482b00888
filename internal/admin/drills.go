package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"freehold/internal/drill"
	"freehold/internal/drill/runner"
	"freehold/internal/history"
	"freehold/internal/suggest"
)

// DrillNow is how far the drill under way has come.
type DrillNow struct {
	Hit        int64 `json:"hit" doc:"requests that the drill touched"`
	FailedOver int64 `json:"failed_over" doc:"of them: answered by somebody else"`
	Errors     int64 `json:"errors" doc:"of them: the client saw an error"`
}

// Drill is a planned outage, with what came of it.
type Drill struct {
	ID          string        `json:"id"`
	Kind        string        `json:"kind" doc:"down, slow, errors, cut, auth, quota, exit"`
	Providers   []string      `json:"providers" doc:"that fail, or that an exit drill forbids"`
	Vendor      []string      `json:"vendor,omitempty" doc:"of kind exit: why the providers are taken for one vendor"`
	Workload    string        `json:"workload,omitempty" doc:"absent: all"`
	ForSeconds  float64       `json:"for_seconds"`
	Share       float64       `json:"share" doc:"of requests, 0 to 1"`
	DelayMillis float64       `json:"delay_ms,omitempty" doc:"of kind slow"`
	Synthetic   bool          `json:"synthetic" doc:"of requests that freehold made by itself"`
	State       string        `json:"state" doc:"running, finished (its time was up, or all was asked), stopped (by a person), failed (an error was seen), interrupted (freehold ended first)"`
	Cause       string        `json:"cause,omitempty" doc:"of its end"`
	Reason      string        `json:"reason,omitempty" doc:"for it, as its starter said"`
	Started     time.Time     `json:"started"`
	Until       time.Time     `json:"until"`
	Ended       *time.Time    `json:"ended,omitempty"`
	By          history.Who   `json:"by"`
	EndedBy     *history.Who  `json:"ended_by,omitempty" doc:"who stopped it, or the server"`
	Config      string        `json:"config" doc:"version of the configuration"`
	Now         *DrillNow     `json:"now,omitempty" doc:"while it is under way"`
	Report      *drill.Report `json:"report,omitempty" doc:"once it has ended"`
}

func drillOf(d *drill.Drill) Drill {
	out := Drill{
		ID: d.ID, Kind: string(d.Plan.Kind), Providers: d.Plan.Providers, Vendor: d.Plan.Vendor, Workload: d.Plan.Workload, ForSeconds: d.Plan.For.Seconds(), Share: d.Plan.Share,
		DelayMillis: millis(d.Plan.Delay), Synthetic: d.Plan.Synthetic, State: string(d.State), Cause: d.Cause, Reason: d.Reason, Started: d.Started.UTC(),
		Until: d.Until.UTC(), Ended: moment(d.Ended), By: d.By, Config: d.Config, Report: d.Report,
	}
	if d.EndedBy != (history.Who{}) {
		out.EndedBy = &d.EndedBy
	}
	return out
}

// Drill is the drill as package drill has it, for who writes reports of it.
func (d *Drill) Drill() drill.Drill {
	out := drill.Drill{
		ID: d.ID, State: drill.State(d.State), Reason: d.Reason, Started: d.Started, Until: d.Until, By: d.By, Config: d.Config, Cause: d.Cause, Report: d.Report,
		Plan: drill.Plan{
			Kind: drill.Kind(d.Kind), Providers: d.Providers, Vendor: d.Vendor, Workload: d.Workload, For: time.Duration(d.ForSeconds * float64(time.Second)), Share: d.Share,
			Delay: time.Duration(d.DelayMillis * float64(time.Millisecond)), Synthetic: d.Synthetic,
		},
	}
	if d.Ended != nil {
		out.Ended = *d.Ended
	}
	if d.EndedBy != nil {
		out.EndedBy = *d.EndedBy
	}
	return out
}

// DrillStopIn asks for the end of the drill under way.
type DrillStopIn struct {
	Reason string `json:"reason,omitempty" doc:"for the history"`
}

// DrillStatusOut is the drill under way.
type DrillStatusOut struct {
	Drill *Drill `json:"drill" doc:"null: none is"`
}

// DrillsOut lists drills, the latest first.
type DrillsOut struct {
	Drills []Drill `json:"drills"`
}

// DrillIn names a drill.
type DrillIn struct {
	ID          string `json:"id" doc:"or last"`
	WaitSeconds int    `json:"wait_seconds,omitempty" doc:"wait so long for its end, at most 60"`
}

// DrillOut is a drill with what the configuration says about it.
type DrillOut struct {
	Drill
	Facts drill.Facts `json:"facts"`
}

func (s *Service) drillStatus(_ context.Context, _ Caller, _ None) (DrillStatusOut, error) {
	d, so, ok := s.app.Drills.Now()
	if !ok {
		return DrillStatusOut{}, nil
	}
	out := drillOf(&d)
	out.Now = &DrillNow{so.Hit, so.FailedOver, so.Errors}
	return DrillStatusOut{Drill: &out}, nil
}

func (s *Service) drillStop(ctx context.Context, c Caller, in DrillStopIn) (DrillOut, error) {
	d, err := s.app.Drills.Stop(ctx, c.Who, in.Reason)
	if err != nil {
		return DrillOut{}, drillError(err)
	}
	facts, err := s.drillFacts(ctx, &d)
	return DrillOut{Drill: drillOf(&d), Facts: facts}, err
}

func (s *Service) drillList(ctx context.Context, _ Caller, _ None) (DrillsOut, error) {
	all, err := s.app.Drills.Store.Drills(ctx)
	if err != nil {
		return DrillsOut{}, err
	}
	out := DrillsOut{Drills: []Drill{}}
	for i := range all {
		out.Drills = append(out.Drills, drillOf(&all[i]))
	}
	return out, nil
}

// maxDrillWait bounds how long drill.show waits.
const maxDrillWait = 60

func (s *Service) drillShow(ctx context.Context, _ Caller, in DrillIn) (DrillOut, error) {
	if in.WaitSeconds < 0 || in.WaitSeconds > maxDrillWait {
		return DrillOut{}, invalid(fmt.Sprintf("wait_seconds is %d", in.WaitSeconds), fmt.Sprintf("from 0 to %d", maxDrillWait))
	}
	d, err := s.drill(ctx, in.ID)
	if err != nil {
		return DrillOut{}, drillError(err)
	}
	if d.State == drill.Running && in.WaitSeconds > 0 {
		waiting, cancel := context.WithTimeout(ctx, time.Duration(in.WaitSeconds)*time.Second)
		defer cancel()
		switch ended, err := s.app.Drills.Wait(waiting, d.ID); {
		case err == nil:
			d = ended
		case waiting.Err() == nil || ctx.Err() != nil:
			return DrillOut{}, err
		}
	}
	out := DrillOut{Drill: drillOf(&d)}
	if now, so, ok := s.app.Drills.Now(); ok && now.ID == d.ID {
		out.Now = &DrillNow{so.Hit, so.FailedOver, so.Errors}
	}
	out.Facts, err = s.drillFacts(ctx, &d)
	return out, err
}

// drill is the drill of an id, or the last.
func (s *Service) drill(ctx context.Context, id string) (drill.Drill, error) {
	if id != "last" {
		return s.app.Drills.Store.Drill(ctx, id)
	}
	all, err := s.app.Drills.Store.Drills(ctx)
	if err == nil && len(all) == 0 {
		err = drill.ErrNotFound
	}
	if err != nil {
		return drill.Drill{}, err
	}
	return all[0], nil
}

// drillError puts errors of drills into the words of the API.
func drillError(err error) error {
	var refused *runner.RefusedError
	switch {
	case errors.As(err, &refused):
		return conflict(refused.Message, refused.Hint)
	case errors.Is(err, drill.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: err.Error(), Hint: "freehold drill list shows those that there are"}
	}
	return err
}

// known workload or provider, or an error with the nearest name.
func (s *Service) drillNames(workload, provider string) error {
	f := s.app.Fleet()
	if workload != "" && f.Workloads[workload] == nil {
		return invalid("there is no workload "+strconv.Quote(workload), hintOr(suggest.Hint(workload, f.WorkloadNames()), "freehold workloads lists them"))
	}
	if provider != "" && f.Providers[provider] == nil {
		return invalid("there is no provider "+strconv.Quote(provider), hintOr(suggest.Hint(provider, f.ProviderNames()), "the providers are "+strings.Join(f.ProviderNames(), ", ")))
	}
	return nil
}
