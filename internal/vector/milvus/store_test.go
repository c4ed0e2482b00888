package milvus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/milvustest"
	"freehold/internal/vector/milvus/wire"
)

// both runs a test before milvus-lite and before the server.
func both(t *testing.T, do func(t *testing.T, server *milvustest.Server)) {
	t.Run("lite", func(t *testing.T) { do(t, milvustest.Shared(t)) })
	t.Run("full", func(t *testing.T) { do(t, milvustest.Full(t)) })
}

func dense4(metric vector.Metric) *vector.Description {
	return &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 4, Metric: metric}}}
}

func created(t *testing.T, server *milvustest.Server, d *vector.Description) *Store {
	t.Helper()
	s := openStore(t, server, server.Name(t))
	if err := s.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, records ...vector.Record) {
	t.Helper()
	if err := s.Put(t.Context(), "", records); err != nil {
		t.Fatal(err)
	}
}

// readAll reads every unit of a store.
func readAll(t *testing.T, s *Store, size int) (out []vector.Record) {
	t.Helper()
	for u, err := range s.Units(t.Context(), "", "", size) {
		if err != nil {
			t.Fatal(err)
		}
		for records, err := range s.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, records...)
		}
	}
	return out
}

func same(t *testing.T, want, got []vector.Record) {
	t.Helper()
	have := map[vector.ID]*vector.Record{}
	for i := range got {
		have[got[i].ID] = &got[i]
	}
	for i := range want {
		g := have[want[i].ID]
		if g == nil {
			t.Errorf("%q is not there", want[i].ID)
			continue
		}
		if d := vector.Differences(&want[i], g, &vector.Description{}); len(d) > 0 {
			t.Errorf("%q: %+v", want[i].ID, d)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

// odd are texts that expressions and JSON could stumble over.
var odd = []string{
	"", " ", `"`, `'`, `\`, `\\`, `\"`, `a" or pk != "`, "\n", "\r\n", "\t", "\x01", "\x7f", `\u0041`, `\x41`, `\n`, "中文", "ü\\u4e2d中", "𝄞", "a%b_c", "{a}", "[0]", "$meta", "null",
	strings.Repeat("long", 500),
}

// TestOddTexts: whatever texts there are as ids, values, and values of filters, each
// is itself, is found by itself, and is deleted alone.
func TestOddTexts(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		s := created(t, server, dense4(vector.Dot))
		var records []vector.Record
		for i, text := range odd {
			records = append(records, vector.Record{ID: vector.IDOf(text), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, float32(i)}}}, Payload: vector.NewPayload([]vector.Field{
				{Name: "t", Value: vector.TextOf(text)}, {Name: "some", Value: vector.ListOf([]vector.Value{vector.TextOf(text), vector.TextOf("other")})},
			})})
		}
		put(t, s, records...)
		same(t, records, readAll(t, s, 3))
		for i := range records {
			got, err := s.Fetch(t.Context(), "", []vector.ID{records[i].ID})
			if err != nil {
				t.Fatal(err)
			}
			same(t, records[i:i+1], got)
			for _, field := range []string{"t", "some"} {
				hits, err := s.Search(t.Context(), vector.Search{Query: records[i].Vectors[0], K: 5, Filter: &vector.Filter{Op: vector.Eq, Field: field, Value: vector.TextOf(odd[i])}})
				if err != nil || len(hits) != 1 || hits[0].ID != records[i].ID {
					t.Errorf("%q is found by %s: %v %v", odd[i], field, hits, err)
				}
			}
		}
		for i := range records {
			if i%2 == 0 {
				if err := s.Delete(t.Context(), "", []vector.ID{records[i].ID}); err != nil {
					t.Fatal(err)
				}
			}
		}
		var left []vector.Record
		for i := 1; i < len(records); i += 2 {
			left = append(left, records[i])
		}
		same(t, left, readAll(t, s, 100))
	})
}

