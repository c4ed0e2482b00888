package app

import (
	"github.com/shopspring/decimal"

	"freehold/internal/config"
	"freehold/internal/rollout"
)

// RolloutPlan is the plan of the configuration for a workload, and the model to
// which it leads, "" where none is named. Without one it is the default plan.
func RolloutPlan(cfg *config.Config, workload string) (p rollout.Plan, to string) {
	p = rollout.Default()
	if r := cfg.Rollouts[workload]; r != nil {
		p, to = planOf(r), r.To
	}
	if w := cfg.Workloads[workload]; w != nil {
		p.Approvals = w.Approvals
	}
	return p, to
}

func planOf(r *config.Rollout) rollout.Plan {
	p := rollout.Plan{
		Shadow: rollout.Shadow{Share: float64(r.Shadow.Share), Concurrency: r.Shadow.Concurrency, Queue: r.Shadow.Queue, Least: r.Shadow.Least, Most: r.Shadow.Most},
		Judge:  rollout.Judge{Spec: r.Judge.Spec(), Models: r.Judge.Models},
		Margin: float64(r.Margin), Errors: float64(r.Gates.Errors), Refusals: float64(r.Gates.Refusals), Truncations: float64(r.Gates.Truncations), Feedback: float64(r.Gates.Feedback),
		Latency: rollout.Latency{Percentile: r.Gates.Latency.Percentile, Tolerance: float64(r.Gates.Latency.Tolerance)},
		Watch:   r.Watch, Manual: r.Manual,
	}
	if b := r.Shadow.Budget; b != nil {
		p.Shadow.Budget = decimal.NewNullDecimal(b.Amount)
	}
	for _, s := range r.Steps {
		p.Steps = append(p.Steps, rollout.Step{Share: float64(s.Share), For: s.For, Samples: s.Samples})
	}
	return p
}
