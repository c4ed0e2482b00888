package pgvector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/pgvector/pgtest"
)

// TestWhatATableIs: which column is what, as the table says it or the address; and what
// is not clear is refused in words.
func TestWhatATableIs(t *testing.T) {
	const indexed = "; CREATE INDEX ON $T USING hnsw (v vector_l2_ops)"
	only := "news"
	for name, tt := range map[string]struct {
		sql   string
		o     Options
		fails string
		is    string // name, form, dimension, metric of each vector; ids; fields
	}{
		"none":            {sql: "SELECT 1", fails: "there is no such table"},
		"no key":          {sql: "CREATE TABLE $T (id int, v vector(3))" + indexed, fails: "no primary key"},
		"no key, index":   {sql: "CREATE TABLE $T (id int NOT NULL UNIQUE, v vector(3))" + indexed, o: Options{ID: "id"}, is: ` dense 3 euclid; integer; `},
		"not unique":      {sql: "CREATE TABLE $T (id int, v vector(3))" + indexed, o: Options{ID: "id"}, fails: `"id" has no unique index`},
		"partly unique":   {sql: "CREATE TABLE $T (id int, v vector(3)); CREATE UNIQUE INDEX ON $T (id) WHERE id > 3" + indexed, o: Options{ID: "id"}, fails: `"id" has no unique index`},
		"no such id":      {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3))" + indexed, o: Options{ID: "key"}, fails: `no column "key"`},
		"composite":       {sql: "CREATE TABLE $T (a int, b int, v vector(3), PRIMARY KEY (a, b))" + indexed, fails: "2 columns (a, b)"},
		"composite, id":   {sql: "CREATE TABLE $T (a int, b int UNIQUE, v vector(3), PRIMARY KEY (a, b))" + indexed, o: Options{ID: "b"}, is: ` dense 3 euclid; integer; a integer`},
		"namespace":       {sql: "CREATE TABLE $T (a text, b uuid, v vector(3), PRIMARY KEY (b, a))" + indexed, o: Options{NamespaceColumn: "a"}, is: ` dense 3 euclid; uuid; `},
		"three":           {sql: "CREATE TABLE $T (a int, b int, c int, v vector(3), PRIMARY KEY (a, b, c))" + indexed, o: Options{NamespaceColumn: "a"}, fails: "3 columns"},
		"id of numeric":   {sql: "CREATE TABLE $T (id numeric PRIMARY KEY, v vector(3))" + indexed, fails: "ids are integers, texts or UUIDs"},
		"id of an array":  {sql: "CREATE TABLE $T (id int[] PRIMARY KEY, v vector(3))" + indexed, fails: "ids are integers, texts or UUIDs"},
		"namespace array": {sql: "CREATE TABLE $T (id int PRIMARY KEY, ns text[], v vector(3))" + indexed, o: Options{NamespaceColumn: "ns"}, fails: "can be texts, UUIDs or integers"},
		"no vectors":      {sql: "CREATE TABLE $T (id int PRIMARY KEY, v text)", fails: "no column of type vector"},
		"no metric":       {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3))", fails: "add metric=cosine"},
		"metric":          {sql: "CREATE TABLE $T (id varchar(9) PRIMARY KEY, v vector(3), n text)", o: Options{Metric: vector.Dot}, is: ` dense 3 dot; text; n text`},
		"other metric":    {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3))" + indexed, o: Options{Metric: vector.Dot}, fails: "has an index for euclid"},
		"two metrics":     {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3)); CREATE INDEX ON $T USING ivfflat (v vector_cosine_ops)" + indexed, fails: "several metrics"},
		"one of two":      {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3)); CREATE INDEX ON $T USING ivfflat (v vector_cosine_ops)" + indexed, o: Options{Metric: vector.Cosine}, is: ` dense 3 cosine; integer; `},
		"metric of bits":  {sql: "CREATE TABLE $T (id int PRIMARY KEY, v bit(3))", o: Options{Metric: vector.Dot}, fails: "hamming and jaccard"},
		"halves of it":    {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3)); CREATE INDEX ON $T USING hnsw ((v::halfvec(3)) halfvec_ip_ops)", is: ` dense 3 dot; integer; `},
		"several":         {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3), h halfvec(2), s sparsevec(9), b bit(12)); CREATE INDEX ON $T USING hnsw (h halfvec_l1_ops); CREATE INDEX ON $T USING hnsw (s sparsevec_ip_ops); CREATE INDEX ON $T USING hnsw (b bit_jaccard_ops)" + indexed, is: `b binary 12 jaccard, h dense 2 manhattan, s sparse 0 dot, v dense 3 euclid; integer; `},
		"one of several":  {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3), h halfvec(2))" + indexed, o: Options{Vector: "v"}, is: ` dense 3 euclid; integer; `},
		"no such vector":  {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3), h halfvec(2))", o: Options{Vector: "w"}, fails: `no column of vectors "w"; it has v, h`},
		"some fields":     {sql: "CREATE TABLE $T (id int PRIMARY KEY, a int, b text, v vector(3))" + indexed, o: Options{Fields: []string{"b"}}, is: ` dense 3 euclid; integer; b text`},
		"no such field":   {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3))" + indexed, o: Options{Fields: []string{"b"}}, fails: `no column "b"`},
		"no payload":      {sql: "CREATE TABLE $T (id int PRIMARY KEY, a text, v vector(3))" + indexed, o: Options{Payload: "a"}, fails: "a payload is jsonb"},
		"no dimension":    {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector); INSERT INTO $T VALUES (1, NULL), (2, '[1,2]')", o: Options{Metric: vector.Dot}, is: ` dense 2 dot; integer; `},
		"a view":          {sql: "CREATE VIEW $T AS SELECT 1 AS id, '[1]'::vector AS v", fails: "it is no table"},
		"a domain":        {sql: "CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TABLE $T (id positive PRIMARY KEY, v vector(3), n positive)" + indexed, is: ` dense 3 euclid; integer; n positive`},
		"partitions":      {sql: "CREATE TABLE $T (id int PRIMARY KEY, v vector(3)) PARTITION BY RANGE (id)" + indexed, is: ` dense 3 euclid; integer; `},
		"one namespace":   {sql: "CREATE TABLE $T (id int PRIMARY KEY, ns text, v vector(3)); INSERT INTO $T VALUES (1, 'news'), (2, 'news'), (3, 'x')" + indexed, o: Options{NamespaceColumn: "ns", Namespace: &only}, is: ` dense 3 euclid; integer; `},
	} {
		t.Run(name, func(t *testing.T) {
			s := plain(t, tt.sql, tt.o)
			if name == "a view" {
				t.Cleanup(func() { pgtest.Shared(t).Exec(t, "DROP VIEW "+s.regclass()) })
			}
			if name == "a domain" {
				t.Cleanup(func() { pgtest.Shared(t).Exec(t, "DROP DOMAIN positive CASCADE") })
			}
			d, err := s.Describe(t.Context())
			if tt.fails != "" {
				var is *vector.Error
				if !errors.As(err, &is) || is.Again() || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var vectors, fields, ids []string
			for _, v := range d.Vectors {
				vectors = append(vectors, fmt.Sprintf("%s %s %d %s", v.Name, v.Form, v.Dim, v.Metric))
			}
			for _, f := range d.Fields {
				fields = append(fields, f.Name+" "+f.Type)
			}
			for _, k := range d.IDs {
				ids = append(ids, k.String())
			}
			if is := strings.Join(vectors, ", ") + "; " + strings.Join(ids, ", ") + "; " + strings.Join(fields, ", "); is != tt.is {
				t.Errorf("%q, want %q", is, tt.is)
			}
			if name == "one namespace" && (len(d.Namespaces) != 1 || d.Namespaces[0] != vector.Namespace{Name: only, Count: 2}) {
				t.Errorf("%+v", d.Namespaces)
			}
		})
	}
}

