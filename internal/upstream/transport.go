package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"freehold/internal/upstream/h1"
)

// transport carries calls over net/http: TLS, HTTP/2, egress proxies.
type transport struct {
	ep     *endpoint
	rt     *http.Transport
	closed atomic.Bool
}

func newTransport(ep *endpoint, t *Target, conf *tls.Config) *transport {
	dial := Dialer(ep.networks)
	abandoned := max(ep.timeouts.Connect, 30*time.Second)
	head, idle, ttl := t.MaxHead, t.MaxIdle, t.IdleTimeout
	if head == 0 {
		head = 64 << 10
	}
	if idle == 0 {
		idle = 1024
	}
	if ttl == 0 {
		ttl = 90 * time.Second
	}
	rt := &http.Transport{
		TLSClientConfig:        conf,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    idle,
		MaxIdleConns:           idle,
		IdleConnTimeout:        ttl,
		MaxResponseHeaderBytes: int64(head),
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         16 << 10,
		TLSHandshakeTimeout:    abandoned,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode != http.StatusOK {
				return &proxyError{r.Status}
			}
			return nil
		},
	}
	// Each call's own limit is held by its watch. A dial outlives the call that
	// began it (net/http keeps it for the next one), so it needs another.
	rt.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, abandoned)
		defer cancel()
		return dial(ctx, network, addr)
	}
	if ep.proxy != nil {
		rt.Proxy = http.ProxyURL(ep.proxy)
	}
	return &transport{ep: ep, rt: rt}
}

func (t *transport) close() {
	t.closed.Store(true)
	t.rt.CloseIdleConnections()
}

func (t *transport) exchange(ctx context.Context, call *Call, limits Timeouts) (*Reply, error) {
	if t.closed.Load() {
		return nil, t.ep.error(Canceled, false, errClosed)
	}
	for name, values := range call.Header {
		if !validField(name, values) && sendable(name) {
			return nil, t.ep.error(Invalid, false, errors.New("a header's name or value cannot be sent"))
		}
	}
	r, ex, err := t.once(ctx, call, limits)
	if err != nil && ex.stale(err) && ctx.Err() == nil {
		r, _, err = t.once(ctx, call, limits)
	}
	return r, err
}

func validField(name string, values []string) bool {
	for _, v := range values {
		if !httpguts.ValidHeaderFieldValue(v) {
			return false
		}
	}
	return httpguts.ValidHeaderFieldName(name)
}

// once runs one round trip.
func (t *transport) once(ctx context.Context, call *Call, limits Timeouts) (*Reply, *exchange, error) {
	ex := &exchange{ep: t.ep, parent: ctx, limits: limits}
	ex.data.bytes, ex.data.progress = call.Body, ex.wrote
	ctx, ex.cancel = context.WithCancelCause(ctx)
	ex.watch.start(limits.Connect, errConnectTimeout, ex.cancel)
	resp, err := t.rt.RoundTrip(t.request(httptrace.WithClientTrace(ctx, ex.trace()), call, &ex.data))
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body.Close()
		err = errors.New("101 without an upgrade asked for")
	}
	if err != nil {
		err = ex.failure(ctx, err)
		ex.done()
		return nil, ex, err
	}
	ex.watch.enter(inBody)
	ex.rc, ex.ctx, ex.idle = resp.Body, ctx, limits.Idle
	return &Reply{
		Status: resp.StatusCode, Proto: resp.Proto, Header: resp.Header, Length: resp.ContentLength,
		Delimited: resp.ContentLength >= 0 || resp.ProtoMajor > 1 || len(resp.TransferEncoding) > 0,
		Reused:    ex.reused.Load(), Body: ex,
	}, ex, nil
}

func (t *transport) request(ctx context.Context, call *Call, data *detachable) *http.Request {
	path, query := t.ep.target(call)
	u := &url.URL{Scheme: t.ep.scheme, Host: t.ep.host, Path: path, RawQuery: query}
	if strings.IndexByte(path, '%') >= 0 {
		// An escape that cannot be undone is sent as it stands, escaped again.
		if plain, err := url.PathUnescape(path); err == nil {
			u.Path, u.RawPath = plain, path
		}
	}
	h := make(http.Header, len(t.ep.header)+len(call.Header)+1)
	for name, v := range t.ep.header {
		h[name] = v
	}
	for name, v := range call.Header {
		if sendable(name) {
			h[canonical(name)] = v
		}
	}
	if name, value := t.ep.authHeader(call.Key); name != "" {
		h[name] = []string{value}
	}
	req := (&http.Request{
		Method: call.Method, URL: u, Host: t.ep.host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(call.Body)),
	}).WithContext(ctx)
	if len(call.Body) > 0 {
		req.Body = data.reader()
		req.GetBody = func() (io.ReadCloser, error) { return data.reader(), nil }
	}
	return req
}

