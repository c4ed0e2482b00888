package qdrant

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
	"freehold/internal/vector/qdrant/qdranttest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := qdranttest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func openStore(t *testing.T, s *qdranttest.Server, collection string) *Store {
	t.Helper()
	out, err := Open(Options{Host: s.Host, Port: s.Port, APIKey: s.Key, Collection: collection})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

// created makes a collection of its own for the test.
func created(t *testing.T, d *vector.Description) *Store {
	t.Helper()
	server := qdranttest.Shared(t)
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

func dense4(metric vector.Metric) *vector.Description {
	return &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 4, Metric: metric}}}
}

func num(n uint64, v ...float32) vector.Record {
	return vector.Record{ID: vector.IntegerIDOf(n), Vectors: []vector.Vector{{Dense: v}}}
}

// everything is a collection of all that Qdrant can keep.
func everything() *vector.Description {
	return &vector.Description{
		Store: "qdrant",
		Vectors: []vector.Spec{
			{Name: "bytes", Form: vector.Dense, Dim: 3, Metric: vector.Euclid, Element: "uint8"},
			{Name: "cos", Form: vector.Dense, Dim: 4, Metric: vector.Cosine, Element: "float32", Normalised: true},
			{Name: "half", Form: vector.Dense, Dim: 3, Metric: vector.Manhattan, Element: "float16"},
			{Name: "late", Form: vector.Multi, Dim: 2, Metric: vector.Dot, Element: "float32"},
			{Name: "lex", Form: vector.Sparse, Metric: vector.Dot, Element: "float32"},
		},
		Fields: []vector.FieldSpec{
			{Name: "a.b", Type: "keyword", Indexed: true},
			{Name: "tenant", Type: `keyword {"keywordIndexParams":{"isTenant":true}}`, Indexed: true},
			{Name: "year", Type: "integer", Indexed: true},
		},
		Facts: map[string]string{
			FactShards: "1", FactReplicas: "1", FactOnDisk: "true",
			FactQuantization:    `{"scalar":{"type":"Int8","quantile":0.99}}`,
			FactVector + "cos":  `{"quantizationConfig":{"binary":{"alwaysRam":true}}}`,
			FactVector + "late": `{"onDisk":true}`,
			FactSparse + "lex":  `{"modifier":"Idf"}`,
			FactHNSW:            `{"m":"16","efConstruct":"100","fullScanThreshold":"10000","maxIndexingThreads":"0","onDisk":false}`,
		},
	}
}

func TestDescribeSaysWhatWasCreated(t *testing.T) {
	want := everything()
	s := created(t, want)
	put(t, s, vector.Record{ID: vector.IntegerIDOf(1)}, vector.Record{ID: vector.IntegerIDOf(2)})
	got, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want.Name, want.Namespaces, want.IDs = got.Name, []vector.Namespace{{Count: 2}}, []vector.IDKind{vector.IntegerID, vector.UUIDID}
	delete(got.Facts, FactVersion)
	want.Facts[FactStatus] = "green"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The description makes the same once more, and fits what there is.
	if err := s.Create(t.Context(), got); err != nil {
		t.Errorf("it does not fit itself: %v", err)
	}
	server := qdranttest.Shared(t)
	other := openStore(t, server, server.Name(t))
	if err := other.Create(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	again, err := other.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	delete(again.Facts, FactVersion)
	again.Name, again.Namespaces = got.Name, got.Namespaces
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
}

func TestCreateRefusesWhatDiffers(t *testing.T) {
	s := created(t, everything())
	for want, change := range map[string]func(*vector.Description){
		"4 by cosine in float32, not dense of 5": func(d *vector.Description) { d.Vectors[1].Dim = 5 },
		"not dense of 4 by dot":                  func(d *vector.Description) { d.Vectors[1].Metric = vector.Dot },
		"in float16, not dense of 3":             func(d *vector.Description) { d.Vectors[2].Element = "" },
		"is multi of 2":                          func(d *vector.Description) { d.Vectors[3].Form = vector.Dense },
		`no vector "new"`:                        func(d *vector.Description) { d.Vectors[0].Name = "new" },
		"the modifier Idf, not None":             func(d *vector.Description) { d.Facts = nil },
		"dot only":                               func(d *vector.Description) { d.Vectors[4].Metric = vector.Cosine },
		"hamming is no distance":                 func(d *vector.Description) { d.Vectors[1].Metric = vector.Hamming },
		"no binary vectors":                      func(d *vector.Description) { d.Vectors[1].Form = vector.Binary },
		"bit is no datatype":                     func(d *vector.Description) { d.Vectors[1].Element = "bit" },
		"no number above 0":                      func(d *vector.Description) { d.Facts[FactShards] = "none" },
		"neither true nor false":                 func(d *vector.Description) { d.Facts[FactOnDisk] = "maybe" },
		"quantization: ":                         func(d *vector.Description) { d.Facts[FactQuantization] = "{" },
		`no index of type "vague"`: func(d *vector.Description) {
			d.Fields = append(d.Fields, vector.FieldSpec{Name: "f", Type: "vague", Indexed: true})
		},
	} {
		d := everything()
		change(d)
		err := s.Create(t.Context(), d)
		var is *vector.Error
		if !errors.As(err, &is) || is.Trouble != vector.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an invalid one that says %q", err, want)
		}
	}
}

