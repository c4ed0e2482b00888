// Package upstream carries calls to providers: it is the only way out.
//
// A Client is one provider's endpoint. Plain http goes through package h1, a
// synchronous client without goroutines; https and egress proxies go through
// net/http's Transport. Both hold the same contract, proven by the suite in
// package upstreamtest: limits on connecting, on the head and on silence;
// cancellation at once; no redirects followed; no compression; addresses
// checked when dialled; a body cut short is an error.
//
// Every failure is an *Error with a Kind. Nothing is retried here but a request
// that met a pooled connection its server had just closed.
package upstream

import (
	"context"
	"net/http"
	"strings"
)

// Client sends calls to one provider. It is safe for concurrent use.
type Client struct {
	ep *endpoint
	tr carrier
}

// carrier is one way to carry an exchange. exchange returns *Error only.
type carrier interface {
	exchange(ctx context.Context, call *Call, limits Timeouts) (*Reply, error)
	close()
}

// New makes the client of a target. Its errors tell what of the target is
// wrong, without repeating a value that may be secret.
func New(t Target) (*Client, error) {
	ep, err := t.parse()
	if err != nil {
		return nil, err
	}
	if ep.scheme == "http" && ep.proxy == nil {
		return &Client{ep, newPlain(ep, &t)}, nil
	}
	conf, err := t.TLS.build()
	if err != nil {
		return nil, err
	}
	return &Client{ep, newTransport(ep, &t, conf)}, nil
}

// Provider is the name of the provider that this client reaches.
func (c *Client) Provider() string { return c.ep.provider }

// Close closes idle connections and refuses new calls. Calls under way run to
// their end: a reload changes no stream.
func (c *Client) Close() { c.tr.close() }

// do sends the call and reads the head of the answer. The body must be closed.
func (c *Client) do(ctx context.Context, call *Call) (*Reply, error) {
	if err := call.check(); err != nil {
		return nil, c.ep.error(Invalid, false, err)
	}
	if k := contextKind(ctx); k != 0 {
		return nil, c.ep.error(k, false, context.Cause(ctx))
	}
	r, err := c.tr.exchange(ctx, call, call.limits(c.ep.timeouts))
	if err != nil {
		return nil, err
	}
	if enc := r.Header["Content-Encoding"]; len(enc) > 0 && !strings.EqualFold(enc[0], "identity") {
		r.Body.Close()
		return nil, c.ep.error(Malformed, true, errEncoded)
	}
	return r, nil
}

func (e *endpoint) error(k Kind, sent bool, err error) *Error {
	return &Error{Kind: k, Provider: e.provider, Sent: sent, Err: err}
}

// authHeader is the header that carries the key, or an empty name.
func (e *endpoint) authHeader(k Key) (name, value string) {
	secret := k.value()
	if secret == "" {
		return "", ""
	}
	if e.auth == AuthBearer {
		secret = "Bearer " + secret
	}
	if name = e.auth.Header(); name == "" {
		return "", ""
	}
	return name, secret
}

// Header is the header that carries the key, "" for none.
func (a Auth) Header() string {
	switch a {
	case AuthBearer:
		return "Authorization"
	case AuthXAPIKey:
		return "X-Api-Key"
	case AuthAPIKey:
		return "Api-Key"
	}
	return ""
}

// target is the call's path and query in origin form.
func (e *endpoint) target(call *Call) (path, query string) {
	path, query = e.path+call.Path, e.query
	if call.Query != "" {
		if query != "" {
			query += "&"
		}
		query += call.Query
	}
	return path, query
}

// hides reports whether the call sets a header itself that the target also has.
func hides(call http.Header, name string) bool {
	_, ok := call[name]
	return ok
}
