package pinecone

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// value draws what metadata can have.
func value(t *rapid.T, lists bool) vector.Value {
	most := 2
	if lists {
		most = 3
	}
	switch rapid.IntRange(0, most).Draw(t, "kind") {
	case 0:
		return vector.FloatOf(rapid.Float64().Draw(t, "number"))
	case 1:
		return vector.TextOf(rapid.String().Draw(t, "text"))
	case 2:
		return vector.BoolOf(rapid.Bool().Draw(t, "bool"))
	}
	list := make([]vector.Value, rapid.IntRange(0, 4).Draw(t, "length"))
	for i := range list {
		list[i] = vector.TextOf(rapid.String().Draw(t, "element"))
	}
	return vector.ListOf(list)
}

func record(t *rapid.T, id string) vector.Record {
	r := vector.Record{ID: vector.IDOf(id)}
	if dense := rapid.SliceOfN(rapid.Float32(), 0, 20).Draw(t, "dense"); len(dense) > 0 {
		r.Vectors = append(r.Vectors, vector.Vector{Dense: dense})
	}
	if rapid.Bool().Draw(t, "sparse") {
		v := vector.Vector{Name: SparseName}
		index := uint32(0)
		for range rapid.IntRange(1, 8).Draw(t, "nonzero") {
			index += rapid.Uint32Range(1, 1<<28).Draw(t, "gap")
			v.Indices, v.Values = append(v.Indices, index), append(v.Values, rapid.Float32().Draw(t, "value"))
		}
		r.Vectors = append(r.Vectors, v)
	}
	var fs []vector.Field
	for range rapid.IntRange(0, 5).Draw(t, "fields") {
		fs = append(fs, vector.Field{Name: rapid.String().Draw(t, "name"), Value: value(t, true)})
	}
	if len(fs) > 0 {
		r.Payload = vector.NewPayload(fs)
	}
	return r
}

// message is a record as the generated code has it.
func message(t testing.TB, r *vector.Record) *wire.Vector {
	t.Helper()
	out := &wire.Vector{Id: r.ID.String()}
	for i := range r.Vectors {
		if v := &r.Vectors[i]; v.Indices == nil {
			out.Values = v.Dense
		} else {
			out.SparseValues = &wire.Sparse{Indices: v.Indices, Values: v.Values}
		}
	}
	if len(r.Payload) > 0 {
		out.Metadata = &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for i := range r.Payload {
			out.Metadata.Fields[r.Payload[i].Name] = structValue(&r.Payload[i].Value)
		}
	}
	return out
}

// What the codec writes, the generated code reads, and the other way round.
func TestCodecAgrees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		up := &upsertMessage{namespace: rapid.String().Draw(rt, "namespace")}
		want := &wire.UpsertRequest{Namespace: up.namespace}
		fetched := &wire.FetchResponse{Vectors: map[string]*wire.Vector{}, Namespace: "n", Usage: &wire.Usage{ReadUnits: new(uint32)}}
		for i := range rapid.IntRange(0, 4).Draw(rt, "records") {
			r := record(rt, fmt.Sprint(i, rapid.String().Draw(rt, "id")))
			up.records = append(up.records, r)
			m := message(t, &r)
			want.Vectors, fetched.Vectors[m.GetId()] = append(want.Vectors, m), m
		}
		data, err := codec{}.Marshal(up)
		if err != nil {
			rt.Fatal(err)
		}
		var got wire.UpsertRequest
		if err := proto.Unmarshal(data.Materialize(), &got); err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, &got, protocmp.Transform(), cmp.Comparer(func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })); d != "" {
			rt.Fatal(d)
		}

		text, err := proto.Marshal(fetched)
		if err != nil {
			rt.Fatal(err)
		}
		back := &fetchMessage{namespace: "n"}
		if err := (codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(text)}, back); err != nil {
			rt.Fatal(err)
		}
		if len(back.records) != len(up.records) {
			rt.Fatalf("%d of %d records", len(back.records), len(up.records))
		}
		for i := range up.records {
			w, found := &up.records[i], false
			for j := range back.records {
				if g := &back.records[j]; g.ID == w.ID {
					found = true
					if d := vector.Differences(w, g, &vector.Description{}); len(d) > 0 || g.Namespace != "n" {
						rt.Fatalf("%+v", d)
					}
				}
			}
			if !found {
				rt.Fatalf("%s is missing", w.ID)
			}
		}
	})
}

