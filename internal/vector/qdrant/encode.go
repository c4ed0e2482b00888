package qdrant

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"freehold/internal/vector"
)

// upsert is an UpsertPoints message that is written straight from records: their
// sizes first, then all into one buffer.
type upsert struct {
	collection string
	records    []vector.Record
	sizes      []int // of each record's PointStruct
	ordered    bool
	size       int
}

// The fields of the messages, as they are in Qdrant's points.proto.
const (
	upsertCollection, upsertWait, upsertPoints, upsertOrdering = 1, 2, 3, 4
	orderingType, orderingStrong                               = 1, 2

	pointIDs, pointPayload, pointVectors = 1, 3, 4
	idNum, idUUID                        = 1, 2
	entryKey, entryValue                 = 1, 2
	vectorsOne, vectorsNamed             = 1, 2
	namedEntry                           = 1

	vectorDense, vectorSparse, vectorMulti = 101, 102, 103
	denseData                              = 1
	sparseValues, sparseIndices            = 1, 2
	multiRow                               = 1

	valueNull, valueDouble, valueInteger, valueString, valueBool, valueStruct, valueList = 1, 2, 3, 4, 5, 6, 7
	structEntry, listValue                                                               = 1, 1
)

func newUpsert(collection string, records []vector.Record, ordered bool) *upsert {
	u := &upsert{collection: collection, records: records, ordered: ordered, sizes: make([]int, len(records))}
	u.size = field(upsertCollection, len(collection)) + 2
	if ordered {
		u.size += 4
	}
	for i := range records {
		u.sizes[i] = sizePoint(&records[i])
		u.size += field(upsertPoints, u.sizes[i])
	}
	return u
}

func (u *upsert) append(b []byte) []byte {
	b = appendText(b, upsertCollection, u.collection)
	b = append(b, upsertWait<<3, 1)
	for i := range u.records {
		b = header(b, upsertPoints, u.sizes[i])
		b = appendPoint(b, &u.records[i])
	}
	if u.ordered {
		b = append(b, upsertOrdering<<3|2, 2, orderingType<<3, orderingStrong)
	}
	return b
}

// field is what a field with n bytes takes.
func field(number protowire.Number, n int) int {
	return protowire.SizeTag(number) + protowire.SizeBytes(n)
}

// header starts a field of n bytes.
func header(b []byte, number protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.BytesType), uint64(n))
}

func appendText(b []byte, number protowire.Number, s string) []byte {
	return append(header(b, number, len(s)), s...)
}

func sizePoint(r *vector.Record) int {
	return field(pointIDs, sizeID(r.ID)) + sizeFields(pointPayload, r.Payload) + field(pointVectors, sizeVectors(r.Vectors))
}

func appendPoint(b []byte, r *vector.Record) []byte {
	b = header(b, pointIDs, sizeID(r.ID))
	if r.ID.Kind() == vector.IntegerID {
		b = protowire.AppendVarint(append(b, idNum<<3), r.ID.Integer())
	} else {
		b = appendText(b, idUUID, r.ID.String())
	}
	b = appendFields(b, pointPayload, r.Payload)
	b = header(b, pointVectors, sizeVectors(r.Vectors))
	return appendVectors(b, r.Vectors)
}

func sizeID(id vector.ID) int {
	if id.Kind() == vector.IntegerID {
		return 1 + protowire.SizeVarint(id.Integer())
	}
	return field(idUUID, 36)
}

// nameless reports whether the vectors are the one of a collection that has just
// one. A record without vectors has an empty map of them: none at all is refused.
func nameless(v []vector.Vector) bool { return len(v) == 1 && v[0].Name == "" }

func sizeVectors(v []vector.Vector) int {
	if nameless(v) {
		return field(vectorsOne, sizeVector(&v[0]))
	}
	return field(vectorsNamed, sizeNamed(v))
}

func sizeNamed(v []vector.Vector) int {
	n := 0
	for i := range v {
		n += field(namedEntry, field(entryKey, len(v[i].Name))+field(entryValue, sizeVector(&v[i])))
	}
	return n
}

func appendVectors(b []byte, v []vector.Vector) []byte {
	if nameless(v) {
		return appendVector(header(b, vectorsOne, sizeVector(&v[0])), &v[0])
	}
	b = header(b, vectorsNamed, sizeNamed(v))
	for i := range v {
		n := sizeVector(&v[i])
		b = header(b, namedEntry, field(entryKey, len(v[i].Name))+field(entryValue, n))
		b = appendText(b, entryKey, v[i].Name)
		b = appendVector(header(b, entryValue, n), &v[i])
	}
	return b
}

