package judge_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"freehold/internal/judge"
)

func text(s string) judge.Answer { return judge.Answer{Text: s} }

func calls(list ...string) judge.Answer {
	a := judge.Answer{}
	for i := 0; i < len(list); i += 2 {
		a.Tools = append(a.Tools, judge.Call{Name: list[i], Arguments: list[i+1]})
	}
	return a
}

func texts(list ...string) *judge.Expected { return &judge.Expected{Texts: list} }

func made(t *testing.T, spec judge.Spec) judge.Judge {
	t.Helper()
	j, err := judge.New(spec, judge.Means{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func judged(t *testing.T, spec judge.Spec, s judge.Sample) judge.Verdict {
	t.Helper()
	v, err := made(t, spec).Judge(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var (
	ordered = judge.Spec{Kind: judge.Tools}
	anyway  = judge.Spec{Kind: judge.Tools, AnyOrder: true, Tolerance: judge.Tolerance{Absolute: 1}}
	loose   = judge.Spec{Kind: judge.JSON, Fenced: true, Ignore: []string{"/id", "/items/*/at"}, Tolerance: judge.Tolerance{Relative: 0.1}}
	typed   = judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}`)}
	group   = judge.Spec{Kind: judge.Regex, Pattern: `class: *(?P<class>\w+)`, Group: "class"}
	number  = judge.Spec{Kind: judge.Numeric}
	same    = judge.Spec{Kind: judge.Normalised}
	letters = judge.Spec{Kind: judge.Normalised, Choices: true}
)

// table has, for each, the scores of two answers and what they rest on.
var table = []struct {
	name                string
	spec                judge.Spec
	want                *judge.Expected
	baseline, candidate judge.Answer
	scores              [2]float64
	basis               judge.Basis
}{
	{"exact", judge.Spec{Kind: judge.Exact}, texts("a", "b"), text("b"), text("B"), [2]float64{1, 0}, judge.Reference},
	{"exact agreement", judge.Spec{Kind: judge.Exact}, nil, text("b"), text("b "), [2]float64{1, 0}, judge.Agreement},
	{"failed", same, texts("a"), judge.Answer{Text: "a", Failure: "status 500"}, text("a"), [2]float64{0, 1}, judge.Reference},
	{"failed without a reference", same, nil, judge.Answer{Failure: "status 500"}, text("a"), [2]float64{0, 1}, judge.Unanswered},
	{"empty", same, nil, text("a"), text(" \n"), [2]float64{1, 0}, judge.Unanswered},
	{"both failed", same, nil, text(""), judge.Answer{Failure: "cut"}, [2]float64{0, 0}, judge.Unanswered},
	{"both decline", same, nil, judge.Answer{Refused: true}, judge.Answer{Text: "No.", Refused: true}, [2]float64{1, 1}, judge.Agreement},
	{"one declines", same, nil, text("a"), judge.Answer{Text: "a", Refused: true}, [2]float64{1, 0}, judge.Agreement},
	{"the other declines", same, nil, judge.Answer{Text: "a", Refused: true}, text("a"), [2]float64{1, 0}, judge.Agreement},
	{"to decline is right", same, &judge.Expected{Refusal: true}, text("a"), judge.Answer{Refused: true}, [2]float64{0, 1}, judge.Reference},
	{"to decline is wrong", same, texts("a"), text("a"), judge.Answer{Text: "a", Refused: true}, [2]float64{1, 0}, judge.Reference},

	{"words", same, texts("Paris"), text("The answer is **Paris**."), text("London"), [2]float64{1, 0}, judge.Reference},
	{"composed characters", same, texts("caf\u00e9"), text("cafe\u0301"), text("ＣＡＦ\u00c9"), [2]float64{1, 1}, judge.Reference},
	{"a square is no two", same, texts("x²"), text("x2"), text("X²"), [2]float64{0, 1}, judge.Reference},
	{"a letter is expected", same, texts("B"), text("B) Paris"), text("The correct answer is (C) London."), [2]float64{1, 0}, judge.Reference},
	{"no letter", same, texts("A"), text("A cat"), text("A."), [2]float64{0, 1}, judge.Reference},
	{"other choices of one letter", same, nil, text("A) Paris"), text("A) London"), [2]float64{1, 0}, judge.Agreement},
	{"only marks", same, nil, text("?!"), text("?!"), [2]float64{1, 1}, judge.Agreement},
	{"letters", letters, nil, text("B) Paris"), text("The answer is B because it is so."), [2]float64{1, 1}, judge.Agreement},
	{"letters with and without text", letters, texts("c"), text(`So \boxed{C}`), text("D. Rome"), [2]float64{1, 0}, judge.Reference},
	{"the last conclusion counts", letters, texts("D"), text("Option A seems right. No, option D is."), text("Answer: A"), [2]float64{1, 0}, judge.Reference},

	{"fields", judge.Spec{Kind: judge.JSON}, &judge.Expected{JSON: json.RawMessage(`{"a":1,"b":{"c":[1,2]},"d":"x"}`)},
		text(`{"d":"x","b":{"c":[1.0,2]},"a":1e0}`), text(`{"a":2,"b":{"c":[1]},"d":"x"}`), [2]float64{1, 0.5}, judge.Reference},
	{"more fields than expected", judge.Spec{Kind: judge.JSON}, texts(`{"a":1}`), text(`{"a":1,"b":2}`), text(`[]`), [2]float64{0.5, 0}, judge.Reference},
	{"no JSON", judge.Spec{Kind: judge.JSON}, nil, text(`{"a":1}`), text("```json\n{\"a\":1}\n```"), [2]float64{1, 0}, judge.Unanswered},
	{"two of one name", judge.Spec{Kind: judge.JSON}, texts(`{"a":1}`), text(`{"a":1,"a":1}`), text(`{"a":1}`), [2]float64{0, 1}, judge.Reference},
	{"fence, tolerance, places", loose, nil, text(`{"id":1,"items":[{"at":1,"n":100}]}`), text("```json\n{\"items\":[{\"at\":2,\"n\":109}]}\n```"), [2]float64{1, 1}, judge.Agreement},
	{"out of tolerance", loose, nil, text(`{"n":100}`), text(`{"n":112}`), [2]float64{1, 0}, judge.Agreement},
	{"schema", typed, nil, text(`{"a":1}`), text(`{"a":"1"}`), [2]float64{1, 0}, judge.Unanswered},
	{"schema and fields", typed, texts(`{"a":3,"b":1}`), text(`{"a":3}`), text(`{"b":1}`), [2]float64{0.5, 0}, judge.Reference},
	{"large whole numbers", judge.Spec{Kind: judge.JSON}, nil, text(`9007199254740993`), text(`9007199254740992`), [2]float64{1, 0}, judge.Agreement},
	{"empty is a field", judge.Spec{Kind: judge.JSON}, nil, text(`{"a":[]}`), text(`{"a":{}}`), [2]float64{1, 0}, judge.Agreement},

	{"calls", ordered, &judge.Expected{Tools: calls("f", `{"a":1}`, "g", `{}`).Tools}, calls("f", `{"a":1.0}`, "g", ""), calls("g", `{}`, "f", `{"a":1}`), [2]float64{1, 0.5}, judge.Reference},
	{"calls in any order", anyway, nil, calls("f", `{"a":1}`, "f", `{"a":2}`), calls("f", `{"a":3}`, "f", `{"a":1}`), [2]float64{1, 1}, judge.Agreement},
	{"calls that are like several", anyway, nil, calls("f", `{"a":2}`, "f", `{"a":0}`), calls("f", `{"a":1}`, "f", `{"a":3}`), [2]float64{1, 1}, judge.Agreement},
	{"none expected", ordered, &judge.Expected{Tools: []judge.Call{}}, text("Hello."), calls("f", `{}`), [2]float64{1, 0}, judge.Reference},
	{"one too many", ordered, nil, calls("f", `{}`), calls("f", `{}`, "f", `{}`), [2]float64{1, 0.5}, judge.Agreement},
	{"arguments that are no JSON", ordered, nil, calls("f", `{"a":`), calls("f", `{"a":`), [2]float64{1, 1}, judge.Agreement},
	{"other arguments that are no JSON", ordered, nil, calls("f", `{"a":`), calls("f", `{"b":`), [2]float64{1, 0}, judge.Agreement},
	{"neither calls", ordered, nil, text("a"), text("b"), [2]float64{1, 1}, judge.Agreement},

	{"numbers", number, texts("1,234.50"), text("It costs $1234.5."), text("1235"), [2]float64{1, 0}, judge.Reference},
	{"percent", number, texts("45%"), text("It is 0.45"), text("45"), [2]float64{1, 1}, judge.Reference},
	{"absolute", judge.Spec{Kind: judge.Numeric, Tolerance: judge.Tolerance{Absolute: 0.1}}, texts("0.3"), text("0.4"), text("0.41"), [2]float64{1, 0}, judge.Reference},
	{"relative", judge.Spec{Kind: judge.Numeric, Tolerance: judge.Tolerance{Relative: 0.1}}, nil, text("100"), text("90"), [2]float64{1, 1}, judge.Agreement},
	{"no number", number, nil, text("seven"), text("7"), [2]float64{0, 1}, judge.Unanswered},

	{"match", judge.Spec{Kind: judge.Regex, Pattern: `(?i)^ok`}, nil, text("OK!"), text("not ok"), [2]float64{1, 0}, judge.Check},
	{"match of the sample", judge.Spec{Kind: judge.Regex}, &judge.Expected{Pattern: "^a+$"}, text("aab"), text("aaa"), [2]float64{0, 1}, judge.Reference},
	{"group", group, texts("spam"), text("class: spam"), text("class:ham"), [2]float64{1, 0}, judge.Reference},
	{"groups", group, nil, text("I say class: spam"), text("class: spam, surely"), [2]float64{1, 1}, judge.Agreement},
	{"no group", group, nil, text("spam"), text("class: spam"), [2]float64{0, 1}, judge.Unanswered},
}

// Scores are as they should be; answers in each other's place have each other's
// scores, and an answer is a tie with itself.
func TestKinds(t *testing.T) {
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			s := judge.Sample{ID: "1", Want: c.want, Baseline: c.baseline, Candidate: c.candidate}
			v := judged(t, c.spec, s)
			if [2]float64{v.Baseline, v.Candidate} != c.scores || v.Basis != c.basis || v.Raw != v.Candidate-v.Baseline || v.Difference != v.Raw {
				t.Errorf("%+v, want %v by %s", v, c.scores, c.basis)
			}
			if lost := v.Candidate < 1; lost && v.Detail == "" {
				t.Error("nothing is said of what is wrong")
			}
			w := judged(t, c.spec, s.Swapped())
			if v.Basis == judge.Agreement {
				if w.Difference != v.Difference || w.Basis != v.Basis {
					t.Errorf("agreement depends on the order: %+v and %+v", v, w)
				}
			} else if w.Difference != -v.Difference || w.Basis != v.Basis {
				t.Errorf("swapped: %+v and %+v", v, w)
			}
			for _, a := range []judge.Answer{c.baseline, c.candidate} {
				if v := judged(t, c.spec, judge.Sample{Want: c.want, Baseline: a, Candidate: a}); v.Difference != 0 {
					t.Errorf("%+v against itself: %+v", a, v)
				}
			}
		})
	}
}

