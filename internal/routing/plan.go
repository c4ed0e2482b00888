// Package routing orders the deployments that may answer a request, and says
// of every other one why it may not. It decides; it sends nothing.
//
// Make is the decision: rules choose the models, what a deployment may and can
// do excludes, balance orders the deployments of each model, and who misses
// the workload's SLO goes to the end.
package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"freehold/internal/fleet"
	"freehold/internal/llm"
)

// Exclusion is a deployment that may not be asked, and why.
type Exclusion struct {
	Deployment *fleet.Deployment
	Reason     string
	// Policy is true when the perimeter forbids it, Context when the prompt is
	// too long for it, Budget when the money is not there.
	Policy, Context, Budget bool
	// Param is the request's member that asks for what it lacks, if one does.
	Param string
	// Down is true where only its health excludes it: later it may answer.
	Down bool
}

// Plan is the ordered answer to "who may answer this?".
type Plan struct {
	Candidates []Candidate
	Excluded   []Exclusion
	// Moved: Input.Move is about this request.
	Moved bool
	Decision
}

// Input is what a plan is made of. Functions that say "not needed" may be nil.
type Input struct {
	Route *fleet.Route
	Op    llm.Operation
	Facts *llm.Facts
	Now   time.Time
	// PromptTokens is an estimate of the prompt; 0 if there is none. Longest is
	// the part of it that must fit into a context: of several prompts the longest.
	PromptTokens, Longest int64
	// Varied is what a model is sent where its requests are put in another way:
	// the features that are asked for, and Longest. Not needed without variants.
	Varied func(*fleet.Model) (llm.Features, int64)
	// Permit returns why the perimeter forbids a deployment, or "".
	Permit func(*fleet.Deployment) string
	// Budget returns why the money for a deployment is not there, or "". Not
	// needed without budgets.
	Budget func(*fleet.Deployment) string
	// Down returns why a deployment is not worth asking now (an open breaker),
	// or "".
	Down func(*fleet.Deployment) string
	// Pick gives a uniform number in [0,n), for weights, ties and probes.
	Pick func(n int) int
	// Stays is the deployment that answered the conversation last, or "".
	Stays string

	// What conditions of rules may read. Location is that of hours and days.
	Key           string
	Tags, Classes []string
	Location      *time.Location
	// Classify looks at what the prompt asks for, Language at its words. They
	// are called at most once, and only where a rule reads what they say. Not
	// needed where nobody can say; such a rule then fails.
	Classify func() Class
	Language func() string
	// Draw is the request's number from 0 to less than 1, the same for all requests
	// of one conversation. Not needed where no rule reads it.
	Draw func() float64
	// Spend is what was spent today, in US dollars, by the scope "workload",
	// "key" or "all"; ok is false where that is not known. Not needed without
	// anybody who counts.
	Spend func(scope string) (usd float64, ok bool)

	// Move is a rollout of the workload; nil: none.
	Move *Move

	// Trace notes every rule that was looked at, with the values that it saw,
	// and classifies in any case: for explanations. A traced plan tries nobody
	// again for its SLO's sake.
	Trace bool
}

// Make plans one request. Deployments that are down are left out, unless
// nothing else is left: then they are asked after all, for a request that can
// be served only by luck is better tried than refused.
func Make(in *Input) Plan {
	var p Plan
	var down, late []Candidate
	models := p.move(in, p.decide(in))
	for i, m := range models {
		first := len(p.Candidates)
		for _, d := range m.Deployments {
			c := Candidate{Deployment: d, Fallback: i, rule: p.Rule, moved: i == 0 && p.Moved && in.Move.Candidate}
			if e, out := exclude(d, in); out {
				p.Excluded = append(p.Excluded, e)
				continue
			}
			if why := in.Down(d); why != "" {
				c.LastResort, c.down = true, why
				down = append(down, c)
				continue
			}
			if in.Route.SLO != nil {
				if c.breach = in.Route.SLO.Breach(d, in.Now); c.breach.Seen > 0 {
					late = append(late, c)
					continue
				}
			}
			p.Candidates = append(p.Candidates, c)
		}
		balance(m, p.Candidates[first:], in)
	}
	p.Candidates = appendLate(p.Candidates, late, in)
	if len(p.Candidates) == 0 {
		p.Candidates = down
		return p
	}
	for _, c := range down {
		p.Excluded = append(p.Excluded, Exclusion{Deployment: c.Deployment, Reason: c.down, Down: true})
	}
	return p
}

