package auth

import (
	"math"
	"math/bits"
	"time"
)

// bucket is a token bucket that holds a minute's worth: it fills evenly and may
// be overdrawn. The zero bucket is full. It counts in whole numbers, so that it
// loses nothing and a wait is exact to the nanosecond. Its lock is the owner's.
type bucket struct {
	missing int64  // what was taken and has not flowed back: limit minus level
	earned  uint64 // part of the next one to flow back, in units of 1/minute; less than minute
	at      time.Time
}

// minute is both the nanoseconds in a minute and the parts that one token or
// request is counted in: in a nanosecond, a limit of n a minute earns n parts.
const minute = uint64(time.Minute)

// flow lets in what the time since the last call has earned. A clock that goes
// back earns nothing and takes nothing. Without a limit nothing is ever missing.
func (b *bucket) flow(perMinute int64, now time.Time) {
	elapsed := now.Sub(b.at)
	if elapsed > 0 {
		b.at = now
	}
	if perMinute == 0 || b.missing == 0 {
		b.missing, b.earned = 0, 0
		return
	}
	if elapsed <= 0 {
		return
	}
	hi, lo := bits.Mul64(uint64(elapsed), uint64(perMinute))
	lo, carry := bits.Add64(lo, b.earned, 0)
	hi += carry
	if hi >= minute { // more than can be counted
		b.missing, b.earned = 0, 0
		return
	}
	whole, rest := bits.Div64(hi, lo, minute)
	if whole >= uint64(b.missing) {
		b.missing, b.earned = 0, 0
		return
	}
	b.missing -= int64(whole)
	b.earned = rest
}

// take takes n, or gives back what a negative n says; a bucket never holds more
// than its limit.
func (b *bucket) take(n int64) {
	if b.missing += n; b.missing <= 0 {
		b.missing, b.earned = 0, 0
	}
}

// wait is how long until n can be taken. More than the bucket can ever hold
// counts as a full bucket, else such a request would wait for ever.
func (b *bucket) wait(perMinute, n int64) time.Duration {
	return b.until(b.missing+min(n, perMinute)-perMinute, perMinute)
}

// until is how long n take to flow back, rounded up to a nanosecond.
func (b *bucket) until(n, perMinute int64) time.Duration {
	if n <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(n), minute)
	lo, borrow := bits.Sub64(lo, b.earned, 0)
	hi -= borrow
	if hi >= uint64(perMinute) {
		return math.MaxInt64
	}
	whole, rest := bits.Div64(hi, lo, uint64(perMinute))
	if rest > 0 {
		whole++
	}
	return time.Duration(min(whole, math.MaxInt64))
}

func (b *bucket) window(perMinute int64) Window {
	if perMinute == 0 {
		return Window{}
	}
	return Window{Limit: perMinute, Remaining: max(0, perMinute-b.missing), Reset: b.until(b.missing, perMinute)}
}
