package vectortest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"freehold/internal/vector"
)

// Suite is what [Source] and [Target] need to know of a store.
type Suite struct {
	// Open opens a store whose collection is not there yet, another one each time.
	Open func(t *testing.T) vector.Target
	// Vectors are those of the collection that is made; the first is searched, if it is
	// dense.
	Vectors []vector.Spec
	// Small is set where tests should do with few records, since each costs time.
	Small bool
}

// Source holds what reads of a store to the interface: records come whole and with
// their types; units have each of them once; searches find what a look at all records
// finds. What Open returns may write by means of the test's own.
func Source(t *testing.T, s Suite) {
	t.Run("missing", s.missing)
	t.Run("whole", s.whole)
	t.Run("units", s.units)
	if s.Vectors[0].Form == vector.Dense {
		t.Run("search", s.search)
	}
}

// Target holds a store to all of the interface: what is written is there, and what is
// refused is told, and no more than that.
func Target(t *testing.T, s Suite) {
	Source(t, s)
	t.Run("create", s.create)
	t.Run("again", s.again)
	if s.Vectors[0].Form == vector.Dense {
		t.Run("refused", s.refused)
		t.Run("all or none", s.allOrNone)
	}
	if slices.ContainsFunc(s.Vectors, func(v vector.Spec) bool { return v.Form == vector.Sparse }) {
		t.Run("sparse", s.sparse)
	}
	t.Run("together", s.together)
}

func (s *Suite) description() *vector.Description {
	return &vector.Description{Name: "suite", Vectors: s.Vectors}
}

// made is a store with its collection.
func (s *Suite) made(t *testing.T) vector.Target {
	t.Helper()
	store := s.Open(t)
	if err := store.Create(t.Context(), s.description()); err != nil {
		t.Fatalf("create: %v", err)
	}
	return store
}

func (s *Suite) missing(t *testing.T) {
	store := s.Open(t)
	_, err := store.Describe(t.Context())
	var away *vector.Error
	if !errors.As(err, &away) || away.Trouble != vector.Missing || away.Again() {
		t.Errorf("a collection that there is not: %v", err)
	}
}

func (s *Suite) create(t *testing.T) {
	store := s.made(t)
	d, err := store.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Store == "" || d.Count() != 0 || len(d.Vectors) != len(s.Vectors) {
		t.Errorf("%+v", d)
	}
	for _, want := range s.Vectors {
		got := d.Vector(want.Name)
		if got == nil || got.Form != want.Form || got.Dim != want.Dim || got.Metric != want.Metric {
			t.Errorf("vector %q is %+v, want %+v", want.Name, got, want)
		}
	}
	if err := store.Create(t.Context(), s.description()); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	other := s.description()
	other.Vectors = slices.Clone(other.Vectors)
	other.Vectors[0].Dim++
	var wrong *vector.Error
	if err := store.Create(t.Context(), other); !errors.As(err, &wrong) || wrong.Trouble != vector.Invalid {
		t.Errorf("one with other vectors is there, and it is created: %v", err)
	}
	if n, err := store.Count(t.Context(), ""); err != nil || n != 0 {
		t.Errorf("%d records in an empty one: %v", n, err)
	}
	for u, err := range store.Units(t.Context(), "", "", 10) {
		t.Errorf("a unit of an empty one: %+v %v", u, err)
	}
}

// records makes records that the store can hold.
func (s *Suite) records(r *rand.Rand, limits *vector.Limits, namespace string, n int) []vector.Record {
	var out []vector.Record
	for i := range n {
		rec := vector.Record{ID: anID(r, limits, i), Namespace: namespace}
		for _, spec := range s.Vectors {
			rec.Vectors = append(rec.Vectors, aVector(r, &spec, limits))
		}
		rec.Payload = payload(r, limits, i)
		out = append(out, rec)
	}
	return out
}

func anID(r *rand.Rand, limits *vector.Limits, i int) vector.ID {
	switch limits.IDs[i%len(limits.IDs)] {
	case vector.IntegerID:
		return vector.IntegerIDOf(uint64(i) + 1<<40)
	case vector.UUIDID:
		var u uuid.UUID
		for j := range u {
			u[j] = byte(r.UintN(256))
		}
		return vector.UUIDOf(u)
	}
	return vector.IDOf(fmt.Sprintf("id %d/%c\"ü'", i, 'a'+rune(i%26)))
}

