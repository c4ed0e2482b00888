package auth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// testClock is a clock that only the test moves.
type testClock struct{ now time.Time }

func newTestClock() *testClock { return &testClock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *testClock) read() time.Time { return c.now }

func limited(l Limits) *Key {
	return &Key{ID: "id", Name: "app", Family: "family", Grant: Grant{Limits: l}}
}

// admit fails the test if the limiter does.
func admit(t testing.TB, m *MemoryLimiter, k *Key, tokens int64) (Lease, Facts, *Denied) {
	t.Helper()
	lease, facts, err := m.Admit(context.Background(), k, tokens)
	denied, ok := errors.AsType[*Denied](err)
	if err != nil && (!ok || denied.Code != CodeRateLimited || denied.RetryAfter <= 0 || lease != nil) {
		t.Fatalf("Admit: lease %v, error %v", lease, err)
	}
	return lease, facts, denied
}

func TestRequestsPerMinute(t *testing.T) {
	clock := newTestClock()
	m, key := NewMemoryLimiter(clock.read), limited(Limits{RequestsPerMinute: 3})
	for i := range int64(3) {
		lease, facts, denied := admit(t, m, key, 0)
		if denied != nil {
			t.Fatalf("request %d: %v", i, denied)
		}
		want := Facts{Requests: Window{Limit: 3, Remaining: 2 - i, Reset: time.Duration(i+1) * 20 * time.Second}}
		if diff := cmp.Diff(want, facts); diff != "" {
			t.Errorf("request %d:\n%s", i, diff)
		}
		lease.Done(0)
	}
	_, facts, denied := admit(t, m, key, 0)
	if denied == nil || denied.RetryAfter != 20*time.Second || facts.Requests.Remaining != 0 {
		t.Fatalf("request 4: %v, %+v", denied, facts)
	}
	if !strings.Contains(denied.Message, "3 requests a minute") || denied.KeyID != "id" {
		t.Errorf("message: %s", denied.Message)
	}
	clock.now = clock.now.Add(20*time.Second - 1)
	if _, _, denied := admit(t, m, key, 0); denied == nil || denied.RetryAfter != 1 {
		t.Errorf("a nanosecond too early: %v", denied)
	}
	clock.now = clock.now.Add(1)
	if _, _, denied := admit(t, m, key, 0); denied != nil {
		t.Errorf("after the wait: %v", denied)
	}
	// Another key of the same family shares the limit, another family does not.
	rotated := *key
	rotated.ID = "successor"
	if _, _, denied := admit(t, m, &rotated, 0); denied == nil || denied.KeyID != "successor" {
		t.Errorf("the rotated key has a limit of its own: %v", denied)
	}
	other := *key
	other.Family = "other"
	if _, _, denied := admit(t, m, &other, 0); denied != nil {
		t.Errorf("another key: %v", denied)
	}
}

func TestTokensPerMinute(t *testing.T) {
	clock := newTestClock()
	m, key := NewMemoryLimiter(clock.read), limited(Limits{TokensPerMinute: 600})
	lease, facts, _ := admit(t, m, key, 100)
	if diff := cmp.Diff(Facts{Tokens: Window{Limit: 600, Remaining: 500, Reset: 10 * time.Second}}, facts); diff != "" {
		t.Error(diff)
	}
	// It used more than estimated, and more than there was: debt.
	lease.Done(900)
	lease.Done(900) // counts once
	_, facts, denied := admit(t, m, key, 0)
	// 300 over: 30 s to pay, and a tenth of a second for the first token.
	if denied == nil || denied.RetryAfter != 30*time.Second+100*time.Millisecond || facts.Tokens.Remaining != 0 || facts.Tokens.Reset != 90*time.Second {
		t.Errorf("in debt: %v, %+v", denied, facts)
	}
	clock.now = clock.now.Add(denied.RetryAfter)
	lease, _, denied = admit(t, m, key, 0)
	if denied != nil {
		t.Fatalf("debt paid: %v", denied)
	}
	lease.Done(-5) // a provider's nonsense gives nothing back
	// What was estimated and not used flows back at once.
	clock.now = clock.now.Add(30 * time.Second)
	lease, facts, _ = admit(t, m, key, 200)
	if facts.Tokens.Remaining != 101 {
		t.Errorf("estimate taken: %+v", facts)
	}
	lease.Done(20)
	if lease, facts, _ = admit(t, m, key, 0); facts.Tokens.Remaining != 281 {
		t.Errorf("settled: %+v", facts)
	}
	lease.Done(281)
	// More than the bucket holds waits for a full bucket, not for ever.
	_, _, denied = admit(t, m, key, 1e9)
	if denied == nil || denied.RetryAfter != time.Minute {
		t.Fatalf("huge request: %v", denied)
	}
	clock.now = clock.now.Add(time.Minute)
	if _, _, denied = admit(t, m, key, 1e9); denied != nil {
		t.Errorf("huge request on a full bucket: %v", denied)
	}
}

func TestConcurrent(t *testing.T) {
	clock := newTestClock()
	m, key := NewMemoryLimiter(clock.read), limited(Limits{Concurrent: 2, RequestsPerMinute: 100})
	a, _, _ := admit(t, m, key, 0)
	_, _, _ = admit(t, m, key, 0)
	_, facts, denied := admit(t, m, key, 0)
	if denied == nil || denied.RetryAfter != time.Second || facts.Requests.Remaining != 98 {
		t.Errorf("third at a time: %v, %+v; a refused request takes nothing", denied, facts)
	}
	a.Done(0)
	a.Done(0)
	if _, _, denied := admit(t, m, key, 0); denied != nil {
		t.Errorf("after one ended: %v", denied)
	}
	if _, _, denied := admit(t, m, key, 0); denied == nil {
		t.Error("ending twice freed two places")
	}
}

