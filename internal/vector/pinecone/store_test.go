package pinecone_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/sim"
)

func TestCreateAndDescribe(t *testing.T) {
	server := startSim(t, sim.Options{})
	for _, c := range []struct {
		name string
		want []vector.Spec
		kind string
	}{
		{"cosine", []vector.Spec{{Form: vector.Dense, Dim: 3, Metric: vector.Cosine, Element: "float32"}}, "dense"},
		{"euclid", []vector.Spec{{Form: vector.Dense, Dim: 20000, Metric: vector.Euclid, Element: "float32"}}, "dense"},
		{"hybrid", []vector.Spec{{Form: vector.Dense, Dim: 3, Metric: vector.Dot, Element: "float32"}, {Name: pinecone.SparseName, Form: vector.Sparse, Metric: vector.Dot, Element: "float32"}}, "dense"},
		{"sparse", []vector.Spec{{Name: pinecone.SparseName, Form: vector.Sparse, Metric: vector.Dot, Element: "float32"}}, "sparse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			time := newStill()
			server := startSim(t, sim.Options{Ready: 20e9, Clock: time.clock})
			s := open(t, server, "", c.name, func(o *pinecone.Options) { o.Clock, o.Sleep = time.clock, time.sleep })
			if _, err := s.Describe(t.Context()); !trouble(err, vector.Missing) {
				t.Errorf("an index that is not there: %v", err)
			}
			want := &vector.Description{Vectors: c.want}
			if err := s.Create(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			if time.slept < 20e9 {
				t.Errorf("it was ready after %v", time.slept)
			}
			if err := s.Create(t.Context(), want); err != nil {
				t.Errorf("the same once more: %v", err)
			}
			other := &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 7, Metric: vector.Cosine}}}
			if err := s.Create(t.Context(), other); !trouble(err, vector.Invalid) {
				t.Errorf("another one with the same name: %v", err)
			}
			got, err := s.Describe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got.Vectors); d != "" {
				t.Error(d)
			}
			if got.Facts["spec"] != "serverless" || got.Facts["region"] != "us-east-1" || !strings.Contains(got.Facts["counts"], "lag") {
				t.Errorf("facts: %v", got.Facts)
			}
		})
	}
	s := open(t, server, "", "wrong", nil)
	for _, v := range [][]vector.Spec{
		nil,
		{{Form: vector.Dense, Dim: 3, Metric: vector.Manhattan}},
		{{Name: "title", Form: vector.Dense, Dim: 3, Metric: vector.Cosine}},
		{{Form: vector.Dense, Dim: 3, Metric: vector.Cosine}, {Name: pinecone.SparseName, Form: vector.Sparse}},
		{{Name: "bm25", Form: vector.Sparse}},
		{{Form: vector.Multi, Dim: 3, Metric: vector.Cosine}},
		{{Form: vector.Dense, Dim: 20001, Metric: vector.Cosine}},
	} {
		if err := s.Create(t.Context(), &vector.Description{Vectors: v}); !trouble(err, vector.Invalid) {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// A description has all namespaces, also those that are too new for the counts.
func TestNamespaces(t *testing.T) {
	time := newStill()
	server := startSim(t, sim.Options{Lag: 60e9, Clock: time.clock})
	s := addIndex(t, server, hybrid, nil)
	put(t, s, "", someRecords("", 3))
	for i := range 150 {
		put(t, s, fmt.Sprintf("ns-%03d", i), someRecords("", 1))
	}
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Namespaces) != 151 || d.Namespaces[0].Name != "" || d.Count() != 0 {
		t.Errorf("while counts lag: %d namespaces with %d records", len(d.Namespaces), d.Count())
	}
	if err := time.sleep(t.Context(), 60e9); err != nil {
		t.Fatal(err)
	}
	if d, err = s.Describe(t.Context()); err != nil || d.Count() != 153 || d.Namespaces[0].Count != 3 {
		t.Errorf("later: %d records, %v", d.Count(), err)
	}
	only := open(t, server, d.Facts["host"], hybrid.Name, func(o *pinecone.Options) { o.Namespaces = []string{"", "ns-007"} })
	if d, err = only.Describe(t.Context()); err != nil || len(d.Namespaces) != 2 || d.Count() != 4 {
		t.Errorf("of two namespaces: %v, %v", d, err)
	}
}

func TestRoundTrip(t *testing.T) {
	server := startSim(t, sim.Options{})
	s := addIndex(t, server, hybrid, nil)
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range []string{"", "second"} {
		want := someRecords(ns, 2345)
		put(t, s, ns, want)
		got, units := everything(t, s, ns, 250)
		if n := len(units); n != 8 { // pages of 100, joined to 300
			t.Errorf("namespace %q: %d units", ns, n)
		}
		same(t, d, want, got)
		if n, err := s.Count(t.Context(), ns); n != 2345 || err != nil {
			t.Errorf("namespace %q has %d, %v", ns, n, err)
		}
		some, err := s.Fetch(t.Context(), ns, []vector.ID{want[3].ID, vector.IDOf("nobody"), want[2000].ID})
		if err != nil {
			t.Fatal(err)
		}
		same(t, d, []vector.Record{want[3], want[2000]}, some)
	}
	if err := s.Delete(t.Context(), "", ids(someRecords("", 2300))); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "nowhere", ids(someRecords("", 1))); err != nil {
		t.Errorf("in a namespace that is not there: %v", err)
	}
	got, _ := everything(t, s, "", 100)
	same(t, d, someRecords("", 2345)[2300:], got)
	if got, _ := everything(t, s, "second", 100); len(got) != 2345 {
		t.Errorf("the other namespace has %d", len(got))
	}
	if got, units := everything(t, s, "nowhere", 100); len(got) != 0 || len(units) != 0 {
		t.Errorf("a namespace that is not there has %d units", len(units))
	}
}