// TestOddValues: what JSON has, as it is.
func TestOddValues(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		s := created(t, server, dense4(vector.Euclid))
		inner := vector.NewPayload([]vector.Field{{Name: "", Value: vector.IntOf(1)}, {Name: `"\`, Value: vector.ListOf([]vector.Value{})}, {Name: "m", Value: vector.MapOf(vector.Payload{})}})
		want := vector.Record{ID: vector.IDOf("a"), Vectors: []vector.Vector{{Dense: []float32{math.SmallestNonzeroFloat32, -math.MaxFloat32 / 4, 0.1, -0.30000001}}}, Payload: vector.NewPayload([]vector.Field{
			{Name: "min", Value: vector.IntOf(math.MinInt64)}, {Name: "max", Value: vector.IntOf(math.MaxInt64)}, {Name: "whole", Value: vector.FloatOf(2003)}, {Name: "tiny", Value: vector.FloatOf(5e-324)},
			{Name: "huge", Value: vector.FloatOf(math.MaxFloat64)}, {Name: "big", Value: vector.FloatOf(1e21)}, {Name: "tenth", Value: vector.FloatOf(.1)}, {Name: "null"}, {Name: "yes", Value: vector.BoolOf(true)},
			{Name: "nested", Value: vector.ListOf([]vector.Value{vector.MapOf(inner), {}, vector.ListOf([]vector.Value{vector.FloatOf(1)})})}, {Name: "ключ . 中/~1", Value: vector.TextOf("x")},
			{Name: "vectors", Value: vector.TextOf("a name like that of a field")},
		})}
		put(t, s, want)
		same(t, []vector.Record{want}, readAll(t, s, 10))
		hits, err := s.Search(t.Context(), vector.Search{Query: want.Vectors[0], K: 5, Filter: &vector.Filter{Op: vector.Exists, Field: "ключ . 中/~1", Value: vector.BoolOf(true)}})
		if err != nil || len(hits) != 1 {
			if !server.Lite {
				t.Errorf("a field with an odd name: %v %v", hits, err)
			}
		}
	})
}

// TestNumbersAsIDs: signs and ends are no traps.
func TestNumbersAsIDs(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		d := dense4(vector.Cosine)
		d.IDs = []vector.IDKind{vector.IntegerID}
		s := created(t, server, d)
		var records []vector.Record
		for _, n := range []int64{math.MinInt64, math.MinInt64 + 1, -5, -1, 0, 1, 7, 1 << 53, 1<<53 + 1, math.MaxInt64 - 1} {
			records = append(records, vector.Record{ID: vector.IntegerIDOf(uint64(n)), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, 4}}}})
		}
		put(t, s, records...)
		for _, size := range []int{1, 4, 100} {
			same(t, records, readAll(t, s, size))
		}
		for i := range records {
			got, err := s.Fetch(t.Context(), "", []vector.ID{records[i].ID, vector.IDOf("a text"), vector.IntegerIDOf(12345)})
			if err != nil {
				t.Fatal(err)
			}
			same(t, records[i:i+1], got)
		}
		if n, err := s.Count(t.Context(), ""); err != nil || n != int64(len(records)) {
			t.Errorf("%d of %d: %v", n, len(records), err)
		}
		for _, id := range []vector.ID{vector.IDOf("x"), vector.IntegerIDOf(math.MaxInt64)} {
			var refused *vector.RefusedError
			if err := s.Put(t.Context(), "", []vector.Record{{ID: id, Vectors: records[0].Vectors}}); !errors.As(err, &refused) && (!server.Lite || id.Kind() == vector.TextID) {
				t.Errorf("%s as id: %v", id, err)
			}
		}
		if limits := s.Limits(); !slices.Equal(limits.IDs, []vector.IDKind{vector.IntegerID}) {
			t.Errorf("ids can be %v", limits.IDs)
		}
	})
}

// TestColumns: payloads are columns and dynamic fields together; what a column would
// change is refused.
func TestColumns(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		d := dense4(vector.Cosine)
		d.Fields = []vector.FieldSpec{
			{Name: "flag", Type: "BOOL"}, {Name: "small", Type: "INT8"}, {Name: "year", Type: "INT64"}, {Name: "half", Type: "FLOAT"}, {Name: "price", Type: "DOUBLE"},
			{Name: "title", Type: "VARCHAR(16)"}, {Name: "doc", Type: "JSON"}, {Name: "tags", Type: "ARRAY<VARCHAR(8)>(3)"}, {Name: "counts", Type: "ARRAY<INT64>(4)"},
		}
		s := created(t, server, d)
		full := func(id string) vector.Record {
			return vector.Record{ID: vector.IDOf(id), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, 4}}}, Payload: vector.NewPayload([]vector.Field{
				{Name: "flag", Value: vector.BoolOf(true)}, {Name: "small", Value: vector.IntOf(-128)}, {Name: "year", Value: vector.IntOf(math.MaxInt64)}, {Name: "half", Value: vector.FloatOf(0.5)},
				{Name: "price", Value: vector.FloatOf(.1)}, {Name: "title", Value: vector.TextOf("a title")}, {Name: "doc", Value: vector.MapOf(vector.NewPayload([]vector.Field{{Name: "whole", Value: vector.FloatOf(1)}}))},
				{Name: "tags", Value: vector.ListOf([]vector.Value{vector.TextOf("a"), vector.TextOf("b")})}, {Name: "counts", Value: vector.ListOf([]vector.Value{vector.IntOf(1), vector.IntOf(1 << 40)})},
				{Name: "more", Value: vector.TextOf("dynamic")},
			})}
		}
		with := func(id, name string, v vector.Value) vector.Record {
			r := full(id)
			r.Payload = r.Payload.With(name, v)
			return r
		}
		without := full("without")
		without.Payload = slices.DeleteFunc(slices.Clone(without.Payload), func(f vector.Field) bool { return f.Name == "year" })
		good := []vector.Record{full("one"), with("two", "tags", vector.ListOf([]vector.Value{})), with("three", "doc", vector.MapOf(vector.Payload{}))}
		bad := map[string]vector.Record{
			"which its column, FLOAT, would round": with("b1", "half", vector.FloatOf(.1)), "too large for its column": with("b2", "small", vector.IntOf(128)), "is a int, and its column is DOUBLE": with("b3", "price", vector.IntOf(1)),
			"has 17 bytes": with("b4", "title", vector.TextOf(strings.Repeat("x", 17))), "its column takes 3": with("b5", "tags", vector.ListOf(make([]vector.Value, 4))), "has one that is a null": with("b6", "tags", vector.ListOf(make([]vector.Value, 2))),
			"field year is missing": without, "has the name of another one": with("b7", "vector", vector.TextOf("x")), "65536 is the most": with("b8", "more", vector.TextOf(strings.Repeat("x", 65536))),
		}
		if !server.Lite {
			bad["cannot unmarshal array"] = with("b9", "doc", vector.ListOf([]vector.Value{vector.IntOf(1)})) // so says Milvus 2.3
		}
		records := slices.Clone(good)
		for _, r := range bad {
			records = append(records, r)
		}
		err := s.Put(t.Context(), "", records)
		var refused *vector.RefusedError
		if !errors.As(err, &refused) || len(refused.Records) != len(bad) {
			t.Fatalf("%v", err)
		}
		for why, r := range bad {
			if got := refused.Records[r.ID]; !strings.Contains(got, why) {
				t.Errorf("%s: %q, want %q", r.ID, got, why)
			}
		}
		same(t, good, readAll(t, s, 10))
		for _, f := range []vector.Filter{
			{Op: vector.Eq, Field: "tags", Value: vector.TextOf("b")}, {Op: vector.Eq, Field: "counts", Value: vector.IntOf(1 << 40)}, {Op: vector.Gte, Field: "price", Value: vector.FloatOf(.1)}, {Op: vector.Eq, Field: "flag", Value: vector.BoolOf(true)},
			{Op: vector.Ne, Field: "title", Value: vector.TextOf("b")}, {Op: vector.In, Field: "year", Values: []vector.Value{vector.IntOf(1), vector.IntOf(math.MaxInt64)}}, {Op: vector.Exists, Field: "year", Value: vector.BoolOf(true)},
			{Op: vector.Eq, Field: "more", Value: vector.TextOf("dynamic")},
		} {
			want := 0
			for i := range good {
				if f.Match(good[i].Payload) {
					want++
				}
			}
			if hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 2, 3, 4}}, K: 10, Filter: &f}); err != nil || len(hits) != want {
				t.Errorf("%s: %d hits, want %d: %v", f.String(), len(hits), want, err)
			}
		}
		got, err := s.Describe(t.Context())
		if server.Lite { // it does not say how long the texts of a list may be
			d.Fields[7].Type = "ARRAY<VARCHAR>(3)"
		}
		want := append([]vector.FieldSpec{{Name: "pk", Type: "VARCHAR(65535) primary key"}}, d.Fields...)
		if err != nil || !slices.Equal(got.Fields, want) {
			t.Errorf("%+v, want %+v: %v", got.Fields, want, err)
		}
	})
}

// TestText: the field that is named has a column, and may be longer than all dynamic
// fields together.
func TestText(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		s, err := Open(Options{Host: server.Addr(), Collection: server.Name(t), ID: "key", Text: "body"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		want := []vector.Record{{ID: vector.IDOf("a"), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, 4}}}, Payload: vector.NewPayload([]vector.Field{
			{Name: "body", Value: vector.TextOf(strings.Repeat("x", maxText))}, {Name: "pk", Value: vector.TextOf("free")}, {Name: "rest", Value: vector.TextOf(strings.Repeat("y", 60_000))},
		})}}
		limits := s.Limits()
		if why := limits.Refuse(&want[0]); why != "" {
			t.Errorf("refused beforehand: %s", why)
		}
		if err := s.Create(t.Context(), dense4(vector.Dot)); err != nil {
			t.Fatal(err)
		}
		put(t, s, want...)
		same(t, want, readAll(t, s, 10))
	})
}

// TestPartitionKey: such a collection has no namespaces; the URL's namespace is a
// value of its key.
func TestPartitionKey(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		d := dense4(vector.Dot)
		d.Fields = []vector.FieldSpec{{Name: "tenant", Type: "VARCHAR(64) partition key"}}
		s := created(t, server, d)
		var records []vector.Record
		for i := range 40 {
			records = append(records, vector.Record{ID: vector.IDOf(fmt.Sprint(i)), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, float32(i)}}}, Payload: vector.NewPayload([]vector.Field{{Name: "tenant", Value: vector.TextOf([]string{"a", `b"`}[i%2])}})})
		}
		put(t, s, records...)
		same(t, records, readAll(t, s, 7))
		if s.Limits().Namespace {
			t.Error("it has namespaces")
		}
		if err := s.Put(t.Context(), "a", records[:1]); !is(err, vector.Invalid) {
			t.Errorf("put into a namespace: %v", err)
		}
		one, err := Open(Options{Host: server.Addr(), Collection: s.options.Collection, Namespace: new(`b"`)})
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		about, err := one.Describe(t.Context())
		if err != nil || len(about.Namespaces) != 1 || about.Namespaces[0] != (vector.Namespace{Name: `b"`, Count: 20}) {
			t.Fatalf("%+v %v", about, err)
		}
		n := 0
		for u, err := range one.Units(t.Context(), `b"`, "", 6) {
			if err != nil {
				t.Fatal(err)
			}
			for part, err := range one.Read(t.Context(), u) {
				if err != nil {
					t.Fatal(err)
				}
				for i := range part {
					if v, _ := part[i].Payload.Get("tenant"); v.Text() != `b"` || part[i].Namespace != `b"` {
						t.Errorf("%+v", part[i])
					}
				}
				n += len(part)
			}
		}
		hits, err := one.Search(t.Context(), vector.Search{Namespace: `b"`, Query: records[0].Vectors[0], K: 100})
		if n != 20 || err != nil || len(hits) != 20 {
			t.Errorf("%d are read, %d found: %v", n, len(hits), err)
		}
		if got, err := one.Fetch(t.Context(), `b"`, []vector.ID{records[0].ID, records[1].ID}); err != nil || len(got) != 1 {
			t.Errorf("%v %v", got, err)
		}
	})
}

