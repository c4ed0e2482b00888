package pgvector

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"freehold/internal/vector"
)

// condition translates a filter so that it matches what [vector.Filter.Match] does.
// Values are bound, names of fields too, or are columns in quotes. Numbers are compared
// by size whatever their kind: a record that has 2003.0 is found by 2003.
func (t *table) condition(f *vector.Filter, a *args) (string, error) {
	if f.Op == vector.And || f.Op == vector.Or {
		if len(f.Of) == 0 {
			return strconv.FormatBool(f.Op == vector.And), nil
		}
		of := make([]string, len(f.Of))
		for i := range f.Of {
			c, err := t.condition(&f.Of[i], a)
			if err != nil {
				return "", err
			}
			of[i] = c
		}
		word := " AND "
		if f.Op == vector.Or {
			word = " OR "
		}
		return "(" + strings.Join(of, word) + ")", nil
	}
	on, err := t.operand(f.Field, a)
	if err != nil {
		return "", err
	}
	switch f.Op {
	case vector.Exists:
		if f.Value.Bool() {
			return on.exists(), nil
		}
		return "NOT " + on.exists(), nil
	case vector.Eq:
		return on.equal(&f.Value, a)
	case vector.Ne:
		c, err := on.equal(&f.Value, a)
		return "(" + c + ") IS NOT TRUE", err
	case vector.In, vector.Nin:
		of := []string{"false"}
		for i := range f.Values {
			c, err := on.equal(&f.Values[i], a)
			if err != nil {
				return "", err
			}
			of = append(of, c)
		}
		c := "(" + strings.Join(of, " OR ") + ")"
		if f.Op == vector.Nin {
			c += " IS NOT TRUE"
		}
		return c, nil
	case vector.Gt, vector.Gte, vector.Lt, vector.Lte:
		return on.size(f.Op, &f.Value, a), nil
	}
	return "", fmt.Errorf("%q is no operator of a filter", f.Op)
}

// operand is what a filter looks at: a column, or a member of the payload.
type operand interface {
	exists() string
	equal(v *vector.Value, a *args) (string, error)
	size(op vector.Op, v *vector.Value, a *args) string
}

func (t *table) operand(field string, a *args) (operand, error) {
	if c := t.field(field); c != nil {
		if c.kind == jsonbKind || c.kind == jsonKind {
			if c.array {
				return nil, fmt.Errorf("field %q is %s, by which cannot be filtered", field, c.typ)
			}
			return member{value: c.quoted + "::jsonb"}, nil
		}
		return ofColumn{c}, nil
	}
	if t.payload == nil {
		return nil, fmt.Errorf("the table has no column %q", field)
	}
	if badText(field) != "" {
		return nothing{}, nil // no record has it
	}
	if own, ok := strings.CutPrefix(field, t.payload.name+"."); ok && t.field(own) != nil {
		field = own
	}
	payload := t.payload.quoted
	if t.payload.kind == jsonKind {
		payload += "::jsonb"
	}
	return member{value: "(" + payload + " -> " + a.text(field) + ")", payload: payload, name: field}, nil
}

// nothing is what no record has.
type nothing struct{}

func (nothing) exists() string                              { return "false" }
func (nothing) equal(*vector.Value, *args) (string, error)  { return "false", nil }
func (nothing) size(vector.Op, *vector.Value, *args) string { return "false" }

// member is a value in jsonb.
type member struct {
	value   string
	payload string // of which it is the member; empty: it is all of it
	name    string
}

func (m member) exists() string { return "COALESCE(" + m.value + " <> 'null', false)" }

func (m member) equal(v *vector.Value, a *args) (string, error) {
	whole, why := appendJSON([]byte{1}, v, 0)
	if why != "" {
		return "false", nil // jsonb has no such value
	}
	if k := v.Kind(); k == vector.List || k == vector.Map {
		bound := a.binary(oidJSONB, whole)
		return fmt.Sprintf("CASE jsonb_typeof(%[1]s) WHEN 'array' THEN EXISTS (SELECT FROM jsonb_array_elements(%[1]s) AS e(x) WHERE e.x = %[2]s) ELSE %[1]s = %[2]s END", m.value, bound), nil
	}
	if v.Kind() == vector.Null { // a field that is null is not there; a list with a null in it is
		return fmt.Sprintf("(jsonb_typeof(%[1]s) = 'array' AND %[1]s @> %[2]s)", m.value, a.binary(oidJSONB, whole)), nil
	}
	if m.payload == "" {
		return fmt.Sprintf("(%s @> %s)", m.value, a.binary(oidJSONB, whole)), nil
	}
	// In words that an index of the payload knows.
	pair := func(open, end string) string {
		b, why := quoted([]byte("\x01{"), m.name)
		if why != "" {
			return "NULL"
		}
		b = append(append(append(append(b, ':'), open...), whole[1:]...), end...)
		return a.binary(oidJSONB, append(b, '}'))
	}
	return fmt.Sprintf("(%s @> %s OR %s @> %s)", m.payload, pair("", ""), m.payload, pair("[", "]")), nil
}

