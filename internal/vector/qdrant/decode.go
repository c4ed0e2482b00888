package qdrant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"

	"freehold/internal/vector"
)

// page is the records of a ScrollResponse or a GetResponse. Nothing of it lies in
// the bytes that it came in.
type page struct {
	get     bool // set beforehand: it is a GetResponse
	records []vector.Record
	more    bool // there are further ones
	bytes   int
}

// The fields of the answers, as they are in Qdrant's points.proto.
const (
	pageMore, pageResult         = 1, 2 // of a ScrollResponse
	getResult                    = 1    // of a GetResponse
	gotID, gotPayload, gotVector = 1, 2, 4

	oldData, oldIndices, oldCount = 1, 2, 3 // of vectors, before Qdrant 1.17
	oldIndicesData                = 1
)

var errWire = errors.New("the answer is not what Qdrant's protocol says")

// decoder makes records of bytes. Names come again and again and are kept once.
type decoder struct {
	names  map[string]string
	fields int              // of the last payload
	in     protowire.Number // the field that vectors are in
}

func (d *decoder) name(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(d.names) < 1024 { // names that are data, as ids in maps, are not worth it
		d.names[s] = s
	}
	return s
}

// each calls do with each field of a message: with the bytes of what has a
// length, and the number of all else.
func each(b []byte, do func(number protowire.Number, kind protowire.Type, bytes []byte, n uint64) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		var bytes []byte
		var value uint64
		switch kind {
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(b)
			value = uint64(x)
		case protowire.Fixed64Type:
			value, n = protowire.ConsumeFixed64(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return errWire
		}
		b = b[n:]
		if err := do(number, kind, bytes, value); err != nil {
			return err
		}
	}
	return nil
}

// count is how many fields of a number a message has, so that there is room for
// all of them at once.
func count(b []byte, number protowire.Number) (total int) {
	for len(b) > 0 {
		is, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return total
		}
		size := protowire.ConsumeFieldValue(is, kind, b[n:])
		if size < 0 {
			return total
		}
		if is == number {
			total++
		}
		b = b[n+size:]
	}
	return total
}

// decode reads a ScrollResponse, or a GetResponse if get says so.
func (p *page) decode(b []byte) error {
	d := decoder{names: map[string]string{}, in: gotVector}
	result := protowire.Number(pageResult)
	if p.get {
		result = getResult
	}
	p.bytes = len(b)
	p.records = make([]vector.Record, 0, count(b, result))
	return each(b, func(number protowire.Number, kind protowire.Type, bytes []byte, _ uint64) error {
		switch {
		case kind != protowire.BytesType:
		case number == result:
			p.records = append(p.records, vector.Record{})
			return d.record(bytes, &p.records[len(p.records)-1])
		case number == pageMore && !p.get:
			p.more = true
		}
		return nil
	})
}

// scored is the records of a QueryResponse.
type scored struct{ hits []vector.Hit }

// The fields of a QueryResponse.
const queryResult, scoredScore, scoredVector = 1, 3, 6

func (s *scored) decode(b []byte) error {
	d := decoder{names: map[string]string{}, in: scoredVector}
	s.hits = make([]vector.Hit, 0, count(b, queryResult))
	return each(b, func(number protowire.Number, kind protowire.Type, bytes []byte, _ uint64) error {
		if number != queryResult || kind != protowire.BytesType {
			return nil
		}
		h := vector.Hit{Record: &vector.Record{}}
		if err := d.record(bytes, h.Record); err != nil {
			return err
		}
		h.ID = h.Record.ID
		s.hits = append(s.hits, h)
		return each(bytes, func(number protowire.Number, _ protowire.Type, _ []byte, n uint64) error {
			if number == scoredScore {
				s.hits[len(s.hits)-1].Score = float64(math.Float32frombits(uint32(n)))
			}
			return nil
		})
	})
}