// A listing goes on behind any of its units, and has ended behind the last one.
func TestUnitsGoOn(t *testing.T) {
	server := startSim(t, sim.Options{})
	s := addIndex(t, server, hybrid, nil)
	put(t, s, "", someRecords("", 1000)) // whole pages: the last one is not known for it
	_, all := everything(t, s, "", 100)
	for i := range all {
		var rest []vector.Unit
		for u, err := range s.Units(t.Context(), "", all[i].Next, 100) {
			if err != nil {
				t.Fatal(err)
			}
			rest = append(rest, u)
		}
		if d := cmp.Diff(all[i+1:], rest, cmp.Transformer("nil", func(u []vector.Unit) []vector.Unit { return slices.Clip(append([]vector.Unit{}, u...)) })); len(rest) != len(all)-i-1 || len(rest) > 0 && d != "" {
			t.Errorf("behind unit %d: %s", i, d)
		}
	}
	for _, err := range s.Units(t.Context(), "", "count:7", 100) {
		if !trouble(err, vector.Invalid) {
			t.Errorf("behind a place of another kind: %v", err)
		}
	}
}

func TestPods(t *testing.T) {
	server := startSim(t, sim.Options{})
	want := someRecords("", 1050)
	given := func(yield func(string, error) bool) {
		for _, r := range want {
			if !yield(r.ID.String(), nil) {
				return
			}
		}
	}
	pod := sim.Index{Name: "pods", Dimension: 4, Metric: "dotproduct", Pod: true}
	host, err := server.Add(pod)
	if err != nil {
		t.Fatal(err)
	}
	plain := open(t, server, host, pod.Name, nil)
	put(t, plain, "", want)
	if d, err := plain.Describe(t.Context()); err != nil || d.Count() != 1050 || d.Facts["pods"] != "1" {
		t.Errorf("%v, %v", d, err)
	}
	for _, err := range plain.Units(t.Context(), "", "", 10) {
		if !trouble(err, vector.Invalid) || !strings.Contains(err.Error(), "--ids") {
			t.Errorf("to list a pod index: %v", err)
		}
	}
	s := open(t, server, host, pod.Name, func(o *pinecone.Options) { o.IDs = given })
	d, err := s.Describe(t.Context())
	if err != nil || d.Facts["spec"] != "pod" || d.Count() != 1050 {
		t.Fatalf("%v, %v", d, err)
	}
	got, units := everything(t, s, "", 100)
	same(t, d, want, got)
	if n, err := s.Count(t.Context(), ""); n != 1050 || err != nil {
		t.Errorf("it has %d, %v", n, err)
	}
	n := 0
	for u, err := range s.Units(t.Context(), "", units[3].Next, 100) {
		if err != nil {
			t.Fatal(err)
		}
		n += u.Count
	}
	if n != 650 {
		t.Errorf("behind 400 there are %d", n)
	}
}

