package gateway

import (
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// Explanation is what would become of a request, decided as for a real one and
// not sent.
type Explanation struct {
	Route    *fleet.Route // nil where the request does not get that far
	Plan     routing.Plan
	Facts    llm.Facts
	Language string // of the prompt, "" where it cannot be told
	// Classes are the data classes that govern the request.
	Classes []string
	// PromptTokens is the estimate that the plan was made with.
	PromptTokens int64
	// Refused is why the request would be refused before any attempt, or nil.
	Refused *fault.Error
}

// Explain plans a request and sends nothing, records nothing and takes no
// place in any limit. What serves requests only may be missing in g.
func (g *Gateway) Explain(c *Call) Explanation {
	x := g.newExchange(nil, c)
	defer x.close()
	x.dry = true
	err := x.prepare()
	e := Explanation{Route: x.route, Plan: x.plan, Classes: x.row.DataClasses, PromptTokens: x.promptIn}
	if x.body != nil {
		e.Facts = x.body.Facts
	}
	if x.route != nil {
		e.Language = x.language()
	}
	if err != nil {
		e.Refused = x.faultOf(err)
	}
	return e
}
