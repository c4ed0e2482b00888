package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
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
	"freehold/internal/sse"
	"freehold/internal/upstream"
)

// leg is one attempt that is being sent or answered.
type leg struct {
	x *exchange
	d *fleet.Deployment
	n int // its place in row.Attempts
	// candidate is the plan's, with its reason.
	candidate routing.Candidate
	asking    *asking // how the request is put; nil: as the client did
	out       *dialect.Outgoing
	most      *bound       // what it can use at most, where a budget is strict
	hold      *budget.Hold // what is reserved for it
	capped    int64        // the limit of the answer that a budget has put in, 0: none
	key       upstream.Key
	leave     func()
	visit     health.Attempt
	cancel    context.CancelFunc
	stop      context.CancelCauseFunc // of the race it won, if any
	// same: the provider's own bytes are relayed.
	same bool

	start  time.Time
	first  time.Duration // from start to the first content
	reply  *upstream.Reply
	status int
	usage  llm.Usage
	over   bool // end was called
	struck bool // a drill makes it fail
	untold bool // and its deployment's breaker is not told

	body []byte // a plain answer

	buffers *buffers    // of a stream, to be given back
	rd      *sse.Reader // a stream
	dec     dialect.StreamDecoder
	relay   dialect.RelayDecoder // dec, where the provider's own bytes are relayed
	view    dialect.View         // for relay
	events  []llm.Event
	gate    gate
	splice  *splice   // continues what was sent before
	restore *restorer // puts back what was redacted; nil: nothing was
	// received counts the stream's bytes.
	received int64
	text     int   // bytes of text, thinking and arguments received
	shown    int64 // pieces of them that the client was shown
	ended    bool
	finish   llm.FinishReason // of the first choice
	refused  bool             // it says its refusal in a place of its own
	finished int64            // choices that have a finish reason
	share    share            // of the room, for what is read and held
	buffered int              // what reading a large event takes
	tail     []byte           // the end mark's bytes, held back until the request is on record
}

// prime reads a stream until something of it may be shown or it has ended. The
// limit to the first content is one deadline: pings and starts do not move it.
func (l *leg) prime(t fleet.Timeouts) error {
	if l.x.resume != nil {
		l.splice = l.x.resume.splice(l)
	}
	for !l.ended && !l.gate.ready() {
		idle := t.Idle
		if !l.gate.output && t.FirstToken > 0 {
			idle = t.FirstToken - l.x.g.Clock().Sub(l.start)
			if idle <= 0 {
				return l.fault(fault.FirstTokenTime, "no content in time")
			}
		}
		l.reply.SetIdle(idle)
		if err := l.step(); err != nil {
			return err
		}
	}
	l.reply.SetIdle(t.Idle)
	return nil
}

// more reports whether another event is there already. A read that brought
// several events is one of a burst: then it is worth to look (poll) whether more
// have come meanwhile, before what is there is written and flushed.
func (l *leg) more(poll bool) bool {
	if poll && l.gate.free > 1 {
		return l.rd.Poll()
	}
	return l.rd.Buffered()
}

// tooLong is the code of an answer that is over MaxAnswer: nobody continues it.
const tooLong = "answer_too_large"

// buffers are the memory that reading a stream takes.
type buffers struct {
	rd     sse.Reader
	events []llm.Event // of one event of the provider
	held   []llm.Event // of the gate
	raw    []byte      // of the gate
}

// keptEvents and keptBytes are the largest buffers that are kept for the next stream.
const (
	keptEvents = 64
	keptBytes  = 16 << 10
)

// streams are the buffers of streams that ended whole.
var streams = sync.Pool{New: func() any { return new(buffers) }}

// stream readies the leg to read its reply as a stream.
func (l *leg) stream() {
	b := streams.Get().(*buffers)
	l.buffers, l.rd = b, &b.rd
	l.rd.Reset(l.reply.Body, l.x.g.MaxEvent)
	l.rd.Room = (*reading)(l)
	l.events, l.gate.events, l.gate.raw = b.events, b.held, b.raw
}

