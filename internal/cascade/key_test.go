package cascade_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"freehold/internal/cascade"
)

// Each line of a group says the same; lines of different groups do not.
var groups = [][]string{
	{"Paris", "paris.", "**Paris**", "The answer is Paris.", "Answer: Paris", "```\nParis\n```", "\"Paris\"", "  PARIS!  ", "The final answer is: **Paris**",
		"So the answer is Paris.", "Die Antwort ist Paris.", "La réponse est « Paris ».", "La respuesta es Paris.", "Answer: the answer is Paris", "答案是 Paris", "答案是：Paris",
		"It lies on the Seine. The answer is Paris."},
	{"Paris, France", "Paris France"},
	{"not Paris"},
	{"42", "42.", "42.0", "042", "+42", "The answer is 42.", "It is 42.", "Das Ergebnis ist 42.", "So the result is 42", `We add. \boxed{42}`, `$$\boxed{42.00}$$`, "The sum is **42**.", "Ｔｈｅ ａｎｓｗｅｒ ｉｓ ４２"},
	{"-42", "−42", "It is -42."},
	{"42%", "It is 42%."},
	{"$42", "$42.00"},
	{"42!"},
	{"60 km/h", "The speed is 60 km/h.", "60 KM/H"},
	{"60 m/s", "The speed is 60 m/s."},
	{"1234567.5", "1,234,567.5", "1,234,567.50"},
	{"1,2"}, {"12"}, {"1.2"}, {"1.2.0"}, {"1.2.3"},
	{"3,5"}, {"3.5", "3.50"},
	{"at least 42"}, {"It is not 42."}, {"No, it is 42."}, {"Yes, it is 42."},
	{"Train A is 60. Train B is 42."}, {"Train A is 50. Train B is 42."},
	{"The answer is A. The answer is B."}, {"The answer is C. The answer is B."},
	{"A", "a.", "(A)", "Answer: A", "[A]"}, {"B"}, {"A, B"}, {"A and B"}, {"C"}, {"C++"}, {"C#"},
	{"vitamin A deficiency"}, {"vitamin deficiency"},
	{"the cat", "cat", "a cat", "A cat"}, {"die Katze"}, {"eine Katze", "Katze"},
	{"[1, 5)"}, {"(1, 5]"}, {"(1, 5)"},
	{"2 * 3"}, {"2 3"}, {"2 - 3"}, {"x > 3"}, {"x < 3"}, {"x = 3", "x=3"}, {"x"}, {"!x"}, {"5'"}, {"5"}, {`5"`},
	{"- one\n- two", "* one\n* two", "one\ntwo", "one two"}, {"two one"},
	{"yes", "Yes.", "YES"}, {"no"}, {"Yes, because it is"},
	{"Straße", "STRASSE", "strasse"},
	{"東京", "東京。", "答えは：東京", "「東京」"},
	{"Москва", "москва.", "Ответ: Москва"},
	{`{"a":1,"b":[1,2]}`, "{ \"b\" : [1.0, 2e0], \"a\": 10e-1 }", "```json\n{\"a\":1,\"b\":[1,2]}\n```"},
	{`{"a":1,"b":[2,1]}`}, {`{"a":"1","b":[1,2]}`}, {`{"a":1}`, "```\n{\"a\":1.00}\n```"}, {`{"a":null}`}, {`{"a":false}`}, {`[]`}, {`{}`}, {`{"a":-0}`, `{"a":0.0}`},
	{`{"a":"x"}`, `{"a":"\u0078"}`}, {`{"a":"X"}`}, {`{"a":1e400}`, `{"a":10e399}`}, {`{"a":1e99999999999}`},
}

func TestKey(t *testing.T) {
	owner := map[string]string{}
	for _, group := range groups {
		want := cascade.Key(group[0], false)
		if want == "" {
			t.Errorf("%q says nothing", group[0])
		}
		for _, line := range group {
			if got := cascade.Key(line, false); got != want {
				t.Errorf("%q is %q, want %q as %q", line, got, want, group[0])
			}
		}
		if other, taken := owner[want]; taken {
			t.Errorf("%q and %q say the same: %q", other, group[0], want)
		}
		owner[want] = group[0]
	}
}

func TestKeyOfNothing(t *testing.T) {
	for _, s := range []string{"", " \n", "...", "```\n```", "- ", "**", "\u200b", `""`} {
		if k := cascade.Key(s, false); k != "" {
			t.Errorf("%q says %q", s, k)
		}
	}
	for _, s := range []string{"Paris", "", `{"a":1,"a":2}`, `{"a":1} and`, `{"a":`, strings.Repeat("[", 2000) + strings.Repeat("]", 2000)} {
		if k := cascade.Key(s, true); k != "" {
			t.Errorf("%.40q is JSON: %.40q", s, k)
		}
	}
	if cascade.Key(strings.Repeat("x", 70_000), false) != "" {
		t.Error("a text that is too long to be compared has a key")
	}
	// A bare text or number is a JSON answer only where one was asked for.
	if cascade.Key("42", true) == cascade.Key("42", false) || cascade.Key("42", true) != cascade.Key("4.2e1", true) {
		t.Error("a number asked for as JSON is not read as JSON")
	}
}

