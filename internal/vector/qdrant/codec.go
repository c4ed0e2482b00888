package qdrant

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// codec speaks protobuf as gRPC's own codec does, and knows the two messages that
// records are in by itself.
type codec struct{}

// Name makes it the content type of all others.
func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *upsert:
		pool := mem.DefaultBufferPool()
		b := pool.Get(v.size)
		*b = v.append((*b)[:0])
		return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
	case proto.Message:
		b, err := proto.Marshal(v)
		return mem.BufferSlice{mem.SliceBuffer(b)}, err
	}
	return nil, fmt.Errorf("qdrant: %T is no message", v)
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	b := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer b.Free()
	switch v := v.(type) {
	case *page:
		return v.decode(b.ReadOnlyData())
	case *scored:
		return v.decode(b.ReadOnlyData())
	case proto.Message:
		return proto.Unmarshal(b.ReadOnlyData(), v)
	}
	return fmt.Errorf("qdrant: %T is no message", v)
}