// Indices come in order whatever order they were written in.
func TestSparseInOrder(t *testing.T) {
	text, err := proto.Marshal(&wire.FetchResponse{Vectors: map[string]*wire.Vector{"a": {Id: "a", SparseValues: &wire.Sparse{Indices: []uint32{9, 3, 5}, Values: []float32{0.9, 0.3, 0.5}}}}})
	if err != nil {
		t.Fatal(err)
	}
	var got fetchMessage
	if err := got.read(text); err != nil {
		t.Fatal(err)
	}
	want := []vector.Vector{{Name: SparseName, Indices: []uint32{3, 5, 9}, Values: []float32{0.3, 0.5, 0.9}}}
	if d := cmp.Diff(want, got.records[0].Vectors); d != "" {
		t.Error(d)
	}
}

// FuzzFetchAnswer: the records that the generated code reads are those that the
// codec reads; nothing makes it fall.
func FuzzFetchAnswer(f *testing.F) {
	whole := vector.Record{
		ID:      vector.IDOf("a"),
		Vectors: []vector.Vector{{Dense: []float32{1, 2}}, {Name: SparseName, Indices: []uint32{1, 1 << 31}, Values: []float32{3, 4}}},
		Payload: vector.NewPayload([]vector.Field{{Name: "t", Value: vector.ListOf([]vector.Value{vector.TextOf("x")})}, {Name: "n", Value: vector.FloatOf(1)}}),
	}
	text, err := proto.Marshal(&wire.FetchResponse{Vectors: map[string]*wire.Vector{"a": message(f, &whole)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got fetchMessage
		failed := got.read(b)
		var list listMessage
		_ = list.read(b) // it may be anything, and must not fall
		var want wire.FetchResponse
		if proto.Unmarshal(b, &want) != nil {
			return
		}
		ids := map[string]bool{}
		for i := range got.records {
			ids[got.records[i].ID.String()] = true
		}
		for _, v := range want.GetVectors() {
			if failed == nil && v.GetId() != "" && !ids[v.GetId()] {
				t.Errorf("record %q is missing", v.GetId())
			}
		}
	})
}

func TestMetadataSize(t *testing.T) {
	for _, text := range []string{`{}`, `{"a":1}`, `{"year":2003,"x":1.5,"b":true,"c":false}`, `{"t":"a\"b\\c\n","l":["x","yz"],"e":[]}`, `{"ü":"日本"}`, `{"a":1e+30,"b":-12345678901234567890,"c":0}`} {
		var s structpb.Struct
		if err := protojson.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if n := MetadataSize(PayloadOf(&s)); n != len(text) {
			t.Errorf("%s: %d bytes, it has %d", text, n, len(text))
		}
		if back, err := StructOf(PayloadOf(&s)); err != nil || !proto.Equal(back, &s) && len(s.Fields) > 0 {
			t.Errorf("%s became %v, %v", text, back, err)
		}
	}
}

// copied are 1000 records as copies have them: 384 numbers and five fields.
func copied() []vector.Record {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]vector.Record, 1000)
	for i := range out {
		dense := make([]float32, 384)
		for j := range dense {
			dense[j] = r.Float32()
		}
		out[i] = vector.Record{ID: vector.IDOf(fmt.Sprintf("doc-%08d", i)), Vectors: []vector.Vector{{Dense: dense}}, Payload: vector.NewPayload([]vector.Field{
			{Name: "title", Value: vector.TextOf(fmt.Sprint("A title of some length, number ", i))},
			{Name: "year", Value: vector.FloatOf(2003)}, {Name: "price", Value: vector.FloatOf(1.5)}, {Name: "new", Value: vector.BoolOf(true)},
			{Name: "tags", Value: vector.ListOf([]vector.Value{vector.TextOf("a"), vector.TextOf("b")})},
		})}
	}
	return out
}

// BenchmarkDecode reads an answer of 1000 records.
func BenchmarkDecode(b *testing.B) {
	m := &wire.FetchResponse{Vectors: map[string]*wire.Vector{}}
	records := copied()
	for i := range records {
		m.Vectors[records[i].ID.String()] = message(b, &records[i])
	}
	text, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("records", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var got fetchMessage
			if err := got.read(text); err != nil || len(got.records) != 1000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var got wire.FetchResponse
			if err := proto.Unmarshal(text, &got); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEncode writes a request of 1000 records.
func BenchmarkEncode(b *testing.B) {
	m := &upsertMessage{records: copied()}
	b.ReportAllocs()
	for b.Loop() {
		data, err := codec{}.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		data.Free()
	}
}