func aVector(r *rand.Rand, spec *vector.Spec, limits *vector.Limits) vector.Vector {
	v := vector.Vector{Name: spec.Name}
	numbers := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(r.NormFloat64())
		}
		return out
	}
	switch spec.Form {
	case vector.Dense:
		v.Dense = numbers(spec.Dim)
	case vector.Multi:
		v.Rows = 1 + r.IntN(3)
		v.Dense = numbers(v.Rows * spec.Dim)
	case vector.Sparse:
		at := uint32(0)
		for range 1 + r.IntN(5) {
			at += 1 + r.Uint32N(1000)
			v.Indices = append(v.Indices, at)
		}
		v.Values = numbers(len(v.Indices))
		for i := range v.Values {
			if limits.Positive {
				v.Values[i] = max(v.Values[i], -v.Values[i])
			}
		}
	case vector.Binary:
		v.Bits = make([]byte, spec.Dim/8)
		for i := range v.Bits {
			v.Bits[i] = byte(r.UintN(256))
		}
	}
	return v
}

// payload has a field of each kind that the store has.
func payload(r *rand.Rand, limits *vector.Limits, i int) vector.Payload {
	fields := []vector.Field{
		{Name: "text", Value: vector.TextOf(fmt.Sprintf("text %d 'ü\" %s", i, []string{"", "red", "blue"}[i%3]))},
		{Name: "colour", Value: vector.TextOf([]string{"red", "green", "blue"}[i%3])},
		{Name: "price", Value: vector.FloatOf(float64(i) + 0.25)},
		{Name: "whole", Value: vector.FloatOf(float64(2000 + i%7))},
		{Name: "flag", Value: vector.BoolOf(i%2 == 0)},
		{Name: "tags", Value: vector.ListOf([]vector.Value{vector.TextOf("a"), vector.TextOf([]string{"b", "c"}[i%2])})},
	}
	if limits.Integers {
		fields = append(fields, vector.Field{Name: "year", Value: vector.IntOf(int64(2000 + i%7))}, vector.Field{Name: "large", Value: vector.IntOf(1<<60 + int64(r.IntN(1000)))})
	}
	if limits.Nulls {
		fields = append(fields, vector.Field{Name: "nothing"})
	}
	if limits.Nested {
		inner := vector.NewPayload([]vector.Field{{Name: "deep", Value: vector.ListOf([]vector.Value{vector.FloatOf(1), vector.BoolOf(true)})}})
		fields = append(fields, vector.Field{Name: "map", Value: vector.MapOf(inner)}, vector.Field{Name: "numbers", Value: vector.ListOf([]vector.Value{vector.FloatOf(0.5), vector.FloatOf(2)})})
	}
	return vector.NewPayload(fields)
}

// put writes records in as many pieces as the store needs.
func put(ctx context.Context, store vector.Target, records []vector.Record) error {
	n := 100
	if most := store.Limits().Records; most > 0 {
		n = min(n, most)
	}
	for part := range slices.Chunk(records, n) {
		if err := store.Put(ctx, part[0].Namespace, part); err != nil {
			return err
		}
	}
	return nil
}

// held fails unless the store has these records as they are.
func held(t *testing.T, store vector.Target, want []vector.Record) {
	t.Helper()
	d, err := store.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]vector.ID, len(want))
	for i := range want {
		ids[i] = want[i].ID
	}
	got, err := store.Fetch(t.Context(), want[0].Namespace, ids)
	if err != nil {
		t.Fatal(err)
	}
	same(t, d, want, got)
}

