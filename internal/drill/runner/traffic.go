package runner

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"freehold/internal/drill"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/ledger"
)

// Strike implements [gateway.Drills].
func (r *Runner) Strike(d *fleet.Deployment, workload, request string) (s gateway.Strike, ok bool) {
	p := r.playing.Load()
	if p == nil || p.drill.Plan.Kind == drill.Exit || !r.hits(p, d, workload, request) {
		return s, false
	}
	plan := &p.drill.Plan
	return gateway.Strike{
		Drill: p.drill.ID, Learn: plan.Share == 1 && plan.Workload == "" && !plan.Synthetic,
		Sender: &sender{next: d.Sender, kind: plan.Kind, provider: d.Provider.Name, delay: plan.Delay},
	}, true
}

// Forbidden implements [gateway.Drills].
func (r *Runner) Forbidden(d *fleet.Deployment, workload, request string) string {
	p := r.playing.Load()
	if p == nil || p.drill.Plan.Kind != drill.Exit || !r.hits(p, d, workload, request) {
		return ""
	}
	return p.drill.ID
}

// hits reports whether an attempt is in the drill.
func (r *Runner) hits(p *play, d *fleet.Deployment, workload, request string) bool {
	plan := &p.drill.Plan
	if !slices.Contains(plan.Providers, d.Provider.Name) || !r.Clock().Before(p.until) {
		return false
	}
	if place(p.drill.ID, request) >= plan.Share {
		return false
	}
	if plan.Synthetic {
		return strings.HasPrefix(workload, drill.Label("")) && (plan.Workload == "" || workload == drill.Label(plan.Workload))
	}
	return (plan.Workload == "" || plan.Workload == workload) && !strings.Contains(workload, ":")
}

// place is where a request stands in a drill, from 0 to below 1: the same for all
// of its attempts.
func place(id, request string) float64 {
	sum := sha256.Sum256([]byte(id + "\x00" + request))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// Ended implements [gateway.Drills].
func (r *Runner) Ended(row *ledger.Row) {
	p := r.playing.Load()
	if p == nil || p.drill.ID != row.Drill {
		return
	}
	p.hits.Add(1)
	if row.Outcome == ledger.OK && !slices.Contains(p.drill.Plan.Providers, drill.FinishedBy(row)) {
		p.moved.Add(1)
	}
	if row.Outcome.Err() || row.Outcome == ledger.Refused || row.Outcome == ledger.Shed {
		if p.errors.Add(1) >= int64(p.drill.Plan.Errors) {
			p.once.Do(func() { close(p.over) })
		}
	}
}
