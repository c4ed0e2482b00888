package auth

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Limiter holds keys to their [Limits]. Implementations count by
// [Key.Family], are safe for concurrent use, and keep memory for known keys
// only.
type Limiter interface {
	// Admit lets one request in, or returns a [*Denied] with
	// [CodeRateLimited] and RetryAfter, having taken nothing. tokens is the
	// estimate of what the request will use, 0 if unknown; it is taken at once
	// and corrected by [Lease.Done]. An admitted request must be given back by
	// exactly one call of Done. Any other error means that the limiter itself
	// failed. The facts are right in both cases.
	Admit(ctx context.Context, key *Key, tokens int64) (Lease, Facts, error)
}

// Lease is an admitted request.
type Lease interface {
	// Done ends the request and settles what it really used, which may be more
	// than was left: then the key waits until the debt is paid. Only the first
	// call counts.
	Done(tokens int64)
}

// Facts are what a client may know of its limits, after this request.
type Facts struct {
	Requests Window
	Tokens   Window
}

// Window is the state of one limit a minute.
type Window struct {
	Limit     int64         // a minute; 0: no limit, and the rest means nothing
	Remaining int64         // never below 0
	Reset     time.Duration // until Remaining equals Limit again if nothing more is used
}

// SetHeaders writes the x-ratelimit-* headers of the limits that there are, in
// OpenAI's form (limit, remaining, and reset as a duration such as 1s or
// 6m0s; https://platform.openai.com/docs/guides/rate-limits).
func (f Facts) SetHeaders(h http.Header) {
	f.Requests.setHeaders(h, "Requests")
	f.Tokens.setHeaders(h, "Tokens")
}

func (w Window) setHeaders(h http.Header, what string) {
	if w.Limit == 0 {
		return
	}
	h["X-Ratelimit-Limit-"+what] = []string{strconv.FormatInt(w.Limit, 10)}
	h["X-Ratelimit-Remaining-"+what] = []string{strconv.FormatInt(w.Remaining, 10)}
	h["X-Ratelimit-Reset-"+what] = []string{roundUp(w.Reset, time.Millisecond).String()}
}

func roundUp(d, unit time.Duration) time.Duration {
	if rest := d % unit; rest > 0 && d < math.MaxInt64-unit {
		return d - rest + unit
	}
	return d
}
