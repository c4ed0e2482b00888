package pgvector

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/vector"
)

const (
	// putBytes is the most that one Put should have, and statementBytes what one
	// statement has; a single record may have more.
	putBytes       = 1 << 20
	statementBytes = 1 << 20
	// longestID is about what an index can hold of a text.
	longestID = 2500
)

// Limits are those of the table, as it was looked at last; else of one that would be
// made here.
func (s *Store) Limits() vector.Limits {
	l := vector.Limits{
		Bytes: putBytes, IDs: []vector.IDKind{vector.TextID, vector.IntegerID, vector.UUIDID}, OneID: true, TextID: longestID, Nulls: true, Nested: true, Integers: true, Namespace: true,
		Forms: []vector.Form{vector.Dense, vector.Sparse, vector.Binary}, Named: true, Dim: maxDim,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options.Typed && s.table == nil {
		l.Column = columnFor
	}
	l.Vector = func(x *vector.Vector) string { return noSparse(x, maxSparse) }
	if t := s.table; t != nil {
		l.Vector = func(x *vector.Vector) string {
			if v := t.vector(x.Name); v != nil {
				return noSparse(x, v.sparse())
			}
			return ""
		}
		l.IDs = []vector.IDKind{t.idKind()}
		// Nulls have a place in jsonb and arrays; Put refuses those that have none.
		if t.payload == nil {
			l.Field = func(name string) bool { return t.field(name) != nil }
		}
		l.Namespace = t.namespace != nil
	}
	return l
}

// insertion is the statement that puts records in the place of those with their ids:
// its parameters are the namespace, and an array of each column.
func (t *table) insertion() string {
	var into, from, names, params []string
	set := []string{}
	next := 1
	column := func(c *column, cast string) {
		next++
		name := fmt.Sprintf("c%d", next)
		into, names, params = append(into, c.quoted), append(names, name), append(params, fmt.Sprintf("$%d", next))
		if from = append(from, "u."+name+cast); !slices.Contains(t.conflict, c.quoted) {
			set = append(set, c.quoted+" = EXCLUDED."+c.quoted)
		}
	}
	if t.namespace != nil {
		into = append(into, t.namespace.quoted)
		from = append(from, "$1::text::"+t.namespace.cast)
	}
	column(t.id, "")
	for _, c := range t.written() {
		column(c, c.sent(""))
	}
	for i := range t.vectors {
		column(&t.vectors[i].column, "")
	}
	do := "DO NOTHING"
	if len(set) > 0 {
		do = "DO UPDATE SET " + strings.Join(set, ", ")
	}
	where := ""
	if t.namespace == nil {
		where = " WHERE $1::text = ''"
	}
	return fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM unnest(%s) AS u(%s)%s ON CONFLICT (%s) %s",
		t.sql, strings.Join(into, ", "), strings.Join(from, ", "), strings.Join(params, ", "), strings.Join(names, ", "), where, strings.Join(t.conflict, ", "), do)
}

