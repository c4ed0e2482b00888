package vector

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Most of a record's JSON are numbers of vectors. They are read here without a token
// for each; all else is read by jsontext.

// Outline is what a record is, but for its numbers and its payload.
type Outline struct {
	ID        ID
	Namespace string
	Vectors   []Spec // names, forms and dimensions
}

// ParseRecord reads a record that is a line of JSON.
func ParseRecord(line []byte) (Record, error) {
	var r Record
	var h head
	err := h.members(line, func(name string, raw []byte) (err error) {
		switch name {
		case "vector":
			v := Vector{}
			if v.Dense, err = parseFloats(raw); err == nil {
				r.Vectors = append(r.Vectors, v)
			}
		case "vectors":
			return members(raw, func(name string, raw []byte) error {
				v, err := parse(raw, func(d *jsontext.Decoder) (Vector, error) { return readVector(d, name) })
				r.Vectors = append(r.Vectors, v)
				return err
			})
		case "payload":
			r.Payload, err = ParsePayload(raw)
		}
		return err
	})
	r.ID, r.Namespace = h.id, h.namespace
	return r, err
}

// ParseOutline reads what a record is of a line of JSON. That its numbers are written as
// such, only [ParseRecord] knows for certain.
func ParseOutline(line []byte) (Outline, error) {
	var o Outline
	var h head
	err := h.members(line, func(name string, raw []byte) (err error) {
		switch name {
		case "vector":
			s := Spec{Form: Dense}
			if s.Dim, err = length32(raw); err == nil {
				o.Vectors = append(o.Vectors, s)
			}
		case "vectors":
			return members(raw, func(name string, raw []byte) error {
				s, err := outline(name, raw)
				o.Vectors = append(o.Vectors, s)
				return err
			})
		case "payload":
			if len(raw) == 0 || raw[0] != '{' || !jsontext.Value(raw).IsValid() {
				err = errors.New("the payload is no object of JSON")
			}
		}
		return err
	})
	o.ID, o.Namespace = h.id, h.namespace
	return o, err
}

// ParsePayload reads an object of JSON.
func ParsePayload(text []byte) (Payload, error) { return parse(text, ReadPayload) }

// parse reads all of a text.
func parse[T any](text []byte, read func(*jsontext.Decoder) (T, error)) (T, error) {
	d := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(d)
	d.Reset(bytes.NewBuffer(text))
	out, err := read(d)
	if err == nil && len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		err = errors.New("something stands behind it")
	}
	return out, err
}

// head is who a record is.
type head struct {
	id        ID
	namespace string
}

// members reads the members of a record; other has those that are not of its head.
func (h *head) members(line []byte, other func(name string, raw []byte) error) error {
	named, uuids := false, false
	err := members(line, func(name string, raw []byte) (err error) {
		switch name {
		case "id":
			h.id, err = parseID(raw)
			named = true
		case "id_type":
			var t string
			if t, err = textOf(raw); err == nil && t != "uuid" {
				err = fmt.Errorf("id_type is %q, and only uuid is known", t)
			}
			uuids = true
		case "namespace":
			h.namespace, err = textOf(raw)
		case "vector", "vectors", "payload":
			err = other(name, raw)
		default:
			err = fmt.Errorf("there is no member %q in a record", name)
		}
		return err
	})
	if err == nil && !named {
		err = errors.New("the record has no id")
	}
	if err == nil && uuids {
		var u uuid.UUID
		if u, err = uuid.Parse(h.id.String()); err == nil {
			h.id = UUIDOf(u)
		}
	}
	return err
}

func parseID(raw []byte) (ID, error) {
	if raw[0] != '"' {
		return parse(raw, readID)
	}
	t, err := textOf(raw)
	return IDOf(t), err
}

// textOf reads a text.
func textOf(raw []byte) (string, error) {
	for _, c := range raw {
		if c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			return parse(raw, readText)
		}
	}
	if raw[0] != '"' {
		return "", fmt.Errorf("%.20q is no text", raw)
	}
	return string(raw[1 : len(raw)-1]), nil
}

