package pgvector

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"freehold/internal/vector"
)

// table is what is known of the table: which column is what.
type table struct {
	oid     uint32
	sql     string // its name, with its schema, in quotes
	schema  string // of the extension, in quotes
	version string // of the extension

	id        *column
	namespace *column // nil: none
	payload   *column // jsonb of which the members are fields; nil: none
	vectors   []vectorColumn
	fields    []column
	// readOnly is why records cannot be written; empty: they can.
	readOnly string
	conflict []string // the columns of the key, in quotes
	gin      bool     // the payload has an index

	insert  string    // the statement, but for its parameters
	batches sync.Pool // of *batch
}

// column is a column as it is read and written.
type column struct {
	name, quoted string
	kind         kind
	array        bool   // of that kind, in one or more dimensions
	typ          string // as SQL has it
	cast         string // its type for casts, without a length, which a cast would cut to
	scale        int    // digits behind the point of a numeric; -1: any
	notNull      bool
	hasDefault   bool
	generated    bool
	indexed      bool
	comment      string
	number       int16
}

// vectorColumn is a column with vectors.
type vectorColumn struct {
	column
	spec    vector.Spec
	base    string // vector, halfvec, sparsevec, bit
	arrays  uint32 // oid of the arrays of its type
	oid     uint32
	made    *mark    // nil: freehold has not made it
	width   uint32   // that the type gives a sparse vector; 0: none
	indexes []vindex // that it has
}

// vindex is an index of vectors.
type vindex struct {
	name, method, def string
	metric            vector.Metric
	expression        string // what is indexed, where that is not the column itself
	partial           bool
	lists             int // of ivfflat
}

// mark is what a table that was made here has in the comment of a column: what its
// type does not say.
type mark struct {
	Vector string        `json:"vector"`
	Metric vector.Metric `json:"metric"`
	// Index is the index that is made when all is there; empty: none.
	Index string `json:"index,omitempty"`
}

// markPayload is the comment of the payload's column, with an index or without.
const (
	markPayload        = "freehold: payload"
	markPayloadIndexed = "freehold: payload, indexed"
	markStart          = "freehold: "
)

// classMetrics are what operator classes compare by, whichever index has them:
// vector_cosine_ops, bit_hamming_ops, ...
var classMetrics = map[string]vector.Metric{
	"l2": vector.Euclid, "ip": vector.Dot, "cosine": vector.Cosine, "l1": vector.Manhattan, "hamming": vector.Hamming, "jaccard": vector.Jaccard,
}

func metricOf(class string) (vector.Metric, bool) {
	parts := strings.Split(class, "_")
	if len(parts) != 3 || parts[2] != "ops" || !slices.Contains(bases, parts[0]) {
		return "", false
	}
	m, ok := classMetrics[parts[1]]
	return m, ok
}

// bases are the types of vectors.
var bases = []string{"vector", "halfvec", "sparsevec", "bit"}