// Put upserts records, and returns when they are committed.
func (s *Store) Put(ctx context.Context, namespace string, records []vector.Record) error {
	t, err := s.writable(ctx, "upsert", namespace)
	if err != nil {
		return err
	}
	refused := map[vector.ID]string{}
	records = latest(records)
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && (n == 0 || size+records[n].Size() <= statementBytes) {
			size += records[n].Size()
			n++
		}
		if err := s.upsert(ctx, t, namespace, records[:n], size, refused); err != nil {
			return err
		}
		records = records[n:]
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

// PutWhole implements [vector.Whole]: one statement writes all records.
func (s *Store) PutWhole(ctx context.Context, namespace string, records []vector.Record) (can bool, err error) {
	t, err := s.writable(ctx, "upsert", namespace)
	if err != nil {
		return true, err
	}
	refused, size := map[vector.ID]string{}, 0
	records = latest(records)
	for i := range records {
		size += records[i].Size()
	}
	b := t.newBatch(namespace, size)
	defer t.batches.Put(b)
	for i := range records {
		if why := b.add(&records[i]); why != "" {
			refused[records[i].ID] = why
		}
	}
	if len(refused) > 0 {
		return true, &vector.RefusedError{Records: refused}
	}
	if b.n == 0 {
		return true, nil
	}
	err = s.query(ctx, "upsert", t.insert, b.args(), nil)
	if why := ofData(err); why != "" {
		err = s.invalid("upsert", "%s", why)
	}
	return true, err
}

// writable is the table, if it can be written.
func (s *Store) writable(ctx context.Context, doing, namespace string) (*table, error) {
	t, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	if t.readOnly != "" {
		return nil, s.invalid(doing, "%s", t.readOnly)
	}
	if why := badText(namespace); why != "" {
		return nil, s.invalid(doing, "namespace %q %s", namespace, why)
	}
	return t, s.only(doing, t, namespace)
}

// latest leaves the last one of several records with one id: a statement cannot write a
// row twice.
func latest(records []vector.Record) []vector.Record {
	at := make(map[vector.ID]int, len(records))
	for i := range records {
		at[records[i].ID] = i
	}
	if len(at) == len(records) {
		return records
	}
	out := make([]vector.Record, 0, len(at))
	for i := range records {
		if at[records[i].ID] == i {
			out = append(out, records[i])
		}
	}
	return out
}

// upsert writes records. Where the server finds something not to its liking, it does
// not say which record that is: halves are tried until it is alone.
func (s *Store) upsert(ctx context.Context, t *table, namespace string, records []vector.Record, size int, refused map[vector.ID]string) error {
	b := t.newBatch(namespace, size)
	defer t.batches.Put(b)
	for i := range records {
		if why := b.add(&records[i]); why != "" {
			refused[records[i].ID] = why
		}
	}
	if b.n == 0 {
		return nil
	}
	a := b.args()
	err := s.query(ctx, "upsert", t.insert, a, nil)
	why := ofData(err)
	switch {
	case why == "":
		return err
	case len(records) == 1:
		refused[records[0].ID] = why
		return nil
	}
	half := len(records) / 2
	if err := s.upsert(ctx, t, namespace, records[:half], size/2, refused); err != nil {
		return err
	}
	return s.upsert(ctx, t, namespace, records[half:], size/2, refused)
}

// ofData is what a server says of values, "" if it says nothing or of something else:
// data exceptions, violated constraints, and limits of rows and indexes.
func ofData(err error) string {
	var is *sqlError
	if !errors.As(err, &is) {
		return ""
	}
	switch is.Code[:2] {
	case "22", "23", "44", "54":
	default:
		return ""
	}
	out := is.Message
	if is.ConstraintName != "" {
		out += " (" + is.ConstraintName + ")"
	}
	return out
}

// batch is records as the parameters of an insertion: the ids, the columns that are
// [table.written], and the vectors, which are the largest, at the end: what is appended
// to them in the message would have them copied.
type batch struct {
	t         *table
	namespace string
	columns   [][]byte // arrays
	arrays    []uint32 // their types
	n         int
	lengths   []int          // of the columns, before a record
	rest      []vector.Field // of a record, for the payload
}

func (t *table) newBatch(namespace string, size int) *batch {
	if b, ok := t.batches.Get().(*batch); ok {
		b.namespace, b.n = namespace, 0
		for i := range b.columns {
			b.columns[i] = b.columns[i][:arrayHead]
		}
		return b
	}
	b := &batch{t: t, namespace: namespace}
	column := func(oid, array uint32, room int) {
		b.columns = append(b.columns, arrayOf(make([]byte, 0, room), oid))
		b.arrays = append(b.arrays, array)
	}
	switch t.idKind() {
	case vector.IntegerID:
		column(oidInt8, oidInt8s, 256)
	case vector.UUIDID:
		column(oidUUID, oidUUIDs, 256)
	default:
		column(oidText, oidTexts, 256)
	}
	for _, c := range t.written() {
		oid, array := c.param()
		column(oid, array, 256)
	}
	for i := range t.vectors {
		column(t.vectors[i].oid, t.vectors[i].arrays, size/len(t.vectors))
	}
	b.lengths = make([]int, len(b.columns))
	return b
}

// written are the columns that are written, but for the id and the vectors.
func (t *table) written() []*column {
	var out []*column
	if t.payload != nil {
		out = append(out, t.payload)
	}
	for i := range t.fields {
		if !t.fields[i].generated {
			out = append(out, &t.fields[i])
		}
	}
	return out
}

// add adds a record, or says why the table cannot hold it.
func (b *batch) add(r *vector.Record) string {
	for i := range b.columns {
		b.lengths[i] = len(b.columns[i])
	}
	why := b.put(r)
	if why != "" {
		for i := range b.columns {
			b.columns[i] = b.columns[i][:b.lengths[i]]
		}
		return why
	}
	b.n++
	return ""
}

func (b *batch) put(r *vector.Record) string {
	t := b.t
	if r.ID.Kind() != t.idKind() {
		return fmt.Sprintf("its id is a %s, and column %q is %s", r.ID.Kind(), t.id.name, t.id.typ)
	}
	if why := badText(r.ID.String()); why != "" {
		return "its id " + why
	}
	b.columns[0] = t.appendID(b.columns[0], r.ID)
	for i := range r.Vectors {
		if t.vector(r.Vectors[i].Name) == nil {
			return fmt.Sprintf("the table has no vector %q", r.Vectors[i].Name)
		}
	}
	first := len(b.columns) - len(t.vectors)
	for i := range t.vectors {
		v := &t.vectors[i]
		x := r.Vector(v.spec.Name)
		if x == nil {
			if v.notNull {
				return fmt.Sprintf("it has no vector %q, and column %q must have one", v.spec.Name, v.name)
			}
			b.null(first + i)
			continue
		}
		if why := v.refuse(x); why != "" {
			return why
		}
		at := b.begin(first + i)
		b.columns[first+i] = v.append(b.columns[first+i], x)
		b.end(first+i, at)
	}
	return b.putPayload(r.Payload)
}

func (b *batch) begin(i int) int {
	b.columns[i] = append(b.columns[i], 0, 0, 0, 0)
	return len(b.columns[i])
}

func (b *batch) end(i, at int) {
	binary.BigEndian.PutUint32(b.columns[i][at-4:], uint32(len(b.columns[i])-at))
}

func (b *batch) null(i int) { b.columns[i] = append(b.columns[i], 0xff, 0xff, 0xff, 0xff) }

// putPayload puts fields into their columns, and the others into the payload.
func (b *batch) putPayload(p vector.Payload) string {
	t := b.t
	b.rest = b.rest[:0]
	for i := range p {
		f := &p[i]
		if t.field(f.Name) != nil {
			continue
		}
		if t.payload == nil {
			return fmt.Sprintf("the table has no column for field %q: let the plan drop it, or add one", f.Name)
		}
		name := f.Name
		if own, ok := strings.CutPrefix(name, t.payload.name+"."); ok && t.field(own) != nil {
			name = own
		}
		b.rest = append(b.rest, vector.Field{Name: name, Value: f.Value})
	}
	at := 1
	if t.payload != nil {
		v := vector.MapOf(vector.Payload(b.rest))
		start := b.begin(at)
		out, why := t.payload.append(b.columns[at], &v)
		if why != "" {
			return "its payload " + why
		}
		b.columns[at] = out
		b.end(at, start)
		at++
	}
	for i := range t.fields {
		c := &t.fields[i]
		if c.generated {
			continue
		}
		v, ok := p.Get(c.name)
		switch {
		case !ok && c.notNull:
			return fmt.Sprintf("it has no field %q, and that column must have a value: copy without it, fields=OTHER,COLUMNS", c.name)
		case !ok:
			b.null(at)
		default:
			start := b.begin(at)
			out, why := c.append(b.columns[at], &v)
			if why != "" {
				return "field " + strconv.Quote(c.name) + " " + why
			}
			b.columns[at] = out
			b.end(at, start)
		}
		at++
	}
	return ""
}

func (b *batch) args() *args {
	a := &args{}
	a.text(b.namespace)
	for i := range b.columns {
		setLength(b.columns[i], b.n)
		a.binary(b.arrays[i], b.columns[i])
	}
	return a
}

func (t *table) vector(name string) *vectorColumn {
	for i := range t.vectors {
		if t.vectors[i].spec.Name == name {
			return &t.vectors[i]
		}
	}
	return nil
}

// Delete takes rows out.
func (s *Store) Delete(ctx context.Context, namespace string, ids []vector.ID) error {
	t, err := s.writable(ctx, "delete", namespace)
	if err != nil {
		return err
	}
	const most = 10_000
	for part := range slices.Chunk(ids, most) {
		var a args
		sql := fmt.Sprintf("DELETE FROM %s WHERE %s AND %s = ANY(%s)", t.sql, t.spaces(namespace, &a), t.id.quoted, t.ids(part, &a))
		if err := s.query(ctx, "delete", sql, &a, nil); err != nil {
			return err
		}
	}
	return nil
}