func outline(name string, raw []byte) (Spec, error) {
	s := Spec{Name: name, Form: Dense}
	rows := 0
	err := members(raw, func(name string, raw []byte) (err error) {
		switch name {
		case "dense":
			s.Dim, err = length32(raw)
		case "values":
			_, err = length32(raw)
		case "rows":
			rows, err = strconv.Atoi(string(raw))
		case "indices":
			s.Form = Sparse
			_, err = length32(raw)
		case "bits":
			var v Vector
			v, err = parse([]byte(`{"bits":`+string(raw)+`}`), func(d *jsontext.Decoder) (Vector, error) { return readVector(d, "") })
			s.Form, s.Dim = Binary, 8*len(v.Bits)
		default:
			err = fmt.Errorf("there is no member %q in a vector", name)
		}
		return err
	})
	switch {
	case s.Form == Sparse:
		s.Dim = 0
	case s.Form == Dense && rows > 0:
		s.Form, s.Dim = Multi, s.Dim/rows
	}
	return s, err
}

var (
	errJSON   = errors.New("it is no JSON, or is cut off")
	errNumber = errors.New("a list of numbers has something else in it")
)

// members hands out the members of an object, each as it is written. Their values are
// JSON by their brackets and quotes only.
func members(b []byte, member func(name string, raw []byte) error) error {
	b = unspaced(b)
	if len(b) == 0 || b[0] != '{' {
		return fmt.Errorf("%.20q is no object", b)
	}
	var seen []string
	for b = unspaced(b[1:]); len(b) == 0 || b[0] != '}'; {
		n := value(b)
		if n == 0 || b[0] != '"' {
			return errJSON
		}
		name, err := textOf(b[:n])
		if err != nil {
			return err
		}
		if slices.Contains(seen, name) {
			return fmt.Errorf("the member %q is there twice", name)
		}
		seen = append(seen, name)
		if b = unspaced(b[n:]); len(b) == 0 || b[0] != ':' {
			return errJSON
		}
		b = unspaced(b[1:])
		if n = value(b); n == 0 {
			return errJSON
		}
		if err := member(name, b[:n]); err != nil {
			return err
		}
		b = unspaced(b[n:])
		switch {
		case len(b) > 0 && b[0] == '}':
		case len(b) > 0 && b[0] == ',':
			if b = unspaced(b[1:]); len(b) > 0 && b[0] == '}' {
				return errJSON
			}
		default:
			return errJSON
		}
	}
	if len(unspaced(b[1:])) > 0 {
		return errors.New("something stands behind the record")
	}
	return nil
}

