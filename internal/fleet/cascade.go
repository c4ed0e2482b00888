package fleet

import (
	"freehold/internal/cascade"
	"freehold/internal/config"
)

// Cascade is a model that a workload asks first, and what its answer must show to
// stand.
type Cascade struct {
	Model     *Model
	By        cascade.By
	Attempts  int     // 1 by logprobs
	Margin    float64 // by logprobs
	MaxTokens int64   // of its answers, 0: as the request says
	// Way is the route to the model, for planning.
	Way *Route
	// Switch turns it off where it does not pay. It outlives a reload that leaves
	// the cascade and what it is compared with as they are.
	Switch *cascade.Switch

	strong *Model // that it is compared with
}

func (b *builder) cascade(r *Route, c *config.Cascade) *Cascade {
	out := &Cascade{
		Model: b.fleet.Models[c.Model], By: cascade.By(c.By), Attempts: c.Attempts, Margin: c.Margin, MaxTokens: int64(c.MaxTokens),
		Switch: &cascade.Switch{}, strong: r.Models[0],
	}
	if out.By == cascade.Logprobs {
		out.Attempts = 1
	}
	out.Way = &Route{Workload: r.Workload, Kind: r.Kind, Models: []*Model{out.Model}, Variants: r.Variants}
	return out
}

// remember takes over what the previous fleet's cascade has learnt, if it was
// the same.
func (c *Cascade) remember(old *Cascade) {
	if c.Model.same(old.Model) && c.strong.same(old.strong) && c.By == old.By && c.Attempts == old.Attempts && c.Margin == old.Margin && c.MaxTokens == old.MaxTokens {
		c.Switch = old.Switch
	}
}

// same reports whether two generations of a model have the same deployments.
func (m *Model) same(old *Model) bool {
	if m.Name != old.Name || len(m.Deployments) != len(old.Deployments) {
		return false
	}
	for i, d := range m.Deployments {
		if d.Health != old.Deployments[i].Health || d.Name != old.Deployments[i].Name {
			return false
		}
	}
	return true
}
