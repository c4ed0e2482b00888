package sim

import (
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/wire"
)

// The limits of the contract.
const (
	upsertRecords = 1000
	upsertBytes   = 2 << 20
	metadataBytes = 40 << 10
	fetchIDs      = 1000
	deleteIDs     = 1000
	idLength      = 512
	sparseValues  = 1000
	topK          = 10000
	topKWhole     = 1000 // with values or metadata
	pageLimit     = 100
)

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// check says what of a record is not taken.
func (ix *index) check(v *wire.Vector) error {
	if err := checkID(v.GetId()); err != nil {
		return err
	}
	if ix.VectorType == "dense" && len(v.GetValues()) == 0 {
		return invalid("vector %s: a dense index needs dense values", v.GetId())
	}
	if ix.VectorType == "sparse" && len(v.GetSparseValues().GetIndices()) == 0 {
		return invalid("vector %s: a sparse index needs sparse values", v.GetId())
	}
	if err := ix.checkDense(v.GetValues()); err != nil {
		return err
	}
	if err := ix.checkSparse(v.GetSparseValues()); err != nil {
		return err
	}
	return checkMetadata(v.GetMetadata())
}

func checkID(id string) error {
	if n := utf8.RuneCountInString(id); n < 1 || n > idLength {
		return invalid("an id has 1 to %d characters, and one has %d", idLength, n)
	}
	if strings.ContainsRune(id, 0) {
		return invalid("an id has the character U+0000")
	}
	return nil
}

func (ix *index) checkDense(v []float32) error {
	if len(v) == 0 {
		return nil
	}
	if ix.VectorType == "sparse" {
		return invalid("a sparse index has no dense values")
	}
	if len(v) != ix.Dimension {
		return invalid("Vector dimension %d does not match the dimension of the index %d", len(v), ix.Dimension)
	}
	zero := true
	for _, x := range v {
		if x-x != 0 {
			return invalid("a value is not a finite number")
		}
		zero = zero && x == 0
	}
	if zero {
		return invalid("Dense vectors must contain at least one non-zero value.")
	}
	return nil
}

func (ix *index) checkSparse(v *wire.Sparse) error {
	if v == nil {
		return nil
	}
	if ix.Metric != "dotproduct" {
		return invalid("Index configuration does not support sparse values - only indexes that are sparse or using dotproduct are supported")
	}
	if len(v.GetIndices()) != len(v.GetValues()) {
		return invalid("sparse values: %d indices and %d values", len(v.GetIndices()), len(v.GetValues()))
	}
	if n := len(v.GetIndices()); n < 1 || n > sparseValues {
		return invalid("sparse values: 1 to %d, not %d", sparseValues, n)
	}
	seen := make(map[uint32]bool, len(v.GetIndices()))
	for i, x := range v.GetIndices() {
		if seen[x] {
			return invalid("sparse values: index %d is there twice", x)
		}
		seen[x] = true
		if y := v.GetValues()[i]; y-y != 0 {
			return invalid("a sparse value is not a finite number")
		}
	}
	return nil
}

func checkMetadata(s *structpb.Struct) error {
	for name, v := range s.GetFields() {
		if strings.HasPrefix(name, "$") {
			return invalid("metadata: a field's name begins with $: %s", name)
		}
		switch k := v.GetKind().(type) {
		case *structpb.Value_StringValue, *structpb.Value_BoolValue:
		case *structpb.Value_NumberValue:
			if math.IsNaN(k.NumberValue) || math.IsInf(k.NumberValue, 0) {
				return invalid("metadata: field %s is not a finite number", name)
			}
		case *structpb.Value_ListValue:
			for _, e := range k.ListValue.GetValues() {
				if _, ok := e.GetKind().(*structpb.Value_StringValue); !ok {
					return invalid("Metadata value must be a string, number, boolean or list of strings, got a list with something else for field '%s'", name)
				}
			}
		default:
			return invalid("Metadata value must be a string, number, boolean or list of strings, got 'null' or an object for field '%s'", name)
		}
	}
	if n := pinecone.MetadataSize(pinecone.PayloadOf(s)); n > metadataBytes {
		return invalid("Metadata size is %d bytes, which exceeds the limit of %d bytes per vector", n, metadataBytes)
	}
	return nil
}

// filter reads a filter; nil: there is none.
func filter(s *structpb.Struct) (*vector.Filter, error) {
	f, err := pinecone.FilterOf(s)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return f, nil
}
