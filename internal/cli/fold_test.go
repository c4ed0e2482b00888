package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestFolded: lines that fit stay as they are; of longer ones whatever may be copied stays
// whole.
func TestFolded(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "",
		"  as  it is \n":                        "  as  it is \n",
		"freehold: it is no more to be had":     "freehold: it is no\n  more to be had",
		"  hint: freehold vectors status":       "  hint: freehold\n        vectors\n        status",
		"at https://example.org/a/long/path, x": "at\n  https://example.org/a/long/path,\n  x",
		"in config.yaml:12:7: it is missing":    "in config.yaml:12:7:\n  it is missing",
		`the file "my own file" is gone`:        "the file\n  \"my own file\" is\n  gone",
		"an odd \" in a line of this length":    "an odd \" in a line\n  of this length",
		"größe größe größe größe":               "größe größe größe\n  größe",
	} {
		if got := folded(in, 20); got != want {
			t.Errorf("%q is folded to %q, not %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(rapid.StringMatching(` {0,4}([a-z:/."]{1,30} {1,2}){0,12}[a-z]`), 0, 3).Draw(t, "lines"), "\n")
		out := folded(in, 40)
		if got, want := strings.Fields(out), strings.Fields(in); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("%q became %q", want, got)
		}
		for line := range strings.SplitSeq(out, "\n") {
			if utf8.RuneCountInString(line) > 40 && len(unbroken(line)) > 1 && !strings.Contains(in, line) {
				t.Fatalf("%q could be broken", line)
			}
		}
	})
}

// TestComplain: an error is folded as what is printed on standard output is.
func TestComplain(t *testing.T) {
	var out bytes.Buffer
	p := &program{err: &out, getenv: func(string) string { return "" }}
	long := strings.Repeat("words of an error ", 9)
	p.report(hintedf(strings.Repeat("words of a hint ", 9), "%w", errors.New(long)))
	for line := range strings.Lines(out.String()) {
		if len(line) > 81 {
			t.Errorf("a line of %d: %s", len(line)-1, line)
		}
	}
	if got := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(got, strings.TrimSpace(long)) || strings.Count(out.String(), "\n") < 4 {
		t.Errorf("%s", out.String())
	}
}