// look reads what the table is, anew.
func (s *Store) look(ctx context.Context) (*table, error) {
	var t *table
	err := s.within(ctx, s.options.Timeout, "describe", func(ctx context.Context, conn *pgconn.PgConn) (err error) {
		t, err = s.read(ctx, conn)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := t.arrange(&s.options); err != nil {
		return nil, s.invalid("describe", "%v", err)
	}
	s.mu.Lock()
	s.table = t
	s.mu.Unlock()
	return t, nil
}

// known is the table as it was when it was first asked for.
func (s *Store) known(ctx context.Context) (*table, error) {
	s.mu.Lock()
	t := s.table
	s.mu.Unlock()
	if t != nil {
		return t, nil
	}
	return s.look(ctx)
}

// regclass is the table's name as to_regclass takes it.
func (s *Store) regclass() string {
	if s.schema != "" {
		return quote(s.schema) + "." + quote(s.name)
	}
	return quote(s.name)
}

// raw is what the catalogs have of the columns.
type raw struct {
	columns []column
	types   []string // names of base types
	typtype []string
	oids    []uint32
	mods    []int32
	arrays  []uint32
	unique  [][]int16 // numbers of the columns of each unique index; the primary key first
	primary bool
}

func (s *Store) read(ctx context.Context, conn *pgconn.PgConn) (*table, error) {
	t := &table{}
	var kind string
	var a args
	err := run(ctx, conn, `SELECT c.oid, n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(`+a.text(s.regclass())+`)`, &a, func(v [][]byte) error {
		t.oid = binary.BigEndian.Uint32(v[0])
		t.sql = quote(string(v[1])) + "." + quote(string(v[2]))
		kind = string(v[3])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if t.oid == 0 {
		return nil, &vector.Error{Store: s.at, Doing: "describe", Trouble: vector.Missing, Message: "there is no such table"}
	}
	if kind != "r" && kind != "p" {
		return nil, s.invalid("describe", "it is no table, but a view or the like, which has no key by which it can be read: name the table below it")
	}
	err = run(ctx, conn, `SELECT n.nspname, e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'`, &args{}, func(v [][]byte) error {
		t.schema, t.version = quote(string(v[0])), string(v[1])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if t.schema == "" {
		return nil, s.invalid("describe", noExtension)
	}
	var r raw
	if err := r.readColumns(ctx, conn, t.oid); err != nil {
		return nil, err
	}
	if err := r.readKeys(ctx, conn, t.oid); err != nil {
		return nil, err
	}
	if err := t.choose(&r, &s.options); err != nil {
		return nil, s.invalid("describe", "%v", err)
	}
	return t, t.readIndexes(ctx, conn)
}

func (r *raw) readColumns(ctx context.Context, conn *pgconn.PgConn, table uint32) error {
	a := args{}
	// A domain is what it is a domain of.
	return run(ctx, conn, `SELECT a.attname, a.attnum, b.typname, b.typtype::text, b.oid,
		CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, a.attnotnull OR t.typnotnull, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
		a.attgenerated <> '' OR a.attidentity = 'a', format_type(a.atttypid, a.atttypmod), b.typarray, COALESCE(col_description(a.attrelid, a.attnum), ''),
		CASE WHEN b.typcategory = 'A' THEN b.typelem ELSE 0 END, format_type(b.oid, NULL), COALESCE(e.typtype::text, '')
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
		LEFT JOIN pg_type e ON b.typcategory = 'A' AND e.oid = b.typelem
		WHERE a.attrelid = `+a.binary(26, binary.BigEndian.AppendUint32(nil, table))+` AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, &a, func(v [][]byte) error {
		c := column{
			name: string(v[0]), quoted: quote(string(v[0])), number: int16(binary.BigEndian.Uint16(v[1])), typ: string(v[9]), cast: string(v[13]), scale: -1,
			notNull: v[6][0] == 1, hasDefault: v[7][0] == 1, generated: v[8][0] == 1, comment: string(v[11]),
		}
		name, typtype, oid, mod := string(v[2]), string(v[3]), binary.BigEndian.Uint32(v[4]), int32(binary.BigEndian.Uint32(v[5]))
		c.kind = kindOf(oid, typtype)
		if elem := binary.BigEndian.Uint32(v[12]); elem != 0 {
			c.kind, c.array = kindOf(elem, string(v[14])), true
		}
		if c.kind == numeric && mod >= 4 {
			c.scale = int((mod - 4) & 0x7ff)
		}
		r.columns, r.types, r.typtype = append(r.columns, c), append(r.types, name), append(r.typtype, typtype)
		r.oids, r.mods, r.arrays = append(r.oids, oid), append(r.mods, mod), append(r.arrays, binary.BigEndian.Uint32(v[10]))
		return nil
	})
}

// readKeys reads which columns are unique together, the primary key first.
func (r *raw) readKeys(ctx context.Context, conn *pgconn.PgConn, table uint32) error {
	a := args{}
	return run(ctx, conn, `SELECT i.indisprimary, array_to_string(i.indkey[0:i.indnkeyatts - 1], ',') FROM pg_index i
		WHERE i.indrelid = `+a.binary(26, binary.BigEndian.AppendUint32(nil, table))+` AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indimmediate
		ORDER BY i.indisprimary DESC, i.indexrelid`, &a, func(v [][]byte) error {
		var columns []int16
		for part := range strings.SplitSeq(string(v[1]), ",") {
			var n int16
			if _, err := fmt.Sscan(part, &n); err != nil {
				return err
			}
			columns = append(columns, n)
		}
		r.primary = r.primary || v[0][0] == 1
		r.unique = append(r.unique, columns)
		return nil
	})
}

func (r *raw) named(name string) (int, error) {
	for i := range r.columns {
		if r.columns[i].name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("the table has no column %q", name)
}

// choose says which column is what.
func (t *table) choose(r *raw, o *Options) error {
	if err := t.chooseKey(r, o); err != nil {
		return err
	}
	payload := o.Payload
	for i := range r.columns {
		if payload == "" && strings.HasPrefix(r.columns[i].comment, markPayload) {
			payload = r.columns[i].name
		}
	}
	if payload != "" {
		i, err := r.named(payload)
		if err != nil {
			return err
		}
		if k := r.columns[i].kind; r.columns[i].array || k != jsonbKind && k != jsonKind {
			return fmt.Errorf("column %q is %s, and a payload is jsonb", payload, r.columns[i].typ)
		}
		t.payload = &r.columns[i]
	}
	for i := range r.columns {
		c := &r.columns[i]
		if c == t.id || c == t.namespace || c == t.payload {
			continue
		}
		switch name := r.types[i]; {
		case r.typtype[i] == "b" && slices.Contains(bases, name) && !c.array:
			t.vectors = append(t.vectors, vectorOf(c, name, r.mods[i], r.oids[i], r.arrays[i]))
		case len(o.Fields) == 0 || slices.Contains(o.Fields, c.name):
			t.fields = append(t.fields, *c)
		}
	}
	for _, f := range o.Fields {
		if _, err := r.named(f); err != nil {
			return err
		}
	}
	return t.chooseVectors(o)
}

// chooseKey finds the columns that name a record: without a key no paging is safe.
func (t *table) chooseKey(r *raw, o *Options) error {
	var key []int16
	if r.primary {
		key = r.unique[0]
	}
	if o.NamespaceColumn != "" {
		i, err := r.named(o.NamespaceColumn)
		if err != nil {
			return err
		}
		t.namespace = &r.columns[i]
	}
	if o.ID != "" {
		i, err := r.named(o.ID)
		if err != nil {
			return err
		}
		t.id = &r.columns[i]
		if key = r.keyOf(t.id, t.namespace); key == nil {
			return fmt.Errorf("column %q has no unique index: records with the same id would be taken for one", o.ID)
		}
	}
	names := make([]string, 0, len(key))
	for _, n := range key {
		for i := range r.columns {
			c := &r.columns[i]
			if c.number != n {
				continue
			}
			names = append(names, c.name)
			if c.notNull = true; len(key) == 2 && t.namespace == nil && n == key[0] && strings.HasPrefix(c.comment, markStart) {
				t.namespace = c
			}
		}
	}
	switch {
	case t.id != nil:
	case key == nil:
		return errors.New("the table has no primary key: name a column that is unique, id=COLUMN")
	default:
		for _, n := range key {
			for i := range r.columns {
				if c := &r.columns[i]; c.number == n && c != t.namespace && (len(key) == 1 || t.namespace != nil && slices.Contains(names, t.namespace.name)) {
					t.id = c
				}
			}
		}
		if t.id == nil || len(key) > 2 {
			return fmt.Errorf("the primary key is of %d columns (%s): name one that is unique by itself, id=COLUMN, or the one that is a namespace, namespace_field=COLUMN", len(key), strings.Join(names, ", "))
		}
	}
	switch t.id.kind {
	case int2, int4, int8, uuidKind, text:
	default:
		return fmt.Errorf("the id is column %q of type %s, and ids are integers, texts or UUIDs", t.id.name, t.id.typ)
	}
	if t.id.array || t.id.typ == "bytea" {
		return fmt.Errorf("the id is column %q of type %s, and ids are integers, texts or UUIDs", t.id.name, t.id.typ)
	}
	for _, n := range key {
		for i := range r.columns {
			if r.columns[i].number == n {
				t.conflict = append(t.conflict, r.columns[i].quoted)
			}
		}
	}
	if t.namespace == nil {
		return nil
	}
	if k := t.namespace.kind; t.namespace.array || !slices.Contains([]kind{text, uuidKind, int2, int4, int8}, k) {
		return fmt.Errorf("namespaces are column %q of type %s, and can be texts, UUIDs or integers", t.namespace.name, t.namespace.typ)
	}
	if len(key) == 1 {
		t.readOnly = fmt.Sprintf("its ids are unique over all namespaces of column %q, so that one would overwrite the other: it can be read only", t.namespace.name)
	}
	return nil
}

// keyOf is a unique index of the id alone, else of the namespace and it.
func (r *raw) keyOf(id, namespace *column) []int16 {
	for _, k := range r.unique {
		if len(k) == 1 && k[0] == id.number {
			return k
		}
	}
	for _, k := range r.unique {
		if namespace != nil && len(k) == 2 && slices.Contains(k, id.number) && slices.Contains(k, namespace.number) {
			return k
		}
	}
	return nil
}

// chooseVectors names the vectors: as freehold has marked them, else a single one has
// no name, and several have those of their columns.
func (t *table) chooseVectors(o *Options) error {
	plain := 0
	for i := range t.vectors {
		if t.vectors[i].made == nil {
			plain++
		}
	}
	for i := range t.vectors {
		if v := &t.vectors[i]; v.made == nil {
			if v.spec.Name = v.name; plain == 1 && len(t.vectors) == 1 || o.Vector == v.name {
				v.spec.Name = ""
			}
		}
	}
	if o.Vector != "" {
		var names []string
		t.vectors = slices.DeleteFunc(t.vectors, func(v vectorColumn) bool {
			names = append(names, v.name)
			return v.name != o.Vector && (v.made == nil || v.spec.Name != o.Vector)
		})
		if len(t.vectors) != 1 {
			return fmt.Errorf("the table has no column of vectors %q; it has %s", o.Vector, strings.Join(names, ", "))
		}
	}
	if len(t.vectors) == 0 {
		return errors.New("the table has no column of type vector, halfvec, sparsevec or bit")
	}
	return nil
}

func vectorOf(c *column, base string, mod int32, oid, arrays uint32) vectorColumn {
	v := vectorColumn{column: *c, base: base, oid: oid, arrays: arrays}
	v.spec = vector.Spec{Form: vector.Dense, Element: "float32", Dim: int(max(mod, 0))}
	switch base {
	case "halfvec":
		v.spec.Element = "float16"
	case "sparsevec":
		v.spec.Form, v.spec.Dim, v.width = vector.Sparse, 0, uint32(max(mod, 0))
	case "bit":
		v.spec.Form, v.spec.Element = vector.Binary, "bit"
	}
	var m mark
	if text, ok := strings.CutPrefix(c.comment, markStart); ok && json.Unmarshal([]byte(text), &m) == nil {
		v.made, v.spec.Name, v.spec.Metric = &m, m.Vector, m.Metric
	}
	return v
}

// readIndexes finds the indexes of vectors, and which columns have others.
func (t *table) readIndexes(ctx context.Context, conn *pgconn.PgConn) error {
	a := args{}
	return run(ctx, conn, `SELECT c.relname, m.amname, o.opcname, pg_get_indexdef(i.indexrelid), i.indkey[0], pg_get_indexdef(i.indexrelid, 1, true), i.indpred IS NOT NULL,
		COALESCE((SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'lists'), '0')::int,
		COALESCE((SELECT string_agg(d.refobjsubid::text, ',') FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid > 0), '')
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam JOIN pg_opclass o ON o.oid = i.indclass[0]
		WHERE i.indrelid = `+a.binary(26, binary.BigEndian.AppendUint32(nil, t.oid))+` AND i.indisvalid ORDER BY i.indexrelid`, &a, func(v [][]byte) error {
		metric, of := metricOf(string(v[2]))
		x := vindex{name: string(v[0]), method: string(v[1]), metric: metric, def: string(v[3]), partial: v[6][0] == 1, lists: int(binary.BigEndian.Uint32(v[7]))}
		first := int16(binary.BigEndian.Uint16(v[4]))
		if first == 0 {
			x.expression = string(v[5])
		}
		depends := strings.Split(string(v[8]), ",")
		for i := range t.vectors {
			c := &t.vectors[i]
			if of && (c.number == first || first == 0 && slices.Contains(depends, fmt.Sprint(c.number))) {
				c.indexes = append(c.indexes, x)
			}
		}
		for i := range t.fields {
			t.fields[i].indexed = t.fields[i].indexed || t.fields[i].number == first
		}
		if t.payload != nil && t.payload.number == first && x.method == "gin" {
			t.gin = true
		}
		return nil
	})
}

// arrange sets the metrics, and the statements.
func (t *table) arrange(o *Options) error {
	for i := range t.vectors {
		v := &t.vectors[i]
		var found []vector.Metric
		for _, x := range v.indexes {
			if !slices.Contains(found, x.metric) {
				found = append(found, x.metric)
			}
		}
		switch {
		case len(found) == 1:
			v.spec.Metric = found[0]
		case len(found) > 1 && slices.Contains(found, o.Metric), len(found) == 0 && v.spec.Metric == "":
			v.spec.Metric = o.Metric
		}
		if o.Metric != "" && v.spec.Metric != o.Metric && len(t.vectors) == 1 {
			return fmt.Errorf("metric=%s is asked for, and column %q has an index for %s", o.Metric, v.name, v.spec.Metric)
		}
		if v.base == "bit" && v.spec.Metric != "" && v.spec.Metric != vector.Hamming && v.spec.Metric != vector.Jaccard {
			return fmt.Errorf("metric=%s is none of column %q of bits: hamming and jaccard are", v.spec.Metric, v.name)
		}
	}
	t.insert = t.insertion()
	return nil
}

// measured says why the metric of a vector is not known, nil where it is.
func (v *vectorColumn) measured() error {
	if v.spec.Metric != "" {
		return nil
	}
	if len(v.indexes) > 1 {
		return fmt.Errorf("column %q has indexes for several metrics: say which one counts, metric=NAME", v.name)
	}
	return fmt.Errorf("column %q has no index that says by which metric its vectors are compared: add metric=cosine, dot, euclid or manhattan (hamming or jaccard for bits)", v.name)
}

// spaces is the condition for a namespace; a has its value.
func (t *table) spaces(namespace string, a *args) string {
	switch {
	case t.namespace == nil:
		return "true"
	case namespace == "" && t.namespace.kind == text:
		if t.namespace.notNull {
			return t.namespace.quoted + " = ''"
		}
		return "(" + t.namespace.quoted + " = '' OR " + t.namespace.quoted + " IS NULL)"
	case namespace == "":
		return t.namespace.quoted + " IS NULL"
	}
	if t.namespace.kind == text {
		return t.namespace.quoted + " = " + a.text(namespace)
	}
	return t.namespace.quoted + " = " + a.text(namespace) + "::" + t.namespace.typ
}

// only says why there is no such namespace, nil where there can be.
func (s *Store) only(doing string, t *table, namespace string) error {
	switch {
	case t.namespace == nil && namespace != "":
		return s.invalid(doing, "the table has no namespaces, and %q was asked for: name the column, namespace_field=COLUMN, or keep it as a field", namespace)
	case s.options.Namespace != nil && namespace != *s.options.Namespace:
		return s.invalid(doing, "the address is of namespace %q, and %q was asked for", *s.options.Namespace, namespace)
	}
	return nil
}

const maxDim, maxIndexed, maxHalfIndexed, maxBitIndexed = 16_000, 2000, 4000, 64_000

// maxSparse is what an index of a sparse vector is below.
const maxSparse = 1_000_000_000
