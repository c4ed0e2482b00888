package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/upstream"
)

// Relay passes raw OpenAI paths (files, batches, audio, images, moderations)
// to the provider that the configuration names for them. Nothing of them is
// read; they are on record as unpriced, under the same perimeter.
type Relay struct{ Gateway *Gateway }

// Serve relays one request. c.Raw is its body.
func (r *Relay) Serve(ctx context.Context, w http.ResponseWriter, req *http.Request, c *Call) {
	x := r.Gateway.newExchange(w, c)
	defer x.close()
	if err := x.relayRaw(ctx, req); err != nil {
		x.refuse(err)
	}
}

// rawLeg asks the provider of a raw path.
type rawLeg struct {
	x      *exchange
	p      *fleet.Provider
	name   string // of the path at the provider, as deployments have names
	permit upstream.Permit
	call   *upstream.Call
}

func (x *exchange) relayRaw(ctx context.Context, req *http.Request) error {
	c := x.call
	family, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v1/"), "/")
	p := c.Fleet.Relay(family)
	if p == nil {
		return fault.New(fault.NotFound, "no provider takes /v1/%s", family)
	}
	permit, err := x.relayPermit(ctx, req, p)
	if err != nil {
		return err
	}
	if err := x.relayBudgets(); err != nil {
		return err
	}
	x.row.Route = "relay"
	t := c.Fleet.Settings.Timeouts
	if c.Timeout > 0 && (t.Total == 0 || c.Timeout < t.Total) {
		t.Total = c.Timeout
	}
	if t.Total > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, c.Received.Add(t.Total), errTotal)
		defer stop()
	}
	h := http.Header{}
	upstream.CopyRequestHeader(h, c.Header)
	for _, name := range []string{"Content-Type", "Accept", "Range"} {
		if v := c.Header[name]; len(v) > 0 {
			h[name] = v
		}
	}
	l := &rawLeg{x: x, p: p, name: family + "@" + p.Name, permit: permit, call: &upstream.Call{
		Method: req.Method, Path: strings.TrimPrefix(req.URL.EscapedPath(), "/v1"), Query: req.URL.RawQuery,
		Header: h, Body: c.Raw, Timeouts: upstream.Timeouts{Connect: t.Connect, Head: t.Total, Idle: t.Idle},
	}}
	for {
		err := l.ask(ctx)
		var f *fault.Error
		if !errors.As(err, &f) || !keyRefused(f) || !x.g.anotherKey(p, f) {
			return err
		}
	}
}

// ask makes one attempt, with the key that is to be used now.
func (l *rawLeg) ask(ctx context.Context) error {
	x, p := l.x, l.p
	now := x.g.Clock()
	key, soonest, ok := p.Keys.Pick(now)
	if !ok {
		return &fault.Error{Kind: fault.ProviderLimit, Message: noKey(p.Keys, now), RetryAfter: max(0, soonest.Sub(now))}
	}
	n := len(x.row.Attempts)
	x.row.Attempts = append(x.row.Attempts, ledger.Attempt{N: n + 1, Deployment: l.name, Provider: p.Name, Start: now,
		Sent: int64(len(l.call.Body)), Place: placeOf(p)})
	a := &x.row.Attempts[n]
	if n > 0 {
		a.Cause = x.row.Attempts[n-1].Fault
	}
	if err := x.g.Journal.Begin(&x.row); err != nil {
		x.row.Attempts = x.row.Attempts[:n]
		return &fault.Error{Kind: fault.Storage, Message: "the request cannot be put on record, so it is not sent", Cause: err}
	}
	l.call.Key = key
	reply, err := p.Client.Send(ctx, l.permit, l.call)
	if err != nil {
		if nothingSent(err) {
			a.Sent = 0
		}
		return l.failed(a, 0, l.broken(err, 0))
	}
	defer reply.Body.Close()
	switch {
	case reply.Status == http.StatusUnauthorized, reply.Status == http.StatusPaymentRequired, reply.Status == http.StatusForbidden:
		return l.ours(a, reply)
	case reply.Status == http.StatusTooManyRequests:
		wait, _ := upstream.RetryAfter(reply.Header, x.g.Clock())
		x.g.spare(p, key, &fault.Error{Kind: fault.ProviderLimit, RetryAfter: wait})
	case reply.Status < http.StatusBadRequest:
		x.g.accepted(p, key, now)
		return l.answer(a, reply)
	}
	if f := hideIn(reply, p); f != nil {
		return l.failed(a, reply.Status, f)
	}
	return l.answer(a, reply)
}

// broken is what the way to the provider failed with.
func (l *rawLeg) broken(err error, status int) *fault.Error {
	like := &leg{x: l.x, d: &fleet.Deployment{Provider: l.p}, status: status}
	return l.x.faultOf(like.failure(err))
}

