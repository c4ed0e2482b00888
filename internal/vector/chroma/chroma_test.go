package chroma

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/chroma/chromatest"
)

// created makes a collection of its own for the test.
func created(t *testing.T, metric vector.Metric, o Options) *Store {
	t.Helper()
	server := chromatest.Shared(t)
	o.Collection = server.Name(t)
	s := openStore(t, server, o)
	if err := s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: metric}}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func record(id string, fields ...vector.Field) vector.Record {
	return vector.Record{ID: vector.IDOf(id), Vectors: []vector.Vector{{Dense: []float32{.1, .2}}}, Payload: vector.NewPayload(fields)}
}

func put(t *testing.T, s *Store, records ...vector.Record) {
	t.Helper()
	for part := range slices.Chunk(records, maxPage) {
		if err := s.Put(t.Context(), "", part); err != nil {
			t.Fatal(err)
		}
	}
}

func fetch(t *testing.T, s *Store, id string) vector.Record {
	t.Helper()
	got, err := s.Fetch(t.Context(), "", []vector.ID{vector.IDOf(id), vector.IDOf("there is none"), vector.IntegerIDOf(1)})
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v: %v", got, err)
	}
	return got[0]
}

// TestListingUnderDeletes deletes what was listed, and some that were not, between
// pages: all that stays is listed, from wherever the listing is taken up.
func TestListingUnderDeletes(t *testing.T) {
	for name, deletes := range map[string]func(i, page int) bool{
		"none":           func(int, int) bool { return false },
		"the first ones": func(i, page int) bool { return i < 40*page },
		"all listed":     func(i, page int) bool { return i < 20*page },
		"the last one":   func(i, page int) bool { return i == 20*page-1 },
		"many of all":    func(i, page int) bool { return i%3 == page%3 },
	} {
		t.Run(name, func(t *testing.T) {
			s := created(t, vector.Euclid, Options{})
			var all []vector.Record
			for i := range 200 {
				all = append(all, record(fmt.Sprintf("r%d", i*7919%200)))
			}
			put(t, s, all...)
			gone, seen := map[string]bool{}, map[string]bool{}
			after, page := "", 0
			for more := true; more; {
				more = false
				for u, err := range s.Units(t.Context(), "", after, 20) {
					if err != nil {
						t.Fatal(err)
					}
					for _, id := range u.IDs {
						seen[id] = true
					}
					after, more = u.Next, true
					break
				}
				if page++; page > 4 {
					continue
				}
				var ids []vector.ID
				for i := range all {
					if id := all[i].ID; deletes(i, page) && !gone[id.String()] {
						gone[id.String()] = true
						ids = append(ids, id)
					}
				}
				if err := s.Delete(t.Context(), "", ids); err != nil {
					t.Fatal(err)
				}
			}
			for i := range all {
				if id := all[i].ID.String(); !gone[id] && !seen[id] {
					t.Errorf("%s is not listed", id)
				}
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	s := created(t, vector.Euclid, Options{})
	text := func(name, s string) vector.Field { return vector.Field{Name: name, Value: vector.TextOf(s)} }
	for i, r := range []vector.Record{
		record("a", text("document", "d"), text(uriField, "u"), text("x", "1"), vector.Field{Name: "n", Value: vector.IntOf(1)}),
		record("a", text("document", ""), text(uriField, "v"), text("y", "\x00ü")),
		record("a", text("x", "no document, and no URI")), // it is taken away whole
		record("a", vector.Field{Name: "document", Value: vector.IntOf(3)}),
		record("a", text("document", "instead of the number")),
		record("a"),
	} {
		put(t, s, record("a", text("document", "of the one before")), r) // the last one counts
		put(t, s, r)
		got := fetch(t, s, "a")
		if diff := vector.Differences(&r, &got, &vector.Description{}); len(diff) > 0 {
			t.Errorf("%d: %+v", i, diff)
		}
	}
	// A document and metadata of one name: another name keeps them apart.
	put(t, s, record("b", vector.Field{Name: "document", Value: vector.IntOf(3)}))
	other := openStore(t, chromatest.Shared(t), Options{Collection: s.options.Collection, Document: "page"})
	put(t, other, record("b", text("page", "d"), text("document", "m")))
	if _, err := s.Fetch(t.Context(), "", []vector.ID{vector.IDOf("b")}); err == nil || !strings.Contains(err.Error(), "text=NAME") {
		t.Errorf("%v", err)
	}
	if got := fetch(t, other, "b"); len(got.Payload) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := created(t, vector.Dot, Options{})
	list := func(of ...vector.Value) vector.Value { return vector.ListOf(of) }
	for why, v := range map[string]vector.Value{
		"null": {}, "a map": vector.MapOf(nil), "empty list": list(), "several types": list(vector.IntOf(1), vector.FloatOf(1)), "an element is a map": list(vector.MapOf(nil)),
		"is -0": vector.FloatOf(math.Copysign(0, -1)), "is NaN": vector.FloatOf(math.NaN()), "not UTF-8": vector.TextOf("\xff"), "several types ": list(list(vector.IntOf(1))),
	} {
		refused(t, s, record("bad", vector.Field{Name: "f", Value: v}), strings.TrimSpace(why))
	}
	for _, name := range []string{"", "chroma:x", "#document"} {
		refused(t, s, record("bad", vector.Field{Name: name, Value: vector.IntOf(1)}), "has a name that Chroma")
	}
	refused(t, s, record(""), "its id")
	two := record("bad")
	two.Vectors = append(two.Vectors, vector.Vector{Name: "x", Dense: []float32{1}})
	refused(t, s, two, "one dense vector")
	short := record("bad")
	short.Vectors = []vector.Vector{{Dense: []float32{1}}}
	refused(t, s, short, "has 1 numbers")
	if n, err := s.Count(t.Context(), ""); err != nil || n != 1 {
		t.Errorf("%d records: %v", n, err)
	}
}

func refused(t *testing.T, s *Store, bad vector.Record, why string) {
	t.Helper()
	err := s.Put(t.Context(), "", []vector.Record{bad, record("good")})
	var is *vector.RefusedError
	if !errors.As(err, &is) || len(is.Records) != 1 || !strings.Contains(is.Records[bad.ID], why) {
		t.Errorf("%v, want %q", err, why)
	}
}

// TestFilters holds filters to what they say themselves, with words of Chroma's or
// without.
func TestFilters(t *testing.T) {
	s := created(t, vector.Euclid, Options{})
	list := func(of ...vector.Value) vector.Value { return vector.ListOf(of) }
	field := func(name string, v vector.Value) vector.Field { return vector.Field{Name: name, Value: v} }
	all := []vector.Record{
		record("0"), record("1", field("n", vector.IntOf(3)), field("t", vector.TextOf("red"))), record("2", field("n", vector.FloatOf(3)), field("t", vector.TextOf(""))),
		record("3", field("n", vector.FloatOf(2.5)), field("b", vector.BoolOf(true)), field("document", vector.TextOf("red"))),
		record("4", field("n", list(vector.IntOf(3), vector.IntOf(4))), field("t", list(vector.TextOf("red"), vector.TextOf("x"))), field("b", vector.BoolOf(false))),
		record("5", field("n", vector.IntOf(1<<60)), field("t", list(vector.TextOf("y")))),
	}
	put(t, s, all...)
	values := []vector.Value{vector.IntOf(3), vector.FloatOf(3), vector.FloatOf(2.5), vector.IntOf(1 << 60), vector.TextOf("red"), vector.TextOf(""), vector.BoolOf(true), {}}
	check := func(f vector.Filter) {
		t.Helper()
		hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 2}}, K: 10, Filter: &f})
		if err != nil {
			t.Errorf("%s: %v", f.String(), err)
			return
		}
		got, want := []string{}, []string{}
		for _, h := range hits {
			got = append(got, h.ID.String())
		}
		slices.Sort(got)
		for i := range all {
			if f.Match(all[i].Payload) {
				want = append(want, all[i].ID.String())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", f.String(), got, want)
		}
	}
	for _, name := range []string{"n", "t", "b", "document", "none"} {
		for _, yes := range []bool{true, false} {
			check(vector.Filter{Op: vector.Exists, Field: name, Value: vector.BoolOf(yes)})
		}
		for _, v := range values {
			for _, op := range []vector.Op{vector.Eq, vector.Ne, vector.Gt, vector.Gte, vector.Lt, vector.Lte, vector.In, vector.Nin} {
				check(vector.Filter{Op: op, Field: name, Value: v, Values: []vector.Value{v, vector.TextOf("x")}})
			}
		}
	}
	check(vector.Filter{Op: vector.Or, Of: []vector.Filter{{Op: vector.Eq, Field: "n", Value: vector.IntOf(3)}, {Op: vector.And, Of: []vector.Filter{{Op: vector.Eq, Field: "b", Value: vector.BoolOf(true)}, {Op: vector.Exists, Field: "document", Value: vector.BoolOf(true)}}}}})
	check(vector.Filter{Op: vector.And})
	check(vector.Filter{Op: vector.In, Field: "n"})
}

func TestWhatIsAcknowledgedStays(t *testing.T) {
	server := chromatest.Start(t)
	s := openStore(t, server, Options{Collection: "kept"})
	if err := s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Euclid}}}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		put(t, s, record(fmt.Sprint(i)))
		server.Crash(t)
		var is *vector.Error
		if err := s.Put(t.Context(), "", []vector.Record{record("x")}); !errors.As(err, &is) || !is.Again() {
			t.Errorf("a server that is down: %v", err)
		}
		server.Start(t)
		if n, err := s.Count(t.Context(), ""); err != nil || n != int64(i)+1 {
			t.Errorf("after crash %d there are %d: %v", i, n, err)
		}
		if got := fetch(t, s, fmt.Sprint(i)); got.Vectors[0].Dense[0] != .1 {
			t.Errorf("%+v", got)
		}
	}
}

