package plane

import (
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/wire"
)

// The limits of the contract.
const (
	upsertRecords = 1000
	upsertBytes   = 2 << 20
	MetadataBytes = 40 << 10 // of a record, as JSON
	fetchIDs      = 1000
	deleteIDs     = 1000
	idLength      = 512
	sparseValues  = 1000
	topK          = 10000
	topKWhole     = 1000 // with values or metadata
	pageLimit     = 100
	pageRecords   = 1000 // records in a page, whatever is asked for
)

// Contract is what an index takes, by what it is.
type Contract struct {
	VectorType string // dense, sparse
	Dimension  int    // of dense ones
	Metric     string // cosine, dotproduct, euclidean
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// Vector says what of a record is not taken.
func (c Contract) Vector(v *wire.Vector) error {
	if err := ID(v.GetId()); err != nil {
		return err
	}
	if c.VectorType == "dense" && len(v.GetValues()) == 0 {
		return invalid("vector %s: a dense index needs dense values", v.GetId())
	}
	if c.VectorType == "sparse" && len(v.GetSparseValues().GetIndices()) == 0 {
		return invalid("vector %s: a sparse index needs sparse values", v.GetId())
	}
	if err := c.dense(v.GetValues()); err != nil {
		return err
	}
	if err := c.sparse(v.GetSparseValues()); err != nil {
		return err
	}
	return Metadata(v.GetMetadata())
}

// ID says what of an id is not taken.
func ID(id string) error {
	if n := utf8.RuneCountInString(id); n < 1 || n > idLength {
		return invalid("an id has 1 to %d characters, and one has %d", idLength, n)
	}
	if strings.ContainsRune(id, 0) {
		return invalid("an id has the character U+0000")
	}
	return nil
}

func (c Contract) dense(v []float32) error {
	if len(v) == 0 {
		return nil
	}
	if c.VectorType == "sparse" {
		return invalid("a sparse index has no dense values")
	}
	if len(v) != c.Dimension {
		return invalid("Vector dimension %d does not match the dimension of the index %d", len(v), c.Dimension)
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

func (c Contract) sparse(v *wire.Sparse) error {
	if v == nil {
		return nil
	}
	if c.Metric != "dotproduct" {
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

// Metadata says what of metadata is not taken.
func Metadata(s *structpb.Struct) error {
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
	if n := pinecone.MetadataSize(pinecone.PayloadOf(s)); n > MetadataBytes {
		return invalid("Metadata size is %d bytes, which exceeds the limit of %d bytes per vector", n, MetadataBytes)
	}
	return nil
}

// Filter reads a filter; nil: there is none.
func Filter(s *structpb.Struct) (*vector.Filter, error) {
	f, err := pinecone.FilterOf(s)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return f, nil
}

// Upsert says what of a request is not taken.
func (c Contract) Upsert(r *wire.UpsertRequest) error {
	if n := proto.Size(r); n > upsertBytes {
		return status.Errorf(codes.OutOfRange, "message length too large: found %d bytes, the limit is: %d bytes", n, upsertBytes)
	}
	if n := len(r.GetVectors()); n < 1 || n > upsertRecords {
		return invalid("an upsert has 1 to %d vectors, not %d", upsertRecords, n)
	}
	for _, v := range r.GetVectors() {
		if err := c.Vector(v); err != nil {
			return err
		}
	}
	return nil
}

// Delete says what of a request is not taken; the filter is nil where there is none.
func Delete(r *wire.DeleteRequest) (*vector.Filter, error) {
	ways := 0
	for _, there := range []bool{len(r.GetIds()) > 0, r.GetDeleteAll(), r.GetFilter() != nil} {
		if there {
			ways++
		}
	}
	if ways != 1 {
		return nil, invalid("a deletion has either ids, or deleteAll, or a filter")
	}
	if n := len(r.GetIds()); n > deleteIDs {
		return nil, invalid("a deletion has at most %d ids, not %d", deleteIDs, n)
	}
	f, err := Filter(r.GetFilter())
	if err == nil && r.GetFilter() != nil && f == nil {
		err = invalid("the filter is empty")
	}
	return f, err
}

// Fetch says what of a request is not taken.
func Fetch(r *wire.FetchRequest) error {
	if n := len(r.GetIds()); n < 1 || n > fetchIDs {
		return invalid("a fetch has 1 to %d ids, not %d", fetchIDs, n)
	}
	for _, id := range r.GetIds() {
		if err := ID(id); err != nil {
			return err
		}
	}
	return nil
}

// Update says what of a request is not taken; the filter is nil where there is none.
func (c Contract) Update(r *wire.UpdateRequest) (*vector.Filter, error) {
	f, err := Filter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	if (r.GetId() == "") == (f == nil) {
		return nil, invalid("an update has either an id or a filter")
	}
	if f != nil && (len(r.GetValues()) > 0 || r.GetSparseValues() != nil) {
		return nil, invalid("an update by filter sets metadata only")
	}
	if f == nil && r.GetDryRun() {
		return nil, invalid("dryRun is for updates by filter")
	}
	if f == nil {
		if err := ID(r.GetId()); err != nil {
			return nil, err
		}
	}
	if err := c.dense(r.GetValues()); err != nil {
		return nil, err
	}
	if err := c.sparse(r.GetSparseValues()); err != nil {
		return nil, err
	}
	return f, Metadata(r.GetSetMetadata())
}

// Query says what of a request is not taken; the filter is nil where there is none.
// The vector of a query by id is checked by [Contract.Asked].
func Query(r *wire.QueryRequest) (*vector.Filter, error) {
	most := topK
	if r.GetIncludeValues() || r.GetIncludeMetadata() {
		most = topKWhole
	}
	if k := int(r.GetTopK()); k < 1 || k > most {
		return nil, invalid("topK: 1 to %d, not %d", most, k)
	}
	if given := len(r.GetVector()) > 0 || r.GetSparseVector() != nil; given == (r.GetId() != "") {
		return nil, invalid("a query has either a vector or an id")
	}
	return Filter(r.GetFilter())
}

// Asked says what of a query's vector is not taken.
func (c Contract) Asked(dense []float32, sparse *wire.Sparse) error {
	if c.VectorType == "dense" && len(dense) == 0 {
		return invalid("a query of a dense index needs a dense vector")
	}
	if c.VectorType == "sparse" && sparse == nil {
		return invalid("a query of a sparse index needs a sparse vector")
	}
	if err := c.dense(dense); err != nil {
		return err
	}
	return c.sparse(sparse)
}