// readAll reads every unit of a store.
func readAll(t *testing.T, s *Store, size int) (out []vector.Record, units []vector.Unit) {
	t.Helper()
	for u, err := range s.Units(t.Context(), "", "", size) {
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, u)
		for records, err := range s.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, records...)
		}
	}
	return out, units
}

func full(n uint64) vector.Record {
	id := vector.IntegerIDOf(n)
	if n%2 == 1 {
		id = vector.UUIDOf(uuid.UUID{byte(n), 15: 9})
	}
	return vector.Record{ID: id, Vectors: []vector.Vector{
		{Name: "bytes", Dense: []float32{0, 255, float32(n % 256)}},
		{Name: "cos", Dense: []float32{1, 2, float32(n), 4}},
		{Name: "half", Dense: []float32{.5, 2, float32(n)}},
		{Name: "late", Dense: []float32{1, 2, 3, float32(n)}, Rows: 2},
		{Name: "lex", Indices: []uint32{3, 7, math.MaxUint32}, Values: []float32{.25, 1, float32(n)}},
	}, Payload: vector.NewPayload([]vector.Field{
		{Name: "int", Value: vector.IntOf(math.MaxInt64 - int64(n))},
		{Name: "whole", Value: vector.FloatOf(2003)},
		{Name: "float", Value: vector.FloatOf(.1)},
		{Name: "zero", Value: vector.FloatOf(math.Copysign(0, -1))},
		{Name: "yes", Value: vector.BoolOf(true)},
		{Name: "nothing", Value: vector.Value{}},
		{Name: "text", Value: vector.TextOf("naïve \x00\n\"'")},
		{Name: "a.b", Value: vector.TextOf("dotted")},
		{Name: "", Value: vector.TextOf("nameless")},
		{Name: "list", Value: vector.ListOf([]vector.Value{vector.IntOf(1), vector.FloatOf(1), {}, vector.ListOf([]vector.Value{})})},
		{Name: "map", Value: vector.MapOf(vector.NewPayload([]vector.Field{{Name: "in", Value: vector.MapOf(nil)}}))},
	})}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	d := everything()
	s := created(t, d)
	want := map[vector.ID]vector.Record{}
	var written []vector.Record
	for n := range uint64(50) {
		r := full(n)
		if n%5 == 0 {
			r.Vectors = r.Vectors[:n%4] // some have not all vectors, or none
		}
		want[r.ID] = r
		written = append(written, r)
	}
	put(t, s, written...)
	put(t, s, written[:10]...) // once more changes nothing
	read, units := readAll(t, s, 7)
	if len(units) != 8 || len(read) != len(want) {
		t.Errorf("%d records in %d units, want %d in 8", len(read), len(units), len(want))
	}
	if !slices.IsSortedFunc(read, func(a, b vector.Record) int { return compare(a.ID, b.ID) }) {
		t.Error("they are not in the order of their ids")
	}
	var ids []vector.ID
	for id := range want {
		ids = append(ids, id)
	}
	fetched, err := s.Fetch(t.Context(), "", append(ids, vector.IntegerIDOf(1), vector.IDOf("text")))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][]vector.Record{read, fetched} {
		seen := map[vector.ID]bool{}
		for i := range got {
			w, ok := want[got[i].ID]
			if !ok || seen[got[i].ID] {
				t.Errorf("%s was not written, or comes twice", got[i].ID)
			}
			seen[got[i].ID] = true
			if diff := vector.Differences(&w, &got[i], d); len(diff) > 0 {
				t.Error(diff)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%d records, want %d", len(seen), len(want))
		}
	}
	if err := s.Delete(t.Context(), "", append(ids[1:], ids[1], vector.IntegerIDOf(1<<40), vector.IDOf("text"))); err != nil {
		t.Fatal(err)
	}
	if left, _ := readAll(t, s, 7); len(left) != 1 || left[0].ID != ids[0] {
		t.Errorf("%d are left of one that was not deleted", len(left))
	}
}

