package cli

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"freehold/internal/admin"
)

// TestBenchRefused: what is refused is no throughput, and who is told to wait
// waits, but not for ever.
func TestBenchRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for header, want := range map[string]time.Duration{"2": 2 * time.Second, "0.5": 500 * time.Millisecond, "3600": maxPause, "": 0, "-3": 0, "soon": 0, "NaN": 0} {
			start := time.Now()
			pause(t.Context(), retryAfter(&reply{Header: http.Header{"Retry-After": {header}}}))
			if d := time.Since(start); d != want {
				t.Errorf("Retry-After %q: waited %v, want %v", header, d, want)
			}
		}
		ended, end := context.WithCancel(t.Context())
		end()
		start := time.Now()
		pause(ended, time.Hour)
		if d := retryAfter(nil); time.Since(start) > 0 || d != 0 {
			t.Errorf("waited %v, and %v without an answer", time.Since(start), d)
		}
	})
	x := &part{Errors: map[string]int64{}, first: histogram(), gap: histogram(), total: histogram()}
	x.add(&reply{}, &admin.Error{Status: 429, Code: "overloaded"}, true)
	x.add(&reply{Total: time.Millisecond}, nil, true)
	if x.Requests != 2 || x.Answered != 1 || x.Errors["overloaded"] != 1 {
		t.Errorf("%+v", x)
	}
}
