package learn

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/classify"
)

func rows(t *testing.T, text string) (*File, error) {
	t.Helper()
	return read("f.jsonl", strings.NewReader(text))
}

func TestRead(t *testing.T) {
	f, err := rows(t, "\ufeff"+`{"prompt":"a","label":"summarise","extra":[1]}

{"prompt":"b","system":"s","task":"gsm8k","scores":{"x":0,"y":1},"cost":{"x":0.1,"y":2}}
{"prompt":"","label":"chat_qa","group":"g"}
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Rows) != 3 || f.Rows[0].Label != classify.Summarize || !f.Rows[0].Labelled || f.Rows[1].Labelled ||
		f.Rows[1].System != "s" || f.Rows[1].Scores["y"] != 1 || f.Rows[1].Group != "gsm8k" || f.Rows[1].Line != 3 || f.Rows[2].Group != "g" || f.Scale != 1 {
		t.Errorf("%+v", f)
	}
}

// TestReadScale: scores of judges are brought to 0..1.
func TestReadScale(t *testing.T) {
	for text, want := range map[string]float64{"9.5": 10, "10": 10, "11": 100, "1": 1, "0.2": 1} {
		f, err := rows(t, `{"prompt":"a","scores":{"x":`+text+`,"y":1}}`)
		if err != nil || f.Scale != want || f.Rows[0].Scores["y"] != 1/want {
			t.Errorf("%s: scale %v, %v", text, f.Scale, err)
		}
	}
}

// TestReadBad: what is wrong is told with file and line, all at once.
func TestReadBad(t *testing.T) {
	for text, want := range map[string]string{
		"":            "f.jsonl: holds no rows",
		"\n \n":       "f.jsonl: holds no rows",
		"{":           "f.jsonl:1: is not a JSON object of a row",
		`["a"]`:       "f.jsonl:1: is a JSON array, and a row is an object",
		`{"label":1}`: "f.jsonl:1: \"label\" is a JSON number, and must be a string",
		"[\n{}]":      "f.jsonl:1: is a JSON array",
		`"a"`:         "f.jsonl:1: is a JSON string, and a row is an object",
		`{"prompt":"a","prompt":"b","label":"code"}`:                     "f.jsonl:1: a member stands twice in one object, at character 15",
		`{"prompt":"a","Label":"code"}`:                                  `f.jsonl:1: "label" is spelled otherwise, at character 15`,
		`{"prompt":"a","scores":{"x":1,"x":0}}`:                          "f.jsonl:1: a member stands twice",
		`{"prompt":null,"label":"code"}`:                                 "has no \"prompt\"",
		`{"prompt":"a"}`:                                                 "has neither \"label\" nor \"scores\"",
		`{"prompt":"a","label":"sumarize"}`:                              `label "sumarize" is no task; did you mean "summarize"?`,
		`{"prompt":"a","label":"zzzzzzzz"}`:                              "the tasks are summarize, classify,",
		`{"prompt":"a","scores":{"x":-1}}`:                               `the score of "x" is -1`,
		`{"prompt":"a","scores":{"x":1e9}}`:                              `the score of "x" is 1e+09`,
		`{"prompt":"a","scores":{"x":1},"cost":0.1}`:                     `f.jsonl:1: "cost" is not an object`,
		`{"prompt":"a","scores":{"x":1},"cost":{"x":"1"}}`:               `f.jsonl:1: "cost" is not an object`,
		`{"prompt":"a","scores":{"x":1},"cost":{"x":-0.5}}`:              `f.jsonl:1: the cost of "x" is -0.5`,
		`{"prompt":"a","scores":[1]}`:                                    `"scores" is not an object`,
		`{"prompt":"a","scores":{"x":"1"}}`:                              `"scores" is not an object`,
		`{"prompt":"a","label":"code"}` + "\n{\n" + `{"prompt":"a"}`:     "f.jsonl:2: is not a JSON object of a row: unexpected end of JSON input\nf.jsonl:3: has neither",
		strings.Repeat("{\n", 50):                                        "f.jsonl: and 30 more bad lines",
		"\x1f\x8bno gzip":                                                "begins as gzip",
		`{"prompt":"a","label":"code"}` + "\n" + `{"prompt":"b","label"`: "f.jsonl:2:",
	} {
		_, err := rows(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestReadCompressed(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprintln(z, `{"prompt":"a","label":"code"}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rows.jsonl.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Read(path)
	if err != nil || len(f.Rows) != 1 || f.Name() != "rows" || len(f.SHA256) != 64 {
		t.Errorf("%+v, %v", f, err)
	}
	if err := os.WriteFile(path, b.Bytes()[:b.Len()-6], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "rows.jsonl.gz:2: unexpected EOF") {
		t.Errorf("cut off: %v", err)
	}
	if _, err := Read(filepath.Dir(path)); err == nil {
		t.Error("a directory is read as a file")
	}
}