// exchange is one round trip under way, and then its body.
type exchange struct {
	ep     *endpoint
	parent context.Context
	limits Timeouts
	cancel context.CancelCauseFunc
	watch  watch
	data   detachable

	connected atomic.Bool // a connection was ours: from here on bytes may have left
	reused    atomic.Bool
	shared    atomic.Bool // the connection is HTTP/2
	answered  atomic.Bool // a byte of the answer has come
	writeErr  atomic.Bool
	tlsErr    atomic.Bool

	rc   io.ReadCloser
	ctx  context.Context
	idle time.Duration
	end  sync.Once
	shut atomic.Bool // closed by the caller
	err  error       // what Read repeats
}

// trace follows the stages. Its functions may run after the round trip is over.
func (ex *exchange) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { ex.tlsErr.Store(err != nil) },
		GotConn: func(i httptrace.GotConnInfo) {
			ex.reused.Store(i.Reused)
			if c, ok := i.Conn.(*tls.Conn); ok {
				ex.shared.Store(c.ConnectionState().NegotiatedProtocol == "h2")
			}
			ex.connected.Store(true)
			ex.wrote()
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			ex.writeErr.Store(i.Err != nil)
			ex.wrote()
		},
		GotFirstResponseByte: func() { ex.answered.Store(true) },
	}
}

// wrote gives the head its whole time again: the limit begins with the last
// byte written.
func (ex *exchange) wrote() { ex.watch.limit(inHead, ex.limits.Head, errHeadTimeout) }

// stale reports whether a pooled connection was closed by the server before a
// byte of an answer. Over HTTP/2 a stream's end says nothing of the kind, and
// net/http itself sends again what the server has not looked at.
func (ex *exchange) stale(err error) bool {
	k := KindOf(err)
	return (k == Reset || k == Write) && !ex.shared.Load() && ex.reused.Load() && !ex.answered.Load()
}

// failure classifies what RoundTrip returned.
func (ex *exchange) failure(ctx context.Context, err error) *Error {
	sent := ex.connected.Load()
	if k := contextKind(ex.parent); k != 0 {
		return ex.ep.error(k, sent, context.Cause(ex.parent))
	}
	switch c := context.Cause(ctx); {
	case errors.Is(c, errConnectTimeout):
		return ex.ep.error(ConnectTimeout, false, c)
	case errors.Is(c, errHeadTimeout):
		return ex.ep.error(HeaderTimeout, sent, c)
	}
	if !sent {
		return ex.ep.error(ex.connectKind(err), false, unquoted(err))
	}
	switch {
	case isAlert(err) && !ex.answered.Load() && !ex.reused.Load():
		return ex.ep.error(TLS, true, unquoted(err))
	case isUnmade(err):
		return ex.ep.error(Connect, false, errUnmade)
	case ex.writeErr.Load() && !ex.answered.Load() && !ex.shared.Load():
		return ex.ep.error(Write, true, unquoted(err))
	case !ex.answered.Load() || isLoss(err):
		return ex.ep.error(Reset, true, unquoted(err))
	}
	return ex.ep.error(Malformed, true, unquoted(err))
}

// connectKind classifies a failure before there was a connection.
func (ex *exchange) connectKind(err error) Kind {
	var dial *dialError
	var refused *proxyError
	switch {
	case errors.As(err, &refused):
		return Proxy
	case errors.As(err, &dial):
		if k := dialKind(err); ex.ep.proxy == nil || k == ConnectTimeout {
			return k
		}
		return Proxy
	case isTimeout(err):
		return ConnectTimeout
	case ex.tlsErr.Load() || isTLS(err):
		return TLS
	case ex.ep.proxy != nil:
		return Proxy
	}
	return Connect
}

// done frees what the exchange holds.
func (ex *exchange) done() {
	ex.end.Do(func() {
		ex.watch.enter(over)
		ex.data.detach()
		ex.cancel(context.Canceled)
	})
}

// Read reads the body.
func (ex *exchange) Read(p []byte) (int, error) {
	if ex.err != nil {
		return 0, ex.err
	}
	if ex.idle > 0 {
		ex.watch.limit(inBody, ex.idle, errIdle)
	}
	n, err := ex.rc.Read(p)
	if ex.idle > 0 {
		ex.watch.enter(inBody)
	}
	if err == nil {
		return n, nil
	}
	ex.err = io.EOF
	if err != io.EOF {
		ex.err = ex.bodyFailure(err)
	}
	ex.done()
	ex.rc.Close()
	return n, ex.err
}

func (ex *exchange) bodyFailure(err error) error {
	if k := contextKind(ex.parent); k != 0 {
		return ex.ep.error(k, true, context.Cause(ex.parent))
	}
	if ex.shut.Load() {
		return ex.ep.error(Canceled, true, h1.ErrBodyClosed)
	}
	if c := context.Cause(ex.ctx); errors.Is(c, errIdle) {
		return ex.ep.error(IdleTimeout, true, c)
	}
	return ex.ep.error(Cut, true, unquoted(err))
}

// Close gives the body up; before its end that ends the exchange.
func (ex *exchange) Close() error {
	ex.shut.Store(true)
	ex.done()
	return ex.rc.Close()
}

func (ex *exchange) setIdle(d time.Duration) { ex.idle = d }

func (ex *exchange) endpoint() *endpoint { return ex.ep }
