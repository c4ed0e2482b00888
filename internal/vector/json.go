package vector

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// The JSON of a record has the types that payloads have: a whole number that is a
// double is written 1.0. An id is a text or a number; a UUID has id_type "uuid"
// beside it. "vector" is the dense vector without a name, "vectors" all others:
//
//	{"id": "a", "namespace": "n", "vector": [0.1, 0.2], "vectors": {"s": {"indices": [3], "values": [0.5]}}, "payload": {"year": 2003}}

// AppendJSON appends the record as one line of JSON, without its end.
func (r *Record) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"id":`...)
	var err error
	if r.ID.kind == IntegerID {
		b = strconv.AppendUint(b, r.ID.num, 10)
	} else if b, err = jsontext.AppendQuote(b, r.ID.String()); err != nil {
		return b, fmt.Errorf("id: %w", err)
	}
	if r.ID.kind == UUIDID {
		b = append(b, `,"id_type":"uuid"`...)
	}
	if r.Namespace != "" {
		b = append(b, `,"namespace":`...)
		if b, err = jsontext.AppendQuote(b, r.Namespace); err != nil {
			return b, fmt.Errorf("namespace: %w", err)
		}
	}
	named := false
	for i := range r.Vectors {
		if v := &r.Vectors[i]; v.plain() {
			b = append(b, `,"vector":`...)
			if b, err = appendFloats(b, v.Dense); err != nil {
				return b, err
			}
		} else {
			named = true
		}
	}
	if named {
		if b, err = r.appendNamed(b); err != nil {
			return b, err
		}
	}
	b = append(b, `,"payload":`...)
	if b, err = r.Payload.AppendJSON(b); err != nil {
		return b, err
	}
	return append(b, '}'), nil
}

// MarshalJSON implements [encoding/json.Marshaler].
func (r Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil) }

func (v *Vector) plain() bool {
	return v.Name == "" && v.Indices == nil && v.Bits == nil && v.Rows == 0
}

func (r *Record) appendNamed(b []byte) ([]byte, error) {
	b = append(b, `,"vectors":{`...)
	first := true
	for i := range r.Vectors {
		v := &r.Vectors[i]
		if v.plain() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		if b, err = jsontext.AppendQuote(b, v.Name); err != nil {
			return b, fmt.Errorf("a vector's name: %w", err)
		}
		b = append(b, ':', '{')
		member := func(name string) {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(append(b, '"'), name...)
			b = append(b, '"', ':')
		}
		if v.Dense != nil {
			member("dense")
			if b, err = appendFloats(b, v.Dense); err != nil {
				return b, err
			}
		}
		if v.Rows > 0 {
			member("rows")
			b = strconv.AppendInt(b, int64(v.Rows), 10)
		}
		if v.Indices != nil {
			member("indices")
			b = append(b, '[')
			for j, x := range v.Indices {
				if j > 0 {
					b = append(b, ',')
				}
				b = strconv.AppendUint(b, uint64(x), 10)
			}
			b = append(b, ']')
			member("values")
			if b, err = appendFloats(b, v.Values); err != nil {
				return b, err
			}
		}
		if v.Bits != nil {
			member("bits")
			b = append(b, '"')
			b = base64.StdEncoding.AppendEncode(b, v.Bits)
			b = append(b, '"')
		}
		b = append(b, '}')
	}
	return append(b, '}'), nil
}

var errNotFinite = errors.New("a number that is not finite has no JSON")

func appendFloats(b []byte, fs []float32) ([]byte, error) {
	b = append(b, '[')
	for i, x := range fs {
		if x-x != 0 {
			return b, errNotFinite
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFloat(b, x)
	}
	return append(b, ']'), nil
}

// AppendJSON appends the payload as an object, with the types of its values.
func (p Payload) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, '{')
	for i := range p {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = jsontext.AppendQuote(b, p[i].Name); err != nil {
			return b, fmt.Errorf("a field's name: %w", err)
		}
		b = append(b, ':')
		if b, err = p[i].Value.AppendJSON(b); err != nil {
			return b, fmt.Errorf("field %s: %w", p[i].Name, err)
		}
	}
	return append(b, '}'), nil
}

// AppendJSON appends the value: a whole double as 1.0.
func (v *Value) AppendJSON(b []byte) ([]byte, error) {
	switch v.kind {
	case Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case Int:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case Float:
		f := v.Float()
		if f-f != 0 {
			return b, errNotFinite
		}
		at := len(b)
		b = strconv.AppendFloat(b, f, 'g', -1, 64)
		if !strings.ContainsAny(string(b[at:]), ".e") {
			b = append(b, '.', '0')
		}
		return b, nil
	case Text:
		return jsontext.AppendQuote(b, v.text)
	case List:
		b = append(b, '[')
		for i := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = v.list[i].AppendJSON(b); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	case Map:
		return v.fields.AppendJSON(b)
	}
	return append(b, "null"...), nil
}

var decoders = sync.Pool{New: func() any { return &jsontext.Decoder{} }}

// ParseValue reads one value of JSON. Of two members of one name the last one counts.
func ParseValue(text []byte) (Value, error) {
	d := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(d)
	d.Reset(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	return readValue(d, 0)
}

// object reads an object, and has each member's value read.
func object(d *jsontext.Decoder, member func(name string) error) error {
	if k := d.PeekKind(); k != '{' {
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		return fmt.Errorf("%s where an object should be", k)
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		name, err := readText(d)
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func readText(d *jsontext.Decoder) (string, error) {
	t, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	if t.Kind() != '"' {
		return "", fmt.Errorf("%s where a text should be", t.Kind())
	}
	return t.String(), nil
}

func readID(d *jsontext.Decoder) (ID, error) {
	if d.PeekKind() == '"' {
		s, err := readText(d)
		return IDOf(s), err
	}
	t, err := d.ReadToken()
	if err != nil {
		return ID{}, err
	}
	n, err := strconv.ParseUint(t.String(), 10, 64)
	if err != nil {
		return ID{}, fmt.Errorf("the id %s is neither a text nor a whole number", t)
	}
	return IntegerIDOf(n), nil
}

func list(d *jsontext.Decoder, element func() error) error {
	t, err := d.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '[' {
		return fmt.Errorf("%s where a list should be", t.Kind())
	}
	for d.PeekKind() != ']' {
		if d.PeekKind() == 0 {
			_, err := d.ReadToken()
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
	_, err = d.ReadToken()
	return err
}

func readFloats(d *jsontext.Decoder) ([]float32, error) {
	raw, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	return parseFloats(raw)
}

func readVector(d *jsontext.Decoder, name string) (Vector, error) {
	v := Vector{Name: name}
	err := object(d, func(name string) (err error) {
		switch name {
		case "dense":
			v.Dense, err = readFloats(d)
		case "values":
			v.Values, err = readFloats(d)
		case "rows":
			var raw jsontext.Value
			if raw, err = d.ReadValue(); err == nil {
				v.Rows, err = strconv.Atoi(string(raw))
			}
		case "indices":
			v.Indices = []uint32{}
			err = list(d, func() error {
				raw, err := d.ReadValue()
				if err != nil {
					return err
				}
				n, err := strconv.ParseUint(string(raw), 10, 32)
				v.Indices = append(v.Indices, uint32(n))
				return err
			})
		case "bits":
			var s string
			if s, err = readText(d); err == nil {
				v.Bits, err = base64.StdEncoding.DecodeString(s)
			}
		default:
			err = fmt.Errorf("there is no member %q in a vector", name)
		}
		return err
	})
	return v, err
}

// deepest is how deep a payload may go: more is not data but an attack.
const deepest = 64

// ReadPayload reads an object.
func ReadPayload(d *jsontext.Decoder) (Payload, error) { return readPayload(d, 0) }

// ReadValue reads any value: a number with a point or an exponent is a double.
func ReadValue(d *jsontext.Decoder) (Value, error) { return readValue(d, 0) }

func readPayload(d *jsontext.Decoder, depth int) (Payload, error) {
	fields := []Field{}
	err := object(d, func(name string) error {
		v, err := readValue(d, depth)
		fields = append(fields, Field{name, v})
		return err
	})
	return NewPayload(fields), err
}

func readValue(d *jsontext.Decoder, depth int) (Value, error) {
	if depth > deepest {
		return Value{}, fmt.Errorf("the payload is deeper than %d", deepest)
	}
	switch d.PeekKind() {
	case '{':
		p, err := readPayload(d, depth+1)
		return MapOf(p), err
	case '[':
		out := []Value{}
		err := list(d, func() error {
			v, err := readValue(d, depth+1)
			out = append(out, v)
			return err
		})
		return ListOf(out), err
	}
	t, err := d.ReadToken()
	if err != nil {
		return Value{}, err
	}
	switch t.Kind() {
	case 't', 'f':
		return BoolOf(t.Bool()), nil
	case '"':
		return TextOf(t.String()), nil
	case '0':
		return numberOf(t.String())
	}
	return Value{}, nil
}

// numberOf is a number as it is written: whole unless it has a point or exponent.
func numberOf(s string) (Value, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return IntOf(n), nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Value{}, fmt.Errorf("the number %s is too large", s)
	}
	return FloatOf(f), nil
}