// TestRetryAfterIsExact: whatever happened, at RetryAfter the same request is
// admitted, a nanosecond before it is not, and never more than burst and rate
// allow gets in.
func TestRetryAfterIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{
			RequestsPerMinute: rapid.Int64Range(0, 1000).Draw(t, "rpm"),
			TokensPerMinute:   rapid.Int64Range(1, 1_000_000).Draw(t, "tpm"),
		}
		clock := newTestClock()
		start := clock.now
		m, key := NewMemoryLimiter(clock.read), limited(limits)
		admitted, used := 0, int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			clock.now = clock.now.Add(time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "pause")))
			estimate := rapid.Int64Range(0, 2000).Draw(t, "estimate")
			lease, facts, err := m.Admit(context.Background(), key, estimate)
			if denied, ok := errors.AsType[*Denied](err); ok {
				clock.now = clock.now.Add(denied.RetryAfter - 1)
				if _, _, err := m.Admit(context.Background(), key, estimate); err == nil {
					t.Fatalf("admitted before RetryAfter %v", denied.RetryAfter)
				}
				clock.now = clock.now.Add(1)
				lease, facts, err = m.Admit(context.Background(), key, estimate)
			}
			if err != nil {
				t.Fatalf("at RetryAfter: %v", err)
			}
			if facts.Tokens.Remaining < 0 || facts.Tokens.Remaining > facts.Tokens.Limit || facts.Tokens.Reset < 0 {
				t.Fatalf("facts %+v", facts)
			}
			admitted++
			real := rapid.Int64Range(0, estimate).Draw(t, "real")
			used += real
			lease.Done(real)
		}
		minutes := clock.now.Sub(start).Minutes() + 1 // and one full bucket
		if limit := limits.RequestsPerMinute; limit > 0 && float64(admitted) > minutes*float64(limit)+1e-6 {
			t.Fatalf("%d requests in %v minutes of %d", admitted, minutes, limit)
		}
		if used > int64(math.Ceil(minutes*float64(limits.TokensPerMinute)))+2000 {
			t.Fatalf("%d tokens in %v minutes of %d", used, minutes, limits.TokensPerMinute)
		}
	})
}

// TestLimiterMemory: entries at rest go, busy ones stay.
func TestLimiterMemory(t *testing.T) {
	clock := newTestClock()
	m := NewMemoryLimiter(clock.read)
	for i := range 100_000 {
		key := limited(Limits{RequestsPerMinute: 60, TokensPerMinute: 60})
		key.Family = fmt.Sprint(i)
		lease, _, denied := admit(t, m, key, 1)
		if denied != nil {
			t.Fatal(denied)
		}
		if i != 0 {
			lease.Done(1)
		}
		clock.now = clock.now.Add(10 * time.Millisecond) // at rest again after a second
	}
	if n := len(m.entries); n > 2*minSweep {
		t.Errorf("%d entries for about a hundred keys in use", n)
	}
	if e := m.entries["0"]; e == nil || e.running != 1 {
		t.Error("the entry of a running request was swept")
	}
}

func TestLimitsChange(t *testing.T) {
	clock := newTestClock()
	m := NewMemoryLimiter(clock.read)
	_, _, _ = admit(t, m, limited(Limits{RequestsPerMinute: 100}), 0)
	if _, facts, denied := admit(t, m, limited(Limits{RequestsPerMinute: 2}), 0); denied != nil || facts.Requests.Remaining != 0 {
		t.Errorf("lowered: %v, %+v", denied, facts)
	}
	if _, facts, denied := admit(t, m, limited(Limits{RequestsPerMinute: 10}), 0); denied != nil || facts.Requests.Remaining != 7 {
		t.Errorf("raised: %v, %+v", denied, facts)
	}
	lease, facts, denied := admit(t, m, limited(Limits{}), 0)
	if denied != nil || facts != (Facts{}) {
		t.Errorf("removed: %v, %+v", denied, facts)
	}
	lease.Done(5)
}

func TestClockGoesBack(t *testing.T) {
	clock := newTestClock()
	m, key := NewMemoryLimiter(clock.read), limited(Limits{RequestsPerMinute: 1})
	_, _, _ = admit(t, m, key, 0)
	clock.now = clock.now.Add(-time.Hour)
	if _, _, denied := admit(t, m, key, 0); denied == nil || denied.RetryAfter != time.Minute {
		t.Errorf("an hour back: %v; want a wait of one minute, not of an hour", denied)
	}
}

func TestFactsHeaders(t *testing.T) {
	h := http.Header{}
	Facts{Requests: Window{Limit: 60, Remaining: 59, Reset: time.Second}, Tokens: Window{Limit: 1000, Reset: 6*time.Minute + 1}}.SetHeaders(h)
	want := http.Header{}
	for name, value := range map[string]string{
		"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
		"x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0.001s",
	} {
		want.Set(name, value)
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	h = http.Header{}
	if (Facts{}).SetHeaders(h); len(h) != 0 {
		t.Errorf("headers of no limits: %v", h)
	}
}

func BenchmarkAdmit(b *testing.B) {
	m, key := NewMemoryLimiter(time.Now), limited(Limits{RequestsPerMinute: 1 << 40, TokensPerMinute: 1 << 40, Concurrent: 10})
	b.ReportAllocs()
	for b.Loop() {
		lease, _, err := m.Admit(b.Context(), key, 100)
		if err != nil {
			b.Fatal(err)
		}
		lease.Done(90)
	}
}
