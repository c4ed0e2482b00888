package opensearch

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// decoding reads one document: fields of vectors become vectors, all others the
// payload, with the types that the mapping gives them.
type decoding struct {
	ix   *index
	d    *jsontext.Decoder
	rows map[*field]*vector.Vector
}

// record reads a document as it was written.
func (ix *index) record(source jsontext.Value) (vector.Record, error) {
	var r vector.Record
	if len(source) == 0 {
		return r, errors.New("its _source is not there: the key may not read it, or it was not kept")
	}
	d := decoding{ix: ix, d: jsontext.NewDecoder(bytes.NewBuffer(source), jsontext.AllowDuplicateNames(true)), rows: map[*field]*vector.Vector{}}
	v, _, err := d.object("", 0)
	if err != nil {
		return r, err
	}
	r.Payload = v.Map()
	for _, f := range ix.vectors { // in their order
		if v := d.rows[f]; v != nil {
			r.Vectors = append(r.Vectors, *v)
		}
	}
	return r, nil
}

// deepest is how deep a document may go: more is not data but an attack.
const deepest = 64

// object reads an object. One that had vectors only is not kept.
func (d *decoding) object(path string, depth int) (v vector.Value, kept bool, err error) {
	if depth > deepest {
		return v, false, fmt.Errorf("the document is deeper than %d", deepest)
	}
	if t, err := d.d.ReadToken(); err != nil {
		return v, false, err
	} else if t.Kind() != '{' {
		return v, false, fmt.Errorf("%s where an object should be", t.Kind())
	}
	if path != "" {
		path += "."
	}
	fields := []vector.Field{}
	all := true
	for d.d.PeekKind() == '"' {
		t, err := d.d.ReadToken()
		if err != nil {
			return v, false, err
		}
		name := t.String()
		v, kept, err := d.value(path+name, depth)
		if err != nil {
			return v, false, err
		}
		if all = all && kept; kept {
			fields = append(fields, vector.Field{Name: name, Value: v})
		}
	}
	_, err = d.d.ReadToken()
	return vector.MapOf(vector.NewPayload(fields)), all || len(fields) > 0, err
}

// value reads a value; of a vector nothing is kept in the payload.
func (d *decoding) value(path string, depth int) (v vector.Value, kept bool, err error) {
	f := d.ix.fields[path]
	if f != nil && f.spec != nil {
		if err := d.vector(f); err != nil {
			return v, false, fmt.Errorf("field %s: %w", path, err)
		}
		return v, false, nil
	}
	switch d.d.PeekKind() {
	case '{':
		return d.object(path, depth+1)
	case '[':
		if depth > deepest {
			return v, false, fmt.Errorf("the document is deeper than %d", deepest)
		}
		if _, err := d.d.ReadToken(); err != nil {
			return v, false, err
		}
		list := []vector.Value{}
		some := false
		for k := d.d.PeekKind(); k != ']' && k != 0; k = d.d.PeekKind() {
			v, kept, err := d.value(path, depth+1)
			if err != nil {
				return v, false, err
			}
			list, some = append(list, v), some || kept // each at its place, as the rows are
		}
		_, err := d.d.ReadToken()
		return vector.ListOf(list), some || len(list) == 0, err
	}
	if v, err = vector.ReadValue(d.d); err == nil && f != nil {
		v = typed(v, f.kind)
	}
	return v, true, err
}

// The types of numbers.
var (
	integers = []string{"long", "integer", "short", "byte", "unsigned_long"}
	doubles  = []string{"double", "float", "half_float", "scaled_float"}
)

// typed is a value as the index has it, whose clients write numbers and truth values
// in several ways: a filter must find the same in another store.
func typed(v vector.Value, kind string) vector.Value {
	number := v.Kind() == vector.Int || v.Kind() == vector.Float
	if v.Kind() == vector.Text && (slices.Contains(integers, kind) || slices.Contains(doubles, kind)) {
		if n, err := vector.ParseValue([]byte(v.Text())); err == nil && (n.Kind() == vector.Int || n.Kind() == vector.Float) {
			v, number = n, true
		}
	}
	switch {
	case number && slices.Contains(integers, kind) && v.Whole():
		return vector.IntOf(int64(v.Float()))
	case number && slices.Contains(doubles, kind) && v.Kind() == vector.Int && int64(float64(v.Int())) == v.Int():
		return vector.FloatOf(float64(v.Int()))
	case kind == "boolean" && v.Kind() == vector.Text && (v.Text() == "true" || v.Text() == "false"):
		return vector.BoolOf(v.Text() == "true")
	}
	return v
}

