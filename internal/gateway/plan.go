package gateway

import (
	"time"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/language"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/routing"
)

// makePlan decides who may answer, in which order.
func (x *exchange) makePlan() error {
	now := x.g.Clock()
	longest := x.promptIn
	if n := x.body.Facts.LongestBytes; n > 0 {
		longest = meter.Bytes(n)
	}
	c := x.call
	in := routing.Input{
		Route: x.route, Op: c.Op, Facts: &x.body.Facts, Now: now, PromptTokens: x.promptIn, Longest: longest, Pick: x.g.Pick,
		Permit: func(d *fleet.Deployment) string { _, why := x.permitFor(d); return why },
		Down:   func(d *fleet.Deployment) string { return down(d, now) },
		Key:    c.Caller.KeyName, Tags: c.Tags, Classes: x.row.DataClasses, Location: c.Fleet.Settings.Location,
		Language: x.language, Draw: x.draw, Trace: x.dry, Stays: x.stays(now), Move: x.move(),
	}
	in.Varied = x.varied(&in)
	if x.g.Classify != nil && (c.Op == llm.Chat || c.Op == llm.Completion) {
		in.Classify = func() routing.Class { return x.g.Classify(x.prompt()) }
	}
	if x.g.Spend != nil {
		in.Spend = func(scope string) (float64, bool) { return x.g.Spend(scope, x.route.Workload, c.Caller.KeyID) }
	}
	if x.g.Budgets.On() && c.Op != llm.CountTokens { // counting tokens costs nothing
		in.Budget = x.overFallback
	}
	x.plan = routing.Make(&in)
	x.moved()
	x.forbid()
	x.overBlock()
	if !x.dry {
		x.plan.Tally()
	}
	x.row.Plan = x.plan.String()
	if c := x.plan.Class; c != nil {
		x.row.RoutingModel = c.Model
	}
	x.queue = x.plan.Candidates
	x.planFirst(&in)
	if len(x.queue) > 0 || c.Op == llm.CountTokens {
		return nil // who cannot be asked to count need not be: see countHere
	}
	return x.nobody()
}

// prompt is the text that says what is asked for. It is taken from the body
// once, when somebody wants to know.
func (x *exchange) prompt() dialect.Prompt {
	if x.asks == nil {
		p := x.call.Codec.Prompt(x.body)
		x.asks = &p
	}
	return *x.asks
}

// language is that of the user's words, "" where it cannot be told.
func (x *exchange) language() string {
	p := x.prompt()
	l := language.Of(p.User)
	if l == "" {
		l = language.Of(p.System)
	}
	x.row.Language = l
	return l
}

// noteLanguage puts the prompt's language on record of one request in sixteen,
// by its id: for the shares of a workload's languages that is enough, and of a long
// prompt it takes some 100 µs.
func (x *exchange) noteLanguage() {
	id, op := x.call.ID, x.call.Op
	if x.row.Language != "" || x.row.Workload == "" || x.body == nil || x.body.Index == nil || id == "" || op != llm.Chat && op != llm.Completion {
		return
	}
	if id[len(id)-1] == '0' {
		x.language()
	}
}

// draw is the request's number for rules that are for a share of all. It is the same
// for all requests of a conversation and key, here and on any other machine.
func (x *exchange) draw() float64 {
	c := x.call
	if id := x.body.Facts.Conversation; id != "" {
		return routing.Draw(x.route.Name(), c.Caller.KeyID, id)
	}
	return routing.Draw(x.route.Name(), "", c.ID)
}

// stays is who answered the conversation last, if that matters.
func (x *exchange) stays(now time.Time) string {
	if id := x.body.Facts.Conversation; x.g.Affinity != nil && x.route.Balanced && id != "" {
		return x.g.Affinity.Deployment(x.route.Name(), id, now)
	}
	return ""
}

// answered notes that d answered, for the conversation's next turn.
func (x *exchange) answered(d *fleet.Deployment) {
	if id := x.body.Facts.Conversation; x.g.Affinity != nil && x.route.Balanced && id != "" {
		x.g.Affinity.Answered(x.route.Name(), id, d.Name, x.g.Clock())
	}
}

// down says why a deployment is not worth asking now, or "".
func down(d *fleet.Deployment, now time.Time) string {
	if u, ok := d.Sender.(fleet.Unready); ok {
		if why := u.Unready(); why != "" {
			return why
		}
	}
	v := d.Health.Check(now)
	if v.OK {
		return ""
	}
	return v.State.String() + ": " + v.Cause
}

// asWhom are the flags with which freehold explain plans for who asks.
func (x *exchange) asWhom() string {
	flags := ""
	if c := x.call.Caller; c.KeyID != "" {
		flags = " --key " + c.KeyID
	}
	if x.row.Tenant == "" {
		return flags
	}
	if t, err := x.call.Fleet.Tenants.Find(x.call.Caller.KeyID, x.call.Caller.KeyName, nil); err != nil || t == nil {
		flags += " --tenant " + x.row.Tenant // its header says so, not its key
	}
	return flags
}

// nobody says why the plan is empty: a budget that could have let somebody
// answer, the perimeter, then a prompt that is too long, then what the request
// needs and nobody has.
func (x *exchange) nobody() error {
	if x.blocked != nil {
		return x.blocked
	}
	var policy, context, other *routing.Exclusion
	for i := range x.plan.Excluded {
		e := &x.plan.Excluded[i]
		switch {
		case e.Policy && policy == nil:
			policy = e
		case e.Context:
			context = e // the last, a fallback, is likely the largest
		case !e.Policy && other == nil:
			other = e
		}
	}
	hint := "freehold explain " + x.body.Facts.Model + x.asWhom() + " shows every candidate"
	switch {
	case policy != nil:
		return &fault.Error{Kind: fault.PolicyDenied, Code: "perimeter", NoRetry: true, Hint: hint,
			Message: "no deployment may answer: " + policy.Deployment.Name + ": " + policy.Reason + x.found()}
	case context != nil:
		param := "messages"
		switch x.call.Op {
		case llm.Completion:
			param = "prompt"
		case llm.Embedding:
			return x.inputTooLong(context.Deployment)
		}
		return &fault.Error{Kind: fault.ContextLength, Code: "context_length_exceeded", Param: param, NoRetry: true,
			Message: context.Deployment.Name + ": " + context.Reason}
	case other != nil:
		param := "model"
		if other.Param != "" {
			param = other.Param
		}
		return &fault.Error{Kind: fault.Unsupported, Param: param, NoRetry: true, Hint: hint,
			Message: "no deployment can answer: " + other.Deployment.Name + ": " + other.Reason}
	}
	return &fault.Error{Kind: fault.ModelNotFound, Param: "model", NoRetry: true, Message: "the model has no deployment"}
}
