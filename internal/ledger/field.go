package ledger

import (
	"encoding/binary"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// encoder appends fields to b.
type encoder struct{ b []byte }

func (e *encoder) int(field byte, v int64) {
	if v != 0 {
		e.b = binary.AppendVarint(append(e.b, field), v)
	}
}

func (e *encoder) bool(field byte, v bool) {
	if v {
		e.int(field, 1)
	}
}

func (e *encoder) time(field byte, t time.Time) {
	if !t.IsZero() {
		e.int(field, t.UnixMicro())
	}
}

func (e *encoder) duration(field byte, d time.Duration) { e.int(field, d.Microseconds()) }

func (e *encoder) text(field byte, s string) {
	if s != "" {
		e.always(field, s)
	}
}

func (e *encoder) texts(field byte, list []string) {
	for _, s := range list {
		e.always(field, s)
	}
}

func (e *encoder) always(field byte, s string) {
	if n := len(s); n < 0x80 && cap(e.b)-len(e.b) >= n+2 {
		// The usual case: one length byte, and there is room.
		b := e.b[len(e.b):][:n+2]
		b[0], b[1] = field|fBytes, byte(n)
		copy(b[2:], s)
		e.b = e.b[:len(e.b)+n+2]
		return
	}
	s = cut(s)
	e.b = binary.AppendUvarint(append(e.b, field|fBytes), uint64(len(s)))
	e.b = append(e.b, s...)
}

// cut returns at most MaxText bytes of s, not splitting a character.
func cut(s string) string {
	if len(s) <= MaxText {
		return s
	}
	n := MaxText
	for n > MaxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (e *encoder) tokens(t *Tokens) {
	e.int(fTokensIn, t.In)
	e.int(fTokensOut, t.Out)
	e.int(fTokensCached, t.Cached)
	e.int(fTokensCacheWrite, t.CacheWrite)
	e.int(fTokensReasoning, t.Reasoning)
	e.bool(fTokensEstimated, t.Estimated)
}

func (e *encoder) money(d decimal.NullDecimal) {
	if d.Valid {
		var room [32]byte
		text := appendMoney(room[:0], d.Decimal)
		e.b = binary.AppendUvarint(append(e.b, fCost|fBytes), uint64(len(text)))
		e.b = append(e.b, text...)
	}
}

// nestedLen is how many bytes the length of a nested value takes, padded so
// that it can be filled in afterwards. It suffices for 256 MiB.
const nestedLen = 4

// open begins a nested value; the result is for close.
func (e *encoder) open(field byte) int {
	e.b = append(e.b, field|fBytes, 0, 0, 0, 0)
	return len(e.b)
}

func (e *encoder) close(at int) {
	n := len(e.b) - at
	for i := range nestedLen {
		e.b[at-nestedLen+i] = byte(n>>(7*i))&0x7f | 0x80
	}
	e.b[at-1] &= 0x7f
}

// decoder reads the fields of s one by one.
type decoder struct {
	s     string
	field byte
	int   int64 // of a field of numbers
	from  int   // where the bytes of a field begin in s
	end   int   // where the field ends
	err   error
}

var errTruncated = errors.New("the encoding is truncated")

// next reads the next field and reports whether there was one.
func (d *decoder) next() bool {
	if d.err != nil || d.end == len(d.s) {
		return false
	}
	d.field = d.s[d.end]
	u, n := uvarint(d.s[d.end+1:])
	d.from = d.end + 1 + n
	if n == 0 {
		d.err = errTruncated
		return false
	}
	if d.field&fBytes == 0 {
		d.int = int64(u>>1) ^ -int64(u&1)
		d.end = d.from
		return true
	}
	if u > uint64(len(d.s)-d.from) {
		d.err = errTruncated
		return false
	}
	d.end = d.from + int(u)
	return true
}

// text returns the bytes of a field of bytes.
func (d *decoder) text() string { return d.s[d.from:d.end] }

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) time() time.Time         { return time.UnixMicro(d.int).UTC() }
func (d *decoder) duration() time.Duration { return time.Duration(d.int) * time.Microsecond }

// uvarint is [binary.Uvarint] for strings; n is 0 where s holds no whole number
// of 64 bits.
func uvarint(s string) (u uint64, n int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), 1
	}
	for i := range min(len(s), binary.MaxVarintLen64) {
		u |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return u, i + 1
		}
	}
	return 0, 0
}
