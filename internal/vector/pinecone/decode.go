package pinecone

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"freehold/internal/vector"
)

// fetchMessage is a FetchResponse: records, in any order.
type fetchMessage struct {
	namespace string // of the records; set beforehand
	records   []vector.Record
}

// listMessage is a ListResponse.
type listMessage struct {
	ids  []string
	next string // the token; empty: there is no further page
}

// fields calls do with each field of a message. What do does not know it leaves.
func fields(b []byte, do func(n protowire.Number, t protowire.Type, v []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		v := b[:n]
		if typ == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(v)
		}
		if err := do(num, typ, v); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (m *listMessage) read(b []byte) error {
	return fields(b, func(n protowire.Number, t protowire.Type, v []byte) error {
		if t != protowire.BytesType || n > 2 {
			return nil // its namespace and what it cost
		}
		return fields(v, func(inner protowire.Number, t protowire.Type, v []byte) error {
			switch {
			case t != protowire.BytesType || inner != 1:
			case n == 1:
				m.ids = append(m.ids, string(v))
			case n == 2:
				m.next = string(v)
			}
			return nil
		})
	})
}

// reading is the state of reading one FetchResponse.
type reading struct {
	names  map[string]string // of fields: each is in memory once
	floats []float32         // from which dense vectors are cut
}

func (m *fetchMessage) read(b []byte) error {
	in := reading{names: map[string]string{}, floats: make([]float32, 0, len(b)/4)}
	return fields(b, func(n protowire.Number, t protowire.Type, v []byte) error {
		if n != 1 || t != protowire.BytesType {
			return nil
		}
		return fields(v, func(n protowire.Number, t protowire.Type, v []byte) error {
			if n != 2 || t != protowire.BytesType {
				return nil // the key is the record's id once more
			}
			r := vector.Record{Namespace: m.namespace}
			if err := in.record(&r, v); err != nil {
				return err
			}
			m.records = append(m.records, r)
			return nil
		})
	})
}

func (in *reading) record(r *vector.Record, b []byte) error {
	var dense []float32
	var sparse *vector.Vector
	err := fields(b, func(n protowire.Number, t protowire.Type, v []byte) (err error) {
		switch {
		case n == 1 && t == protowire.BytesType:
			r.ID = vector.IDOf(string(v))
		case n == 2:
			dense, err = in.appendFloats(dense, t, v)
		case n == 3 && t == protowire.BytesType:
			r.Payload, err = in.payload(v)
		case n == 4 && t == protowire.BytesType:
			sparse = &vector.Vector{Name: SparseName}
			err = in.sparse(sparse, v)
		}
		return err
	})
	if err != nil {
		return err
	}
	if dense != nil {
		r.Vectors = append(r.Vectors, vector.Vector{Dense: dense})
	}
	if sparse != nil && len(sparse.Indices) > 0 {
		r.Vectors = append(r.Vectors, *sparse)
	}
	return nil
}

// appendFloats reads numbers that are packed, as they always are, or single.
func (in *reading) appendFloats(to []float32, t protowire.Type, v []byte) ([]float32, error) {
	if t != protowire.BytesType && t != protowire.Fixed32Type || len(v)%4 != 0 {
		return nil, fmt.Errorf("numbers of %d bytes in form %d", len(v), t)
	}
	if to == nil && t == protowire.BytesType {
		to = in.cut(len(v) / 4)
	}
	for ; len(v) >= 4; v = v[4:] {
		to = append(to, math.Float32frombits(binary.LittleEndian.Uint32(v)))
	}
	return to, nil
}

// cut is room for n numbers.
func (in *reading) cut(n int) []float32 {
	if cap(in.floats)-len(in.floats) < n {
		return make([]float32, 0, n)
	}
	at := len(in.floats)
	in.floats = in.floats[:at+n]
	return in.floats[at:at:len(in.floats)]
}

func (in *reading) sparse(to *vector.Vector, b []byte) error {
	err := fields(b, func(n protowire.Number, t protowire.Type, v []byte) (err error) {
		switch n {
		case 1:
			to.Indices, err = appendIndices(to.Indices, t, v)
		case 2:
			to.Values, err = in.appendFloats(to.Values, t, v)
		}
		return err
	})
	if err == nil && len(to.Indices) == len(to.Values) {
		sortSparse(to)
	}
	return err
}

func appendIndices(to []uint32, t protowire.Type, v []byte) ([]uint32, error) {
	if t != protowire.BytesType && t != protowire.VarintType {
		return nil, fmt.Errorf("indices in form %d", t)
	}
	for len(v) > 0 {
		x, n := protowire.ConsumeVarint(v)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		to, v = append(to, uint32(x)), v[n:]
	}
	return to, nil
}

// sortSparse puts indices in order: the store keeps them as they were written.
func sortSparse(v *vector.Vector) {
	if slices.IsSorted(v.Indices) {
		return
	}
	type pair struct {
		index uint32
		value float32
	}
	pairs := make([]pair, len(v.Indices))
	for i := range pairs {
		pairs[i] = pair{v.Indices[i], v.Values[i]}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.index, b.index) })
	for i, p := range pairs {
		v.Indices[i], v.Values[i] = p.index, p.value
	}
}

func (in *reading) payload(b []byte) (vector.Payload, error) {
	var fs []vector.Field
	err := fields(b, func(n protowire.Number, t protowire.Type, v []byte) error {
		if n != 1 || t != protowire.BytesType {
			return nil
		}
		if fs == nil {
			fs = make([]vector.Field, 0, 8)
		}
		var f vector.Field
		err := fields(v, func(n protowire.Number, t protowire.Type, v []byte) (err error) {
			switch {
			case n == 1 && t == protowire.BytesType:
				f.Name = in.name(v)
			case n == 2 && t == protowire.BytesType:
				f.Value, err = in.value(v, 0)
			}
			return err
		})
		fs = append(fs, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return vector.NewPayload(fs), nil
}

func (in *reading) name(b []byte) string {
	if s, ok := in.names[string(b)]; ok {
		return s
	}
	s := string(b)
	in.names[s] = s
	return s
}

func (in *reading) value(b []byte, level int) (out vector.Value, err error) {
	if level > 100 {
		return out, fmt.Errorf("a value is more than %d levels deep", level)
	}
	err = fields(b, func(n protowire.Number, t protowire.Type, v []byte) (err error) {
		switch {
		case n == 2 && t == protowire.Fixed64Type:
			out = vector.FloatOf(math.Float64frombits(binary.LittleEndian.Uint64(v)))
		case n == 3 && t == protowire.BytesType:
			out = vector.TextOf(string(v))
		case n == 4 && t == protowire.VarintType:
			x, _ := protowire.ConsumeVarint(v)
			out = vector.BoolOf(x != 0)
		case n == 5 && t == protowire.BytesType: // metadata has none; what is there is not lost
			var p vector.Payload
			p, err = in.payload(v)
			out = vector.MapOf(p)
		case n == 6 && t == protowire.BytesType:
			list := []vector.Value{}
			err = fields(v, func(n protowire.Number, t protowire.Type, v []byte) error {
				if n != 1 || t != protowire.BytesType {
					return nil
				}
				e, err := in.value(v, level+1)
				list = append(list, e)
				return err
			})
			out = vector.ListOf(list)
		}
		return err
	})
	return out, err
}

func putFloats(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func doubleBits(f float64) uint64 { return math.Float64bits(f) }
