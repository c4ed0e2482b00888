package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"freehold/internal/vector"
	"freehold/internal/vector/archive"
	"freehold/internal/vector/vectortest"
)

// TestTable: a Parquet file has, whole and with its types, what was written; its units
// have each record once; it fetches and searches as other stores do.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	d := &vector.Description{Name: "kb", Vectors: []vector.Spec{
		{Form: vector.Dense, Dim: 12, Metric: vector.Dot, Element: "float32"}, {Name: "b", Form: vector.Binary, Dim: 16, Metric: vector.Hamming, Element: "bit"},
		{Name: "late", Form: vector.Multi, Dim: 3, Metric: vector.Cosine}, {Name: "s", Form: vector.Sparse, Metric: vector.Dot},
	}, Fields: []vector.FieldSpec{{Name: "f", Type: "keyword", Indexed: true}}}
	path := filepath.Join(t.TempDir(), "kb.parquet")
	a := open(t, path)
	if err := a.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	all := map[string][]vector.Record{}
	for _, ns := range []string{"", "news", "ä \"'"} {
		for i := range 700 {
			all[ns] = append(all[ns], anything(r, ns, i))
		}
		if err := a.Put(t.Context(), ns, all[ns]); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, again := range []*archive.Archive{a, open(t, path)} {
		got, err := again.Describe(t.Context())
		if err != nil || got.Count() != 2100 || len(got.Namespaces) != 3 || !slices.Equal(got.Vectors, d.Vectors) || !slices.Equal(got.Fields, d.Fields) || !got.Scans {
			t.Fatalf("%+v: %v", got, err)
		}
		for ns, want := range all {
			for _, size := range []int{7, 150, 10_000} {
				check(t, want, read(t, again, ns, size), d)
			}
			var ids []vector.ID
			for i := range want {
				ids = append(ids, want[i].ID)
			}
			r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
			records, err := again.Fetch(t.Context(), ns, append(ids, vector.IDOf("nobody")))
			if err != nil {
				t.Fatal(err)
			}
			check(t, want, records, d)
			some, err := again.Fetch(t.Context(), ns, ids[:3])
			if err != nil || len(some) != 3 {
				t.Errorf("%d records of 3: %v", len(some), err)
			}
		}
	}
	if err := a.Put(t.Context(), "", all[""][:1]); err == nil {
		t.Error("a finished archive is written")
	}
}

// anything is a record of whatever there can be: now and then without a vector, with
// numbers at the ends of what float32 and double have, with all kinds of ids and values.
func anything(r *rand.Rand, ns string, i int) vector.Record {
	out := vector.Record{ID: vector.IDOf(fmt.Sprintf("doc %d/ü", i)), Namespace: ns}
	switch i % 3 {
	case 1:
		out.ID = vector.IntegerIDOf(uint64(i) + math.MaxUint64/2)
	case 2:
		out.ID = vector.UUIDOf(uuid.UUID{byte(i), byte(i >> 8), 9})
	}
	numbers := func(n int) []float32 {
		v := make([]float32, n)
		for j := range v {
			for v[j] = math.Float32frombits(r.Uint32()); v[j]-v[j] != 0; { // not NaN, not infinite
				v[j] = math.Float32frombits(r.Uint32())
			}
		}
		return v
	}
	if i%5 > 0 {
		out.Vectors = append(out.Vectors, vector.Vector{Dense: numbers(12)})
	}
	if i%7 > 0 {
		out.Vectors = append(out.Vectors, vector.Vector{Name: "s", Indices: []uint32{1, uint32(i) + 2, math.MaxUint32}, Values: numbers(3)})
	}
	if i%11 > 0 {
		out.Vectors = append(out.Vectors, vector.Vector{Name: "late", Rows: 1 + i%3, Dense: numbers(3 * (1 + i%3))})
	}
	if i%13 > 0 {
		out.Vectors = append(out.Vectors, vector.Vector{Name: "b", Bits: []byte{byte(i), 0xff}})
	}
	out.Payload = vector.NewPayload([]vector.Field{
		{Name: "year", Value: vector.IntOf(2003)}, {Name: "double", Value: vector.FloatOf(2003)}, {Name: "large", Value: vector.IntOf(math.MinInt64 + int64(i))},
		{Name: "ratio", Value: vector.FloatOf(r.NormFloat64())}, {Name: "null"}, {Name: "yes", Value: vector.BoolOf(true)},
		{Name: "list", Value: vector.ListOf([]vector.Value{vector.IntOf(1), vector.FloatOf(1), vector.TextOf("1"), {}})},
		{Name: "text", Value: vector.TextOf(strings.Repeat("ü\n\"", i%9))}, {Name: "none", Value: vector.ListOf([]vector.Value{})},
	})
	if i%17 == 0 {
		out.Payload = vector.Payload{}
	}
	return out
}

