package qdrant

import (
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"freehold/internal/vector"
)

// The generated types are what the encoding is compared with.

func pbValue(v *vector.Value) *pb.Value {
	switch v.Kind() {
	case vector.Bool:
		return pb.NewValueBool(v.Bool())
	case vector.Int:
		return pb.NewValueInt(v.Int())
	case vector.Float:
		return pb.NewValueDouble(v.Float())
	case vector.Text:
		return pb.NewValueString(v.Text())
	case vector.List:
		out := &pb.ListValue{}
		for _, x := range v.List() {
			out.Values = append(out.Values, pbValue(&x))
		}
		return pb.NewValueFromList(out.GetValues()...)
	case vector.Map:
		return &pb.Value{Kind: &pb.Value_StructValue{StructValue: &pb.Struct{Fields: pbPayload(v.Map())}}}
	}
	return pb.NewValueNull()
}

func pbPayload(p vector.Payload) map[string]*pb.Value {
	out := map[string]*pb.Value{}
	for i := range p {
		out[p[i].Name] = pbValue(&p[i].Value)
	}
	return out
}

func rows(v *vector.Vector) *pb.MultiDenseVector {
	out := &pb.MultiDenseVector{}
	n := len(v.Dense) / v.Rows
	for r := range v.Rows {
		out.Vectors = append(out.Vectors, &pb.DenseVector{Data: v.Dense[r*n : (r+1)*n]})
	}
	return out
}

func pbVector(v *vector.Vector) *pb.Vector {
	switch formOf(v) {
	case vector.Sparse:
		return &pb.Vector{Vector: &pb.Vector_Sparse{Sparse: &pb.SparseVector{Indices: v.Indices, Values: v.Values}}}
	case vector.Multi:
		return &pb.Vector{Vector: &pb.Vector_MultiDense{MultiDense: rows(v)}}
	}
	return &pb.Vector{Vector: &pb.Vector_Dense{Dense: &pb.DenseVector{Data: v.Dense}}}
}

func pbOutput(v *vector.Vector, old bool) *pb.VectorOutput {
	form := formOf(v)
	switch {
	case old:
		out := &pb.VectorOutput{Data: v.Dense} //nolint:staticcheck // deprecated, and what older servers send
		switch form {
		case vector.Sparse:
			out.Data, out.Indices = v.Values, &pb.SparseIndices{Data: v.Indices} //nolint:staticcheck // as above
		case vector.Multi:
			out.VectorsCount = new(uint32(v.Rows)) //nolint:staticcheck // as above
		}
		return out
	case form == vector.Sparse:
		return &pb.VectorOutput{Vector: &pb.VectorOutput_Sparse{Sparse: &pb.SparseVector{Indices: v.Indices, Values: v.Values}}}
	case form == vector.Multi:
		return &pb.VectorOutput{Vector: &pb.VectorOutput_MultiDense{MultiDense: rows(v)}}
	}
	return &pb.VectorOutput{Vector: &pb.VectorOutput_Dense{Dense: &pb.DenseVector{Data: v.Dense}}}
}

func anyValue(depth int) *rapid.Generator[vector.Value] {
	return rapid.Custom(func(t *rapid.T) vector.Value {
		most := 6
		if depth == 0 {
			most = 4
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return vector.Value{}
		case 1:
			return vector.BoolOf(rapid.Bool().Draw(t, "bool"))
		case 2:
			return vector.IntOf(rapid.Int64().Draw(t, "int"))
		case 3:
			f := rapid.Float64().Draw(t, "float")
			if math.IsInf(f, 0) || math.IsNaN(f) {
				f = math.Copysign(0, -1)
			}
			return vector.FloatOf(f)
		case 4:
			return vector.TextOf(rapid.String().Draw(t, "text"))
		case 5:
			return vector.ListOf(rapid.SliceOfN(anyValue(depth-1), 0, 4).Draw(t, "list"))
		}
		return vector.MapOf(anyPayload(depth-1).Draw(t, "map"))
	})
}

func anyPayload(depth int) *rapid.Generator[vector.Payload] {
	return rapid.Custom(func(t *rapid.T) vector.Payload {
		var fields []vector.Field
		for i := range rapid.IntRange(0, 4).Draw(t, "fields") {
			fields = append(fields, vector.Field{Name: rapid.String().Draw(t, "name") + strconv.Itoa(i), Value: anyValue(depth).Draw(t, "value")})
		}
		return vector.NewPayload(fields)
	})
}

