package fleet

import (
	"maps"
	"slices"

	"freehold/internal/config"
	"freehold/internal/detect"
)

// Detector says what becomes of a request in which it finds something.
type Detector struct {
	Name   string
	Action Action
	// Classes are added by Tighten.
	Classes []string
	// Opaque: what cannot be read is found too.
	Opaque bool
}

// Action is what follows a hit.
type Action string

// The actions, as in config.yaml.
const (
	Tighten Action = "tighten"
	Redact  Action = "redact"
	Block   Action = "block"
)

// Detectors look at the requests of one route. Nil looks at nothing.
type Detectors struct {
	List []Detector // in the order of the rules of Set
	Set  *detect.Set
}

// detectors are those that look at the requests of a workload, or of none.
func detectors(c *config.Config, workload string) (*Detectors, error) {
	out := &Detectors{}
	var rules []detect.Rule
	for _, name := range slices.Sorted(maps.Keys(c.Detectors)) {
		d := c.Detectors[name]
		if d.Workloads != nil && !slices.Contains(d.Workloads, workload) {
			continue
		}
		made := Detector{Name: name, Action: Action(d.OnHit), Classes: d.Class}
		rule := detect.Rule{Patterns: d.Patterns}
		for _, k := range d.Kinds {
			if k == config.KindOpaque {
				made.Opaque = true
				continue
			}
			rule.Kinds = append(rule.Kinds, string(k))
		}
		out.List, rules = append(out.List, made), append(rules, rule)
	}
	if len(rules) == 0 {
		return nil, nil
	}
	var err error
	out.Set, err = detect.Compile(rules)
	return out, err
}