// A golden sample that does not fit its judge is an error that says so.
func TestDataThatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		spec judge.Spec
		want *judge.Expected
		says string
	}{
		{judge.Spec{Kind: judge.Exact}, &judge.Expected{}, "no texts"},
		{same, &judge.Expected{Tools: []judge.Call{}}, "no texts"},
		{number, texts("none"), "no number"},
		{loose, texts("none"), "no JSON"},
		{loose, &judge.Expected{}, "no JSON"},
		{loose, &judge.Expected{JSON: json.RawMessage(`{`)}, "expected JSON"},
		{ordered, texts("f"), "empty list"},
		{group, &judge.Expected{}, "no texts"},
		{judge.Spec{Kind: judge.Regex}, texts("a"), "pattern"},
		{judge.Spec{Kind: judge.Regex}, &judge.Expected{Pattern: "("}, "pattern"},
		{judge.Spec{Kind: judge.Feedback}, nil, "not scored"},
	} {
		_, err := made(t, c.spec).Judge(t.Context(), judge.Sample{ID: "row-7", Want: c.want, Baseline: text("a"), Candidate: judge.Answer{Text: "b"}})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "row-7") {
			t.Errorf("%s: %v, want one of row-7 with %q", c.spec.Kind, err, c.says)
		}
	}
}