// TestStates: what a collection must be, and what is said of one that is not.
func TestStates(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		ctx, conn, name := t.Context(), server.Conn(t), server.Name(t)
		do := func(method string, request proto.Message) {
			t.Helper()
			var answer wire.Status
			if err := conn.Invoke(ctx, method, request, &answer); err != nil || answer.GetCode() != 0 {
				t.Fatalf("%s: %v %v", method, err, &answer)
			}
		}
		schema, err := proto.Marshal(&wire.CollectionSchema{Name: name, AutoId: true, Fields: []*wire.FieldSchema{
			{Name: "id", Primary: true, Type: kindInt64, AutoId: true}, {Name: "embedding", Type: kindFloatVector, Params: []*wire.Pair{{Key: "dim", Value: "4"}}}, {Name: "year", Type: kindInt64},
		}})
		if err != nil {
			t.Fatal(err)
		}
		do(wire.CreateCollection, &wire.CreateCollectionRequest{Collection: name, Schema: schema, Shards: 2})
		s := openStore(t, server, name)
		if _, err := s.Describe(ctx); !is(err, vector.Invalid) || !strings.Contains(err.Error(), "embedding has no index") {
			t.Errorf("without an index: %v", err)
		}
		do(wire.CreateIndex, &wire.CreateIndexRequest{Collection: name, Field: "embedding", Params: []*wire.Pair{{Key: "index_type", Value: "HNSW"}, {Key: "metric_type", Value: "L2"}, {Key: "params", Value: `{"M": 8, "efConstruction": 64}`}}})
		if _, err := openStore(t, server, name).Describe(ctx); !server.Lite && (!is(err, vector.Invalid) || !strings.Contains(err.Error(), "load it")) {
			t.Errorf("not loaded: %v", err)
		}
		do(wire.LoadCollection, &wire.LoadCollectionRequest{Collection: name, Replicas: 1})
		var rows []float32
		var years []int64
		for i := range 500 {
			rows, years = append(rows, float32(i), 1, 2, 3), append(years, int64(i))
		}
		var answer wire.WriteResponse
		if err := conn.Invoke(ctx, wire.Insert, &wire.WriteRequest{Collection: name, Rows: 500, Fields: []*wire.FieldData{
			{Type: kindFloatVector, Name: "embedding", Field: &wire.FieldData_Vectors{Vectors: &wire.Vectors{Dim: 4, Data: &wire.Vectors_Floats{Floats: &wire.Floats{Data: rows}}}}},
			{Type: kindInt64, Name: "year", Field: &wire.FieldData_Scalars{Scalars: &wire.Scalars{Data: &wire.Scalars_Longs{Longs: &wire.Longs{Data: years}}}}},
		}}, &answer); err != nil || answer.GetStatus().GetCode() != 0 {
			t.Fatalf("%v %v", err, answer.GetStatus())
		}
		d := waitDescribe(t, openStore(t, server, name))
		if d.Count() != 500 || d.Vectors[0].Name != "embedding" || d.Vectors[0].Metric != vector.Euclid || d.Facts[FactAutoID] != "true" || d.Facts[FactIndex+"embedding"] != "HNSW" || d.Facts[FactDynamic] != "false" || !slices.Equal(d.IDs, []vector.IDKind{vector.IntegerID}) {
			t.Errorf("%+v", d)
		}
		seen := map[int64]bool{}
		for _, r := range readAll(t, s, 64) {
			v, _ := r.Payload.Get("year")
			if r.Vectors[0].Dense[0] != float32(v.Int()) {
				t.Errorf("%+v", r)
			}
			seen[v.Int()] = true
		}
		if len(seen) != 500 {
			t.Errorf("%d of 500 are read", len(seen))
		}
		for doing, err := range map[string]error{"put": s.Put(ctx, "", []vector.Record{{ID: vector.IntegerIDOf(1)}}), "create": s.Create(ctx, &vector.Description{Vectors: d.Vectors})} {
			if !is(err, vector.Invalid) || !strings.Contains(err.Error(), "auto_id") {
				t.Errorf("%s: %v", doing, err)
			}
		}
	})
}

