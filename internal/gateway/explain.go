package gateway

import (
	"log/slog"
	"time"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// Explanation is what would become of a request, decided as for a real one and
// not sent.
type Explanation struct {
	Route *fleet.Route // nil where the request does not get that far
	Plan  routing.Plan
	Facts llm.Facts
	// Classes are the data classes that govern the request.
	Classes []string
	// PromptTokens is the estimate that the plan was made with.
	PromptTokens int64
	// Refused is why the request would be refused before any attempt, or nil.
	Refused *fault.Error
}

// Explain plans a request and sends nothing, records nothing and takes no
// place in any limit. pick is as in Gateway.
func Explain(c *Call, clock func() time.Time, pick func(n int) int, log *slog.Logger) Explanation {
	g := &Gateway{Clock: clock, Pick: pick, Log: log}
	x := g.newExchange(nil, c)
	err := x.prepare()
	e := Explanation{Route: x.route, Plan: x.plan, Classes: x.row.DataClasses, PromptTokens: x.promptIn}
	if x.body != nil {
		e.Facts = x.body.Facts
	}
	if err != nil {
		e.Refused = x.faultOf(err)
	}
	return e
}
