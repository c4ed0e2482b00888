package archive

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/shopspring/decimal"

	"freehold/internal/vector"
)

// shape is a column of a Parquet file, or a part of one: what is needed to make a value
// of the leaves' values and their levels again.
type shape struct {
	name          string
	optional      bool
	def, rep      int // levels at which it is there, and at which the next of a list begins
	first, leaves int // its leaves

	fields  []*shape // of a group
	each    *shape   // of what is repeated: one of it
	list    *shape   // of a list: what is repeated
	mapping *shape   // of a map: what is repeated, with a key and a value

	kind    parquet.Kind // of a leaf
	convert func(v *parquet.Value) (vector.Value, error)
}

// shapeOf reads the shape of a column; def and rep are the levels around it.
func shapeOf(c *parquet.Column, def, rep int, next *int) (*shape, error) {
	s := &shape{name: c.Name(), first: *next}
	if c.Repeated() {
		s.def, s.rep = def+1, rep+1
		var err error
		s.each, err = contentOf(c, def+1, rep+1, next)
		s.leaves = *next - s.first
		return s, err
	}
	if c.Optional() {
		def++
		s.optional = true
	}
	in, err := contentOf(c, def, rep, next)
	if err != nil {
		return nil, err
	}
	in.optional, in.def = s.optional, def
	return in, nil
}

// contentOf is the shape of a column apart from how often it is there.
func contentOf(c *parquet.Column, def, rep int, next *int) (*shape, error) {
	s := &shape{name: c.Name(), def: def, rep: rep, first: *next}
	if c.Leaf() {
		*next++
		s.leaves, s.kind = 1, c.Type().Kind()
		var err error
		if s.convert, err = converter(c.Type()); err != nil {
			return nil, fmt.Errorf("column %s: %w", strings.Join(c.Path(), "."), err)
		}
		return s, nil
	}
	for _, f := range c.Columns() {
		x, err := shapeOf(f, def, rep, next)
		if err != nil {
			return nil, err
		}
		s.fields = append(s.fields, x)
	}
	s.leaves = *next - s.first
	if len(s.fields) != 1 || s.fields[0].each == nil {
		return s, nil
	}
	switch inner := s.fields[0]; logical(c.Type()).(type) {
	case *format.ListType:
		// Of a list with three levels the middle one is not the element's own.
		if e := inner.each; len(e.fields) == 1 && e.convert == nil && e.name != "array" && e.name != s.name+"_tuple" {
			inner.each = e.fields[0]
		}
		s.list, s.fields = inner, nil
	case *format.MapType:
		if len(inner.each.fields) == 2 {
			s.mapping, s.fields = inner, nil
		}
	}
	return s, nil
}

func logical(t parquet.Type) any {
	if l := t.LogicalType(); l != nil {
		return l.Value
	}
	return nil
}

// assembly makes the values of one row.
type assembly struct {
	values [][]parquet.Value // by leaf
	at     []int             // how many of them are used
}

func newAssembly(leaves int) *assembly {
	return &assembly{values: make([][]parquet.Value, leaves), at: make([]int, leaves)}
}

// set takes a row.
func (a *assembly) set(row parquet.Row) {
	clear(a.values)
	clear(a.at)
	row.Range(func(column int, values []parquet.Value) bool {
		a.values[column] = values
		return true
	})
}

var errRow = errors.New("the row has fewer values than its columns say")

// head is the next value of a leaf, nil if there is none.
func (a *assembly) head(leaf int) *parquet.Value {
	if a.at[leaf] >= len(a.values[leaf]) {
		return nil
	}
	return &a.values[leaf][a.at[leaf]]
}

// skip passes over the values that stand for nothing.
func (a *assembly) skip(s *shape) {
	for i := s.first; i < s.first+s.leaves; i++ {
		a.at[i]++
	}
}

