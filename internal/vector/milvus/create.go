package milvus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// loaded is the state of a collection that is in memory, and poll how often it is
// looked at.
const (
	stateLoaded = 3
	poll        = 200 * time.Millisecond
)

// Create makes the collection with its indexes, and loads it. Of one that is there
// the vectors are compared; indexes that it lacks, as after an end in the midst of
// this, are made.
func (s *Store) Create(ctx context.Context, d *vector.Description) error {
	found, err := s.lookAgain(ctx)
	switch {
	case is(err, vector.Missing):
		err = s.create(ctx, d)
		if err == nil {
			found, err = s.lookAgain(ctx)
		}
	case err == nil && found.key.auto:
		return s.invalid("create", "the collection is there, and the server makes its ids (auto_id), so that a record would get another one each time: make one without")
	}
	if err != nil {
		return err
	}
	have := &vector.Description{}
	for i := range found.vectors {
		v := &found.vectors[i]
		if want := d.Vector(v.Name); want != nil && v.index == "" {
			v.Metric = want.Metric
		}
		have.Vectors = append(have.Vectors, v.Spec)
	}
	if why := have.Holds(d); why != "" {
		return s.invalid("create", "the collection is there, and %s", why)
	}
	if len(d.IDs) == 1 && d.IDs[0] != found.ids() {
		return s.invalid("create", "the collection is there, and its primary key is %s: it cannot have ids of kind %s", kindName(found.key.kind), d.IDs[0])
	}
	for i := range found.vectors {
		if v := &found.vectors[i]; v.index == "" {
			if err := s.index(ctx, found.name, v); err != nil {
				return err
			}
		}
	}
	if err := s.load(ctx, found.name); err != nil {
		return err
	}
	_, err = s.lookAgain(ctx)
	return err
}

// create makes the collection itself.
func (s *Store) create(ctx context.Context, d *vector.Description) error {
	c, err := s.collectionOf(d)
	if err != nil {
		return s.invalid("create", "%v", err)
	}
	b, err := proto.Marshal(c)
	if err != nil {
		return s.invalid("create", "%v", err)
	}
	return s.call(ctx, wire.CreateCollection, &wire.CreateCollectionRequest{
		Database: s.options.Database, Collection: s.options.Collection, Schema: b, Shards: 1, Consistency: strong,
	}, &wire.Status{})
}

// collectionOf is the schema of what is described.
func (s *Store) collectionOf(d *vector.Description) (*wire.CollectionSchema, error) {
	key, fields, err := s.primaryOf(d)
	if err != nil {
		return nil, err
	}
	c := &wire.CollectionSchema{Name: s.options.Collection, Dynamic: true, Fields: []*wire.FieldSchema{key}}
	taken := map[string]bool{key.GetName(): true, meta: true}
	add := func(f *wire.FieldSchema) error {
		if !plainName(f.GetName()) {
			return fmt.Errorf("a field of Milvus cannot be called %q: names have letters, digits and underscores (mapping.vectors in the plan gives a vector another one)", f.GetName())
		}
		if taken[f.GetName()] {
			return fmt.Errorf("two fields would be called %s", f.GetName())
		}
		taken[f.GetName()] = true
		c.Fields = append(c.Fields, f)
		return nil
	}
	if !plainName(key.GetName()) {
		return nil, fmt.Errorf("the primary key cannot be called %q: names have letters, digits and underscores", key.GetName())
	}
	limits := s.Limits()
	for i := range d.Vectors {
		f, err := vectorSchema(&d.Vectors[i], limits.Forms)
		if err == nil {
			err = add(f)
		}
		if err != nil {
			return nil, fmt.Errorf("vector %q: %w", d.Vectors[i].Name, err)
		}
	}
	if text := s.options.Text; text != "" && !slices.ContainsFunc(fields, func(f vector.FieldSpec) bool { return f.Name == text }) {
		fields = append(fields, vector.FieldSpec{Name: text, Type: "VARCHAR(" + strconv.Itoa(maxText) + ")"})
	}
	for i := range fields {
		f, err := columnOf(fields[i].Name, fields[i].Type)
		if err == nil {
			err = add(f)
		}
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", fields[i].Name, err)
		}
	}
	return c, nil
}

// primaryOf is the primary key of what is described, and all other fields of it.
func (s *Store) primaryOf(d *vector.Description) (key *wire.FieldSchema, rest []vector.FieldSpec, err error) {
	kind := "VARCHAR"
	if len(d.IDs) == 1 && d.IDs[0] == vector.IntegerID {
		kind = "INT64"
	}
	name, words := keyName, kind
	for _, f := range d.Fields {
		of, primary := strings.CutSuffix(f.Type, primaryKey)
		if !primary {
			rest = append(rest, f)
			continue
		}
		name = f.Name
		if len(d.IDs) == 0 || strings.HasPrefix(of, kind) { // else ids become others
			words = of
		}
	}
	key, err = columnOf(cmp.Or(s.options.ID, name), words)
	if err == nil && key.GetType() != kindVarChar && key.GetType() != kindInt64 {
		err = fmt.Errorf("field %s: a primary key is VARCHAR or INT64, not %s", name, words)
	}
	if err == nil {
		key.Primary = true
	}
	return key, rest, err
}

var vectorKinds = map[string]int32{"": kindFloatVector, "float32": kindFloatVector, "float16": kindFloat16, "bfloat16": kindBFloat16, "int8": kindInt8Vector}

