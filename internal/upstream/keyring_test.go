package upstream_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/upstream"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestKeyRing(t *testing.T) {
	r := upstream.NewKeyRing("sk-a", "sk-b", "sk-c")
	pick := func(at time.Duration, want string) upstream.Key {
		t.Helper()
		k, soonest, ok := r.Pick(t0.Add(at))
		got := k.String()
		if !ok {
			got = "wait " + soonest.Sub(t0).String()
		}
		if got != want {
			t.Fatalf("at %v: %s, want %s", at, got, want)
		}
		return k
	}
	a := pick(0, "key 1")
	pick(0, "key 1") // stays
	r.Cool(a, t0.Add(30*time.Second))
	r.Cool(a, t0.Add(10*time.Second)) // shortens nothing
	b := pick(0, "key 2")
	pick(31*time.Second, "key 2") // stays although the first is ready again
	r.Cool(b, t0.Add(20*time.Second))
	c := pick(0, "key 3")
	r.Cool(c, t0.Add(25*time.Second))
	pick(0, "wait 20s")
	pick(20*time.Second-1, "wait 20s")
	pick(20*time.Second, "key 2")
	r.Cool(b, t0.Add(time.Minute))
	pick(26*time.Second, "key 3")

	if k, _, ok := upstream.NewKeyRing().Pick(t0); !ok || k != (upstream.Key{}) {
		t.Error("a provider without keys has no key to wait for")
	}
}

func TestRefusedKeys(t *testing.T) {
	r := upstream.NewKeyRing("sk-a", "sk-b", "sk-c")
	k := r.Keys()
	pick := func(d time.Duration, want string) {
		t.Helper()
		got, soonest, ok := r.Pick(t0.Add(d))
		if name := r.Place(got); ok && name != want || !ok && "wait "+soonest.Sub(t0).String() != want {
			t.Fatalf("at %v: %s, wait %v, want %s", d, name, soonest.Sub(t0), want)
		}
	}
	refuse := func(i int, d time.Duration, wantNews bool, wantLeft int) {
		t.Helper()
		if news, left := r.Refuse(k[i], t0.Add(d), t0.Add(d+time.Hour)); news != wantNews || left != wantLeft {
			t.Fatalf("key %d at %v: news %v, %d left", i+1, d, news, left)
		}
	}
	refuse(0, 0, true, 2)
	pick(0, "key 2 of 3")
	r.Cool(k[1], t0.Add(time.Minute))
	r.Cool(k[2], t0.Add(2*time.Minute))
	pick(0, "wait 1m0s") // rather than the refused one
	pick(time.Minute, "key 2 of 3")
	refuse(1, 2*time.Minute, true, 1)
	refuse(2, 3*time.Minute, true, 0)
	pick(3*time.Minute, "key 1 of 3") // all are refused: in turn
	refuse(0, 4*time.Minute, false, 0)
	pick(4*time.Minute, "key 2 of 3")
	pick(time.Hour+2*time.Minute, "key 2 of 3") // usable again, the others are not
	if n := r.Usable(t0.Add(2 * time.Hour)); n != 3 {
		t.Errorf("%d keys are usable after all", n)
	}
	// Those whose time is over come into use like the others.
	r.Cool(k[1], t0.Add(3*time.Hour))
	r.Cool(k[2], t0.Add(3*time.Hour))
	pick(2*time.Hour, "key 1 of 3")
}

// A refused key that is accepted again is one of the ring at once; answers that
// were under way when it was refused do not count.
func TestAcceptedKey(t *testing.T) {
	r := upstream.NewKeyRing("sk-a", "sk-b")
	k := r.Keys()
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	accept := func(key upstream.Key, asked, now, wantUsable int, want bool) {
		t.Helper()
		if back := r.Accept(key, at(asked), at(now)); back != want || r.Usable(at(now)) != wantUsable {
			t.Errorf("back %v, %d usable", back, r.Usable(at(now)))
		}
	}
	r.Refuse(k[0], at(10), at(610))
	r.Refuse(k[1], at(11), at(611))
	accept(k[0], 9, 20, 0, false)
	accept(k[0], 12, 20, 1, true)
	accept(k[0], 13, 21, 1, false)
	if got, _, ok := r.Pick(at(22)); !ok || got.String() != "key 1" {
		t.Errorf("picked %v", got)
	}
	accept(k[1], 12, 700, 2, false) // its time was over
	r.Refuse(k[1], at(701), at(1301))
	if n := r.Usable(at(702)); n != 1 {
		t.Errorf("%d keys are usable", n)
	}
	accept(upstream.NewKeyRing("a", "b", "c").Keys()[2], 0, 702, 1, false) // of another ring
}