// TestNamelessBesideNamed: a sparse vector makes the nameless one a named one on
// the wire, with an empty name.
func TestNamelessBesideNamed(t *testing.T) {
	d := dense4(vector.Dot)
	d.Vectors = append(d.Vectors, vector.Spec{Name: "lex", Form: vector.Sparse, Metric: vector.Dot})
	s := created(t, d)
	want := num(1, 1, 2, 3, 4)
	want.Vectors = append(want.Vectors, vector.Vector{Name: "lex", Indices: []uint32{1}, Values: []float32{2}})
	put(t, s, want, num(2, 4, 3, 2, 1))
	got, _ := readAll(t, s, 10)
	if len(got) != 2 {
		t.Fatalf("%d records, want 2", len(got))
	}
	if diff := vector.Differences(&want, &got[0], d); len(diff) > 0 {
		t.Error(diff)
	}
}

// TestUnitsAtTheEndsOfIDs: the first and last numbers and UUIDs are no traps, and
// each id is in one unit.
func TestUnitsAtTheEndsOfIDs(t *testing.T) {
	s := created(t, dense4(vector.Dot))
	var last uuid.UUID
	for i := range last {
		last[i] = 0xff
	}
	ids := []vector.ID{
		vector.IntegerIDOf(0), vector.IntegerIDOf(1), vector.IntegerIDOf(math.MaxUint64 - 1), vector.IntegerIDOf(math.MaxUint64),
		vector.UUIDOf(uuid.UUID{}), vector.UUIDOf(uuid.UUID{7: 0xff, 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}),
		vector.UUIDOf(uuid.UUID{6: 1}), vector.UUIDOf(last),
	}
	for _, id := range ids {
		put(t, s, vector.Record{ID: id})
	}
	for size := 1; size <= len(ids)+1; size++ {
		got, units := readAll(t, s, size)
		if want := (len(ids) + size - 1) / size; len(units) != want {
			t.Errorf("%d units of %d, want %d", len(units), size, want)
		}
		if len(got) != len(ids) {
			t.Fatalf("size %d: %d records, want %d", size, len(got), len(ids))
		}
		for i := range got {
			if got[i].ID != ids[i] {
				t.Errorf("size %d: record %d is %s, want %s", size, i, got[i].ID, ids[i])
			}
		}
		// It goes on from behind each unit.
		for i, u := range units {
			n := 0
			for _, err := range s.Units(t.Context(), "", u.Next, size) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != len(units)-i-1 {
				t.Errorf("size %d: %d units behind %d of %d", size, n, i, len(units))
			}
		}
	}
}

// TestReadOfAChangedUnit: a unit that was listed has what is in its range now.
func TestReadOfAChangedUnit(t *testing.T) {
	s := created(t, dense4(vector.Dot))
	for n := range uint64(10) {
		put(t, s, num(10*n, 1, 2, 3, 4))
	}
	var units []vector.Unit
	for u, err := range s.Units(t.Context(), "", "", 5) {
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, u)
	}
	if err := s.Delete(t.Context(), "", []vector.ID{vector.IntegerIDOf(0), vector.IntegerIDOf(40)}); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(9) {
		put(t, s, num(11+n, 1, 2, 3, 4))
	}
	put(t, s, num(45, 1, 2, 3, 4))
	for i, want := range [][]uint64{{10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 30}, {45, 50, 60, 70, 80, 90}} {
		var got []uint64
		for records, err := range s.Read(t.Context(), units[i]) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				got = append(got, r.ID.Integer())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("unit %d has %d, want %d", i, got, want)
		}
	}
}

func TestPagesFollowTheSizeOfRecords(t *testing.T) {
	s := created(t, dense4(vector.Dot))
	var records []vector.Record
	for n := range uint64(200) {
		r := num(n, 1, 2, 3, 4)
		r.Payload = vector.NewPayload([]vector.Field{{Name: "text", Value: vector.TextOf(strings.Repeat("x", 50_000))}})
		records = append(records, r)
	}
	put(t, s, records...) // more than one message
	most := 0
	var batches int
	for u, err := range s.Units(t.Context(), "", "", 1000) {
		if err != nil {
			t.Fatal(err)
		}
		for got, err := range s.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			if batches++; batches > 1 {
				size := 0
				for i := range got {
					size += got[i].Size()
				}
				most = max(most, size)
			}
		}
	}
	if most > 2*pageBytes || most < pageBytes/2 {
		t.Errorf("a batch has %d bytes, want about %d", most, pageBytes)
	}
}

