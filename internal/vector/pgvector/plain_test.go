package pgvector

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"freehold/internal/vector"
	"freehold/internal/vector/pgvector/pgtest"
)

// plain makes a table by SQL, in which $T stands for its name.
func plain(t *testing.T, sql string, o Options) *Store {
	t.Helper()
	server := pgtest.Shared(t)
	o.Table = server.Name(t)
	server.Exec(t, strings.ReplaceAll(sql, "$T", quote(o.Table)))
	return openStore(t, server, o)
}

// readAll reads every unit of a namespace.
func readAll(t *testing.T, s *Store, namespace string, size int) (out []vector.Record) {
	t.Helper()
	for u, err := range s.Units(t.Context(), namespace, "", size) {
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for records, err := range s.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(records)
			out = append(out, records...)
		}
		if n != u.Count {
			t.Errorf("a unit of %d has %d records", u.Count, n)
		}
	}
	return out
}

func list(of ...vector.Value) vector.Value { return vector.ListOf(of) }

const typesTable = `CREATE TYPE $E AS ENUM ('red', 'blue');
CREATE TABLE $T (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Embedding" vector(3), b boolean, i2 smallint, i4 int, i8 bigint NOT NULL DEFAULT 7,
	f4 real, f8 double precision, n numeric, n2 numeric(10,2), n0 numeric(10,0), s text, v varchar(5), u uuid, e $E, j json, jb jsonb, d date, ts timestamp, tz timestamptz,
	ip inet, iv interval, texts text[], ints int[], floats real[], numbers numeric[], uuids uuid[], dates date[], bytes bytea, doubled int GENERATED ALWAYS AS (i4 * 2) STORED);
CREATE INDEX ON $T USING hnsw ("Embedding" vector_cosine_ops);
CREATE INDEX ON $T (i4);
INSERT INTO $T ("Embedding", b, i2, i4, i8, f4, f8, n, n2, n0, s, v, u, e, j, jb, d, ts, tz, ip, iv, texts, ints, floats, numbers, uuids, dates, bytes) VALUES
	('[1,2,3]', true, -3, 40000, 9007199254740993, 0.1, 0.1, 12345678901234567890.12345678901234567890, 1.5, 7, 'naïve "x"\', 'abc', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'red',
	 '{"a": [1, 1.0, null]}', '{"z": 1, "a": 1.0}', '2024-02-29', '2024-02-29 12:30:00.25', '2024-02-29 12:30:00+02', '10.0.0.1', '1 day 02:00', '{a,"b,\"c",NULL}', '{{1,2},{3,4}}', '{0.1,NaN}', '{1,1.50}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{2024-01-01,infinity}', '\x00ff'),
	(NULL, NULL, NULL, NULL, 8, 'NaN', '-0', 1.10, NULL, NULL, '', NULL, NULL, NULL, 'null', '[1]', '-infinity', '0044-03-15 01:00:00 BC', 'infinity', NULL, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL)`

func types(t *testing.T) (sql string) {
	name := fmt.Sprintf("colour%d", len(t.Name()))
	t.Cleanup(func() { pgtest.Shared(t).Exec(t, "DROP TYPE IF EXISTS "+name+" CASCADE") })
	return strings.ReplaceAll(typesTable, "$E", name)
}

