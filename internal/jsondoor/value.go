package jsondoor

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is one value of a Doc. The zero Value, and that of a member which is
// not there, has kind Missing; every method may be called on it.
type Value struct {
	d *Doc
	i int32
}

func (v Value) node() *node {
	if v.d == nil {
		return &node{}
	}
	return &v.d.nodes[v.i]
}

// Kind returns the value's JSON type.
func (v Value) Kind() Kind { return v.node().kind }

// Exists reports whether there is a value, null included.
func (v Value) Exists() bool { return v.d != nil }

// Present reports whether there is a value other than null.
func (v Value) Present() bool { return v.d != nil && v.node().kind != Null }

// Span returns where the value is in the body.
func (v Value) Span() (start, end int) {
	n := v.node()
	return int(n.start), int(n.end)
}

// Raw returns the value's bytes, nil for a missing one. They alias the body.
func (v Value) Raw() []byte {
	if v.d == nil {
		return nil
	}
	n := v.node()
	return v.d.raw[n.start:n.end:n.end]
}

// First returns the first member of an object or element of an array, if the
// schema remembered them.
func (v Value) First() Value {
	if v.node().flags&hasChildren == 0 {
		return Value{}
	}
	return Value{v.d, v.i + 1}
}

// Next returns the next member or element.
func (v Value) Next() Value {
	n := v.node()
	if n.next == 0 {
		return Value{}
	}
	return Value{v.d, n.next}
}

// Len counts the members or elements.
func (v Value) Len() int {
	n := 0
	for c := v.First(); c.Exists(); c = c.Next() {
		n++
	}
	return n
}

// Get returns an object's member. Of several (ParseLax) it is the last.
func (v Value) Get(name string) Value {
	var found Value
	for c := v.First(); c.Exists(); c = c.Next() {
		if c.Named(name) {
			found = c
			if !v.d.lax {
				break
			}
		}
	}
	return found
}

// Named reports whether the value is the member called name.
func (v Value) Named(name string) bool {
	n := v.node()
	if n.flags&keyEscaped != 0 {
		return v.Name() == name
	}
	return int(n.keyEnd-n.keyStart) == len(name)+2 && string(v.d.raw[n.keyStart+1:n.keyEnd-1]) == name
}

// Name returns the member's name, empty for an element.
func (v Value) Name() string {
	n := v.node()
	if n.keyEnd == n.keyStart {
		return ""
	}
	raw := v.d.raw[n.keyStart+1 : n.keyEnd-1]
	if n.flags&keyEscaped != 0 {
		raw = appendUnescaped(nil, raw)
	}
	return string(raw)
}

// Text returns a string's text, empty for any other value.
func (v Value) Text() string {
	n := v.node()
	if n.kind != String {
		return ""
	}
	raw := v.d.raw[n.start+1 : n.end-1]
	if n.flags&escaped == 0 {
		return string(raw)
	}
	var b strings.Builder
	b.Grow(len(raw))
	for {
		run, r, rest := unescape(raw)
		b.Write(run)
		if r < 0 {
			return b.String()
		}
		b.WriteRune(r)
		raw = rest
	}
}

// Bytes returns a string's text. It aliases the body if there are no escapes.
func (v Value) Bytes() []byte {
	n := v.node()
	if n.kind != String {
		return nil
	}
	raw := v.d.raw[n.start+1 : n.end-1 : n.end-1]
	if n.flags&escaped != 0 {
		return appendUnescaped(make([]byte, 0, len(raw)), raw)
	}
	return raw
}

// AppendText appends a string's text to dst.
func (v Value) AppendText(dst []byte) []byte {
	n := v.node()
	if n.kind != String {
		return dst
	}
	return appendUnescaped(dst, v.d.raw[n.start+1:n.end-1])
}

// Size returns the length of a string as it stands in the body, quotes
// excluded; 0 for any other value.
func (v Value) Size() int {
	n := v.node()
	if n.kind != String {
		return 0
	}
	return int(n.end-n.start) - 2
}

// Is reports whether the value is the string s.
func (v Value) Is(s string) bool {
	n := v.node()
	if n.kind != String {
		return false
	}
	if n.flags&escaped != 0 {
		return v.Text() == s
	}
	return string(v.d.raw[n.start+1:n.end-1]) == s
}

// Int returns a number that is written as an integer and fits.
func (v Value) Int() (int64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	raw := v.Raw()
	digits := bytes.TrimPrefix(raw, []byte{'-'})
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' || n > math.MaxInt64/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	switch negative := len(digits) < len(raw); {
	case negative && n <= 1<<63:
		return -int64(n), true
	case !negative && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}

// Float returns a number that fits.
func (v Value) Float() (float64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v.Raw()), 64)
	return f, err == nil
}

// Bool returns a boolean.
func (v Value) Bool() (value, ok bool) {
	k := v.Kind()
	return k == True, k == True || k == False
}

// IntOrNil is [Value.Int], nil where there is none.
func (v Value) IntOrNil() *int64 { return orNil(v.Int()) }

// FloatOrNil is [Value.Float], nil where there is none.
func (v Value) FloatOrNil() *float64 { return orNil(v.Float()) }

// BoolOrNil is [Value.Bool], nil where there is none.
func (v Value) BoolOrNil() *bool { return orNil(v.Bool()) }

func orNil[T any](v T, ok bool) *T {
	if !ok {
		return nil
	}
	return new(v)
}

// appendUnescaped appends the text of a string's inside.
func appendUnescaped(dst, raw []byte) []byte {
	for {
		run, r, rest := unescape(raw)
		dst = append(dst, run...)
		if r < 0 {
			return dst
		}
		dst = utf8.AppendRune(dst, r)
		raw = rest
	}
}

// unescape returns a string's inside up to its first escape, the character
// that this stands for, -1 for none, and the rest. An escaped surrogate without
// its other half becomes U+FFFD.
func unescape(raw []byte) (run []byte, r rune, rest []byte) {
	n := bytes.IndexByte(raw, '\\')
	if n < 0 {
		return raw, -1, nil
	}
	run, r, rest = raw[:n], rune(raw[n+1]), raw[n+2:]
	switch r {
	case 'b':
		r = '\b'
	case 'f':
		r = '\f'
	case 'n':
		r = '\n'
	case 'r':
		r = '\r'
	case 't':
		r = '\t'
	case 'u':
		r, rest = hex4(rest), rest[4:]
		if utf16.IsSurrogate(r) {
			if r = utf16.DecodeRune(r, lowSurrogate(rest)); r != utf8.RuneError {
				rest = rest[6:]
			}
		}
	}
	return run, r, rest
}

func hex4(b []byte) rune {
	return hexDigit(b[0])<<12 | hexDigit(b[1])<<8 | hexDigit(b[2])<<4 | hexDigit(b[3])
}

// lowSurrogate returns the rune escaped at the beginning of b, else 0.
func lowSurrogate(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0
	}
	return hex4(b[2:])
}

// RawName returns the member's name as it stands in the body, quotes excluded.
// It aliases the body.
func (v Value) RawName() []byte {
	n := v.node()
	if n.keyEnd == n.keyStart {
		return nil
	}
	return v.d.raw[n.keyStart+1 : n.keyEnd-1]
}
