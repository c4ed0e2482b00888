package routing

import (
	"slices"

	"freehold/internal/fleet"
)

// Move is a rollout from one model to another, as one request sees it.
type Move struct {
	From, To  *fleet.Model
	Candidate bool // this request is for the new model first
}

// move applies a rollout to the models that are asked. It is about requests that
// would go to the old model first: what rules send elsewhere stays there. So
// that the old model answers for the new one when that fails, it comes next.
func (p *Plan) move(in *Input, models []*fleet.Model) []*fleet.Model {
	m := in.Move
	if m == nil || len(models) == 0 || models[0] != m.From && (models[0] != m.To || !m.Candidate) {
		return models
	}
	p.Moved = true
	if !m.Candidate {
		return models
	}
	out := make([]*fleet.Model, 0, len(models)+1)
	out = append(out, m.To, m.From)
	for _, other := range models {
		if !slices.Contains(out, other) {
			out = append(out, other)
		}
	}
	return out
}