// giveBack keeps the buffers of a stream that nobody reads any more.
func (l *leg) giveBack() {
	b := l.buffers
	l.buffers, l.rd = nil, nil
	b.rd.Reset(nil, 0)
	b.events, b.held, b.raw = nil, nil, nil
	if cap(l.events) <= keptEvents {
		b.events = forget(l.events)
	}
	if cap(l.gate.events) <= keptEvents {
		b.held = forget(l.gate.events)
	}
	if cap(l.gate.raw) <= keptBytes {
		b.raw = l.gate.raw[:0]
	}
	l.events, l.gate.events, l.gate.raw = nil, nil, nil
	streams.Put(b)
}

// forget empties events, so that what they point to can be freed.
func forget(events []llm.Event) []llm.Event {
	clear(events[:cap(events)])
	return events[:0]
}

// step reads one event of the stream into the gate.
func (l *leg) step() error {
	ev, err := l.rd.Next()
	if err != nil {
		return l.ending(err)
	}
	if ev.Comment {
		return nil
	}
	raw := len(l.gate.raw)
	if l.relay != nil {
		l.events, l.gate.raw, err = l.relay.DecodeRelay(l.events[:0], l.gate.raw, ev, l.view)
	} else {
		l.events, err = l.dec.Decode(l.events[:0], ev)
	}
	if err != nil {
		return err
	}
	last, err := l.take()
	if err != nil {
		return err
	}
	if l.received += int64(len(ev.Raw)); l.received > l.x.g.MaxAnswer {
		return &fault.Error{Kind: fault.Malformed, Code: tooLong, Provider: l.d.Provider.Name, Message: "the answer is larger than any answer may be"}
	}
	if !l.gate.ready() {
		if l.gate.held() > maxHeld {
			return l.fault(fault.Malformed, errHeld.Error())
		}
		if !l.hasRoom() {
			return noRoom()
		}
	}
	if !last {
		l.gate.stow()
		return nil
	}
	l.tail, l.gate.raw = append(l.tail, l.gate.raw[raw:]...), l.gate.raw[:raw]
	return l.complete()
}

// take looks at decoded events and puts them into the gate. last is true when
// the end mark is among them.
func (l *leg) take() (last bool, err error) {
	for i := range l.events {
		e := &l.events[i]
		switch e.Kind {
		case llm.EventError:
			return false, l.streamFault(e.Err)
		case llm.EventStart, llm.EventUsage:
			// Usage that cannot be true comes as not reported. It voids what was
			// said before.
			if u := e.Usage(); u.Reported || e.Kind == llm.EventUsage {
				l.usage = u
			}
			if e.Kind == llm.EventStart { // it knows next to nothing of the output
				l.usage.Reported = false
			}
		case llm.EventPartStart:
			if e.PartKind == llm.PartRefusal && e.Choice == 0 {
				l.finish, l.refused = llm.FinishRefusal, true
			}
		case llm.EventDelta, llm.EventSignature:
			l.text += len(e.Text)
		case llm.EventFinish:
			if e.Choice == 0 && !l.refused {
				l.finish = e.Finish
			}
			l.finished++
		case llm.EventEnd:
			last = true
		}
	}
	if l.splice != nil {
		l.events = l.splice.apply(l.events)
	}
	if err := l.push(l.events); err != nil {
		return false, err
	}
	if l.first == 0 && l.gate.output {
		l.first = l.x.g.Clock().Sub(l.start)
	}
	return last, nil
}

func (l *leg) push(events []llm.Event) error {
	if l.restore != nil {
		events = l.restore.apply(events)
	}
	for i := range events {
		if err := l.gate.push(&events[i]); err != nil {
			return l.fault(fault.Malformed, err.Error())
		}
	}
	return nil
}