// TestLangChain reads a table as LangChain makes them: ids unique over collections,
// which are namespaces, and a payload in jsonb beside a column.
func TestLangChain(t *testing.T) {
	const a, b = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	s := plain(t, `CREATE TABLE $T (id varchar PRIMARY KEY, collection_id uuid, embedding vector, document varchar, cmetadata jsonb);
		INSERT INTO $T VALUES ('x', '`+a+`', '[1,2]', 'text', '{"year": 2003, "document": "of the payload", "cmetadata.x": 1}'), ('y', '`+a+`', '[2,2]', NULL, NULL), ('x2', '`+b+`', '[1,3]', 't', '[1]'), ('z', NULL, NULL, NULL, '{}')`,
		Options{NamespaceColumn: "collection_id", Payload: "cmetadata", Metric: vector.Cosine})
	d := describe(t, s)
	if want := []vector.Namespace{{Name: "", Count: 1}, {Name: a, Count: 2}, {Name: b, Count: 1}}; !slices.Equal(d.Namespaces, want) {
		t.Errorf("%+v", d.Namespaces)
	}
	text := vector.TextOf
	sameRecords(t, d, []vector.Record{
		{ID: vector.IDOf("x"), Namespace: a, Vectors: []vector.Vector{{Dense: []float32{1, 2}}}, Payload: vector.NewPayload([]vector.Field{
			{Name: "year", Value: vector.IntOf(2003)}, {Name: "document", Value: text("text")}, {Name: "cmetadata.document", Value: text("of the payload")}, {Name: "cmetadata.x", Value: vector.IntOf(1)}})},
		{ID: vector.IDOf("y"), Namespace: a, Vectors: []vector.Vector{{Dense: []float32{2, 2}}}},
	}, readAll(t, s, a, 1))
	sameRecords(t, d, []vector.Record{{ID: vector.IDOf("x2"), Namespace: b, Vectors: []vector.Vector{{Dense: []float32{1, 3}}}, Payload: vector.NewPayload([]vector.Field{
		{Name: "document", Value: text("t")}, {Name: "cmetadata", Value: list(vector.IntOf(1))}})}}, readAll(t, s, b, 1))
	sameRecords(t, d, []vector.Record{{ID: vector.IDOf("z")}}, readAll(t, s, "", 5))
	for _, f := range []vector.Filter{{Op: vector.Eq, Field: "document", Value: text("text")}, {Op: vector.Eq, Field: "cmetadata.document", Value: text("of the payload")}, {Op: vector.Gt, Field: "year", Value: vector.FloatOf(2002.5)}} {
		hits, err := s.Search(t.Context(), vector.Search{Namespace: a, Query: vector.Vector{Dense: []float32{1, 2}}, K: 5, Filter: &f})
		if err != nil || len(hits) != 1 || hits[0].ID != vector.IDOf("x") {
			t.Errorf("%s: %v %v", f.String(), hits, err)
		}
	}
	var is *vector.Error
	if err := s.Put(t.Context(), a, nil); !errors.As(err, &is) || !strings.Contains(is.Message, "unique over all namespaces") {
		t.Errorf("written to all the same: %v", err)
	}
	if _, err := s.Count(t.Context(), "no uuid"); !errors.As(err, &is) || is.Trouble != vector.Invalid {
		t.Errorf("%v", err)
	}
}

