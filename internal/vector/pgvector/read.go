package pgvector

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"freehold/internal/vector"
)

// Keys of units are ids as texts behind a sign, so that the empty text is one, too.
const keySign = "="

// key is an id of the table in its binary format, as the key names it.
func (t *table) key(key string, a *args) (sql string, err error) {
	s, ok := strings.CutPrefix(key, keySign)
	if !ok {
		return "", fmt.Errorf("%q is no key of a unit", key)
	}
	switch t.id.kind {
	case int2, int4, int8:
		n, err := strconv.ParseInt(s, 10, 64)
		return a.binary(oidInt8, binary.BigEndian.AppendUint64(nil, uint64(n))), err
	case uuidKind:
		u, err := uuid.Parse(s)
		return a.binary(oidUUID, u[:]), err
	}
	return a.text(s), nil
}

// idOf reads an id.
func (t *table) idOf(b []byte) (vector.ID, error) {
	v, err := t.id.kind.value(b)
	switch {
	case err != nil:
		return vector.ID{}, err
	case t.id.kind == uuidKind:
		return vector.UUIDOf(uuid.UUID(b)), nil
	case v.Kind() == vector.Int:
		return vector.IntegerIDOf(uint64(v.Int())), nil
	}
	return vector.IDOf(v.Text()), nil
}

func (t *table) keyOf(b []byte) (string, error) {
	v, err := t.id.kind.value(b)
	if v.Kind() == vector.Int {
		return keySign + strconv.FormatInt(v.Int(), 10), err
	}
	return keySign + v.Text(), err
}

// idKind is what ids of the table are.
func (t *table) idKind() vector.IDKind {
	switch t.id.kind {
	case int2, int4, int8:
		return vector.IntegerID
	case uuidKind:
		return vector.UUIDID
	}
	return vector.TextID
}

// ids adds ids as an array. Those that the table cannot have are left out.
func (t *table) ids(ids []vector.ID, a *args) string {
	oid, arrays := uint32(oidText), uint32(oidTexts)
	switch t.idKind() {
	case vector.IntegerID:
		oid, arrays = oidInt8, oidInt8s
	case vector.UUIDID:
		oid, arrays = oidUUID, oidUUIDs
	}
	b, n := arrayOf(nil, oid), 0
	for _, id := range ids {
		if id.Kind() != t.idKind() || badText(id.String()) != "" {
			continue
		}
		b = t.appendID(b, id)
		n++
	}
	setLength(b, n)
	return a.binary(arrays, b)
}

// appendID appends an id as an element of an array.
func (t *table) appendID(b []byte, id vector.ID) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	switch id.Kind() {
	case vector.IntegerID:
		b = binary.BigEndian.AppendUint64(b, id.Integer())
	case vector.UUIDID:
		u := id.UUID()
		b = append(b, u[:]...)
	default:
		b = append(b, id.String()...)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// arrayHead is how long the beginning of an array is.
const arrayHead = 20

// arrayOf begins an array of one dimension, of which the length is not known yet.
func arrayOf(b []byte, oid uint32) []byte {
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint32(b, oid)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 1)
}

func setLength(b []byte, n int) { binary.BigEndian.PutUint32(b[12:], uint32(n)) }

// Units lists keys, of each unit the last one. Pages follow keys, never an offset, so
// that what is written or deleted meanwhile moves no other record.
func (s *Store) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		t, err := s.known(ctx)
		if err == nil {
			err = s.only("list", t, namespace)
		}
		if err != nil {
			yield(vector.Unit{}, err)
			return
		}
		for {
			u, err := s.unit(ctx, t, namespace, after, max(size, 1))
			if err != nil {
				yield(vector.Unit{}, err)
				return
			}
			if u.Count == 0 || !yield(u, nil) || u.Count < size {
				return
			}
			after = u.Next
		}
	}
}

