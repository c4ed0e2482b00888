package jsondoor

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

func (d *Doc) scan(s *Schema) *Error {
	i := d.space(0)
	if len(d.raw) >= 3 && d.raw[0] == 0xEF && d.raw[1] == 0xBB && d.raw[2] == 0xBF {
		return &Error{Reason: Mark}
	}
	i, err := d.value(i, s, 0, 0)
	if err != nil {
		return err
	}
	if i = d.space(i); i < len(d.raw) {
		return &Error{Reason: Trailing, Offset: i}
	}
	return nil
}

func (d *Doc) space(i int) int {
	for i < len(d.raw) {
		switch d.raw[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

// bad is the error of an unexpected byte, or of the end, at i.
func (d *Doc) bad(i int) *Error {
	if i >= len(d.raw) {
		return &Error{Reason: Truncated, Offset: len(d.raw)}
	}
	return &Error{Reason: Syntax, Offset: i}
}

// value reads the value at i and returns the offset after it. self is its
// node, -1 if it is not remembered.
func (d *Doc) value(i int, s *Schema, depth int, self int32) (int, *Error) {
	if i >= len(d.raw) {
		return 0, d.bad(i)
	}
	start, kind, flags := i, Missing, uint8(0)
	var err *Error
	switch c := d.raw[i]; c {
	case '"':
		kind = String
		i, flags, err = d.text(i)
	case '{':
		kind = Object
		i, err = d.object(i, s, depth+1, self)
	case '[':
		kind = Array
		i, err = d.array(i, s, depth+1, self)
	case 't':
		kind = True
		i, err = d.literal(i, "true")
	case 'f':
		kind = False
		i, err = d.literal(i, "false")
	case 'n':
		kind = Null
		i, err = d.literal(i, "null")
	default:
		kind = Number
		i, err = d.number(i)
	}
	if err != nil {
		return 0, err
	}
	if self >= 0 {
		n := &d.nodes[self]
		n.start, n.end, n.kind = int32(start), int32(i), kind
		n.flags |= flags & escaped
	}
	return i, nil
}

func (d *Doc) literal(i int, word string) (int, *Error) {
	for j := range len(word) {
		if i+j >= len(d.raw) || d.raw[i+j] != word[j] {
			return 0, d.bad(i + j)
		}
	}
	return i + len(word), nil
}

func (d *Doc) number(i int) (int, *Error) {
	b := d.raw
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = digits(b, i)
	default:
		return 0, d.bad(i)
	}
	if i < len(b) && b[i] == '.' {
		j := digits(b, i+1)
		if j == i+1 {
			return 0, d.bad(j)
		}
		i = j
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := digits(b, i)
		if j == i {
			return 0, d.bad(j)
		}
		i = j
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

func (d *Doc) array(i int, s *Schema, depth int, self int32) (int, *Error) {
	if depth > MaxDepth {
		return 0, &Error{Reason: TooDeep, Offset: i}
	}
	record := s != nil && s.array && self >= 0
	var elem *Schema
	if record {
		elem = s.elem
	}
	if i = d.space(i + 1); i < len(d.raw) && d.raw[i] == ']' {
		return i + 1, nil
	}
	prev := int32(-1)
	for n := 0; ; n++ {
		kid := int32(-1)
		if record {
			kid = int32(len(d.nodes))
			d.nodes = append(d.nodes, node{})
			d.link(self, prev, kid)
			prev = kid
		}
		var err *Error
		if i, err = d.value(i, elem, depth, kid); err != nil {
			return 0, err.index(n)
		}
		i = d.space(i)
		if i >= len(d.raw) {
			return 0, d.bad(i).index(n)
		}
		switch d.raw[i] {
		case ',':
			i = d.space(i + 1)
		case ']':
			return i + 1, nil
		default:
			return 0, d.bad(i).index(n)
		}
	}
}

func (d *Doc) link(parent, prev, kid int32) {
	if prev < 0 {
		d.nodes[parent].flags |= hasChildren
	} else {
		d.nodes[prev].next = kid
	}
}

// text reads the string at i and returns the offset after its closing quote.
func (d *Doc) text(i int) (int, uint8, *Error) {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	b := d.raw
	start := i + 1
	i = start
	var flags uint8
	var wide uint64
	for {
		// Eight bytes at a time up to the next quote, backslash or control
		// character. A false positive of the zero-byte test can only stand
		// above a true one, so the lowest is right.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			q, s := x^(ones*'"'), x^(ones*'\\')
			stop := ((q-ones)&^q | (s-ones)&^s | (x-ones*0x20)&^x) & high
			if stop == 0 {
				wide |= x
				i += 8
				continue
			}
			n := bits.TrailingZeros64(stop) &^ 7
			wide |= x & (1<<n - 1)
			i += n >> 3
			break
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
			wide |= uint64(b[i])
			i++
		}
		if i >= len(b) {
			if wide&high != 0 && !validPrefix(b[start:]) {
				return 0, 0, &Error{Reason: Encoding, Offset: start + firstInvalid(b[start:])}
			}
			return 0, 0, d.bad(i)
		}
		switch b[i] {
		case '"':
			if wide&high != 0 && !utf8.Valid(b[start:i]) {
				return 0, 0, &Error{Reason: Encoding, Offset: start + firstInvalid(b[start:i])}
			}
			return i + 1, flags, nil
		case '\\':
			flags |= escaped
			var err *Error
			if i, err = d.escape(i); err != nil {
				return 0, 0, err
			}
		default:
			return 0, 0, d.bad(i)
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

// escape reads the escape at i and returns the offset after it.
func (d *Doc) escape(i int) (int, *Error) {
	b := d.raw
	if i+1 >= len(b) {
		return 0, d.bad(i + 1)
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
	default:
		return 0, d.bad(i + 1)
	}
	r, err := d.hex(i + 2)
	if err != nil {
		return 0, err
	}
	if !utf16.IsSurrogate(r) {
		return i + 6, nil
	}
	if i+7 < len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
		low, err := d.hex(i + 8)
		if err != nil {
			return 0, err
		}
		if utf16.DecodeRune(r, low) != utf8.RuneError {
			return i + 12, nil
		}
	}
	if d.lax {
		return i + 6, nil
	}
	return 0, &Error{Reason: Surrogate, Offset: i}
}

func (d *Doc) hex(i int) (rune, *Error) {
	var r rune
	for j := i; j < i+4; j++ {
		if j >= len(d.raw) {
			return 0, d.bad(j)
		}
		h := hexDigit(d.raw[j])
		if h < 0 {
			return 0, d.bad(j)
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
