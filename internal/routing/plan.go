// Package routing orders the deployments that may answer a request, and says
// of every other one why it may not. It decides; it sends nothing.
package routing

import (
	"fmt"
	"strings"

	"freehold/internal/fleet"
	"freehold/internal/llm"
)

// Candidate is a deployment that may be asked, and why it stands where it does.
type Candidate struct {
	*fleet.Deployment
	Reason string // "model", "fallback 1", ...
	// Fallback is 0 for the route's own model, n for its n-th fallback.
	Fallback int
	// LastResort: the deployment is down, and asked only because nothing else is left.
	LastResort bool
}

// Exclusion is a deployment that may not be asked, and why.
type Exclusion struct {
	Deployment string
	Reason     string
	// Policy is true when the perimeter forbids it, Context when the prompt is
	// too long for it.
	Policy, Context bool
	// Param is the request's member that asks for what it lacks, if one does.
	Param string
	// Down is the deployment where only its health excludes it: later it may answer.
	Down *fleet.Deployment
}

// Plan is the ordered answer to "who may answer this?".
type Plan struct {
	Candidates []Candidate
	Excluded   []Exclusion
}

// Input is what a plan is made of.
type Input struct {
	Route *fleet.Route
	Op    llm.Operation
	Facts *llm.Facts
	// PromptTokens is an estimate of the prompt, of several the longest; 0 if
	// there is none.
	PromptTokens int64
	// Permit returns why the perimeter forbids a deployment, or "".
	Permit func(*fleet.Deployment) string
	// Down returns why a deployment is not worth asking now (an open breaker),
	// or "".
	Down func(*fleet.Deployment) string
	// Pick gives a uniform number in [0,n), for weights.
	Pick func(n int) int
}

// Make plans one request. Deployments that are down are left out, unless
// nothing else is left: then they are asked after all, for a request that can
// be served only by luck is better tried than refused.
func Make(in *Input) Plan {
	var p Plan
	var down []Candidate
	var reasons []string
	for i, m := range in.Route.Models {
		for _, d := range m.Order(in.Pick) {
			c := Candidate{Deployment: d, Fallback: i, Reason: "model"}
			if i > 0 {
				c.Reason = fmt.Sprintf("fallback %d", i)
			}
			if why := in.Permit(d); why != "" {
				p.Excluded = append(p.Excluded, Exclusion{Deployment: d.Name, Reason: why, Policy: true})
				continue
			}
			if why := unfit(d, in); why != "" {
				p.Excluded = append(p.Excluded, Exclusion{Deployment: d.Name, Reason: why})
				continue
			}
			if lacks := in.Facts.Features & d.Lacks; lacks != 0 {
				p.Excluded = append(p.Excluded, Exclusion{Deployment: d.Name, Param: lacks.Param(),
					Reason: "lacks " + strings.Join(lacks.Names(), ", ")})
				continue
			}
			if d.Context > 0 && in.PromptTokens > d.Context {
				p.Excluded = append(p.Excluded, Exclusion{Deployment: d.Name, Context: true,
					Reason: fmt.Sprintf("the prompt's %d tokens or so are over the context of %d", in.PromptTokens, d.Context)})
				continue
			}
			if why := in.Down(d); why != "" {
				c.LastResort = true
				down = append(down, c)
				reasons = append(reasons, why)
				continue
			}
			p.Candidates = append(p.Candidates, c)
		}
	}
	if len(p.Candidates) == 0 {
		for i := range down {
			down[i].Reason += " (last resort: " + reasons[i] + ")"
		}
		p.Candidates = down
		return p
	}
	for i, c := range down {
		p.Excluded = append(p.Excluded, Exclusion{Deployment: c.Name, Reason: reasons[i], Down: c.Deployment})
	}
	return p
}

// unfit says why the deployment cannot do what the request is, or "".
func unfit(d *fleet.Deployment, in *Input) string {
	if d.Path[in.Op] == "" {
		return "provider " + d.Provider.Name + " has no " + string(in.Op) + " endpoint"
	}
	if d.Model.Mode == "embedding" && in.Op != llm.Embedding || d.Model.Mode != "" && d.Model.Mode != "embedding" && in.Op == llm.Embedding {
		return "model " + d.Model.Name + " is for " + d.Model.Mode
	}
	return ""
}

// String renders the plan in one line for the ledger: candidates in order,
// then what was excluded and why.
func (p *Plan) String() string {
	var b strings.Builder
	for i := range p.Candidates {
		if i > 0 {
			b.WriteString(" > ")
		}
		b.WriteString(p.Candidates[i].Name)
	}
	for i := range p.Excluded {
		b.WriteString(" | not ")
		b.WriteString(p.Excluded[i].Deployment)
		b.WriteString(": ")
		b.WriteString(p.Excluded[i].Reason)
	}
	return b.String()
}