func TestTroubles(t *testing.T) {
	for status, want := range map[int]vector.Trouble{401: vector.Denied, 403: vector.Denied, 404: vector.Missing, 429: vector.Throttled, 503: vector.Unavailable, 500: vector.Unavailable, 400: vector.Invalid, 302: vector.Invalid} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Chroma-Token") != "s3cret" || r.URL.EscapedPath() != "/api/v2/tenants/a%2Fb/databases/d/collections/c%20d" {
				t.Errorf("%s %s", r.URL.EscapedPath(), r.Header)
			}
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			fmt.Fprint(w, `{"error":"E","message":"what it says"}`)
		}))
		s, err := Open(Options{Host: strings.TrimPrefix(server.URL, "http://"), Tenant: "a/b", Database: "d", Collection: "c d", Token: "s3cret"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Describe(t.Context())
		var is *vector.Error
		if !errors.As(err, &is) || is.Trouble != want || is.RetryAfter != 7*time.Second || is.Message != "what it says" || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d: %v", status, err)
		}
		server.Close()
		if _, err := s.Describe(t.Context()); !errors.As(err, &is) || is.Trouble != vector.Unavailable {
			t.Errorf("%v", err)
		}
		s.Close()
	}
	if _, err := Open(Options{Host: "h"}); err == nil {
		t.Error("no collection")
	}
	s := created(t, vector.Cosine, Options{})
	for doing, err := range map[string]error{
		"namespace": s.Put(t.Context(), "n", nil), "metric": s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Manhattan}}}),
		"other": s.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}), "none": s.Create(t.Context(), &vector.Description{}),
	} {
		var is *vector.Error
		if !errors.As(err, &is) || is.Trouble != vector.Invalid {
			t.Errorf("%s: %v", doing, err)
		}
	}
}
