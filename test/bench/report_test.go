package main

import (
	"os"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		f    Figure
		want string
	}{
		"at the goal":   {Figure{Goal: 1.3, Median: 1.3}, met},
		"over the goal": {Figure{Goal: 1.3, Median: 1.31}, missed},
		// The largest turn may be over: the median counts.
		"a bad turn":    {Figure{Goal: 1.3, Median: 1.2, Max: 2}, met},
		"with an error": {Figure{Goal: 1.3, Median: 1, Errors: 1}, missed},
		"without goal":  {Figure{Median: 9}, reported},
		"not measured":  {Figure{Goal: 1.3, Skipped: "no engine"}, skipped},
	} {
		c.f.judge()
		if c.f.Verdict != c.want {
			t.Errorf("%s: %s, want %s", name, c.f.Verdict, c.want)
		}
	}
}

func TestFigureOf(t *testing.T) {
	for _, c := range []struct{ in, want []float64 }{
		{[]float64{2}, []float64{2, 2, 2}},
		{[]float64{3, 1, 2}, []float64{1, 2, 3}},
		{[]float64{4, 1, 2, 3}, []float64{1, 2.5, 4}},
	} {
		var f Figure
		f.of(c.in)
		if f.Min != c.want[0] || f.Median != c.want[1] || f.Max != c.want[2] || f.Turns != len(c.in) {
			t.Errorf("of(%v) = %v %v %v, want %v", c.in, f.Min, f.Median, f.Max, c.want)
		}
	}
}

// TestPage holds that the page has the marks that -write looks for, that what
// stands around them stays, and that a missed figure is marked.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../" + docs)
	if err != nil {
		t.Fatal(err)
	}
	r := Report{Figures: []Figure{
		{Group: sameGroup, Name: "good", Unit: "x", Goal: 2, Median: 1.5, Turns: 1, Verdict: met},
		{Group: sameGroup, Name: "bad", Unit: "x", Goal: 2, Median: 2.5, Turns: 1, Verdict: missed},
	}}
	once, err := splice(string(page), r.markdown())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 of 2 figures missed their goal: bad.",
		"| good | 1.50x | 2.00x | met |", "| bad | 2.50x | 2.00x | **MISSED** |",
	} {
		if !strings.Contains(once, want) {
			t.Errorf("the page lacks %q:\n%s", want, once)
		}
	}
	before, _, _ := strings.Cut(string(page), beginMark)
	if !strings.HasPrefix(once, before) {
		t.Error("what stands before the mark has changed")
	}
	if twice, err := splice(once, r.markdown()); err != nil || twice != once {
		t.Errorf("writing twice gives another page (%v)", err)
	}
}

func TestPageWithoutMarks(t *testing.T) {
	for _, page := range []string{"", beginMark, endMark, endMark + beginMark} {
		if _, err := splice(page, "x"); err == nil {
			t.Errorf("splice accepts %q", page)
		}
	}
}

// TestScenarios holds that every scenario has a goal, a known group and a name
// of its own: -only and the page go by them.
func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range scenarios(1) {
		known := false
		for _, g := range groups {
			known = known || g == c.group
		}
		if !known || c.goal <= 0 || seen[c.name] || c.value == nil || c.load.conns < 1 {
			t.Errorf("scenario %q of group %q is not whole", c.name, c.group)
		}
		seen[c.name] = true
	}
}
