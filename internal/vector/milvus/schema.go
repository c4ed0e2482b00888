package milvus

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// schema is a collection as the server has it.
type schema struct {
	name    string // its own, also where it was named by an alias
	version string // of the server
	lite    bool
	key     column // the primary key
	vectors []vectorField
	columns []column // of payloads
	dynamic bool
	by      string   // partition key; empty: none
	made    []string // vectors that a function makes of a column: not read, not written
	cannot  string   // why it cannot be copied at all; empty: it can
	about   *wire.DescribeCollectionResponse
}

// column is a field with a type.
type column struct {
	name     string
	kind     int32
	element  int32 // of an array
	length   int   // bytes of a text; 0: not bounded
	capacity int   // of an array
	nullable bool
	auto     bool // the server makes the ids
}

// vectorField is a vector with its index.
type vectorField struct {
	vector.Spec
	field    string
	kind     int32
	nullable bool
	index    string // its type; empty: there is none yet
}

// The types of fields.
const (
	kindBool, kindInt8, kindInt16, kindInt32, kindInt64 = 1, 2, 3, 4, 5
	kindFloat, kindDouble                               = 10, 11
	kindVarChar, kindArray, kindJSON                    = 21, 22, 23

	kindBinary, kindFloatVector, kindFloat16, kindBFloat16, kindSparse, kindInt8Vector = 100, 101, 102, 103, 104, 105
)

var kindNames = map[int32]string{
	kindBool: "BOOL", kindInt8: "INT8", kindInt16: "INT16", kindInt32: "INT32", kindInt64: "INT64", kindFloat: "FLOAT", kindDouble: "DOUBLE",
	kindVarChar: "VARCHAR", kindArray: "ARRAY", kindJSON: "JSON", 20: "STRING", 24: "GEOMETRY", 25: "TEXT", 26: "TIMESTAMPTZ",
}

func kindName(kind int32) string {
	if name := kindNames[kind]; name != "" {
		return name
	}
	return "type " + strconv.Itoa(int(kind))
}

var elements = map[int32]string{kindBinary: "bit", kindFloatVector: "float32", kindFloat16: "float16", kindBFloat16: "bfloat16", kindSparse: "float32", kindInt8Vector: "int8"}

var metrics = map[string]vector.Metric{"COSINE": vector.Cosine, "IP": vector.Dot, "L2": vector.Euclid, "HAMMING": vector.Hamming, "JACCARD": vector.Jaccard}

const (
	// meta is the field with the dynamic ones.
	meta = "$meta"
	// vectorName is the field of the vector without a name, as Milvus' own clients
	// call it; keyName is that of the primary key of a collection that is made.
	vectorName = "vector"
	keyName    = "pk"

	maxText = 65535 // bytes of a VARCHAR
	maxMeta = 65536 // bytes of JSON
)

func newColumn(f *wire.FieldSchema) column {
	p := pairs(f.GetParams())
	return column{
		name: f.GetName(), kind: f.GetType(), element: f.GetElement(), length: number(p["max_length"]), capacity: number(p["max_capacity"]),
		nullable: f.GetNullable(), auto: f.GetAutoId(),
	}
}

func pairs(of []*wire.Pair) map[string]string {
	out := map[string]string{}
	for _, p := range of {
		out[p.GetKey()] = p.GetValue()
	}
	return out
}

// number is what a setting says, 0 where it says nothing that is one.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// read makes a schema of what the server says of a collection and its indexes.
func read(d *wire.DescribeCollectionResponse, indexes []*wire.Index) *schema {
	c := d.GetSchema()
	s := &schema{name: d.GetCollection(), dynamic: c.GetDynamic(), about: d}
	if s.name == "" || slices.Contains(d.GetAliases(), s.name) { // Milvus 2.3 answers by the name that was asked for
		s.name = c.GetName()
	}
	for _, x := range c.GetStructs() {
		s.cannot = fmt.Sprintf("its field %s is a list of structs, which no other store has", x.GetName())
	}
	for _, f := range c.GetFields() {
		switch kind := f.GetType(); {
		case f.GetDynamic():
		case f.GetPrimary():
			s.key = newColumn(f)
			s.key.auto = s.key.auto || c.GetAutoId()
		case kind >= 100 && f.GetFunctionOutput():
			s.made = append(s.made, f.GetName())
		case elements[kind] != "":
			s.vectors = append(s.vectors, vectorOf(f, indexes))
		case kindNames[kind] != "":
			s.columns = append(s.columns, newColumn(f))
			if f.GetPartitionKey() {
				s.by = f.GetName()
			}
		default:
			s.cannot = fmt.Sprintf("its field %s is of %s, which freehold does not know", f.GetName(), kindName(kind))
		}
	}
	return s
}

