package pgvector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/pgvector/pgtest"
)

// TestTypedColumns: a table that is made has a column of each field that the sample has,
// by its values; what it holds is what it was given, for plain SQL too; and what has no
// column is in the payload.
func TestTypedColumns(t *testing.T) {
	server := pgtest.Shared(t)
	s := openStore(t, server, Options{Table: server.Name(t), Typed: true})
	text := vector.TextOf
	var records []vector.Record
	values := map[string][]vector.Value{}
	for i := range 20 {
		fields := []vector.Field{
			{Name: "year", Value: vector.IntOf(int64(2000 + i))}, {Name: "price", Value: vector.FloatOf(float64(i) / 2)}, {Name: "ok", Value: vector.BoolOf(i%2 == 0)},
			{Name: `Title "x"`, Value: text(fmt.Sprintf("title '%d'", i))}, {Name: "at", Value: text(fmt.Sprintf("2024-01-%02dT08:00:00Z", i+1))},
			{Name: "tags", Value: list(text("a"), text(fmt.Sprint(i)))}, {Name: "maybe", Value: vector.IntOf(1)}, {Name: "mixed", Value: vector.IntOf(1)},
			{Name: "namespace", Value: text("no column")}, {Name: "embedding", Value: text("none either")}, {Name: strings.Repeat("long", 20), Value: text("nor this")},
		}
		switch i % 4 {
		case 1:
			fields[6].Value, fields[7].Value = vector.Value{}, text("1")
		case 2:
			fields = fields[3:]
		}
		r := vector.Record{ID: vector.IDOf(fmt.Sprint(i)), Vectors: []vector.Vector{{Dense: []float32{1, float32(i)}}}, Payload: vector.NewPayload(fields)}
		for _, f := range r.Payload {
			values[f.Name] = append(values[f.Name], f.Value)
		}
		records = append(records, r)
	}
	d := &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}
	limits := s.Limits()
	for name, of := range values {
		if kind := limits.Column(name, of); kind != "" {
			d.Fields = append(d.Fields, vector.FieldSpec{Name: name, Type: kind, Indexed: name == "year"})
		}
	}
	for range 2 { // one that is there stays
		if err := s.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), "", records); err != nil {
		t.Fatal(err)
	}
	got := readAll(t, s, "", 7)
	slices.SortFunc(got, func(a, b vector.Record) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	slices.SortFunc(records, func(a, b vector.Record) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	made, err := s.Describe(t.Context())
	if err != nil || len(got) != len(records) {
		t.Fatalf("%d records: %v", len(got), err)
	}
	for i := range records {
		if diff := vector.Differences(&records[i], &got[i], made); len(diff) > 0 {
			t.Errorf("%+v", diff)
		}
	}
	var is []string
	for _, f := range made.Fields {
		is = append(is, f.Name+" "+f.Type)
		if f.Indexed != (f.Name == "year") {
			t.Errorf("%s is indexed: %t", f.Name, f.Indexed)
		}
	}
	slices.Sort(is)
	if want := `Title "x" text, at timestamp with time zone, maybe jsonb, mixed jsonb, ok boolean, price double precision, tags jsonb, year bigint`; strings.Join(is, ", ") != want {
		t.Errorf("the columns are %s, want %s", strings.Join(is, ", "), want)
	}
	n := uint64(0)
	err = s.query(t.Context(), "test", `SELECT count(*) FROM `+s.regclass()+` WHERE year >= 2010 AND price < 8.5 AND ok AND at > '2024-01-12' AND tags ? 'a' AND "Title ""x""" LIKE 'title%'`, &args{}, func(v [][]byte) error {
		n = binary.BigEndian.Uint64(v[0])
		return nil
	})
	if err != nil || n != 2 { // 12 and 16: even, not those without a year
		t.Errorf("%d rows: %v", n, err)
	}
	hits, err := s.Search(t.Context(), vector.Search{Query: records[0].Vectors[0], K: 9, Filter: &vector.Filter{Op: vector.Eq, Field: "at", Value: text("2024-01-06T08:00:00Z")}})
	if err != nil || len(hits) != 1 || hits[0].ID != vector.IDOf("5") {
		t.Errorf("%v %v", hits, err)
	}
	late := records[:1:1]
	late[0].Payload = vector.NewPayload([]vector.Field{{Name: "year", Value: text("then")}})
	var refused *vector.RefusedError
	if err := s.Put(t.Context(), "", late); !errors.As(err, &refused) || !strings.Contains(refused.Error(), `field "year"`) {
		t.Errorf("a text in a column of numbers: %v", err)
	}
	late[0].Payload = vector.NewPayload([]vector.Field{{Name: "new", Value: text("then")}})
	if err := s.Put(t.Context(), "", late); err != nil {
		t.Fatal(err)
	}
	again, err := s.Fetch(t.Context(), "", []vector.ID{late[0].ID})
	if err != nil || len(again) != 1 || len(vector.Differences(&late[0], &again[0], made)) > 0 {
		t.Errorf("%+v %v", again, err)
	}
}

// TestTypedColumnsRefused: what the plan asks for and no table has.
func TestTypedColumnsRefused(t *testing.T) {
	server := pgtest.Shared(t)
	for name, f := range map[string]struct {
		field vector.FieldSpec
		why   string
	}{
		"type":   {vector.FieldSpec{Name: "a", Type: "bigint, x text"}, `a column of type "bigint, x text" is not made`},
		"own":    {vector.FieldSpec{Name: "payload", Type: "text"}, "of its own"},
		"vector": {vector.FieldSpec{Name: "embedding_2", Type: "text"}, "of its own"},
		"none":   {vector.FieldSpec{Name: "", Type: "text"}, "no column can be called"},
	} {
		s := openStore(t, server, Options{Table: server.Name(t), Typed: true})
		err := s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}, Fields: []vector.FieldSpec{f.field}})
		if err == nil || !strings.Contains(err.Error(), f.why) {
			t.Errorf("%s: %v, want %q", name, err, f.why)
		}
	}
}
