package milvus

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// refuse says why the collection cannot hold a record as it is, "" where it can.
// What the server would say of a whole request it says of the record.
func (s *schema) refuse(r *vector.Record) string {
	if r.ID.Kind() != s.ids() {
		return fmt.Sprintf("its id is a %s, and the collection's primary key is %s", r.ID.Kind(), kindName(s.key.kind))
	}
	if id := r.ID.String(); r.ID.Kind() == vector.TextID && (s.key.length > 0 && len(id) > s.key.length || !utf8.ValidString(id)) {
		return fmt.Sprintf("its id has %d bytes, of which the primary key takes %d, or is not UTF-8", len(id), s.key.length)
	}
	if r.ID == vector.IntegerIDOf(math.MaxInt64) && !s.lite {
		return "its id is 9223372036854775807, which queries of Milvus do not find"
	}
	if err := r.Check(); err != nil {
		return err.Error()
	}
	if why := s.refuseVectors(r); why != "" {
		return why
	}
	for i := range s.columns {
		c := &s.columns[i]
		v, there := r.Payload.Get(c.name)
		if !there && !c.nullable {
			return fmt.Sprintf("field %s is missing, and its column, %s, must have a value", c.name, kindName(c.kind))
		}
		if there {
			if why := c.refuse(&v); why != "" {
				return fmt.Sprintf("field %s %s", c.name, why)
			}
		}
	}
	return s.refuseDynamic(r.Payload)
}

func (s *schema) refuseVectors(r *vector.Record) string {
	for i := range r.Vectors {
		if v := &r.Vectors[i]; s.vector(v.Name) == nil {
			return fmt.Sprintf("there is no vector %q", v.Name)
		}
	}
	for i := range s.vectors {
		spec := &s.vectors[i]
		v := r.Vector(spec.Name)
		switch {
		case v == nil && (spec.nullable || spec.Form == vector.Sparse):
		case v == nil:
			return fmt.Sprintf("vector %q is missing, and Milvus has no records without", spec.Name)
		default:
			if why := spec.refuse(v, s.lite); why != "" {
				return fmt.Sprintf("vector %q %s", spec.Name, why)
			}
		}
	}
	return ""
}

func (f *vectorField) refuse(v *vector.Vector, lite bool) string {
	switch f.Form {
	case vector.Sparse:
		if v.Indices == nil {
			return "is not sparse"
		}
		for i, x := range v.Values {
			if x < 0 {
				return fmt.Sprintf("has %v at index %d, and sparse vectors of Milvus have no such values", x, v.Indices[i])
			}
		}
		return noSparse(v, lite)
	case vector.Binary:
		if len(v.Bits) != f.Dim/8 {
			return fmt.Sprintf("has %d bits, and the collection's have %d", 8*len(v.Bits), f.Dim)
		}
	default:
		if len(v.Dense) != f.Dim || v.Rows > 0 {
			return fmt.Sprintf("has %d numbers, and the collection's have %d", len(v.Dense), f.Dim)
		}
		if f.kind == kindInt8Vector {
			for i, x := range v.Dense {
				if float32(int8(max(-128, min(127, x)))) != x {
					return fmt.Sprintf("has %v at place %d, and keeps whole numbers from -128 to 127 only", x, i)
				}
			}
		}
	}
	return ""
}

// noSparse says why Milvus has no such sparse vector, whatever the collection.
func noSparse(v *vector.Vector, lite bool) string {
	switch {
	case slices.Contains(v.Indices, math.MaxUint32):
		return "has an index of 4294967295, which Milvus has not"
	case lite && v.Indices != nil && slices.Contains(v.Values, 0):
		return "has a number that is 0, which milvus-lite does not keep"
	}
	return ""
}

// writable reports whether values can be written to a column.
func (c *column) writable() bool {
	return c.kind <= kindDouble || c.kind == kindVarChar || c.kind == kindArray || c.kind == kindJSON
}

// refuse says why a column cannot hold a value without changing it.
func (c *column) refuse(v *vector.Value) string {
	switch c.kind {
	case kindJSON:
		return refuseJSON(v)
	case kindArray:
		if v.Kind() != vector.List {
			return fmt.Sprintf("is a %s, and its column is an ARRAY", v.Kind())
		}
		if c.capacity > 0 && len(v.List()) > c.capacity {
			return fmt.Sprintf("is a list of %d, and its column takes %d", len(v.List()), c.capacity)
		}
		one := column{kind: c.element, length: c.length}
		for i := range v.List() {
			if why := one.refuse(&v.List()[i]); why != "" {
				return "has one that " + why
			}
		}
		return ""
	}
	bits := map[int32]int{kindInt8: 8, kindInt16: 16, kindInt32: 32, kindInt64: 64}[c.kind]
	switch k := v.Kind(); {
	case c.kind == kindBool && k == vector.Bool, c.kind == kindDouble && k == vector.Float:
	case c.kind == kindFloat && k == vector.Float:
		if float64(float32(v.Float())) != v.Float() {
			return fmt.Sprintf("is %s, which its column, FLOAT, would round", v.String())
		}
	case bits > 0 && k == vector.Int:
		if n := v.Int() >> (bits - 1); n != 0 && n != -1 {
			return fmt.Sprintf("is %s, which is too large for its column, %s", v.String(), kindName(c.kind))
		}
	case c.kind == kindVarChar && k == vector.Text:
		if c.length > 0 && len(v.Text()) > c.length {
			return fmt.Sprintf("has %d bytes, and its column takes %d", len(v.Text()), c.length)
		}
		return refuseJSON(v)
	default:
		return fmt.Sprintf("is a %s, and its column is %s", k, kindName(c.kind))
	}
	return ""
}