func vectorOf(f *wire.FieldSchema, indexes []*wire.Index) vectorField {
	v := vectorField{field: f.GetName(), kind: f.GetType(), nullable: f.GetNullable()}
	v.Spec = vector.Spec{Name: recordName(v.field), Form: vector.Dense, Dim: number(pairs(f.GetParams())["dim"]), Element: elements[v.kind]}
	switch v.kind {
	case kindSparse:
		v.Form = vector.Sparse
	case kindBinary:
		v.Form = vector.Binary
	}
	metric := ""
	for _, x := range indexes {
		if x.GetField() == v.field {
			p := pairs(x.GetParams())
			v.index, metric = p["index_type"], p["metric_type"]
		}
	}
	// What newer servers have is called as they call it, which nothing equals.
	if v.Metric = metrics[metric]; v.Metric == "" {
		v.Metric = vector.Metric(strings.ToLower(metric))
	}
	return v
}

// recordName and fieldName are a vector's name in records and in the collection.
func recordName(field string) string {
	if field == vectorName {
		return ""
	}
	return field
}

func fieldName(name string) string {
	if name == "" {
		return vectorName
	}
	return name
}

// ids is which kind of ids the collection has.
func (s *schema) ids() vector.IDKind {
	if s.key.kind == kindVarChar {
		return vector.TextID
	}
	return vector.IntegerID
}

func (s *schema) column(name string) *column {
	i := slices.IndexFunc(s.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return &s.columns[i]
}

func (s *schema) vector(name string) *vectorField {
	i := slices.IndexFunc(s.vectors, func(v vectorField) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &s.vectors[i]
}

// taken reports whether a field of this name is there that is no column of payloads.
func (s *schema) taken(name string) bool {
	return name == s.key.name || name == meta || slices.Contains(s.made, name) || slices.ContainsFunc(s.vectors, func(v vectorField) bool { return v.field == name })
}

// plainName is what a name of a field or a partition may be.
func plainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// look is the collection as it was when it was first looked at. An alias that is
// moved in the midst of a copy does not move the copy.
func (s *Store) look(ctx context.Context) (*schema, error) {
	s.mu.Lock()
	known := s.schema
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := s.lookAgain(ctx)
	if err != nil {
		return nil, err
	}
	return found, s.ready(ctx, found)
}

// lookAgain looks at the collection, which may be made but half.
func (s *Store) lookAgain(ctx context.Context) (*schema, error) {
	version, err := s.serverVersion(ctx)
	if err != nil {
		return nil, err
	}
	var d wire.DescribeCollectionResponse
	if err := s.call(ctx, wire.DescribeCollection, &wire.DescribeCollectionRequest{Database: s.options.Database, Collection: s.options.Collection}, &d); err != nil {
		return nil, err
	}
	var x wire.DescribeIndexResponse
	err = s.call(ctx, wire.DescribeIndex, &wire.DescribeIndexRequest{Database: s.options.Database, Collection: s.options.Collection}, &x)
	if err != nil && x.GetStatus().GetCode() != noIndex && x.GetStatus().GetErrorCode() != oldNoIndex {
		return nil, err
	}
	found := read(&d, x.GetIndexes())
	found.version, found.lite = version, isLite(version)
	if found.cannot != "" {
		return nil, s.invalid("describecollection", "it cannot be copied: %s", found.cannot)
	}
	if only := s.options.Vector; only != "" {
		found.vectors = slices.DeleteFunc(found.vectors, func(v vectorField) bool { return v.field != only })
		if len(found.vectors) == 0 {
			return nil, s.invalid("describecollection", "the collection has no vector %q", only)
		}
	}
	s.mu.Lock()
	s.schema = found
	s.mu.Unlock()
	return found, nil
}

// ready says why a collection cannot be read, which is what [Store.Create] has not
// come to yet where it was ended in between.
func (s *Store) ready(ctx context.Context, found *schema) error {
	for i := range found.vectors {
		if v := &found.vectors[i]; v.index == "" {
			return s.invalid("describeindex", "vector %s has no index, so that its metric is not known and the collection cannot be loaded: make one", v.field)
		}
	}
	state, err := s.loadState(ctx, found.name)
	switch {
	case err != nil || state == stateLoaded:
		return err
	case found.lite: // it has forgotten that after each start
		return s.load(ctx, found.name)
	}
	return s.invalid("getloadstate", "the collection is not loaded, so that it cannot be read: load it (load_collection in Milvus' client)")
}

func (s *Store) serverVersion(ctx context.Context) (string, error) {
	s.mu.Lock()
	known := s.version
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	var v wire.GetVersionResponse
	if err := s.call(ctx, wire.GetVersion, &wire.GetVersionRequest{}, &v); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = v.GetVersion()
	return s.version, nil
}

// isLite reports whether a server is milvus-lite, which has less than Milvus.
func isLite(version string) bool { return strings.HasPrefix(version, "milvus_lite") }

// older reports whether a server is of before 2.minor.
func older(version string, minor int) bool {
	var is int
	n, err := fmt.Sscanf(strings.TrimPrefix(version, "v"), "2.%d", &is)
	return err == nil && n == 1 && is < minor
}
