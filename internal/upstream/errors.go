package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"freehold/internal/upstream/h1"
)

// Kind says what went wrong on the way to or from a provider.
type Kind uint8

// The kinds of failure, in the order in which an exchange can meet them.
const (
	// Invalid: the call cannot be sent as it is; a fault of ours.
	Invalid Kind = iota + 1
	// Refused: the permit does not cover the provider. No byte was sent.
	Refused
	// Blocked: the name resolved to an address outside the target's networks.
	Blocked
	// DNS: the name did not resolve.
	DNS
	// Connect: no connection (refused, unreachable).
	Connect
	// ConnectTimeout: no connection, TLS handshake included, in time.
	ConnectTimeout
	// Proxy: the egress proxy refused or failed.
	Proxy
	// TLS: the handshake failed, or the provider refused our side of it.
	TLS
	// Write: the connection broke or stalled while the request was written.
	Write
	// Reset: the connection ended before a whole response head.
	Reset
	// HeaderTimeout: no response head in time.
	HeaderTimeout
	// Malformed: what came is not HTTP, or is encoded in a way not asked for.
	Malformed
	// Cut: the body ended before its framing says so.
	Cut
	// IdleTimeout: the body was silent for too long.
	IdleTimeout
	// TooLarge: the body is larger than the reader's limit.
	TooLarge
	// Canceled: the call's context was canceled.
	Canceled
	// Deadline: the call's context ran out of time.
	Deadline
)

var kindNames = [...]string{
	Invalid: "invalid_call", Refused: "refused", Blocked: "blocked_address", DNS: "dns",
	Connect: "connect", ConnectTimeout: "connect_timeout", Proxy: "proxy", TLS: "tls",
	Write: "write", Reset: "reset", HeaderTimeout: "header_timeout", Malformed: "malformed",
	Cut: "cut", IdleTimeout: "idle_timeout", TooLarge: "too_large",
	Canceled: "canceled", Deadline: "deadline",
}

// String is a stable name for logs, metrics and the ledger.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Error is the one error type of this package. Its text names the provider and
// the cause; it never holds a URL's user info or query, a header or a body.
type Error struct {
	Kind     Kind
	Provider string
	// Sent is true when a byte of the request may have reached the provider:
	// if false, sending the call elsewhere cannot have it done twice.
	Sent bool
	Err  error
}

func (e *Error) Error() string {
	cause := strings.TrimPrefix(fmt.Sprint(e.Err), e.Kind.String()+": ") // crypto/tls begins with "tls: "
	return fmt.Sprintf("provider %s: %s: %s", e.Provider, e.Kind, cause)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a time limit of ours ended the call.
func (e *Error) Timeout() bool {
	switch e.Kind {
	case ConnectTimeout, HeaderTimeout, IdleTimeout, Deadline:
		return true
	}
	return false
}

// KindOf is the kind of the *Error in err's chain, or 0.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// Causes with which a limit ends a call that runs through net/http.
var (
	errConnectTimeout = errors.New("no connection in time")
	errHeadTimeout    = errors.New("no response in time")
	errIdle           = errors.New("nothing came in time")
	errTooLarge       = errors.New("answer is larger than its limit")
	errEncoded        = errors.New("the answer has a content encoding that was not asked for")
	errClosed         = errors.New("client is closed")
	errUnmade         = errors.New("the provider ended the connection as soon as it was made; it may want a client certificate (tls: {cert, key})")
)

// blockedError is a dial to an address outside the target's networks.
type blockedError struct{ addr string }

func (e *blockedError) Error() string {
	return "address " + e.addr + " is outside the provider's networks"
}

// dialError marks what failed while a connection was made, and only that.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// proxyError is a refusal of the egress proxy.
type proxyError struct{ status string }

func (e *proxyError) Error() string { return "the egress proxy answered " + e.status }

// contextKind classifies the end of a call's context, or returns 0.
func contextKind(ctx context.Context) Kind {
	switch err := ctx.Err(); {
	case err == nil:
		return 0
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	}
	return Canceled
}

// dialKind classifies a failure to connect.
func dialKind(err error) Kind {
	var blocked *blockedError
	var dns *net.DNSError
	switch {
	case errors.As(err, &blocked):
		return Blocked
	case errors.As(err, &dns):
		if dns.IsTimeout {
			return ConnectTimeout
		}
		return DNS
	case isTimeout(err):
		return ConnectTimeout
	}
	return Connect
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
		host   x509.HostnameError
		auth   x509.UnknownAuthorityError
	)
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &host) || errors.As(err, &auth)
}

// isAlert reports whether the other side ended the connection with a TLS alert,
// whose type crypto/tls does not export. In TLS 1.3 a server says only so, after
// the client's handshake is over and its request is on the way, that it wants
// another certificate, or one at all.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isUnmade reports whether an HTTP/2 connection ended before the first request
// could be sent on it. net/http then forgets what it ended with, such as an alert.
func isUnmade(err error) bool {
	return strings.HasSuffix(err.Error(), "http2: client conn could not be established")
}

// isLoss reports whether the connection is gone, as against bytes on it that
// make no sense.
func isLoss(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &op)
}

// fromH1 classifies an error of the plain client.
func fromH1(ctx context.Context, err error) (Kind, bool) {
	var e *h1.Error
	if !errors.As(err, &e) { // a read after Close
		return Canceled, true
	}
	if k := contextKind(ctx); k != 0 {
		return k, e.Sent
	}
	var proto h1.ProtocolError
	switch {
	case e.Stage == h1.StageRequest:
		return Invalid, false
	case errors.Is(e.Err, h1.ErrClosed), errors.Is(e.Err, h1.ErrBodyClosed):
		return Canceled, e.Sent
	case e.Stage == h1.StageDial:
		return dialKind(e.Err), false
	case e.Stage == h1.StageWrite:
		return Write, e.Sent
	case errors.As(e.Err, &proto):
		if e.Stage == h1.StageBody {
			return Cut, true
		}
		return Malformed, true
	case e.Stage == h1.StageBody:
		if isTimeout(e.Err) {
			return IdleTimeout, true
		}
		return Cut, true
	case isTimeout(e.Err):
		return HeaderTimeout, true
	}
	return Reset, e.Sent
}

// unquoted drops what net/http quotes of a server's bytes, or a URL's, from the
// text of an error.
func unquoted(err error) error {
	text := err.Error()
	if i := strings.IndexByte(text, '"'); i >= 0 {
		return errors.New(strings.TrimRight(text[:i], " :"))
	}
	return err
}