// refuseDynamic is about what has no column of its own.
func (s *schema) refuseDynamic(p vector.Payload) string {
	for i := range p {
		f := &p[i]
		switch {
		case s.column(f.Name) != nil:
			continue
		case !s.dynamic:
			return fmt.Sprintf("field %s has no column, and the collection no dynamic fields", f.Name)
		case s.taken(f.Name) || s.lite && (f.Name == "_seq" || f.Name == "_partition"):
			return fmt.Sprintf("field %s has the name of another one of the collection: give it another name in the plan (mapping.fields), or make the collection with id=NAME in the URL", f.Name)
		case !utf8.ValidString(f.Name):
			return fmt.Sprintf("field %q has a name that is not UTF-8", f.Name)
		}
		if why := refuseJSON(&f.Value); why != "" {
			return fmt.Sprintf("field %s %s", f.Name, why)
		}
	}
	if n := s.metaSize(p); n > maxMeta {
		return fmt.Sprintf("its dynamic fields have %d bytes, and %d is the most", n, maxMeta)
	}
	return ""
}

// refuseJSON is about values that no JSON is.
func refuseJSON(v *vector.Value) string {
	switch v.Kind() {
	case vector.Text:
		if !utf8.ValidString(v.Text()) {
			return "has a text that is not UTF-8"
		}
	case vector.Float:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprintf("has %v, which no JSON is", f)
		}
	case vector.List:
		for i := range v.List() {
			if why := refuseJSON(&v.List()[i]); why != "" {
				return why
			}
		}
	case vector.Map:
		for _, f := range v.Map() {
			if !utf8.ValidString(f.Name) {
				return "has a name in it that is not UTF-8"
			}
			if why := refuseJSON(&f.Value); why != "" {
				return why
			}
		}
	}
	return ""
}

// metaSize is how many bytes the dynamic fields of a payload have.
func (s *schema) metaSize(p vector.Payload) int {
	b, err := s.dynamicOf(p).AppendJSON(nil)
	if err != nil {
		return 0 // it is refused for that
	}
	return len(b)
}

func (s *schema) dynamicOf(p vector.Payload) vector.Payload {
	if len(s.columns) == 0 {
		return p
	}
	return slices.DeleteFunc(slices.Clone(p), func(f vector.Field) bool { return s.column(f.Name) != nil })
}

