// Package rollout moves a workload from one model to another: shadow, canary,
// cutover, watch, and back. It is what a rollout is and how it is decided: plan,
// state, evidence, and the one function that says what comes next. It asks
// nobody and keeps no time; package rollout/runner does that.
package rollout

import (
	"errors"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/judge"
)

// Plan is how a workload is moved. It is fixed when the rollout starts: later
// changes of the configuration are for the next one.
type Plan struct {
	Shadow Shadow `json:"shadow"`
	Judge  Judge  `json:"judge"`
	// Margin is the loss of quality that is accepted, 0 to 1: 0.05 are 5 points.
	Margin float64 `json:"margin"`
	// Errors, Refusals and Truncations are how much more often these may happen
	// with the new model, as shares of answers.
	Errors      float64 `json:"errors"`
	Refusals    float64 `json:"refusals"`
	Truncations float64 `json:"truncations"`
	// Feedback is how much worse people's scores of answers may be, 0 to 1.
	Feedback float64 `json:"feedback"`
	Latency  Latency `json:"latency"`
	Steps    []Step  `json:"steps"`
	// Watch is how long the new model is watched after the cutover, and taken
	// back by itself when it breaks a gate.
	Watch time.Duration `json:"watch"`
	// Manual: no stage or step follows without a person's word.
	Manual bool `json:"manual,omitempty"`
	// Approvals is how many people must want the cutover. Who starts the rollout
	// is one of them, so that 0 and 1 are the same.
	Approvals int `json:"approvals,omitempty"`
	// ErrorRate is the old model's share of failures before the rollout, measured.
	ErrorRate float64 `json:"error_rate"`
}

// Shadow is the asking of the new model beside the old one.
type Shadow struct {
	// Share of requests that are copied, 0 to 1; 0: there is no shadow stage, and
	// nothing is known of quality.
	Share float64 `json:"share"`
	// Concurrency is how many copies are under way at once, Queue how many may
	// wait; what finds no place is dropped.
	Concurrency int `json:"concurrency"`
	Queue       int `json:"queue"`
	// Budget is the most that copies and judging may cost, in US dollars; not
	// valid: no limit.
	Budget decimal.NullDecimal `json:"budget"`
	// Least and Most are how many judged pairs it takes to go on, and at which
	// number without a decision a person is asked.
	Least int `json:"least"`
	Most  int `json:"most"`
}

// Judge is how answers are compared.
type Judge struct {
	judge.Spec
	// Models (pairwise) are those that may judge, in this order; the first that the
	// perimeter lets and that is no contestant does.
	Models []string `json:"models,omitempty"`
}

// Latency is the gate of latencies: the new model's percentile may be over the
// old one's by Tolerance, a share of it.
type Latency struct {
	Percentile float64 `json:"percentile"` // 0 to 100; 0: no gate
	Tolerance  float64 `json:"tolerance"`
}

// Step is one stage of a canary.
type Step struct {
	Share   float64       `json:"share"` // of conversations, 0 to 1
	For     time.Duration `json:"for"`   // at least
	Samples int           `json:"samples"`
}

// Default is the plan where nothing else is said.
func Default() Plan {
	p := Plan{
		Shadow: Shadow{Share: 0.1, Concurrency: 4, Queue: 256, Least: 50, Most: 5000},
		Judge:  Judge{Spec: judge.Spec{Kind: judge.Normalised}},
		Margin: 0.05, Errors: 0.02, Refusals: 0.05, Truncations: 0.05, Feedback: 0.1,
		Latency: Latency{Percentile: 95, Tolerance: 0.5},
		Watch:   7 * 24 * time.Hour,
	}
	for _, share := range []float64{0.01, 0.05, 0.2, 0.5, 1} {
		p.Steps = append(p.Steps, Step{Share: share, For: 30 * time.Minute, Samples: 50})
	}
	return p
}

// Check says what cannot be in a plan, all of it at once; each error names the
// member.
func (p *Plan) Check() error {
	var all []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	share := func(name string, v float64) {
		want(v >= 0 && v <= 1, "%s is %v: it must be from 0 to 1", name, v)
	}
	share("shadow.share", p.Shadow.Share)
	if p.Shadow.Share > 0 {
		want(p.Shadow.Concurrency > 0, "shadow.concurrency is %d: it must be at least 1", p.Shadow.Concurrency)
		want(p.Shadow.Queue > 0, "shadow.queue is %d: it must be at least 1", p.Shadow.Queue)
		want(p.Shadow.Least > 0 && p.Shadow.Most >= p.Shadow.Least, "shadow.least is %d and shadow.most %d: it takes at least one pair, and the most must not be less", p.Shadow.Least, p.Shadow.Most)
		want(!p.Shadow.Budget.Valid || p.Shadow.Budget.Decimal.IsPositive(), "shadow.budget is %s: it must be above 0", p.Shadow.Budget.Decimal)
	}
	want(p.Margin > 0 && p.Margin < 1, "margin is %v: it must be above 0 and below 1", p.Margin)
	share("errors", p.Errors)
	share("refusals", p.Refusals)
	share("truncations", p.Truncations)
	share("feedback", p.Feedback)
	want(p.Latency.Percentile >= 0 && p.Latency.Percentile <= 99.9, "latency.percentile is %v: it must be from 0 to 99.9", p.Latency.Percentile)
	want(p.Latency.Tolerance >= 0, "latency.tolerance is %v: it must not be below 0", p.Latency.Tolerance)
	want(len(p.Steps) > 0, "steps: there is none")
	last := 0.0
	for i, s := range p.Steps {
		want(s.Share > last && s.Share <= 1, "steps[%d].share is %v: shares rise, and end at 1", i, s.Share)
		want(s.For >= 0 && s.Samples >= 0, "steps[%d]: neither time nor samples may be below 0", i)
		last = s.Share
	}
	want(len(p.Steps) == 0 || last == 1, "steps end at %v: the last share must be 1", last)
	want(p.Watch >= 0, "watch is %v: it must not be below 0", p.Watch)
	want(p.Approvals >= 0, "approvals is %d: it must not be below 0", p.Approvals)
	return errors.Join(all...)
}
