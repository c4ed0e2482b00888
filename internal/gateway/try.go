package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"freehold/internal/budget"
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/health"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/routing"
	"freehold/internal/upstream"
)

// maxErrorBody bounds what is read of a provider's error answer.
const maxErrorBody = 64 << 10

// try makes one attempt: permit, slot, key, journal, send, and the answer up to
// its first real content. On success the leg is open and the caller ends it;
// on failure it is closed, reported and on record.
func (x *exchange) try(ctx context.Context, c routing.Candidate, cause string) (*leg, error) {
	return x.tryAs(ctx, c, cause, nil)
}

// asking is a request that is put in another way than the client did: plain, and
// in the canonical form. Its answer is read whole.
type asking struct {
	request  *llm.Request
	promptIn int64 // estimated prompt tokens, where it is a part of the client's; 0: all
}

// promptOf is the estimate of the prompt of one attempt at d.
func (x *exchange) promptOf(d *fleet.Deployment, a *asking) int64 {
	if a != nil && a.promptIn > 0 {
		return a.promptIn
	}
	return x.promptAt(d)
}

// tryAs makes one attempt with the request put as a says.
func (x *exchange) tryAs(ctx context.Context, c routing.Candidate, cause string, a *asking) (*leg, error) {
	d := c.Deployment
	permit, why := x.permitFor(d)
	if why != "" {
		return nil, &fault.Error{Kind: fault.PolicyDenied, Code: "perimeter", Message: why, NoRetry: true}
	}
	out, strict, capped, err := x.limited(d, a)
	if err != nil {
		return nil, err
	}
	leave, visit, err := x.enter(ctx, c, a == nil && x.hurried())
	if err != nil {
		return nil, err
	}
	unused := func(err error) (*leg, error) { // nothing was sent
		visit.End(x.g.Clock(), health.Outcome{})
		leave()
		return nil, err
	}
	key, soonest, ok := d.Provider.Keys.Pick(x.g.Clock())
	if !ok {
		return unused(&fault.Error{Kind: fault.ProviderLimit, Provider: d.Provider.Name,
			Message: noKey(d.Provider.Keys, x.g.Clock()), RetryAfter: max(0, soonest.Sub(x.g.Clock()))})
	}
	var most *bound
	var hold *budget.Hold
	if strict {
		if most, hold, err = x.reserve(ctx, d, out); err != nil {
			return unused(err)
		}
	}
	l := &leg{x: x, d: d, asking: a, out: out, most: most, hold: hold, capped: capped, leave: leave, visit: visit, key: key, candidate: c, share: share{room: x.g.Room}}
	l.same = a == nil && d.Provider.Codec.Name() == x.call.Codec.Name() && out.Tool == "" && x.encoder == nil && x.resume == nil && !x.shows() &&
		x.streams(d, nil) == x.body.Facts.Stream
	if l.n, err = x.begin(d, a, cause, len(out.Body), most); err != nil {
		return unused(&fault.Error{Kind: fault.Storage, Message: "the request cannot be put on record, so it is not sent",
			Hint: "see the log; freehold needs room on its disk", RetryAfter: 5 * time.Second, Cause: err})
	}
	t := x.timeouts(d)
	if t.Total > 0 && x.g.Clock().Add(t.Total).Before(x.deadline) {
		ctx, l.cancel = context.WithTimeout(ctx, t.Total)
	}
	if err := l.send(ctx, permit, t); err != nil {
		l.end(err)
		return nil, err
	}
	return l, nil
}

// enter takes a slot at the deployment and opens the visit that its breaker
// counts. The last candidate left is asked even while its breaker tests it.
func (x *exchange) enter(ctx context.Context, c routing.Candidate, hurried bool) (leave func(), visit health.Attempt, err error) {
	if x.call.Op == llm.CountTokens && c.Provider.Engine {
		leave = func() {} // an engine counts beside what it generates
	} else {
		leave, err = c.Health.Acquire(ctx, hurried)
	}
	if err != nil {
		var shed *health.ShedError
		if !errors.As(err, &shed) {
			return nil, visit, context.Cause(ctx)
		}
		return nil, visit, &fault.Error{Kind: fault.Shed, Provider: c.Provider.Name, Message: shed.Error(), RetryAfter: shed.Wait, Cause: err}
	}
	now := x.g.Clock()
	visit, verdict := c.Health.Begin(now)
	switch {
	case verdict.OK:
		return leave, visit, nil
	case c.LastResort || !x.more():
		return leave, c.Health.Force(now), nil
	}
	leave()
	return nil, visit, &fault.Error{Kind: fault.BreakerOpen, Provider: c.Provider.Name, Message: verdict.Cause, RetryAfter: max(0, verdict.Until.Sub(now))}
}

