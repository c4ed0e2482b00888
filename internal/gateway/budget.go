package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/budget"
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/routing"
)

// What stands in for the size of things that nobody has said.
const (
	// defaultCap is the limit that a strict budget sets to answers of which
	// neither client nor configuration nor catalog says one.
	defaultCap = 4096
	// mostPerImage is the most that one image counts with any model that documents
	// it: 8 tiles of gpt-4o-mini, 2833 + 8 x 5667 (OpenAI, 2026-11).
	mostPerImage = 50_000
	// toolPrompt is the longest instruction that a vendor documents to add to
	// prompts with tools: Claude 3 Opus (Anthropic, 2026-11).
	toolPrompt = 530
)

// openBudgets tells the budgets whose request this is.
func (x *exchange) openBudgets() {
	whose := budget.Subject{Workload: x.row.Workload}
	if c := &x.call.Caller; x.call.Aside != nil {
		whose.Workload = cmp.Or(x.call.Aside.Counts, whose.Workload)
	} else {
		whose.Key, whose.KeyName, whose.Tenant = c.KeyFamily, c.KeyName, x.row.Tenant
		if whose.Key == "" {
			whose.Key = c.KeyID
		}
	}
	x.budget.Open(context.Background(), x.g.Budgets, whose, x.call.Received)
}

// overFallback says why a budget with on_exceed: fallback has no room for an
// attempt at d, "" if none has such a reason.
func (x *exchange) overFallback(d *fleet.Deployment) string {
	v := x.verdict(d)
	switch {
	case v.err != nil:
		return v.err.Error()
	case v.Over != nil && v.Over.Rule.OnExceed != budget.Block:
		return v.Over.Error()
	}
	return ""
}

// overBlock refuses the request where a budget that blocks has no room for the
// candidate that would be asked first; others it takes out of the plan. Where
// budgets have left nobody, the request is refused too.
func (x *exchange) overBlock() {
	if len(x.verdicts) == 0 {
		return
	}
	kept := x.plan.Candidates[:0]
	for _, c := range x.plan.Candidates {
		v := x.verdicts[c.Deployment]
		if v.Over == nil {
			kept = append(kept, c)
			continue
		}
		x.plan.Excluded = append(x.plan.Excluded, routing.Exclusion{Deployment: c.Deployment, Reason: v.Over.Error(), Budget: true})
		if len(kept) == 0 && x.blocked == nil {
			x.blocked = quota(v.Over)
		}
	}
	if x.plan.Candidates = kept; x.blocked != nil {
		x.plan.Candidates = nil
	}
	if len(x.plan.Candidates) > 0 {
		x.warned = x.verdicts[x.plan.Candidates[0].Deployment].Warn
		return
	}
	for i := range x.plan.Excluded {
		e := &x.plan.Excluded[i]
		if !e.Budget || x.blocked != nil {
			continue
		}
		if v := x.verdicts[e.Deployment]; v.err != nil {
			x.blocked = unreachable(v.err)
		} else {
			x.blocked = quota(v.Over)
		}
	}
}

// verdict is what budgets say of an attempt at a deployment.
type verdict struct {
	budget.Verdict
	err error
}

// verdict asks the budgets once for each deployment.
func (x *exchange) verdict(d *fleet.Deployment) *verdict {
	if v := x.verdicts[d]; v != nil {
		return v
	}
	n := budget.Need{Free: free(d)}
	if strict, limit := x.budget.Strict(d.Model.Name); strict {
		b := dialect.Bound{MaxTokens: x.variant(d).Limit(x.body.Facts.MaxTokens), Answers: max(x.body.Facts.N, 1)}
		if b.MaxTokens <= 0 {
			b.MaxTokens = capOf(d, limit)
		}
		n = *x.atMost(d, x.sizeAt(d), b).need()
	}
	v := new(verdict)
	if v.Verdict, v.err = x.budget.Check(context.Background(), d.Model.Name, &n); v.err != nil {
		v.err = fmt.Errorf("the budgets cannot be asked: %w", v.err)
	}
	if x.verdicts == nil {
		x.verdicts = map[*fleet.Deployment]*verdict{}
	}
	x.verdicts[d] = v
	return v
}

// relayBudgets asks the budgets of a request that is relayed unread: nobody
// knows before what it costs.
func (x *exchange) relayBudgets() error {
	if !x.g.Budgets.On() {
		return nil
	}
	x.openBudgets()
	unknown := "what is relayed unread has no price"
	v, err := x.budget.Check(context.Background(), "", &budget.Need{Unpriced: unknown, Uncounted: unknown})
	if err != nil {
		return unreachable(err)
	}
	if x.warned = v.Warn; v.Warn != nil {
		x.g.Budgets.Note(v.Warn)
	}
	if v.Over != nil {
		x.g.Budgets.Note(v.Over)
		return quota(v.Over)
	}
	return nil
}

