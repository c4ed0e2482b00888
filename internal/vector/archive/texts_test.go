package archive_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"freehold/internal/vector"
	"freehold/internal/vector/archive"
)

// TestTexts: files of records without vectors are read, whoever wrote them; a line that
// is none is told with its number.
func TestTexts(t *testing.T) {
	write := func(name string, text []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var table bytes.Buffer
	type row struct {
		SKU  int64    `parquet:"sku"`
		Text string   `parquet:"text"`
		Tags []string `parquet:"tags,list"`
	}
	if err := parquet.Write(&table, []row{{1, "one", []string{"a"}}, {2, "two", nil}}); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"marked":  write("m.jsonl", []byte("\xef\xbb\xbf{\"sku\":1,\"text\":\"one\",\"tags\":[\"a\"]}\n{\"sku\":2,\"text\":\"two\"}")),
		"lines":   write("a.jsonl", []byte("{\"sku\":1,\"text\":\"one\",\"tags\":[\"a\"],\"embedding\":[1,2]}\n\n{\"sku\":2,\"payload\":{\"text\":\"two\",\"tags\":[]}}\n")),
		"parquet": write("a.parquet", table.Bytes()),
	} {
		a, err := archive.OpenTexts(t.Context(), path, "sku")
		if err != nil {
			t.Fatal(err)
		}
		d, err := a.Describe(t.Context())
		if err != nil || len(d.Vectors) != 0 || d.Count() != 2 {
			t.Fatalf("%s: %+v: %v", name, d, err)
		}
		for _, got := range [][]vector.Record{read(t, a, "", 1), fetch(t, a, 1, 2)} {
			if len(got) != 2 || got[0].ID != vector.IntegerIDOf(1) || got[1].ID != vector.IntegerIDOf(2) {
				t.Fatalf("%s: %v", name, got)
			}
			text, _ := got[1].Payload.Get("text")
			tags, _ := got[0].Payload.Get("tags")
			if text.Text() != "two" || len(tags.List()) != 1 || len(got[0].Vectors) != 0 {
				t.Errorf("%s: %v", name, got)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	for text, want := range map[string]string{
		"{\"id\":\"a\"}\n{\"n\":1}\n":                ":2: there is no field \"id\"",
		"{\"id\":\"a\"}\n\n{\"id\":\"a\"}\n":         ":3: the id a is there already, in line 1",
		"{\"id\":1.5}\n":                             ":1: the id 1.5 is neither",
		"{\"id\":\"\"}\n":                            ":1: the id \"\" is neither",
		"[1]\n":                                      ":1: ",
		"{\"id\":1,\"x\":2,\"payload\":{\"x\":3}}\n": ":1: a field stands in the payload, and beside it",
	} {
		a, err := archive.OpenTexts(t.Context(), write("b.jsonl", []byte(text)), "")
		if err == nil {
			_, err = a.Describe(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func fetch(t *testing.T, a *archive.Archive, ids ...uint64) []vector.Record {
	t.Helper()
	var of []vector.ID
	for _, n := range ids {
		of = append(of, vector.IntegerIDOf(n))
	}
	got, err := a.Fetch(t.Context(), "", of)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
