package gateway

import (
	"context"

	"github.com/shopspring/decimal"

	"freehold/internal/cascade"
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/routing"
	"freehold/internal/variant"
)

// Explanation is what would become of a request, decided as for a real one and
// not sent.
type Explanation struct {
	Operation llm.Operation
	Route     *fleet.Route // nil where the request does not get that far
	Plan      routing.Plan
	Facts     llm.Facts
	Language  string // of the prompt, "" where it cannot be told
	// Classes are the data classes that govern the request, Tenant is whose it is.
	Classes []string
	Tenant  string
	// Detected is what detectors found, by kind and number.
	Detected []ledger.Detection
	// Unasked are the external detectors that would look at the request first:
	// for an explanation they are not asked.
	Unasked []*fleet.Detector
	// PromptTokens is the estimate that the plan was made with.
	PromptTokens int64
	// Cascade is what the workload's cascade would do; nil where it has none, or
	// the request does not get that far.
	Cascade *ExplainedCascade
	// Warned is the budget that the client would be warned of, "" for none, and
	// what is over.
	Warned, Over string
	// Part is the request's part in a rollout; nil: none.
	Part *ledger.Part
	// Refused is why the request would be refused before any attempt, or nil.
	Refused *fault.Error
}

// Variant is how the request would be put to a model; nil: as it is.
func (e *Explanation) Variant(m *fleet.Model) *variant.Variant {
	if e.Operation == llm.Embedding {
		return nil
	}
	return e.Route.Variant(m)
}

// ExplainedCascade is what a cascade would do with a request.
type ExplainedCascade struct {
	*fleet.Cascade
	Skip       string            // why its model would not be asked, "" where it would
	Deployment *fleet.Deployment // that would be asked; nil where none may
	Excluded   []routing.Exclusion
	// Most is what its attempts cost at most, all together, in US dollars; not
	// valid: unknown.
	Most decimal.NullDecimal
}

// explain tells of the cascade.
func (f *cascading) explain(x *exchange) *ExplainedCascade {
	if f == nil {
		return nil
	}
	e := &ExplainedCascade{Cascade: f.conf, Skip: f.skip, Deployment: f.candidate.Deployment, Excluded: f.excluded}
	if d := e.Deployment; d != nil {
		limit := dialect.Bound{MaxTokens: x.body.Facts.MaxTokens, Answers: 1}
		if most := f.conf.MaxTokens; most > 0 && (limit.MaxTokens <= 0 || most < limit.MaxTokens) {
			limit.MaxTokens = most
		}
		if limit.MaxTokens <= 0 {
			limit.MaxTokens = capOf(d, 0)
		}
		b := x.atMost(d, x.sizeAt(d)+cascade.LongestPhrasing(), limit)
		if e.Most = b.cost(); b.unsized != "" {
			e.Most.Valid = false
		}
		e.Most.Decimal = e.Most.Decimal.Mul(decimal.NewFromInt(int64(f.conf.Attempts)))
	}
	return e
}

// Explain plans a request and sends nothing, records nothing and takes no
// place in any limit. What serves requests only may be missing in g.
func (g *Gateway) Explain(c *Call) Explanation {
	x := g.newExchange(nil, c)
	defer x.close()
	x.dry = true
	err := x.prepare(context.Background())
	e := Explanation{Operation: c.Op, Route: x.route, Plan: x.plan, Classes: x.row.DataClasses, Tenant: x.row.Tenant, PromptTokens: x.promptIn, Cascade: x.first.explain(x)}
	if x.row.Part != nil {
		part := *x.row.Part
		e.Part = &part
	}
	if x.body != nil {
		e.Facts = x.body.Facts
	}
	e.Detected, e.Unasked = x.row.Detected, x.unasked
	if x.route != nil {
		e.Language = x.language()
	}
	if o := x.warned; o != nil && err == nil {
		e.Warned, e.Over = o.Rule.String(), o.Error()
	}
	if err != nil {
		e.Refused = x.faultOf(err)
	}
	return e
}
