package fleet

import (
	"fmt"
	"strings"
	"sync/atomic"

	"freehold/internal/config"
	"freehold/internal/rule"
)

// Rule sends the requests that its condition matches to models of its own.
type Rule struct {
	Name      string
	Condition *rule.Condition
	Models    []*Model // in the order in which they are asked
	Dry       bool     // counted, not obeyed
	// Targets are the deployments behind each of the condition's live values,
	// in their order; nil where a value is not about deployments.
	Targets [][]*Deployment
	// Counts outlive a reload that leaves the rule as it is.
	Counts *RuleCounts
}

// RuleCounts is how often a rule matched, and how often it could not be evaluated.
type RuleCounts struct{ Matches, Errors atomic.Int64 }

func (b *builder) rules(w *config.Workload) ([]*Rule, error) {
	var out []*Rule
	for i, r := range w.Route {
		c, problems := rule.Compile(r.When, b.Config.RuleNames())
		if len(problems) > 0 {
			return nil, fmt.Errorf("route.%d.when: %s", i, problems[0].Message)
		}
		made := &Rule{Name: r.Name, Condition: c, Dry: r.Dry, Counts: &RuleCounts{}}
		for _, name := range w.Chain(r) {
			made.Models = append(made.Models, b.fleet.Models[name])
		}
		for _, l := range c.Live() {
			made.Targets = append(made.Targets, b.targets(l))
		}
		out = append(out, made)
	}
	return out, nil
}

// targets are the deployments that a live value is about: a model's, or one.
func (b *builder) targets(l rule.Live) []*Deployment {
	if l.Kind == rule.SpendToday {
		return nil
	}
	if m := b.fleet.Models[l.Target]; m != nil {
		return m.Deployments
	}
	name, _, _ := strings.Cut(l.Target, "@")
	if m := b.fleet.Models[name]; m != nil {
		for _, d := range m.Deployments {
			if d.Name == l.Target {
				return []*Deployment{d}
			}
		}
	}
	return nil
}

// remember takes over what the previous fleet has counted and measured for
// workloads whose rules and deployments are the same.
func (b *builder) remember() {
	if b.Previous == nil {
		return
	}
	for name, r := range b.fleet.Workloads {
		old := b.Previous.Workloads[name]
		if old == nil {
			continue
		}
		for _, made := range r.Rules {
			for _, had := range old.Rules {
				if had.Name == made.Name && had.Condition.Text() == made.Condition.Text() && had.Dry == made.Dry {
					made.Counts = had.Counts
				}
			}
		}
		if r.Cascade != nil && old.Cascade != nil {
			r.Cascade.remember(old.Cascade)
		}
		if r.SLO != nil && old.SLO != nil {
			r.SLO.remember(old.SLO)
		}
	}
}