// value makes a value; what is null, or is not there, is Null.
func (a *assembly) value(s *shape) (vector.Value, error) {
	head := a.head(s.first)
	if head == nil {
		return vector.Value{}, errRow
	}
	if s.optional && head.DefinitionLevel() < s.def {
		a.skip(s)
		return vector.Value{}, nil
	}
	switch {
	case s.each != nil:
		list := []vector.Value{}
		err := a.repeat(s, func() error {
			x, err := a.value(s.each)
			list = append(list, x)
			return err
		})
		return vector.ListOf(list), err
	case s.list != nil:
		return a.value(s.list)
	case s.mapping != nil:
		return a.mapOf(s.mapping)
	case s.convert == nil:
		fields, err := a.group(s.fields)
		return vector.MapOf(fields), err
	}
	a.at[s.first]++
	return s.convert(head)
}

// repeat does something for each of what is repeated.
func (a *assembly) repeat(s *shape, do func() error) error {
	head := a.head(s.first)
	if head == nil {
		return errRow
	}
	if head.DefinitionLevel() < s.def {
		a.skip(s)
		return nil
	}
	for {
		if err := do(); err != nil {
			return err
		}
		if next := a.head(s.first); next == nil || next.RepetitionLevel() < s.rep {
			return nil
		}
	}
}