func typed() []vector.Record {
	const id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	text, whole, double := vector.TextOf, vector.IntOf, vector.FloatOf
	first := map[string]vector.Value{
		"b": vector.BoolOf(true), "i2": whole(-3), "i4": whole(40000), "i8": whole(9007199254740993), "f4": double(float64(float32(.1))), "f8": double(.1),
		"n": text("12345678901234567890.12345678901234567890"), "n2": double(1.5), "n0": whole(7), "s": text(`naïve "x"\`), "v": text("abc"), "u": text(id), "e": text("red"),
		"j":  vector.MapOf(vector.NewPayload([]vector.Field{{Name: "a", Value: list(whole(1), double(1), vector.Value{})}})),
		"jb": vector.MapOf(vector.NewPayload([]vector.Field{{Name: "z", Value: whole(1)}, {Name: "a", Value: double(1)}})),
		"d":  text("2024-02-29"), "ts": text("2024-02-29T12:30:00.25"), "tz": text("2024-02-29T10:30:00Z"), "ip": text("10.0.0.1"), "iv": text("1 day 02:00:00"),
		"texts": list(text("a"), text(`b,"c`), vector.Value{}), "ints": list(list(whole(1), whole(2)), list(whole(3), whole(4))),
		"floats": list(double(float64(float32(.1))), double(math.NaN())), "numbers": list(whole(1), double(1.5)), "uuids": list(text(id)), "dates": list(text("2024-01-01"), text("infinity")),
		"bytes": text(`\x00ff`), "doubled": whole(80000),
	}
	second := map[string]vector.Value{
		"i8": whole(8), "f4": double(math.NaN()), "f8": double(math.Copysign(0, -1)), "n": double(1.1), "s": text(""), "j": {}, "jb": list(whole(1)),
		"d": text("-infinity"), "ts": text("0044-03-15T01:00:00 BC"), "tz": text("infinity"), "texts": list(),
	}
	out := []vector.Record{{ID: vector.IntegerIDOf(1), Vectors: []vector.Vector{{Dense: []float32{1, 2, 3}}}}, {ID: vector.IntegerIDOf(2), Vectors: []vector.Vector{}}}
	for i, of := range []map[string]vector.Value{first, second} {
		var fields []vector.Field
		for name, v := range of {
			fields = append(fields, vector.Field{Name: name, Value: v})
		}
		out[i].Payload = vector.NewPayload(fields)
	}
	return out
}

// sameRecords fails unless both are the same, each with each.
func sameRecords(t *testing.T, d *vector.Description, want, got []vector.Record) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		if diff := vector.Differences(&want[i], &got[i], d); want[i].ID != got[i].ID || want[i].Namespace != got[i].Namespace || len(diff) > 0 {
			t.Errorf("%s/%s for %s/%s: %+v", got[i].Namespace, got[i].ID, want[i].Namespace, want[i].ID, diff)
		}
	}
}

func describe(t *testing.T, s *Store) *vector.Description {
	t.Helper()
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPlainTable reads a table with a column of each type, and writes what it has into
// another one.
func TestPlainTable(t *testing.T) {
	s := plain(t, types(t), Options{})
	d := describe(t, s)
	if len(d.Vectors) != 1 || d.Vectors[0] != (vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Cosine, Element: "float32"}) || d.Count() != 2 {
		t.Errorf("%+v", d)
	}
	for _, f := range d.Fields {
		if f.Indexed != (f.Name == "i4") {
			t.Errorf("%+v", f)
		}
	}
	want := typed()
	sameRecords(t, d, want, readAll(t, s, "", 1))
	if l := s.Limits(); !l.Nulls || l.Namespace || !slices.Equal(l.IDs, []vector.IDKind{vector.IntegerID}) {
		t.Errorf("%+v", l)
	} else if other := (vector.Record{ID: vector.IntegerIDOf(9), Payload: want[0].Payload.With("other", vector.IntOf(1))}); l.Refuse(&want[0])+l.Refuse(&want[1]) != "" || !strings.Contains(l.Refuse(&other), "field other has no column") {
		t.Errorf("%q %q", l.Refuse(&want[0]), l.Refuse(&other))
	}
	if err := s.Delete(t.Context(), "", []vector.ID{vector.IntegerIDOf(1), vector.IntegerIDOf(2), vector.IDOf("1")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Put(t.Context(), "", append(want[:1:1], want...)); err != nil { // one is there twice
			t.Fatal(err)
		}
		got, err := s.Fetch(t.Context(), "", []vector.ID{vector.IntegerIDOf(1), vector.IntegerIDOf(2), vector.UUIDOf(uuid.UUID{})})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(a, b vector.Record) int { return strings.Compare(a.ID.String(), b.ID.String()) })
		sameRecords(t, d, want, got)
	}
}

