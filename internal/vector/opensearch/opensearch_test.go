package opensearch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/opensearch/opensearchtest"
)

// describe makes an index of a mapping, and describes it.
func describe(t *testing.T, elastic bool, settings, mappings string, o Options) (*vector.Description, error) {
	t.Helper()
	server := opensearchtest.New(t, opensearchtest.Options{Elastic: elastic})
	server.Do(t, "PUT", "/docs", `{"settings":{`+settings+`},"mappings":{`+mappings+`}}`)
	o.Index = "docs"
	return openStore(t, server, o).Describe(t.Context())
}

// TestDescribe: what a vector is and by what it is compared is read, or asked for, and
// never assumed; what cannot be copied says why.
func TestDescribe(t *testing.T) {
	const knn = `"knn":"true"`
	for _, c := range []struct {
		name               string
		elastic            bool
		settings, mappings string
		o                  Options
		want               vector.Spec
		fails              string
	}{
		{"default of dense_vector", true, ``, `"properties":{"v":{"type":"dense_vector","dims":3}}`, Options{}, vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Cosine, Element: "float32"}, ""},
		{"bytes", true, ``, `"properties":{"v":{"type":"dense_vector","dims":3,"element_type":"byte","similarity":"l2_norm"}}`, Options{}, vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Euclid, Element: "int8"}, ""},
		{"bits", true, ``, `"properties":{"v":{"type":"dense_vector","dims":16,"element_type":"bit"}}`, Options{}, vector.Spec{Form: vector.Binary, Dim: 16, Metric: vector.Hamming, Element: "bit"}, ""},
		{"rank_vectors", true, ``, `"properties":{"v":{"type":"rank_vectors","dims":3}}`, Options{}, vector.Spec{Form: vector.Multi, Dim: 3, Metric: vector.Dot, Element: "float32"}, ""},
		{"nested", true, ``, `"properties":{"p":{"type":"nested","properties":{"v":{"type":"dense_vector","dims":3}}}}`, Options{}, vector.Spec{Form: vector.Multi, Dim: 3, Metric: vector.Cosine, Element: "float32"}, ""},
		{"no index", true, ``, `"properties":{"v":{"type":"dense_vector","dims":3,"index":false}}`, Options{}, vector.Spec{}, "metric=cosine"},
		{"no index, said", true, ``, `"properties":{"v":{"type":"dense_vector","dims":3,"index":false}}`, Options{Metric: vector.Dot}, vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Dot, Element: "float32"}, ""},
		{"excluded", true, ``, `"_source":{"excludes":["v*"]},"properties":{"vec":{"type":"dense_vector","dims":3}}`, Options{}, vector.Spec{}, "excludes the vectors of field vec"},
		{"not kept", false, knn, `"_source":{"enabled":false},"properties":{"v":{"type":"knn_vector","dimension":3}}`, Options{}, vector.Spec{}, "_source disabled"},
		{"default of knn_vector", false, knn, `"properties":{"v":{"type":"knn_vector","dimension":3}}`, Options{}, vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Euclid, Element: "float32"}, ""},
		{"of the method", false, knn, `"properties":{"v":{"type":"knn_vector","dimension":3,"method":{"name":"hnsw","space_type":"innerproduct","engine":"faiss"}}}`, Options{}, vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Dot, Element: "float32"}, ""},
		{"bytes of knn_vector", false, knn, `"properties":{"v":{"type":"knn_vector","dimension":3,"data_type":"BYTE","space_type":"cosinesimil"}}`, Options{}, vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Cosine, Element: "int8"}, ""},
		{"bits of knn_vector", false, knn, `"properties":{"v":{"type":"knn_vector","dimension":8,"data_type":"binary"}}`, Options{}, vector.Spec{Form: vector.Binary, Dim: 8, Metric: vector.Hamming, Element: "bit"}, ""},
		{"without k-NN", false, ``, `"properties":{"v":{"type":"knn_vector","dimension":3,"space_type":"l2"}}`, Options{}, vector.Spec{}, "is not indexed"},
		{"the largest difference", false, knn, `"properties":{"v":{"type":"knn_vector","dimension":3,"space_type":"linf"}}`, Options{}, vector.Spec{}, "compared by linf"},
		{"no vectors", false, knn, `"properties":{"t":{"type":"text"}}`, Options{}, vector.Spec{}, "no field of vectors"},
		{"no such vector", false, knn, `"properties":{"v":{"type":"knn_vector","dimension":3}}`, Options{Vector: "w"}, vector.Spec{}, `in a field "w"`},
	} {
		d, err := describe(t, c.elastic, c.settings, c.mappings, c.o)
		if c.fails != "" {
			var is *vector.Error
			if !errors.As(err, &is) || is.Trouble != vector.Invalid || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %q", c.name, err, c.fails)
			}
			continue
		}
		if err != nil || len(d.Vectors) != 1 || d.Vectors[0] != c.want {
			t.Errorf("%s: %+v %v, want %+v", c.name, d, err, c.want)
		}
	}
}

