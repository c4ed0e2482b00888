package weaviate

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"freehold/internal/vector"
	"freehold/internal/vector/weaviate/weaviatetest"
)

func id(n int) vector.ID { return vector.UUIDOf(uuid.UUID{15: byte(n)}) }

// TestProperties: each is of the type that the schema gives it, whatever the server
// writes.
func TestProperties(t *testing.T) {
	server := weaviatetest.Given(t)
	name := className()
	server.Do(t, "POST", "/schema", `{"class":"`+name+`","vectorizer":"none","vectorIndexType":"hnsw","vectorIndexConfig":{"distance":"dot"},"properties":[
		{"name":"t","dataType":["text"]},{"name":"n","dataType":["int"]},{"name":"f","dataType":["number"]},{"name":"d","dataType":["date"]},{"name":"g","dataType":["geoCoordinates"]},
		{"name":"p","dataType":["phoneNumber"]},{"name":"b","dataType":["blob"]},{"name":"u","dataType":["uuid"]},{"name":"tags","dataType":["text[]"]},{"name":"nums","dataType":["number[]"]},
		{"name":"ok","dataType":["boolean"]},{"name":"o","dataType":["object"],"nestedProperties":[{"name":"x","dataType":["int"]},{"name":"y","dataType":["number"]}]},{"name":"ref","dataType":["`+name+`"]}]}`)
	t.Cleanup(func() {
		if err := server.Drop(name); err != nil {
			t.Error(err)
		}
	})
	server.Do(t, "POST", "/batch/objects", `{"objects":[{"class":"`+name+`","id":"`+id(1).String()+`","vector":[1,2.5,0.0000001],"properties":{"f":1e21,"n":-3,"t":null}}]}`)
	got := server.Do(t, "POST", "/batch/objects", `{"objects":[{"class":"`+name+`","id":"`+id(2).String()+`","vector":[1,2,3],"properties":{"t":"ü \"","n":3,"f":3,"d":"2024-01-02T03:04:05.678+02:00",
		"g":{"latitude":52,"longitude":4.5},"p":{"input":"020 1234567","defaultCountry":"nl"},"b":"aGk=","u":"11111111-2222-3333-4444-555555555555","tags":["x","y"],"nums":[1,2.5],"ok":true,
		"o":{"x":1,"y":2},"ref":[{"beacon":"weaviate://localhost/`+name+`/`+id(1).String()+`"}]}}]}`)
	if strings.Contains(got, "FAILED") {
		t.Fatal(got)
	}
	s := openStore(t, server, Options{Class: name})
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Vectors) != 1 || d.Vectors[0] != (vector.Spec{Form: vector.Dense, Dim: 3, Metric: vector.Dot, Element: "float32"}) || d.Count() != 2 || len(d.Fields) != 13 {
		t.Errorf("%+v", d)
	}
	records, err := s.Fetch(t.Context(), "", []vector.ID{id(2), id(3), vector.IDOf("x"), id(1)})
	if err != nil || len(records) != 2 {
		t.Fatalf("%+v %v", records, err)
	}
	p := &records[0].Payload
	if phone, ok := p.Get("p"); ok { // the server may add what it finds out of the number
		input, _ := phone.Map().Get("input")
		*p = p.With("p", input)
	}
	for i, want := range []string{
		`{"id":"` + id(2).String() + `","id_type":"uuid","vector":[1,2,3],"payload":{"b":"aGk=","d":"2024-01-02T03:04:05.678+02:00","f":3.0,"g":{"latitude":52.0,"longitude":4.5},"n":3,"nums":[1.0,2.5],` +
			`"o":{"x":1,"y":2.0},"ok":true,"p":"020 1234567","ref":["weaviate://localhost/` + name + `/` + id(1).String() + `"],"t":"ü \"","tags":["x","y"],"u":"11111111-2222-3333-4444-555555555555"}}`,
		`{"id":"` + id(1).String() + `","id_type":"uuid","vector":[1,2.5,1e-07],"payload":{"f":1e+21,"n":-3}}`,
	} {
		if text, err := records[i].AppendJSON(nil); err != nil || string(text) != want {
			t.Errorf("%s, want\n%s: %v", text, want, err)
		}
	}
}