// TestFiltersOfColumns holds each operator on each type to what the filter itself says.
func TestFiltersOfColumns(t *testing.T) {
	s := plain(t, types(t), Options{})
	all := readAll(t, s, "", 10)
	values := []vector.Value{
		vector.BoolOf(true), vector.IntOf(1), vector.IntOf(40000), vector.FloatOf(40000), vector.FloatOf(1.5), vector.IntOf(7), vector.FloatOf(.1), vector.FloatOf(math.NaN()), vector.FloatOf(math.Inf(1)), vector.FloatOf(1e300),
		vector.TextOf("red"), vector.TextOf("abc"), vector.TextOf(""), vector.TextOf("a"), vector.TextOf(`b,"c`), vector.TextOf("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), vector.TextOf("not a uuid"),
		vector.TextOf("2024-02-29"), vector.TextOf("2024-02-29T12:30:00.25"), vector.TextOf("2024-02-29T10:30:00Z"), vector.TextOf("infinity"), vector.TextOf("10.0.0.1"), vector.TextOf("a\x00"), {},
		list(vector.IntOf(1)), vector.MapOf(nil), all[0].Payload[slices.IndexFunc(all[0].Payload, func(f vector.Field) bool { return f.Name == "jb" })].Value,
	}
	ops := []vector.Op{vector.Eq, vector.Ne, vector.Gt, vector.Gte, vector.Lt, vector.Lte, vector.In, vector.Nin}
	sizes := []vector.Op{vector.Gt, vector.Gte, vector.Lt, vector.Lte}
	for _, field := range describe(t, s).Fields {
		check := func(f *vector.Filter) {
			var a args
			sql, err := s.table.condition(f, &a)
			if err != nil {
				t.Errorf("%s: %v", f, err)
				return
			}
			var got []vector.ID
			err = s.query(t.Context(), "test", "SELECT key FROM "+s.table.sql+" WHERE "+sql+" ORDER BY key", &a, func(v [][]byte) error {
				id, err := s.table.idOf(v[0])
				got = append(got, id)
				return err
			})
			if err != nil {
				t.Errorf("%s: %s: %v", f, sql, err)
				return
			}
			var want []vector.ID
			for i := range all {
				if f.Match(all[i].Payload) {
					want = append(want, all[i].ID)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s (%s): %v, want %v", f, field.Type, got, want)
			}
		}
		for _, yes := range []bool{true, false} {
			check(&vector.Filter{Op: vector.Exists, Field: field.Name, Value: vector.BoolOf(yes)})
		}
		for _, v := range values {
			for _, op := range ops {
				if field.Name == "n" && slices.Contains(sizes, op) {
					continue // what is a text, so that nothing is lost, is a number to the server
				}
				check(&vector.Filter{Op: op, Field: field.Name, Value: v, Values: []vector.Value{v, vector.TextOf("nothing has this")}})
			}
		}
	}
}

func TestWhatColumnsRefuse(t *testing.T) {
	s := plain(t, types(t), Options{})
	describe(t, s)
	text, whole, double := vector.TextOf, vector.IntOf, vector.FloatOf
	for _, tt := range []struct {
		field string
		v     vector.Value
		why   string
	}{
		{"b", whole(1), "the column is boolean"}, {"i2", whole(40000), "too large for smallint"}, {"i4", double(3), "as: int"}, {"i4", double(3.5), "the column is integer"}, {"i4", text("3"), "the column is integer"},
		{"f8", whole(3), "as: float"}, {"f4", double(.1), "more digits than real"}, {"n2", double(1.005), "more digits than numeric(10,2)"}, {"n2", whole(3), "comes back"}, {"n0", double(3), "comes back"}, {"n", text("abc"), "invalid input syntax"},
		{"n2", double(123456789), "overflow"}, {"s", text("a\x00b"), "byte 0"}, {"s", text("\xff"), "not UTF-8"}, {"v", text("abcdef"), "too long"}, {"u", text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), "the column is uuid"},
		{"e", text("green"), "invalid input value for enum"}, {"jb", double(math.Copysign(0, -1)), "-0"}, {"jb", double(math.NaN()), "JSON has not"}, {"jb", text("\x00"), "byte 0"},
		{"d", text("29.02.2024"), "2006-01-02"}, {"tz", text("2024-02-29 10:30:00+02"), "2006-01-02T15"}, {"ip", text("10.0.0"), "invalid input syntax"}, {"texts", text("a"), "the column is text[]"},
		{"ints", list(text("a")), "the column is integer[]"}, {"ints", list(list(whole(1)), list()), "malformed array"}, {"i8", vector.Value{}, "the column is bigint"}, {"unknown", whole(1), `no column for field "unknown"`},
	} {
		good := vector.Record{ID: vector.IntegerIDOf(50), Payload: vector.NewPayload([]vector.Field{{Name: "i8", Value: whole(1)}})}
		bad := good
		bad.ID, bad.Payload = vector.IntegerIDOf(51), bad.Payload.With(tt.field, tt.v)
		err := s.Put(t.Context(), "", []vector.Record{bad, good})
		var refused *vector.RefusedError
		if !errors.As(err, &refused) || len(refused.Records) != 1 || !strings.Contains(refused.Records[bad.ID], tt.why) {
			t.Errorf("%s %s: %v, want %q", tt.field, tt.v.String(), err, tt.why)
		}
	}
	for why, r := range map[string]vector.Record{
		`no field "i8"`:    {ID: vector.IntegerIDOf(60)},
		"its id is a text": {ID: vector.IDOf("60")},
		`no vector "x"`:    {ID: vector.IntegerIDOf(60), Vectors: []vector.Vector{{Name: "x", Dense: []float32{1, 2, 3}}}},
		"has 2 numbers":    {ID: vector.IntegerIDOf(60), Vectors: []vector.Vector{{Dense: []float32{1, 2}}}},
		"+Inf at place 1":  {ID: vector.IntegerIDOf(60), Vectors: []vector.Vector{{Dense: []float32{1, float32(math.Inf(1)), 2}}}},
		"is not dense":     {ID: vector.IntegerIDOf(60), Vectors: []vector.Vector{{Indices: []uint32{1}, Values: []float32{2}}}},
	} {
		err := s.Put(t.Context(), "", []vector.Record{r})
		var refused *vector.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Records[r.ID], why) {
			t.Errorf("%v, want %q", err, why)
		}
	}
	if n, err := s.Count(t.Context(), ""); err != nil || n != 3 {
		t.Errorf("%d records: %v", n, err)
	}
}