func (s *Store) unit(ctx context.Context, t *table, namespace, after string, size int) (vector.Unit, error) {
	u := vector.Unit{Namespace: namespace, After: after}
	var a args
	where := t.spaces(namespace, &a)
	if after != "" {
		key, err := t.key(after, &a)
		if err != nil {
			return u, s.invalid("list", "from behind %v", err)
		}
		where += " AND " + t.id.quoted + " > " + key
	}
	sql := fmt.Sprintf(`SELECT k, n FROM (SELECT k, row_number() OVER (ORDER BY k) AS n FROM (SELECT %[1]s AS k FROM %[2]s WHERE %[3]s ORDER BY %[1]s LIMIT %[4]d) AS keys) AS numbered ORDER BY n DESC LIMIT 1`,
		t.id.quoted, t.sql, where, size)
	err := s.query(ctx, "list", sql, &a, func(v [][]byte) (err error) {
		u.Upto, err = t.keyOf(v[0])
		u.Next, u.Count = u.Upto, int(binary.BigEndian.Uint64(v[1]))
		return err
	})
	return u, err
}

// columns are what a record is read from, in the order of [table.record].
func (t *table) columns() (sql string, formats []int16) {
	out := []string{t.id.quoted}
	formats = []int16{1}
	for i := range t.vectors {
		out, formats = append(out, t.vectors[i].quoted), append(formats, 1)
	}
	if t.payload != nil {
		out, formats = append(out, t.payload.quoted), append(formats, 1)
	}
	for i := range t.fields {
		sql, format := t.fields[i].selected()
		out, formats = append(out, sql), append(formats, format)
	}
	return strings.Join(out, ", "), formats
}

// record reads a record.
func (t *table) record(namespace string, v [][]byte) (vector.Record, error) {
	r := vector.Record{Namespace: namespace}
	var err error
	if r.ID, err = t.idOf(v[0]); err != nil {
		return r, fmt.Errorf("an id: %w", err)
	}
	wrong := func(c *column, err error) error { return fmt.Errorf("record %s, column %q: %w", r.ID, c.name, err) }
	v = v[1:]
	r.Vectors = make([]vector.Vector, 0, len(t.vectors))
	for i := range t.vectors {
		if v[i] == nil {
			continue
		}
		x, err := t.vectors[i].value(v[i])
		if err != nil {
			return r, wrong(&t.vectors[i].column, err)
		}
		r.Vectors = append(r.Vectors, x)
	}
	v = v[len(t.vectors):]
	if t.payload != nil {
		if v[0] != nil {
			x, err := t.payload.value(v[0])
			if err != nil {
				return r, wrong(t.payload, err)
			}
			if r.Payload = x.Map(); x.Kind() != vector.Map && x.Kind() != vector.Null {
				r.Payload = vector.NewPayload([]vector.Field{{Name: t.payload.name, Value: x}})
			}
		}
		v = v[1:]
	}
	if len(t.fields) == 0 {
		return r, nil
	}
	fields := make([]vector.Field, 0, len(r.Payload)+len(t.fields))
	for _, f := range r.Payload { // a member with the name of a column has its own beside it
		if t.field(f.Name) != nil {
			f.Name = t.payload.name + "." + f.Name
		}
		fields = append(fields, f)
	}
	for i := range t.fields {
		if v[i] == nil {
			continue
		}
		x, err := t.fields[i].value(v[i])
		if err != nil {
			return r, wrong(&t.fields[i], err)
		}
		fields = append(fields, vector.Field{Name: t.fields[i].name, Value: x})
	}
	n := len(fields)
	if r.Payload = vector.NewPayload(fields); len(r.Payload) < n {
		return r, fmt.Errorf("record %s has two fields of one name in column %q and beside it: read without payload=%s", r.ID, t.payload.name, t.payload.name)
	}
	return r, nil
}

func (t *table) field(name string) *column {
	for i := range t.fields {
		if t.fields[i].name == name {
			return &t.fields[i]
		}
	}
	return nil
}

// Read reads a unit in pages of about pageBytes.
func (s *Store) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		t, err := s.known(ctx)
		if err == nil {
			err = s.only("read", t, u.Namespace)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for after := u.After; ; {
			limit := int(s.page.Load())
			records, last, err := s.readPage(ctx, t, u, after, limit)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(records) > 0 && !yield(records, nil) || len(records) < limit {
				return
			}
			after = last
		}
	}
}

