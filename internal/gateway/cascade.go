package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"freehold/internal/cascade"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// escalated is the cause of the first attempt after a cascade's.
const escalated = "escalated"

// Causes of an escalation, as they are on record and in metrics.
const (
	causeDisagree = "disagree"    // the attempts do not say the same
	causeMargin   = "margin"      // the model was not sure enough
	causeLogprobs = "no logprobs" // the provider sent none
	causeFailed   = "failed"      // an attempt failed
	causeLate     = "late"        // the answers did not come in time
	causeCut      = "cut"         // an answer reached its limit
	causeTools    = "tool call"   // an answer is one
	causeRefused  = "refused"     // the model or a content filter did
	causeFormat   = "no JSON"     // which was asked for
	causeBudget   = "budget"      // a strict one has no room for the attempts
	causeBusy     = "busy"        // there was no room for them at the deployment
)

// passing are causes that say nothing of the conversation's next turn.
var passing = map[string]bool{causeFailed: true, causeLate: true, causeBusy: true, causeBudget: true}

// cascading is the part of a request that a cascade's model is asked in. A nil one
// is that of a workload without a cascade.
type cascading struct {
	conf      *fleet.Cascade
	candidate routing.Candidate
	excluded  []routing.Exclusion
	skip      string // why the model is not asked, "" where it is
	off       bool   // because the cascade has turned itself off
	asks      []*asking

	result *ledger.Cascade // once it is decided
	made   int             // attempts that were made
}

// attempts is how many of the request's attempts were the cascade's.
func (f *cascading) attempts() int {
	if f == nil {
		return 0
	}
	return f.made
}

// note is what the reason of the answer says of the cascade, "" for nothing.
func (f *cascading) note() string {
	switch {
	case f == nil:
	case f.off:
		return "off"
	case f.result != nil:
		return escalated + ": " + f.result.Cause
	}
	return ""
}

// opinion is what became of one attempt of a cascade.
type opinion struct {
	n     int
	leg   *leg
	reply *llm.Response
	err   error
}

var errFirstLate = errors.New("the cascade's time is up")

// askFirst lets the cascade's model answer. done: its answer stands, and the
// client has it. Else the plan is as it was, and an error ends the request.
func (x *exchange) askFirst(ctx context.Context) (done bool, err error) {
	f := x.first
	if f == nil || f.skip != "" {
		return false, nil
	}
	inner, stop := context.WithTimeoutCause(ctx, x.firstTime(f), errFirstLate)
	defer stop()
	got := make(chan opinion, len(f.asks))
	for n := range f.asks {
		go func() { got <- x.opinion(inner, f, n) }()
	}
	v := verdictOf{json: x.asksJSON(), conf: f.conf}
	var kept opinion
	for range f.asks { // all of them: what they did is put on record
		o := <-got
		if v.cause != "" {
			continue
		}
		if v.take(&o); v.cause != "" {
			if v.cause == causeFailed && errors.Is(context.Cause(inner), errFirstLate) {
				v.cause = causeLate
			}
			stop()
		}
		if o.n == 0 {
			kept = o
		}
	}
	f.made = len(x.row.Attempts)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	x.decided(f, &v, &kept)
	if v.cause != "" {
		return false, nil
	}
	return true, x.keep(kept.leg, kept.reply, f.said(&v))
}

// firstTime is how long the cascade may take: until the first content should be
// there, and never so long that nobody else could answer any more.
func (x *exchange) firstTime(f *cascading) time.Duration {
	limit := x.deadline.Sub(x.g.Clock()) / 2
	if t := x.timeouts(f.candidate.Deployment).FirstToken; t > 0 {
		limit = min(limit, t)
	}
	return limit
}

// opinion makes the n-th attempt and reads all of its answer.
func (x *exchange) opinion(ctx context.Context, f *cascading, n int) opinion {
	o := opinion{n: n}
	if o.leg, o.err = x.tryAs(ctx, f.candidate, fmt.Sprintf("cascade %d/%d", n+1, len(f.asks)), f.asks[n]); o.err != nil {
		return o
	}
	if !o.leg.share.Need(3 * (len(o.leg.body) + o.leg.gate.held())) {
		o.err = noRoom()
	} else {
		o.reply, o.err = o.leg.response()
	}
	o.leg.end(o.err)
	o.leg.close()
	return o
}

// verdictOf puts the attempts together.
type verdictOf struct {
	json   bool
	conf   *fleet.Cascade
	key    string // of the answers so far
	agreed int
	margin float64
	cause  string // of an escalation, "" while there is none
}

// take takes one more answer in.
func (v *verdictOf) take(o *opinion) {
	if v.cause = failure(o); v.cause != "" {
		return
	}
	c := &o.reply.Choices[0]
	text, why := saidBy(c)
	if v.cause = why; why != "" {
		return
	}
	if v.conf.By == cascade.Logprobs {
		margin, ok := cascade.Margin(c.Logprobs)
		switch v.margin = margin; {
		case !ok:
			v.cause = causeLogprobs
		case margin < v.conf.Margin:
			v.cause = causeMargin
		case v.json && cascade.Key(text, true) == "":
			v.cause = causeFormat
		}
		c.Logprobs = nil // nobody asked for them
		return
	}
	key := cascade.Key(text, v.json)
	if key == "" || v.agreed > 0 && key != v.key {
		v.cause = causeDisagree
		return
	}
	v.key = key
	v.agreed++
}

