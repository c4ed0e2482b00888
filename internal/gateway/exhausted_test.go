package gateway_test

import (
	"strconv"
	"strings"
	"testing"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// Retry-After names the soonest time at which anybody may answer, and no wait
// that has another cause than this request's failure.
func TestRetryAfterIsTheSoonest(t *testing.T) {
	for _, c := range []struct {
		name      string
		earlier   string // fault of a that opens its breaker, for a minute and up to a fifth more
		a, b      string
		model     string
		low, high int
	}{
		{"one may answer at once", "", "500", "429:100s", "w", 1, 1},
		{"both said when", "", "429:30s", "429:100s", "w", 30, 30},
		{"who was not asked comes back first", "500", "500", "429:100s", "w", 40, 72},
		{"who was not asked comes back last", "500", "500", "429:30s", "w", 30, 30},
		{"a breaker of the same cause", "500", "500", "", "small", 40, 72},
		{"a breaker of another cause", "500", "garbage:html", "", "small", 1, 1},
		{"our key is refused there", "401", "401", "500", "w", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
			s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", ""), a, b)
			cl := client{url: s.URL}
			if c.earlier != "" {
				mocktest.Fail(t, a, c.earlier)
				for range 3 {
					cl.ask(t, "small", "hi", false, "")
				}
			}
			for m, fault := range map[*mock.Server]string{a: c.a, b: c.b} {
				if fault != "" {
					mocktest.Fail(t, m, fault)
				}
			}
			got := cl.ask(t, c.model, "hi", false, "")
			n, err := strconv.Atoi(got.Header.Get("Retry-After"))
			if got.Status != 503 || err != nil || n < c.low || n > c.high {
				t.Errorf("Retry-After %q, want %d to %d: %v", got.Header.Get("Retry-After"), c.low, c.high, got)
			}
		})
	}
}
