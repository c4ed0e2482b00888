package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/upstream"
)

// relay passes an open leg's answer to the client and finishes the request.
// An error is the provider's failure in mid-answer, or the client's leaving.
func (x *exchange) relay(ctx context.Context, l *leg) error {
	x.joined(l)
	var err error
	if l.rd == nil || !x.body.Facts.Stream {
		err = x.relayWhole(l)
	} else {
		err = x.relayStream(ctx, l)
	}
	l.end(err)
	l.close()
	if err == nil && x.g.Log.Enabled(ctx, slog.LevelDebug) {
		x.g.Log.Debug("request ok", "request_id", x.row.ID, "workload", x.row.Workload, "deployment", x.row.Deployment,
			"attempts", len(x.row.Attempts), "total", x.row.Total)
	}
	return err
}

// joined notes who answers from here on, and the seam if the answer had begun.
func (x *exchange) joined(l *leg) {
	if x.began == nil {
		x.begins(l)
		x.row.Route = x.reason(l)
		x.answered(l.d)
	}
	x.row.Dropped = append(x.row.Dropped, l.out.Dropped...)
	if x.resume != nil {
		x.row.Seams = append(x.row.Seams, x.resume.seam(l))
	}
}

// begins puts on record whose answer the client gets, or its beginning.
func (x *exchange) begins(l *leg) {
	x.began = l.d
	x.row.Model, x.row.Deployment, x.row.Provider, x.row.ProviderModel = l.d.Model.Name, l.d.Name, l.d.Provider.Name, l.d.ID
	price := l.d.Price()
	x.row.PriceSource, x.row.PriceDate = price.Source, price.AsOf
}

// reason says in short why this deployment answers.
func (x *exchange) reason(l *leg) string {
	why := l.candidate.Short(x.route.Kind)
	if cause := x.row.Attempts[l.n].Cause; cause != "" && cause != escalated && !strings.HasPrefix(cause, partCause) {
		why += " after " + cause
	}
	if note := x.first.note(); note != "" {
		why += ", cascade " + note
	}
	if s := x.route.Stands; s != nil {
		why += ", " + s.String()
	}
	return why
}

func (x *exchange) relayWhole(l *leg) error {
	var body []byte
	var err error
	copies := 3 // as it came, decoded, encoded
	if l.same {
		copies = 2
	}
	if !l.share.Need(copies * (len(l.body) + l.gate.held())) {
		return noRoom()
	}
	if l.same {
		body, err = x.call.Codec.RewriteReply(x.call.Op, l.body, x.view())
	} else {
		body, err = x.translate(l)
	}
	if err != nil {
		return err
	}
	l.body = nil // what is sent may be as large
	l.end(nil)
	x.row.Finish = string(l.finish)
	return x.sendWhole(l, body)
}

// sendWhole sends a plain answer, once it is on record.
func (x *exchange) sendWhole(l *leg, body []byte) error {
	x.row.Status, x.row.Outcome = http.StatusOK, ledger.OK
	x.headers(l)
	x.row.BytesOut, x.plain = int64(len(body)), body
	if err := x.settle(); err != nil {
		return &fault.Error{Kind: fault.Storage, Message: "the answer cannot be put on record", Cause: err}
	}
	return x.out.whole(body)
}

// translate turns a whole answer of another dialect into the client's.
func (x *exchange) translate(l *leg) ([]byte, error) {
	r, err := l.response()
	if err != nil {
		return nil, err
	}
	return x.call.Codec.EncodeReply(r, x.call.Op, x.view())
}

// response is the whole answer in canonical form. It takes what the leg holds.
func (l *leg) response() (*llm.Response, error) {
	if l.rd != nil {
		return l.assemble(), nil
	}
	r, err := l.d.Provider.Codec.DecodeReply(l.x.call.Op, l.body)
	if err != nil {
		return nil, err
	}
	l.body = nil // it is copied
	if l.out.Tool != "" {
		dialect.UnwrapToolReply(r, l.out.Tool)
	}
	if l.x.shows() {
		l.x.restoreReply(r)
	}
	r.Usage = l.usage
	return r, nil
}

// assemble makes a plain answer of a stream.
func (l *leg) assemble() *llm.Response {
	l.gate.seal()
	var whole llm.Accumulator
	for i := range l.gate.events {
		whole.Add(&l.gate.events[i])
		l.gate.events[i] = llm.Event{} // its text may be large, and is copied
	}
	whole.Usage = l.estimated()
	return whole.Response()
}

func (x *exchange) relayStream(ctx context.Context, l *leg) error {
	x.headers(l)
	if !l.same && x.encoder == nil {
		x.encoder = x.call.Codec.NewStreamEncoder(x.call.Op, x.view(), x.shown())
	}
	for {
		l.gate.release()
		// The first content goes out with what came along and waits for no more.
		more := !l.ended && l.more(x.row.FirstToken > 0)
		if l.gate.waiting() && (!more || l.gate.full()) {
			if err := x.show(l); err != nil {
				return err
			}
		}
		if l.ended {
			return x.finish(l)
		}
		if !more {
			if err := x.out.flush(); err != nil {
				return err
			}
		}
		if err := l.step(); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return x.showRest(l, err)
		}
	}
}