// waitDescribe describes a collection as soon as it is loaded.
func waitDescribe(t *testing.T, s *Store) *vector.Description {
	t.Helper()
	for {
		d, err := s.Describe(t.Context())
		if err == nil {
			return d
		}
		if !strings.Contains(err.Error(), "load it") {
			t.Fatal(err)
		}
	}
}

// TestMadeByHalf: what an end in the midst of it has left is gone on with.
func TestMadeByHalf(t *testing.T) {
	both(t, func(t *testing.T, server *milvustest.Server) {
		name := server.Name(t)
		s := openStore(t, server, name)
		if err := s.create(t.Context(), dense4(vector.Dot)); err != nil {
			t.Fatal(err)
		}
		again := openStore(t, server, name)
		if _, err := again.Describe(t.Context()); !is(err, vector.Invalid) {
			t.Errorf("one without an index: %v", err)
		}
		if err := again.Create(t.Context(), dense4(vector.Dot)); err != nil {
			t.Fatal(err)
		}
		put(t, again, vector.Record{ID: vector.IDOf("a"), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, 4}}}})
		if got := readAll(t, again, 10); len(got) != 1 {
			t.Errorf("%v", got)
		}
		d := dense4(vector.Cosine)
		if err := again.Create(t.Context(), d); !is(err, vector.Invalid) || !strings.Contains(err.Error(), "by dot, not") {
			t.Errorf("with another metric: %v", err)
		}
	})
}