// TestDocuments: what clients write in several ways is of the type that the index has,
// and vectors are taken out of wherever they are.
func TestDocuments(t *testing.T) {
	server := opensearchtest.New(t, opensearchtest.Options{Elastic: true})
	server.Do(t, "PUT", "/docs", `{"mappings":{"properties":{
		"n":{"type":"long"},"f":{"type":"double"},"b":{"type":"boolean"},"k":{"type":"keyword"},"when":{"type":"date"},"o":{"properties":{"v":{"type":"dense_vector","dims":2}}},
		"bits":{"type":"dense_vector","dims":16,"element_type":"bit"},"bytes":{"type":"dense_vector","dims":3,"element_type":"byte"},"rank":{"type":"rank_vectors","dims":2},
		"p":{"type":"nested","properties":{"v":{"type":"dense_vector","dims":2},"t":{"type":"text"}}}}}}`)
	float := base64.StdEncoding.EncodeToString([]byte{0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0})
	for id, doc := range map[string]string{
		"a": `{"n":3.0,"f":3,"b":"true","k":"x","when":1700000000000,"free":{"x":[1,2.0,null]},"none":null,"empty":[],"o":{"v":[1,-2],"t":"u"},"bits":[-1,2],"bytes":[1,-128,127],"rank":[[1,2],[3,4]],"p":[{"v":[1,2],"t":"s"},{"v":[3,4]}]}`,
		"b": `{"n":["4",5],"f":"2.5","b":false,"o.v":"` + float + `","bits":"ff02","bytes":"01807f","p":{"v":[5,6]}}`,
		"c": `{"n":3.5,"o":{"v":null}}`,
	} {
		server.Do(t, "POST", "/docs/_bulk", `{"index":{"_id":"`+id+`","routing":"r"}}`+"\n"+doc+"\n")
	}
	s := openStore(t, server, Options{Index: "docs"})
	if _, err := s.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Fetch(t.Context(), "", []vector.ID{vector.IDOf("a"), vector.IDOf("b"), vector.IDOf("c"), vector.IDOf("none"), vector.IntegerIDOf(1)})
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for i := range got {
		text, err := got[i].AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		lines[got[i].ID.String()] = string(text)
	}
	want := map[string]string{
		"a": `{"id":"a","vectors":{"bits":{"bits":"/wI="},"bytes":{"dense":[1,-128,127]},"o.v":{"dense":[1,-2]},"p.v":{"dense":[1,2,3,4],"rows":2},"rank":{"dense":[1,2,3,4],"rows":2}},` +
			`"payload":{"_routing":"r","b":true,"empty":[],"f":3.0,"free":{"x":[1,2.0,null]},"k":"x","n":3,"none":null,"o":{"t":"u"},"p":[{"t":"s"},{}],"when":1700000000000}}`,
		"b": `{"id":"b","vectors":{"bits":{"bits":"/wI="},"bytes":{"dense":[1,-128,127]},"o.v":{"dense":[1,-2]},"p.v":{"dense":[5,6],"rows":1}},"payload":{"_routing":"r","b":false,"f":2.5,"n":[4,5]}}`,
		"c": `{"id":"c","payload":{"_routing":"r","n":3.5}}`,
	}
	for id, w := range want {
		if lines[id] != w {
			t.Errorf("%s is\n%s, want\n%s", id, lines[id], w)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d documents", len(lines))
	}
	// Only one of the vectors.
	got, err = openStore(t, server, Options{Index: "docs", Vector: "bytes"}).Fetch(t.Context(), "", []vector.ID{vector.IDOf("a")})
	if err != nil || len(got) != 1 || len(got[0].Vectors) != 1 || got[0].Vectors[0].Name != "" {
		t.Errorf("%+v %v", got, err)
	}
	// The same id twice, in two shards.
	for i := range 8 {
		server.Do(t, "POST", "/docs/_bulk", fmt.Sprintf(`{"index":{"_id":"twice","routing":"%d"}}`+"\n{}\n", i))
	}
	if err := server.Refresh("docs"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), "", []vector.ID{vector.IDOf("twice")}); err == nil || !strings.Contains(err.Error(), "ids must be unique") {
		t.Errorf("%v", err)
	}
}