func read(t *testing.T, s vector.Source, ns string, size int) (out []vector.Record) {
	t.Helper()
	for u, err := range s.Units(t.Context(), ns, "", size) {
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
		if n != u.Count || n > size {
			t.Errorf("a unit of %d has %d", u.Count, n)
		}
	}
	return out
}

func check(t *testing.T, want, got []vector.Record, d *vector.Description) {
	t.Helper()
	have := map[vector.ID]*vector.Record{}
	for i := range got {
		have[got[i].ID] = &got[i]
	}
	if len(have) != len(want) || len(got) != len(want) {
		t.Fatalf("%d records, %d of them different, want %d", len(got), len(have), len(want))
	}
	for i := range want {
		g := have[want[i].ID]
		if g == nil || g.Namespace != want[i].Namespace {
			t.Fatalf("%s is not there: %+v", want[i].ID, g)
		}
		if diff := vector.Differences(&want[i], g, d); len(diff) > 0 {
			t.Fatalf("%s: %+v", want[i].ID, diff)
		}
	}
}

// TestTableSuite: what every store must pass, read from a file.
func TestTableSuite(t *testing.T) {
	vectortest.Target(t, vectortest.Suite{
		Open:    func(t *testing.T) vector.Target { return open(t, filepath.Join(t.TempDir(), "a.parquet")) },
		Vectors: []vector.Spec{{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}, {Name: "s", Form: vector.Sparse, Metric: vector.Dot}},
	})
}

// TestRowGroups: what waits in memory to be written is bounded.
func TestRowGroups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kb.parquet")
	a := open(t, path)
	const n = 1200 // of 16 KiB each, about 20 MB
	if err := a.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Cosine}}}); err != nil {
		t.Fatal(err)
	}
	long := vector.TextOf(strings.Repeat("sixteen letters ", 1024))
	for i := 0; i < n; i += 100 {
		var records []vector.Record
		for j := i; j < i+100; j++ {
			records = append(records, vector.Record{
				ID: vector.IntegerIDOf(uint64(j)), Vectors: []vector.Vector{{Dense: []float32{float32(j), 1}}}, Payload: vector.NewPayload([]vector.Field{{Name: "text", Value: long}}),
			})
		}
		if err := a.Put(t.Context(), "", records); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	groups := f.RowGroups()
	if len(groups) < 2 {
		t.Errorf("%d row groups of %d bytes", len(groups), len(text))
	}
	for _, g := range groups {
		if g.NumRows() > 1100 {
			t.Errorf("a row group of %d rows", g.NumRows())
		}
	}
	records, err := a.Fetch(t.Context(), "", []vector.ID{vector.IntegerIDOf(n - 1), vector.IntegerIDOf(0), vector.IntegerIDOf(700)})
	if err != nil || len(records) != 3 || records[2].Vectors[0].Dense[0] != n-1 {
		t.Errorf("%d records: %v", len(records), err)
	}
}

// others is a row as others write them.
type others struct {
	Title     string            `parquet:"title"`
	Embedding []float64         `parquet:"embedding,list"`
	DocID     int64             `parquet:"doc_id"`
	Year      *int32            `parquet:"year,optional"`
	Tags      []string          `parquet:"tags,list"`
	Score     float64           `parquet:"score"`
	Seen      time.Time         `parquet:"seen,timestamp(microsecond)"`
	Day       int32             `parquet:"day,date"`
	Price     int64             `parquet:"price,decimal(2:18)"`
	OK        bool              `parquet:"ok"`
	More      map[string]string `parquet:"more"`
	Where     place             `parquet:"where"`
	Lang      string            `parquet:"lang,dict"`
	Unsigned  uint32            `parquet:"unsigned"`
}

