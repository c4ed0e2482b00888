// Package vector has the words of vector stores: records, what stores are and can
// hold, and the interfaces by which freehold reads and writes them. Packages below
// it speak the stores' protocols.
package vector

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// IDKind is what a record's id is.
type IDKind uint8

// The kinds of ids.
const (
	TextID IDKind = iota
	IntegerID
	UUIDID
)

// String names the kind.
func (k IDKind) String() string { return idKinds[k] }

var idKinds = [...]string{"text", "integer", "uuid"}

// MarshalText writes the kind by its name.
func (k IDKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name of a kind.
func (k *IDKind) UnmarshalText(text []byte) error {
	i := slices.Index(idKinds[:], string(text))
	if i < 0 {
		return fmt.Errorf("ids are text, integer or uuid, not %q", text)
	}
	*k = IDKind(i)
	return nil
}

// ID is a record's id as its store has it. IDs can be compared with ==.
type ID struct {
	kind IDKind
	text string // of TextID
	num  uint64 // of IntegerID; two's complement where the store has signed ones
	uuid uuid.UUID
}

// IDOf is an id that is a text.
func IDOf(s string) ID { return ID{text: s} }

// IntegerIDOf is an id that is a number.
func IntegerIDOf(n uint64) ID { return ID{kind: IntegerID, num: n} }

// UUIDOf is an id that is a UUID.
func UUIDOf(u uuid.UUID) ID { return ID{kind: UUIDID, uuid: u} }

// Piece is the id of the nth record, from 0 on, that is made of a part of this one's
// text.
func (id ID) Piece(n int) ID { return IDOf(fmt.Sprintf("%s##%d", id, n)) }

// Kind is what the id is.
func (id ID) Kind() IDKind { return id.kind }

// Integer is the number of an IntegerID.
func (id ID) Integer() uint64 { return id.num }

// UUID is the UUID of a UUIDID.
func (id ID) UUID() uuid.UUID { return id.uuid }

// String is the id as a text.
func (id ID) String() string {
	switch id.kind {
	case IntegerID:
		return strconv.FormatUint(id.num, 10)
	case UUIDID:
		return id.uuid.String()
	}
	return id.text
}

// Vector is one vector of a record. Which of its members it has, its [Spec] says.
type Vector struct {
	Name string // empty: the store has one without a name
	// Dense is a dense vector, or the rows of a multivector one after the other.
	Dense []float32
	Rows  int // of a multivector
	// Indices and Values are a sparse vector, with rising indices.
	Indices []uint32
	Values  []float32
	Bits    []byte // of a binary vector
	// Length is what a dense vector's was, where a store kept that apart from its
	// direction; 0: that of its numbers.
	Length float64
}

// Record is what a store keeps under one id.
type Record struct {
	ID        ID
	Namespace string // empty: the default one, or the store has none
	Vectors   []Vector
	Payload   Payload
}

// Vector finds a vector by its name.
func (r *Record) Vector(name string) *Vector {
	for i := range r.Vectors {
		if r.Vectors[i].Name == name {
			return &r.Vectors[i]
		}
	}
	return nil
}

// Size is about how many bytes the record takes on the wire.
func (r *Record) Size() int {
	n := len(r.ID.text) + 20 + r.Payload.Size()
	for i := range r.Vectors {
		v := &r.Vectors[i]
		n += len(v.Name) + 4*(len(v.Dense)+len(v.Indices)+len(v.Values)) + len(v.Bits) + 8
	}
	return n
}

// Check reports what is not right with a record by itself: vectors that are
// unordered, of unequal lengths or not finite. No store can hold those.
func (r *Record) Check() error {
	for i := range r.Vectors {
		if err := r.Vectors[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vector) check() error {
	name := "the vector"
	if v.Name != "" {
		name = "vector " + strconv.Quote(v.Name)
	}
	if len(v.Indices) != len(v.Values) {
		return fmt.Errorf("%s has %d indices and %d values", name, len(v.Indices), len(v.Values))
	}
	if !slices.IsSortedFunc(v.Indices, func(a, b uint32) int {
		if a == b {
			return -1 // twice is not sorted
		}
		return cmp.Compare(a, b)
	}) {
		return fmt.Errorf("the indices of %s do not rise", name)
	}
	for _, of := range [][]float32{v.Dense, v.Values} {
		for i, x := range of {
			if x-x != 0 { // NaN and both infinities
				return fmt.Errorf("%s has %v at place %d", name, x, i)
			}
		}
	}
	if v.Rows > 0 && len(v.Dense)%v.Rows != 0 {
		return fmt.Errorf("%s has %d numbers in %d rows", name, len(v.Dense), v.Rows)
	}
	return nil
}