// fieldsOf makes columns of records, none of which is refused.
func (s *schema) fieldsOf(records []vector.Record) ([]*wire.FieldData, error) {
	key := &wire.FieldData{Type: s.key.kind, Name: s.key.name}
	if s.ids() == vector.TextID {
		ids := make([]string, len(records))
		for i := range records {
			ids[i] = records[i].ID.String()
		}
		key.Field = &wire.FieldData_Scalars{Scalars: &wire.Scalars{Data: &wire.Scalars_Texts{Texts: &wire.Texts{Data: ids}}}}
	} else {
		ids := make([]int64, len(records))
		for i := range records {
			ids[i] = int64(records[i].ID.Integer())
		}
		key.Field = &wire.FieldData_Scalars{Scalars: &wire.Scalars{Data: &wire.Scalars_Longs{Longs: &wire.Longs{Data: ids}}}}
	}
	out := []*wire.FieldData{key}
	for i := range s.vectors {
		out = append(out, s.vectors[i].fieldOf(records))
	}
	for i := range s.columns {
		if !s.columns[i].writable() {
			continue // it is null in each of them: all others are refused
		}
		f, err := s.columns[i].fieldOf(records)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if !s.dynamic {
		return out, nil
	}
	all := make([][]byte, len(records))
	for i := range records {
		var err error
		if all[i], err = s.dynamicOf(records[i].Payload).AppendJSON(nil); err != nil {
			return nil, fmt.Errorf("record %s: %w", records[i].ID, err)
		}
	}
	return append(out, &wire.FieldData{Type: kindJSON, Name: meta, Dynamic: true,
		Field: &wire.FieldData_Scalars{Scalars: &wire.Scalars{Data: &wire.Scalars_Json{Json: &wire.Blobs{Data: all}}}}}), nil
}

// fieldOf is the column of a vector. Where it may be null, those that are have no
// place in the data.
func (f *vectorField) fieldOf(records []vector.Record) *wire.FieldData {
	out := &wire.FieldData{Type: f.kind, Name: f.field}
	var there []*vector.Vector
	for i := range records {
		v := records[i].Vector(f.Name)
		if f.nullable {
			out.Valid = append(out.Valid, v != nil)
		}
		if v != nil || f.Form == vector.Sparse && !f.nullable {
			there = append(there, v)
		}
	}
	all := &wire.Vectors{Dim: int64(f.Dim)}
	out.Field = &wire.FieldData_Vectors{Vectors: all}
	numbers := func(size int, add func(b []byte, x float32) []byte) []byte {
		b := make([]byte, 0, len(there)*f.Dim*size)
		for _, v := range there {
			for _, x := range v.Dense {
				b = add(b, x)
			}
		}
		return b
	}
	switch f.kind {
	case kindFloatVector:
		flat := make([]float32, 0, len(there)*f.Dim)
		for _, v := range there {
			flat = append(flat, v.Dense...)
		}
		all.Data = &wire.Vectors_Floats{Floats: &wire.Floats{Data: flat}}
	case kindFloat16:
		all.Data = &wire.Vectors_Float16{Float16: numbers(2, func(b []byte, x float32) []byte { return binary.LittleEndian.AppendUint16(b, floatToHalf(x)) })}
	case kindBFloat16:
		all.Data = &wire.Vectors_Bfloat16{Bfloat16: numbers(2, func(b []byte, x float32) []byte { return binary.LittleEndian.AppendUint16(b, floatToBFloat(x)) })}
	case kindInt8Vector:
		all.Data = &wire.Vectors_Int8{Int8: numbers(1, func(b []byte, x float32) []byte { return append(b, byte(int8(x))) })}
	case kindBinary:
		var b []byte
		for _, v := range there {
			b = append(b, v.Bits...)
		}
		all.Data = &wire.Vectors_Bits{Bits: b}
	case kindSparse:
		rows := &wire.Sparse{}
		for _, v := range there {
			var b []byte
			if v != nil {
				b = sparseBytes(v)
				if n := len(v.Indices); n > 0 {
					rows.Dim = max(rows.Dim, int64(v.Indices[n-1])+1)
				}
			}
			rows.Contents = append(rows.Contents, b)
		}
		all.Dim, all.Data = rows.Dim, &wire.Vectors_Sparse{Sparse: rows}
	}
	return out
}

func sparseBytes(v *vector.Vector) []byte {
	b := make([]byte, 0, 8*len(v.Indices))
	for i, at := range v.Indices {
		b = binary.LittleEndian.AppendUint32(b, at)
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v.Values[i]))
	}
	return b
}

// fieldOf is a typed column.
func (c *column) fieldOf(records []vector.Record) (*wire.FieldData, error) {
	out := &wire.FieldData{Type: c.kind, Name: c.name}
	var there []vector.Value
	for i := range records {
		v, ok := records[i].Payload.Get(c.name)
		if c.nullable {
			out.Valid = append(out.Valid, ok)
		}
		if ok {
			there = append(there, v)
		}
	}
	s, err := c.scalarsOf(there)
	out.Field = &wire.FieldData_Scalars{Scalars: s}
	return out, err
}

func (c *column) scalarsOf(values []vector.Value) (*wire.Scalars, error) {
	switch c.kind {
	case kindBool:
		return &wire.Scalars{Data: &wire.Scalars_Bools{Bools: &wire.Bools{Data: mapped(values, (*vector.Value).Bool)}}}, nil
	case kindInt8, kindInt16, kindInt32:
		return &wire.Scalars{Data: &wire.Scalars_Ints{Ints: &wire.Ints{Data: mapped(values, func(v *vector.Value) int32 { return int32(v.Int()) })}}}, nil
	case kindInt64:
		return &wire.Scalars{Data: &wire.Scalars_Longs{Longs: &wire.Longs{Data: mapped(values, (*vector.Value).Int)}}}, nil
	case kindFloat:
		return &wire.Scalars{Data: &wire.Scalars_Floats{Floats: &wire.Floats{Data: mapped(values, func(v *vector.Value) float32 { return float32(v.Float()) })}}}, nil
	case kindDouble:
		return &wire.Scalars{Data: &wire.Scalars_Doubles{Doubles: &wire.Doubles{Data: mapped(values, (*vector.Value).Float)}}}, nil
	case kindVarChar:
		return &wire.Scalars{Data: &wire.Scalars_Texts{Texts: &wire.Texts{Data: mapped(values, (*vector.Value).Text)}}}, nil
	case kindArray:
		one := column{kind: c.element}
		all := &wire.Arrays{Element: c.element}
		for i := range values {
			s, err := one.scalarsOf(values[i].List())
			if err != nil {
				return nil, err
			}
			all.Data = append(all.Data, s)
		}
		return &wire.Scalars{Data: &wire.Scalars_Arrays{Arrays: all}}, nil
	}
	all := make([][]byte, len(values)) // JSON
	for i := range values {
		var err error
		if all[i], err = values[i].AppendJSON(nil); err != nil {
			return nil, err
		}
	}
	return &wire.Scalars{Data: &wire.Scalars_Json{Json: &wire.Blobs{Data: all}}}, nil
}

func mapped[T any](values []vector.Value, one func(*vector.Value) T) []T {
	out := make([]T, len(values))
	for i := range values {
		out[i] = one(&values[i])
	}
	return out
}
