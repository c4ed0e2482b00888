package milvus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// records makes records of columns.
func (p *space) records(columns []*wire.FieldData) ([]vector.Record, error) {
	var out []vector.Record
	for _, f := range columns {
		if f.GetName() != p.key.name {
			continue
		}
		if out = idsOf(f.GetScalars()); out == nil {
			return nil, fmt.Errorf("the primary key %s has neither numbers nor texts", p.key.name)
		}
	}
	fields := make([][]vector.Field, len(out))
	for _, f := range columns {
		var err error
		switch {
		case f.GetName() == p.key.name:
		case f.GetVectors() != nil:
			err = p.readVectors(f, out)
		case f.GetDynamic() || f.GetName() == meta:
			err = readMeta(f, out, fields)
		default:
			err = readColumn(f, fields)
		}
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.GetName(), err)
		}
	}
	for i := range out {
		out[i].Namespace = p.namespace
		if len(fields[i]) > 0 {
			out[i].Payload = vector.NewPayload(fields[i])
		}
	}
	return out, nil
}

func idsOf(s *wire.Scalars) []vector.Record {
	switch d := s.GetData().(type) {
	case *wire.Scalars_Longs:
		out := make([]vector.Record, len(d.Longs.GetData()))
		for i, n := range d.Longs.GetData() {
			out[i].ID = vector.IntegerIDOf(uint64(n))
		}
		return out
	case *wire.Scalars_Texts:
		out := make([]vector.Record, len(d.Texts.GetData()))
		for i, t := range d.Texts.GetData() {
			out[i].ID = vector.IDOf(t)
		}
		return out
	}
	return []vector.Record{} // of an empty answer, which need not say
}

// rows says where the values of a column are. Those that are null may be left out.
type rows struct {
	valid []bool
	n     int // values
	next  int
}

// at is where the value of a row is; ok is false of one that is null.
func (r *rows) at(row int) (i int, ok bool, err error) {
	if len(r.valid) == 0 {
		return row, row < r.n, missing(row < r.n)
	}
	if row >= len(r.valid) {
		return 0, false, missing(false)
	}
	if r.n == len(r.valid) {
		return row, r.valid[row], nil
	}
	if !r.valid[row] {
		return 0, false, nil
	}
	r.next++
	return r.next - 1, r.next <= r.n, missing(r.next <= r.n)
}

func missing(there bool) error {
	if there {
		return nil
	}
	return fmt.Errorf("it has fewer values than there are records")
}

// readMeta reads dynamic fields.
func readMeta(f *wire.FieldData, out []vector.Record, fields [][]vector.Field) error {
	values := f.GetScalars().GetJson().GetData()
	r := rows{valid: f.GetValid(), n: len(values)}
	for row := range out {
		i, ok, err := r.at(row)
		if err != nil {
			return err
		}
		if !ok || len(values[i]) == 0 {
			continue
		}
		p, err := vector.ReadPayload(decoder(values[i]))
		if err != nil {
			return fmt.Errorf("of record %s: %w", out[row].ID, err)
		}
		fields[row] = append(fields[row], p...)
	}
	return nil
}

func decoder(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true))
}

// readColumn reads a typed column. A null is no field: what is not in a record is
// null in its column.
func readColumn(f *wire.FieldData, fields [][]vector.Field) error {
	n, value := scalars(f.GetScalars())
	r := rows{valid: f.GetValid(), n: n}
	for row := range fields {
		i, ok, err := r.at(row)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		v, err := value(i)
		if err != nil {
			return err
		}
		fields[row] = append(fields[row], vector.Field{Name: f.GetName(), Value: v})
	}
	return nil
}

