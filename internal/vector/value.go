package vector

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Kind is what a [Value] is.
type Kind uint8

// The kinds of values. Stores that have fewer say so in their [Limits].
const (
	Null Kind = iota
	Bool
	Int
	Float
	Text
	List
	Map
)

// String names the kind as people and plans do.
func (k Kind) String() string {
	return [...]string{"null", "bool", "int", "float", "text", "list", "map"}[k]
}

// Value is a value of a payload. A whole number that is a Float is not the Int of
// the same size: that is what filters go wrong by.
type Value struct {
	kind   Kind
	bits   uint64
	text   string
	list   []Value
	fields Payload
}

// Field is a named value.
type Field struct {
	Name  string
	Value Value
}

// Payload is what a record has beside its vectors: fields sorted by name, each
// name once. [NewPayload] makes one.
type Payload []Field

// NewPayload sorts fields; of several of one name the last one stays.
func NewPayload(fields []Field) Payload {
	slices.SortStableFunc(fields, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	out := fields[:0]
	for i := range fields {
		if i+1 < len(fields) && fields[i+1].Name == fields[i].Name {
			continue
		}
		out = append(out, fields[i])
	}
	return out
}

// Get finds a field by its name.
func (p Payload) Get(name string) (Value, bool) {
	i, ok := slices.BinarySearchFunc(p, name, func(f Field, name string) int { return cmp.Compare(f.Name, name) })
	if !ok {
		return Value{}, false
	}
	return p[i].Value, true
}

// With is the payload with a field set.
func (p Payload) With(name string, v Value) Payload {
	i, ok := slices.BinarySearchFunc(p, name, func(f Field, name string) int { return cmp.Compare(f.Name, name) })
	if ok {
		out := slices.Clone(p)
		out[i].Value = v
		return out
	}
	return slices.Insert(slices.Clone(p), i, Field{name, v})
}

// The makers of values.

// BoolOf is a truth value.
func BoolOf(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.bits = 1
	}
	return v
}

// IntOf is a whole number.
func IntOf(n int64) Value { return Value{kind: Int, bits: uint64(n)} }

// FloatOf is a double.
func FloatOf(f float64) Value { return Value{kind: Float, bits: math.Float64bits(f)} }

// TextOf is a text.
func TextOf(s string) Value { return Value{kind: Text, text: s} }

// ListOf is a list.
func ListOf(l []Value) Value { return Value{kind: List, list: l} }

// MapOf is a payload within a payload.
func MapOf(p Payload) Value { return Value{kind: Map, fields: p} }

// Kind is what the value is.
func (v *Value) Kind() Kind { return v.kind }

// Bool is the truth value of a Bool.
func (v *Value) Bool() bool { return v.bits == 1 }

// Int is the number of an Int.
func (v *Value) Int() int64 { return int64(v.bits) }

// Float is the number of a Float.
func (v *Value) Float() float64 { return math.Float64frombits(v.bits) }

// Text is the text of a Text.
func (v *Value) Text() string { return v.text }

// List is what a List has.
func (v *Value) List() []Value { return v.list }

// Map is what a Map has.
func (v *Value) Map() Payload { return v.fields }

// Whole reports whether a Float is a whole number that an Int can be: within the
// 53 bits in which each double is one number.
func (v *Value) Whole() bool {
	f := v.Float()
	return v.kind == Float && f == math.Trunc(f) && math.Abs(f) <= 1<<53
}

// Equal reports whether both are the same value of the same kind, at every depth.
// NaN is itself; 0 and -0 are not the same.
func (v *Value) Equal(w *Value) bool {
	if v.kind != w.kind || v.bits != w.bits || v.text != w.text || len(v.list) != len(w.list) {
		return false
	}
	for i := range v.list {
		if !v.list[i].Equal(&w.list[i]) {
			return false
		}
	}
	return v.fields.Equal(w.fields)
}

// Equal reports whether both have the same fields with the same values.
func (p Payload) Equal(q Payload) bool {
	return slices.EqualFunc(p, q, func(a, b Field) bool { return a.Name == b.Name && a.Value.Equal(&b.Value) })
}

// Size is about how many bytes the payload takes on the wire.
func (p Payload) Size() int {
	n := 0
	for i := range p {
		n += len(p[i].Name) + 4 + p[i].Value.size()
	}
	return n
}

func (v *Value) size() int {
	n := 2
	switch v.kind {
	case Int, Float:
		n += 8
	case Text:
		n += len(v.text)
	case List:
		for i := range v.list {
			n += v.list[i].size()
		}
	case Map:
		n += v.fields.Size()
	}
	return n
}

// String shows the value to people, cut where it is long.
func (v *Value) String() string {
	const most = 60
	var out string
	switch v.kind {
	case Null:
		return "null"
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Int:
		return strconv.FormatInt(v.Int(), 10)
	case Float:
		if out = strconv.FormatFloat(v.Float(), 'g', -1, 64); v.Whole() {
			out += ".0"
		}
		return out
	case Text:
		out = strconv.Quote(v.text)
	case List:
		out = fmt.Sprintf("a list of %d", len(v.list))
	case Map:
		out = fmt.Sprintf("a map of %d", len(v.fields))
	}
	if r := []rune(out); len(r) > most {
		return string(r[:most]) + "..."
	}
	return out
}
