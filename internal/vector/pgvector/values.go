package pgvector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"freehold/internal/vector"
)

// kind is how a column's values are read and written.
type kind uint8

const (
	opaque kind = iota // as a text, as PostgreSQL writes it
	boolean
	int2
	int4
	int8
	float4
	float8
	numeric
	text
	uuidKind
	jsonKind
	jsonbKind
	date
	timestamp
	timestamptz
)

func kindOf(oid uint32, typtype string) kind {
	if typtype != "b" {
		return opaque
	}
	switch oid {
	case oidBool:
		return boolean
	case oidInt2:
		return int2
	case oidInt4:
		return int4
	case oidInt8:
		return int8
	case oidFloat4:
		return float4
	case oidFloat8:
		return float8
	case oidNumeric:
		return numeric
	case oidText, oidVarchar, oidChar:
		return text
	case oidUUID:
		return uuidKind
	case oidJSON:
		return jsonKind
	case oidJSONB:
		return jsonbKind
	case oidDate:
		return date
	case oidTimestamp:
		return timestamp
	case oidTimestamptz:
		return timestamptz
	}
	return opaque
}

// selected is the column as it is read, in binary format (1) or as a text (0).
func (c *column) selected() (sql string, format int16) {
	switch {
	case c.kind != opaque && c.kind != numeric:
		return c.quoted, 1
	case c.array:
		return c.quoted + "::text[]", 1
	}
	return c.quoted, 0
}

var errShort = errors.New("a value of the answer is cut short")

// value reads a value as [column.selected] has it.
func (c *column) value(b []byte) (vector.Value, error) {
	if !c.array {
		return c.kind.value(b)
	}
	// dimensions, whether there are nulls, type; of each dimension its length and where
	// it begins; then the elements.
	if len(b) < 12 {
		return vector.Value{}, errShort
	}
	n := int(binary.BigEndian.Uint32(b))
	if n == 0 {
		return vector.ListOf([]vector.Value{}), nil
	}
	if n > 6 || len(b) < 12+8*n {
		return vector.Value{}, errShort
	}
	dims := make([]int, n)
	for i := range dims {
		dims[i] = int(binary.BigEndian.Uint32(b[12+8*i:]))
	}
	b = b[12+8*n:]
	out, _, err := c.kind.list(b, dims)
	return out, err
}

func (k kind) list(b []byte, dims []int) (vector.Value, []byte, error) {
	out := make([]vector.Value, 0, min(dims[0], len(b)/4))
	for range dims[0] {
		var v vector.Value
		var err error
		if len(dims) > 1 {
			v, b, err = k.list(b, dims[1:])
		} else {
			if len(b) < 4 {
				return v, nil, errShort
			}
			size := int(int32(binary.BigEndian.Uint32(b)))
			b = b[4:]
			if size >= 0 {
				if len(b) < size {
					return v, nil, errShort
				}
				v, err = k.value(b[:size])
				b = b[size:]
			}
		}
		if err != nil {
			return v, nil, err
		}
		out = append(out, v)
	}
	return vector.ListOf(out), b, nil
}

// sizes are those of kinds that have one.
var sizes = [...]int{boolean: 1, int2: 2, int4: 4, int8: 8, float4: 4, float8: 8, uuidKind: 16, date: 4, timestamp: 8, timestamptz: 8}

func (k kind) value(b []byte) (vector.Value, error) {
	if int(k) < len(sizes) && sizes[k] > 0 && len(b) != sizes[k] {
		return vector.Value{}, errShort
	}
	switch k {
	case boolean:
		return vector.BoolOf(b[0] == 1), nil
	case int2:
		return vector.IntOf(int64(int16(binary.BigEndian.Uint16(b)))), nil
	case int4:
		return vector.IntOf(int64(int32(binary.BigEndian.Uint32(b)))), nil
	case int8:
		return vector.IntOf(int64(binary.BigEndian.Uint64(b))), nil
	case float4:
		return double(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))), nil
	case float8:
		return double(math.Float64frombits(binary.BigEndian.Uint64(b))), nil
	case numeric:
		return decimalOf(string(b)), nil
	case uuidKind:
		return vector.TextOf(uuid.UUID(b).String()), nil
	case jsonbKind:
		if len(b) < 1 || b[0] != 1 {
			return vector.Value{}, errors.New("jsonb is of a format that is not known")
		}
		return vector.ParseValue(b[1:])
	case jsonKind:
		return vector.ParseValue(b)
	case date, timestamp, timestamptz:
		return vector.TextOf(k.time(b)), nil
	}
	return vector.TextOf(string(b)), nil
}