func vectorSchema(v *vector.Spec, forms []vector.Form) (*wire.FieldSchema, error) {
	f := &wire.FieldSchema{Name: fieldName(v.Name), Params: []*wire.Pair{{Key: "dim", Value: strconv.Itoa(v.Dim)}}}
	if !slices.Contains(forms, v.Form) {
		return nil, fmt.Errorf("the server has no %s vectors", v.Form)
	}
	switch v.Form {
	case vector.Dense:
		if f.Type = vectorKinds[v.Element]; f.Type == 0 {
			return nil, fmt.Errorf("%s is no type of numbers of Milvus': float32, float16, bfloat16 and int8 are", v.Element)
		}
		if v.Dim < 2 || v.Dim > maxDim {
			return nil, fmt.Errorf("it has %d numbers, and vectors of Milvus have 2 to %d", v.Dim, maxDim)
		}
	case vector.Sparse:
		f.Type, f.Params = kindSparse, nil
	case vector.Binary:
		if f.Type = kindBinary; v.Dim%8 != 0 {
			return nil, fmt.Errorf("it has %d bits, and Milvus takes whole bytes", v.Dim)
		}
	}
	if metricName(f.GetType(), v.Metric) == "" {
		return nil, fmt.Errorf("%s vectors of Milvus are not compared by %s", v.Form, v.Metric)
	}
	return f, nil
}

// metricName is Milvus' name of a metric, "" of one that it has not for a type of
// vectors.
func metricName(kind int32, m vector.Metric) string {
	for name, of := range metrics {
		bits := of == vector.Hamming || of == vector.Jaccard
		if of == m && bits == (kind == kindBinary) && (kind != kindSparse || of == vector.Dot) {
			return name
		}
	}
	return ""
}

// index makes the index of a vector: the one that Milvus chooses, where it does.
func (s *Store) index(ctx context.Context, collection string, v *vectorField) error {
	kind := "AUTOINDEX"
	switch v.kind {
	case kindSparse:
		kind = "SPARSE_INVERTED_INDEX"
	case kindBinary:
		kind = "BIN_FLAT"
	}
	metric := metricName(v.kind, v.Metric)
	if metric == "" {
		return s.invalid("createindex", "vector %q has no index, and its metric is not known: make an index of it", v.Name)
	}
	return s.call(ctx, wire.CreateIndex, &wire.CreateIndexRequest{
		Database: s.options.Database, Collection: collection, Field: v.field,
		Params: []*wire.Pair{{Key: "index_type", Value: kind}, {Key: "metric_type", Value: metric}, {Key: "params", Value: "{}"}},
	}, &wire.Status{})
}

// load has the server take the collection into memory, without which it answers no
// query, and waits for it.
func (s *Store) load(ctx context.Context, collection string) error {
	is, err := s.loadState(ctx, collection)
	if err != nil || is == stateLoaded {
		return err
	}
	if err := s.call(ctx, wire.LoadCollection, &wire.LoadCollectionRequest{Database: s.options.Database, Collection: collection, Replicas: 1}, &wire.Status{}); err != nil {
		return err
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	timed, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	for {
		if is, err = s.loadState(ctx, collection); err != nil || is == stateLoaded {
			return err
		}
		select {
		case <-tick.C:
		case <-timed.Done():
			return &vector.Error{Store: s.at, Doing: "load", Trouble: vector.Unavailable, Message: "the collection is not loaded yet", Cause: ctx.Err()}
		}
	}
}

func (s *Store) loadState(ctx context.Context, collection string) (int32, error) {
	var answer wire.GetLoadStateResponse
	err := s.call(ctx, wire.GetLoadState, &wire.GetLoadStateRequest{Database: s.options.Database, Collection: collection}, &answer)
	return answer.GetState(), err
}

// What ends the type of the fields that are one.
const (
	primaryKey   = " primary key"
	partitionKey = " partition key"
)

// words are a column's type as plans have it, and columnOf reads them:
//
//	VARCHAR(512)  ARRAY<INT64>(100)  ARRAY<VARCHAR(64)>(10)  JSON  INT64 null  VARCHAR(64) partition key
func (c *column) words() string {
	text := func(kind int32) string {
		if kind == kindVarChar && c.length > 0 {
			return kindName(kind) + "(" + strconv.Itoa(c.length) + ")"
		}
		return kindName(kind)
	}
	out := text(c.kind)
	if c.kind == kindArray {
		out = "ARRAY<" + text(c.element) + ">(" + strconv.Itoa(c.capacity) + ")"
	}
	if c.nullable {
		out += " null"
	}
	return out
}

func columnOf(name, words string) (*wire.FieldSchema, error) {
	rest, by := strings.CutSuffix(words, partitionKey)
	f := &wire.FieldSchema{Name: name, PartitionKey: by}
	if short, ok := strings.CutSuffix(rest, " null"); ok {
		rest, f.Nullable = short, true
	}
	inner, array := strings.CutPrefix(rest, "ARRAY<")
	if array {
		of, capacity, ok := strings.Cut(inner, ">(")
		if !ok {
			return nil, fmt.Errorf("%q is no type of a column", words)
		}
		rest = of
		f.Params = append(f.Params, &wire.Pair{Key: "max_capacity", Value: strings.TrimSuffix(capacity, ")")})
	}
	kind, length, bounded := strings.Cut(rest, "(")
	if !bounded && kind == kindNames[kindVarChar] {
		length, bounded = strconv.Itoa(maxText), true
	}
	if bounded {
		f.Params = append(f.Params, &wire.Pair{Key: "max_length", Value: strings.TrimSuffix(length, ")")})
	}
	for n, is := range kindNames {
		if is == kind && (&column{kind: n}).writable() {
			f.Type = n
		}
	}
	if f.GetType() == 0 || f.GetType() == kindArray {
		return nil, fmt.Errorf("%q is no type of a column that freehold makes", words)
	}
	if array {
		f.Element, f.Type = f.GetType(), kindArray
	}
	return f, nil
}