func (d *decoder) record(b []byte, r *vector.Record) error {
	fields := make([]vector.Field, 0, d.fields)
	err := each(b, func(number protowire.Number, _ protowire.Type, bytes []byte, _ uint64) (err error) {
		switch number {
		case gotID:
			r.ID, err = decodeID(bytes)
		case gotPayload:
			fields, err = d.field(fields, bytes)
		case d.in:
			r.Vectors, err = d.vectors(bytes)
		}
		return err
	})
	d.fields = len(fields)
	if len(fields) > 0 {
		r.Payload = vector.NewPayload(fields)
	}
	return err
}

func decodeID(b []byte) (id vector.ID, err error) {
	return id, each(b, func(number protowire.Number, _ protowire.Type, bytes []byte, n uint64) error {
		switch number {
		case idNum:
			id = vector.IntegerIDOf(n)
		case idUUID:
			u, err := uuid.ParseBytes(bytes)
			if err != nil {
				return fmt.Errorf("%w: an id is %q", errWire, bytes)
			}
			id = vector.UUIDOf(u)
		}
		return nil
	})
}

// vectors reads a VectorsOutput.
func (d *decoder) vectors(b []byte) (out []vector.Vector, err error) {
	return out, each(b, func(number protowire.Number, _ protowire.Type, bytes []byte, _ uint64) error {
		switch number {
		case vectorsOne:
			out = []vector.Vector{{}}
			return d.vector(bytes, &out[0])
		case vectorsNamed:
			return each(bytes, func(_ protowire.Number, _ protowire.Type, entry []byte, _ uint64) error {
				var v vector.Vector
				if err := each(entry, func(number protowire.Number, _ protowire.Type, bytes []byte, _ uint64) error {
					switch number {
					case entryKey:
						v.Name = d.name(bytes)
					case entryValue:
						return d.vector(bytes, &v)
					}
					return nil
				}); err != nil {
					return err
				}
				out = append(out, v)
				return nil
			})
		}
		return nil
	})
}

