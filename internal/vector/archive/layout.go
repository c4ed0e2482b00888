package archive

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"freehold/internal/vector"
)

// layout is what the columns of a Parquet file are.
type layout struct {
	leaves    int
	id        *shape
	idKind    int // leaves; -1: there is none
	namespace int
	vectors   []column
	payload   *shape   // the payload as JSON, in an archive of ours
	fields    []*shape // of the payload, in any other
}

// column is a vector.
type column struct {
	name string
	form vector.Form
	*shape
}

// The columns of an archive. A vector without a name is in vector, one with a name in
// vector_NAME: a list of float, a struct of the lists indices and values, a list of
// lists, or bytes.
const (
	columnID        = "id"
	columnKind      = "id_kind" // text, integer, uuid
	columnNamespace = "namespace"
	columnPayload   = "payload" // JSON, with the types that payloads have
	columnVector    = "vector"
)

func vectorColumn(name string) string {
	if name == "" {
		return columnVector
	}
	return columnVector + "_" + name
}

func layoutOf(f *parquet.File, head *header, named Columns) (layout, error) {
	l := layout{idKind: -1, namespace: -1}
	all := map[string]*shape{}
	var names []string
	for _, c := range f.Root().Columns() {
		s, err := shapeOf(c, 0, 0, &l.leaves)
		if err != nil {
			return l, err
		}
		all[c.Name()] = s
		names = append(names, c.Name())
	}
	if head != nil || ours(all) {
		if named != (Columns{texts: named.texts}) {
			return l, errors.New("it is an archive of freehold, which says itself what its columns are: take id=, vector= and namespace_field= away")
		}
		return l, l.own(all, names, head)
	}
	return l, l.foreign(all, names, named)
}

// ours reports the columns of an archive of ours, also one that another program wrote
// anew, without what we say of it.
func ours(all map[string]*shape) bool {
	for _, name := range []string{columnID, columnKind, columnNamespace, columnPayload} {
		if !isText(all[name]) {
			return false
		}
	}
	return true
}

func isText(s *shape) bool { return s != nil && s.convert != nil && s.kind == parquet.ByteArray }

func (l *layout) own(all map[string]*shape, names []string, head *header) error {
	if !ours(all) {
		return errors.New("columns of the archive are missing: id, id_kind, namespace, payload")
	}
	l.id, l.idKind, l.namespace, l.payload = all[columnID], all[columnKind].first, all[columnNamespace].first, all[columnPayload]
	specs := map[string]vector.Form{}
	if head != nil {
		for _, v := range head.Vectors {
			specs[vectorColumn(v.Name)] = v.Form
			if all[vectorColumn(v.Name)] == nil {
				return fmt.Errorf("the column %s is missing", vectorColumn(v.Name))
			}
		}
	}
	for _, name := range names {
		rest, is := strings.CutPrefix(name, columnVector)
		form, known := specs[name]
		if !known {
			form = all[name].form()
		}
		if (rest == "" || strings.HasPrefix(rest, "_")) && is && form != "" {
			l.vectors = append(l.vectors, column{strings.TrimPrefix(rest, "_"), form, all[name]})
		}
	}
	return nil
}

// form is what kind of vector a column can be; empty: none.
func (s *shape) form() vector.Form {
	switch {
	case s.isNumbers():
		return vector.Dense
	case len(s.fields) == 2 && s.field("indices") != nil && s.field("values") != nil && s.field("values").isNumbers():
		return vector.Sparse
	case s.list != nil && s.list.each.isNumbers():
		return vector.Multi
	case s.kind == parquet.ByteArray && s.convert != nil:
		return vector.Binary
	}
	return ""
}

func (s *shape) field(name string) *shape {
	for _, f := range s.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// foreign finds what is what in a file of others.
func (l *layout) foreign(all map[string]*shape, names []string, named Columns) error {
	pick := func(option, given string, usual []string, good func(*shape) bool) (string, error) {
		if given != "" {
			if all[given] == nil || !good(all[given]) {
				return "", fmt.Errorf("%s=%s is no column for that; the file has %s", option, given, strings.Join(names, ", "))
			}
			return given, nil
		}
		for _, name := range usual {
			if s := all[name]; s != nil && good(s) {
				return name, nil
			}
		}
		return "", nil
	}
	id, err := pick("id", named.ID, []string{"id", "_id", "ID"}, func(s *shape) bool {
		return s.convert != nil && slices.Contains([]parquet.Kind{parquet.ByteArray, parquet.FixedLenByteArray, parquet.Int32, parquet.Int64}, s.kind)
	})
	if err == nil && id == "" {
		err = fmt.Errorf("which column is the id? Say ?id=COLUMN; the file has %s", strings.Join(names, ", "))
	}
	if err != nil {
		return err
	}
	vec, err := pick("vector", named.Vector, []string{"vector", "embedding", "embeddings", "values"}, func(s *shape) bool {
		f := s.form()
		return f == vector.Dense || f == vector.Sparse || f == vector.Multi
	})
	if err == nil && vec == "" {
		lists := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !all[name].isNumbers() })
		switch {
		case len(lists) == 1:
			vec = lists[0]
		case !named.texts:
			err = fmt.Errorf("which column is the vector? Say ?vector=COLUMN, a list of float; the file has %s", strings.Join(names, ", "))
		}
	}
	if err != nil {
		return err
	}
	ns, err := pick("namespace_field", named.Namespace, []string{columnNamespace}, isText)
	if err != nil {
		return err
	}
	if l.id = all[id]; vec != "" {
		l.vectors = []column{{"", all[vec].form(), all[vec]}}
	}
	for _, name := range names {
		switch name {
		case id, vec:
		case ns:
			l.namespace = all[name].first
		default:
			l.fields = append(l.fields, all[name])
		}
	}
	return nil
}