// TestListing: documents that are written again, and points in time that are over, hide
// nothing of a listing; and it goes on in another process, unless the index is another.
func TestListing(t *testing.T) {
	for _, elastic := range []bool{false, true} {
		server := opensearchtest.New(t, opensearchtest.Options{Elastic: elastic})
		specs := []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Cosine}}
		if err := server.Make("docs", specs); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		record := func(i int) vector.Record {
			return vector.Record{ID: vector.IDOf(fmt.Sprint(i)), Vectors: []vector.Vector{{Dense: []float32{1, float32(i)}}}}
		}
		for i := range 60 {
			want[fmt.Sprint(i)] = true
			if err := server.Put("docs", []vector.Record{record(i)}); err != nil {
				t.Fatal(err)
			}
		}
		got, after := map[string]bool{}, ""
		for round := range 100 {
			s := openStore(t, server, Options{Index: "docs"}) // as another process
			pages := 0
			for u, err := range s.Units(t.Context(), "", after, 5) {
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range u.IDs {
					got[id] = true
				}
				after = u.Next
				if err := server.Put("docs", []vector.Record{record(59 - round)}); err != nil && round < 60 {
					t.Fatal(err)
				}
				server.Expire()
				if pages++; pages == 3 {
					break
				}
			}
			if pages < 3 {
				break
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d of %d: %v", len(got), len(want), slices.Sorted(maps.Keys(got)))
		}
		if n := server.Open(); n != 0 {
			t.Errorf("%d points in time are left open", n)
		}
		if err := errors.Join(server.Drop("docs"), server.Make("docs", specs)); err != nil {
			t.Fatal(err)
		}
		for _, err := range openStore(t, server, Options{Index: "docs"}).Units(t.Context(), "", after, 5) {
			if err == nil || !strings.Contains(err.Error(), "made anew") {
				t.Errorf("%v", err)
			}
		}
	}
}

// TestAliases: an alias is what it is of, by its filter; of several indexes it is none.
func TestAliases(t *testing.T) {
	server := opensearchtest.New(t, opensearchtest.Options{})
	for _, name := range []string{"a", "b"} {
		if err := server.Make(name, []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Cosine}}); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			r := vector.Record{ID: vector.IDOf(fmt.Sprint(i)), Payload: vector.NewPayload([]vector.Field{{Name: "flag", Value: vector.BoolOf(i == 1)}})}
			if err := server.Put(name, []vector.Record{r}); err != nil {
				t.Fatal(err)
			}
		}
		server.Do(t, "PUT", "/"+name+"/_alias/both", "")
	}
	server.Do(t, "PUT", "/a/_alias/part", `{"filter":{"terms":{"flag":[true]}}}`)
	s := openStore(t, server, Options{Index: "part"})
	d, err := s.Describe(t.Context())
	if err != nil || d.Count() != 1 || d.Facts["alias of"] != "a" {
		t.Errorf("%+v %v", d, err)
	}
	for u, err := range s.Units(t.Context(), "", "", 10) {
		if err != nil || !slices.Equal(u.IDs, []string{"1"}) {
			t.Errorf("%+v %v", u, err)
		}
	}
	if _, err := openStore(t, server, Options{Index: "both"}).Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "both is 2 indexes (a, b)") {
		t.Errorf("%v", err)
	}
}

