package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func same(text string) string { return text }

func TestDiff(t *testing.T) {
	before := "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\nj: 10\nk: 11\nl: 12\n"
	after := "a: 1\nb: 2\nc: 3\nd: four\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\nj: 10\nk: 11\nl: 12\nm: 13\n"
	want := `--- config.yaml (3)
+++ config.yaml (4)
@@ -1,7 +1,7 @@
 a: 1
 b: 2
 c: 3
-d: 4
+d: four
 e: 5
 f: 6
 g: 7
@@ -10,3 +10,4 @@
 j: 10
 k: 11
 l: 12
+m: 13
`
	if diff := cmp.Diff(want, Diff("config.yaml (3)", "config.yaml (4)", before, after, same)); diff != "" {
		t.Error(diff)
	}
	if got := Diff("a", "b", before, before, same); got != "" {
		t.Errorf("diff of one text with itself: %q", got)
	}
	if got, want := Diff("a", "b", "", "x: 1\n", same), "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x: 1\n"; got != want {
		t.Errorf("diff from nothing: %q", got)
	}
	if got := Diff("a", "b", "x", "x\n", same); !strings.Contains(got, "only the line feed") {
		t.Errorf("diff of a line feed: %q", got)
	}
	if got := Diff("a", "b", "x: s3cret\n", "x: s3cret2\n", func(string) string { return "" }); strings.Contains(got, "s3cret") {
		t.Errorf("a redaction that loses lines shows %q", got)
	}
	// A changed secret is a change, and stays hidden.
	got := Diff("a", "b", "api_key: abcdef\n", "api_key: ghijkl\n", Redact)
	if want := "--- a\n+++ b\n@@ -1,1 +1,1 @@\n-api_key: [redacted]\n+api_key: [redacted]\n"; got != want {
		t.Errorf("got %q", got)
	}
}

// TestDiffApplies: a diff, applied to the old text, makes the new one.
func TestDiffApplies(t *testing.T) {
	line := rapid.SampledFrom([]string{"a", "b", "c", "d: 1", "", "-x", "+y", "@@"})
	text := rapid.Custom(func(t *rapid.T) string {
		lines := rapid.SliceOfN(line, 0, 40).Draw(t, "lines")
		return strings.Join(append(lines, ""), "\n")
	})
	rapid.Check(t, func(t *rapid.T) {
		before, after := text.Draw(t, "before"), text.Draw(t, "after")
		diff := Diff("a", "b", before, after, same)
		got, err := apply(splitLines(before), diff)
		if err != nil {
			t.Fatalf("%v\n%s", err, diff)
		}
		if strings.Join(got, "\n") != strings.Join(splitLines(after), "\n") {
			t.Fatalf("applied:\n%q\nwant:\n%q\n%s", got, after, diff)
		}
	})
}

func apply(old []string, diff string) ([]string, error) {
	var out []string
	at := 0
	lines := splitLines(diff)
	for i := 2; i < len(lines); i++ {
		var oldStart, oldCount, newStart, newCount int
		if _, err := fmt.Sscanf(lines[i], "@@ -%d,%d +%d,%d @@", &oldStart, &oldCount, &newStart, &newCount); err != nil {
			return nil, fmt.Errorf("line %d: %q is no hunk", i, lines[i])
		}
		if oldCount > 0 {
			oldStart--
		}
		out = append(out, old[at:oldStart]...)
		at = oldStart
		for oldCount+newCount > 0 {
			i++
			op, text := lines[i][0], lines[i][1:]
			if op != '+' {
				if old[at] != text {
					return nil, fmt.Errorf("line %d does not match the old text", i)
				}
				at++
				oldCount--
			}
			if op != '-' {
				out = append(out, text)
				newCount--
			}
		}
	}
	return append(out, old[at:]...), nil
}

func TestDiffOfStrangers(t *testing.T) {
	var a, b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&a, "old %d\n", i)
		fmt.Fprintf(&b, "new %d\n", i)
	}
	got := Diff("a", "b", a.String(), b.String(), same)
	if !strings.Contains(got, "@@ -1,3000 +1,3000 @@\n-old 0\n") {
		t.Errorf("diff begins %.80q", got)
	}
}
