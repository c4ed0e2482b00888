package auth

import (
	"fmt"
	"time"
)

// Code is the stable, machine-readable reason of a refusal. Clients and
// dashboards match on it, so its values never change.
type Code string

// The reasons of a refusal. The first four mean "we do not know you" (HTTP
// 401), CodeScopeDenied "we know you, and no" (403), CodeRateLimited "not now"
// (429).
const (
	CodeMissingKey  Code = "missing_key"
	CodeInvalidKey  Code = "invalid_key"
	CodeExpiredKey  Code = "expired_key"
	CodeRevokedKey  Code = "revoked_key"
	CodeScopeDenied Code = "scope_denied"
	CodeRateLimited Code = "rate_limited"
)

// Denied is the one error type of refusals. Message says what happened and what
// to do; it never contains a key.
type Denied struct {
	Code    Code
	Message string
	// RetryAfter is how long to wait before the same request can succeed; 0
	// where waiting does not help.
	RetryAfter time.Duration
	// KeyID names the key, where the key is one of ours; else empty.
	KeyID string
}

// Error returns the message: it is written to be shown to the caller.
func (d *Denied) Error() string { return d.Message }

func deny(code Code, keyID, format string, args ...any) *Denied {
	return &Denied{Code: code, KeyID: keyID, Message: fmt.Sprintf(format, args...)}
}