// hurried reports that the request is not to wait long for a slot: another
// candidate is left; or its workload has an SLO, which waiting would break, and
// nobody has failed it yet.
func (x *exchange) hurried() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.queue) > 0 || x.route.SLO != nil && len(x.faults) == 0 && x.resume == nil
}

// begin puts the attempt on record before its bytes leave, and returns its place.
func (x *exchange) begin(d *fleet.Deployment, ask *asking, cause string, size int, most *bound) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := len(x.row.Attempts)
	switch before := x.first.attempts(); {
	case cause != "":
	case n > before:
		cause = x.row.Attempts[n-1].Fault
	case x.passed != "":
		cause = x.passed
	case n > 0:
		cause = escalated
	}
	a := ledger.Attempt{
		N: n + 1, Deployment: d.Name, Provider: d.Provider.Name, ProviderModel: d.ID, Cause: cause,
		Start: x.g.Clock(), Estimate: x.estimate(d, ask), Sent: int64(size), Place: placeOf(d.Provider),
	}
	if v := x.variant(d); v != nil {
		a.Variant = v.Version
	}
	if most != nil {
		a.Estimate = most.estimate(d.Price())
	}
	if n == 0 {
		x.row.Attempts = make([]ledger.Attempt, 0, 2)
	}
	x.row.Attempts = append(x.row.Attempts, a)
	if err := x.g.Journal.Begin(&x.row); err != nil {
		x.row.Attempts = x.row.Attempts[:n]
		return 0, err
	}
	x.budget.Recorded(context.Background())
	return n, nil
}

// estimate is what the attempt would cost if its end were never seen: the
// prompt, and the answer's limit or 256 tokens.
func (x *exchange) estimate(d *fleet.Deployment, a *asking) ledger.Estimate {
	price := d.Price()
	e := ledger.Estimate{TokensIn: x.promptOf(d, a), TokensOut: 256, PriceIn: price.In, PriceOut: price.Out,
		Source: price.Source, Date: price.AsOf}
	if m := x.body.Facts.MaxTokens; m > 0 {
		e.TokensOut = min(m, 256)
	}
	return e
}

// encode makes the provider's body: the client's own bytes where both speak
// the same dialect, else by way of the canonical request. bound asks what limits
// the answer; a limit above 0 takes the place of the client's.
func (x *exchange) encode(d *fleet.Deployment, a *asking, bound bool, limit int64) (*dialect.Outgoing, error) {
	stream := x.streams(d, a)
	if limit > 0 {
		limit = x.variant(d).Limit(limit)
	}
	t := &dialect.Target{
		Model: d.ID, Stream: stream, Usage: stream && !d.Quirks.NoStreamUsage,
		Drop: x.call.Fleet.Settings.DropUnsupported, Params: x.params(d), Quirks: d.Quirks,
		MaxTokens: limit, Bound: bound, Variant: x.variant(d),
	}
	if a != nil {
		return x.encodeFor(d, a.request, t)
	}
	if x.resume != nil {
		r, err := x.resume.request(x)
		if err != nil {
			return nil, err
		}
		if limit == 0 {
			if t.MaxTokens = x.resume.maxTokens(x); t.MaxTokens > 0 {
				t.MaxTokens = t.Variant.Limit(t.MaxTokens)
			}
		}
		t.Continue = x.resume.continuation(d)
		return x.encodeFor(d, r, t)
	}
	if d.Provider.Codec.Name() == x.call.Codec.Name() {
		return d.Provider.Codec.Forward(x.body, t)
	}
	r, err := x.canonical()
	if err != nil {
		return nil, err
	}
	return x.encodeFor(d, r, t)
}

// streams reports whether d is asked for a stream: because the client wants
// one, or because the provider needs one to be stopped when the client leaves.
func (x *exchange) streams(d *fleet.Deployment, a *asking) bool {
	f := &x.body.Facts
	if a != nil {
		return d.Quirks.StreamPlain && x.call.Op != llm.Embedding && a.request.Logprobs == nil
	}
	if f.Stream || !d.Quirks.StreamPlain {
		return f.Stream
	}
	return (x.call.Op == llm.Chat || x.call.Op == llm.Completion) && !f.Features.Has(llm.FeatureLogprobs)
}