// double is a double; all NaN are one.
func double(f float64) vector.Value {
	if f != f {
		f = math.NaN()
	}
	return vector.FloatOf(f)
}

// decimalOf is a numeric: whole without a point, else a double where that is the same
// number, else, so that nothing of it is lost, a text.
func decimalOf(s string) vector.Value {
	if !strings.Contains(s, ".") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return vector.IntOf(n)
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return vector.TextOf(s)
	}
	if short := shortest(s); f-f == 0 && short != shortest(decimal(f)) && short != shortest(strconv.FormatFloat(f, 'f', -1, 64)) {
		return vector.TextOf(s)
	}
	return double(f)
}

// shortest is a decimal without what it does not need.
func shortest(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// Formats of times, which sort and which other stores read.
const (
	dateFormat        = "2006-01-02"
	timestampFormat   = "2006-01-02T15:04:05.999999"
	timestamptzFormat = "2006-01-02T15:04:05.999999Z"
)

// epoch is PostgreSQL's.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (k kind) format() string {
	return map[kind]string{date: dateFormat, timestamp: timestampFormat, timestamptz: timestamptzFormat}[k]
}

func (k kind) time(b []byte) string {
	var at time.Time
	if k == date {
		days := int32(binary.BigEndian.Uint32(b))
		switch days {
		case math.MaxInt32:
			return "infinity"
		case math.MinInt32:
			return "-infinity"
		}
		at = epoch.AddDate(0, 0, int(days))
	} else {
		micros := int64(binary.BigEndian.Uint64(b))
		switch micros {
		case math.MaxInt64:
			return "infinity"
		case math.MinInt64:
			return "-infinity"
		}
		at = time.Unix(epoch.Unix()+micros/1e6, micros%1e6*1000).UTC()
	}
	if at.Year() > 0 {
		return at.Format(k.format())
	}
	return at.AddDate(1-2*at.Year(), 0, 0).Format(k.format()) + " BC"
}

// param is the type by which values are sent: their own where that is simple, else
// text, which is cast.
func (c *column) param() (oid, array uint32) {
	if !c.array {
		switch c.kind {
		case boolean:
			return oidBool, oidBools
		case int2, int4, int8:
			return oidInt8, oidInt8s
		case float4:
			return oidFloat4, oidFloat4s
		case float8:
			return oidFloat8, oidFloat8s
		case uuidKind:
			return oidUUID, oidUUIDs
		case jsonbKind:
			return oidJSONB, oidJSONBs
		}
	}
	return oidText, oidTexts
}

// sent is a parameter of that type as what the column has.
func (c *column) sent(name string) string {
	if oid, _ := c.param(); oid == oidText && (c.kind != text || c.array) {
		return name + "::" + c.cast
	}
	return name
}

// append appends a value as it is sent, or says why the column cannot have it: nothing
// is rounded, cut or written so that it comes back as something else.
func (c *column) append(b []byte, v *vector.Value) (out []byte, why string) {
	if c.array {
		return c.appendArray(b, v)
	}
	k := v.Kind()
	switch c.kind {
	case boolean:
		if k == vector.Bool {
			if v.Bool() {
				return append(b, 1), ""
			}
			return append(b, 0), ""
		}
	case int2, int4, int8:
		if k == vector.Int {
			bits := 8*sizes[c.kind] - 1
			if n := v.Int(); n>>bits != 0 && n>>bits != -1 {
				return b, fmt.Sprintf("is %d, which is too large for %s", n, c.typ)
			}
			return binary.BigEndian.AppendUint64(b, uint64(v.Int())), ""
		}
		if v.Whole() {
			return b, fmt.Sprintf("is a double, and the column is %s: let the plan say as: int", c.typ)
		}
	case float4, float8:
		if k == vector.Int {
			return b, fmt.Sprintf("is a whole number, and the column is %s: let the plan say as: float", c.typ)
		}
		if f := v.Float(); k == vector.Float {
			if c.kind == float8 {
				return binary.BigEndian.AppendUint64(b, math.Float64bits(f)), ""
			}
			if float64(float32(f)) != f && f == f {
				return b, fmt.Sprintf("is %v, which has more digits than %s", f, c.typ)
			}
			return binary.BigEndian.AppendUint32(b, math.Float32bits(float32(f))), ""
		}
	case uuidKind:
		if u, err := uuid.Parse(v.Text()); k == vector.Text && err == nil && u.String() == v.Text() {
			return append(b, u[:]...), ""
		}
	case jsonbKind:
		return appendJSON(append(b, 1), v, 0)
	default:
		s, why := c.written(v)
		return append(b, s...), why
	}
	return b, fmt.Sprintf("is %s %s, and the column is %s", v.Kind(), v.String(), c.typ)
}