func TestRefusedRecordsAreNamed(t *testing.T) {
	s := created(t, everything())
	good := func(n uint64) vector.Record { return full(2 * n) }
	bad := map[uint64]struct {
		change func(*vector.Record)
		why    string
	}{
		3:  {func(r *vector.Record) { r.Vectors[1].Dense = r.Vectors[1].Dense[:3] }, "expected dim: 4, got 3"},
		7:  {func(r *vector.Record) { r.Vectors[0].Name = "unknown" }, "unknown"},
		11: {func(r *vector.Record) { r.Vectors[0].Dense[0] = 256 }, "256 at place 0"},
		12: {func(r *vector.Record) { r.Vectors[0].Dense[2] = .5 }, "0.5 at place 2"},
		13: {func(r *vector.Record) { r.Payload = r.Payload.With("f", vector.FloatOf(math.NaN())) }, "NaN"},
		14: {func(r *vector.Record) {
			r.Payload = r.Payload.With("t", vector.ListOf([]vector.Value{vector.TextOf("\xff")}))
		}, "UTF-8"},
		15: {func(r *vector.Record) { r.Vectors[2] = vector.Vector{Name: "half", Bits: []byte{1}} }, "binary"},
		16: {func(r *vector.Record) { r.ID = vector.IDOf("text") }, "neither a number nor a UUID"},
		17: {func(r *vector.Record) { r.Vectors[4].Indices[1] = 3 }, "unique"},
	}
	var records []vector.Record
	want := map[vector.ID]string{}
	for n := range uint64(20) {
		r := good(n)
		if b, ok := bad[n]; ok {
			b.change(&r)
			want[r.ID] = b.why
		}
		records = append(records, r)
	}
	err := s.Put(t.Context(), "", records)
	var refused *vector.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("%v, want refused records", err)
	}
	for id, why := range want {
		if !strings.Contains(refused.Records[id], why) {
			t.Errorf("%s: %q, want it to say %q", id, refused.Records[id], why)
		}
	}
	if len(refused.Records) != len(want) {
		t.Errorf("refused are %v, want %d", refused.Records, len(want))
	}
	if got, _ := readAll(t, s, 100); len(got) != len(records)-len(want) {
		t.Errorf("%d are written, want %d", len(got), len(records)-len(want))
	}
}

