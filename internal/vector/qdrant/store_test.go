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

	"github.com/google/uuid"
	"google.golang.org/grpc/connectivity"

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
	out, err := Open(Options{Host: s.Addr(), APIKey: s.Key, Collection: collection})
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

func TestOneVectorOfSeveral(t *testing.T) {
	s := created(t, everything())
	put(t, s, full(2), full(3))
	one, err := Open(Options{Host: qdranttest.Shared(t).Addr(), Collection: s.options.Collection, Vector: "late"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.Close() })
	d, err := one.Describe(t.Context())
	if err != nil || len(d.Vectors) != 1 || d.Vectors[0].Name != "late" {
		t.Errorf("%+v, %v, want one vector", d, err)
	}
	read, _ := readAll(t, one, 10)
	fetched, err := one.Fetch(t.Context(), "", []vector.ID{full(2).ID, full(3).ID})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][]vector.Record{read, fetched} {
		if len(got) != 2 || len(got[0].Vectors) != 1 || len(got[1].Vectors) != 1 || got[0].Vector("late") == nil {
			t.Errorf("%v, want 2 records with the one vector", got)
		}
	}
	one.options.Vector = "none"
	if _, err := one.Describe(t.Context()); err == nil || !strings.Contains(err.Error(), `no vector "none"`) {
		t.Errorf("%v, want that there is no such vector", err)
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

// TestAServerThatComesBack is written to again by the same store, soon.
func TestAServerThatComesBack(t *testing.T) {
	server := qdranttest.Start(t, "")
	s := openStore(t, server, server.Name(t))
	if err := s.Create(t.Context(), dense4(vector.Dot)); err != nil {
		t.Fatal(err)
	}
	put(t, s, num(1, 1, 2, 3, 4))
	server.Kill(t)
	var is *vector.Error
	if err := s.Put(t.Context(), "", []vector.Record{num(2, 1, 2, 3, 4)}); !errors.As(err, &is) || !is.Again() {
		t.Errorf("%v, want one to try again", err)
	}
	server.Start(t)
	for {
		err := s.Put(t.Context(), "", []vector.Record{num(2, 1, 2, 3, 4)})
		if err == nil {
			break
		}
		if !errors.As(err, &is) || !is.Again() {
			t.Fatal(err)
		}
		s.conn.WaitForStateChange(t.Context(), connectivity.TransientFailure)
	}
	if got, _ := readAll(t, s, 10); len(got) != 2 {
		t.Errorf("%d records, want 2", len(got))
	}
}