func anyID(t *rapid.T) vector.ID {
	if rapid.Bool().Draw(t, "number") {
		return vector.IntegerIDOf(rapid.Uint64().Draw(t, "id"))
	}
	return vector.UUIDOf(uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")))
}

func anyFloats(t *rapid.T, n int) []float32 {
	return rapid.SliceOfN(rapid.Float32Range(-2, 2), n, n).Draw(t, "numbers")
}

func anyVector(t *rapid.T, name string) vector.Vector {
	v := vector.Vector{Name: name}
	switch rapid.IntRange(0, 2).Draw(t, "form") {
	case 0:
		v.Dense = anyFloats(t, rapid.IntRange(1, 40).Draw(t, "dim"))
	case 1:
		v.Rows = rapid.IntRange(1, 4).Draw(t, "rows")
		v.Dense = anyFloats(t, v.Rows*rapid.IntRange(1, 40).Draw(t, "dim"))
	default:
		v.Indices = []uint32{}
		at := uint32(0)
		for range rapid.IntRange(0, 40).Draw(t, "indices") {
			at += rapid.Uint32Range(1, 1<<25).Draw(t, "step")
			v.Indices = append(v.Indices, at)
		}
		v.Values = anyFloats(t, len(v.Indices))
	}
	return v
}

func anyRecord(t *rapid.T) vector.Record {
	r := vector.Record{ID: anyID(t), Payload: anyPayload(3).Draw(t, "payload")}
	if rapid.Bool().Draw(t, "nameless") {
		r.Vectors = []vector.Vector{anyVector(t, "")}
		return r
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "vectors") {
		r.Vectors = append(r.Vectors, anyVector(t, "v"+strconv.Itoa(i)))
	}
	return r
}

func TestUpsertIsWhatTheProtocolSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(anyRecord), 0, 3).Draw(t, "records")
		want := &pb.UpsertPoints{CollectionName: "name", Wait: new(true)}
		ordered := rapid.Bool().Draw(t, "ordered")
		if ordered {
			want.Ordering = &pb.WriteOrdering{Type: pb.WriteOrderingType_Strong}
		}
		for i := range records {
			r := &records[i]
			p := &pb.PointStruct{Id: pointID(r.ID), Payload: pbPayload(r.Payload)}
			if nameless(r.Vectors) {
				p.Vectors = &pb.Vectors{VectorsOptions: &pb.Vectors_Vector{Vector: pbVector(&r.Vectors[0])}}
			} else {
				named := map[string]*pb.Vector{}
				for j := range r.Vectors {
					named[r.Vectors[j].Name] = pbVector(&r.Vectors[j])
				}
				p.Vectors = &pb.Vectors{VectorsOptions: &pb.Vectors_Vectors{Vectors: &pb.NamedVectors{Vectors: named}}}
			}
			want.Points = append(want.Points, p)
		}
		u := newUpsert("name", records, ordered)
		sent, err := codec{}.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		if n := sent.Len(); n != u.size {
			t.Errorf("it has %d bytes, and %d were counted", n, u.size)
		}
		got := &pb.UpsertPoints{}
		if err := proto.Unmarshal(sent.Materialize(), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPageIsWhatTheProtocolSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(anyRecord), 0, 3).Draw(t, "records")
		old := rapid.Bool().Draw(t, "old")
		more := rapid.Bool().Draw(t, "more")
		answer := &pb.ScrollResponse{Time: 1}
		if more {
			answer.NextPageOffset = pb.NewIDNum(0)
		}
		for i := range want {
			r := &want[i]
			p := &pb.RetrievedPoint{Id: pointID(r.ID), Payload: pbPayload(r.Payload)}
			if nameless(r.Vectors) {
				p.Vectors = &pb.VectorsOutput{VectorsOptions: &pb.VectorsOutput_Vector{Vector: pbOutput(&r.Vectors[0], old)}}
			} else {
				named := map[string]*pb.VectorOutput{}
				for j := range r.Vectors {
					named[r.Vectors[j].Name] = pbOutput(&r.Vectors[j], old)
				}
				p.Vectors = &pb.VectorsOutput{VectorsOptions: &pb.VectorsOutput_Vectors{Vectors: &pb.NamedVectorsOutput{Vectors: named}}}
			}
			answer.Result = append(answer.Result, p)
		}
		scrolled := page{}
		unmarshal(t, answer, &scrolled)
		got := page{get: true}
		unmarshal(t, &pb.GetResponse{Result: answer.GetResult()}, &got)
		if scrolled.more != more || got.more {
			t.Errorf("more is %t of a scroll and %t of a get, want %t and false", scrolled.more, got.more, more)
		}
		for _, records := range [][]vector.Record{scrolled.records, got.records} {
			if len(records) != len(want) {
				t.Fatalf("%d records, want %d", len(records), len(want))
			}
			for i := range records {
				if records[i].ID != want[i].ID {
					t.Errorf("id %v, want %v", records[i].ID, want[i].ID)
				}
				if d := vector.Differences(&want[i], &records[i], &vector.Description{}); len(d) > 0 {
					t.Error(d)
				}
			}
		}
	})
}