// params are the workload's parameters, then the model's.
func (x *exchange) params(d *fleet.Deployment) dialect.Params {
	switch {
	case x.route.Params.IsZero():
		return d.Params
	case d.Params.IsZero():
		return x.route.Params
	}
	return x.route.Params.Then(d.Params)
}

// send sends the attempt and reads the answer up to its first real content, or
// all of a plain one.
func (l *leg) send(ctx context.Context, permit upstream.Permit, t fleet.Timeouts) error {
	x := l.x
	call := &upstream.Call{
		Method: http.MethodPost, Path: l.d.Path[x.call.Op], Header: x.requestHeader(l.d, l.out), Key: l.key,
		Body: l.out.Body, Stream: x.streams(l.d, l.asking),
		Timeouts: upstream.Timeouts{Connect: t.Connect, Head: t.FirstToken, Idle: t.Idle},
	}
	if !call.Stream {
		call.Timeouts.Head = t.Total
	}
	l.start = x.g.Clock()
	reply, err := l.strike().Send(ctx, permit, call)
	if err != nil {
		return l.failure(err)
	}
	l.reply = reply
	l.status = reply.Status
	if reply.Status < 200 || reply.Status > 299 {
		return l.rejected()
	}
	if call.Stream && x.call.Op != llm.Embedding && x.call.Op != llm.CountTokens {
		l.stream()
		l.dec = l.d.Provider.Codec.NewStreamDecoder(x.call.Op)
		if l.out.Tool != "" {
			l.dec = dialect.UnwrapTool(l.dec, l.out.Tool)
		}
		if f := &x.body.Facts; l.d.Quirks.UsagePerChoice && f.Choices() > 1 {
			l.dec = dialect.SumUsage(l.dec, int(max(f.N, 1)))
		}
		if l.same {
			l.relay, l.same = l.dec.(dialect.RelayDecoder)
			l.view = x.view()
		}
		l.gate.init(x)
		l.gate.holding = l.gate.holding || l.asking != nil
		if x.shows() {
			l.restore = x.newRestorer()
		}
		return l.prime(t)
	}
	return l.whole()
}

// jsonOnly is the header of most calls. Nobody changes it.
var jsonOnly = http.Header{"Content-Type": jsonType}

// requestHeader is what goes along: on the same dialect the client's own
// dialect headers, and what the body's encoding needs.
func (x *exchange) requestHeader(d *fleet.Deployment, out *dialect.Outgoing) http.Header {
	same := d.Provider.Codec.Name() == x.call.Codec.Name()
	if len(out.Header) == 0 && (!same || !upstream.HasRequestHeader(x.call.Header)) {
		return jsonOnly
	}
	h := make(http.Header, 4)
	h["Content-Type"] = jsonType
	if d.Provider.Codec.Name() == x.call.Codec.Name() {
		upstream.CopyRequestHeader(h, x.call.Header)
	}
	for k, v := range out.Header {
		h[k] = append(h[k], v...)
	}
	return h
}

// rejected reads and classifies a provider's error answer.
func (l *leg) rejected() error {
	body, err := l.reply.ReadAll(maxErrorBody)
	if err != nil && upstream.KindOf(err) != upstream.TooLarge {
		body = nil // the status alone then says what there is to know
	}
	body = []byte(l.d.Provider.Secrets.Hide(string(body))) // it may go on to the client and into the log
	f := l.d.Provider.Codec.DecodeError(l.reply.Status, l.reply.Header, body)
	if f.Provider == "" {
		f.Provider = l.d.Provider.Name
	}
	if wait, ok := upstream.RetryAfter(l.reply.Header, l.x.g.Clock()); ok && f.RetryAfter == 0 {
		f.RetryAfter = wait
	}
	return f
}

// hide takes our secrets out of what a provider says of a failure.
func (l *leg) hide(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		s := l.d.Provider.Secrets
		f.Message, f.ProviderCode = s.Hide(f.Message), s.Hide(f.ProviderCode)
		f.ProviderBody = []byte(s.Hide(string(f.ProviderBody)))
	}
	return err
}

