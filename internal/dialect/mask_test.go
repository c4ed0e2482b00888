package dialect_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"freehold/internal/dialect"
)

func TestMessage(t *testing.T) {
	for in, want := range map[string]string{
		"Incorrect API key provided: sk-proj-abcd**********wxyz. See the docs.": "Incorrect API key provided: *** See",
		"token gsk_1234567890abcdef is bad":                                     "token gsk*** is bad",
		"Authorization: Bearer abcdefghijklmnop1234":                            "Authorization: Bearer ***",
		"task-specific words, risk-averse, disk_usage":                          "task-specific words, risk-averse, disk_usage",
		"a\nb\x00c": "a b c",
	} {
		if got := dialect.Message(in); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := dialect.Message(strings.Repeat("é", 5000))
	if len(long) > 2010 || !utf8.ValidString(long) {
		t.Errorf("%d bytes", len(long))
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		ms, after, date string
		want            time.Duration
	}{
		{"1500", "9", "", 1500 * time.Millisecond},
		{"", "9", "", 9 * time.Second},
		{"", "0.5", "", 500 * time.Millisecond},
		{"", "-1", "", 0},
		{"", "nonsense", "", 0},
		{"", "NaN", "", 0},
		{"", "1e300", "", 24 * time.Hour},
		{"", "Wed, 21 Oct 2026 07:28:10 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 10 * time.Second},
		{"", "Wed, 21 Oct 2026 07:28:10 GMT", "Wed, 21 Oct 2026 07:29:00 GMT", 0},
		{"", "", "", 0},
	} {
		h := http.Header{}
		h.Set("Retry-After-Ms", c.ms)
		h.Set("Retry-After", c.after)
		h.Set("Date", c.date)
		if got := dialect.RetryAfter(h); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