// vector reads a VectorOutput: what it is, or, of older servers, numbers and what
// makes them sparse or rows.
func (d *decoder) vector(b []byte, v *vector.Vector) error {
	var old struct {
		data  []float32
		count uint64
	}
	err := each(b, func(number protowire.Number, kind protowire.Type, bytes []byte, n uint64) (err error) {
		switch number {
		case vectorDense:
			v.Dense, err = dense(bytes)
		case vectorSparse:
			err = sparse(bytes, v)
		case vectorMulti:
			err = multi(bytes, v)
		case oldData:
			old.data, err = floats(old.data, kind, bytes, n)
		case oldIndices:
			v.Indices = []uint32{}
			err = each(bytes, func(number protowire.Number, kind protowire.Type, bytes []byte, n uint64) (err error) {
				if number == oldIndicesData {
					v.Indices, err = varints(v.Indices, kind, bytes, n)
				}
				return err
			})
		case oldCount:
			old.count = n
		}
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case v.Dense != nil || v.Values != nil: // it said what it is
	case v.Indices != nil:
		if v.Values = old.data; v.Values == nil {
			v.Values = []float32{}
		}
	default:
		v.Dense, v.Rows = old.data, int(old.count)
	}
	return rise(v)
}

// rise orders a sparse vector.
func rise(v *vector.Vector) error {
	if len(v.Indices) != len(v.Values) {
		return fmt.Errorf("%w: a sparse vector has %d indices and %d values", errWire, len(v.Indices), len(v.Values))
	}
	if s := (rising{v}); !sort.IsSorted(s) {
		sort.Sort(s)
	}
	return nil
}

type rising struct{ *vector.Vector }

func (r rising) Len() int           { return len(r.Indices) }
func (r rising) Less(i, j int) bool { return r.Indices[i] < r.Indices[j] }
func (r rising) Swap(i, j int) {
	r.Indices[i], r.Indices[j] = r.Indices[j], r.Indices[i]
	r.Values[i], r.Values[j] = r.Values[j], r.Values[i]
}

func dense(b []byte) (out []float32, err error) {
	err = each(b, func(number protowire.Number, kind protowire.Type, bytes []byte, n uint64) (err error) {
		if number == denseData {
			out, err = floats(out, kind, bytes, n)
		}
		return err
	})
	if out == nil {
		out = []float32{}
	}
	return out, err
}

func sparse(b []byte, v *vector.Vector) error {
	v.Indices, v.Values = []uint32{}, []float32{}
	return each(b, func(number protowire.Number, kind protowire.Type, bytes []byte, n uint64) (err error) {
		switch number {
		case sparseValues:
			v.Values, err = floats(v.Values, kind, bytes, n)
		case sparseIndices:
			v.Indices, err = varints(v.Indices, kind, bytes, n)
		}
		return err
	})
}

func multi(b []byte, v *vector.Vector) error {
	v.Dense = []float32{}
	return each(b, func(number protowire.Number, _ protowire.Type, bytes []byte, _ uint64) error {
		if number != multiRow {
			return nil
		}
		v.Rows++
		row, err := dense(bytes)
		if v.Rows == 1 {
			v.Dense = row
		} else {
			v.Dense = append(v.Dense, row...)
		}
		return err
	})
}

// floats adds numbers that are packed, or the one that is not.
func floats(out []float32, kind protowire.Type, b []byte, one uint64) ([]float32, error) {
	if kind != protowire.BytesType {
		return append(out, math.Float32frombits(uint32(one))), nil
	}
	if len(b)%4 != 0 {
		return out, errWire
	}
	n := len(out)
	out = slices.Grow(out, len(b)/4)[:n+len(b)/4]
	for to := out[n:]; len(b) >= 4 && len(to) > 0; b, to = b[4:], to[1:] {
		to[0] = math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	return out, nil
}

func varints(out []uint32, kind protowire.Type, b []byte, n uint64) ([]uint32, error) {
	if kind != protowire.BytesType {
		return append(out, uint32(n)), nil
	}
	for len(b) > 0 {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return out, errWire
		}
		out, b = append(out, uint32(x)), b[n:]
	}
	return out, nil
}

// field reads an entry of a map of values.
func (d *decoder) field(out []vector.Field, b []byte) ([]vector.Field, error) {
	var f vector.Field
	err := each(b, func(number protowire.Number, _ protowire.Type, bytes []byte, _ uint64) (err error) {
		switch number {
		case entryKey:
			f.Name = d.name(bytes)
		case entryValue:
			f.Value, err = d.value(bytes)
		}
		return err
	})
	return append(out, f), err
}

func (d *decoder) value(b []byte) (v vector.Value, err error) {
	return v, each(b, func(number protowire.Number, _ protowire.Type, bytes []byte, n uint64) error {
		switch number {
		case valueNull:
			v = vector.Value{}
		case valueDouble:
			v = vector.FloatOf(math.Float64frombits(n))
		case valueInteger:
			v = vector.IntOf(int64(n))
		case valueString:
			v = vector.TextOf(string(bytes))
		case valueBool:
			v = vector.BoolOf(n != 0)
		case valueStruct:
			fields := make([]vector.Field, 0, count(bytes, structEntry))
			if err := each(bytes, func(_ protowire.Number, _ protowire.Type, entry []byte, _ uint64) (err error) {
				fields, err = d.field(fields, entry)
				return err
			}); err != nil {
				return err
			}
			v = vector.MapOf(vector.NewPayload(fields))
		case valueList:
			list := make([]vector.Value, 0, count(bytes, listValue))
			if err := each(bytes, func(_ protowire.Number, _ protowire.Type, item []byte, _ uint64) error {
				x, err := d.value(item)
				list = append(list, x)
				return err
			}); err != nil {
				return err
			}
			v = vector.ListOf(list)
		}
		return nil
	})
}