// whole reads a plain answer and judges it.
func (l *leg) whole() error {
	limit := l.x.g.MaxAnswer
	if l.x.call.Op == llm.Embedding {
		limit *= 4 // 2,048 vectors of 3,072 numbers are 130 MB of text
	}
	body, err := l.reply.ReadWithin(limit, &l.share)
	if errors.Is(err, upstream.ErrNoRoom) {
		return noRoom()
	}
	if err != nil {
		return l.failure(err)
	}
	l.reply.Body = nil
	l.body = body
	s, err := l.d.Provider.Codec.Summarize(l.x.call.Op, body)
	if err != nil {
		return l.hide(err)
	}
	l.usage, l.finish = s.Usage, s.Finish
	if s.Refused {
		l.finish = llm.FinishRefusal
	}
	l.first = l.x.g.Clock().Sub(l.start)
	if op := l.x.call.Op; op == llm.Embedding || op == llm.CountTokens {
		return nil
	}
	if l.d.Quirks.UsagePerChoice && s.Choices > 1 {
		// What the other choices took is not known: the client is told no usage
		// rather than a wrong one, and the ledger has an estimate.
		l.usage = llm.Usage{Input: max(l.usage.Input, l.x.promptAt(l.d)), Output: l.usage.Output * int64(s.Choices)}
		l.same = false
	}
	return l.judge(s.Finish, s.Complete, s.Content)
}

// judge says whether an answer that ended is one.
func (l *leg) judge(finish llm.FinishReason, complete, content bool) error {
	switch {
	case !complete:
		return l.fault(fault.Cut, "the answer has no finish reason")
	case finish == llm.FinishContentFilter && l.x.route.FallbackOnFilter && l.x.shown() == nil:
		return l.fault(fault.ContentFilter, "the provider's content filter refused")
	case !content && finish == llm.FinishStop && (l.x.resume == nil || l.x.resume.text == ""):
		return l.fault(fault.Empty, "the answer is empty")
	}
	return nil
}

func (l *leg) fault(k fault.Kind, msg string) *fault.Error {
	return &fault.Error{Kind: k, Provider: l.d.Provider.Name, Message: msg}
}

// failure puts an error of the way to the provider into the words of faults.
func (l *leg) failure(err error) error {
	var u *upstream.Error
	if !errors.As(err, &u) {
		return err
	}
	k, ok := upstreamFaults[u.Kind]
	if !ok {
		k = fault.ProviderError
	}
	if u.Kind == upstream.Blocked {
		return &fault.Error{Kind: k, Code: "perimeter", Provider: l.d.Provider.Name, Cause: err, NoRetry: true,
			Message: "provider " + l.d.Provider.Name + " is outside of its networks: nothing was sent there"}
	}
	if u.Kind == upstream.HeaderTimeout && l.status == 0 {
		k = fault.FirstTokenTime
	}
	if u.Kind == upstream.IdleTimeout && l.rd != nil && !l.gate.output {
		k = fault.FirstTokenTime
	}
	return &fault.Error{Kind: k, Provider: l.d.Provider.Name, Message: u.Kind.String(), Cause: err}
}

var upstreamFaults = map[upstream.Kind]fault.Kind{
	upstream.Invalid: fault.Internal, upstream.Refused: fault.PolicyDenied, upstream.Blocked: fault.PolicyDenied,
	upstream.DNS: fault.Connect, upstream.Connect: fault.Connect, upstream.ConnectTimeout: fault.ConnectTimeout,
	upstream.Proxy: fault.Connect, upstream.TLS: fault.Connect, upstream.Write: fault.Connect,
	upstream.Reset: fault.Cut, upstream.HeaderTimeout: fault.FirstTokenTime, upstream.Malformed: fault.Malformed,
	upstream.Cut: fault.Cut, upstream.IdleTimeout: fault.IdleTimeout, upstream.TooLarge: fault.Malformed,
	upstream.Canceled: fault.Canceled, upstream.Deadline: fault.Deadline,
}

// estimated gives the usage of an attempt whose provider reported none: the
// prompt, if anything came back at all, and the text that did.
func (l *leg) estimated() llm.Usage {
	if l.usage.Reported {
		return l.usage
	}
	u := l.usage
	if u.Input == 0 {
		u.Input = l.x.promptOf(l.d, l.asking)
	}
	u.Output = max(u.Output, meter.Bytes(l.text))
	return u
}