func TestSearch(t *testing.T) {
	server := startSim(t, sim.Options{})
	s := addIndex(t, server, hybrid, nil)
	records := someRecords("", 300)
	put(t, s, "", records)
	year := vector.Filter{Op: vector.Gte, Field: "year", Value: vector.FloatOf(2003)}
	for _, f := range []*vector.Filter{
		nil, &year,
		{Op: vector.And, Of: []vector.Filter{year, {Op: vector.In, Field: "tags", Values: []vector.Value{vector.TextOf("t1"), vector.TextOf("t2")}}}},
		{Op: vector.Or, Of: []vector.Filter{{Op: vector.Exists, Field: "genre", Value: vector.BoolOf(false)}, {Op: vector.Eq, Field: "new", Value: vector.BoolOf(true)}}},
		{Op: vector.Nin, Field: "genre", Values: []vector.Value{vector.TextOf("drama")}},
		{Op: vector.Ne, Field: "price", Value: vector.IntOf(0)},
	} {
		hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: records[0].Vectors[0].Dense}, K: 1000, Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for i, h := range hits {
			got = append(got, h.ID.String())
			if i > 0 && h.Score > hits[i-1].Score {
				t.Errorf("hit %d is nearer than the one before", i)
			}
		}
		for i := range records {
			if f.Match(records[i].Payload) {
				want = append(want, records[i].ID.String())
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: %s", f, d)
		}
	}
}

// What is wrong with a record is told of this record, and all others are written.
func TestRefused(t *testing.T) {
	server := startSim(t, sim.Options{})
	s := addIndex(t, server, hybrid, nil)
	good := someRecords("", 50)
	one := func(id string, change func(*vector.Record)) vector.Record {
		r := someRecords("", 2)[1]
		r.ID = vector.IDOf(id)
		change(&r)
		return r
	}
	with := func(v vector.Value) func(*vector.Record) {
		return func(r *vector.Record) { r.Payload = r.Payload.With("x", v) }
	}
	list := func(v ...vector.Value) vector.Value { return vector.ListOf(v) }
	bad := []vector.Record{
		one("", func(*vector.Record) {}),
		one(strings.Repeat("i", 513), func(*vector.Record) {}),
		one("null", with(vector.Value{})),
		one("map", with(vector.MapOf(nil))),
		one("numbers", with(list(vector.FloatOf(1)))),
		one("nested", with(list(list(vector.TextOf("a"))))),
		one("whole", with(vector.IntOf(1<<53+1))),
		one("large", with(vector.TextOf(strings.Repeat("x", 40<<10)))),
		one("dollar", func(r *vector.Record) { r.Payload = r.Payload.With("$x", vector.TextOf("")) }),
		one("zero", func(r *vector.Record) { r.Vectors = []vector.Vector{{Dense: make([]float32, 4)}} }),
		one("short", func(r *vector.Record) { r.Vectors = []vector.Vector{{Dense: []float32{1}}} }),
		one("named", func(r *vector.Record) { r.Vectors = []vector.Vector{{Name: "title", Dense: []float32{1, 2, 3, 4}}} }),
		one("none", func(r *vector.Record) { r.Vectors = nil }),
	}
	all := slices.Concat(good[:20], bad, good[20:])
	err := s.Put(t.Context(), "", all)
	var refused *vector.RefusedError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	for _, r := range bad {
		if refused.Records[r.ID] == "" {
			t.Errorf("%.20q is not refused", r.ID)
		}
	}
	if len(refused.Records) != len(bad) {
		t.Errorf("%d are refused: %v", len(refused.Records), refused.Records)
	}
	if n := len(server.Records(hybrid.Name, "")); n != len(good) {
		t.Errorf("%d are written", n)
	}
}

// Requests stay below 2 MB and 1000 records, and answers have about 1 MB.
func TestSizes(t *testing.T) {
	server := startSim(t, sim.Options{})
	s := addIndex(t, server, sim.Index{Name: "large", Dimension: 20000, Metric: "cosine"}, nil)
	records := make([]vector.Record, 101)
	for i := range records {
		dense := make([]float32, 20000)
		dense[i] = 1
		records[i] = vector.Record{ID: vector.IDOf(fmt.Sprintf("%03d", i)), Vectors: []vector.Vector{{Dense: dense}}}
	}
	put(t, s, "", records)
	if n := server.Requests("upsert"); n != 5 {
		t.Errorf("%d upserts of at most 24 records", n)
	}
	got, _ := everything(t, s, "", 100)
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, d, records, got)
	before := server.Requests("fetch")
	if got, _ = everything(t, s, "", 100); len(got) != 101 {
		t.Errorf("%d records", len(got))
	}
	if n := server.Requests("fetch") - before; n != 9 {
		t.Errorf("%d fetches when the size is known", n)
	}
}