// TestPayloadAndColumns writes fields into their columns and all others into the
// payload, from which they come back.
func TestPayloadAndColumns(t *testing.T) {
	s := plain(t, `CREATE TABLE $T (ns text, id uuid, embedding halfvec(2), document text, made timestamptz NOT NULL DEFAULT now(), meta json, PRIMARY KEY (ns, id))`,
		Options{NamespaceColumn: "ns", Payload: "meta", Metric: vector.Cosine, Fields: []string{"document"}})
	d := describe(t, s)
	r := vector.Record{ID: vector.UUIDOf([16]byte{1}), Namespace: "n", Vectors: []vector.Vector{{Dense: []float32{1, .5}}}, Payload: vector.NewPayload([]vector.Field{
		{Name: "document", Value: vector.TextOf("d")}, {Name: "meta.document", Value: vector.IntOf(1)}, {Name: "meta", Value: vector.BoolOf(true)}, {Name: "meta.other", Value: vector.Value{}}})}
	for range 2 {
		if err := s.Put(t.Context(), "n", []vector.Record{r}); err != nil {
			t.Fatal(err)
		}
		sameRecords(t, d, []vector.Record{r}, readAll(t, s, "n", 5))
		r.Payload = r.Payload.With("document", vector.TextOf("e"))
	}
	hits, err := s.Search(t.Context(), vector.Search{Namespace: "n", Query: r.Vectors[0], K: 1, Filter: &vector.Filter{Op: vector.Eq, Field: "meta.document", Value: vector.FloatOf(1)}})
	if err != nil || len(hits) != 1 {
		t.Errorf("%v %v", hits, err)
	}
	if _, err := s.Count(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// TestIndexes makes the indexes at the end, once, whoever else does; and searches go by
// them, with filters, too.
func TestIndexes(t *testing.T) {
	server := pgtest.Shared(t)
	r := rand.New(rand.NewPCG(1, 2))
	numbers := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(r.NormFloat64())
		}
		return out
	}
	for name, tt := range map[string]struct {
		spec  vector.Spec
		fact  string
		wants string // of the index; empty: there is none
		fails string
	}{
		"hnsw":         {spec: vector.Spec{Dim: 8, Metric: vector.Cosine}, wants: "USING hnsw (embedding vector_cosine_ops)"},
		"settings":     {spec: vector.Spec{Dim: 8, Metric: vector.Dot}, fact: "hnsw m=8 ef_construction=40", wants: "vector_ip_ops) WITH (m='8', ef_construction='40')"},
		"ivfflat":      {spec: vector.Spec{Dim: 8, Metric: vector.Euclid}, fact: "ivfflat lists=10", wants: "USING ivfflat (embedding) WITH (lists='10')"},
		"none":         {spec: vector.Spec{Dim: 8, Metric: vector.Euclid}, fact: "none"},
		"another's":    {spec: vector.Spec{Dim: 8, Metric: vector.Euclid}, fact: `{"m":16}`, wants: "vector_l2_ops"},
		"half":         {spec: vector.Spec{Dim: 8, Metric: vector.Manhattan, Element: "float16"}, wants: "halfvec_l1_ops"},
		"large":        {spec: vector.Spec{Dim: 2001, Metric: vector.Cosine}, wants: "halfvec(2001)) halfvec_cosine_ops"},
		"larger":       {spec: vector.Spec{Dim: 4001, Metric: vector.Cosine}},
		"too large":    {spec: vector.Spec{Dim: 16_001, Metric: vector.Cosine}, fails: "1 to 16000"},
		"wrong metric": {spec: vector.Spec{Dim: 8, Metric: vector.Hamming}, fails: "no distance"},
		"bad setting":  {spec: vector.Spec{Dim: 8, Metric: vector.Dot}, fact: "hnsw m=8;DROP", fails: "m=N and ef_construction=N"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, server, Options{Table: server.Name(t)})
			tt.spec.Form = vector.Dense
			err := s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{tt.spec}, Facts: map[string]string{FactIndex: tt.fact}, Fields: []vector.FieldSpec{{Name: "year", Type: "integer", Indexed: true}}})
			if err != nil && tt.fails != "" && strings.Contains(err.Error(), tt.fails) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var records []vector.Record
			for i := range 200 {
				records = append(records, vector.Record{ID: vector.IDOf(fmt.Sprint(i)), Vectors: []vector.Vector{{Dense: numbers(tt.spec.Dim)}}, Payload: vector.NewPayload([]vector.Field{{Name: "year", Value: vector.IntOf(int64(i % 20))}})})
			}
			if err := s.Put(t.Context(), "", records); err != nil {
				t.Fatal(err)
			}
			errs := make(chan error)
			for range 3 {
				other := openStore(t, server, Options{Table: s.options.Table})
				go func() { errs <- other.Finish(context.WithoutCancel(t.Context())) }()
			}
			for range 3 {
				if err := <-errs; err != nil {
					if tt.fails != "" && strings.Contains(err.Error(), tt.fails) {
						continue
					}
					t.Fatal(err)
				}
			}
			if tt.fails != "" {
				return
			}
			d := describe(t, s)
			if fact := d.Facts[FactIndex]; tt.wants == "" && !strings.HasPrefix(fact, "none: ") || strings.Count(fact, "CREATE INDEX") > 1 || !strings.Contains(fact, tt.wants) {
				t.Errorf("%q, want %q", fact, tt.wants)
			}
			if !s.table.gin {
				t.Error("the payload has no index")
			}
			if d.Vectors[0].Metric != tt.spec.Metric {
				t.Errorf("%+v", d.Vectors[0])
			}
			q := vector.Search{Query: vector.Vector{Dense: numbers(tt.spec.Dim)}, K: 10, Filter: &vector.Filter{Op: vector.Eq, Field: "year", Value: vector.FloatOf(3)}}
			hits, err := s.Search(t.Context(), q)
			if err != nil || len(hits) != 10 {
				t.Fatalf("%d hits of 10: %v", len(hits), err)
			}
			q.Filter = nil
			if hits, err = s.Search(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			nearest := vector.NewNearest(tt.spec.Metric, 10)
			for i := range records {
				nearest.Add(records[i].ID, tt.spec.Metric.Score(&q.Query, &records[i].Vectors[0]))
			}
			found := 0
			for _, want := range nearest.Hits() {
				if slices.ContainsFunc(hits, func(h vector.Hit) bool { return h.ID == want.ID }) {
					found++
				}
			}
			if found < 3 { // ivfflat looks at 3 of 10 lists
				t.Errorf("%d of the 10 nearest are found", found)
			}
		})
	}
}

