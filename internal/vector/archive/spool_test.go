package archive_test

import (
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/archive"
	"freehold/internal/vector/vectortest"
)

// TestSpoolOfTable: as TestSpool, of what becomes a table.
func TestSpoolOfTable(t *testing.T) {
	vectortest.Target(t, vectortest.Suite{
		Open: func(t *testing.T) vector.Target { return open(t, filepath.Join(t.TempDir(), "a.parquet")) },
		Vectors: []vector.Spec{
			{Form: vector.Dense, Dim: 8, Metric: vector.Cosine}, {Name: "s", Form: vector.Sparse, Metric: vector.Dot},
			{Name: "m", Form: vector.Multi, Dim: 3, Metric: vector.Cosine}, {Name: "b", Form: vector.Binary, Dim: 16, Metric: vector.Hamming},
		},
	})
}

// TestSpoolEnded: of whoever was ended in the midst of it, what was acknowledged is
// there, and nothing else: whatever stands behind it in the file, replaced and deleted
// records among them. And what is there already is not begun anew.
func TestSpoolEnded(t *testing.T) {
	for _, name := range []string{"kb.jsonl", "kb.parquet"} {
		path := filepath.Join(t.TempDir(), name)
		d := &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}
		a := open(t, path)
		if err := a.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := a.Put(t.Context(), "n", []vector.Record{record("x", "n", 1, 2), record("y", "n", 3, 4), record("z", "n", 5, 6)}); err != nil {
			t.Fatal(err)
		}
		if err := a.Put(t.Context(), "n", []vector.Record{record("y", "n", 7, 8)}); err != nil {
			t.Fatal(err)
		}
		if err := a.Delete(t.Context(), "n", []vector.ID{vector.IDOf("z")}); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path+".partial.records", os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("what the end came before"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		b := open(t, path)
		if err := b.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), "n", []vector.Record{record("w", "n", 9, 10)}); err != nil {
			t.Fatal(err)
		}
		if err := b.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, []vector.Record{record("w", "n", 9, 10), record("x", "n", 1, 2), record("y", "n", 7, 8)}, read(t, open(t, path), "n", 10), d)
		left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		if err != nil || len(left) != 1 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
}

// TestSpoolNotFinite: a number that no archive can have is refused, and what is beside it
// is kept.
func TestSpoolNotFinite(t *testing.T) {
	for _, name := range []string{"kb.jsonl", "kb.parquet"} {
		a := open(t, filepath.Join(t.TempDir(), name))
		d := &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 2, Metric: vector.Dot}}}
		if err := a.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		zero := float32(0)
		good := []vector.Record{record("a", "", 1, 2), record("c", "", 3, 4)}
		err := a.Put(t.Context(), "", []vector.Record{good[0], record("b", "", zero/zero, 1), good[1]})
		if err == nil || !strings.Contains(err.Error(), "1 record is refused") {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, good, read(t, a, "", 10), d)
	}
}

// TestSpoolOfBefore: a spool that an older freehold has begun has its records elsewhere.
func TestSpoolOfBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kb.jsonl")
	db, err := sql.Open("sqlite", path+".partial")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE about (description TEXT NOT NULL); CREATE TABLE records (namespace TEXT NOT NULL, key TEXT NOT NULL, record BLOB NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "an older freehold") {
		t.Errorf("%v", err)
	}
}

// TestLinesOfMany: ids that are there twice are told by their lines, whatever is between,
// and each record is found by its id.
func TestLinesOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	path := filepath.Join(t.TempDir(), "kb.jsonl")
	var text []byte
	var all []vector.Record
	for i := range 3000 {
		x := anything(r, []string{"", "n"}[i%2], i)
		all = append(all, x)
		line, err := x.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a := open(t, path)
	for _, ns := range []string{"", "n"} {
		var want []vector.Record
		var ids []vector.ID
		for i := range all {
			if all[i].Namespace == ns {
				want, ids = append(want, all[i]), append(ids, all[i].ID)
			}
		}
		got, err := a.Fetch(t.Context(), ns, append(ids, vector.IDOf("nobody")))
		if err != nil {
			t.Fatal(err)
		}
		d, err := a.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(t, want, got, d)
		check(t, want, read(t, a, ns, 100), d)
	}
	line, err := all[17].AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, line...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path).Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "kb.jsonl:3001: the id "+all[17].ID.String()+" is there already, in line 18") {
		t.Errorf("%v", err)
	}
}