// written is a value as PostgreSQL reads it from a text.
func (c *column) written(v *vector.Value) (out, why string) {
	k := v.Kind()
	no := fmt.Sprintf("is %s %s, and the column is %s", k, v.String(), c.typ)
	switch c.kind {
	case boolean, int2, int4, int8, float4, float8, uuidKind: // an element of an array
		one := *c
		one.array = false
		if _, why := one.append(nil, v); why != "" {
			return "", why
		}
		switch k {
		case vector.Bool:
			return strconv.FormatBool(v.Bool()), ""
		case vector.Int:
			return strconv.FormatInt(v.Int(), 10), ""
		case vector.Float:
			return strconv.FormatFloat(v.Float(), 'g', -1, 64), ""
		}
		return v.Text(), ""
	case jsonKind, jsonbKind:
		b, why := appendJSON(nil, v, 0)
		return string(b), why
	case numeric:
		s := v.Text()
		switch k {
		case vector.Int:
			s = strconv.FormatInt(v.Int(), 10)
		case vector.Float:
			s = decimal(v.Float())
		case vector.Text:
		default:
			return "", no
		}
		as := s // as it comes back
		if c.scale >= 0 {
			whole, digits, _ := strings.Cut(s, ".")
			if digits = strings.TrimRight(digits, "0"); len(digits) > c.scale {
				return "", fmt.Sprintf("is %s, which has more digits than %s", s, c.typ)
			}
			if as = whole; c.scale > 0 {
				as += "." + digits + strings.Repeat("0", c.scale-len(digits))
			}
		}
		if back := decimalOf(as); !back.Equal(v) {
			return "", fmt.Sprintf("is %s %s, which comes back from %s as %s %s", k, v.String(), c.typ, back.Kind(), back.String())
		}
		return s, ""
	case date, timestamp, timestamptz:
		if k != vector.Text {
			return "", no
		}
		s := v.Text()
		if s == "infinity" || s == "-infinity" {
			return s, ""
		}
		if at, err := time.Parse(c.kind.format(), strings.TrimSuffix(s, " BC")); err != nil || at.Format(c.kind.format()) != strings.TrimSuffix(s, " BC") {
			return "", fmt.Sprintf("is %q, and the column is %s, which is written %s", s, c.typ, c.kind.format())
		}
		return s, ""
	}
	if k != vector.Text {
		return "", no
	}
	return v.Text(), badText(v.Text())
}

// badText says why PostgreSQL has no such text.
func badText(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		return "has a byte 0 in a text, which PostgreSQL cannot hold"
	}
	if !utf8.ValidString(s) {
		return "has a text that is not UTF-8"
	}
	return ""
}

func (c *column) appendArray(b []byte, v *vector.Value) (out []byte, why string) {
	if v.Kind() != vector.List {
		return b, fmt.Sprintf("is %s %s, and the column is %s", v.Kind(), v.String(), c.typ)
	}
	b = append(b, '{')
	for i := range v.List() {
		if i > 0 {
			b = append(b, ',')
		}
		x := &v.List()[i]
		switch {
		case x.Kind() == vector.Null:
			b = append(b, "NULL"...)
		case x.Kind() == vector.List && c.kind != jsonKind && c.kind != jsonbKind:
			if b, why = c.appendArray(b, x); why != "" {
				return b, why
			}
		default:
			s, why := c.written(x)
			if why != "" {
				return b, why
			}
			b = append(b, '"')
			for j := range len(s) {
				if s[j] == '"' || s[j] == '\\' {
					b = append(b, '\\')
				}
				b = append(b, s[j])
			}
			b = append(b, '"')
		}
	}
	return append(b, '}'), ""
}