func same(t *testing.T, d *vector.Description, want, got []vector.Record) {
	t.Helper()
	have := map[vector.ID]*vector.Record{}
	for i := range got {
		if have[got[i].ID] != nil {
			t.Errorf("%s comes twice", got[i].ID)
		}
		have[got[i].ID] = &got[i]
	}
	wrong := 0
	for i := range want {
		g := have[want[i].ID]
		if g == nil {
			t.Errorf("%s is not there", want[i].ID)
			wrong++
		} else if diff := vector.Differences(&want[i], g, d); len(diff) > 0 || g.Namespace != want[i].Namespace {
			t.Errorf("%s: %+v", want[i].ID, diff)
			wrong++
		}
		if wrong > 3 {
			break
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

func (s *Suite) size() int {
	if s.Small {
		return 40
	}
	return 300
}

// whole: records come back as they were, each namespace by itself.
func (s *Suite) whole(t *testing.T) {
	store, r := s.made(t), rand.New(rand.NewPCG(1, 2))
	limits := store.Limits()
	first := s.records(r, &limits, "", s.size())
	if err := put(t.Context(), store, first); err != nil {
		t.Fatal(err)
	}
	held(t, store, first)
	if limits.Namespace {
		second := s.records(r, &limits, "another", 30)
		for i := range second {
			second[i].ID = first[i].ID
		}
		if err := put(t.Context(), store, second); err != nil {
			t.Fatal(err)
		}
		held(t, store, first)
		held(t, store, second)
		if n, err := store.Count(t.Context(), "another"); err != nil || n != 30 {
			t.Errorf("%d in the other namespace: %v", n, err)
		}
		d, err := store.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, d, second, read(t, store, "another"))
	}
	if n, err := store.Count(t.Context(), ""); err != nil || n != int64(len(first)) {
		t.Errorf("%d of %d: %v", n, len(first), err)
	}
	none, err := store.Fetch(t.Context(), "", []vector.ID{anID(r, &limits, 1_000_000)})
	if err != nil || len(none) != 0 {
		t.Errorf("fetched what there is not: %v %v", none, err)
	}
}

// read reads all units of a namespace.
func read(t *testing.T, store vector.Target, namespace string) (out []vector.Record) {
	t.Helper()
	for u, err := range store.Units(t.Context(), namespace, "", 8) {
		if err != nil {
			t.Fatal(err)
		}
		for part, err := range store.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, part...)
		}
	}
	return out
}