type place struct {
	City string    `parquet:"city"`
	At   []float32 `parquet:"at"`
}

func writeOthers[T any](t *testing.T, rows []T, options ...parquet.WriterOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "others.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[T](f, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOthers: a Parquet file that another wrote is a source, with its columns as fields
// of their types.
func TestOthers(t *testing.T) {
	var rows []others
	for i := range 500 {
		x := others{
			Title: fmt.Sprint("title ", i), Embedding: []float64{float64(i), 0.5, -0.25}, DocID: int64(i) * 10, Score: float64(i), OK: i%2 == 0, Lang: []string{"de", "en", "fr"}[i%3],
			Seen: time.UnixMicro(1_700_000_000_123_456).UTC(), Day: 19_000, Price: 12_345 + int64(i), Unsigned: math.MaxUint32, Where: place{City: "Ulm", At: []float32{1, 2}},
		}
		if i%2 == 0 {
			x.Year, x.Tags, x.More = new(int32(2003)), []string{"a", "b"}, map[string]string{"k": "v"}
		}
		rows = append(rows, x)
	}
	path := writeOthers(t, rows, parquet.MaxRowsPerRowGroup(120))
	if _, err := open(t, path).Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "?id=COLUMN") {
		t.Errorf("it is not known which column is the id: %v", err)
	}
	a, err := archive.OpenTable(t.Context(), path, archive.Columns{ID: "doc_id", Namespace: "lang"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	d, err := a.Describe(t.Context())
	if err != nil || fmt.Sprint(d.Namespaces) != "[{de 167} {en 167} {fr 166}]" || len(d.Vectors) != 1 || d.Vectors[0].Dim != 3 || d.Vectors[0].Form != vector.Dense {
		t.Fatalf("%+v: %v", d, err)
	}
	text := vector.TextOf
	for at, ns := range []string{"de", "en", "fr"} {
		got := read(t, a, ns, 37)
		for i := range got {
			n := 3*i + at
			fields := []vector.Field{
				{Name: "title", Value: text(fmt.Sprint("title ", n))}, {Name: "score", Value: vector.FloatOf(float64(n))}, {Name: "ok", Value: vector.BoolOf(n%2 == 0)},
				{Name: "seen", Value: text("2023-11-14T22:13:20.123456Z")}, {Name: "day", Value: text("2022-01-08")}, {Name: "price", Value: text(fmt.Sprintf("%.2f", float64(12_345+n)/100))},
				{Name: "unsigned", Value: vector.IntOf(math.MaxUint32)}, {Name: "tags", Value: vector.ListOf([]vector.Value{})}, {Name: "more", Value: vector.MapOf(vector.Payload{})},
				{Name: "where", Value: vector.MapOf(vector.NewPayload([]vector.Field{{Name: "city", Value: text("Ulm")}, {Name: "at", Value: vector.ListOf([]vector.Value{vector.FloatOf(1), vector.FloatOf(2)})}}))},
			}
			if n%2 == 0 {
				fields = append(fields[:7], fields[9], vector.Field{Name: "year", Value: vector.IntOf(2003)}, vector.Field{Name: "tags", Value: vector.ListOf([]vector.Value{text("a"), text("b")})},
					vector.Field{Name: "more", Value: vector.MapOf(vector.NewPayload([]vector.Field{{Name: "k", Value: text("v")}}))})
			}
			want := vector.Record{ID: vector.IntegerIDOf(uint64(n) * 10), Namespace: ns, Vectors: []vector.Vector{{Dense: []float32{float32(n), 0.5, -0.25}}}, Payload: vector.NewPayload(fields)}
			if diff := vector.Differences(&want, &got[i], d); len(diff) > 0 || got[i].ID != want.ID || got[i].Namespace != ns {
				t.Fatalf("row %d: %+v\n%+v", n, diff, got[i])
			}
		}
	}
	if got, err := a.Fetch(t.Context(), "en", []vector.ID{vector.IntegerIDOf(10), vector.IntegerIDOf(20)}); err != nil || len(got) != 1 {
		t.Errorf("%v: %v", got, err)
	}
}

// TestOthersFiles: files of pyarrow and DuckDB (testdata/README.md) are read as is written
// down there.
func TestOthersFiles(t *testing.T) {
	for name, columns := range map[string]archive.Columns{"arrow": {}, "duckdb": {ID: "key", Vector: "emb", Namespace: "lang"}} {
		a, err := archive.OpenTable(t.Context(), filepath.Join("testdata", name+".parquet"), columns)
		if err != nil {
			t.Fatal(err)
		}
		want := open(t, filepath.Join("testdata", name+".jsonl"))
		d, err := a.Describe(t.Context())
		if err != nil || d.Count() != 24 {
			t.Fatalf("%s: %+v: %v", name, d, err)
		}
		for _, ns := range d.Namespaces {
			check(t, read(t, want, ns.Name, 10), read(t, a, ns.Name, 5), d)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOthersWrong: what is not right with a file is told with its row.
func TestOthersWrong(t *testing.T) {
	type row struct {
		ID     string    `parquet:"id"`
		Vector []float32 `parquet:"vector,list"`
		Second []float32 `parquet:"second,list"`
	}
	good := []row{{"a", []float32{1, 2}, nil}, {"b", []float32{3, 4}, nil}}
	for name, c := range map[string]struct {
		rows    []row
		columns archive.Columns
		why     string
	}{
		"good":            {good, archive.Columns{}, ""},
		"twice":           {append(slices.Clone(good), good[0]), archive.Columns{}, "row 3: the id a is there already, in row 1"},
		"length":          {append(slices.Clone(good), row{"c", []float32{1}, nil}), archive.Columns{}, "row 3: vector \"\" has 1 numbers, and others have 2"},
		"no such id":      {good, archive.Columns{ID: "key"}, "id=key is no column for that; the file has"},
		"no such vector":  {good, archive.Columns{Vector: "id"}, "vector=id is no column for that"},
		"which namespace": {good, archive.Columns{Namespace: "second"}, "namespace_field=second is no column for that"},
	} {
		a, err := archive.OpenTable(t.Context(), writeOthers(t, c.rows), c.columns)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Describe(t.Context())
		if err == nil {
			for u := range a.Units(t.Context(), "", "", 10) {
				for _, e := range a.Read(t.Context(), u) {
					err = errors.Join(err, e)
				}
			}
		}
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	if err := os.WriteFile(path, []byte("PAR1 and nothing else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path).Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "no Parquet file") {
		t.Errorf("%v", err)
	}
	if _, err := archive.OpenTable(t.Context(), "kb.jsonl", archive.Columns{ID: "x"}); err == nil {
		t.Error("columns of lines")
	}
}

// TestBroken: a file with bits turned over, or its end cut off, is an error or is read;
// it is never the end of the program.
func TestBroken(t *testing.T) {
	for name, columns := range map[string]archive.Columns{"arrow": {}, "duckdb": {ID: "key", Vector: "emb", Namespace: "lang"}} {
		good, err := os.ReadFile(filepath.Join("testdata", name+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "bad.parquet")
		read := func(bad []byte) error {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			return readWhole(t, path, columns)
		}
		for n := 0; n < len(good); n += 1 + len(good)/40 {
			if read(good[:n]) == nil {
				t.Errorf("%s: %d bytes of %d are read", name, n, len(good))
			}
		}
		if racing {
			continue
		}
		r, failed := rand.New(rand.NewPCG(1, 1)), 0
		for range 400 {
			bad := slices.Clone(good)
			for range 1 + r.IntN(3) {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			if read(bad) != nil {
				failed++
			}
		}
		if failed < 50 {
			t.Errorf("%s: %d of 400 broken files are errors: that is too few to show anything", name, failed)
		}
	}
}

func readWhole(t *testing.T, path string, columns archive.Columns) error {
	a, err := archive.OpenTable(t.Context(), path, columns)
	if err != nil {
		return err
	}
	defer a.Close()
	d, err := a.Describe(t.Context())
	if err != nil {
		return err
	}
	for _, ns := range d.Namespaces {
		for u := range a.Units(t.Context(), ns.Name, "", 5) {
			for records, err := range a.Read(t.Context(), u) {
				if err != nil {
					return err
				}
				if _, err := a.Fetch(t.Context(), ns.Name, []vector.ID{records[0].ID}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
