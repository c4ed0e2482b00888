package auth

import (
	"math"
	"time"
)

// bucket is a token bucket that holds a minute's worth: it fills evenly and may
// be overdrawn. The zero bucket is full. Its lock is the owner's.
type bucket struct {
	missing float64 // what was taken and has not flowed back: capacity minus level
	at      time.Time
}

// flow lets in what the time since the last call has earned. A clock that goes
// back earns nothing and takes nothing. Without a limit nothing is ever missing.
func (b *bucket) flow(perMinute int64, now time.Time) {
	if perMinute == 0 {
		b.missing = 0
	}
	if elapsed := now.Sub(b.at); elapsed > 0 {
		b.missing = max(0, b.missing-elapsed.Minutes()*float64(perMinute))
		b.at = now
	}
}

// wait is how long until n can be taken. More than the bucket can ever hold
// counts as a full bucket, else such a request would wait for ever.
func (b *bucket) wait(perMinute int64, n float64) time.Duration {
	return span(b.missing+min(n, float64(perMinute))-float64(perMinute), perMinute)
}

func (b *bucket) window(perMinute int64) Window {
	if perMinute == 0 {
		return Window{}
	}
	left := float64(perMinute) - b.missing
	return Window{
		Limit:     perMinute,
		Remaining: max(0, int64(math.Floor(left+rounding))),
		Reset:     span(b.missing, perMinute),
	}
}

// rounding hides what float arithmetic loses: a limit counts whole requests and
// tokens, so a billionth of one decides nothing.
const rounding = 1e-9

// span is how long n take to flow in, rounded up to a nanosecond.
func span(n float64, perMinute int64) time.Duration {
	if n <= rounding {
		return 0
	}
	return time.Duration(math.Ceil(n / float64(perMinute) * float64(time.Minute)))
}