func TestAgree(t *testing.T) {
	for _, c := range []struct {
		answers []string
		json    bool
		want    bool
	}{
		{nil, false, false}, {[]string{"Paris"}, false, false}, {[]string{"", ""}, false, false},
		{[]string{"Paris", "paris."}, false, true}, {[]string{"Paris", "Rome"}, false, false},
		{[]string{"Paris", "paris", "Rome"}, false, false}, {[]string{"Paris", "paris", "PARIS!"}, false, true},
		{[]string{`{"a":1}`, `{"a":1.0}`}, true, true}, {[]string{"Paris", "Paris"}, true, false}, {[]string{"Paris", ""}, false, false},
	} {
		if got := cascade.Agree(c.answers, c.json); got != c.want {
			t.Errorf("Agree(%q, %v) is %v", c.answers, c.json, got)
		}
	}
}

// Numbers that differ never agree, however they are written; one that is the
// same always does.
func TestNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	styles := []func(string) string{
		func(s string) string { return s },
		func(s string) string { return "The answer is " + s + "." },
		func(s string) string { return "It is **" + s + "**" },
		func(s string) string { return "```\n" + s + "\n```" },
		func(s string) string { return `so \boxed{` + s + `}` },
		func(s string) string { return "Das Ergebnis lautet: " + s },
	}
	seen := map[string]int64{}
	for range 3000 {
		n := r.Int64N(2_000_000) - 1_000_000
		if r.IntN(3) == 0 {
			n = r.Int64N(200) - 100
		}
		text := strconv.FormatInt(n, 10)
		if r.IntN(2) == 0 {
			text += ".00"
		}
		k := cascade.Key(styles[r.IntN(len(styles))](text), false)
		if other, ok := seen[k]; ok && other != n {
			t.Fatalf("%d and %d have the key %q", n, other, k)
		}
		if want := cascade.Key(strconv.FormatInt(n, 10), false); k != want {
			t.Fatalf("%s has the key %q, want %q", text, k, want)
		}
		seen[k] = n
	}
}

// JSON in any order and spacing is the same; any value that differs is not.
func TestJSONValues(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		v := anyValue(r, 3)
		if _, isText := v.(string); isText {
			continue
		}
		compact, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		spread, err := json.MarshalIndent(v, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if !cascade.Agree([]string{string(compact), shuffled(r, v), "```json\n" + string(spread) + "\n```"}, true) {
			t.Fatalf("%s does not agree with itself", compact)
		}
		if other := fmt.Sprintf(`{"x":%s,"y":0}`, compact); cascade.Agree([]string{string(compact), other}, true) {
			t.Fatalf("%s agrees with %s", compact, other)
		}
	}
}

func anyValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(7); {
	case n < 2 && depth > 0:
		m := map[string]any{}
		for range r.IntN(4) {
			m[strconv.Itoa(r.IntN(50))] = anyValue(r, depth-1)
		}
		return m
	case n < 4 && depth > 0:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, anyValue(r, depth-1))
		}
		return list
	case n == 4:
		return r.IntN(1000) - 500
	case n == 5:
		return r.IntN(2) == 0
	}
	return "t" + strconv.Itoa(r.IntN(1000))
}

// shuffled writes a value with its members in random order, and numbers in
// another form.
func shuffled(r *rand.Rand, v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for k, e := range v {
			parts = append(parts, fmt.Sprintf("%q: %s", k, shuffled(r, e)))
		}
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return "{" + strings.Join(parts, " ,") + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, shuffled(r, e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case int:
		return fmt.Sprintf("%d0E-1", v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of a test's own making
	}
	return string(b)
}

func FuzzKey(f *testing.F) {
	for _, g := range groups {
		for _, s := range g {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		k := cascade.Key(s, false)
		for _, same := range []string{" " + s + "\n", "\n\n" + s} {
			if got := cascade.Key(same, false); got != k {
				t.Errorf("%q is %q, and %q with white space", s, k, got)
			}
		}
		if j := cascade.Key(s, true); j != "" && !strings.HasPrefix(j, "json ") {
			t.Errorf("%q as JSON is %q", s, j)
		}
		if k != "" && !cascade.Agree([]string{s, s}, false) {
			t.Errorf("%q does not agree with itself", s)
		}
	})
}
