package qdrant

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
)

// Keys of units are ids as people write them: a number in digits, a UUID with its
// dashes, by which they are told apart.

func parseKey(s string) (vector.ID, error) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return vector.IntegerIDOf(n), nil
	}
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return vector.ID{}, fmt.Errorf("%q is neither a number nor a UUID, as ids of Qdrant are", s)
	}
	return vector.UUIDOf(u), nil
}

// compare orders ids as Qdrant does: numbers by size, and before all UUIDs, which
// go by their bytes.
func compare(a, b vector.ID) int {
	if c := cmp.Compare(a.Kind(), b.Kind()); c != 0 {
		return c
	}
	if a.Kind() == vector.IntegerID {
		return cmp.Compare(a.Integer(), b.Integer())
	}
	u, v := a.UUID(), b.UUID()
	return bytes.Compare(u[:], v[:])
}

// behind is the id that follows another one at once; ok is false behind the last.
func behind(id vector.ID) (next vector.ID, ok bool) {
	if id.Kind() == vector.IntegerID {
		if id.Integer() == math.MaxUint64 {
			return vector.UUIDOf(uuid.UUID{}), true
		}
		return vector.IntegerIDOf(id.Integer() + 1), true
	}
	u := id.UUID()
	low := binary.BigEndian.Uint64(u[8:]) + 1
	binary.BigEndian.PutUint64(u[8:], low)
	if low == 0 {
		high := binary.BigEndian.Uint64(u[:8]) + 1
		if binary.BigEndian.PutUint64(u[:8], high); high == 0 {
			return id, false
		}
	}
	return vector.UUIDOf(u), true
}

// from is where a scroll starts that leaves out all up to the key after; nil: at
// the first. ok is false if nothing can follow.
func from(after string) (start *pb.PointId, ok bool, err error) {
	if after == "" {
		return nil, true, nil
	}
	id, err := parseKey(after)
	if err != nil {
		return nil, false, err
	}
	if id, ok = behind(id); !ok {
		return nil, false, nil
	}
	return pointID(id), true, nil
}

func pointID(id vector.ID) *pb.PointId {
	if id.Kind() == vector.IntegerID {
		return pb.NewIDNum(id.Integer())
	}
	return pb.NewIDUUID(id.String())
}
