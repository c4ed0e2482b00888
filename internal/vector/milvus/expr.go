package milvus

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"freehold/internal/vector"
)

// Boolean expressions of Milvus. Values are written as literals, with all escaped
// that ends one; names of dynamic fields are texts, too.

// integer writes a whole number. To Milvus the smallest one has no literal, for a
// minus is an operator behind which it is too large.
func (s *schema) integer(n int64) string {
	if n == math.MinInt64 && !s.lite {
		return "(-9223372036854775807 - 1)"
	}
	return strconv.FormatInt(n, 10)
}

// quote writes a text. Milvus reads escapes as Go does, milvus-lite knows but a few.
func (s *schema) quote(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("the text %q is not UTF-8, as texts of Milvus are", text)
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// keyEquals is the expression of records with a value of the partition key.
func (s *Store) keyEquals(found *schema, value string) (string, error) {
	if found.column(found.by).kind == kindInt64 {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return "", s.invalid("query", "the partition key %s is a number, and namespace %q is none", found.by, value)
		}
		return found.by + " == " + found.integer(n), nil
	}
	x, err := found.quote(value)
	if err != nil {
		return "", s.invalid("query", "%v", err)
	}
	return found.by + " == " + x, nil
}

// expr translates a filter so that it matches what [vector.Filter.Match] does.
func (s *schema) expr(f *vector.Filter) (string, error) {
	switch f.Op {
	case vector.And, vector.Or:
		of := make([]string, len(f.Of))
		for i := range f.Of {
			var err error
			if of[i], err = s.expr(&f.Of[i]); err != nil {
				return "", err
			}
		}
		if f.Op == vector.And {
			return s.joined(" and ", of, true), nil
		}
		return s.joined(" or ", of, false), nil
	}
	x, err := s.operand(f.Field)
	if err != nil {
		return "", err
	}
	switch f.Op {
	case vector.Exists:
		return x.there(f.Value.Bool()), nil
	case vector.Eq:
		return x.hasOne([]vector.Value{f.Value})
	case vector.Ne:
		return x.unless([]vector.Value{f.Value})
	case vector.In:
		return x.hasOne(f.Values)
	case vector.Nin:
		return x.unless(f.Values)
	case vector.Gt, vector.Gte, vector.Lt, vector.Lte:
		return x.size(f.Op, &f.Value), nil
	}
	return "", fmt.Errorf("%q is no operator of a filter", f.Op)
}

// joined joins conditions in pairs, so that many of them are not as deep as they are
// many; none at all are what empty says.
func (s *schema) joined(by string, of []string, empty bool) string {
	switch len(of) {
	case 0:
		return s.always(empty)
	case 1:
		return "(" + of[0] + ")" // not binds closer than a comparison
	}
	half := len(of) / 2
	return "(" + s.joined(by, of[:half], empty) + by + s.joined(by, of[half:], empty) + ")"
}

// always is what each record is, or none: keys are not null and not empty lists.
func (s *schema) always(yes bool) string {
	all := s.key.name + ` >= ""`
	if s.ids() == vector.IntegerID {
		all = "(" + s.key.name + " >= 0 or " + s.key.name + " < 0)"
	}
	if yes {
		return "(" + all + ")"
	}
	return "(not (" + all + "))"
}

// operand is a field that a filter asks about.
type operand struct {
	*schema
	text   string  // as expressions name it
	column *column // nil: it is a dynamic field
}

func (s *schema) operand(name string) (operand, error) {
	if c := s.column(name); c != nil {
		return operand{s, name, c}, nil
	}
	if !s.dynamic {
		return operand{s, "", nil}, nil // no record has it
	}
	// Milvus looks for the brackets itself, and does not read escapes in here.
	if name == "" || strings.ContainsAny(name, "\"'\\[]\r\n") || !utf8.ValidString(name) {
		return operand{}, fmt.Errorf("field %q cannot be filtered by: a name in an expression of Milvus cannot have quotation marks, backslashes or brackets", name)
	}
	return operand{s, meta + `["` + name + `"]`, nil}, nil
}

// json reports whether the field can be of any type.
func (x *operand) json() bool { return x.column == nil || x.column.kind == kindJSON }

// there is the expression of records that have the field, or have not.
func (x *operand) there(yes bool) string {
	var is string
	switch {
	case x.text == "":
		return x.always(!yes)
	case x.json() && x.column == nil:
		is = "exists " + x.text
	case !x.column.nullable:
		return x.always(yes)
	case yes:
		return "(" + x.text + " is not null)"
	default:
		return "(" + x.text + " is null)"
	}
	if yes {
		return "(" + is + ")"
	}
	return "(not (" + is + "))"
}

// unless is the expression of records in which the field is none of the values, or
// is not there.
func (x *operand) unless(values []vector.Value) (string, error) {
	one, err := x.hasOne(values)
	if err != nil {
		return "", err
	}
	return "(" + x.there(false) + " or not " + one + ")", nil
}