// TestSearchByIndex: the statement of a search is one that the server answers by the
// index, of halves, too.
func TestSearchByIndex(t *testing.T) {
	for _, index := range []string{"USING hnsw (v vector_cosine_ops)", "USING hnsw ((v::halfvec(3)) halfvec_cosine_ops)", "USING ivfflat (v vector_cosine_ops) WITH (lists = 2)"} {
		s := plain(t, "CREATE TABLE $T (id int PRIMARY KEY, v vector(3)); INSERT INTO $T SELECT i, ARRAY[i, 1, random()]::vector FROM generate_series(1, 5000) AS i; CREATE INDEX ON $T "+index+"; ANALYZE $T", Options{})
		describe(t, s)
		q := vector.Search{Query: vector.Vector{Dense: []float32{1, 2, 3}}, K: 5}
		sql, a, err := s.table.searching(&q)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		err = s.query(t.Context(), "test", "EXPLAIN "+sql, a, func(v [][]byte) error {
			plan = append(plan, string(v[0]))
			return nil
		})
		if err != nil || !strings.Contains(plan[1], "Index Scan using") {
			t.Errorf("%s: %v\n%s", index, err, strings.Join(plan, "\n"))
		}
		// The settings hold for the search, and no longer.
		if hits, err := s.Search(t.Context(), q); err != nil || len(hits) != 5 {
			t.Errorf("%v: %v", hits, err)
		}
		name := map[bool]string{true: "hnsw.ef_search", false: "ivfflat.probes"}[strings.Contains(index, "hnsw")]
		var now string
		b := args{}
		if err := s.query(t.Context(), "test", "SELECT current_setting("+b.text(name)+")", &b, func(v [][]byte) error { now = string(v[0]); return nil }); err != nil || now != map[string]string{"hnsw.ef_search": "40", "ivfflat.probes": "1"}[name] {
			t.Errorf("%s is %s after the search: %v", name, now, err)
		}
	}
}