// failure says why an attempt has no answer, "" where it has one.
func failure(o *opinion) string {
	var f *fault.Error
	switch {
	case o.err == nil && len(o.reply.Choices) == 1:
		return ""
	case errors.As(o.err, &f) && f.Kind == fault.Quota:
		return causeBudget
	case errors.As(o.err, &f) && (f.Kind == fault.Shed || f.Kind == fault.BreakerOpen):
		return causeBusy
	case errors.As(o.err, &f) && f.Kind == fault.ContentFilter:
		return causeRefused
	}
	return causeFailed
}

// saidBy is the text of an answer, or why it can be no answer of a cascade.
func saidBy(c *llm.Choice) (text, cause string) {
	switch c.Finish {
	case llm.FinishStop, llm.FinishStopSequence:
	case llm.FinishLength, llm.FinishContext:
		return "", causeCut
	case llm.FinishToolCalls, llm.FinishPause:
		return "", causeTools
	default:
		return "", causeRefused
	}
	var b strings.Builder
	for i := range c.Parts {
		switch p := &c.Parts[i]; p.Kind {
		case llm.PartText:
			b.WriteString(p.Text)
		case llm.PartToolCall:
			return "", causeTools
		case llm.PartRefusal:
			return "", causeRefused
		}
	}
	return b.String(), ""
}

// decided puts the decision on record, and tells the switch what it was worth.
func (x *exchange) decided(f *cascading, v *verdictOf, kept *opinion) {
	k := f.conf
	f.result = &ledger.Cascade{Model: k.Model.Name, By: string(k.By), Attempts: f.made, Decision: "kept", Margin: v.margin}
	if v.cause != "" {
		f.result.Decision, f.result.Cause = escalated, v.cause
		if id := x.body.Facts.Conversation; x.g.Escalated != nil && id != "" && !passing[v.cause] {
			x.g.Escalated.Answered(x.route.Name(), id, escalated, x.g.Clock())
		}
	}
	x.row.Cascade = f.result
	x.row.Plan += " | cascade " + k.Model.Name + " " + f.said(v)
	if f.made == 0 {
		return // nobody was asked: it says nothing of the model
	}
	if !k.Switch.Note(x.worth(f, kept)) {
		return
	}
	if why := k.Switch.Off(); why != "" {
		x.g.Log.Warn("cascade off: it does not pay; one request in twenty still tries it", "workload", x.row.Workload, "model", k.Model.Name, "because", why)
	} else {
		x.g.Log.Info("cascade on again", "workload", x.row.Workload, "model", k.Model.Name)
	}
}

// said is the decision in words.
func (f *cascading) said(v *verdictOf) string {
	byMargin := f.conf.By == cascade.Logprobs
	switch {
	case v.cause == "" && byMargin:
		return fmt.Sprintf("sure: margin %.2f", v.margin)
	case v.cause == "":
		return fmt.Sprintf("agreed %d/%d", v.agreed, f.conf.Attempts)
	case v.cause == causeMargin:
		return fmt.Sprintf("escalated: margin %.2f below %.2g", v.margin, f.conf.Margin)
	case v.cause == causeDisagree:
		return fmt.Sprintf("escalated: disagree, %d of %d answers compared", v.agreed+1, f.conf.Attempts)
	}
	return escalated + ": " + v.cause
}

// worth is what the decision cost and saved, by the workload's first choice.
func (x *exchange) worth(f *cascading, kept *opinion) cascade.Outcome {
	o := cascade.Outcome{Kept: f.result.Cause == "", Cause: f.result.Cause, Priced: true}
	for i := range x.row.Attempts[:f.made] {
		a := &x.row.Attempts[i]
		switch {
		case a.Cost.Valid:
			o.Spent += a.Cost.Decimal.InexactFloat64()
		case !free(f.candidate.Deployment):
			o.Priced = false
		}
	}
	strong := x.plan.Candidates[0].Deployment
	if !strong.Price().Known() && !free(strong) {
		o.Priced = false
	}
	if o.Kept {
		used := x.row.Attempts[kept.leg.n].Tokens
		if usd, ok := strong.Cost(used.In, used.Out); ok {
			o.Saved = usd.InexactFloat64()
		}
	}
	return o
}

// keep gives the client an answer that stands: of a stream all at once.
func (x *exchange) keep(l *leg, r *llm.Response, said string) error {
	size := 0
	for i := range r.Choices[0].Parts {
		size += len(r.Choices[0].Parts[i].Text)
	}
	if !x.share.Need(4 * size) { // decoded, as events, encoded, and what is kept of it
		return noRoom()
	}
	x.begins(l)
	x.row.Route, x.row.Finish = "cascade "+said, string(r.Choices[0].Finish)
	x.row.Dropped = append(x.row.Dropped, l.out.Dropped...)
	if !x.body.Facts.Stream {
		body, err := x.call.Codec.EncodeReply(r, x.call.Op, x.view())
		if err != nil {
			return err
		}
		return x.sendWhole(l, body)
	}
	x.row.FirstToken = x.g.Clock().Sub(x.row.Time)
	x.headers(l)
	r.Usage = l.estimated() // better than the zeros of a dialect that must say something
	r.Usage.Reported = true
	x.encoder = x.call.Codec.NewStreamEncoder(x.call.Op, x.view(), nil)
	var out []byte
	for _, e := range r.Events() {
		x.sent.Add(&e)
		if e.Kind == llm.EventEnd {
			break
		}
		var err error
		if out, err = x.encoder.Encode(out, &e); err != nil {
			return err
		}
	}
	if err := x.out.write(out); err != nil {
		return err
	}
	return x.conclude(x.encoder.End(nil))
}