// TestErrors: what goes wrong says where, and whether to try again.
func TestErrors(t *testing.T) {
	server := milvustest.Start(t)
	name := server.Name(t)
	s := openStore(t, server, name)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for what, c := range map[string]struct {
		do   func() error
		want vector.Trouble
		says string
	}{
		"missing":     {func() error { _, err := s.Describe(t.Context()); return err }, vector.Missing, name},
		"put missing": {func() error { return s.Put(t.Context(), "", nil) }, vector.Missing, name},
		"cancelled":   {func() error { _, err := s.Describe(ended); return err }, vector.Unavailable, "canceled"},
		"a vector of a kind": {func() error {
			return s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Multi, Dim: 4, Metric: vector.Dot}}})
		}, vector.Invalid, "no multi vectors"},
		"a metric": {func() error { return s.Create(t.Context(), dense4(vector.Manhattan)) }, vector.Invalid, "not compared by manhattan"},
		"a name": {func() error {
			return s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Name: "ü", Form: vector.Dense, Dim: 4, Metric: vector.Dot}}})
		}, vector.Invalid, "cannot be called"},
		"a type": {func() error {
			d := dense4(vector.Dot)
			d.Fields = []vector.FieldSpec{{Name: "x", Type: "keyword"}}
			return s.Create(t.Context(), d)
		}, vector.Invalid, "no type of a column"},
		"a name twice": {func() error {
			return s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 4, Metric: vector.Dot}, {Name: "vector", Form: vector.Sparse, Metric: vector.Dot}}})
		}, vector.Invalid, "two fields"},
	} {
		err := c.do()
		var e *vector.Error
		if !errors.As(err, &e) || e.Trouble != c.want || !strings.Contains(err.Error(), c.says) || e.Store != "milvus at "+server.Addr()+"/"+name {
			t.Errorf("%s: %v, want %s that says %q", what, err, c.want, c.says)
		}
	}
	if err := s.Create(t.Context(), dense4(vector.Dot)); err != nil {
		t.Fatal(err)
	}
	record := vector.Record{ID: vector.IDOf("a"), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3, 4}}}}
	put(t, s, record)
	server.Kill(t)
	if err := s.Put(t.Context(), "", []vector.Record{record}); !is(err, vector.Unavailable) {
		t.Errorf("a server that is down: %v", err)
	}
	server.Start(t)
	for {
		got, err := s.Fetch(t.Context(), "", []vector.ID{record.ID})
		if err == nil {
			same(t, []vector.Record{record}, got)
			break
		}
		if !is(err, vector.Unavailable) {
			t.Fatal(err)
		}
	}
}

