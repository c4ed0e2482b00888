package jsondoor

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Writer appends JSON to Buf. It puts the commas; the caller balances braces.
// The zero Writer is ready, and one with bytes in Buf goes on after them.
type Writer struct {
	Buf   []byte
	comma bool
}

func (w *Writer) value() {
	if w.comma {
		w.Buf = append(w.Buf, ',')
	}
	w.comma = true
}

// Object opens an object.
func (w *Writer) Object() *Writer { return w.open('{') }

// Array opens an array.
func (w *Writer) Array() *Writer { return w.open('[') }

func (w *Writer) open(c byte) *Writer {
	w.value()
	w.Buf, w.comma = append(w.Buf, c), false
	return w
}

// EndObject closes an object.
func (w *Writer) EndObject() *Writer { return w.close('}') }

// EndArray closes an array.
func (w *Writer) EndArray() *Writer { return w.close(']') }

func (w *Writer) close(c byte) *Writer {
	w.Buf, w.comma = append(w.Buf, c), true
	return w
}

// Key writes a member's name.
func (w *Writer) Key(name string) *Writer {
	w.value()
	w.Buf, w.comma = append(AppendString(w.Buf, name), ':'), false
	return w
}

// Raw writes a value that is JSON already; an empty one becomes null.
func (w *Writer) Raw(raw []byte) *Writer {
	w.value()
	if len(raw) == 0 {
		raw = []byte("null")
	}
	w.Buf = append(w.Buf, raw...)
	return w
}

// String writes a string.
func (w *Writer) String(s string) *Writer {
	w.value()
	w.Buf = AppendString(w.Buf, s)
	return w
}

// Int writes an integer.
func (w *Writer) Int(n int64) *Writer {
	w.value()
	w.Buf = strconv.AppendInt(w.Buf, n, 10)
	return w
}

// Float writes a number in the shortest form that reads back the same; what
// JSON has no number for becomes null.
func (w *Writer) Float(f float64) *Writer {
	w.value()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.Buf = append(w.Buf, "null"...)
		return w
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	w.Buf = strconv.AppendFloat(w.Buf, f, format, -1, 64)
	return w
}

// Bool writes a boolean.
func (w *Writer) Bool(b bool) *Writer {
	w.value()
	w.Buf = strconv.AppendBool(w.Buf, b)
	return w
}

// Null writes null.
func (w *Writer) Null() *Writer { return w.Raw(nil) }

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	dst = append(slices.Grow(dst, len(s)+2), '"')
	for {
		n, wide := plain(s, 0, 0)
		if wide&high == 0 {
			dst = append(dst, s[:n]...)
		} else {
			dst = appendValid(dst, s[:n])
		}
		if n == len(s) {
			return append(dst, '"')
		}
		switch c := s[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		s = s[n+1:]
	}
}

// appendValid appends s with U+FFFD for every byte that is not UTF-8.
func appendValid[T string | []byte](dst []byte, s T) []byte {
	from := len(dst)
	dst = append(dst, s...)
	if utf8.Valid(dst[from:]) {
		return dst
	}
	dst = dst[:from]
	for _, r := range string(s) { // an invalid byte is read as U+FFFD
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// Quote returns s as a JSON string.
func Quote(s string) json.RawMessage { return AppendString(nil, s) }