// group makes fields; those that are null are left out, as a row of a table has no other
// way to be without one.
func (a *assembly) group(of []*shape) (vector.Payload, error) {
	fields := make([]vector.Field, 0, len(of))
	for _, f := range of {
		v, err := a.value(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if v.Kind() != vector.Null {
			fields = append(fields, vector.Field{Name: f.name, Value: v})
		}
	}
	return vector.NewPayload(fields), nil
}

func (a *assembly) mapOf(s *shape) (vector.Value, error) {
	var fields []vector.Field
	err := a.repeat(s, func() error {
		k, err := a.value(s.each.fields[0])
		if err != nil {
			return err
		}
		name := k.String()
		if k.Kind() == vector.Text {
			name = k.Text()
		}
		v, err := a.value(s.each.fields[1])
		fields = append(fields, vector.Field{Name: name, Value: v})
		return err
	})
	return vector.MapOf(vector.NewPayload(fields)), err
}

// numbers are the elements of a list of numbers, nil where there is none.
func (a *assembly) numbers(s *shape) ([]float32, error) {
	values := a.values[s.first]
	if len(values) == 0 {
		return nil, errRow
	}
	inner := s
	if s.list != nil {
		inner = s.list
	}
	if values[0].DefinitionLevel() < inner.def {
		return nil, nil
	}
	out := make([]float32, len(values))
	for i := range values {
		if values[i].IsNull() {
			return nil, fmt.Errorf("%s: place %d has no number", s.name, i)
		}
		if inner.each.kind == parquet.Double {
			out[i] = float32(values[i].Double())
		} else {
			out[i] = values[i].Float()
		}
	}
	return out, nil
}

// isNumbers reports a list of float or double.
func (s *shape) isNumbers() bool {
	inner := s
	if s.list != nil {
		inner = s.list
	}
	return inner.each != nil && inner.each.convert != nil && (inner.each.kind == parquet.Float || inner.each.kind == parquet.Double)
}

// converter makes values of a leaf's. What JSON has no type for becomes text: times as
// RFC 3339 has them, decimals with all their digits.
func converter(t parquet.Type) (func(*parquet.Value) (vector.Value, error), error) {
	plain := func(of func(v *parquet.Value) vector.Value) func(*parquet.Value) (vector.Value, error) {
		return func(v *parquet.Value) (vector.Value, error) {
			if v.IsNull() {
				return vector.Value{}, nil
			}
			return of(v), nil
		}
	}
	whole := func(v *parquet.Value) int64 {
		if v.Kind() == parquet.Int32 {
			return int64(v.Int32())
		}
		return v.Int64()
	}
	switch l := logical(t).(type) {
	case *format.UUIDType:
		return plain(func(v *parquet.Value) vector.Value { return vector.TextOf(uuid.UUID(v.ByteArray()).String()) }), nil
	case *format.DateType:
		return plain(func(v *parquet.Value) vector.Value {
			return vector.TextOf(time.Unix(whole(v)*86400, 0).UTC().Format(time.DateOnly))
		}), nil
	case *format.TimestampType:
		unit, layout := unitOf(l.Unit), "2006-01-02T15:04:05.999999999"
		if l.IsAdjustedToUTC {
			layout = time.RFC3339Nano
		}
		return plain(func(v *parquet.Value) vector.Value {
			n := v.Int64()
			return vector.TextOf(time.Unix(n/unit, n%unit*(int64(time.Second)/unit)).UTC().Format(layout))
		}), nil
	case *format.TimeType:
		unit := unitOf(l.Unit)
		return plain(func(v *parquet.Value) vector.Value {
			return vector.TextOf(time.Unix(0, whole(v)*(int64(time.Second)/unit)).UTC().Format("15:04:05.999999999"))
		}), nil
	case *format.DecimalType:
		if k := t.Kind(); k == parquet.ByteArray || k == parquet.FixedLenByteArray {
			return plain(func(v *parquet.Value) vector.Value {
				return vector.TextOf(decimal.NewFromBigInt(signed(v.ByteArray()), -l.Scale).StringFixed(l.Scale))
			}), nil
		}
		return plain(func(v *parquet.Value) vector.Value {
			return vector.TextOf(decimal.New(whole(v), -l.Scale).StringFixed(l.Scale))
		}), nil
	case *format.IntType:
		if l.IsSigned || l.BitWidth <= 32 {
			break
		}
		return func(v *parquet.Value) (vector.Value, error) {
			if !v.IsNull() && v.Uint64() > math.MaxInt64 {
				return vector.Value{}, fmt.Errorf("%d is too large for an integer of 64 bits", v.Uint64())
			}
			return plain(func(v *parquet.Value) vector.Value { return vector.IntOf(v.Int64()) })(v)
		}, nil
	case *format.Float16Type:
		return nil, errors.New("numbers of 16 bits are not read: write it as float")
	}
	switch t.Kind() {
	case parquet.Boolean:
		return plain(func(v *parquet.Value) vector.Value { return vector.BoolOf(v.Boolean()) }), nil
	case parquet.Int32:
		if l, ok := logical(t).(*format.IntType); ok && !l.IsSigned {
			return plain(func(v *parquet.Value) vector.Value { return vector.IntOf(int64(v.Uint32())) }), nil
		}
		return plain(func(v *parquet.Value) vector.Value { return vector.IntOf(int64(v.Int32())) }), nil
	case parquet.Int64:
		return plain(func(v *parquet.Value) vector.Value { return vector.IntOf(v.Int64()) }), nil
	case parquet.Float:
		return plain(func(v *parquet.Value) vector.Value { return vector.FloatOf(float64(v.Float())) }), nil
	case parquet.Double:
		return plain(func(v *parquet.Value) vector.Value { return vector.FloatOf(v.Double()) }), nil
	case parquet.ByteArray:
		return func(v *parquet.Value) (vector.Value, error) {
			if b := v.ByteArray(); !utf8.Valid(b) {
				return vector.Value{}, fmt.Errorf("the bytes %s... are no text", hex.EncodeToString(b[:min(len(b), 8)]))
			}
			return plain(func(v *parquet.Value) vector.Value { return vector.TextOf(string(v.ByteArray())) })(v)
		}, nil
	}
	return nil, fmt.Errorf("values of type %s are not read: write the file without it, or as text", t)
}

// signed is a number in two's complement, the highest byte first.
func signed(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// unitOf is how many of a unit a second has.
func unitOf(u format.TimeUnit) int64 {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return 1000
	case *format.MicroSeconds:
		return 1_000_000
	}
	return 1_000_000_000
}
