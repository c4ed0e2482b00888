package jsondoor

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// special marks, by its highest bit, every byte of x that a string cannot hold
// as it is: quote, backslash, control characters. A false mark can only stand
// above a true one, so the lowest is right.
//
// Quote differs from space in one bit: with that bit turned, both it and the
// control characters are what is below 0x21, and nothing else is.
func special(x uint64) uint64 {
	return (((x ^ ones*0x02) - ones*0x21) | ((x ^ ones*'\\') - ones)) &^ x & high
}

// plain returns the offset of the first special byte at or after i, len(b) for
// none. To wide it adds the bits of the bytes before that: a highest bit among
// them says that some are not ASCII.
func plain[T string | []byte](b T, i int, wide uint64) (int, uint64) {
	// Two words at a time: text has an escape every few dozen bytes.
	for i+16 <= len(b) {
		x0, x1 := load(b, i), load(b, i+8)
		s0, s1 := special(x0), special(x1)
		if s0|s1 != 0 {
			if s0 != 0 {
				return before(i, s0, x0, wide)
			}
			return before(i+8, s1, x1, wide|x0)
		}
		wide |= x0 | x1
		i += 16
	}
	for i+8 <= len(b) {
		x := load(b, i)
		if stop := special(x); stop != 0 {
			return before(i, stop, x, wide)
		}
		wide |= x
		i += 8
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
		wide |= uint64(b[i])
		i++
	}
	return i, wide
}

// before ends plain in the word x at i whose special bytes stop marks.
func before(i int, stop, x, wide uint64) (int, uint64) {
	n := bits.TrailingZeros64(stop) &^ 7
	return i + n>>3, wide | x&(1<<n-1)
}

// load returns the eight bytes at i, the first one lowest: one load where the
// machine allows it.
func load[T string | []byte](b T, i int) uint64 {
	_ = b[i+7]
	return uint64(b[i]) | uint64(b[i+1])<<8 | uint64(b[i+2])<<16 | uint64(b[i+3])<<24 |
		uint64(b[i+4])<<32 | uint64(b[i+5])<<40 | uint64(b[i+6])<<48 | uint64(b[i+7])<<56
}

// simple are the characters that may follow a backslash but for u.
var simple = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// scanText reads the string at i of b and returns the offset after its closing
// quote. The flag escaped says that it has escapes.
func scanText(b []byte, i int, lax bool) (int, uint8, *Error) {
	start := i + 1
	i = start
	var flags uint8
	var wide uint64
	for {
		i, wide = plain(b, i, wide)
		if i >= len(b) {
			if wide&high != 0 && !validPrefix(b[start:]) {
				return 0, 0, &Error{Reason: Encoding, Offset: start + firstInvalid(b[start:])}
			}
			return 0, 0, bad(b, i)
		}
		switch b[i] {
		case '"':
			if wide&high != 0 && !utf8.Valid(b[start:i]) {
				return 0, 0, &Error{Reason: Encoding, Offset: start + firstInvalid(b[start:i])}
			}
			return i + 1, flags, nil
		case '\\':
			flags |= escaped
			if i+1 < len(b) && simple[b[i+1]] {
				i += 2
				continue
			}
			var err *Error
			if i, err = scanEscape(b, i, lax); err != nil {
				return 0, 0, err
			}
		default:
			return 0, 0, bad(b, i)
		}
	}
}

// validPrefix reports whether b is valid UTF-8 but for a character cut at its end.
func validPrefix(b []byte) bool {
	n := firstInvalid(b)
	return n == len(b) || !utf8.FullRune(b[n:])
}

// firstInvalid returns the offset of the first byte that is not UTF-8.
func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// scanEscape reads the escape at i and returns the offset after it.
func scanEscape(b []byte, i int, lax bool) (int, *Error) {
	if i+1 >= len(b) {
		return 0, bad(b, i+1)
	}
	if b[i+1] != 'u' {
		if simple[b[i+1]] {
			return i + 2, nil
		}
		return 0, bad(b, i+1)
	}
	r, err := scanHex(b, i+2)
	if err != nil {
		return 0, err
	}
	if !utf16.IsSurrogate(r) {
		return i + 6, nil
	}
	if i+7 < len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
		low, err := scanHex(b, i+8)
		if err != nil {
			return 0, err
		}
		if utf16.DecodeRune(r, low) != utf8.RuneError {
			return i + 12, nil
		}
	}
	if lax {
		return i + 6, nil
	}
	return 0, &Error{Reason: Surrogate, Offset: i}
}

func scanHex(b []byte, i int) (rune, *Error) {
	var r rune
	for j := i; j < i+4; j++ {
		if j >= len(b) {
			return 0, bad(b, j)
		}
		h := hexDigit(b[j])
		if h < 0 {
			return 0, bad(b, j)
		}
		r = r<<4 | h
	}
	return r, nil
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// AppendEnds appends a string's text to dst; of one that takes more than 2*n
// bytes in the body only its beginning and its end, about n bytes each, with a
// line break between.
func (v Value) AppendEnds(dst []byte, n int) []byte {
	raw := v.Raw()
	if v.Kind() != String || len(raw)-2 <= 2*n {
		return v.AppendText(slices.Grow(dst, v.Size()))
	}
	raw = raw[1 : len(raw)-1]
	head, tail := cutBefore(raw, n), cutBefore(raw, len(raw)-n)
	if head < 0 || tail < head {
		return appendUnescaped(dst, raw)
	}
	dst = append(appendUnescaped(dst, raw[:head]), '\n')
	return appendUnescaped(dst, raw[tail:])
}

// longestEscape is that of a pair of surrogates.
const longestEscape = 12

// cutBefore is a place at or shortly before i where no character and no escape
// is cut; -1 if there is none near.
func cutBefore(raw []byte, i int) int {
	const near = 1024
	for low := max(i-near, longestEscape); i >= low; i-- {
		if utf8.RuneStart(raw[i]) && bytes.IndexByte(raw[i-longestEscape:i], '\\') < 0 {
			return i
		}
	}
	return -1
}