// reservedCode is the code of an answer for which a budget has no room only while
// other requests are under way: the client may try again soon.
const (
	reservedCode = "budget_reserved"
	reservedWait = time.Second
)

// quota is the fault of a request that a budget has no room for.
func quota(o *budget.Over) *fault.Error {
	if o.Passing() {
		return &fault.Error{Kind: fault.Quota, Code: reservedCode, Message: o.Error(), RetryAfter: reservedWait,
			Hint: "ask again; freehold usage budgets shows what is reserved", Cause: overError{o}}
	}
	return &fault.Error{Kind: fault.Quota, Message: o.Error(), NoRetry: true,
		Hint: "freehold usage budgets shows what is spent; budgets in config.yaml sets the limits", Cause: overError{o}}
}

// overError carries what is over in a fault.
type overError struct{ *budget.Over }

// unreachable is the fault of budgets that cannot be asked: nothing is sent.
func unreachable(err error) *fault.Error {
	return &fault.Error{Kind: fault.Storage, Message: "the budgets cannot be asked, so the request is not sent", Cause: err}
}

// noteBudgets tells metrics and log what budgets have done to the request, each
// once.
func (x *exchange) noteBudgets() {
	told := map[budget.Event]bool{}
	note := func(o *budget.Over) {
		e := budget.Event{Meter: o.Rule.Meter, Action: o.Rule.OnExceed}
		if !told[e] {
			told[e] = true
			x.g.Budgets.Note(o)
		}
	}
	for i := range x.plan.Excluded {
		if e := &x.plan.Excluded[i]; e.Budget && x.verdicts[e.Deployment].Over != nil {
			note(x.verdicts[e.Deployment].Over)
		}
	}
	if x.warned != nil {
		note(x.warned)
	}
}

// bound is the most that an attempt can use.
type bound struct {
	in, out         int64 // tokens
	inRate, outRate decimal.NullDecimal
	free            bool   // it costs nothing
	unsized         string // why in or out is not known
}

// atMost is the most that the request can use at d with a body of so many bytes.
// No token is shorter than a byte; what a body holds beside text makes up for
// what a model's template adds to it.
func (x *exchange) atMost(d *fleet.Deployment, size int, limit dialect.Bound) *bound {
	f := &x.body.Facts
	b := &bound{in: int64(size), free: free(d)}
	if f.Features.Has(llm.FeatureTools) {
		b.in += toolPrompt
	}
	if f.Features.Has(llm.FeatureImages) {
		x.boundImages(d, b)
	}
	switch {
	case f.Features.Has(llm.FeatureServerTools):
		b.unsized = "what tools of the provider add is not known before"
	case (f.Unsized || f.Features.Has(llm.FeatureDocuments)) && d.Context <= 0:
		b.unsized = "the body does not tell the size of all that it has, and the context of " + d.Name + " is not known"
	case f.Unsized || f.Features.Has(llm.FeatureDocuments):
		b.in = max(b.in, d.Context) // more cannot be read
	}
	if op := x.call.Op; op == llm.Chat || op == llm.Completion {
		if b.out = mul(mul(limit.MaxTokens, max(limit.Answers, 1)), max(f.Prompts, 1)); limit.MaxTokens <= 0 {
			b.unsized = "no limit of the answer reaches the provider"
		}
	}
	b.inRate, b.outRate = d.Price().Dearest(b.in)
	return b
}

// boundImages counts images at their most, and not the text that inline ones
// take in the body.
func (x *exchange) boundImages(d *fleet.Deployment, b *bound) {
	r, err := x.canonical()
	if err != nil {
		b.unsized = "its images cannot be counted: " + err.Error()
		return
	}
	images, inline := int64(0), int64(0)
	for i := range r.Messages {
		countImages(r.Messages[i].Parts, &images, &inline)
	}
	each := d.ImageTokens
	if each <= 0 {
		each = mostPerImage
	}
	b.in = max(b.in-inline, 0) + mul(images, each)
}

func countImages(parts []llm.Part, images, inline *int64) {
	for i := range parts {
		p := &parts[i]
		if p.Kind == llm.PartImage && p.Media != nil {
			*images++
			*inline += int64(len(p.Media.Data))
		}
		countImages(p.Result, images, inline)
	}
}

// free reports whether d costs nothing: its price is 0, or it is an engine that
// freehold runs and has no price.
func free(d *fleet.Deployment) bool {
	p := d.Price()
	if !p.Known() {
		return d.Provider.Engine
	}
	in, out := p.Dearest(math.MaxInt64)
	return in.Valid && in.Decimal.IsZero() && (out.Valid && out.Decimal.IsZero() || d.Model.Mode == "embedding")
}