func unmarshal(t *rapid.T, m proto.Message, into *page) {
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := (codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(b[:len(b)/2]), mem.SliceBuffer(b[len(b)/2:])}, into); err != nil {
		t.Fatal(err)
	}
}

func TestSparseRises(t *testing.T) {
	p := page{}
	b, err := proto.Marshal(&pb.ScrollResponse{Result: []*pb.RetrievedPoint{{Id: pb.NewIDNum(1), Vectors: &pb.VectorsOutput{
		VectorsOptions: &pb.VectorsOutput_Vector{Vector: &pb.VectorOutput{Vector: &pb.VectorOutput_Sparse{
			Sparse: &pb.SparseVector{Indices: []uint32{9, 2, 5}, Values: []float32{.9, .2, .5}},
		}}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.decode(b); err != nil {
		t.Fatal(err)
	}
	want := vector.Vector{Indices: []uint32{2, 5, 9}, Values: []float32{.2, .5, .9}}
	if diff := cmp.Diff(want, p.records[0].Vectors[0]); diff != "" {
		t.Error(diff)
	}
}

// FuzzPage: bytes that are no answer are an error or records, never a panic, and
// what is read has not more numbers than there were bytes for.
func FuzzPage(f *testing.F) {
	b, err := proto.Marshal(&pb.ScrollResponse{NextPageOffset: pb.NewIDNum(7), Result: []*pb.RetrievedPoint{
		{Id: pb.NewIDNum(1), Payload: pb.NewValueMap(map[string]any{"a": []any{1, 2.5, nil, map[string]any{"b": "c"}}})},
		{Id: pb.NewIDUUID("6e9f6f0e-6a0c-5b61-9d5c-0f4e3a6f7a11"), Vectors: &pb.VectorsOutput{VectorsOptions: &pb.VectorsOutput_Vector{Vector: pbOutput(&vector.Vector{Dense: []float32{1, 2}, Rows: 2}, true)}}},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, false)
	f.Add(b, true)
	f.Add(protowire.AppendTag(nil, pageResult, protowire.StartGroupType), false)
	f.Fuzz(func(t *testing.T, b []byte, get bool) {
		p := page{get: get}
		if p.decode(b) != nil {
			return
		}
		for i := range p.records {
			if n := p.records[i].Size(); n > 40*len(b)+100 {
				t.Errorf("%d bytes became a record of %d", len(b), n)
			}
		}
	})
}

func records384(n int) []vector.Record {
	out := make([]vector.Record, n)
	for i := range out {
		v := make([]float32, 384)
		for j := range v {
			v[j] = float32(i*384+j) / 1e6
		}
		out[i] = vector.Record{ID: vector.IntegerIDOf(uint64(i)), Vectors: []vector.Vector{{Dense: v}}, Payload: vector.NewPayload([]vector.Field{
			{Name: "title", Value: vector.TextOf("a title of a few words, number " + strconv.Itoa(i))},
			{Name: "year", Value: vector.IntOf(2003)},
			{Name: "score", Value: vector.FloatOf(.5)},
			{Name: "tags", Value: vector.ListOf([]vector.Value{vector.TextOf("one"), vector.TextOf("two")})},
			{Name: "public", Value: vector.BoolOf(true)},
		})}
	}
	return out
}

func BenchmarkEncode(b *testing.B) {
	records := records384(500)
	for b.Loop() {
		sent, err := codec{}.Marshal(newUpsert("name", records, false))
		if err != nil {
			b.Fatal(err)
		}
		sent.Free()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/record")
}

func BenchmarkDecode(b *testing.B) {
	answer := &pb.ScrollResponse{}
	for _, r := range records384(500) {
		answer.Result = append(answer.Result, &pb.RetrievedPoint{Id: pointID(r.ID), Payload: pbPayload(r.Payload),
			Vectors: &pb.VectorsOutput{VectorsOptions: &pb.VectorsOutput_Vector{Vector: pbOutput(&r.Vectors[0], false)}}})
	}
	data, err := proto.Marshal(answer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p := page{}
		if err := (codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, &p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/record")
}

// BenchmarkGenerated is what the generated types take for the same bytes, without
// the records that are to be made of them.
func BenchmarkGenerated(b *testing.B) {
	answer := &pb.ScrollResponse{}
	for _, r := range records384(500) {
		answer.Result = append(answer.Result, &pb.RetrievedPoint{Id: pointID(r.ID), Payload: pbPayload(r.Payload),
			Vectors: &pb.VectorsOutput{VectorsOptions: &pb.VectorsOutput_Vector{Vector: pbOutput(&r.Vectors[0], false)}}})
	}
	data, err := proto.Marshal(answer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := proto.Unmarshal(data, &pb.ScrollResponse{}); err != nil {
			b.Fatal(err)
		}
		if _, err := proto.Marshal(answer); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/record")
}