// complete checks that the ended stream is a whole answer.
func (l *leg) complete() error {
	events, err := l.dec.End(nil)
	if err != nil {
		return err
	}
	if l.splice != nil {
		if err := l.push(l.splice.apply(events)); err != nil {
			return err
		}
		events = l.splice.flush()
	}
	if err := l.push(events); err != nil {
		return err
	}
	if err := l.judge(l.finish, true, l.gate.output || l.text > 0); err != nil {
		return err
	}
	l.gate.open = true
	l.ended = true
	return nil
}

// ending judges the end of the stream's bytes: whole if a finish reason came
// for every choice that was asked for, even without the end mark; else cut.
func (l *leg) ending(err error) error {
	var u *upstream.Error
	cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &u) && u.Kind == upstream.Cut
	if !cut {
		if errors.Is(err, sse.ErrNoRoom) {
			return noRoom()
		}
		if errors.Is(err, sse.ErrTooLarge) {
			return l.fault(fault.Malformed, "a stream event is too large")
		}
		return l.failure(err)
	}
	if n := l.x.body.Facts.Choices(); l.finished > 0 && l.finished < n {
		return l.fault(fault.Cut, fmt.Sprintf("the stream ended after %d of %d choices", l.finished, n))
	}
	l.events = l.events[:0]
	return l.complete()
}

// streamFault is an error event inside the stream.
func (l *leg) streamFault(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		f = l.fault(fault.StreamError, "the provider reported an error inside the stream")
		f.Cause = err
	}
	f.Provider = l.d.Provider.Name
	return l.hide(f)
}

// end puts the attempt's end on the row and tells health of it. err is nil for
// an answer that is whole; then the connection stays until close, which may
// wait for the client to have its last byte. It acts once.
func (l *leg) end(err error) {
	if l.over {
		return
	}
	l.over = true
	x := l.x
	var f *fault.Error
	if err != nil {
		f = x.faultOf(err)
		l.close()
		if !l.struck {
			x.g.spare(l.d.Provider, l.key, f)
		}
	}
	if l.status >= 200 && l.status <= 299 {
		x.g.accepted(l.d.Provider, l.key, l.start)
	}

	x.mu.Lock()
	a := &x.row.Attempts[l.n]
	a.Total = x.g.Clock().Sub(a.Start)
	a.FirstByte, a.Status, a.Outcome = l.first, l.status, ledger.OK
	if nothingSent(err) {
		a.Sent = 0
	}
	if l.reply != nil {
		a.RequestID = requestID(l.reply.Header)
	}
	if l.owes(f) {
		u := l.estimated()
		a.Tokens = tokens(u)
		if usd, known := meter.Cost(u, l.d.Price().Price); known {
			a.Cost.Decimal, a.Cost.Valid = usd, true
		}
		if l.most != nil {
			l.most.charge(a, u.Reported)
		}
	} else {
		a.Cost.Valid = true // nothing was answered: nothing is owed
	}
	if f != nil {
		a.Fault, a.Outcome, a.Detail = string(f.Kind), outcomeOf(f.Kind), l.detail(f, err)
		if l.text > 0 && a.Outcome == ledger.Failed {
			a.Outcome = ledger.Partial
		}
	}
	l.hold.Used(used(a))
	x.mu.Unlock()

	if l.untold {
		l.visit.End(x.g.Clock(), health.Outcome{})
		return
	}
	l.visit.End(x.g.Clock(), l.outcome(f))
	l.watch(f)
}

// watch tells the workload's SLO how fast the attempt was. Who was given up
// before anything came took at least that long.
func (l *leg) watch(f *fault.Error) {
	slo := l.x.route.SLO
	if slo == nil || l.x.call.Op == llm.CountTokens {
		return
	}
	now := l.x.g.Clock()
	total := now.Sub(l.start)
	first := l.first
	switch {
	case !l.x.streams(l.d, l.asking):
		first = 0
	case first == 0 && f != nil && givenUp[f.Kind] && total > slo.FirstToken:
		first = total
	}
	if f != nil {
		total = 0
	}
	slo.Note(l.d, now, first, total)
}