// hasOne is the expression of records in which the field is, or has in its list, one
// of the values.
func (x *operand) hasOne(values []vector.Value) (string, error) {
	var of []string
	for i := range values {
		v := &values[i]
		lit, err := x.literalOf(v)
		if err != nil {
			return "", err
		}
		if x.text == "" || lit == "" || !x.comparable(v) {
			continue
		}
		switch {
		case x.json():
			list, err := x.list()
			if err != nil {
				return "", err
			}
			of = append(of, x.text+" == "+lit)
			for _, lit := range x.elements(v, lit) {
				of = append(of, "json_contains("+list+", "+lit+")")
			}
		case x.column.kind == kindArray:
			of = append(of, "array_contains("+x.text+", "+lit+")")
		default:
			of = append(of, x.text+" == "+lit)
		}
	}
	return x.joined(" or ", of, false), nil
}

// list is the field as json_contains takes it, which in milvus-lite has no brackets.
func (x *operand) list() (string, error) {
	if !x.lite || x.column != nil {
		return x.text, nil
	}
	name := strings.TrimSuffix(strings.TrimPrefix(x.text, meta+`["`), `"]`)
	words := []string{"and", "or", "not", "in", "like", "is", "null", "exists", "iso", "interval", "true", "false"}
	if !plainName(name) || slices.Contains(words, strings.ToLower(name)) {
		return "", fmt.Errorf("field %s cannot be filtered by in milvus-lite, which looks for lists in fields with plain names only", name)
	}
	return name, nil
}

// comparable reports whether a column can have such a value: Milvus refuses an
// expression in which it cannot.
func (x *operand) comparable(v *vector.Value) bool {
	if x.json() {
		return true
	}
	kind := x.column.kind
	if kind == kindArray {
		kind = x.column.element
	}
	switch kind {
	case kindBool:
		return v.Kind() == vector.Bool
	case kindInt8, kindInt16, kindInt32, kindInt64:
		return v.Kind() == vector.Int || v.Kind() == vector.Float && v.Whole()
	case kindFloat, kindDouble:
		return v.Kind() == vector.Int || v.Kind() == vector.Float
	}
	return v.Kind() == vector.Text
}

// literalOf is a value as expressions have it, "" of a number that nothing equals.
func (x *operand) literalOf(v *vector.Value) (string, error) {
	switch v.Kind() {
	case vector.Text:
		return x.quote(v.Text())
	case vector.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case vector.Int:
		return x.integer(v.Int()), nil
	case vector.Float:
		return x.float(v), nil
	}
	return "", fmt.Errorf("a field cannot be compared with a %s in Milvus", v.Kind())
}

// float writes a double: a whole one as the integer that it is, so that both kinds
// of numbers equal it.
func (x *operand) float(v *vector.Value) string {
	f := v.Float()
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return ""
	case v.Whole():
		return x.integer(int64(f))
	}
	return point(f)
}

// elements are the literals of what equals a value in a list: Milvus compares numbers
// there with those of their own kind only.
func (x *operand) elements(v *vector.Value, lit string) []string {
	f := v.Float()
	switch v.Kind() {
	case vector.Int:
		f = float64(v.Int())
	case vector.Float:
	default:
		return []string{lit}
	}
	out := []string{point(f)}
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		n := int64(f)
		if v.Kind() == vector.Int {
			n = v.Int()
		}
		out = append(out, x.integer(n))
	}
	return out
}

// point is a double as a literal, which is read as one only with a point.
func point(f float64) string {
	out := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.Contains(out, ".") {
		return out
	}
	if mantissa, exponent, ok := strings.Cut(out, "e"); ok {
		return mantissa + ".0e" + exponent
	}
	return out + ".0"
}

// size compares a number; nothing else has a size.
func (x *operand) size(op vector.Op, v *vector.Value) string {
	by := map[vector.Op]string{vector.Gt: " > ", vector.Gte: " >= ", vector.Lt: " < ", vector.Lte: " <= "}[op]
	var lit string
	switch v.Kind() {
	case vector.Int:
		lit = x.integer(v.Int())
	case vector.Float:
		if lit = x.float(v); lit == "" && !math.IsNaN(v.Float()) { // all numbers are below +Inf
			lit = strconv.FormatFloat(math.Copysign(math.MaxFloat64, v.Float()), 'g', -1, 64)
			by = map[bool]string{true: " <= ", false: " >= "}[v.Float() > 0]
			if (op == vector.Gt || op == vector.Gte) == (v.Float() > 0) {
				lit = ""
			}
		}
	}
	number := x.json() || x.column.kind != kindArray && x.comparable(new(vector.IntOf(0)))
	if lit == "" || x.text == "" || !number {
		return x.always(false)
	}
	return "(" + x.text + by + lit + ")"
}