func TestKeyIsNeverPrinted(t *testing.T) {
	k := upstream.NewKey("sk-very-secret")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k, "keys", []upstream.Key{k})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "in", struct{ K upstream.Key }{k})
	fmt.Fprintf(&log, "%v %+v %#v %s %q %x", k, k, k, k, k, k)
	fmt.Fprintf(&log, "%v %+v %#v", upstream.Call{Key: k}, upstream.Call{Key: k}, upstream.Call{Key: k})
	fmt.Fprintf(&log, "%v %+v %#v", upstream.NewKeyRing("sk-very-secret"), struct{ k upstream.Key }{k}, struct{ k upstream.Key }{k})
	if strings.Contains(log.String(), "very-secret") || strings.Contains(log.String(), fmt.Sprintf("%x", "secret")) {
		t.Errorf("the key is shown: %s", log.String())
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		ms, s string
		want  time.Duration
		ok    bool
	}{
		{"", "", 0, false},
		{"", "3", 3 * time.Second, true},
		{"", "0.5", 500 * time.Millisecond, true},
		{"1500", "9", 1500 * time.Millisecond, true},
		{"x", "9", 9 * time.Second, true},
		{"", "-5", 0, true},
		{"", "1e300", time.Hour, true},
		{"", "NaN", 0, false},
		{"", "soon", 0, false},
		{"", "Thu, 01 Jan 2026 00:01:00 GMT", time.Minute, true},
		{"", "Wed, 31 Dec 2025 00:01:00 GMT", 0, true},
		{"", "Fri, 01 Jan 2027 00:01:00 GMT", time.Hour, true},
	} {
		h := http.Header{}
		if tc.ms != "" {
			h.Set("retry-after-ms", tc.ms)
		}
		if tc.s != "" {
			h.Set("retry-after", tc.s)
		}
		if d, ok := upstream.RetryAfter(h, t0); d != tc.want || ok != tc.ok {
			t.Errorf("ms %q s %q: %v %v", tc.ms, tc.s, d, ok)
		}
	}
}

func TestHeaderPolicy(t *testing.T) {
	client := http.Header{
		"Authorization": {"Bearer c"}, "Cookie": {"a"}, "X-Api-Key": {"c"}, "Connection": {"close"}, "X-Other": {"1"},
		"Anthropic-Beta": {"a", "b"}, "Anthropic-Version": {"2023-06-01"}, "Openai-Beta": {"x"}, "Idempotency-Key": {"k"},
	}
	out := http.Header{"Content-Type": {"application/json"}}
	upstream.CopyRequestHeader(out, client)
	if d := cmp.Diff(http.Header{
		"Content-Type": {"application/json"}, "Anthropic-Beta": {"a", "b"}, "Anthropic-Version": {"2023-06-01"},
		"Openai-Beta": {"x"}, "Idempotency-Key": {"k"},
	}, out); d != "" {
		t.Error(d)
	}
	provider := http.Header{
		"Set-Cookie": {"a"}, "Www-Authenticate": {"Bearer"}, "Transfer-Encoding": {"chunked"}, "Server": {"x"},
		"Retry-After": {"1"}, "Retry-After-Ms": {"900"}, "X-Ratelimit-Limit-Requests": {"60"},
		"Anthropic-Ratelimit-Tokens-Reset": {"t"}, "X-Request-Id": {"theirs"}, "Request-Id": {"theirs"},
	}
	back := http.Header{"X-Request-Id": {"ours"}}
	upstream.CopyResponseHeader(back, provider)
	if d := cmp.Diff(http.Header{
		"X-Request-Id": {"ours"}, "Request-Id": {"theirs"}, "Retry-After": {"1"}, "Retry-After-Ms": {"900"},
		"X-Ratelimit-Limit-Requests": {"60"}, "Anthropic-Ratelimit-Tokens-Reset": {"t"},
	}, back); d != "" {
		t.Error(d)
	}
}
