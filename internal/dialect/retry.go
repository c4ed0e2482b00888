package dialect

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter reads when a provider wants to be asked again: retry-after-ms in
// milliseconds, else Retry-After in seconds (fractions allowed, as SDKs do) or
// as an HTTP date, counted from the answer's own Date. 0: it did not say, or
// the time has come.
func RetryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil {
		return positive(ms, time.Millisecond)
	}
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return positive(s, time.Second)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(at.Sub(now), 0)
}

// positive returns n units, at most a day: what a provider asks for beyond
// that is a mistake or an outage.
func positive(n float64, unit time.Duration) time.Duration {
	if !(n > 0) {
		return 0
	}
	const day = 24 * time.Hour
	if n > float64(day/unit) {
		return day
	}
	return time.Duration(n * float64(unit))
}