func TestTroubles(t *testing.T) {
	unit := vector.Unit{IDs: []string{"id-00000"}, Count: 1}
	for _, c := range []struct {
		name  string
		fault sim.Fault
		want  vector.Trouble
		after time.Duration
	}{
		{"throttled", sim.Fault{Code: codes.ResourceExhausted, RetryAfter: 7 * time.Second}, vector.Throttled, 7 * time.Second},
		{"throttled for who knows how long", sim.Fault{Code: codes.ResourceExhausted}, vector.Throttled, 0},
		{"away", sim.Fault{Code: codes.Unavailable}, vector.Unavailable, 0},
		{"broken", sim.Fault{Code: codes.Internal}, vector.Unavailable, 0},
		{"cut", sim.Fault{Cut: true}, vector.Unavailable, 0},
		{"cut when it is done", sim.Fault{Cut: true, Done: true}, vector.Unavailable, 0},
		{"forbidden", sim.Fault{Code: codes.PermissionDenied}, vector.Denied, 0},
		{"missing", sim.Fault{Code: codes.NotFound}, vector.Missing, 0},
		{"wrong", sim.Fault{Code: codes.InvalidArgument}, vector.Invalid, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startSim(t, sim.Options{Fault: sim.Every(1, c.fault, "fetch", "describe_index")})
			s := addIndex(t, server, hybrid, nil)
			put(t, s, "", someRecords("", 1))
			var err error
			for _, err = range s.Read(t.Context(), unit) {
			}
			told(t, err, c.want, c.after)
			s = open(t, server, "", hybrid.Name, nil) // the host is unknown: the control plane is needed
			_, err = s.Describe(t.Context())
			told(t, err, c.want, c.after)
		})
	}
}

func told(t *testing.T, err error, want vector.Trouble, after time.Duration) {
	t.Helper()
	var e *vector.Error
	if !errors.As(err, &e) || e.Trouble != want || e.RetryAfter != after || !strings.Contains(e.Store, hybrid.Name) || e.Doing == "" {
		t.Errorf("%s after %v is wanted: %v", want, after, err)
	}
}

// Where the control plane does not know the key, the index itself says what it is.
func TestDataPlaneAlone(t *testing.T) {
	server := startSim(t, sim.Options{Fault: sim.Every(1, sim.Fault{Code: codes.PermissionDenied}, "describe_index")})
	s := addIndex(t, server, hybrid, nil)
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Vectors) != 2 || d.Vectors[0].Dim != 4 || d.Vectors[0].Metric != vector.Dot || d.Facts["control plane"] == "" {
		t.Errorf("%+v", d)
	}
}

func TestWrongKey(t *testing.T) {
	server := startSim(t, sim.Options{})
	host, err := server.Add(hybrid)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, server, host, hybrid.Name, func(o *pinecone.Options) { o.Key = "another" })
	if _, err := s.Describe(t.Context()); !trouble(err, vector.Denied) || strings.Contains(err.Error(), "another") {
		t.Errorf("describe: %v", err)
	}
	if err := s.Put(t.Context(), "", someRecords("", 1)); !trouble(err, vector.Denied) {
		t.Errorf("put: %v", err)
	}
}

func same(t *testing.T, d *vector.Description, want, got []vector.Record) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d records, %d are wanted", len(got), len(want))
	}
	byID := map[vector.ID]*vector.Record{}
	for i := range got {
		byID[got[i].ID] = &got[i]
	}
	for i := range want {
		g := byID[want[i].ID]
		if g == nil {
			t.Fatalf("%s is missing", want[i].ID)
		}
		if g.Namespace != want[i].Namespace {
			t.Fatalf("%s is in namespace %q", g.ID, g.Namespace)
		}
		if d := vector.Differences(&want[i], g, d); len(d) > 0 {
			t.Fatalf("%+v", d[0])
		}
	}
}

func ids(records []vector.Record) []vector.ID {
	out := make([]vector.ID, len(records))
	for i := range records {
		out[i] = records[i].ID
	}
	return out
}

func trouble(err error, want vector.Trouble) bool {
	var e *vector.Error
	return errors.As(err, &e) && e.Trouble == want
}