// scalars is how many values there are, and each of them.
func scalars(s *wire.Scalars) (n int, value func(i int) (vector.Value, error)) {
	switch d := s.GetData().(type) {
	case *wire.Scalars_Bools:
		return valuesOf(d.Bools.GetData(), vector.BoolOf)
	case *wire.Scalars_Ints:
		return valuesOf(d.Ints.GetData(), func(n int32) vector.Value { return vector.IntOf(int64(n)) })
	case *wire.Scalars_Longs:
		return valuesOf(d.Longs.GetData(), vector.IntOf)
	case *wire.Scalars_Floats:
		return valuesOf(d.Floats.GetData(), func(f float32) vector.Value { return vector.FloatOf(float64(f)) })
	case *wire.Scalars_Doubles:
		return valuesOf(d.Doubles.GetData(), vector.FloatOf)
	case *wire.Scalars_Texts:
		return valuesOf(d.Texts.GetData(), vector.TextOf)
	case *wire.Scalars_Json:
		return len(d.Json.GetData()), func(i int) (vector.Value, error) { return vector.ReadValue(decoder(d.Json.GetData()[i])) }
	case *wire.Scalars_Arrays:
		return len(d.Arrays.GetData()), func(i int) (vector.Value, error) {
			n, value := scalars(d.Arrays.GetData()[i])
			list := make([]vector.Value, n)
			for j := range list {
				var err error
				if list[j], err = value(j); err != nil {
					return vector.Value{}, err
				}
			}
			return vector.ListOf(list), nil
		}
	}
	return 0, nil
}

func valuesOf[T any](of []T, value func(T) vector.Value) (int, func(int) (vector.Value, error)) {
	return len(of), func(i int) (vector.Value, error) { return value(of[i]), nil }
}

// readVectors reads a column of vectors.
func (p *space) readVectors(f *wire.FieldData, out []vector.Record) error {
	name, dim := recordName(f.GetName()), int(f.GetVectors().GetDim())
	var n int
	var take func(i int, v *vector.Vector) error
	switch d := f.GetVectors().GetData().(type) {
	case *wire.Vectors_Floats:
		all := d.Floats.GetData()
		n, take = len(all)/max(dim, 1), func(i int, v *vector.Vector) error {
			v.Dense = all[i*dim : (i+1)*dim : (i+1)*dim]
			return nil
		}
	case *wire.Vectors_Float16:
		n, take = dense(d.Float16, dim, 2, func(b []byte) float32 { return halfToFloat(binary.LittleEndian.Uint16(b)) })
	case *wire.Vectors_Bfloat16:
		n, take = dense(d.Bfloat16, dim, 2, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) })
	case *wire.Vectors_Int8:
		n, take = dense(d.Int8, dim, 1, func(b []byte) float32 { return float32(int8(b[0])) })
	case *wire.Vectors_Bits:
		size := dim / 8
		n, take = len(d.Bits)/max(size, 1), func(i int, v *vector.Vector) error {
			v.Bits = d.Bits[i*size : (i+1)*size : (i+1)*size]
			return nil
		}
	case *wire.Vectors_Sparse:
		n, take = len(d.Sparse.GetContents()), func(i int, v *vector.Vector) error { return sparse(d.Sparse.GetContents()[i], v) }
	}
	r := rows{valid: f.GetValid(), n: n}
	for row := range out {
		i, ok, err := r.at(row)
		if err != nil {
			return err
		}
		v := vector.Vector{Name: name}
		if ok {
			if err := take(i, &v); err != nil {
				return err
			}
		}
		if v.Dense != nil || v.Indices != nil || v.Bits != nil {
			out[row].Vectors = append(out[row].Vectors, v)
		}
	}
	return nil
}

// dense takes numbers of size bytes each.
func dense(all []byte, dim, size int, one func([]byte) float32) (int, func(int, *vector.Vector) error) {
	return len(all) / max(dim*size, 1), func(i int, v *vector.Vector) error {
		v.Dense = make([]float32, dim)
		for j := range v.Dense {
			v.Dense[j] = one(all[(i*dim+j)*size:])
		}
		return nil
	}
}

// sparse reads pairs of an index and a value. One without any is none.
func sparse(b []byte, v *vector.Vector) error {
	if len(b)%8 != 0 {
		return fmt.Errorf("a sparse vector has %d bytes, and 8 for each value", len(b))
	}
	if len(b) == 0 {
		return nil
	}
	v.Indices, v.Values = make([]uint32, len(b)/8), make([]float32, len(b)/8)
	for i := range v.Indices {
		v.Indices[i] = binary.LittleEndian.Uint32(b[8*i:])
		v.Values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[8*i+4:]))
		if i > 0 && v.Indices[i] <= v.Indices[i-1] {
			return fmt.Errorf("the indices of a sparse vector do not rise")
		}
	}
	return nil
}