// TestKeys: a user with a password, or an API key; one that may only read reads what is
// seen already; and none of them is ever told.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		server opensearchtest.Options
		o      Options
		denied bool
	}{
		{opensearchtest.Options{User: "ann", Password: "s3cret"}, Options{User: "ann", Password: "s3cret"}, false},
		{opensearchtest.Options{User: "ann", Password: "s3cret"}, Options{User: "ann", Password: "s3cret2"}, true},
		{opensearchtest.Options{Key: "s3cret", Elastic: true}, Options{Key: "s3cret"}, false},
		{opensearchtest.Options{Key: "s3cret", Elastic: true}, Options{Key: "s3cret2"}, true},
	} {
		server := opensearchtest.New(t, c.server)
		if err := server.Make("docs", []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Cosine}}); err != nil {
			t.Fatal(err)
		}
		c.o.Host, c.o.Index = server.Host, "docs"
		s, err := Open(c.o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Describe(t.Context())
		if c.denied != is(err, vector.Denied) || !c.denied && err != nil || err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	server := opensearchtest.New(t, opensearchtest.Options{Reader: true})
	if err := server.Make("docs", []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Cosine}}); err != nil {
		t.Fatal(err)
	}
	if d, err := openStore(t, server, Options{Index: "docs"}).Describe(t.Context()); err != nil || d.Count() != 0 {
		t.Errorf("%+v %v", d, err)
	}
	for _, name := range []string{"", "a,b", "a*", "-a"} {
		if _, err := Open(Options{Host: "127.0.0.1:1", Index: name}); err == nil {
			t.Errorf("%q is taken for an index", name)
		}
	}
}

// TestFilters: a filter that the index cannot answer exactly is refused, not answered
// otherwise.
func TestFilters(t *testing.T) {
	server := opensearchtest.New(t, opensearchtest.Options{})
	server.Do(t, "PUT", "/docs", `{"settings":{"knn":"true"},"mappings":{"properties":{"v":{"type":"knn_vector","dimension":2},"words":{"type":"text"},"short":{"type":"keyword","ignore_above":2},"folded":{"type":"keyword","normalizer":"lowercase"},"hidden":{"type":"long","index":false},"when":{"type":"date"}}}}`)
	s := openStore(t, server, Options{Index: "docs"})
	text := vector.TextOf
	for _, f := range []vector.Filter{
		{Op: vector.Eq, Field: "words", Value: text("a b")}, {Op: vector.Eq, Field: "short", Value: text("abc")}, {Op: vector.Eq, Field: "folded", Value: text("a")},
		{Op: vector.Eq, Field: "hidden", Value: vector.IntOf(1)}, {Op: vector.Gt, Field: "when", Value: vector.IntOf(1)}, {Op: vector.Gt, Field: "short", Value: text("a")},
		{Op: vector.Eq, Field: "nowhere", Value: text("a")}, {Op: vector.And, Of: []vector.Filter{{Op: vector.Eq, Field: "short", Value: vector.BoolOf(true)}}},
	} {
		if hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 2}}, K: 1, Filter: &f}); !is(err, vector.Invalid) {
			t.Errorf("%s: %v %v", f.String(), hits, err)
		}
	}
	for _, f := range []vector.Filter{{Op: vector.And}, {Op: vector.Or}, {Op: vector.In, Field: "short"}} {
		if hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 2}}, K: 1, Filter: &f}); err != nil || len(hits) != 0 {
			t.Errorf("%s: %v %v", f.String(), hits, err)
		}
	}
}