// TestTenants: each is a namespace, with ids of its own; those that are not active are
// told, and not passed over.
func TestTenants(t *testing.T) {
	server := weaviatetest.Given(t)
	name := className()
	specs := []vector.Spec{{Name: "a", Form: vector.Dense, Dim: 2, Metric: vector.Euclid}, {Name: "b", Form: vector.Dense, Dim: 3, Metric: vector.Cosine}, {Name: "never", Form: vector.Dense, Dim: 3, Metric: vector.Cosine}}
	if err := server.Make(name, specs, "news", "other", "empty"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Drop(name); err != nil {
			t.Error(err)
		}
	})
	for i, tenant := range []string{"news", "other", "news"} {
		r := vector.Record{ID: id(i), Namespace: tenant, Vectors: []vector.Vector{{Name: specs[i%2].Name, Dense: make([]float32, specs[i%2].Dim)}}}
		r.Vectors[0].Dense[0] = 1
		if err := server.Put(name, []vector.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, server, Options{Class: name})
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []vector.Namespace{{Name: "empty"}, {Name: "news", Count: 2}, {Name: "other", Count: 1}}; !slices.Equal(d.Namespaces, want) {
		t.Errorf("%+v", d.Namespaces)
	}
	if len(d.Vectors) != 2 || d.Vectors[0].Dim != 2 || d.Vectors[1].Dim != 3 || d.Facts["vector never"] == "" {
		t.Errorf("%+v", d)
	}
	for _, ns := range d.Namespaces {
		var n int64
		for u, err := range s.Units(t.Context(), ns.Name, "", 1) {
			if err != nil {
				t.Fatal(err)
			}
			for records, err := range s.Read(t.Context(), u) {
				if err != nil || records[0].Namespace != ns.Name {
					t.Fatalf("%+v %v", records, err)
				}
				n += int64(len(records))
			}
		}
		if n != ns.Count {
			t.Errorf("%d of %d in %s", n, ns.Count, ns.Name)
		}
	}
	hits, err := s.Search(t.Context(), vector.Search{Namespace: "news", Query: vector.Vector{Name: "a", Dense: []float32{1, 0}}, K: 5})
	if err != nil || len(hits) != 2 {
		t.Errorf("%v %v", hits, err)
	}
	for _, ns := range []string{"", "none"} {
		if _, err := s.Count(t.Context(), ns); err == nil {
			t.Errorf("tenant %q: %v", ns, err)
		}
	}
	server.Do(t, "POST", "/schema/"+name+"/tenants", `[{"name":"old","activityStatus":"INACTIVE"}]`)
	if _, err := s.Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "1 tenants are not active and cannot be read (old)") {
		t.Errorf("%v", err)
	}
	one := "news"
	d, err = openStore(t, server, Options{Class: name, Namespace: &one, Vector: "a"}).Describe(t.Context())
	if err != nil || d.Count() != 2 || len(d.Namespaces) != 1 || len(d.Vectors) != 1 {
		t.Errorf("%+v %v", d, err)
	}
}

// TestRefused: what cannot be is told with its reason, and never the key.
func TestRefused(t *testing.T) {
	server := weaviatetest.New(t, weaviatetest.Options{Key: "s3cret"})
	if err := server.Make("Docs", []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Cosine}}); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "POST", "/schema", `{"class":"Odd","vectorIndexConfig":{"distance":"chebyshev"}}`)
	var is *vector.Error
	for _, c := range []struct {
		o       Options
		trouble vector.Trouble
	}{
		{Options{Class: "Docs", Key: "s3cret2"}, vector.Denied}, {Options{Class: "None", Key: "s3cret"}, vector.Missing},
		{Options{Class: "Odd", Key: "s3cret"}, vector.Invalid}, {Options{Class: "Docs", Key: "s3cret", Vector: "x"}, vector.Invalid},
	} {
		if _, err := openStore(t, server, c.o).Describe(t.Context()); !errors.As(err, &is) || is.Trouble != c.trouble || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v, want %s", c.o, err, c.trouble)
		}
	}
	for _, name := range []string{"", "a/b", `A{`, "1"} {
		if _, err := Open(Options{Host: server.Host, Class: name}); err == nil {
			t.Errorf("%q is taken for a collection", name)
		}
	}
	s := openStore(t, server, Options{Class: "Docs", Key: "s3cret"})
	if d, err := s.Describe(t.Context()); err != nil || d.Count() != 0 || len(d.Vectors) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	text := vector.TextOf
	for _, f := range []vector.Filter{
		{Op: vector.Eq, Field: "nowhere", Value: text("a")}, {Op: vector.Gt, Field: "colour", Value: text("a")}, {Op: vector.Eq, Field: "year", Value: vector.FloatOf(1.5)},
		{Op: vector.Eq, Field: "colour", Value: vector.IntOf(1)}, {Op: vector.And}, {Op: vector.In, Field: "colour"},
	} {
		_, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1, 2}}, K: 1, Filter: &f})
		if !errors.As(err, &is) || is.Trouble != vector.Invalid {
			t.Errorf("%s: %v", f.String(), err)
		}
	}
	// A vector that is longer than the others is stored, though the batch says no; it
	// comes as it is, for the target to refuse.
	for i := range 2 {
		r := vector.Record{ID: id(i), Vectors: []vector.Vector{{Dense: make([]float32, 2+i)}}, Payload: vector.NewPayload([]vector.Field{{Name: "year", Value: vector.IntOf(int64(i))}})}
		if err := server.Put("Docs", []vector.Record{r}); (err != nil) != (i == 1) {
			t.Errorf("%v", err)
		}
	}
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Fetch(t.Context(), "", []vector.ID{id(0), id(1)})
	if err != nil || len(got) != 2 || d.Refuse(&got[0]) != "" || d.Refuse(&got[1]) == "" {
		t.Errorf("%+v %v", got, err)
	}
	hits, err := s.Search(t.Context(), vector.Search{Query: vector.Vector{Dense: []float32{1}}, K: 1})
	if err == nil || !strings.Contains(err.Error(), "vector lengths don't match") {
		t.Errorf("%v %v", hits, err)
	}
	if _, err := s.Count(t.Context(), "tenant"); err == nil || !strings.Contains(err.Error(), "no tenants") {
		t.Errorf("%v", err)
	}
}