// TestExactPayload: what JSON has no types for keeps them all the same.
func TestExactPayload(t *testing.T) {
	server := pgtest.Shared(t)
	s := openStore(t, server, Options{Table: server.Name(t)})
	if err := s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}); err != nil {
		t.Fatal(err)
	}
	double := vector.FloatOf
	fields := []vector.Field{
		{Name: "ints", Value: list(vector.IntOf(math.MaxInt64), vector.IntOf(math.MinInt64), vector.IntOf(0))},
		{Name: "doubles", Value: list(double(0), double(1), double(1e15), double(1e21), double(1e300), double(5e-324), double(math.MaxFloat64), double(-2003), double(.1), double(1.0/3), double(1<<53+2))},
		{Name: "null"}, {Name: "", Value: vector.TextOf("nameless")}, {Name: "a.b", Value: vector.TextOf("\x01\u2028\U0001F600 \\u0000")},
		{Name: "namespace", Value: vector.TextOf("n")}, {Name: "id", Value: vector.IntOf(3)}, {Name: "embedding", Value: list()}, {Name: "payload", Value: vector.MapOf(nil)},
		{Name: "deep", Value: list(list(), vector.MapOf(vector.NewPayload([]vector.Field{{Name: "x", Value: list(vector.Value{})}})))},
	}
	var want []vector.Record
	for _, ns := range []string{"", "ältere'; DROP TABLE x; --"} {
		for _, id := range []string{"", " ", "=a", "a'b\"c", "ü", "\U0010ffff", strings.Repeat("x", 2000)} {
			want = append(want, vector.Record{ID: vector.IDOf(id), Namespace: ns, Vectors: []vector.Vector{{Dense: []float32{math.MaxFloat32, math.SmallestNonzeroFloat32}}}, Payload: vector.NewPayload(slices.Clone(fields))})
		}
	}
	for part := range slices.Chunk(want, 7) {
		if err := s.Put(t.Context(), part[0].Namespace, part); err != nil {
			t.Fatal(err)
		}
	}
	d := describe(t, s)
	for i, ns := range []string{"", "ältere'; DROP TABLE x; --"} {
		for _, size := range []int{1, 2, 100} {
			got := readAll(t, s, ns, size)
			part := slices.Clone(want[7*i : 7*i+7])
			slices.SortFunc(part, func(a, b vector.Record) int { return strings.Compare(a.ID.String(), b.ID.String()) })
			sameRecords(t, d, part, got)
		}
	}
	one := vector.Filter{Op: vector.Eq, Field: "id", Value: double(3)}
	if hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 0}}, K: 100, Filter: &one}); err != nil || len(hits) != 7 {
		t.Errorf("%d hits: %v", len(hits), err)
	}
	no := vector.Record{ID: vector.IDOf("a\x00"), Vectors: want[0].Vectors}
	var refused *vector.RefusedError
	if err := s.Put(t.Context(), "", []vector.Record{no}); !errors.As(err, &refused) {
		t.Errorf("an id with a byte 0: %v", err)
	}
	if err := s.Put(t.Context(), "a\x00", want[:1]); err == nil {
		t.Error("a namespace with a byte 0 is taken")
	}
}

func TestHalves(t *testing.T) {
	for h := range 1 << 16 {
		f := fromHalf(uint16(h))
		if f != f { // NaN is in no vector
			continue
		}
		if back := toHalf(f); back != uint16(h) {
			t.Fatalf("%#04x is %v, and that %#04x", h, f, back)
		}
		next := fromHalf(uint16(h + 1))
		if h&0x7fff >= 0x7bff {
			continue
		}
		even := uint16(h + h&1)
		for _, tt := range []struct {
			f    float64
			want uint16
		}{
			{float64(f)*.75 + float64(next)*.25, uint16(h)}, {float64(f)*.25 + float64(next)*.75, uint16(h + 1)}, {float64(f)*.5 + float64(next)*.5, even},
		} {
			if got := toHalf(float32(tt.f)); got != tt.want {
				t.Fatalf("%v between %#04x and the next is %#04x, want %#04x", tt.f, h, got, tt.want)
			}
		}
	}
}