func TestSpecs(t *testing.T) {
	for _, c := range []struct {
		spec judge.Spec
		says string
	}{
		{judge.Spec{}, "exact, normalised"},
		{judge.Spec{Kind: "fuzzy"}, `"fuzzy"`},
		{judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{`)}, "schema"},
		{judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{"type":"none"}`)}, "schema"},
		{judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{"$ref":"file:///etc/hosts"}`)}, "schema"},
		{judge.Spec{Kind: judge.JSON, Schema: json.RawMessage(`{"$ref":"https://127.0.0.1/s"}`)}, "schema"},
		{judge.Spec{Kind: judge.JSON, Ignore: []string{"id"}}, "slash"},
		{judge.Spec{Kind: judge.Tools, Ignore: []string{"id"}}, "slash"},
		{judge.Spec{Kind: judge.Numeric, Tolerance: judge.Tolerance{Absolute: -1}}, "tolerance"},
		{judge.Spec{Kind: judge.Numeric, Tolerance: judge.Tolerance{Relative: 1}}, "tolerance"},
		{judge.Spec{Kind: judge.Regex, Pattern: "("}, "pattern"},
		{judge.Spec{Kind: judge.Regex, Group: "1"}, "group"},
		{judge.Spec{Kind: judge.Regex, Pattern: "(a)", Group: "2"}, "group"},
		{judge.Spec{Kind: judge.Regex, Pattern: "(a)", Group: "name"}, "group"},
		{judge.Spec{Kind: judge.Program}, "command"},
		{judge.Spec{Kind: judge.Program, Command: []string{"x"}, Timeout: -1}, "timeout"},
		{judge.Spec{Kind: judge.Program, Command: []string{"x"}, Environment: []string{"A"}}, "NAME=value"},
		{judge.Spec{Kind: judge.Pairwise}, "model"},
	} {
		if _, err := judge.New(c.spec, judge.Means{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.spec, err, c.says)
		}
	}
}

func TestFeedback(t *testing.T) {
	given := func(v float64) *float64 { return &v }
	j := made(t, judge.Spec{Kind: judge.Feedback})
	s := judge.Sample{Baseline: text("a"), Candidate: text("b"), Feedback: &judge.Scores{Baseline: given(0.25), Candidate: given(1)}}
	for range 2 {
		v, err := j.Judge(t.Context(), s)
		if err != nil || v.Basis != judge.People || v.Baseline != *s.Feedback.Baseline || v.Candidate != *s.Feedback.Candidate {
			t.Errorf("%+v, %v", v, err)
		}
		s = s.Swapped()
	}
	// What is missing needs no score and has 0.
	s.Candidate, s.Feedback.Candidate = judge.Answer{Failure: "late"}, nil
	if v, err := j.Judge(t.Context(), s); err != nil || v.Candidate != 0 || v.Baseline != 0.25 {
		t.Errorf("%+v, %v", v, err)
	}
	both := judge.Sample{Baseline: judge.Answer{Failure: "late"}}
	if v, err := j.Judge(t.Context(), both); err != nil || v.Basis != judge.Unanswered {
		t.Errorf("%+v, %v", v, err)
	}
	s.Feedback.Baseline = given(1.5)
	if _, err := j.Judge(t.Context(), s); err == nil {
		t.Error("a score of 1.5 is taken")
	}
}

// FuzzKinds holds for any text: no kind panics, scores are from 0 to 1, order
// does not matter, and an answer ties with itself.
func FuzzKinds(f *testing.F) {
	for _, c := range table {
		f.Add(c.baseline.Text, c.candidate.Text, "want")
	}
	f.Add("1e999999999", "```\n", "-")
	specs := []judge.Spec{{Kind: judge.Exact}, same, letters, loose, typed, ordered, anyway, number, group,
		{Kind: judge.Regex, Pattern: "a|b"}, {Kind: judge.Numeric, DecimalComma: true, Tolerance: judge.Tolerance{Absolute: 2}}}
	var judges []judge.Judge
	for _, spec := range specs {
		j, err := judge.New(spec, judge.Means{})
		if err != nil {
			f.Fatal(err)
		}
		judges = append(judges, j)
	}
	f.Fuzz(func(t *testing.T, a, b, want string) {
		for i, j := range judges {
			for _, w := range []*judge.Expected{nil, {Texts: []string{want}, Tools: calls("f", want).Tools}} {
				s := judge.Sample{Want: w, Baseline: judge.Answer{Text: a, Tools: calls("f", b).Tools}, Candidate: judge.Answer{Text: b, Tools: calls("f", a).Tools}}
				v, err := j.Judge(context.Background(), s)
				if err != nil {
					if w == nil {
						t.Errorf("%s: %v", specs[i].Kind, err)
					}
					continue
				}
				x, err := j.Judge(context.Background(), s.Swapped())
				if err != nil || v.Basis != x.Basis || v.Basis == judge.Agreement && v.Candidate != x.Candidate || v.Basis != judge.Agreement && v.Difference != -x.Difference {
					t.Errorf("%s: %+v, swapped %+v, %v", specs[i].Kind, v, x, err)
				}
				for _, n := range []float64{v.Baseline, v.Candidate, v.Similarity.Cosine, v.Similarity.RougeL} {
					if !(n >= 0 && n <= 1) {
						t.Errorf("%s: %+v", specs[i].Kind, v)
					}
				}
				s.Candidate = s.Baseline
				if v, err := j.Judge(context.Background(), s); err != nil || v.Difference != 0 {
					t.Errorf("%s with itself: %+v, %v", specs[i].Kind, v, err)
				}
			}
		}
	})
}