func TestAlias(t *testing.T) {
	server := qdranttest.Shared(t)
	name, alias := server.Name(t), server.Name(t)
	s := openStore(t, server, name)
	if err := s.Create(t.Context(), dense4(vector.Dot)); err != nil {
		t.Fatal(err)
	}
	put(t, s, num(1, 1, 2, 3, 4))
	collections := pb.NewCollectionsClient(server.Conn(t))
	point := func(to string) {
		t.Helper()
		_, err := collections.UpdateAliases(t.Context(), &pb.ChangeAliases{Actions: []*pb.AliasOperations{
			{Action: &pb.AliasOperations_CreateAlias{CreateAlias: &pb.CreateAlias{CollectionName: to, AliasName: alias}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	point(name)
	by := openStore(t, server, alias)
	d, err := by.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != name || d.Facts[FactAlias] != alias || d.Facts[FactAliases] != alias || d.Count() != 1 {
		t.Errorf("it is %q by %q of %q with %d, want %q by %q with 1", d.Name, d.Facts[FactAlias], d.Facts[FactAliases], d.Count(), name, alias)
	}
	// The alias goes elsewhere in the midst of a copy.
	other := openStore(t, server, server.Name(t))
	if err := other.Create(t.Context(), dense4(vector.Dot)); err != nil {
		t.Fatal(err)
	}
	point(other.options.Collection)
	if got, _ := readAll(t, by, 10); len(got) != 1 {
		t.Errorf("%d records, want the one of the collection that was described", len(got))
	}
}

func TestErrors(t *testing.T) {
	server := qdranttest.Start(t, "secret")
	here := openStore(t, server, "none")
	locked := openStore(t, &qdranttest.Server{Host: server.Host, Port: server.Port}, "none")
	wrong := openStore(t, &qdranttest.Server{Host: server.Host, Port: server.Port, Key: "other"}, "none")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	first := func(s *Store, namespace, after string) error {
		for _, err := range s.Units(t.Context(), namespace, after, 1) {
			return err
		}
		return nil
	}
	read := func(u vector.Unit) error {
		for _, err := range here.Read(t.Context(), u) {
			return err
		}
		return nil
	}
	describe := func(s *Store, ctx context.Context) error { _, err := s.Describe(ctx); return err }
	count := func(s *Store, namespace string) error { _, err := s.Count(t.Context(), namespace); return err }
	fetch := func() error {
		_, err := here.Fetch(t.Context(), "", []vector.ID{vector.IntegerIDOf(1)})
		return err
	}
	search := func(f *vector.Filter) error {
		_, err := here.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1}}, K: 1, Filter: f})
		return err
	}
	for name, c := range map[string]struct {
		err  error
		want vector.Trouble
		says string
	}{
		"describe missing":  {describe(here, t.Context()), vector.Missing, "doesn't exist"},
		"units missing":     {first(here, "", ""), vector.Missing, "scroll: missing"},
		"fetch missing":     {fetch(), vector.Missing, "get: missing"},
		"search missing":    {search(nil), vector.Missing, "query: missing"},
		"put missing":       {here.Put(t.Context(), "", []vector.Record{num(1, 1)}), vector.Missing, "none"},
		"delete missing":    {here.Delete(t.Context(), "", []vector.ID{vector.IntegerIDOf(1)}), vector.Missing, "delete: missing"},
		"index missing":     {here.WaitIndexed(t.Context()), vector.Missing, "get: missing"},
		"no key":            {describe(locked, t.Context()), vector.Denied, "API key"},
		"wrong key":         {describe(wrong, t.Context()), vector.Denied, "API key"},
		"cancelled":         {describe(here, ended), vector.Unavailable, "canceled"},
		"units namespace":   {first(here, "ns", ""), vector.Invalid, "no namespaces"},
		"count missing":     {count(here, ""), vector.Missing, "count: missing"},
		"count namespace":   {count(here, "ns"), vector.Invalid, "no namespaces"},
		"put namespace":     {here.Put(t.Context(), "ns", nil), vector.Invalid, "no namespaces"},
		"delete namespace":  {here.Delete(t.Context(), "ns", nil), vector.Invalid, "no namespaces"},
		"units from":        {first(here, "", "x"), vector.Invalid, `"x" is neither`},
		"unit up to":        {read(vector.Unit{Upto: "6e9f6f0e6a0c5b619d5c0f4e3a6f7a11"}), vector.Invalid, "neither"},
		"unit from":         {read(vector.Unit{Upto: "1", After: "-1"}), vector.Invalid, "neither"},
		"filter by a quote": {search(&vector.Filter{Op: vector.Eq, Field: `"`}), vector.Invalid, "quotation mark"},
		"filter by a map":   {search(&vector.Filter{Op: vector.In, Field: "f", Values: []vector.Value{vector.MapOf(nil)}}), vector.Invalid, "compare"},
		"filter by what":    {search(&vector.Filter{Op: "$near", Field: "f"}), vector.Invalid, "no operator"},
	} {
		var is *vector.Error
		if !errors.As(c.err, &is) || is.Trouble != c.want || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%s: %v, want %s that says %q", name, c.err, c.want, c.says)
			continue
		}
		if want := "qdrant at " + server.Addr() + "/none"; is.Store != want {
			t.Errorf("%s: it is of %q, want %q", name, is.Store, want)
		}
	}
	if err := describe(here, ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled in it", err)
	}
	server.Kill(t)
	var is *vector.Error
	if err := describe(openStore(t, server, "none"), t.Context()); !errors.As(err, &is) || !is.Again() {
		t.Errorf("of a server that is down: %v, want one to try again", err)
	}
	if _, err := Open(Options{Host: "h"}); err == nil {
		t.Error("a store without a collection opens")
	}
}

func TestIndexing(t *testing.T) {
	s := created(t, dense4(vector.Cosine))
	before, err := s.IndexingThreshold(t.Context())
	if err != nil || before == 0 {
		t.Fatalf("the threshold is %d, %v", before, err)
	}
	if err := s.SetIndexingThreshold(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if off, err := s.IndexingThreshold(t.Context()); err != nil || off != 0 {
		t.Errorf("the threshold is %d, want 0: %v", off, err)
	}
	var records []vector.Record
	for n := range uint64(3000) {
		records = append(records, num(n, float32(n), 1, 2, float32(n%7)))
	}
	put(t, s, records...)
	if err := s.SetIndexingThreshold(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitIndexed(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := s.info(t.Context())
	if err != nil || info.GetIndexedVectorsCount() < 3000 {
		t.Errorf("%d vectors are indexed, want all 3000: %v", info.GetIndexedVectorsCount(), err)
	}
	if got, _ := readAll(t, s, 1000); len(got) != 3000 {
		t.Errorf("%d records after indexing, want 3000", len(got))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitIndexed(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}
