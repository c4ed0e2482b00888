package archive_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/archive"
	"freehold/internal/vector/vectortest"
)

func open(t *testing.T, path string) *archive.Archive {
	t.Helper()
	a, err := archive.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// TestSpool: an archive that is being written is a store like others.
func TestSpool(t *testing.T) {
	vectortest.Target(t, vectortest.Suite{
		Open:    func(t *testing.T) vector.Target { return open(t, filepath.Join(t.TempDir(), "a.jsonl")) },
		Vectors: []vector.Spec{{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}, {Name: "s", Form: vector.Sparse, Metric: vector.Dot}},
	})
}

func record(id string, ns string, v ...float32) vector.Record {
	return vector.Record{ID: vector.IDOf(id), Namespace: ns, Vectors: []vector.Vector{{Dense: v}}, Payload: vector.NewPayload([]vector.Field{{Name: "n", Value: vector.FloatOf(1)}})}
}

// TestFinish: what is written becomes the file at the end, whole; a spool that was
// left behind is taken up; and an archive that is there is not written over.
func TestFinish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kb.jsonl")
	d := &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}
	first := open(t, path)
	if err := first.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := first.Put(t.Context(), "b", []vector.Record{record("y", "b", 1, 2), record("x", "b", 3, 4)}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before all of it is")
	}
	a := open(t, path)
	if err := a.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := a.Put(t.Context(), "", []vector.Record{record("z", "", 5, 6)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"archive":1,"vectors":[{"name":"","form":"dense","dim":2,"metric":"dot"}]}
{"id":"z","vector":[5,6],"payload":{"n":1.0}}
{"id":"x","namespace":"b","vector":[3,4],"payload":{"n":1.0}}
{"id":"y","namespace":"b","vector":[1,2],"payload":{"n":1.0}}
`
	if string(text) != want {
		t.Errorf("%s", text)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	b := open(t, path)
	got, err := b.Describe(t.Context())
	if err != nil || got.Count() != 3 || len(got.Namespaces) != 2 || got.Vectors[0].Metric != vector.Dot {
		t.Errorf("%+v: %v", got, err)
	}
	records, err := b.Fetch(t.Context(), "b", []vector.ID{vector.IDOf("x"), vector.IDOf("none")})
	if err != nil || len(records) != 1 || records[0].Vectors[0].Dense[1] != 4 {
		t.Errorf("%v %v", records, err)
	}
	hits, err := b.Search(t.Context(), vector.Search{Namespace: "b", Query: vector.Vector{Dense: []float32{1, 1}}, K: 1})
	if err != nil || len(hits) != 1 || hits[0].ID != vector.IDOf("x") {
		t.Errorf("%v %v", hits, err)
	}
	if err := b.Create(t.Context(), d); err == nil || !strings.Contains(err.Error(), "does not write over") {
		t.Errorf("created over an archive: %v", err)
	}
}

// TestForeign: any file of such lines is a source, in whatever order; what is wrong
// in it is told with its line.
// TestNothingSaid: who was killed before the spool said what it is to hold left an
// empty one behind, and the next one begins.
func TestNothingSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kb.jsonl")
	if err := os.WriteFile(path+".partial", nil, 0o600); err != nil { // what SQLite makes first
		t.Fatal(err)
	}
	a := open(t, path)
	var missing *vector.Error
	if _, err := a.Describe(t.Context()); !errors.As(err, &missing) || missing.Trouble != vector.Missing {
		t.Errorf("described: %v", err)
	}
	if err := a.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}); err != nil {
		t.Fatal(err)
	}
	if err := a.Put(t.Context(), "b", []vector.Record{record("x", "b", 3, 4)}); err != nil {
		t.Fatal(err)
	}
	if err := a.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := open(t, path).Count(t.Context(), "b"); n != 1 || err != nil {
		t.Errorf("%d records: %v", n, err)
	}
}

func TestForeign(t *testing.T) {
	for _, tt := range []struct{ text, fails string }{
		{text: `{"id":1,"vector":[1,2]}` + "\n\n" + `{"id":"a","namespace":"n","vector":[3,4],"payload":{"y":2003}}` + "\n" + `{"id":2,"vector":[1,2]}`},
		{text: `{"id":1,"vector":[1,2]}` + "\n" + `{"id":1,"vector":[1,2]}`, fails: ":2: the id 1 is there already, in line 1"},
		{text: `{"id":1,"vector":[1,2]}` + "\n" + `{"id":2,"vector":[1]}`, fails: ":2: vector \"\" is dense of 1, and was dense of 2"},
		{text: `{"id":1,"vector":[1,2]}` + "\n" + `{"vector":[1]}`, fails: ":2: the record has no id"},
		{text: `{"id":1,"vectors":[1,2]}`, fails: ":1: "},
		{text: `{"id":1,"vector":[1,2],"colour":"red"}`, fails: "no member \"colour\""},
		{text: `{"archive":9,"vectors":[]}`, fails: "version 9"},
	} {
		path := filepath.Join(t.TempDir(), "f.jsonl")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		a := open(t, path)
		d, err := a.Describe(context.Background())
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: %v, want %q", tt.text, err, tt.fails)
			}
			continue
		}
		if err != nil || d.Count() != 3 {
			t.Fatalf("%+v: %v", d, err)
		}
		var ids []string
		for u, err := range a.Units(t.Context(), "", "", 1) {
			if err != nil || u.Count != 1 {
				t.Fatalf("%+v %v", u, err)
			}
			for records, err := range a.Read(t.Context(), u) {
				if err != nil {
					t.Fatal(err)
				}
				for i := range records {
					ids = append(ids, records[i].ID.String())
				}
			}
		}
		if strings.Join(ids, " ") != "1 2" {
			t.Errorf("%v", ids)
		}
	}
}
