package upstream

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// hopByHop are the headers of one connection (RFC 9110 7.6.1) and those that
// frame a message: they never pass a gateway.
var hopByHop = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Host": true, "Expect": true,
}

// secret are the headers that carry credentials: a client's stay here, and a
// provider's key is set from Call.Key alone.
var secret = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Proxy-Authenticate": true, "Www-Authenticate": true,
	"Cookie": true, "Set-Cookie": true, "X-Api-Key": true, "Api-Key": true, "X-Goog-Api-Key": true,
}

// sendable reports whether a call may carry the header.
func sendable(name string) bool {
	name = canonical(name)
	return !hopByHop[name] && !secret[name]
}

// checkHeader copies a target's own headers. Credentials are the operator's
// business here; framing is not.
func checkHeader(h http.Header) (http.Header, error) {
	out := http.Header{"User-Agent": {"freehold"}, "Accept-Encoding": {"identity"}}
	for name, values := range h {
		name = canonical(name)
		if hopByHop[name] {
			return nil, fmt.Errorf("header %s belongs to the connection and cannot be set", name)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return nil, fmt.Errorf("header %s has a control character in its value", name)
			}
		}
		out[name] = values
	}
	return out, nil
}

// passedOn are the headers of a client that a provider of the same dialect may
// see.
var passedOn = [...]string{"Anthropic-Beta", "Anthropic-Version", "Openai-Beta", "Idempotency-Key"}

// HasRequestHeader reports whether CopyRequestHeader would add anything.
func HasRequestHeader(client http.Header) bool {
	for _, name := range passedOn {
		if len(client[name]) > 0 {
			return true
		}
	}
	return false
}

// CopyRequestHeader adds to dst what a client of the same dialect may tell the
// provider: anthropic-beta, anthropic-version, openai-beta, idempotency-key.
func CopyRequestHeader(dst, client http.Header) {
	for _, name := range passedOn {
		if v := client[name]; len(v) > 0 {
			dst[name] = v
		}
	}
}

// requestIDs are the names under which providers give their request id.
var requestIDs = map[string]bool{
	"X-Request-Id": true, "Request-Id": true, "Apim-Request-Id": true, "X-Ms-Request-Id": true, "Cf-Ray": true,
	"X-Groq-Request-Id": true,
}

// CopyResponseHeader adds to dst what a client of the same dialect may see of
// the provider's answer: retry-after*, x-ratelimit-*, anthropic-ratelimit-*,
// and the provider's request ids. What dst has already (our own request id)
// stays.
func CopyResponseHeader(dst, provider http.Header) {
	for name, v := range provider {
		if !requestIDs[name] && !strings.HasPrefix(name, "Retry-After") &&
			!strings.HasPrefix(name, "X-Ratelimit-") && !strings.HasPrefix(name, "Anthropic-Ratelimit-") {
			continue
		}
		if _, ours := dst[name]; !ours {
			dst[name] = v
		}
	}
}

// MaxRetryAfter is the longest wait that a provider can impose on us.
const MaxRetryAfter = time.Hour

// RetryAfter reads how long a provider asks to wait: retry-after-ms, else
// Retry-After in seconds or as a date, the order in which the official SDKs
// look. Negative is 0, more than MaxRetryAfter is MaxRetryAfter.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	bound := func(f float64) time.Duration {
		return time.Duration(max(0, min(f, float64(MaxRetryAfter))))
	}
	if v := h.Get("Retry-After-Ms"); v != "" {
		if ms, err := strconv.ParseFloat(v, 64); err == nil && ms == ms {
			return bound(ms * float64(time.Millisecond)), true
		}
	}
	v := h.Get("Retry-After")
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s == s {
		return bound(s * float64(time.Second)), true
	}
	if t, err := http.ParseTime(v); err == nil {
		return bound(float64(t.Sub(now))), true
	}
	return 0, false
}