// idOf reads an id. kind is the first letter of its kind, 0 where that is the column's.
func (l *layout) idOf(v *parquet.Value, kind byte) (vector.ID, error) {
	if v.IsNull() {
		return vector.ID{}, errors.New("the id is null")
	}
	switch l.id.kind {
	case parquet.Int32, parquet.Int64:
		x, err := l.id.convert(v)
		if err != nil {
			return vector.ID{}, fmt.Errorf("id: %w", err)
		}
		if x.Kind() != vector.Int || x.Int() < 0 {
			return vector.ID{}, fmt.Errorf("the id %s is no whole number from 0 on", x.String())
		}
		return vector.IntegerIDOf(uint64(x.Int())), nil
	case parquet.FixedLenByteArray:
		return vector.UUIDOf(uuid.UUID(v.ByteArray())), nil
	}
	text := string(v.ByteArray())
	switch kind {
	case 'i':
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return vector.ID{}, fmt.Errorf("the id %q is no whole number", text)
		}
		return vector.IntegerIDOf(n), nil
	case 'u':
		u, err := uuid.Parse(text)
		if err != nil {
			return vector.ID{}, fmt.Errorf("the id %q is no UUID", text)
		}
		return vector.UUIDOf(u), nil
	}
	return vector.IDOf(text), nil
}

// record makes the record of a row.
func (l *layout) record(a *assembly) (r vector.Record, err error) {
	id, kind := a.head(l.id.first), byte(0)
	if id == nil {
		return r, errRow
	}
	if l.idKind >= 0 {
		if k := a.head(l.idKind); k != nil && !k.IsNull() && len(k.ByteArray()) > 0 {
			kind = k.ByteArray()[0]
		}
	}
	if r.ID, err = l.idOf(id, kind); err != nil {
		return r, err
	}
	if l.namespace >= 0 {
		if v := a.head(l.namespace); v != nil && !v.IsNull() {
			r.Namespace = string(v.ByteArray())
		}
	}
	for i := range l.vectors {
		v, there, err := a.vector(&l.vectors[i])
		if err != nil {
			return r, fmt.Errorf("vector %q: %w", l.vectors[i].name, err)
		}
		if there {
			r.Vectors = append(r.Vectors, v)
		}
	}
	if l.payload == nil {
		r.Payload, err = a.group(l.fields)
		return r, err
	}
	v := a.head(l.payload.first)
	if v == nil || v.IsNull() {
		return r, nil
	}
	if r.Payload, err = vector.ParsePayload(v.ByteArray()); err != nil {
		return r, fmt.Errorf("payload: %w", err)
	}
	return r, nil
}

// vector makes a vector; there is false where the row has none.
func (a *assembly) vector(c *column) (v vector.Vector, there bool, err error) {
	v.Name = c.name
	switch head := a.head(c.first); {
	case head == nil:
		return v, false, errRow
	case c.optional && head.DefinitionLevel() < c.def:
		return v, false, nil
	case c.form == vector.Binary:
		v.Bits = bytes.Clone(head.ByteArray())
		return v, true, nil
	case c.form == vector.Dense:
		if v.Dense, err = a.numbers(c.shape); v.Dense == nil {
			v.Dense = []float32{}
		}
		return v, true, err
	case c.form == vector.Multi:
		return v, true, a.multi(c.shape, &v)
	}
	x, err := a.value(c.field("indices"))
	if err != nil {
		return v, true, err
	}
	v.Indices = []uint32{}
	for _, n := range x.List() {
		if n.Kind() != vector.Int || n.Int() < 0 || n.Int() > 1<<32-1 {
			return v, true, fmt.Errorf("%s is no index", n.String())
		}
		v.Indices = append(v.Indices, uint32(n.Int()))
	}
	if v.Values, err = a.numbers(c.field("values")); v.Values == nil {
		v.Values = []float32{}
	}
	return v, true, err
}

func (a *assembly) multi(s *shape, v *vector.Vector) error {
	rows, err := a.value(s)
	if err != nil {
		return err
	}
	v.Dense = []float32{}
	for _, row := range rows.List() {
		v.Rows++
		for _, x := range row.List() {
			if x.Kind() != vector.Float {
				return errors.New("a place has no number")
			}
			v.Dense = append(v.Dense, float32(x.Float()))
		}
	}
	return nil
}