// again: a record takes the place of the one with its id, whole; and what is deleted
// is gone, however often.
func (s *Suite) again(t *testing.T) {
	store, r := s.made(t), rand.New(rand.NewPCG(3, 4))
	limits := store.Limits()
	records := s.records(r, &limits, "", 20)
	if err := put(t.Context(), store, records); err != nil {
		t.Fatal(err)
	}
	for i := range records {
		for j := range records[i].Vectors {
			records[i].Vectors[j] = aVector(r, &s.Vectors[j], &limits)
		}
		records[i].Payload = vector.NewPayload([]vector.Field{{Name: "only", Value: vector.TextOf("this")}})
	}
	for range 2 {
		if err := put(t.Context(), store, records); err != nil {
			t.Fatal(err)
		}
	}
	held(t, store, records)
	for range 2 {
		if err := store.Delete(t.Context(), "", []vector.ID{records[0].ID, records[1].ID}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := store.Count(t.Context(), ""); err != nil || n != 18 {
		t.Errorf("%d are left of 18: %v", n, err)
	}
	held(t, store, records[2:])
}

// units: whatever their size, and from wherever the listing is taken up, they have
// each record once, and reading them gives it.
func (s *Suite) units(t *testing.T) {
	store, r := s.made(t), rand.New(rand.NewPCG(5, 6))
	limits := store.Limits()
	records := s.records(r, &limits, "", s.size()+7)
	if err := put(t.Context(), store, records); err != nil {
		t.Fatal(err)
	}
	d, err := store.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{7, 100, 10_000} {
		var got []vector.Record
		after := ""
		for more := true; more; { // each listing goes on for three units, and is then taken up
			more = false
			n := 0
			for u, err := range store.Units(t.Context(), "", after, size) {
				if err != nil {
					t.Fatal(err)
				}
				read := 0
				for part, err := range store.Read(t.Context(), u) {
					if err != nil {
						t.Fatal(err)
					}
					read += len(part)
					got = append(got, part...)
				}
				if read != u.Count {
					t.Errorf("a unit of %d has %d records", u.Count, read)
				}
				after = u.Next
				if n++; n == 3 && u.Next != "" {
					more = true
					break
				}
			}
		}
		same(t, d, records, got)
	}
	// What has gone since it was listed is left out.
	for u, err := range store.Units(t.Context(), "", "", 50) {
		if err != nil {
			t.Fatal(err)
		}
		var before, now []vector.Record
		for part := range store.Read(t.Context(), u) {
			before = append(before, part...)
		}
		if err := store.Delete(t.Context(), "", []vector.ID{before[0].ID}); err != nil {
			t.Fatal(err)
		}
		for part, err := range store.Read(t.Context(), u) {
			if err != nil {
				t.Fatal(err)
			}
			now = append(now, part...)
		}
		same(t, d, before[1:], now)
		break
	}
}

// refused: one record that the store cannot take is told, and all others are there.
func (s *Suite) refused(t *testing.T) {
	store, r := s.made(t), rand.New(rand.NewPCG(7, 8))
	limits := store.Limits()
	records := s.records(r, &limits, "", 20)
	bad := &records[11]
	bad.Vectors = slices.Clone(bad.Vectors)
	bad.Vectors[0].Dense = append(slices.Clone(bad.Vectors[0].Dense), 1)
	err := store.Put(t.Context(), "", records)
	var refused *vector.RefusedError
	if !errors.As(err, &refused) || len(refused.Records) != 1 || refused.Records[bad.ID] == "" {
		t.Fatalf("a vector that is too long: %v", err)
	}
	held(t, store, slices.Delete(records, 11, 12))
	if n, err := store.Count(t.Context(), ""); err != nil || n != 19 {
		t.Errorf("%d of 19 are there: %v", n, err)
	}
}

// allOrNone: where a store can write all or none, one record that it cannot take keeps all
// others out, and what was there before stays.
func (s *Suite) allOrNone(t *testing.T) {
	store, r := s.made(t), rand.New(rand.NewPCG(9, 8))
	w, ok := store.(vector.Whole)
	if !ok {
		return
	}
	limits := store.Limits()
	before := s.records(r, &limits, "", 20)
	can, err := w.PutWhole(t.Context(), "", before)
	if !can {
		if n, cerr := store.Count(t.Context(), ""); n != 0 || err != nil || cerr != nil {
			t.Errorf("it cannot, and has %d records: %v, %v", n, err, cerr)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	now := append(slices.Clone(before), s.records(r, &limits, "", 30)[20:]...)
	for i := range 20 {
		now[i].Payload = now[29-i%10].Payload
	}
	bad := &now[25]
	bad.Vectors = slices.Clone(bad.Vectors)
	bad.Vectors[0].Dense = append(slices.Clone(bad.Vectors[0].Dense), 1)
	can, err = w.PutWhole(t.Context(), "", now)
	var refused *vector.RefusedError
	var invalid *vector.Error
	if !can || !errors.As(err, &refused) && (!errors.As(err, &invalid) || invalid.Trouble != vector.Invalid) {
		t.Fatalf("a vector that is too long: %t, %v", can, err)
	}
	held(t, store, before)
	if n, err := store.Count(t.Context(), ""); err != nil || n != 20 {
		t.Errorf("%d of 20 are there: %v", n, err)
	}
}

// search finds what a look at all records finds, with filters of each operator.
func (s *Suite) search(t *testing.T) {
	spec := s.Vectors[0]
	store, r := s.made(t), rand.New(rand.NewPCG(9, 10))
	limits := store.Limits()
	records := s.records(r, &limits, "", s.size())
	for i := range records {
		if i%5 == 0 { // some have not all fields
			records[i].Payload = slices.DeleteFunc(records[i].Payload, func(f vector.Field) bool { return f.Name == "colour" || f.Name == "price" })
		}
	}
	if err := put(t.Context(), store, records); err != nil {
		t.Fatal(err)
	}
	text, number := vector.TextOf, vector.FloatOf
	filters := []*vector.Filter{
		nil,
		{Op: vector.Eq, Field: "colour", Value: text("red")}, {Op: vector.Ne, Field: "colour", Value: text("red")},
		{Op: vector.In, Field: "colour", Values: []vector.Value{text("red"), text("blue")}}, {Op: vector.Nin, Field: "colour", Values: []vector.Value{text("red"), text("blue")}},
		{Op: vector.Eq, Field: "whole", Value: number(2003)}, {Op: vector.Gt, Field: "price", Value: number(10.25)}, {Op: vector.Gte, Field: "price", Value: number(10.25)},
		{Op: vector.Lt, Field: "price", Value: number(10.25)}, {Op: vector.Lte, Field: "price", Value: number(10.25)},
		{Op: vector.Exists, Field: "price", Value: vector.BoolOf(true)}, {Op: vector.Exists, Field: "price", Value: vector.BoolOf(false)},
		{Op: vector.Eq, Field: "tags", Value: text("c")}, {Op: vector.Eq, Field: "flag", Value: vector.BoolOf(true)},
		{Op: vector.And, Of: []vector.Filter{{Op: vector.Eq, Field: "colour", Value: text("green")}, {Op: vector.Or, Of: []vector.Filter{
			{Op: vector.Lt, Field: "price", Value: number(9)}, {Op: vector.Eq, Field: "flag", Value: vector.BoolOf(false)}}}}},
	}
	if limits.Integers {
		filters = append(filters, &vector.Filter{Op: vector.Eq, Field: "year", Value: vector.IntOf(2003)}, &vector.Filter{Op: vector.In, Field: "year", Values: []vector.Value{vector.IntOf(2001), vector.IntOf(2002)}})
	}
	for _, f := range filters {
		q := aVector(r, &spec, &limits)
		const k = 15
		nearest := vector.NewNearest(spec.Metric, k)
		for i := range records {
			if f.Match(records[i].Payload) {
				nearest.Add(records[i].ID, spec.Metric.Score(&q, records[i].Vector(spec.Name)))
			}
		}
		want := nearest.Hits()
		got, err := store.Search(t.Context(), vector.Search{Query: q, K: k, Filter: f})
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d hits, want %d", f, len(got), len(want))
			continue
		}
		for i := range want {
			if d := got[i].Score - want[i].Score; got[i].ID != want[i].ID && (d > 1e-4 || d < -1e-4) {
				t.Errorf("%s: hit %d is %v, want %v", f, i, got[i], want[i])
				break
			}
		}
	}
}

// sparse: an index that the store has not is told before, by its limits, and by Put;
// each other one comes back as it was.
func (s *Suite) sparse(t *testing.T) {
	store, r := s.made(t), rand.New(rand.NewPCG(15, 16))
	limits := store.Limits()
	for i, index := range []uint32{0, 1, 999_999_999, 1_000_000_000, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 1, math.MaxUint32} {
		records := s.records(r, &limits, "", 2)
		for j := range records {
			records[j].ID = anID(r, &limits, 2*i+j)
		}
		one := &records[1]
		for j := range one.Vectors {
			if v := &one.Vectors[j]; v.Indices != nil {
				v.Indices, v.Values = []uint32{index}, []float32{0.5}
			}
		}
		why := limits.Refuse(one)
		err := store.Put(t.Context(), "", records)
		var refused *vector.RefusedError
		switch {
		case why == "" && err == nil:
			held(t, store, records)
		case why != "" && errors.As(err, &refused) && len(refused.Records) == 1 && refused.Records[one.ID] != "":
			held(t, store, records[:1])
		default:
			t.Errorf("index %d: its limits say %q, and Put %v", index, why, err)
		}
	}
}

// together: many at once lose nothing.
func (s *Suite) together(t *testing.T) {
	store, r := s.made(t), rand.New(rand.NewPCG(11, 12))
	limits := store.Limits()
	records := s.records(r, &limits, "", s.size())
	var all sync.WaitGroup
	for part := range slices.Chunk(records, 25) {
		all.Go(func() {
			if err := put(t.Context(), store, part); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	held(t, store, records)
	if n, err := store.Count(t.Context(), ""); err != nil || n != int64(len(records)) {
		t.Errorf("%d of %d: %v", n, len(records), err)
	}
}