// capOf is the limit of answers that is put into requests without one: the
// budget's own, else the provider's, else the longest answer of the model.
func capOf(d *fleet.Deployment, limit int64) int64 {
	if limit > 0 {
		return limit
	}
	return d.LongestAnswer(defaultCap)
}

// cost is what the bound costs; not valid: unknown.
func (b *bound) cost() decimal.NullDecimal {
	sum := decimal.NewNullDecimal(decimal.Zero)
	for _, part := range []struct {
		tokens int64
		rate   decimal.NullDecimal
	}{{b.in, b.inRate}, {b.out, b.outRate}} {
		if part.tokens == 0 || b.free {
			continue
		}
		if !part.rate.Valid {
			return decimal.NullDecimal{}
		}
		sum.Decimal = sum.Decimal.Add(part.rate.Decimal.Mul(decimal.NewFromInt(part.tokens)))
	}
	return sum
}

// need is the bound as budgets count it.
func (b *bound) need() *budget.Need {
	n := &budget.Need{Free: b.free, Tokens: add(b.in, b.out), Unpriced: b.unsized, Uncounted: b.unsized}
	cost := b.cost()
	if !cost.Valid && n.Unpriced == "" {
		n.Unpriced = "its price is not known; set price: of the model or deployment in config.yaml"
	}
	n.Money = meter.Pico(cost.Decimal)
	return n
}

// estimate is the bound for the record of an attempt: what is counted if its end
// is never seen.
func (b *bound) estimate(price *fleet.Pricing) ledger.Estimate {
	e := ledger.Estimate{TokensIn: b.in, TokensOut: b.out, Source: price.Source, Date: price.AsOf}
	if b.inRate.Valid {
		e.PriceIn = b.inRate.Decimal.String()
	}
	if b.outRate.Valid {
		e.PriceOut = b.outRate.Decimal.String()
	}
	return e
}

// charge puts the bound on an attempt of which the provider did not say what it
// used: it may be that.
func (b *bound) charge(a *ledger.Attempt, reported bool) {
	if !reported {
		a.Tokens = ledger.Tokens{In: b.in, Out: b.out, Estimated: true}
	}
	if cost := b.cost(); cost.Valid && !b.free && (!reported || !a.Cost.Valid) {
		a.Cost = cost
	}
}

// limited encodes the request for d, for a strict budget with a limit of the
// answer where the client gave none; capped is that limit.
func (x *exchange) limited(d *fleet.Deployment, a *asking) (out *dialect.Outgoing, strict bool, capped int64, err error) {
	strict, limit := x.budget.Strict(d.Model.Name)
	strict = strict && x.call.Op != llm.CountTokens
	if out, err = x.encode(d, a, strict, 0); err != nil || !strict || x.call.Op == llm.Embedding {
		return out, strict, 0, err
	}
	has := out.Bound.MaxTokens
	if x.body.Facts.MaxTokens > 0 && has > 0 || has > 0 && (limit == 0 || has <= limit) {
		return out, strict, 0, nil
	}
	if capped = capOf(d, limit); has > 0 {
		capped = min(capped, has)
	}
	out, err = x.encode(d, a, strict, capped)
	return out, strict, capped, err
}

// reserve reserves what the attempt can use at most, for strict budgets.
func (x *exchange) reserve(ctx context.Context, d *fleet.Deployment, out *dialect.Outgoing) (*bound, *budget.Hold, error) {
	b := x.atMost(d, len(out.Body), out.Bound)
	hold, over, err := x.budget.Reserve(ctx, d.Model.Name, b.need())
	switch {
	case err != nil:
		return nil, nil, unreachable(err)
	case over != nil:
		x.g.Budgets.Note(over)
		return nil, nil, quota(over)
	}
	return b, hold, nil
}

// blocks reports whether f is of a budget that blocks, and no attempt was made
// but for those of a cascade.
func (x *exchange) blocks(f *fault.Error) bool {
	var over overError
	if !errors.As(f.Cause, &over) || over.Rule.OnExceed != budget.Block {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.row.Attempts) == x.first.attempts()
}

// used is what an attempt has used, as budgets count it.
func used(a *ledger.Attempt) budget.Use {
	u := budget.Use{Model: a.Model(), Priced: a.Cost.Valid, Tokens: add(a.Tokens.In, a.Tokens.Out)}
	if a.Cost.Valid {
		u.Money = meter.Pico(a.Cost.Decimal)
	}
	return u
}

// record puts the request's row on record and counts it in its budgets.
func (x *exchange) record(r *ledger.Row) error {
	return x.budget.Settle(context.Background(), func() []budget.Use {
		all := make([]budget.Use, len(r.Attempts))
		for i := range r.Attempts {
			all[i] = used(&r.Attempts[i])
		}
		return all
	}, func() error { return x.g.Journal.End(r) })
}

// add and mul are of counts: a result that would not fit stays at the largest
// one that does.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func mul(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