// owes reports whether the provider may bill the attempt that ended with f.
// Counting tokens is no use of a model. A strict budget takes no chances with
// answers that had begun and of which nothing came.
func (l *leg) owes(f *fault.Error) bool {
	switch {
	case l.x.call.Op == llm.CountTokens:
		return false
	case f == nil, l.text > 0, l.usage != (llm.Usage{}), givenUp[f.Kind]:
		return true
	}
	return l.most != nil && l.status >= 200 && l.status <= 299
}

// givenUp are the ends of an attempt that we chose: the provider may have
// worked, and may bill, for what nobody waited for.
var givenUp = map[fault.Kind]bool{
	fault.Canceled: true, fault.Deadline: true, fault.FirstTokenTime: true, fault.IdleTimeout: true, fault.Shed: true,
}

// outcome puts the attempt's fault into the words of health.
func (l *leg) outcome(f *fault.Error) health.Outcome {
	o := health.Outcome{Result: health.Success, FirstToken: l.first, Total: l.x.g.Clock().Sub(l.start)}
	if l.x.call.Op == llm.CountTokens {
		o.FirstToken, o.Total = 0, 0 // how fast tokens are counted says nothing of answers
	}
	if f == nil {
		return o
	}
	o.Cause, o.RetryAfter = string(f.Kind), f.RetryAfter
	switch fault.BlameOf(f.Kind) {
	case fault.Ours:
		o.Result = health.Ours
		switch {
		case f.Kind == fault.ModelMissing && (l.x.route.Kind == "vendor" || l.x.call.Op == llm.CountTokens):
			o.Result = health.Neutral // the caller's own word; a server that cannot count
		case keyRefused(f) && l.x.g.anotherKey(l.d.Provider, f):
			o.Result = health.Neutral // the key is set aside, not the deployment
		}
	case fault.Provider:
		o.Result = health.Failure
		switch {
		case f.Kind == fault.EngineUnready:
			o.Result = health.Neutral // the engine's own state says it
		case f.Kind == fault.Shed:
			o.Result = health.Neutral // we had no room for its answer
		case f.Kind == fault.ProviderLimit:
			o.Result = health.RateLimited
			if l.d.Provider.Keys.Len() > 1 {
				o.Result = health.Neutral // the key cools down, not the deployment
			}
		}
	default:
		// The request was at fault, or its time was up. That it was refused says
		// nothing of the model behind, and neither does silence; an answer that
		// had begun shows life.
		o.FirstToken, o.Total = 0, 0
		if l.status == 0 || l.status > 299 {
			o.Result = health.Neutral
		}
	}
	return o
}

// abandon closes a leg that lost a race.
func (l *leg) abandon() {
	l.end(&fault.Error{Kind: fault.Canceled, Message: "another deployment answered first"})
}

// close frees the connection and the slot. After a whole stream what little may
// follow the end mark is read first, so that the connection serves again.
func (l *leg) close() {
	if l.reply != nil && l.reply.Body != nil {
		if l.ended && l.over {
			l.reply.SetIdle(50 * time.Millisecond)
			for range 4 {
				if _, err := l.rd.Next(); err != nil {
					break
				}
			}
		}
		l.reply.Body.Close()
		l.reply.Body = nil
		if l.ended && l.over { // nobody else has this leg
			l.giveBack()
		}
	}
	if l.cancel != nil {
		l.cancel()
	}
	if l.stop != nil {
		l.stop(nil)
	}
	l.share.release()
	l.leave()
}

func tokens(u llm.Usage) ledger.Tokens {
	return ledger.Tokens{In: u.Input, Out: u.Output, Cached: u.CachedInput, CacheWrite: u.CacheWrite,
		Reasoning: u.Reasoning, Estimated: !u.Reported}
}

func requestID(h map[string][]string) string {
	for _, k := range []string{"X-Request-Id", "Request-Id", "Apim-Request-Id"} {
		if v := h[k]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}