func sizeVector(v *vector.Vector) int {
	switch formOf(v) {
	case vector.Sparse:
		return field(vectorSparse, sizeSparse(v))
	case vector.Multi:
		row := field(denseData, 4*len(v.Dense)/v.Rows)
		return field(vectorMulti, v.Rows*field(multiRow, row))
	}
	return field(vectorDense, field(denseData, 4*len(v.Dense)))
}

func formOf(v *vector.Vector) vector.Form {
	switch {
	case v.Rows > 0:
		return vector.Multi
	case v.Dense == nil:
		return vector.Sparse
	}
	return vector.Dense
}

func sizeSparse(v *vector.Vector) int {
	return field(sparseValues, 4*len(v.Values)) + field(sparseIndices, sizeIndices(v.Indices))
}

func sizeIndices(of []uint32) int {
	n := 0
	for _, x := range of {
		n += protowire.SizeVarint(uint64(x))
	}
	return n
}

func appendVector(b []byte, v *vector.Vector) []byte {
	switch formOf(v) {
	case vector.Sparse:
		b = header(b, vectorSparse, sizeSparse(v))
		b = appendFloats(b, sparseValues, v.Values)
		b = header(b, sparseIndices, sizeIndices(v.Indices))
		for _, x := range v.Indices {
			b = protowire.AppendVarint(b, uint64(x))
		}
		return b
	case vector.Multi:
		n := len(v.Dense) / v.Rows
		row := field(denseData, 4*n)
		b = header(b, vectorMulti, v.Rows*field(multiRow, row))
		for r := range v.Rows {
			b = appendFloats(header(b, multiRow, row), denseData, v.Dense[r*n:(r+1)*n])
		}
		return b
	}
	return appendFloats(header(b, vectorDense, field(denseData, 4*len(v.Dense))), denseData, v.Dense)
}

func appendFloats(b []byte, number protowire.Number, of []float32) []byte {
	b = header(b, number, 4*len(of))
	n := len(b)
	b = slices.Grow(b, 4*len(of))[:n+4*len(of)]
	for to := b[n:]; len(of) > 0 && len(to) >= 4; of, to = of[1:], to[4:] {
		binary.LittleEndian.PutUint32(to, math.Float32bits(of[0]))
	}
	return b
}

func sizeFields(number protowire.Number, p vector.Payload) int {
	n := 0
	for i := range p {
		n += field(number, sizeField(&p[i]))
	}
	return n
}

func sizeField(f *vector.Field) int {
	return field(entryKey, len(f.Name)) + field(entryValue, sizeValue(&f.Value))
}

func appendFields(b []byte, number protowire.Number, p vector.Payload) []byte {
	for i := range p {
		n := sizeValue(&p[i].Value)
		b = header(b, number, field(entryKey, len(p[i].Name))+field(entryValue, n))
		b = appendText(b, entryKey, p[i].Name)
		b = appendValue(header(b, entryValue, n), &p[i].Value)
	}
	return b
}

func sizeValue(v *vector.Value) int {
	switch v.Kind() {
	case vector.Float:
		return 9
	case vector.Int:
		return 1 + protowire.SizeVarint(uint64(v.Int()))
	case vector.Text:
		return field(valueString, len(v.Text()))
	case vector.List:
		return field(valueList, sizeList(v.List()))
	case vector.Map:
		return field(valueStruct, sizeFields(structEntry, v.Map()))
	}
	return 2 // of Null and Bool
}

func sizeList(l []vector.Value) int {
	n := 0
	for i := range l {
		n += field(listValue, sizeValue(&l[i]))
	}
	return n
}

func appendValue(b []byte, v *vector.Value) []byte {
	switch v.Kind() {
	case vector.Bool:
		b = append(b, valueBool<<3, 0)
		if v.Bool() {
			b[len(b)-1] = 1
		}
	case vector.Float:
		b = binary.LittleEndian.AppendUint64(append(b, valueDouble<<3|1), math.Float64bits(v.Float()))
	case vector.Int:
		b = protowire.AppendVarint(append(b, valueInteger<<3), uint64(v.Int()))
	case vector.Text:
		b = appendText(b, valueString, v.Text())
	case vector.List:
		l := v.List()
		b = header(b, valueList, sizeList(l))
		for i := range l {
			b = appendValue(header(b, listValue, sizeValue(&l[i])), &l[i])
		}
	case vector.Map:
		b = header(b, valueStruct, sizeFields(structEntry, v.Map()))
		b = appendFields(b, structEntry, v.Map())
	default:
		b = append(b, valueNull<<3, 0)
	}
	return b
}