func (m member) size(op vector.Op, v *vector.Value, a *args) string {
	s := number(v)
	if s == "" {
		return "false"
	}
	return fmt.Sprintf("CASE jsonb_typeof(%s) WHEN 'number' THEN %s::numeric %s %s::numeric ELSE false END", m.value, m.value, signs[op], a.text(s))
}

var signs = map[vector.Op]string{vector.Gt: ">", vector.Gte: ">=", vector.Lt: "<", vector.Lte: "<=", vector.Eq: "="}

// number is a number as numeric has it, "" of what is none.
func number(v *vector.Value) string {
	switch v.Kind() {
	case vector.Int:
		return strconv.FormatInt(v.Int(), 10)
	case vector.Float:
		switch f := v.Float(); {
		case math.IsInf(f, 1):
			return "Infinity"
		case math.IsInf(f, -1):
			return "-Infinity"
		case f == f:
			return decimal(f)
		}
	}
	return ""
}

// ofColumn is a column with a type of its own.
type ofColumn struct{ *column }

func (c ofColumn) exists() string { return "(" + c.quoted + " IS NOT NULL)" }

func (c ofColumn) equal(v *vector.Value, a *args) (string, error) {
	if c.array && v.Kind() == vector.Null {
		return fmt.Sprintf("(array_ndims(%[1]s) = 1 AND EXISTS (SELECT FROM unnest(%[1]s) AS e(x) WHERE x IS NULL))", c.quoted), nil
	}
	with, ok := c.bind(v, a)
	switch {
	case !ok:
		return "false", nil
	case c.array && c.kind == opaque:
		return fmt.Sprintf("(array_ndims(%[1]s) = 1 AND %[2]s = ANY(%[1]s::text[]))", c.quoted, with), nil
	case c.array:
		return fmt.Sprintf("(array_ndims(%[1]s) = 1 AND %[2]s = ANY(%[1]s))", c.quoted, with), nil
	case c.kind == opaque: // as it is written, which its cast to text need not be
		return fmt.Sprintf("(%[1]s IS NOT NULL AND format('%%s', %[1]s) = %[2]s)", c.quoted, with), nil
	}
	return fmt.Sprintf("(%s = %s)", c.quoted, with), nil
}

func (c ofColumn) size(op vector.Op, v *vector.Value, a *args) string {
	if c.array || !slices.Contains([]kind{int2, int4, int8, float4, float8, numeric}, c.kind) {
		return "false"
	}
	with, ok := c.bind(v, a)
	if !ok {
		return "false"
	}
	if c.kind == float4 || c.kind == float8 || c.kind == numeric { // NaN is above all to PostgreSQL, and nowhere else
		return fmt.Sprintf("(%s %s %s AND %s <> 'NaN')", c.quoted, signs[op], with, c.quoted)
	}
	return fmt.Sprintf("(%s %s %s)", c.quoted, signs[op], with)
}

// bind binds a value as the column's type has it; false: none of its values is that.
func (c ofColumn) bind(v *vector.Value, a *args) (string, bool) {
	k := v.Kind()
	switch c.kind {
	case boolean:
		if k == vector.Bool {
			return a.text(v.String()) + "::boolean", true
		}
	case int2, int4, int8:
		if k == vector.Int || v.Whole() {
			n := v.Int()
			if k == vector.Float {
				n = int64(v.Float())
			}
			return a.binary(oidInt8, binary.BigEndian.AppendUint64(nil, uint64(n))), true
		}
		if s := number(v); s != "" {
			return a.text(s) + "::numeric", true
		}
	case float4, float8:
		f := v.Float()
		if k == vector.Int {
			f = float64(v.Int())
		}
		if (k == vector.Int || k == vector.Float) && f == f {
			return a.binary(oidFloat8, binary.BigEndian.AppendUint64(nil, math.Float64bits(f))), true
		}
	case numeric:
		if s := number(v); s != "" {
			return a.text(s) + "::numeric", true
		}
	case uuidKind:
		if u, err := uuid.Parse(v.Text()); k == vector.Text && err == nil && u.String() == v.Text() {
			return a.binary(oidUUID, u[:]), true
		}
	case date, timestamp, timestamptz:
		if _, why := (&column{kind: c.kind}).written(v); why == "" {
			return a.text(v.Text()) + "::" + map[kind]string{date: "date", timestamp: "timestamp", timestamptz: "timestamptz"}[c.kind], true
		}
	default:
		if k == vector.Text && badText(v.Text()) == "" {
			return a.text(v.Text()), true
		}
	}
	return "", false
}