// readPage reads the first records of a unit behind a key.
func (s *Store) readPage(ctx context.Context, t *table, u vector.Unit, after string, limit int) (out []vector.Record, last string, err error) {
	var a args
	where := t.spaces(u.Namespace, &a)
	if after != "" {
		key, err := t.key(after, &a)
		if err != nil {
			return nil, "", s.invalid("read", "a unit from behind %v", err)
		}
		where += " AND " + t.id.quoted + " > " + key
	}
	key, err := t.key(u.Upto, &a)
	if err != nil {
		return nil, "", s.invalid("read", "a unit up to %v", err)
	}
	columns, formats := t.columns()
	a.results = formats
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s <= %s ORDER BY %s LIMIT %d", columns, t.sql, where, t.id.quoted, key, t.id.quoted, limit)
	out, err = s.records(ctx, "read", t, u.Namespace, sql, &a, limit)
	if len(out) > 0 {
		id := out[len(out)-1].ID
		if last = keySign + id.String(); id.Kind() == vector.IntegerID {
			last = keySign + strconv.FormatInt(int64(id.Integer()), 10)
		}
	}
	return out, last, err
}

// records runs a statement that yields records.
func (s *Store) records(ctx context.Context, doing string, t *table, namespace, sql string, a *args, most int) (out []vector.Record, err error) {
	out = make([]vector.Record, 0, most)
	bytes := 0
	err = s.query(ctx, doing, sql, a, func(v [][]byte) error {
		r, err := t.record(namespace, v)
		if err != nil {
			return s.invalid(doing, "%v", err)
		}
		for i := range v {
			bytes += len(v[i])
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(out) > 0 {
		s.page.Store(int64(min(max(pageBytes*len(out)/max(bytes, 1), 1), maxPage)))
	}
	return out, nil
}

// Fetch gets records by their ids.
func (s *Store) Fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	t, err := s.known(ctx)
	if err == nil {
		err = s.only("fetch", t, namespace)
	}
	if err != nil {
		return nil, err
	}
	var out []vector.Record
	for len(ids) > 0 {
		n := min(len(ids), int(s.page.Load()))
		var a args
		columns, formats := t.columns()
		a.results = formats
		sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s = ANY(%s)", columns, t.sql, t.spaces(namespace, &a), t.id.quoted, t.ids(ids[:n], &a))
		part, err := s.records(ctx, "fetch", t, namespace, sql, &a, n)
		if err != nil {
			return nil, err
		}
		out, ids = append(out, part...), ids[n:]
	}
	return out, nil
}

// Count counts the rows.
func (s *Store) Count(ctx context.Context, namespace string) (n int64, err error) {
	t, err := s.known(ctx)
	if err == nil {
		err = s.only("count", t, namespace)
	}
	if err != nil {
		return 0, err
	}
	var a args
	sql := "SELECT count(*) FROM " + t.sql + " WHERE " + t.spaces(namespace, &a)
	err = s.within(ctx, 10*s.options.Timeout, "count", func(ctx context.Context, conn *pgconn.PgConn) error {
		return run(ctx, conn, sql, &a, func(v [][]byte) error {
			n = int64(binary.BigEndian.Uint64(v[0]))
			return nil
		})
	})
	return n, err
}

// namespaces counts the rows of each.
func (s *Store) namespaces(ctx context.Context, t *table) (out []vector.Namespace, err error) {
	if t.namespace == nil || s.options.Namespace != nil {
		var name string
		if s.options.Namespace != nil {
			name = *s.options.Namespace
		}
		n, err := s.Count(ctx, name)
		return []vector.Namespace{{Name: name, Count: n}}, err
	}
	sql := "SELECT COALESCE(" + t.namespace.quoted + "::text, ''), count(*) FROM " + t.sql + " GROUP BY 1 ORDER BY 1"
	err = s.within(ctx, 10*s.options.Timeout, "count", func(ctx context.Context, conn *pgconn.PgConn) error {
		return run(ctx, conn, sql, &args{}, func(v [][]byte) error {
			out = append(out, vector.Namespace{Name: string(v[0]), Count: int64(binary.BigEndian.Uint64(v[1]))})
			return nil
		})
	})
	return slices.Clip(out), err
}