// failed puts the end of an attempt that gave no answer on the row.
func (l *rawLeg) failed(a *ledger.Attempt, status int, f *fault.Error) *fault.Error {
	a.Total, a.Status = l.x.g.Clock().Sub(a.Start), status
	a.Outcome, a.Fault = outcomeOf(f.Kind), string(f.Kind)
	a.Cost.Valid = true // nothing was answered: nothing is owed
	return f
}

// hideIn takes our secrets out of a provider's error.
func hideIn(reply *upstream.Reply, p *fleet.Provider) *fault.Error {
	body, err := reply.ReadAll(maxErrorBody)
	if err != nil {
		return &fault.Error{Kind: fault.Malformed, Provider: p.Name, ProviderStatus: reply.Status, Cause: err,
			Message: "the provider's error, status " + strconv.Itoa(reply.Status) + ", cannot be read"}
	}
	reply.Body = io.NopCloser(strings.NewReader(p.Secrets.Hide(string(body))))
	return nil
}

// ours is a provider's refusal of our own credentials: never the caller's.
func (l *rawLeg) ours(a *ledger.Attempt, reply *upstream.Reply) error {
	body, err := reply.ReadAll(maxErrorBody)
	if err != nil {
		body = nil // the status says enough
	}
	p, key := l.p, l.call.Key
	f := l.failed(a, reply.Status, p.Codec.DecodeError(reply.Status, reply.Header, body))
	if keyRefused(f) && p.Keys.Len() > 1 {
		a.Detail = p.Keys.Place(key)
	}
	l.x.g.spare(p, key, f)
	return &fault.Error{Kind: f.Kind, Status: http.StatusBadGateway, Code: "upstream_credentials", NoRetry: true, Cause: f,
		Message: "provider " + p.Name + " refuses this gateway's credentials: this is not your key"}
}

// answer passes the provider's answer on, the last piece after it is on record.
func (l *rawLeg) answer(a *ledger.Attempt, reply *upstream.Reply) error {
	x := l.x
	w := x.out.w
	h := w.Header()
	h["X-Request-Id"] = []string{x.call.ID}
	h["X-Freehold-Provider"] = []string{a.Provider}
	h["X-Freehold-Attempts"] = []string{strconv.Itoa(len(x.row.Attempts))}
	h["X-Freehold-Route"] = []string{"relay"}
	if x.warned != nil {
		h["X-Freehold-Budget"] = []string{"warn " + x.warned.Rule.String()}
	}
	upstream.CopyResponseHeader(h, reply.Header)
	for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Range", "Accept-Ranges"} {
		if v := reply.Header[name]; len(v) > 0 {
			h[name] = v
		}
	}
	a.Status, a.FirstByte = reply.Status, x.g.Clock().Sub(a.Start)
	x.row.Status, x.row.Outcome = reply.Status, relayOutcome(reply.Status)

	buf := make([]byte, 32<<10)
	var held []byte
	begun := false
	for {
		n, err := reply.Body.Read(buf)
		if n > 0 {
			if len(held) > 0 {
				if !begun {
					begun = true
					l.begins(reply.Status)
					w.WriteHeader(reply.Status)
				}
				if err := x.pass(held); err != nil {
					return err
				}
			}
			held = append(held[:0], buf[:n]...)
		}
		if err == nil {
			continue
		}
		a.Total, a.Outcome = x.g.Clock().Sub(a.Start), x.row.Outcome
		if err != io.EOF {
			return l.cut(a, err, begun)
		}
		l.begins(reply.Status)
		if err := x.settle(); err != nil {
			return &fault.Error{Kind: fault.Storage, Message: "the answer cannot be put on record", Cause: err}
		}
		if !begun {
			w.WriteHeader(reply.Status)
		}
		return x.pass(held)
	}
}

// begins puts on record who answers. A provider's error is passed on as it is, but
// it is no answer.
func (l *rawLeg) begins(status int) {
	if status < http.StatusBadRequest {
		l.x.row.Provider, l.x.row.Deployment = l.p.Name, l.name
	}
}

func (x *exchange) pass(b []byte) error {
	x.out.deadline()
	n, err := x.out.w.Write(b)
	x.out.idle()
	x.out.sent += int64(n)
	if err != nil {
		return errClientGone
	}
	return nil
}

// cut ends an answer that the provider did not finish. A raw body has no place
// for an error: once it has begun the connection is cut, so that the client
// does not take the part for the whole.
func (l *rawLeg) cut(a *ledger.Attempt, err error, begun bool) error {
	x := l.x
	f := l.broken(err, a.Status)
	a.Outcome, a.Fault = ledger.Partial, string(f.Kind)
	if !begun {
		return f
	}
	x.row.Outcome, x.row.ErrorCode = ledger.Partial, f.StableCode()
	if jerr := x.settle(); jerr != nil {
		x.g.Log.Error("request is not on record", "request_id", x.call.ID, "error", jerr)
	}
	panic(http.ErrAbortHandler)
}

func relayOutcome(status int) ledger.Outcome {
	switch {
	case status >= 500:
		return ledger.Failed
	case status >= 400:
		return ledger.ClientError
	}
	return ledger.OK
}