// exclude says why a deployment may not or cannot answer.
func exclude(d *fleet.Deployment, in *Input) (e Exclusion, out bool) {
	if why := in.Permit(d); why != "" {
		return Exclusion{Deployment: d, Reason: why, Policy: true}, true
	}
	if why := unfit(d, in); why != "" {
		return Exclusion{Deployment: d, Reason: why}, true
	}
	features, longest := in.Facts.Features, in.Longest
	if in.Varied != nil {
		features, longest = in.Varied(d.Model)
	}
	lacks := d.Lacks
	if l, ok := d.Sender.(fleet.Limited); ok && features != 0 {
		lacks |= l.Lacks() &^ d.Has
	}
	if lacks &= features; lacks != 0 {
		return Exclusion{Deployment: d, Param: lacks.Param(), Reason: "lacks " + strings.Join(lacks.Names(), ", ")}, true
	}
	if d.Context > 0 && in.Op != llm.CountTokens && surelyOver(longest, d.Context) && !cuts(d, in) {
		return Exclusion{Deployment: d, Context: true,
			Reason: fmt.Sprintf("the prompt's %d tokens or so are over the context of %d", longest, d.Context)}, true
	}
	if in.Budget != nil {
		if why := in.Budget(d); why != "" {
			return Exclusion{Deployment: d, Reason: why, Budget: true}, true
		}
	}
	return Exclusion{}, false
}

// cuts reports that inputs which are too long are not refused.
func cuts(d *fleet.Deployment, in *Input) bool {
	return in.Op == llm.Embedding && (d.Embedding.Truncate || in.Facts.Truncates)
}

// surelyOver reports that a prompt is over a context although its size is only an
// estimate, which may be a quarter too high. A prompt between the two is asked, and
// where it does not fit, a fallback with a larger context is.
func surelyOver(estimate, context int64) bool { return estimate-estimate/5 > context }

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

// chances is how finely the chance of a probe is drawn.
const chances = 1 << 20

// appendLate puts who misses the SLO behind everybody else, who misses it least
// first. Now and then one of the first model's is asked first all the same, to see
// whether it is fast again: in half of the share of answers that the SLO lets be
// slow. Where all miss it, any of them is.
func appendLate(candidates, late []Candidate, in *Input) []Candidate {
	if len(late) == 0 {
		return candidates
	}
	slices.SortStableFunc(late, func(a, b Candidate) int { return cmp.Compare(a.breach.Excess(), b.breach.Excess()) })
	if len(candidates)+len(late) > 1 && !in.Trace {
		share := (1 - in.Route.SLO.Quantile) / 2
		if i := in.Pick(len(late)); (late[i].Fallback == 0 || len(candidates) == 0) && float64(in.Pick(chances)) < share*chances {
			late[i].probe = true
			out := append(make([]Candidate, 0, len(candidates)+len(late)), late[i])
			return append(append(append(out, candidates...), late[:i]...), late[i+1:]...)
		}
	}
	return append(candidates, late...)
}

// String renders the plan for the ledger: candidates in order, with the reason of
// each but for the workload's model where it is no more than that, then what was
// excluded and why, then what the rules did.
func (p *Plan) String() string {
	b := make([]byte, 0, 256)
	for i := range p.Candidates {
		if i > 0 {
			b = append(b, " > "...)
		}
		b = append(b, p.Candidates[i].Name...)
		end := len(b)
		if b = p.Candidates[i].reason(append(b, " ("...)); string(b[end+2:]) == usualReason {
			b = b[:end]
		} else {
			b = append(b, ')')
		}
	}
	for i := range p.Excluded {
		b = append(append(b, " | not "...), p.Excluded[i].Deployment.Name...)
		b = append(append(b, ": "...), p.Excluded[i].Reason...)
	}
	return string(p.Decision.append(b))
}
