package judge_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/judge"
)

// What is said of a sample may be kept where its texts may not: nothing of them
// stands in it.
func TestDetailsTellNothing(t *testing.T) {
	const secret = "xylophone"
	values := []string{secret, `{"` + secret + `":"` + secret + `"}`, `{"a":"` + secret + `"}`, "class: " + secret, secret + " 7", `{"` + secret}
	closed := judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{"additionalProperties":false,"properties":{"a":{"type":"integer"}}}`)}
	for _, spec := range []judge.Spec{{Kind: judge.Exact}, same, letters, loose, typed, closed, ordered, anyway, number, group, {Kind: judge.Regex, Pattern: "^a"}} {
		j := made(t, spec)
		for _, a := range values {
			for _, b := range append(values, "8") {
				for _, want := range []*judge.Expected{nil, {Texts: []string{a}, Tools: calls("g", a).Tools}} {
					s := judge.Sample{Want: want, Baseline: text(a), Candidate: text(b)}
					s.Baseline.Tools, s.Candidate.Tools = calls("f", a).Tools, calls(secret, b).Tools
					v, err := j.Judge(t.Context(), s)
					if strings.Contains(v.Detail, secret) || err != nil && strings.Contains(err.Error(), secret) {
						t.Errorf("%s of %q and %q: %q, %v", spec.Kind, a, b, v.Detail, err)
					}
					if kept, err := json.Marshal(v); err != nil || strings.Contains(string(kept), secret) {
						t.Errorf("%s, %v", kept, err)
					}
				}
			}
		}
	}
}

// The first rule that is broken is named, by its place in the schema.
func TestBrokenRules(t *testing.T) {
	spec := judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{"properties":{"a":{"type":"integer"}},"required":["b"]}`)}
	for answer, says := range map[string]string{`{"b":1,"a":"x"}`: "/properties/a/type", `{}`: "/required", `{"b":1,"a":2}`: "differ"} {
		v := judged(t, spec, judge.Sample{Baseline: text(`{"b":1}`), Candidate: text(answer)})
		if v.Candidate == 1 || !strings.Contains(v.Detail, says) {
			t.Errorf("%s: %+v", answer, v)
		}
	}
}

// A schema is all there is: files that it refers to are not read.
func TestSchemasLoadNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(`{"type":"integer"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := json.Marshal(map[string]string{"$ref": "file://" + filepath.ToSlash(file)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := judge.New(judge.Spec{Kind: judge.JSON, Schema: ref}, judge.Means{}); err == nil {
		t.Error("a schema in a file is read")
	}
	inside := judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{"$ref":"#/$defs/n","$defs":{"n":{"type":"integer"}}}`)}
	if v := judged(t, inside, judge.Sample{Baseline: text("1"), Candidate: text(`"1"`)}); v.Baseline != 1 || v.Candidate != 0 {
		t.Errorf("%+v", v)
	}
}