// vector reads a vector, or the next row of several.
func (d *decoding) vector(f *field) error {
	raw, err := d.d.ReadValue()
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	if !f.read(d.ix) {
		return nil
	}
	v := d.rows[f]
	if v == nil {
		v = &vector.Vector{Name: f.spec.Name}
		d.rows[f] = v
	} else if !f.nested {
		return errors.New("the document has two of it")
	}
	rows := []jsontext.Value{raw}
	if f.kind == "rank_vectors" {
		if rows, err = elements(raw); err != nil {
			return err
		}
	}
	for _, row := range rows {
		if err := f.row(row, v); err != nil {
			return err
		}
	}
	return nil
}

func elements(raw jsontext.Value) (out []jsontext.Value, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, fmt.Errorf("%.20q where a list of vectors should be", raw)
	}
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		out = append(out, v.Clone())
	}
	return out, nil
}

// read reports whether the field is among those that are read.
func (f *field) read(ix *index) bool {
	for _, v := range ix.vectors {
		if v == f {
			return true
		}
	}
	return false
}

// row adds a vector's numbers: a list, or a text of their bytes.
func (f *field) row(raw jsontext.Value, to *vector.Vector) error {
	numbers, err := f.numbers(raw)
	if err != nil {
		return err
	}
	width := f.spec.Dim
	if f.spec.Element == "bit" {
		width /= 8
	}
	if len(numbers) != width {
		return fmt.Errorf("the vector has %d numbers, and the mapping says %d", len(numbers), width)
	}
	switch f.spec.Form {
	case vector.Binary:
		to.Bits = make([]byte, len(numbers))
		for i, x := range numbers {
			to.Bits[i] = byte(int8(x))
		}
	case vector.Multi:
		to.Dense, to.Rows = append(to.Dense, numbers...), to.Rows+1
	default:
		to.Dense = numbers
	}
	return nil
}

func (f *field) numbers(raw jsontext.Value) ([]float32, error) {
	switch raw.Kind() {
	case '[':
		raw = raw[1 : len(raw)-1]
		out := make([]float32, 0, bytes.Count(raw, comma)+1)
		for len(raw) > 0 {
			var one []byte
			one, raw, _ = bytes.Cut(raw, comma)
			if one = bytes.TrimSpace(one); len(one) == 0 {
				continue // an empty one: what is between commas has been checked
			}
			x, err := strconv.ParseFloat(string(one), 32)
			if err != nil {
				return nil, fmt.Errorf("a vector has %.20q for a number", one)
			}
			out = append(out, float32(x))
		}
		return out, nil
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, err
		}
		return f.packed(string(text))
	}
	return nil, fmt.Errorf("%.20q where a vector should be", raw)
}

var comma = []byte(",")

// packed reads the bytes of a vector: in hexadecimal, or in base64, in which floats have
// their most significant byte first.
func (f *field) packed(text string) ([]float32, error) {
	width := map[string]int{"float32": 4 * f.spec.Dim, "bfloat16": 2 * f.spec.Dim, "int8": f.spec.Dim, "bit": f.spec.Dim / 8}[f.spec.Element]
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != width || f.spec.Element == "float32" {
		if b, err = base64.StdEncoding.DecodeString(text); err != nil || len(b) != width {
			return nil, fmt.Errorf("%.20q where the %d bytes of a vector should be", text, width)
		}
	}
	var out []float32
	switch f.spec.Element {
	case "float32":
		for ; len(b) > 0; b = b[4:] {
			out = append(out, math.Float32frombits(binary.BigEndian.Uint32(b)))
		}
	case "bfloat16":
		for ; len(b) > 0; b = b[2:] {
			out = append(out, math.Float32frombits(uint32(binary.BigEndian.Uint16(b))<<16))
		}
	default:
		for _, x := range b {
			out = append(out, float32(int8(x)))
		}
	}
	return out, nil
}