// showRest shows what came whole before err ended the leg: it belongs to the
// answer that is continued elsewhere. What was refused is not: another answers
// from the beginning.
func (x *exchange) showRest(l *leg, err error) error {
	if !l.gate.waiting() || fault.Is(err, fault.ContentFilter) {
		return err
	}
	if serr := x.show(l); serr != nil {
		return serr
	}
	if serr := x.out.flush(); serr != nil {
		return serr
	}
	return err
}

// shown is the answer so far for an encoder that takes over in the middle, or
// nil where the client has seen nothing yet.
func (x *exchange) shown() *llm.Accumulator {
	if len(x.sent.Choices) == 0 && x.sent.ID == "" {
		return nil
	}
	return &x.sent
}

// show writes what the gate has let through.
func (x *exchange) show(l *leg) error {
	if x.row.FirstToken == 0 && l.gate.output {
		x.row.FirstToken = x.g.Clock().Sub(x.row.Time)
	}
	if l.gate.ready() {
		for _, held := range l.gate.stowed {
			if err := x.out.write(held); err != nil {
				return err
			}
		}
		l.gate.stowed = nil
	}
	buf := l.gate.raw[:l.gate.freeRaw]
	if !l.same {
		buf = x.out.scratch[:0]
	}
	for i := range l.gate.free {
		e := &l.gate.events[i]
		switch e.Kind {
		case llm.EventDelta:
			l.shown++
		case llm.EventUsage, llm.EventStart:
			x.addUsage(e)
		}
		if !l.same && e.Kind != llm.EventEnd {
			var err error
			if buf, err = x.encoder.Encode(buf, e); err != nil {
				return err
			}
		}
		x.sent.Add(e)
	}
	if size := x.sent.Size(); !x.share.Need(size) {
		x.sent.Keep = size // the stream goes on, but nobody could continue it
	}
	err := x.out.write(buf)
	if !l.same {
		x.out.scratch = buf
	}
	l.gate.clear()
	return err
}

// addUsage adds the usage of the answer's earlier legs.
func (x *exchange) addUsage(e *llm.Event) {
	if m := e.Meta; m != nil && m.Usage.Reported {
		m.Usage = sum(x.usage, m.Usage)
	}
}

// finish ends the stream of a leg that is whole.
func (x *exchange) finish(l *leg) error {
	tail := l.tail
	if !l.same {
		if !l.usage.Reported { // better than the zeros of a dialect that must say something
			var err error
			if tail, err = x.encoder.Encode(nil, &llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: sum(x.usage, l.estimated())}}); err != nil {
				return err
			}
		}
		tail = x.encoder.End(tail)
	} else if len(tail) == 0 {
		tail = x.call.Codec.NewStreamEncoder(x.call.Op, x.view(), &x.sent).End(nil)
	}
	l.end(nil)
	x.row.Finish = string(l.finish)
	return x.conclude(tail)
}

// conclude puts a whole answer on record and sends the last of its stream.
func (x *exchange) conclude(tail []byte) error {
	x.row.Status, x.row.Outcome = http.StatusOK, ledger.OK
	x.row.BytesOut = x.out.sent + int64(len(tail))
	if err := x.settle(); err != nil {
		return &fault.Error{Kind: fault.Storage, Message: "the answer cannot be put on record", Cause: err}
	}
	if err := x.out.write(tail); err != nil {
		return err
	}
	return x.out.flush()
}

// headers tells the client who answers; l is nil where nobody does. They
// describe the attempt that began the answer; once it has begun they change no
// more. From a provider of the client's dialect, what it says of limits and
// retries goes along.
func (x *exchange) headers(l *leg) {
	x.out.header(func(h http.Header) {
		values := make([]string, 0, 8) // one piece of memory for all
		set := func(name, v string) {
			values = append(values, v)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
		set("X-Request-Id", x.call.ID)
		if x.call.Codec.Name() == "anthropic" {
			h["Request-Id"] = h["X-Request-Id"]
		}
		if x.row.Workload != "" {
			set("X-Freehold-Workload", x.row.Workload)
		}
		if n := len(x.row.Attempts); n > 0 {
			set("X-Freehold-Attempts", strconv.Itoa(n))
		}
		if x.warned != nil {
			set("X-Freehold-Budget", "warn "+x.warned.Rule.String())
		}
		if l == nil {
			return
		}
		if l.capped > 0 {
			set("X-Freehold-Max-Tokens", strconv.FormatInt(l.capped, 10))
		}
		if len(x.truncated) > 0 {
			h["X-Freehold-Truncated"] = []string{x.cutInputs()}
		}
		set("X-Freehold-Model", l.d.Model.Name)
		set("X-Freehold-Provider", l.d.Provider.Name)
		set("X-Freehold-Route", x.row.Route)
		if len(x.row.Dropped) > 0 {
			h["X-Freehold-Dropped"] = []string{strings.Join(x.row.Dropped, ", ")}
		}
		if l.d.Provider.Codec.Name() == x.call.Codec.Name() {
			upstream.CopyResponseHeader(h, l.reply.Header)
		}
	})
}
