// Package fault is freehold's vocabulary of failure: what went wrong, whose
// fault it is, whether another deployment or a later retry may help, and how
// the client is told. Dialects put a fault into their own envelope. It imports
// the standard library only.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind names what went wrong. Its text is stable: it is the ledger's and the
// metrics' label.
type Kind string

// Faults of the request or of our own policy: no other deployment is asked.
const (
	BadRequest    Kind = "invalid_request"       // 400
	Unsupported   Kind = "unsupported_parameter" // 400, Param names it
	TooLarge      Kind = "request_too_large"     // 413
	Unauthorized  Kind = "unauthorized"          // 401: the caller's own key
	Denied        Kind = "permission_denied"     // 403: the caller's key may not
	PolicyDenied  Kind = "policy_denied"         // 403: data class leaves no deployment; Code names the rule
	ModelNotFound Kind = "model_not_found"       // 404
	NotFound      Kind = "not_found"             // 404: path
	Method        Kind = "method_not_allowed"    // 405
	RateLimited   Kind = "rate_limited"          // 429: the caller's own limit
	Quota         Kind = "insufficient_quota"    // 429: a budget is used up, and a retry does not help
	Shed          Kind = "overloaded"            // 429: no room in time
	Exhausted     Kind = "upstreams_exhausted"   // 503: allowed but all failed
	Storage       Kind = "storage_unavailable"   // 503: the journal cannot be written
	Draining      Kind = "shutting_down"         // 503
	Internal      Kind = "internal_error"        // 500
	Canceled      Kind = "client_canceled"       // 499 in the ledger; nobody hears it
	Deadline      Kind = "deadline_exceeded"     // 504: the request's own total time is up
)

// Faults of one attempt at a provider.
const (
	Connect          Kind = "connect"             // dns, dial, tls
	ConnectTimeout   Kind = "connect_timeout"     //
	FirstTokenTime   Kind = "first_token_timeout" // nothing of the answer in time
	IdleTimeout      Kind = "idle_timeout"        // silence in mid-answer
	Cut              Kind = "cut"                 // the answer ended before its end
	Malformed        Kind = "malformed"           // the answer is not what the dialect says
	Empty            Kind = "empty"               // a complete answer without any content
	StreamError      Kind = "stream_error"        // an error event inside a 200 stream
	Credentials      Kind = "credentials_refused" // 401, 403: our key at the provider
	Billing          Kind = "provider_billing"    // 402
	ModelMissing     Kind = "provider_no_model"   // 404
	ProviderLimit    Kind = "provider_rate_limit" // 429
	Overloaded       Kind = "provider_overloaded" // 503, 529
	ProviderError    Kind = "provider_error"      // other 5xx, 408, 409, 425
	ProviderRejected Kind = "provider_rejected"   // 400, 413, 422: goes to the caller
	ContextLength    Kind = "context_length"      // 400 of a kind: a larger context may help
	ContentFilter    Kind = "content_filter"      // refused by the provider's filter
	EngineUnready    Kind = "engine_not_ready"    // a local engine loads or is down
	BreakerOpen      Kind = "breaker_open"        // known to be down: not asked
)

// Error is one fault. Message is for the client and never holds a secret.
type Error struct {
	Kind    Kind
	Status  int    // HTTP status for the client; 0: the kind's own
	Code    string // stable machine-readable code; empty: the kind
	Message string
	Param   string // the request member at fault
	Hint    string // what to do
	// RetryAfter is when a retry makes sense; 0: not known.
	RetryAfter time.Duration
	// NoRetry tells SDKs not to retry (x-should-retry: false).
	NoRetry bool

	Provider       string // who failed, for attempts
	ProviderStatus int    // its HTTP status, 0 if none
	ProviderCode   string // its own error code or type
	ProviderBody   []byte // its own error body, for a caller of the same dialect
	Cause          error
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Message
	if s == "" {
		s = string(e.Kind)
	}
	if e.Provider != "" {
		s = e.Provider + ": " + s
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns a fault with a formatted message.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// From returns err as a fault; what is not one becomes Internal.
func From(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return &Error{Kind: Internal, Message: "internal error", Cause: err}
}

// Is reports whether err is a fault of kind k.
func Is(err error, k Kind) bool {
	var f *Error
	return errors.As(err, &f) && f.Kind == k
}

// HTTPStatus returns the status the client gets.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	if s, ok := statuses[e.Kind]; ok {
		return s
	}
	return 500
}

// StableCode returns Code, or the kind's own name.
func (e *Error) StableCode() string {
	if e.Code != "" {
		return e.Code
	}
	return string(e.Kind)
}

var statuses = map[Kind]int{
	BadRequest: 400, Unsupported: 400, TooLarge: 413, Unauthorized: 401, Denied: 403,
	PolicyDenied: 403, ModelNotFound: 404, NotFound: 404, Method: 405, RateLimited: 429, Quota: 429,
	Shed: 429, Exhausted: 503, Storage: 503, Draining: 503, Internal: 500, Canceled: 499, Deadline: 504,
	Connect: 503, ConnectTimeout: 504, FirstTokenTime: 504, IdleTimeout: 504, Cut: 503,
	Malformed: 502, Empty: 502, StreamError: 502, Credentials: 502, Billing: 502,
	ModelMissing: 502, ProviderLimit: 429, Overloaded: 503, ProviderError: 503,
	ProviderRejected: 400, ContextLength: 400, ContentFilter: 400, EngineUnready: 503, BreakerOpen: 503,
}

// Blame says who can mend a provider's failure and so what the gateway does.
type Blame uint8

// Blames.
const (
	Caller   Blame = iota // the request itself: goes to the caller, no other deployment is asked
	Provider              // a passing failure: retry or next deployment
	Ours                  // our credentials, billing or model name there: no retry, breaker opens
)

// BlameOf classifies the fault of an attempt.
func BlameOf(k Kind) Blame {
	switch k {
	case Credentials, Billing, ModelMissing:
		return Ours
	case ProviderRejected, ContextLength, ContentFilter, BadRequest, Unsupported, TooLarge, Quota, Canceled, Deadline:
		return Caller
	}
	return Provider
}