func unspaced(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// value is how long the value is that a text begins with; 0: it has no end.
func value(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return text(b)
	case '[', '{':
	default:
		if n := bytes.IndexAny(b, ",}] \t\r\n"); n >= 0 {
			return n
		}
		return len(b)
	}
	if b[0] == '[' { // a list of numbers is passed over at once
		if n := bytes.IndexByte(b, ']'); n > 0 && bytes.IndexByte(b[1:n], '[') < 0 && bytes.IndexByte(b[1:n], '"') < 0 {
			return n + 1
		}
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := text(b[i:])
			if n == 0 {
				return 0
			}
			i += n - 1
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// text is how long the text is that b begins with; 0: it has no end.
func text(b []byte) int {
	for i := 1; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return 0
		}
		i += n
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// length32 is how many numbers a list has, if it looks as if it had nothing else.
func length32(raw []byte) (int, error) {
	if len(raw) < 2 || raw[0] != '[' {
		return 0, fmt.Errorf("%.20q is no list", raw)
	}
	for _, c := range []byte(`"[{luNI`) {
		if bytes.IndexByte(raw[1:], c) >= 0 {
			return 0, errNumber
		}
	}
	if len(unspaced(raw[1:])) == 1 {
		return 0, nil
	}
	return bytes.Count(raw, []byte{','}) + 1, nil
}

// parseFloats reads a list of numbers, never nil.
func parseFloats(raw []byte) ([]float32, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, fmt.Errorf("%.20q is no list", raw)
	}
	b := unspaced(raw[1:])
	if len(b) > 0 && b[0] == ']' {
		return []float32{}, nil
	}
	out := make([]float32, 0, bytes.Count(raw, []byte{','})+1)
	for {
		x, n, err := parseFloat(b)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		b = unspaced(b[n:])
		switch {
		case len(b) > 0 && b[0] == ',':
			b = unspaced(b[1:])
		case len(b) > 0 && b[0] == ']':
			return out, nil
		default:
			return nil, errNumber
		}
	}
}

// digits reads digits behind those of m. Of very many only that they are many is told.
func digits(b []byte, n int, m uint64) (uint64, int) {
	for ; n < len(b); n++ {
		c := uint64(b[n] - '0')
		if c > 9 {
			break
		}
		if m = 10*m + c; m >= 1<<60 {
			m = 1 << 60
		}
	}
	return m, n
}

// appendFloat appends a number as strconv does with the fewest digits that give it back,
// and faster where it is of a usual size: of 6 to 9 digits those are taken that do.
func appendFloat(b []byte, x float32) []byte {
	d := math.Abs(float64(x))
	if !(d >= 1e-4 && d < 1e6) {
		return strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	e := -4 // of its first digit
	for low := 1e-3; d >= low; low *= 10 {
		e++
	}
	for places := 5 - e; places <= 8-e; places++ {
		scale := 1.0
		if places > 0 {
			scale = tens[places]
		}
		m := uint64(d*scale + 0.5)
		f := float64(m) / scale
		if bits := math.Float64bits(f); float32(f) != float32(d) || bits&(1<<29-1) == 1<<28 {
			continue
		}
		if x < 0 {
			b = append(b, '-')
		}
		return appendDecimal(b, m, max(places, 0))
	}
	return strconv.AppendFloat(b, float64(x), 'g', -1, 32)
}

// appendDecimal appends a number with its last places behind the point, without zeros at
// the end of those.
func appendDecimal(b []byte, m uint64, places int) []byte {
	for ; places > 0 && m%10 == 0; places-- {
		m /= 10
	}
	if places == 0 {
		return strconv.AppendUint(b, m, 10)
	}
	unit := uint64(tens[places])
	b = append(strconv.AppendUint(b, m/unit, 10), '.')
	m %= unit
	at := len(b)
	b = append(b, "0000000000000"[:places]...)
	for i := at + places - 1; i >= at; i-- {
		b[i] = byte('0' + m%10)
		m /= 10
	}
	return b
}

// tens are the powers of ten that a double has exactly.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseFloat reads the number of JSON that b begins with, and how long it is. A number
// of few digits is a quotient, or product, of two doubles, which is the double next to
// it. The float next to that is the one next to the number, too, unless the double is in
// the middle of two floats.
func parseFloat(b []byte) (x float32, n int, err error) {
	if n < len(b) && b[n] == '-' {
		n++
	}
	first := n
	var m uint64
	m, n = digits(b, n, m)
	bad := n == first || n > first+1 && b[first] == '0'
	exp := 0
	if n < len(b) && b[n] == '.' {
		n++
		point := n
		m, n = digits(b, n, m)
		exp = point - n
		bad = bad || exp == 0
	}
	if n < len(b) && b[n]|0x20 == 'e' {
		n++
		minus := n < len(b) && b[n] == '-'
		if n < len(b) && (b[n] == '-' || b[n] == '+') {
			n++
		}
		e, at := 0, n
		for ; n < len(b) && b[n]-'0' <= 9; n++ {
			e = min(10*e+int(b[n]-'0'), 10_000)
		}
		bad = bad || n == at
		if minus {
			e = -e
		}
		exp += e
	}
	if bad {
		return 0, 0, errNumber
	}
	if m <= 1<<53 && exp >= -22 && exp <= 22 {
		f := float64(m)
		if exp < 0 {
			f /= tens[-exp]
		} else {
			f *= tens[exp]
		}
		if math.Float64bits(f)&(1<<29-1) != 1<<28 {
			if first == 1 {
				f = -f
			}
			return float32(f), n, nil
		}
	}
	f, err := strconv.ParseFloat(string(b[:n]), 32)
	if err != nil {
		return 0, 0, fmt.Errorf("%s is no number of a vector", b[:n])
	}
	return float32(f), n, nil
}
