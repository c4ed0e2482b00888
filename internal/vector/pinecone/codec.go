package pinecone

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
)

// codec is gRPC's usual one, but for the three messages that a copy is made of:
// those go between the wire and records at once, without messages and maps of
// messages in between, which cost more than all the rest of a copy.
type codec struct{}

// Name is what the content type says.
func (codec) Name() string { return "proto" }

// Marshal is of [encoding.CodecV2].
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*upsertMessage); ok {
		size := m.size()
		pool := mem.DefaultBufferPool()
		b := pool.Get(size)
		*b = m.append((*b)[:0])
		if len(*b) != size {
			return nil, fmt.Errorf("upsert request: %d bytes, %d were counted", len(*b), size)
		}
		return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
	}
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal is of [encoding.CodecV2].
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free() // nothing that is made of it shares its memory
	switch m := v.(type) {
	case *fetchMessage:
		return m.read(whole.ReadOnlyData())
	case *listMessage:
		return m.read(whole.ReadOnlyData())
	case proto.Message:
		return proto.Unmarshal(whole.ReadOnlyData(), m)
	}
	return fmt.Errorf("%T is no message", v)
}

// upsertMessage is an UpsertRequest.
type upsertMessage struct {
	namespace string
	records   []vector.Record // that metadata and vectors can hold
}

func (m *upsertMessage) size() int {
	n := 0
	for i := range m.records {
		n += recordBytes(&m.records[i])
	}
	if m.namespace != "" {
		n += 1 + protowire.SizeBytes(len(m.namespace))
	}
	return n
}

// recordBytes is what a record takes in an UpsertRequest.
func recordBytes(r *vector.Record) int { return 1 + protowire.SizeBytes(vectorSize(r)) }

func vectorSize(r *vector.Record) int {
	n := 1 + protowire.SizeBytes(len(r.ID.String()))
	for i := range r.Vectors {
		v := &r.Vectors[i]
		if v.Indices == nil {
			n += floatsSize(v.Dense)
			continue
		}
		n += 1 + protowire.SizeBytes(sparseSize(v))
	}
	if len(r.Payload) > 0 {
		n += 1 + protowire.SizeBytes(structSize(r.Payload))
	}
	return n
}

func floatsSize(v []float32) int {
	if len(v) == 0 {
		return 0
	}
	return 1 + protowire.SizeBytes(4*len(v))
}

func sparseSize(v *vector.Vector) int {
	return 1 + protowire.SizeBytes(indicesSize(v)) + floatsSize(v.Values)
}

func indicesSize(v *vector.Vector) int {
	n := 0
	for _, x := range v.Indices {
		n += protowire.SizeVarint(uint64(x))
	}
	return n
}

func structSize(p vector.Payload) int {
	n := 0
	for i := range p {
		n += 1 + protowire.SizeBytes(entrySize(&p[i]))
	}
	return n
}

func entrySize(f *vector.Field) int {
	return 1 + protowire.SizeBytes(len(f.Name)) + 1 + protowire.SizeBytes(valueSize(&f.Value))
}

func valueSize(v *vector.Value) int {
	switch v.Kind() {
	case vector.Bool:
		return 2
	case vector.Int, vector.Float:
		return 9
	case vector.Text:
		return 1 + protowire.SizeBytes(len(v.Text()))
	}
	return 1 + protowire.SizeBytes(listSize(v.List()))
}

func listSize(l []vector.Value) int {
	n := 0
	for i := range l {
		n += 1 + protowire.SizeBytes(valueSize(&l[i]))
	}
	return n
}

func (m *upsertMessage) append(b []byte) []byte {
	for i := range m.records {
		r := &m.records[i]
		b = appendHead(b, 1, vectorSize(r))
		b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), r.ID.String())
		for j := range r.Vectors {
			v := &r.Vectors[j]
			if v.Indices == nil {
				b = appendFloats(b, 2, v.Dense)
				continue
			}
			b = appendHead(b, 4, sparseSize(v))
			b = appendHead(b, 1, indicesSize(v))
			for _, x := range v.Indices {
				b = protowire.AppendVarint(b, uint64(x))
			}
			b = appendFloats(b, 2, v.Values)
		}
		if len(r.Payload) > 0 {
			b = appendHead(b, 3, structSize(r.Payload))
			for j := range r.Payload {
				f := &r.Payload[j]
				b = appendHead(b, 1, entrySize(f))
				b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), f.Name)
				b = appendHead(b, 2, valueSize(&f.Value))
				b = appendValue(b, &f.Value)
			}
		}
	}
	if m.namespace != "" {
		b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), m.namespace)
	}
	return b
}

func appendHead(b []byte, field protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(size))
}

func appendFloats(b []byte, field protowire.Number, v []float32) []byte {
	if len(v) == 0 {
		return b
	}
	b = appendHead(b, field, 4*len(v))
	return putFloats(b, v)
}

func appendValue(b []byte, v *vector.Value) []byte {
	switch v.Kind() {
	case vector.Bool:
		return protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.VarintType), protowire.EncodeBool(v.Bool()))
	case vector.Int:
		return protowire.AppendFixed64(protowire.AppendTag(b, 2, protowire.Fixed64Type), doubleBits(float64(v.Int())))
	case vector.Float:
		return protowire.AppendFixed64(protowire.AppendTag(b, 2, protowire.Fixed64Type), doubleBits(v.Float()))
	case vector.Text:
		return protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), v.Text())
	}
	l := v.List()
	b = appendHead(b, 6, listSize(l))
	for i := range l {
		b = appendHead(b, 1, valueSize(&l[i]))
		b = appendValue(b, &l[i])
	}
	return b
}