// TestTroubles: what answers mean.
func TestTroubles(t *testing.T) {
	for want, all := range map[vector.Trouble][]*wire.Status{
		vector.Missing:     {{Code: 100}, {ErrorCode: 4}, {Code: 800, ErrorCode: 1}},
		vector.Throttled:   {{Code: 8, Retriable: true}, {Code: 9}, {Code: 3}, {ErrorCode: 49}, {ErrorCode: 54}},
		vector.Denied:      {{Code: 1400}, {Code: 1401}, {ErrorCode: 3}},
		vector.Unavailable: {{Code: 1}, {Code: 5}, {Code: 65535}, {Code: 503}, {Code: 2307, Retriable: true}, {ErrorCode: 1}, {Code: 901}},
		vector.Invalid:     {{Code: 1100}, {Code: 6, ErrorCode: 6}, {ErrorCode: 5}, {Code: 101}, {Code: 701}, {Code: 1804}},
	} {
		for _, s := range all {
			if got := ofStatus(s); got != want {
				t.Errorf("%v is %s, want %s", s, got, want)
			}
		}
	}
}

// TestIndexed: vectors that have gone to storage and into an index come back to the
// bit, with metrics that compare directions too.
func TestIndexed(t *testing.T) {
	server := milvustest.Full(t)
	for _, metric := range []vector.Metric{vector.Cosine, vector.Dot, vector.Euclid} {
		s := created(t, server, dense4(metric))
		var records []vector.Record
		for i := range 1500 { // fewer get no index
			records = append(records, vector.Record{ID: vector.IDOf(fmt.Sprint(i)), Vectors: []vector.Vector{{Dense: []float32{1, .3, -.7, float32(i) / 7}}}, Payload: vector.NewPayload([]vector.Field{{Name: "n", Value: vector.FloatOf(float64(i))}})})
		}
		put(t, s, records...)
		if err := s.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := s.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(poll)
		defer tick.Stop()
		for ; ; <-tick.C { // until the index is there
			var x wire.DescribeIndexResponse
			if err := s.call(t.Context(), wire.DescribeIndex, &wire.DescribeIndexRequest{Collection: found.name}, &x); err != nil {
				t.Fatal(err)
			}
			if i := x.GetIndexes()[0]; i.GetTotal() == 1500 && i.GetIndexed() == 1500 {
				break
			}
		}
		if err := s.call(t.Context(), wire.ReleaseCollection, &wire.DropCollectionRequest{Collection: found.name}, &wire.Status{}); err != nil {
			t.Fatal(err)
		}
		if err := s.load(t.Context(), found.name); err != nil {
			t.Fatal(err)
		}
		same(t, records, readAll(t, s, 400))
		put(t, s, records[:700]...)
		if err := s.Delete(t.Context(), "", []vector.ID{records[0].ID, records[1499].ID}); err != nil {
			t.Fatal(err)
		}
		same(t, records[1:1499], readAll(t, s, 400))
		if n, err := s.Count(t.Context(), ""); err != nil || n != 1498 {
			t.Errorf("%d: %v", n, err)
		}
	}
}
